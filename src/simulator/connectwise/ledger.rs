//! General ledger entries: what closing an invoice distributes, with the mapping then in force.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::amounts::{Amounts, TaxRow, amounts, number};
use super::records::{Mapping, NewInvoice, NewLine, SegmentKind};
use super::state::{Series, State};

/// What an entry of an invoice stands for.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The receivable.
    Receivable,
    /// A line, as it was at closing.
    Line(Box<NewLine>),
    /// Sales tax.
    Tax(TaxRow),
}

/// One GL entry, made for a `Source` of its kind of record.
#[derive(Clone, Debug)]
pub(super) struct GlEntry<S = Source> {
    pub(super) id: i64,
    pub(super) kind: String,
    /// Debits are above zero.
    pub(super) amount: Decimal,
    pub(super) segments: Vec<String>,
    pub(super) source: S,
    pub(super) batch: Option<i64>,
}

/// What closing an invoice left behind.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    pub(super) at: Timestamp,
    pub(super) amounts: Amounts,
    pub(super) entries: Vec<GlEntry>,
}

impl Closing {
    /// The batch of the invoice, once every entry is in one.
    pub(super) fn batch(&self) -> Option<i64> {
        let mut batch = None;
        for entry in &self.entries {
            batch = Some(entry.batch?);
        }
        batch
    }
}

impl GlEntry {
    pub(super) fn row(&self) -> Value {
        let mut row = Map::new();
        row.insert("id".to_owned(), json!(self.id));
        row.insert("type".to_owned(), json!(self.kind));
        row.insert("amount".to_owned(), number(self.amount));
        let (description, product, cost) = match &self.source {
            Source::Receivable => ("Accounts receivable", None, Decimal::ZERO),
            Source::Line(line) => (line.description.as_str(), line.item.as_ref(), line.cost),
            Source::Tax(tax) => (tax.xref.as_str(), None, Decimal::ZERO),
        };
        row.insert("description".to_owned(), json!(description));
        for position in 0..10 {
            let segment = self.segments.get(position).map_or("", String::as_str);
            row.insert(format!("segment{}", position + 1), json!(segment));
        }
        row.insert("productId".to_owned(), json!(product.map_or("", |item| item.identifier.as_str())));
        row.insert("cost".to_owned(), number(cost));
        row.insert("salesCode".to_owned(), json!(""));
        row.insert("inventory".to_owned(), json!(""));
        row.insert("isBatched".to_owned(), json!(self.batch.is_some()));
        row.insert("_info".to_owned(), json!({}));
        Value::Object(row)
    }
}

impl State {
    /// Distributes an invoice that is being closed.
    pub(super) fn distribute(&mut self, invoice: &NewInvoice) -> Closing {
        let amounts = amounts(self, invoice);
        let debit = if invoice.is_credit_memo() { -Decimal::ONE } else { Decimal::ONE };
        let receivable = self.settings.receivable_account.clone();
        let mut entries =
            vec![self.entry("AR", amounts.total * debit, &Mapping::account(&receivable), Source::Receivable)];
        for line in &invoice.lines {
            let source = Source::Line(Box::new(line.clone()));
            entries.push(self.entry(gl_type(invoice, line), line.amount() * -debit, &line.mapping(), source));
        }
        if let Some(mapping) = invoice.applied_mapping.as_ref().filter(|_| !invoice.applied().is_zero()) {
            let (description, unit_price) = ("Invoiced before".to_owned(), -invoice.applied());
            let line = NewLine { description, unit_price, taxable: false, ..NewLine::default() };
            let amount = line.amount() * -debit;
            entries.push(self.entry("RD", amount, mapping, Source::Line(Box::new(line))));
        }
        let tax_account = self.settings.tax_account.clone();
        for tax in amounts.taxes.iter().filter(|tax| !tax.tax.is_zero()) {
            entries.push(self.entry("ST", tax.tax * -debit, &Mapping::account(&tax_account), Source::Tax(tax.clone())));
        }
        Closing { at: self.now(), amounts, entries }
    }

    /// An entry in no batch, with the segments that the captions in force ask for.
    pub(super) fn entry<S>(&mut self, kind: &str, amount: Decimal, mapping: &Mapping, source: S) -> GlEntry<S> {
        let segments = self.captions.iter().map(|(caption, _)| segment(mapping, caption)).collect();
        GlEntry { id: self.next_id(Series::GlEntry), kind: kind.to_owned(), amount, segments, source, batch: None }
    }

    /// The account of a mapping as the export writes it, for what has no entries.
    pub(super) fn mapped_account(&self, mapping: &Mapping) -> String {
        self.mapped(mapping, SegmentKind::Account)
    }

    /// The class of a mapping as the export writes it, for what has no entries.
    pub(super) fn mapped_class(&self, mapping: &Mapping) -> String {
        self.mapped(mapping, SegmentKind::Class)
    }

    fn mapped(&self, mapping: &Mapping, kind: SegmentKind) -> String {
        let of_kind = self.captions.iter().filter(|(_, of)| *of == kind);
        of_kind.map(|(caption, _)| segment(mapping, caption)).collect::<Vec<_>>().join(":")
    }

    /// The segments of one kind as the export writes them; empty ones keep their place.
    pub(super) fn joined<S>(&self, entry: &GlEntry<S>, kind: SegmentKind) -> String {
        let of_kind = self.captions.iter().zip(&entry.segments).filter(|((_, of), _)| *of == kind);
        of_kind.map(|(_, segment)| segment.as_str()).collect::<Vec<_>>().join(":")
    }
}

fn segment(mapping: &Mapping, caption: &str) -> String {
    match caption {
        "Account" => mapping.account.clone(),
        "Region" => mapping.region.clone(),
        "Department" => mapping.department.clone(),
        "Non-Product ID" => mapping.non_product_id.clone(),
        _ => {
            let other = mapping.other_segments.iter().find(|(name, _)| name == caption);
            other.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    }
}

fn gl_type<'a>(invoice: &NewInvoice, line: &'a NewLine) -> &'a str {
    if let Some(kind) = &line.gl_type {
        return kind;
    }
    match (line.item.is_some(), invoice.kind.as_str()) {
        (true, _) => "RP",
        (false, "Agreement") => "RA",
        (false, "DownPayment") => "RD",
        _ => "R",
    }
}
