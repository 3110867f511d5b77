//! What a person enters in Xero by hand, with the checks that the screens share with the API.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::family::Family;
use super::ledger::JournalStatus;
use super::operator::Xero;
use super::query::Query;
use super::records::{Allocation, Batch, Document, Kind, LineAmounts, Payment, Status};
use super::state::Books;
use super::wire::{Call, Reply};
use super::{allocations, batches, documents, draft, journals, payments};

/// Code of the demo organisation's bank account.
const BANK: &str = "090";

impl Xero {
    /// Enters an invoice, bill or credit note, given in Xero's field names; its `Type` says which.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn enter(&self, document: &Value) -> Result<Uuid, String> {
        let is_credit = document.get("Type").and_then(Value::as_str).is_some_and(|name| name.ends_with("CREDIT"));
        let family = if is_credit { Family::CreditNotes } else { Family::Invoices };
        let call = self.typed(Method::PUT, document);
        let created = self
            .books(|books| documents::write(books, &call, family).map(|_| books.documents.last().map(|held| held.id)));
        created.map(Option::unwrap_or_default).map_err(|refused| refusal(&refused))
    }
}

/// Changes.
impl Xero {
    /// Changes an invoice, bill or credit note: approves, deletes, renumbers, re-dates or edits its lines.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn edit(&self, document: Uuid, changes: &Value) -> Result<(), String> {
        let call = self.typed(Method::POST, changes);
        let edited = self.books(|books| {
            let kind = books.document(document).map_or(Kind::Accrec, |held| held.kind);
            documents::write_one(books, &call, Family::of(kind), &document.to_string())
        });
        edited.map(|_| ()).map_err(|refused| refusal(&refused))
    }
}

/// Journals.
impl Xero {
    /// Enters a manual journal, given in Xero's field names.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn enter_journal(&self, journal: &Value) -> Result<Uuid, String> {
        let call = self.typed(Method::PUT, journal);
        let created =
            self.books(|books| journals::write(books, &call).map(|_| books.journals.last().map(|journal| journal.id)));
        created.map(Option::unwrap_or_default).map_err(|refused| refusal(&refused))
    }

    /// Voids a journal.
    pub fn void_journal(&self, id: Uuid) {
        let now = self.settings().clock.now();
        self.books(|books| {
            for journal in books.journals.iter_mut().filter(|journal| journal.id == id) {
                (journal.status, journal.updated) = (JournalStatus::Voided, now);
            }
        });
    }

    /// What a person types, as the call that the API would get.
    fn typed(&self, method: Method, typed: &Value) -> Call {
        Call {
            method,
            path: String::new(),
            uri: String::new(),
            // The screens keep prices to 4 places.
            query: Query::parse("unitdp=4"),
            headers: HeaderMap::new(),
            body: Bytes::from(typed.to_string()),
            now: self.settings().clock.now(),
        }
    }
}

/// A payment that a person enters.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// The invoice, bill, credit note, overpayment or prepayment that is paid, or paid back.
    pub document: Uuid,
    /// How much.
    pub amount: Decimal,
    /// On which day.
    pub date: Date,
    /// Code of the account that it goes to or comes from, such as `090`.
    pub account: String,
    /// Reference.
    pub reference: String,
}

/// Money.
impl Xero {
    /// Pays on the sales invoice of this number into the bank account, and gives the payment's id.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn pay(&self, number: &str, amount: Decimal, date: Date) -> Result<Uuid, String> {
        let document = self.sales_invoice(number)?.id;
        let (account, reference) = (BANK.to_owned(), String::new());
        self.enter_payment(NewPayment { document, amount, date, account, reference })
    }

    /// Enters any payment, and gives its id.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn enter_payment(&self, new: NewPayment) -> Result<Uuid, String> {
        let now = self.settings().clock.now();
        let payment = Payment {
            id: Uuid::new_v4(),
            document: new.document,
            kind: Kind::Accrec,
            date: new.date,
            amount: new.amount,
            account: new.account,
            reference: new.reference,
            currency_rate: Decimal::ONE,
            is_reconciled: false,
            is_deleted: false,
            batch: None,
            updated: now,
        };
        self.books(|books| payments::enter_checked(books, payment))
    }

    /// Deposits payments on several documents in the bank as one batch, and gives the batch's id.
    ///
    /// # Errors
    /// What Xero has against one of them; then none is entered.
    pub fn deposit(&self, parts: &[(Uuid, Decimal)], date: Date, reference: &str) -> Result<Uuid, String> {
        let now = self.settings().clock.now();
        let batch = Batch { id: Uuid::new_v4(), account: BANK.to_owned(), date, reference: reference.to_owned() };
        self.books(|books| batches::pay(books, batch, parts, now))
    }

    /// Deletes a payment, which opens its document again.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn delete_payment(&self, payment: Uuid) -> Result<(), String> {
        let now = self.settings().clock.now();
        self.books(|books| payments::delete(books, payment, now))
    }

    /// A customer pays the rest of the invoice of this number and more; gives the id of the overpayment.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn overpay(&self, number: &str, amount: Decimal, date: Date) -> Result<Uuid, String> {
        let invoice = self.sales_invoice(number)?;
        let due = invoice.amount_due();
        if amount <= due {
            return Err(format!("{amount} is no more than the {due} that is due"));
        }
        if !due.is_zero() {
            self.pay(number, due, date)?;
        }
        Ok(self.prepay(Kind::ReceiveOverpayment, invoice.contact_id, amount - due, date))
    }

    /// Enters an overpayment or prepayment of a contact, and gives its id.
    #[expect(clippy::must_use_candidate, reason = "the money is there whether or not its id is wanted")]
    pub fn prepay(&self, kind: Kind, contact: Uuid, amount: Decimal, date: Date) -> Uuid {
        let now = self.settings().clock.now();
        self.books(|books| {
            let mut document = draft::blank(books, kind, now);
            document.contact_id = contact;
            document.contact_name = books.contact(contact).map(|held| held.name.clone()).unwrap_or_default();
            (document.status, document.date, document.line_amounts) = (Status::Authorised, date, LineAmounts::NoTax);
            (document.sub_total, document.total) = (amount, amount);
            let id = document.id;
            books.put_document(document);
            id
        })
    }

    /// Allocates credit to an invoice or bill today, and gives the allocation's id.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn allocate(&self, credit: Uuid, invoice: Uuid, amount: Decimal) -> Result<Uuid, String> {
        let now = self.settings().clock.now();
        let allocation = Allocation { id: Uuid::new_v4(), invoice, amount, date: Books::today(now) };
        let allocated = self.books(|books| allocations::allocate(books, credit, &allocation, now));
        allocated.map(|()| allocation.id).map_err(|problems| problems.join("; "))
    }

    /// Takes an allocation back; false if there is none with this id.
    #[expect(clippy::must_use_candidate, reason = "most tests know that it is there")]
    pub fn delete_allocation(&self, allocation: Uuid) -> bool {
        let now = self.settings().clock.now();
        self.books(|books| allocations::take_back(books, allocation, now))
    }

    fn sales_invoice(&self, number: &str) -> Result<Document, String> {
        let held = self.books(|books| books.numbered(Kind::Accrec, number).cloned());
        held.ok_or_else(|| format!("there is no sales invoice {number}"))
    }
}

/// The messages of an answer that refuses.
fn refusal(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let errors = body.pointer("/Elements/0/ValidationErrors").and_then(Value::as_array);
    let texts: Vec<&str> =
        errors.into_iter().flatten().filter_map(|error| error.get("Message").and_then(Value::as_str)).collect();
    if texts.is_empty() { reply.body.clone() } else { texts.join("; ") }
}
