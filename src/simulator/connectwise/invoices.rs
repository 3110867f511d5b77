//! Invoices: their life from open to closed, and the rows that show them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::amounts::{TaxRow, amounts, number};
use super::events::Action;
use super::ledger::{Closing, GlEntry};
use super::oddities::View;
use super::records::{NewInvoice, NewLine, Refusal};
use super::reply::merged;
use super::settings::Sign;
use super::state::{Actor, Series, State};
use super::tables::{Status, currency, reference};

/// An invoice.
#[derive(Clone, Debug)]
pub(super) struct Invoice {
    pub(super) id: i64,
    /// Id of its row in the unposted list, which is not the id to export it by.
    pub(super) unposted_id: i64,
    pub(super) new: NewInvoice,
    pub(super) status: i64,
    pub(super) closing: Option<Closing>,
    /// The batch that it was taken out of.
    pub(super) unbatched: Option<(i64, String)>,
    pub(super) notes: String,
    pub(super) updated: (Timestamp, String),
}

impl Invoice {
    /// The batch of the invoice, once every entry is in one.
    pub(super) fn batch(&self) -> Option<i64> {
        self.closing.as_ref().and_then(Closing::batch)
    }

    pub(super) fn gl_entry_rows(&self) -> Vec<Value> {
        self.closing.iter().flat_map(|closing| &closing.entries).map(GlEntry::row).collect()
    }

    /// Closed, with entries that are in no batch.
    pub(super) fn is_unposted(&self) -> bool {
        self.closing.is_some() && self.batch().is_none()
    }
}

impl State {
    pub(super) fn add_invoice(&mut self, new: NewInvoice) -> i64 {
        let id = self.next_id(Series::Invoice);
        let unposted_id = self.next_id(Series::Unposted);
        let status = self.statuses.values().find(|status| !status.closed).map_or(0, |status| status.id);
        let updated = (self.now(), self.member(Actor::Staff));
        let notes = String::new();
        let invoice = Invoice { id, unposted_id, new, status, closing: None, unbatched: None, notes, updated };
        self.invoices.insert(id, invoice);
        self.notify(id, Action::Added, Actor::Staff);
        id
    }

    /// Marks an invoice as changed and tells who listens.
    pub(super) fn touch(&mut self, id: i64, actor: Actor) {
        let updated = (self.now(), self.member(actor));
        if let Some(invoice) = self.invoices.get_mut(&id) {
            invoice.updated = updated;
            self.notify(id, Action::Updated, actor);
        }
    }

    /// Moves an invoice to another status: closing distributes it, opening takes that back.
    pub(super) fn set_status(&mut self, id: i64, status: i64, actor: Actor) -> Result<(), Refusal> {
        let closed = self.statuses.get(&status).ok_or(Refusal::Unknown)?.closed;
        let invoice = self.invoices.get(&id).ok_or(Refusal::Unknown)?;
        let batched = invoice.closing.iter().flat_map(|closing| &closing.entries).any(|entry| entry.batch.is_some());
        if batched && !(closed && actor == Actor::Api) {
            return Err(Refusal::Batched);
        }
        let closing = match (&invoice.closing, closed) {
            (_, false) => None,
            (Some(closing), true) => Some(closing.clone()),
            (None, true) => {
                let new = invoice.new.clone();
                let company = self.companies.get(&new.company);
                if company.is_none_or(|company| company.new.account_number.is_empty()) {
                    return Err(Refusal::NoAccountNumber);
                }
                Some(self.distribute(&new))
            }
        };
        let invoice = self.invoices.get_mut(&id).ok_or(Refusal::Unknown)?;
        invoice.status = status;
        invoice.closing = closing;
        self.touch(id, actor);
        Ok(())
    }

    /// One, or minus one for a credit memo whose header is below zero.
    pub(super) fn header_sign(&self, invoice: &NewInvoice) -> Decimal {
        let negative = invoice.is_credit_memo() && self.settings.credit_memo_header == Sign::Negative;
        if negative { -Decimal::ONE } else { Decimal::ONE }
    }

    fn batch_reference(&self, id: i64) -> Value {
        let name = self.batches.get(&id).map_or("", |batch| batch.identifier.as_str());
        let href = format!("{}/{}/apis/3.0/finance/accounting/batches/{id}", self.site, self.codebase);
        json!({"id": id, "name": name, "_info": {"batch_href": href}})
    }

    pub(super) fn invoice_rows(&self) -> Vec<Value> {
        self.invoices.values().map(|invoice| self.invoice_row(invoice)).collect()
    }

    pub(super) fn invoice_row(&self, invoice: &Invoice) -> Value {
        let new = &invoice.new;
        let company = self.company_reference(new.company);
        let account_number = self.companies.get(&new.company).map(|company| company.new.account_number.as_str());
        let row = json!({
            "id": invoice.id, "invoiceNumber": new.number, "type": new.kind,
            "status": self.statuses.get(&invoice.status).map(Status::reference),
            "company": company, "billToCompany": company, "shipToCompany": company, "accountNumber": account_number,
            "applyToType": if new.agreement.is_some() { "Agreement" } else { "All" }, "attention": "",
            "billingTerms": self.terms_of(new).map(|terms| reference(terms.id, &terms.name)),
            "reference": new.reference, "customerPO": new.customer_po, "date": format!("{}T00:00:00Z", new.date),
            "dueDate": format!("{}T00:00:00Z", self.due_date_of(new)), "locationId": new.location_id,
            "location": reference(new.location_id, "HQ"), "departmentId": 1, "department": reference(1, "Service"),
            "taxableFlag": self.tax_code_of(new).is_some(), "taxCode": self.tax_code_reference(self.tax_code_of(new)),
            "internalNotes": invoice.notes, "currency": currency(&self.currency_of(new)),
        });
        let row = merged(merged(row, self.invoice_amounts(invoice)), self.invoice_links(invoice));
        new.oddities.show(View::Record, row)
    }

    fn invoice_amounts(&self, invoice: &Invoice) -> Value {
        let new = &invoice.new;
        let (amounts, sign) = (amounts(self, new), self.header_sign(new));
        let (paid, credited) = (self.paid(invoice.id), self.credited(invoice.id));
        let applied = self.applied(invoice.id) * sign;
        let lines = |wanted: fn(&NewLine) -> bool| -> Value {
            let sum: Decimal = new.lines.iter().filter(|line| wanted(line)).map(NewLine::amount).sum();
            number(sum * sign)
        };
        json!({
            "serviceTotal": lines(|line| line.item.is_none() && !is_expense(line)),
            "expenseTotal": lines(is_expense), "productTotal": lines(|line| line.item.is_some()),
            "previousProgressApplied": number(new.progress_applied * sign),
            "downpaymentApplied": number(new.down_payment_applied * sign), "remainingDownpayment": number(Decimal::ZERO),
            "subtotal": number(amounts.subtotal * sign), "salesTax": number(amounts.sales_tax * sign),
            "total": number(amounts.total * sign), "payments": number(paid), "credits": number(credited),
            "balance": number(amounts.total * sign - paid - credited - applied),
        })
    }

    fn invoice_links(&self, invoice: &Invoice) -> Value {
        let new = &invoice.new;
        let href = format!("{}/{}/apis/3.0", self.site, self.codebase);
        let query = format!("conditions=invoice/id={}", invoice.id);
        json!({
            "specialInvoiceFlag": false, "project": new.project.as_ref().map(|name| reference(41, name)),
            "agreement": new.agreement.as_ref().map(|name| reference(31, name)),
            "glBatch": invoice.batch().map(|id| self.batch_reference(id)),
            "unbatchedBatch": invoice.unbatched.as_ref().map(|(id, name)| reference(*id, name)),
            "_info": {"lastUpdated": invoice.updated.0.to_string(), "updatedBy": invoice.updated.1,
                "products_href": format!("{href}/procurement/products?{query}"),
                "timeEntries_href": format!("{href}/time/entries?{query}"),
                "expenseEntries_href": format!("{href}/expense/entries?{query}")},
        })
    }

    /// The rows of the unposted list.
    pub(super) fn unposted_rows(&self) -> Vec<Value> {
        let unposted = self.invoices.values().filter(|invoice| invoice.is_unposted());
        unposted.filter_map(|invoice| Some(self.unposted_row(invoice, invoice.closing.as_ref()?))).collect()
    }

    fn unposted_row(&self, invoice: &Invoice, closing: &Closing) -> Value {
        let new = &invoice.new;
        let (terms, sign) = (self.terms_of(new), self.header_sign(new));
        let company = self.company_reference(new.company);
        let has = |kinds: &[&str]| closing.entries.iter().any(|entry| kinds.contains(&entry.kind.as_str()));
        let row = json!({
            "id": invoice.unposted_id, "billingLogId": invoice.id + self.settings.billing_log_offset,
            "locationId": new.location_id, "location": reference(new.location_id, "HQ"),
            "departmentId": 1, "department": {"id": 1, "identifier": "Service", "name": "Service"},
            "company": company, "accountNumber": self.settings.receivable_account, "billToCompany": company,
            "billToSite": reference(1, "Main"), "shipToCompany": company, "shipToSite": reference(1, "Main"),
            "invoiceNumber": new.number, "invoiceDate": self.accounting_date(new.date), "invoiceType": new.kind,
            "description": new.reference, "billingTerms": terms.map(|terms| reference(terms.id, &terms.name)),
            "dueDays": terms.map(|terms| terms.due_days.to_string()),
            "dueDate": self.accounting_date(self.due_date_of(new)), "currency": currency(&self.currency_of(new)),
        });
        let amounts = json!({
            "subTotal": number(closing.amounts.subtotal * sign), "total": number(closing.amounts.total * sign),
            "hasTime": has(&["R", "RA"]), "hasExpenses": has(&["EE", "EI"]), "hasProducts": has(&["RP"]),
            "invoiceTaxableFlag": self.tax_code_of(new).is_some(),
            "taxCode": self.tax_code_reference(self.tax_code_of(new)), "avalaraTaxFlag": false,
            "itemTaxableFlag": new.lines.iter().any(|line| line.taxable),
            "salesTaxAmount": number(closing.amounts.sales_tax * sign), "createdBy": "biller",
            "dateClosed": self.accounting_instant(closing.at), "_info": {},
        });
        let row = merged(merged(row, amounts), tax_columns(&closing.amounts.taxes, sign));
        new.oddities.show(View::Unposted, row)
    }
}

/// The six levels of tax under the names of American jurisdictions.
pub(super) fn tax_columns(taxes: &[TaxRow], sign: Decimal) -> Value {
    let mut row = Map::new();
    for (level, name) in (1..).zip(["state", "county", "city", "country", "composite", "levelSix"]) {
        let of_level = || taxes.iter().filter(move |tax| tax.level == level);
        let Some(first) = of_level().next() else { continue };
        let amount: Decimal = of_level().map(|tax| tax.tax).sum();
        row.insert(format!("{name}TaxFlag"), json!(true));
        row.insert(format!("{name}TaxXref"), json!(first.xref));
        row.insert(format!("{name}TaxAmount"), number(amount * sign));
    }
    Value::Object(row)
}

fn is_expense(line: &NewLine) -> bool {
    line.gl_type.as_deref() == Some("EE")
}
