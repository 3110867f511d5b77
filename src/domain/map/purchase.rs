//! Purchases: one bill for each packing slip.

use super::lines::{self, Scope};
use super::reference;
use super::segments;
use super::tax::Taxes;
use super::terms::{TermsOf, due_date};
use crate::domain::draft::{DocumentKind, Draft, Line};
use crate::domain::facts::{Detail, Facts, Purchase, PurchaseOrder, Received};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::Money;
use crate::domain::rules::{MissingVendorInvoice, PurchaseItems, Rules};
use crate::domain::text::shorten;
use crate::domain::warning::{Flagged, Warning};

/// Makes the draft of a purchase.
pub(super) fn map(facts: &Facts, purchase: &Purchase, rules: &Rules) -> Result<Flagged<Draft>, HoldReason> {
    let received = purchase.received.as_ref().ok_or_else(|| {
        let sentence = format!(
            "The order {} is closed, but ConnectWise does not list its purchase {} as unposted.",
            purchase.order.number, purchase.id
        );
        HoldReason::new(HoldCode::NotUnposted, sentence)
    })?;
    readable(&purchase.order, received)?;
    if rules.missing_vendor_invoice == MissingVendorInvoice::Hold && received.vendor_invoice_number.trim().is_empty() {
        return Err(lines::unreadable("vendor invoice number"));
    }
    let date = received.bill_date().ok_or_else(|| lines::unreadable("vendor invoice date"))?;
    same_sums(received)?;
    let kind = purchase.becomes();
    let mut warnings = Vec::new();
    let bill = Bill { scope: Scope { facts, rules }, purchase, received, kind };
    let lines = bill.lines(&mut warnings)?;
    let due_date = match kind {
        DocumentKind::Bill => {
            let days = received.due_days.or(rules.bill_due_days);
            let theirs = days.and_then(|days| date.checked_add(jiff::Span::new().days(days)).ok());
            let (name, xref) = (received.terms_name.as_str(), received.terms_xref.as_str());
            let terms = TermsOf { name, xref, theirs, missing: "billing terms of the purchase order" };
            Some(due_date(&terms, date, rules.terms_overflow, &mut warnings)?)
        }
        _ => None,
    };
    let code = purchase.order.currency.as_ref().or(received.currency.as_ref());
    let rows = received.details.iter().map(|row| &row.currency).chain([&received.currency]);
    let sign = |amount: Money| if kind.is_credit() { -amount } else { amount }.to_cents();
    let draft = Draft {
        kind,
        number: purchase.number(),
        date,
        due_date,
        reference: bill.reference(),
        currency: lines::currency("purchase", code, rows, &facts.organisation)?,
        status: rules.bill_status.unwrap_or(rules.document_status),
        sent: false,
        branding_theme: None,
        lines,
        tax: sign(received.tax()),
        total: sign(received.net() + received.tax()),
        rounding: lines::rounding_place(&facts.organisation, rules),
    };
    Ok(Flagged { value: draft, warnings })
}

/// What no bill can be without, and what ConnectWise holds but nobody can read.
fn readable(order: &PurchaseOrder, received: &Received) -> Result<(), HoldReason> {
    if let Some(field) = received.unreadable.first() {
        return Err(lines::unreadable(field));
    }
    if order.number.trim().is_empty() {
        return Err(lines::unreadable("purchase order number"));
    }
    let known = |row: &&Detail| row.gl_type.eq_ignore_ascii_case("P") || row.is_freight() || row.is_purchase_tax();
    if let Some(row) = received.details.iter().find(|row| !known(row)) {
        let sentence = format!(
            "The accounting preview has a row of the GL type '{}' ('{}'), which readypost does not know on a purchase.",
            row.gl_type,
            shorten(&row.description, 40)
        );
        return Err(HoldReason::new(HoldCode::UnknownType, sentence));
    }
    Ok(())
}

/// ConnectWise says the same sums several times; the rows must be all of them, and nothing twice.
fn same_sums(received: &Received) -> Result<(), HoldReason> {
    let disagree = |what: &str, says: Money, rows: Money| {
        let sentence = format!("ConnectWise disagrees with itself: its {what} is {says}, but its rows come to {rows}.");
        Err(HoldReason::new(HoldCode::OutOfBalance, sentence))
    };
    let freight: Money = received.details.iter().filter(|row| row.is_freight()).map(|row| row.total).sum();
    let slip = received.freight_packing_slip.trim();
    let elsewhere = !slip.is_empty() && slip != received.packing_slip.trim();
    let said = received.freight.filter(|_| !elsewhere).unwrap_or(freight);
    if said.to_cents() != freight.to_cents() {
        return disagree("freight", said, freight);
    }
    let (net, tax) = (received.net(), received.tax());
    // Whether the tax on freight is part of the tax is not documented, so both readings are taken.
    let listed = received.tax_total.map(|of_lines| {
        let freight = received.freight_tax_total.unwrap_or_default();
        (of_lines, of_lines + freight)
    });
    if let Some((of_lines, all)) = listed
        && ![of_lines, all].map(Money::to_cents).contains(&tax.to_cents())
    {
        return disagree("tax", all, tax);
    }
    // Nor is it documented whether its totals count tax and freight.
    let readings = [net + tax, net, net + tax - freight, net - freight].map(Money::to_cents);
    for total in [Some(received.total), received.listed_total].into_iter().flatten() {
        if !readings.contains(&total.to_cents()) {
            return disagree("total", total, net + tax);
        }
    }
    Ok(())
}

/// A bill whose lines are made.
struct Bill<'facts> {
    scope: Scope<'facts>,
    purchase: &'facts Purchase,
    received: &'facts Received,
    kind: DocumentKind,
}

impl Bill<'_> {
    fn reference(&self) -> String {
        let values = [
            ("{vendor_invoice}", self.received.vendor_invoice_number.as_str()),
            ("{po}", self.purchase.order.number.as_str()),
            ("{slip}", self.received.packing_slip.as_str()),
        ];
        reference::reference(&self.scope.rules.bill_reference, &values)
    }

    /// The lines, products and freight, seen from the bill.
    fn lines(&self, warnings: &mut Vec<Warning>) -> Result<Vec<Line>, HoldReason> {
        let rows = lines::numbered(&self.received.details, Detail::is_purchase_tax);
        if rows.is_empty() {
            return Err(HoldReason::new(HoldCode::UnreadableField, "The accounting preview has no lines."));
        }
        lines::have_accounts(&rows, |row| self.segments(row))?;
        rows.iter().map(|(row, detail)| self.line(detail, *row, warnings)).collect()
    }

    /// The segments of a row; what is sent on to the customer may have an account of its own.
    fn segments(&self, row: &Detail) -> segments::Segments {
        let mut segments = segments::of(row, None, &self.scope.facts.captions);
        let own = &self.scope.rules.drop_ship_account;
        if self.received.drop_ship && !row.is_freight() && !own.is_empty() {
            segments.account.clone_from(own);
        }
        segments
    }

    fn line(&self, detail: &Detail, row: usize, warnings: &mut Vec<Warning>) -> Result<Line, HoldReason> {
        let Scope { facts, rules } = self.scope;
        let segments = self.segments(detail);
        lines::usable(&segments.account, row, &facts.organisation)?;
        let tax = self.tax().of(detail, row, &facts.organisation)?;
        let amount = if self.kind.is_credit() { -detail.total } else { detail.total };
        let fallback = if detail.is_freight() { "Freight".to_owned() } else { self.purchase.title() };
        let mut description = reference::description(&rules.description, detail, &fallback);
        let (quantity, unit_amount) = lines::price(detail, amount, rules, &mut description);
        let item = match rules.purchase_items {
            PurchaseItems::Known if detail.item.is_some() => {
                lines::item(detail, &segments, row, &self.scope, warnings)?
            }
            PurchaseItems::Known | PurchaseItems::Omit => None,
        };
        Ok(Line {
            description,
            quantity,
            unit_amount,
            amount,
            item,
            tracking: lines::tracking(&segments, row, &self.scope, warnings)?,
            account: segments.account,
            tax_type: tax.tax_type.clone(),
            tax_rate: tax.rate,
            tax_amount: None,
        })
    }

    fn tax(&self) -> Taxes<'_> {
        let rules = self.scope.rules;
        Taxes {
            source: rules.tax,
            codes: [&self.received.tax_code, ""],
            xref: "",
            levels: &self.received.tax_levels,
            names: &rules.purchase_tax_names,
            untaxed: ("untaxed_purchases", &rules.untaxed_purchases),
            usable: |rate| rate.for_purchases,
            used_on: "purchases",
        }
    }
}
