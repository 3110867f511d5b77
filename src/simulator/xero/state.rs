//! The books of one organisation, and how their parts are found.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::arithmetic::HalfCent;
use super::family::Family;
use super::filter::fold;
use super::ledger::Journal;
use super::records::{Batch, Contact, Document, Kind, Payment, Status};
use super::webhooks::Event;

/// An account of the chart.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: Uuid,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) tax_type: String,
    /// Such as `DEBTORS`; empty on ordinary accounts.
    pub(super) system: String,
    pub(super) active: bool,
    /// Payments may go to it although it is no bank account.
    pub(super) enables_payments: bool,
}

impl Account {
    /// The account class, which decides the tax types that fit.
    pub(super) fn class(&self) -> &'static str {
        match self.kind.as_str() {
            "REVENUE" | "SALES" | "OTHERINCOME" => "REVENUE",
            "EXPENSE" | "OVERHEADS" | "DIRECTCOSTS" | "DEPRECIATN" => "EXPENSE",
            "CURRLIAB" | "LIABILITY" | "TERMLIAB" | "PAYG" => "LIABILITY",
            "EQUITY" => "EQUITY",
            _ => "ASSET",
        }
    }

    /// Journals may do what lines of documents may, and correct the tax besides.
    pub(super) fn takes_journals(&self) -> bool {
        self.takes_lines() || self.system == "GST"
    }

    pub(super) fn takes_payments(&self) -> bool {
        self.kind == "BANK" || self.enables_payments
    }

    /// Bank and control accounts move only through their own documents, and the account of tracked
    /// inventory only with its items, of which these books have none.
    pub(super) fn takes_lines(&self) -> bool {
        !matches!(self.kind.as_str(), "BANK" | "INVENTORY") && matches!(self.system.as_str(), "" | "ROUNDING")
    }
}

/// A tax rate.
#[derive(Clone, Debug)]
pub(super) struct TaxRate {
    pub(super) name: String,
    pub(super) tax_type: String,
    pub(super) rate: Decimal,
    pub(super) active: bool,
    /// Account classes that it may not be used with.
    pub(super) barred: Vec<&'static str>,
}

/// A product or service.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: Uuid,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) sales_account: Option<String>,
    pub(super) purchases_account: Option<String>,
}

/// A tracking category with its options.
#[derive(Clone, Debug)]
pub(super) struct TrackingCategory {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) options: Vec<(Uuid, String)>,
}

/// A note on a document or contact.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) subject: Uuid,
    pub(super) at: Timestamp,
    pub(super) details: String,
}

/// Everything the organisation has.
#[derive(Clone, Debug)]
pub(super) struct Books {
    pub(super) id: Uuid,
    pub(super) branding_theme: Uuid,
    pub(super) base_currency: String,
    pub(super) half_cent: HalfCent,
    pub(super) contacts: Vec<Contact>,
    pub(super) documents: Vec<Document>,
    pub(super) payments: Vec<Payment>,
    pub(super) batches: Vec<Batch>,
    pub(super) journals: Vec<Journal>,
    pub(super) accounts: Vec<Account>,
    pub(super) tax_rates: Vec<TaxRate>,
    pub(super) items: Vec<Item>,
    pub(super) tracking: Vec<TrackingCategory>,
    pub(super) currencies: Vec<String>,
    pub(super) period_lock: Option<Date>,
    pub(super) year_lock: Option<Date>,
    pub(super) notes: Vec<Note>,
    pub(super) numbers_given: u32,
    /// What changed since the webhooks were told.
    pub(super) events: Vec<Event>,
}

impl Books {
    pub(super) fn contact(&self, id: Uuid) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.id == id)
    }

    pub(super) fn active_contact_named(&self, name: &str) -> Option<&Contact> {
        let wanted = fold(name);
        self.contacts.iter().find(|contact| contact.active && fold(&contact.name) == wanted)
    }

    pub(super) fn contact_numbered(&self, number: &str) -> Option<&Contact> {
        let same = |held: &String| held.eq_ignore_ascii_case(number);
        self.contacts.iter().find(|contact| contact.number.as_ref().is_some_and(same))
    }

    /// Adds the contact, or replaces the one with its id.
    pub(super) fn put_contact(&mut self, contact: Contact) {
        if self.contact(contact.id).is_some_and(|held| held.name != contact.name) {
            for document in self.documents.iter_mut().filter(|document| document.contact_id == contact.id) {
                document.contact_name.clone_from(&contact.name);
            }
        }
        match self.contacts.iter_mut().find(|held| held.id == contact.id) {
            Some(held) => *held = contact,
            None => self.contacts.push(contact),
        }
    }

    pub(super) fn document(&self, id: Uuid) -> Option<&Document> {
        self.documents.iter().find(|document| document.id == id)
    }

    /// Changes the document with this id, if there is one, and settles it.
    pub(super) fn change_document(&mut self, id: Uuid, at: Timestamp, act: impl FnOnce(&mut Document)) {
        if let Some(document) = self.documents.iter_mut().find(|document| document.id == id) {
            act(document);
            document.updated = at;
            document.settle();
            self.events.push(Event { family: Family::of(document.kind), id, is_new: false, at });
        }
    }

    /// The live document with this number; a deleted one has given its number back.
    pub(super) fn numbered(&self, kind: Kind, number: &str) -> Option<&Document> {
        let live = |document: &&Document| document.kind == kind && document.status != Status::Deleted;
        self.documents.iter().filter(live).find(|document| document.number.eq_ignore_ascii_case(number))
    }

    /// Adds the document, or replaces the one with its id, and marks what its contact has become.
    pub(super) fn put_document(&mut self, document: Document) {
        if let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == document.contact_id) {
            contact.is_customer |= document.kind.is_sale();
            contact.is_supplier |= !document.kind.is_sale();
        }
        let is_new = self.document(document.id).is_none();
        let (family, id, at) = (Family::of(document.kind), document.id, document.updated);
        self.events.push(Event { family, id, is_new, at });
        match self.documents.iter_mut().find(|held| held.id == document.id) {
            Some(held) => *held = document,
            None => self.documents.push(document),
        }
    }

    /// The next automatic number that is still free.
    pub(super) fn next_number(&mut self, kind: Kind) -> String {
        let prefix = if kind.is_credit() { "CN" } else { "INV" };
        loop {
            self.numbers_given = self.numbers_given.saturating_add(1);
            let number = format!("{prefix}-{:04}", self.numbers_given);
            if self.numbered(kind, &number).is_none() {
                return number;
            }
        }
    }

    /// Today in Sydney, where the organisation lives.
    pub(super) fn today(now: Timestamp) -> Date {
        let standard_time = || TimeZone::fixed(Offset::constant(10));
        now.to_zoned(TimeZone::get("Australia/Sydney").unwrap_or_else(|_| standard_time())).date()
    }
}
