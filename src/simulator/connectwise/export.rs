//! The accounting export: what an accounting package is given to post. It changes nothing.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::{TaxRow, number};
use super::expense_export::Chosen;
use super::invoices::Invoice;
use super::ledger::{Closing, GlEntry, Source};
use super::marks::Kind;
use super::oddities::View;
use super::records::{NewInvoice, NewLine, SegmentKind};
use super::reply::{merged, pruned};
use super::settings::{CostRows, DropShipCosts};
use super::state::State;
use super::tables::{currency, reference};

/// What an export holds.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What was asked for.
    pub(super) kinds: Vec<Kind>,
    pub(super) transactions: Vec<Value>,
    /// Companies of the invoices.
    pub(super) customers: BTreeSet<i64>,
    pub(super) purchases: Vec<Value>,
    /// Companies of the purchases.
    pub(super) vendors: BTreeSet<i64>,
    pub(super) expenses: Vec<Value>,
    pub(super) expense_bills: Vec<Value>,
    pub(super) adjustments: Vec<Value>,
    pub(super) transfers: Vec<Value>,
}

impl State {
    /// The export of these parts.
    pub(super) fn gl_export(&self, parts: Parts) -> Value {
        let has = |kind: Kind| parts.kinds.contains(&kind);
        let settings = json!({"exportInvoices": has(Kind::Invoice), "exportExpenses": has(Kind::Expense),
            "exportInventory": has(Kind::Product)});
        let customers: Vec<Value> = parts.customers.into_iter().filter_map(|company| self.customer(company)).collect();
        let mut vendors: Vec<Value> = parts.vendors.into_iter().filter_map(|company| self.vendor(company)).collect();
        vendors.extend(self.member_vendors(&parts.expense_bills));
        pruned(json!({
            "exportSettings": settings, "vendors": vendors, "customers": customers,
            "transactions": parts.transactions, "expenses": parts.expenses, "expenseBills": parts.expense_bills,
            "purchaseTransactions": parts.purchases, "adjustmentTransactions": parts.adjustments,
            "inventoryTransfers": parts.transfers,
        }))
    }

    /// The transactions of `invoices`, of which only the entries that are `wanted`; and their companies.
    pub(super) fn transactions<'a>(
        &'a self,
        invoices: impl Iterator<Item = &'a Invoice>,
        wanted: impl Fn(&GlEntry) -> bool,
    ) -> (Vec<Value>, BTreeSet<i64>) {
        let (mut transactions, mut companies) = (Vec::new(), BTreeSet::new());
        for invoice in invoices {
            let Some(closing) = &invoice.closing else { continue };
            let entries: Vec<&GlEntry> = closing.entries.iter().filter(|entry| wanted(entry)).collect();
            companies.insert(invoice.new.company);
            transactions.push(self.transaction(invoice, closing, &entries));
        }
        (transactions, companies)
    }

    fn customer(&self, id: i64) -> Option<Value> {
        let company = self.companies.get(&id)?;
        let new = &company.new;
        let terms = new.terms.and_then(|terms| self.terms.get(&terms));
        Some(json!({"company": self.company_reference(id), "accountNumber": new.account_number,
            "site": reference(1, "Main"), "billingTerms": terms.map(|terms| reference(terms.id, &terms.name)),
            "billingTermsXref": terms.map(|terms| terms.xref.as_str()), "dueDays": terms.map(|terms| terms.due_days),
            "taxable": new.tax_code.is_some(), "taxCode": self.tax_code_reference(new.tax_code),
            "currency": currency(&new.currency)}))
    }

    fn document_type(invoice: &Invoice) -> &str {
        let by_kind = if invoice.new.is_credit_memo() { "CREDIT MEMO" } else { "INVOICE" };
        invoice.new.document_type.as_deref().unwrap_or(by_kind)
    }

    fn transaction(&self, invoice: &Invoice, closing: &Closing, entries: &[&GlEntry]) -> Value {
        let new = &invoice.new;
        let terms = self.terms_of(new);
        let receivable = closing.entries.iter().find(|entry| matches!(entry.source, Source::Receivable));
        let header_ids: Vec<String> = entries
            .iter()
            .filter(|entry| !matches!(entry.source, Source::Line(_)))
            .map(|entry| entry.id.to_string())
            .collect();
        let detail: Vec<Value> = entries.iter().filter_map(|entry| self.detail(invoice, entry)).collect();
        let company = self.company_reference(new.company);
        let account_number = self.companies.get(&new.company).map(|company| company.new.account_number.as_str());
        let row = json!({
            "id": receivable.map(|entry| entry.id), "glTypeId": "AR",
            "glClass": receivable.map(|entry| self.joined(entry, SegmentKind::Class)),
            "accountNumber": receivable.map(|entry| self.joined(entry, SegmentKind::Account)),
            "glEntryIds": header_ids.join(","), "documentDate": self.accounting_date(new.date),
            "documentNumber": new.number, "documentType": Self::document_type(invoice), "memo": company.get("name"),
            "description": new.reference, "attention": "", "company": company, "companyAccountNumber": account_number,
            "site": reference(1, "Main"), "billingTerms": terms.map(|terms| reference(terms.id, &terms.name)),
            "billingTermsXref": terms.map(|terms| terms.xref.as_str()), "dueDays": terms.map(|terms| terms.due_days),
            "dueDate": self.accounting_date(self.due_date_of(new)), "emailDeliveryFlag": true,
            "printDeliveryFlag": false, "agreementPrePaymentFlag": false, "billingType": billing_type(&new.kind),
            "project": new.project.as_ref().map(|name| reference(41, name)),
            "currency": currency(&self.currency_of(new)), "shipToCompany": company,
            "shipToCompanyAccountNumber": account_number, "shipSite": reference(1, "Main"), "detail": detail,
        });
        let row = merged(merged(row, self.header_amounts(invoice, closing)), self.extra_fields(invoice));
        new.oddities.show(View::Export, row)
    }

    fn header_amounts(&self, invoice: &Invoice, closing: &Closing) -> Value {
        let (amounts, sign) = (&closing.amounts, self.header_sign(&invoice.new));
        let code = self.tax_code_of(&invoice.new);
        let group_rate: Decimal = self.tax_levels(code.unwrap_or(0)).iter().map(|(_, rate)| *rate).sum();
        let levels: Vec<Value> = amounts.taxes.iter().map(|tax| tax_level(tax, sign)).collect();
        let level = |position: usize| amounts.taxes.get(position);
        json!({
            "total": number(amounts.total * sign), "taxable": code.is_some(),
            "taxableTotal": number(amounts.taxable() * sign), "taxCode": self.tax_code_reference(code),
            "taxGroupRate": number(group_rate), "piggyBackFlag": false, "taxAccountNumber": self.settings.tax_account,
            "salesTax": number(amounts.sales_tax * sign), "taxAgencyXref": "", "taxDpAppliedFlag": false,
            "useAvalaraFlag": false, "sendAvalaraTaxFlag": false, "taxLevels": levels,
            "stateTax": level(0).map(|tax| number(tax.tax * sign)), "stateTaxXref": level(0).map(|tax| &tax.xref),
            "countyTax": level(1).map(|tax| number(tax.tax * sign)), "countyTaxXref": level(1).map(|tax| &tax.xref),
        })
    }

    /// Fields that integrations have seen though the specification does not have them.
    fn extra_fields(&self, invoice: &Invoice) -> Value {
        if !self.settings.extra_fields {
            return json!({});
        }
        json!({"customerPO": invoice.new.customer_po, "status": "Open", "notInTheSpecification": {"nested": [1]}})
    }

    fn detail(&self, invoice: &Invoice, entry: &GlEntry) -> Option<Value> {
        let more = match &entry.source {
            Source::Receivable => return None,
            Source::Line(line) => self.line_fields(&invoice.new, line),
            Source::Tax(tax) => self.tax_fields(tax),
        };
        let row = json!({
            "id": entry.id, "documentDate": self.accounting_date(invoice.new.date),
            "documentType": Self::document_type(invoice), "accountNumber": self.joined(entry, SegmentKind::Account),
            "glClass": self.joined(entry, SegmentKind::Class), "glTypeId": entry.kind, "total": number(entry.amount),
            "currency": currency(&self.currency_of(&invoice.new)),
        });
        Some(merged(row, more))
    }

    fn line_fields(&self, invoice: &NewInvoice, line: &NewLine) -> Value {
        let code = line.tax_code.or_else(|| self.tax_code_of(invoice));
        let levels = self.tax_levels(code.unwrap_or(0));
        let rate: Decimal = levels.iter().map(|(_, rate)| *rate).sum();
        let level_flags: Vec<Value> =
            (1..).zip(levels).map(|(level, _)| json!({"taxLevel": level, "taxableFlag": line.taxable})).collect();
        let credit = if invoice.is_credit_memo() { Decimal::ONE } else { -Decimal::ONE };
        let fields = json!({
            "quantity": number(line.quantity * credit), "memo": line.description, "description": line.description,
            "cost": number(line.cost * line.quantity), "salesCode": "", "invoiceSummaryOption": "Detailed",
            "taxableFlag": line.taxable, "itemTaxableFlag": line.taxable, "taxCode": self.tax_code_reference(code),
            "taxCodeXref": levels.first().map(|(xref, _)| xref.as_str()), "taxRate": number(rate),
            "taxRatePercent": number(rate * Decimal::ONE_HUNDRED), "taxLevels": level_flags,
            "glItemId": line.item.as_ref().map_or("", |item| item.identifier.as_str()),
        });
        let Some(item) = &line.item else { return fields };
        let of_item = json!({
            "item": {"id": item.id, "identifier": item.identifier}, "itemPrice": number(line.unit_price),
            // The product on the invoice is another record than its catalog item.
            "product": {"id": item.id + 600_000, "description": line.description},
            "itemCost": number(line.cost), "itemDescription": line.description,
            "salesDescription": line.description, "serializedFlag": false, "dropShippedFlag": line.drop_shipped,
        });
        merged(merged(fields, of_item), self.cost_fields(line))
    }

    /// The accounts between which the cost of a product moves.
    fn cost_fields(&self, line: &NewLine) -> Value {
        let shown = !line.drop_shipped || self.settings.drop_ship_costs == DropShipCosts::Shown;
        let accounts =
            json!({"costAccountNumber": line.cost_account, "inventoryAccountNumber": line.inventory_account});
        match self.settings.cost_rows {
            CostRows::OfRow if shown => accounts,
            CostRows::OfOne if shown => merged(accounts, json!({"cost": number(line.cost)})),
            _ => json!({}),
        }
    }

    fn tax_fields(&self, tax: &TaxRow) -> Value {
        json!({
            "memo": tax.xref, "description": tax.xref, "taxCode": self.tax_code_reference(Some(tax.code)),
            "taxCodeXref": tax.xref, "taxAgencyXref": "", "taxRate": number(tax.rate),
            "taxRatePercent": number(tax.rate * Decimal::ONE_HUNDRED), "taxableFlag": false,
        })
    }

    /// What a batch would hand over again.
    pub(super) fn export_again(&self, batch: i64) -> Value {
        let in_batch = |entry: &GlEntry| entry.batch == Some(batch);
        let invoices =
            self.invoices.values().filter(|invoice| invoice.closing.iter().any(|c| c.entries.iter().any(in_batch)));
        let (transactions, customers) = self.transactions(invoices, in_batch);
        let (purchases, vendors) = self.purchase_transactions(|_, _| true, |of| of == Some(batch));
        let of = self.batches.get(&batch);
        let kinds = of.map(|batch| batch.kinds.clone()).unwrap_or_default();
        let condensed = of.is_some_and(|batch| batch.condensed);
        let chosen = Chosen { expense: &|_| true, entry: &|of| of == Some(batch), condensed };
        let (expenses, expense_bills) = self.expense_parts(&chosen);
        let (adjustments, transfers) = self.change_parts(|change| change.batch == Some(batch));
        self.gl_export(Parts {
            kinds,
            transactions,
            customers,
            purchases,
            vendors,
            expenses,
            expense_bills,
            adjustments,
            transfers,
        })
    }

    /// The rows of a batch.
    pub(super) fn batch_entry_rows(&self, batch: i64) -> Vec<Value> {
        let mut rows = Vec::new();
        for invoice in self.invoices.values() {
            let entries = invoice.closing.iter().flat_map(|closing| &closing.entries);
            for entry in entries.filter(|entry| entry.batch == Some(batch)) {
                let name = match &entry.source {
                    Source::Tax(tax) => tax.xref.as_str(),
                    Source::Receivable | Source::Line(_) => entry.kind.as_str(),
                };
                let (debit, credit) = (entry.amount.max(Decimal::ZERO), (-entry.amount).max(Decimal::ZERO));
                rows.push(json!({"id": entry.id, "accountType": entry.kind, "name": name,
                    "accountNumber": self.joined(entry, SegmentKind::Account), "debit": number(debit),
                    "credit": number(credit), "cost": number(Decimal::ZERO),
                    "invoice": {"id": invoice.id, "identifier": invoice.new.number}, "_info": {}}));
            }
        }
        rows.extend(self.purchase_batch_rows(batch));
        rows.extend(self.expense_batch_rows(batch));
        rows.extend(self.change_batch_rows(batch));
        rows
    }
}

fn tax_level(tax: &TaxRow, sign: Decimal) -> Value {
    json!({"taxLevel": tax.level, "taxCodeXref": tax.xref, "taxableAmount": number(tax.taxable * sign),
        "taxAmount": number(tax.tax * sign)})
}

fn billing_type(kind: &str) -> &'static str {
    match kind {
        "Agreement" => "A",
        "CreditMemo" => "C",
        "DownPayment" => "D",
        "Miscellaneous" => "M",
        "Progress" => "P",
        _ => "S",
    }
}
