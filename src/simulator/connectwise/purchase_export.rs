//! Purchases as an accounting package is given them: one transaction for each packing slip.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::{TaxRow, number};
use super::ledger::GlEntry;
use super::oddities::View;
use super::purchase_rows::SlipAmounts;
use super::purchases::{Bought, OrderLine, PurchaseOrder, Slip};
use super::records::SegmentKind;
use super::reply::merged;
use super::state::State;
use super::tables::{currency, reference};

impl State {
    /// The purchases of `slips`, of which only the entries that are `wanted`; and their vendors.
    pub(super) fn purchase_transactions(
        &self,
        chosen: impl Fn(&PurchaseOrder, &Slip) -> bool,
        wanted: impl Fn(Option<i64>) -> bool,
    ) -> (Vec<Value>, BTreeSet<i64>) {
        let (mut transactions, mut vendors) = (Vec::new(), BTreeSet::new());
        for order in self.purchase_orders.values() {
            for slip in order.slips.iter().filter(|slip| chosen(order, slip)) {
                let entries: Vec<_> = slip.entries.iter().filter(|entry| wanted(entry.batch)).collect();
                if !entries.is_empty() {
                    let transaction = self.purchase_transaction(order, slip, &entries);
                    transactions.push(order.new.oddities.show(View::Export, transaction));
                    vendors.insert(order.new.vendor);
                }
            }
        }
        (transactions, vendors)
    }

    /// A vendor of the export.
    pub(super) fn vendor(&self, id: i64) -> Option<Value> {
        let new = &self.companies.get(&id)?.new;
        let terms = new.terms.and_then(|terms| self.terms.get(&terms));
        Some(json!({"vendor": self.company_reference(id), "company": self.company_reference(id),
            "vendorNumber": new.vendor_number, "accountNumber": new.account_number, "site": reference(1, "Main"),
            "billingTerms": terms.map(|terms| reference(terms.id, &terms.name)),
            "dueDays": terms.map(|terms| terms.due_days), "taxCode": self.tax_code_reference(new.tax_code),
            "currency": currency(&new.currency)}))
    }

    fn purchase_transaction(&self, order: &PurchaseOrder, slip: &Slip, entries: &[&GlEntry<Bought>]) -> Value {
        let new = &order.new;
        let terms = self.order_terms(new);
        let vendor = self.companies.get(&new.vendor);
        let customer = new.customer.map(|customer| self.company_reference(customer));
        let amounts = SlipAmounts::of(entries);
        let row = json!({
            "id": self.purchase_id(order, slip), "documentDate": self.accounting_date(new.date),
            "documentNumber": new.number, "description": vendor.map(|vendor| vendor.new.name.as_str()),
            "memo": format!("PO {}", new.number), "apAccountNumber": self.settings.payable_account,
            "purchaseDate": self.accounting_date(new.date), "company": self.company_reference(new.vendor),
            "companyType": reference(2, "Vendor"), "site": reference(1, "Main"), "purchaseClass": "",
            "freightAmount": number(amounts.freight), "freightPackingSlip": new.freight_packing_slip,
            "packingSlip": slip.name, "dropshipFlag": new.drop_ship, "currency": self.order_currency(new),
            "total": self.slip_total(order, &amounts), "billingTermsXref": terms.map(|terms| terms.xref.as_str()),
            "billingTerms": terms.map(|terms| reference(terms.id, &terms.name)),
            "dueDays": terms.map(|terms| terms.due_days),
            "vendorNumber": vendor.map(|vendor| vendor.new.vendor_number.as_str()),
            "vendorAccountNumber": vendor.map(|vendor| vendor.new.account_number.as_str()),
            "vendorInvoiceDate": new.vendor_invoice_date.map(|date| self.accounting_date(date)),
            "vendorInvoiceNumber": new.vendor_invoice_number, "shipToCompany": customer,
            "purchaseDetail": self.purchase_detail(order, entries),
            "purchaseDetailTax": self.purchase_tax_detail(order, entries),
        });
        merged(row, self.purchase_tax_header(order, &amounts))
    }

    fn purchase_tax_header(&self, order: &PurchaseOrder, amounts: &SlipAmounts) -> Value {
        let code = self.order_tax_code(&order.new);
        let rates = self.tax_levels(code.unwrap_or(0));
        let group_rate: Decimal = rates.iter().map(|(_, rate)| *rate).sum();
        let mut levels: Vec<&TaxRow> = amounts.taxes.iter().collect();
        levels.dedup_by_key(|tax| tax.level);
        let levels: Vec<Value> =
            levels.iter().map(|tax| json!({"taxCodeXref": tax.xref, "taxLevel": tax.level})).collect();
        let xref = |position: usize| rates.get(position).map(|(xref, _)| xref);
        json!({"taxCode": self.tax_code_reference(code), "taxGroupRate": number(group_rate), "taxAgencyXref": "",
            "stateTaxXref": xref(0), "countyTaxXref": xref(1), "cityTaxXref": xref(2), "useAvalaraTaxFlag": false,
            "purchaseHeaderTaxGroup": "", "purchaseHeaderTaxableFlag": order.new.taxable,
            "purchaseHeaderFreightTaxableFlag": order.new.freight_taxable, "taxLevels": levels})
    }

    /// The rows of lines and freight; tax has rows of its own.
    fn purchase_detail(&self, order: &PurchaseOrder, entries: &[&GlEntry<Bought>]) -> Vec<Value> {
        let row = |entry: &&GlEntry<Bought>| {
            let more = match &entry.source {
                Bought::Line(line) => self.bought_fields(order, line),
                Bought::Freight => {
                    json!({"description": "Freight", "memo": "Freight", "quantity": number(Decimal::ONE),
                    "cost": number(entry.amount), "taxable": order.new.freight_taxable})
                }
                Bought::Tax(_) => return None,
            };
            Some(merged(self.purchase_entry(order, entry), more))
        };
        entries.iter().filter_map(row).collect()
    }

    fn purchase_entry(&self, order: &PurchaseOrder, entry: &GlEntry<Bought>) -> Value {
        let vendor = self.companies.get(&order.new.vendor);
        json!({"id": entry.id, "documentDate": self.accounting_date(order.new.date), "glTypeId": entry.kind,
            "accountNumber": self.joined(entry, SegmentKind::Account),
            "glClass": self.joined(entry, SegmentKind::Class), "total": number(entry.amount),
            "vendorNumber": vendor.map(|vendor| vendor.new.vendor_number.as_str()),
            "vendorAccountNumber": vendor.map(|vendor| vendor.new.account_number.as_str()),
            "currency": self.order_currency(&order.new), "salesCode": ""})
    }

    fn bought_fields(&self, order: &PurchaseOrder, line: &OrderLine) -> Value {
        let new = &line.new;
        let quantity = line.receipt.as_ref().map_or(Decimal::ZERO, |receipt| receipt.quantity);
        let code = self.order_tax_code(&order.new);
        let levels = self.tax_levels(code.unwrap_or(0));
        let rate: Decimal = levels.iter().map(|(_, rate)| *rate).sum();
        let item = new.item.as_ref();
        json!({
            "lineNumber": line.number, "description": new.description, "memo": new.description,
            "itemDescription": new.description, "salesDescription": new.description, "quantity": number(quantity),
            "cost": number(new.cost_of(quantity)), "itemCost": number(new.unit_cost),
            "item": item.map(|item| json!({"id": item.id, "identifier": item.identifier})),
            "glItemId": item.map_or("", |item| item.identifier.as_str()), "inventoryAccountNumber": new.inventory_account,
            "costAccountNumber": new.cost_account, "unitOfMeasure": reference(1, "Each"), "serializedFlag": false,
            "dropShippedFlag": order.new.drop_ship, "taxable": order.new.taxable && new.taxable,
            "taxCode": self.tax_code_reference(code), "taxRate": number(rate),
            "taxCodeXref": levels.first().map(|(xref, _)| xref), "taxAgencyXref": "",
        })
    }

    fn purchase_tax_detail(&self, order: &PurchaseOrder, entries: &[&GlEntry<Bought>]) -> Vec<Value> {
        let row = |entry: &&GlEntry<Bought>| {
            let Bought::Tax(tax) = &entry.source else { return None };
            // Unlike the other rows this one has no cross-reference, only its code and its rate.
            let more = json!({"memo": tax.xref, "taxCode": self.tax_code_reference(Some(tax.code)),
                "taxRate": number(tax.rate), "taxRatePercent": number(tax.rate * Decimal::ONE_HUNDRED),
                "taxAgencyXref": "", "taxableFlag": false, "quantity": number(Decimal::ONE),
                "cost": number(entry.amount)});
            Some(merged(self.purchase_entry(order, entry), more))
        };
        entries.iter().filter_map(row).collect()
    }

    /// The rows of purchases in a batch.
    pub(super) fn purchase_batch_rows(&self, batch: i64) -> Vec<Value> {
        let mut rows = Vec::new();
        for order in self.purchase_orders.values() {
            let entries = order.slips.iter().flat_map(|slip| &slip.entries);
            for entry in entries.filter(|entry| entry.batch == Some(batch)) {
                let (name, line) = match &entry.source {
                    Bought::Line(line) => (line.new.description.as_str(), Some(line.id)),
                    Bought::Freight => ("Freight", None),
                    Bought::Tax(tax) => (tax.xref.as_str(), None),
                };
                rows.push(json!({"id": entry.id, "accountType": entry.kind, "name": name,
                    "accountNumber": self.joined(entry, SegmentKind::Account), "debit": number(entry.amount),
                    "credit": number(Decimal::ZERO), "cost": number(entry.amount),
                    "purchaseOrder": reference(order.id, &order.new.number),
                    "lineItem": line.map(|line| json!({"id": line, "identifier": name})), "_info": {}}));
            }
        }
        rows
    }
}
