//! The rows that show purchase orders, their lines, and what of them is unposted.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::{TaxRow, number};
use super::invoices::tax_columns;
use super::ledger::GlEntry;
use super::oddities::View;
use super::purchase_records::NewPurchaseOrder;
use super::purchases::{Bought, OrderLine, PurchaseOrder, Slip};
use super::reply::merged;
use super::settings::PurchaseTotal;
use super::state::State;
use super::tables::{Status, Terms, currency, reference};

/// What the free entries of a packing slip amount to.
#[derive(Clone, Debug, Default)]
pub(super) struct SlipAmounts {
    pub(super) lines: Decimal,
    pub(super) freight: Decimal,
    pub(super) tax: Decimal,
    pub(super) freight_tax: Decimal,
    pub(super) taxes: Vec<TaxRow>,
}

impl SlipAmounts {
    pub(super) fn of(entries: &[&GlEntry<Bought>]) -> Self {
        let mut amounts = Self::default();
        for entry in entries {
            match &entry.source {
                Bought::Line(_) => amounts.lines += entry.amount,
                Bought::Freight => amounts.freight += entry.amount,
                Bought::Tax(row) => {
                    let sum = if entry.kind == "FT" { &mut amounts.freight_tax } else { &mut amounts.tax };
                    *sum += entry.amount;
                    amounts.taxes.push(row.clone());
                }
            }
        }
        amounts
    }
}

impl State {
    /// The terms in force for a purchase order.
    pub(super) fn order_terms(&self, order: &NewPurchaseOrder) -> Option<&Terms> {
        let id = order.terms.or_else(|| self.companies.get(&order.vendor)?.new.terms)?;
        self.terms.get(&id)
    }

    /// The currency of a purchase order.
    pub(super) fn order_currency(&self, order: &NewPurchaseOrder) -> Value {
        let vendor = || self.companies.get(&order.vendor).map(|vendor| vendor.new.currency.clone());
        currency(&order.currency.clone().or_else(vendor).unwrap_or_else(|| "AUD".to_owned()))
    }

    /// What a packing slip comes to, by the reading in force.
    pub(super) fn slip_total(&self, order: &PurchaseOrder, amounts: &SlipAmounts) -> Value {
        let whole = amounts.lines + amounts.freight + amounts.tax + amounts.freight_tax;
        let computed = match self.settings.purchase_total {
            PurchaseTotal::Whole => whole,
            PurchaseTotal::Lines => amounts.lines,
        };
        number(order.new.total.unwrap_or(computed))
    }

    /// The string that a purchase is exported by; blanks and punctuation of the packing slip stay.
    pub(super) fn purchase_id(&self, order: &PurchaseOrder, slip: &Slip) -> String {
        format!("{}-{}-purchase", order.id + self.settings.purchase_id_offset, slip.name)
    }

    pub(super) fn order_status_rows(&self) -> Vec<Value> {
        let row = |status: &Status| {
            json!({"id": status.id, "name": status.name, "defaultFlag": status.name == "New",
                "closedFlag": status.closed, "inactiveFlag": false, "defaultClosedFlag": status.name == "Closed",
                "sortOrder": status.id, "_info": {}})
        };
        self.order_statuses.values().map(row).collect()
    }

    pub(super) fn purchase_order_rows(&self) -> Vec<Value> {
        self.purchase_orders.values().map(|order| self.purchase_order_row(order)).collect()
    }

    pub(super) fn purchase_order_row(&self, order: &PurchaseOrder) -> Value {
        let new = &order.new;
        // The reference does not say whether the status is closed; the record does.
        let status = self.order_statuses.get(&order.status).map(|status| reference(status.id, &status.name));
        let terms = self.order_terms(new).map(|terms| reference(terms.id, &terms.name));
        let row = json!({
            "id": order.id, "poNumber": new.number, "poDate": format!("{}T00:00:00Z", new.date), "status": status,
            "closedFlag": order.closed.is_some(), "closedBy": order.closed.as_ref().map(|(_, member)| member),
            "dateClosed": order.closed.as_ref().map(|(at, _)| at.to_string()),
            "vendorCompany": self.company_reference(new.vendor), "vendorSite": reference(1, "Main"),
            "vendorInvoiceNumber": new.vendor_invoice_number,
            "vendorInvoiceDate": new.vendor_invoice_date.map(|date| format!("{date}T00:00:00Z")),
            "vendorOrderNumber": "", "terms": terms, "currency": self.order_currency(new),
            "customerCompany": new.customer.map(|customer| self.company_reference(customer)),
            "dropShipCustomerFlag": new.drop_ship, "freightPackingSlip": new.freight_packing_slip,
            "taxCode": self.tax_code_reference(self.order_tax_code(new)), "taxFreightFlag": new.freight_taxable,
            "taxPoFlag": new.taxable, "locationId": new.location_id, "location": reference(new.location_id, "HQ"),
            "businessUnitId": 1, "businessUnit": reference(1, "Service"), "warehouse": reference(1, "Main warehouse"),
            "trackingNumber": new.tracking_number, "enteredBy": "biller", "internalNotes": order.notes,
            "_info": {"lastUpdated": order.updated.0.to_string(), "updatedBy": order.updated.1},
        });
        new.oddities.show(View::Record, merged(row, self.order_amounts(order)))
    }

    fn order_amounts(&self, order: &PurchaseOrder) -> Value {
        let new = &order.new;
        let rates = self.tax_levels(self.order_tax_code(new).unwrap_or(0));
        let rate: Decimal = rates.iter().map(|(_, rate)| *rate).sum();
        let cost = |line: &OrderLine| line.new.cost_of(line.new.quantity);
        let subtotal: Decimal = order.lines.iter().map(cost).sum();
        let taxed = order.lines.iter().filter(|line| new.taxable && line.new.taxable);
        let computed = super::amounts::round2(taxed.map(cost).sum::<Decimal>() * rate);
        let freight_taxed = if new.freight_taxable { new.freight } else { Decimal::ZERO };
        let freight_tax = super::amounts::round2(freight_taxed * rate);
        let tax = new.tax.unwrap_or(computed);
        json!({"freightCost": number(new.freight), "freightTaxTotal": number(freight_tax), "salesTax": number(tax),
            "subTotal": number(subtotal), "total": number(subtotal + tax + new.freight + freight_tax)})
    }

    /// The lines of a purchase order.
    pub(super) fn purchase_line_rows(order: &PurchaseOrder) -> Vec<Value> {
        let rows = order.lines.iter().map(|line| purchase_line_row(order, line)).collect();
        match order.new.oddities.show(View::Lines, rows) {
            Value::Array(rows) => rows,
            other => vec![other],
        }
    }

    /// The purchases in the unposted list.
    pub(super) fn unposted_purchase_rows(&self) -> Vec<Value> {
        let slips = self.purchase_orders.values().flat_map(|order| order.slips.iter().map(move |slip| (order, slip)));
        slips
            .filter(|(_, slip)| !slip.free().is_empty())
            .map(|(order, slip)| order.new.oddities.show(View::Unposted, self.unposted_purchase_row(order, slip)))
            .collect()
    }

    fn unposted_purchase_row(&self, order: &PurchaseOrder, slip: &Slip) -> Value {
        let new = &order.new;
        let amounts = SlipAmounts::of(&slip.free());
        let vendor = self.companies.get(&new.vendor);
        let row = json!({
            "id": slip.unposted_id, "description": vendor.map(|vendor| vendor.new.name.as_str()),
            "unpostedProductId": self.purchase_id(order, slip), "locationId": new.location_id, "departmentId": 1,
            "procurementType": "Purchase", "purchaseOrder": reference(order.id, &new.number),
            "purchaseDate": self.accounting_date(new.date), "trackingNumber": new.tracking_number,
            "billingTerms": self.order_terms(new).map(|terms| reference(terms.id, &terms.name)),
            "currency": self.order_currency(new), "total": self.slip_total(order, &amounts),
            "taxCode": self.tax_code_reference(self.order_tax_code(new)), "avalaraTaxFlag": false,
            "itemTaxableFlag": !amounts.tax.is_zero(), "purchaseOrderTaxableFlag": new.taxable,
            "taxTotal": number(amounts.tax), "customer": new.customer.map(|customer| self.company_reference(customer)),
            "vendor": self.company_reference(new.vendor),
            "vendorAccountNumber": vendor.map(|vendor| vendor.new.account_number.as_str()),
            "vendorInvoiceNumber": new.vendor_invoice_number,
            "vendorInvoiceDate": new.vendor_invoice_date.map(|date| self.accounting_date(date)),
            "taxFreightFlag": new.freight_taxable, "freightTaxTotal": number(amounts.freight_tax),
            "freightCost": number(amounts.freight), "dateClosed": self.accounting_instant(slip.distributed),
            "_info": {},
        });
        merged(row, tax_columns(&amounts.taxes, Decimal::ONE))
    }

    /// The tax of an unposted row by level.
    pub(super) fn taxable_level_rows(&self, unposted_id: i64) -> Option<Vec<Value>> {
        let mut slips = self.purchase_orders.values().flat_map(|order| &order.slips);
        let slip = slips.find(|slip| slip.unposted_id == unposted_id && !slip.free().is_empty())?;
        let row = |(id, tax): (i64, &TaxRow)| json!({"id": id, "taxLevel": tax.level, "taxCodeXref": tax.xref, "taxAmount": number(tax.tax), "_info": {}});
        Some((1..).zip(&SlipAmounts::of(&slip.free()).taxes).map(row).collect())
    }
}

fn purchase_line_row(order: &PurchaseOrder, line: &OrderLine) -> Value {
    let new = &line.new;
    let receipt = line.receipt.as_ref();
    let entry = order.entry_of(line.id);
    let received = receipt.map_or(Decimal::ZERO, |receipt| receipt.quantity);
    json!({
        "id": line.id, "purchaseOrderId": order.id, "purchaseOrderNumber": order.new.number,
        "lineNumber": line.number, "description": new.description,
        "product": new.item.as_ref().map(|item| json!({"id": item.id, "identifier": item.identifier})),
        "quantity": number(new.quantity), "unitCost": number(new.unit_cost),
        "extCost": number(new.cost_of(new.quantity)), "tax": number(Decimal::ZERO),
        // Declared as an integer, though half a box can be received.
        "receivedQuantity": serde_json::from_str::<Value>(&received.normalize().to_string()).unwrap_or_default(),
        "receivedStatus": receipt.map_or("Waiting", |receipt| receipt.status),
        "packingSlip": receipt.map_or("", |receipt| receipt.slip.as_str()),
        "dateReceived": receipt.map(|receipt| receipt.at.to_string()),
        "unitOfMeasure": reference(1, "Each"), "warehouse": reference(1, "Main warehouse"),
        "warehouseBin": reference(1, "Default"), "vendorSku": new.vendor_sku, "serialNumbers": "",
        "backorderedFlag": false, "canceledFlag": false, "closedFlag": receipt.is_some(),
        "batchedFlag": entry.is_some_and(|(_, entry)| entry.batch.is_some()),
        "unbatchedRecId": entry.and_then(|(slip, entry)| slip.unbatched.filter(|_| entry.batch.is_none())),
        "_info": {"lastUpdated": order.updated.0.to_string(), "updatedBy": order.updated.1},
    })
}
