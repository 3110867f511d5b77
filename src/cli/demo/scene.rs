//! What the demo puts into ConnectWise, in few words.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::simulator::connectwise::{Item, NewInvoice, NewLine};

/// An invoice, and how it should end.
pub(super) struct Scene {
    pub(super) invoice: NewInvoice,
    /// The status it is set to.
    pub(super) status: &'static str,
    /// `done`, or the reason code of a hold or skip.
    pub(super) ends: &'static str,
    /// Codes of the warnings it should have.
    pub(super) warnings: &'static [&'static str],
}

/// A decimal written in the source; anything else is zero, and the summary would show it.
pub(super) fn dec(text: &str) -> Decimal {
    text.parse().unwrap_or_default()
}

/// A line of labour.
pub(super) fn labour(description: &str, hours: &str, price: &str) -> NewLine {
    NewLine {
        description: description.to_owned(),
        quantity: dec(hours),
        unit_price: dec(price),
        region: "Sydney".to_owned(),
        department: "Service".to_owned(),
        non_product_id: "LABOUR".to_owned(),
        ..NewLine::default()
    }
}

/// A line with a product.
pub(super) fn product(code: &str, quantity: &str, price: &str) -> NewLine {
    NewLine {
        description: format!("{code}, supplied"),
        quantity: dec(quantity),
        unit_price: dec(price),
        item: Some(Item { id: 741, identifier: code.to_owned() }),
        account: "210".to_owned(),
        region: "Melbourne".to_owned(),
        department: "Procurement".to_owned(),
        ..NewLine::default()
    }
}

impl Scene {
    /// A Standard invoice that should be posted without a warning.
    pub(super) fn new(number: &str, company: i64, date: Date, lines: Vec<NewLine>) -> Self {
        let invoice = NewInvoice {
            number: number.to_owned(),
            kind: "Standard".to_owned(),
            company,
            date,
            lines,
            ..NewInvoice::default()
        };
        Self { invoice, status: "Ready to Post", ends: "done", warnings: &[] }
    }

    pub(super) fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.invoice.kind);
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut NewInvoice)) -> Self {
        change(&mut self.invoice);
        self
    }

    pub(super) fn line(mut self, change: impl FnOnce(&mut NewLine)) -> Self {
        if let Some(line) = self.invoice.lines.first_mut() {
            change(line);
        }
        self
    }

    pub(super) fn each_line(mut self, change: impl FnMut(&mut NewLine)) -> Self {
        self.invoice.lines.iter_mut().for_each(change);
        self
    }

    pub(super) fn ends(mut self, code: &'static str) -> Self {
        self.ends = code;
        self
    }

    pub(super) fn warns(mut self, codes: &'static [&'static str]) -> Self {
        self.warnings = codes;
        self
    }

    pub(super) fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }
}
