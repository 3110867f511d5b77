//! Invoices and credit memos.

use std::collections::BTreeMap;

use super::lines::{self, Scope};
use super::reference;
use super::segments::{self, Segments};
use super::tax::Taxes;
use super::terms::{TermsOf, due_date};
use crate::domain::draft::{DocumentKind, Draft, Line};
use crate::domain::facts::{Detail, Facts, Invoice, InvoiceFacts, InvoiceType, Transaction};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::Money;
use crate::domain::rules::{NonProductId, Rules};
use crate::domain::warning::{Flagged, Warning};

/// Makes the draft of an invoice or credit memo.
pub(super) fn map(
    facts: &Facts,
    InvoiceFacts { invoice, transaction, segments }: &InvoiceFacts,
    rules: &Rules,
) -> Result<Flagged<Draft>, HoldReason> {
    if let InvoiceType::Unknown(kind) = &invoice.kind {
        return Err(HoldReason::new(
            HoldCode::UnknownType,
            format!("The invoice is of type '{kind}', which readypost does not know."),
        ));
    }
    let transaction = transaction.as_ref().ok_or_else(|| {
        let sentence = format!("Invoice {} is closed, but ConnectWise does not list it as unposted.", invoice.number);
        HoldReason::new(HoldCode::NotUnposted, sentence)
    })?;
    same_totals(invoice, transaction)?;
    let date = invoice.date.ok_or_else(|| lines::unreadable("invoice date"))?;
    if invoice.number.trim().is_empty() {
        return Err(lines::unreadable("invoice number"));
    }
    if is_migrated(invoice, rules) && invoice.reference.trim().is_empty() {
        return Err(lines::unreadable("reference (the number of an invoice from before the rule `conversion_date`)"));
    }
    let mut warnings = Vec::new();
    let kind = invoice.becomes();
    let document = Document { scope: Scope { facts, rules }, invoice, transaction, segments, kind };
    let (total, tax) = (invoice.total.abs().to_cents(), document.tax_total());
    let mut lines = document.lines(&mut warnings)?;
    lines.extend(document.invoiced_before(&lines, total - tax)?);
    let due_date = match kind {
        DocumentKind::Invoice => {
            let terms = TermsOf {
                name: &transaction.terms_name,
                xref: &transaction.terms_xref,
                theirs: invoice.due_date,
                missing: "due date",
            };
            Some(due_date(&terms, date, rules.terms_overflow, &mut warnings)?)
        }
        _ => None,
    };
    let named = invoice.currency.as_ref().or(transaction.currency.as_ref());
    let rows = transaction.details.iter().map(|row| &row.currency).chain([&transaction.currency]);
    let currency = lines::currency("invoice", named, rows, &facts.organisation)?;
    let draft = Draft {
        kind,
        number: number(invoice, rules).to_owned(),
        date,
        due_date,
        reference: reference(invoice, rules),
        currency,
        status: rules.document_status,
        sent: rules.sent_to_contact,
        branding_theme: rules.branding_theme,
        lines,
        tax,
        total,
        rounding: lines::rounding_place(&facts.organisation, rules),
    };
    Ok(Flagged { value: draft, warnings })
}

/// The number of the document in Xero: ConnectWise's, or for a migrated invoice the one that it had before.
pub(super) fn number<'invoice>(invoice: &'invoice Invoice, rules: &Rules) -> &'invoice str {
    match invoice.reference.trim() {
        before if !before.is_empty() && is_migrated(invoice, rules) => before,
        _ => invoice.number.trim(),
    }
}

fn is_migrated(invoice: &Invoice, rules: &Rules) -> bool {
    rules.conversion_date.is_some_and(|conversion| invoice.date.is_some_and(|date| date < conversion))
}

/// The invoice and its preview must be about the same amount; the preview's sign is not documented.
fn same_totals(invoice: &Invoice, transaction: &Transaction) -> Result<(), HoldReason> {
    if invoice.total.abs().to_cents() == transaction.total.abs().to_cents() {
        return Ok(());
    }
    let sentence = format!(
        "ConnectWise disagrees with itself: the invoice says {}, its accounting preview {}.",
        invoice.total, transaction.total
    );
    Err(HoldReason::new(HoldCode::OutOfBalance, sentence))
}

fn reference(invoice: &Invoice, rules: &Rules) -> String {
    let values = [
        ("{po}", invoice.customer_po.as_str()),
        ("{project}", invoice.project.as_str()),
        ("{agreement}", invoice.agreement.as_str()),
        ("{reference}", invoice.reference.as_str()),
        ("{number}", invoice.number.as_str()),
    ];
    reference::reference(&rules.reference, &values)
}

/// An invoice whose lines are made.
struct Document<'facts> {
    scope: Scope<'facts>,
    invoice: &'facts Invoice,
    transaction: &'facts Transaction,
    segments: &'facts BTreeMap<i64, Vec<String>>,
    kind: DocumentKind,
}

impl Document<'_> {
    /// The lines, seen from the document: positive is what the document is about, charge or credit.
    fn lines(&self, warnings: &mut Vec<Warning>) -> Result<Vec<Line>, HoldReason> {
        let rows = lines::numbered(&self.transaction.details, Detail::is_tax);
        if rows.is_empty() {
            return Err(HoldReason::new(HoldCode::UnreadableField, "The accounting preview has no lines."));
        }
        lines::have_accounts(&rows, |row| self.segments(row))?;
        self.have_items(&rows)?;
        let sum: Money = rows.iter().map(|(_, row)| row.total).sum();
        // Rows of a credit memo are said to be positive; a sum below zero says otherwise.
        let flip = self.kind != DocumentKind::CreditNote || sum.is_negative();
        rows.iter().map(|(row, detail)| self.line(detail, *row, flip, warnings)).collect()
    }

    /// Sales tax, seen from the document.
    fn tax_total(&self) -> Money {
        let tax = self.invoice.sales_tax;
        if self.invoice.total.is_negative() { -tax } else { tax }.to_cents()
    }

    /// The line of what was invoiced before and is not part of the total, where no row of the preview takes it off.
    ///
    /// Whether the preview has a row for it is not documented: then `net` is what the lines come to, and nothing is added.
    fn invoiced_before(&self, lines: &[Line], net: Money) -> Result<Option<Line>, HoldReason> {
        let (down_payment, progress) = (self.invoice.down_payment_applied.abs(), self.invoice.progress_applied.abs());
        let sum: Money = lines.iter().map(|line| line.amount).sum();
        let missing = (sum - net).to_cents();
        let applied = [
            ("a down payment", down_payment),
            ("progress billings", progress),
            ("a down payment and progress billings", down_payment + progress),
        ];
        let matches = |(_, amount): &&(&str, Money)| !amount.is_zero() && amount.to_cents() == missing;
        let Some((what, amount)) = applied.iter().find(matches) else { return Ok(None) };
        let Scope { facts, rules } = self.scope;
        let account = &rules.down_payment_account;
        if account.is_empty() {
            let sentence = format!(
                "ConnectWise takes {amount} off for {what} invoiced before, but its accounting preview has no row for that \
                 and the rules name no account (set `down_payment_account`)."
            );
            return Err(HoldReason::new(HoldCode::NoGlAccount, sentence));
        }
        let row = lines.len().saturating_add(1);
        lines::usable(account, row, &facts.organisation)?;
        let tax = self.tax().of_untaxed(row, &facts.organisation)?;
        Ok(Some(Line {
            description: format!("Less {what} invoiced before"),
            quantity: rust_decimal::Decimal::ONE,
            unit_amount: -amount.decimal(),
            amount: -*amount,
            item: None,
            tracking: Vec::new(),
            account: account.clone(),
            tax_type: tax.tax_type.clone(),
            tax_rate: tax.rate,
            tax_amount: None,
        }))
    }

    fn segments(&self, row: &Detail) -> Segments {
        segments::of(row, self.segments.get(&row.id), &self.scope.facts.captions)
    }

    /// Every row without a product needs a Non-Product ID: all misses at once.
    fn have_items(&self, rows: &[(usize, &Detail)]) -> Result<(), HoldReason> {
        if self.scope.rules.non_product_id == NonProductId::Optional {
            return Ok(());
        }
        let nameless = |(_, row): &&(usize, &Detail)| {
            row.item.is_none() && self.segments(row).non_product_id.is_none_or(|item| item.is_empty())
        };
        let without_item: Vec<_> = rows.iter().filter(nameless).collect();
        if without_item.is_empty() {
            return Ok(());
        }
        let sentence = if self.scope.facts.captions.iter().any(segments::is_non_product_id) {
            format!("GL mapping is empty: no Non-Product ID on line {}.", lines::named(&without_item))
        } else {
            "No GL segment is titled Non-Product ID, so lines without a product have no item.".to_owned()
        };
        Err(HoldReason::new(HoldCode::NoNonProductId, sentence))
    }

    fn line(&self, detail: &Detail, row: usize, flip: bool, warnings: &mut Vec<Warning>) -> Result<Line, HoldReason> {
        let Scope { facts, rules } = self.scope;
        let segments = self.segments(detail);
        lines::usable(&segments.account, row, &facts.organisation)?;
        let tax = self.tax().of(detail, row, &facts.organisation)?;
        let amount = if flip { -detail.total } else { detail.total };
        let fallback = format!("Invoice {}", self.invoice.number);
        let mut description = reference::description(&rules.description, detail, &fallback);
        let (quantity, unit_amount) = lines::price(detail, amount, rules, &mut description);
        Ok(Line {
            description,
            quantity,
            unit_amount,
            amount,
            item: lines::item(detail, &segments, row, &self.scope, warnings)?,
            tracking: lines::tracking(&segments, row, &self.scope, warnings)?,
            account: segments.account,
            tax_type: tax.tax_type.clone(),
            tax_rate: tax.rate,
            tax_amount: None,
        })
    }

    fn tax(&self) -> Taxes<'_> {
        let mut xrefs: Vec<&str> =
            self.transaction.details.iter().filter(|row| row.is_tax()).map(|row| row.tax_xref.trim()).collect();
        xrefs.dedup();
        Taxes {
            source: self.scope.rules.tax,
            codes: [&self.transaction.tax_code, &self.invoice.tax_code],
            xref: if let [one] = xrefs.as_slice() { one } else { "" },
            levels: &self.transaction.tax_levels,
            names: &self.scope.rules.tax_names,
            untaxed: ("untaxed", &self.scope.rules.untaxed),
            usable: |rate| rate.for_sales,
            used_on: "sales",
        }
    }
}
