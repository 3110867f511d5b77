//! Which invoice in ConnectWise is the one in Xero: by its number alone, and never where that leaves a doubt.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{Origin, PaidDocument, PaidInvoice};
use crate::domain::facts::InvoiceType;
use crate::domain::hold::{HoldCode, HoldReason};

/// ConnectWise's longest invoice number, in characters.
const NUMBER_CHARS_MAX: usize = 15;
/// Numbers of credit notes that are looked for with an invoice.
const CREDITS_MAX: usize = 10;

/// The numbers to look for in ConnectWise: the document's, its reference where that may be one, and those of the
/// credit notes that were allocated to it.
#[must_use]
pub fn numbers(document: &PaidDocument) -> Vec<&str> {
    let credits = document.items.iter().filter(|item| item.origin == Origin::CreditNote);
    let credits: BTreeSet<&str> = credits.map(|item| item.number.trim()).collect();
    let mut numbers = vec![document.number.trim(), document.reference.trim()];
    numbers.extend(credits.into_iter().take(CREDITS_MAX));
    let mut seen = BTreeSet::new();
    numbers.retain(|number| (1..=NUMBER_CHARS_MAX).contains(&number.chars().count()) && seen.insert(*number));
    numbers
}

/// The invoice of a document; none when ConnectWise has none of its number.
///
/// An invoice dated before `conversion` was migrated: its reference is its number in Xero.
///
/// # Errors
/// A hold that names both sides, when several could be meant, or the one has another total or currency.
pub fn choose<'rows>(
    document: &PaidDocument,
    rows: &'rows [PaidInvoice],
    conversion: Option<Date>,
) -> Result<Option<&'rows PaidInvoice>, HoldReason> {
    let number = document.number.trim();
    let migrated =
        |row: &PaidInvoice| conversion.is_some_and(|conversion| row.date.is_some_and(|date| date < conversion));
    let has_number = |row: &&PaidInvoice| {
        let held = if migrated(row) && !row.reference.trim().is_empty() { &row.reference } else { &row.number };
        is_invoice(row) && !number.is_empty() && held.trim() == number
    };
    let mut named = rows.iter().filter(has_number);
    let Some(invoice) = named.next() else { return Ok(None) };
    if let Some(other) = named.next() {
        return Err(ambiguous(document, &[invoice, other], "both have the number"));
    }
    if !agrees(document, invoice) {
        return Err(ambiguous(document, &[invoice], "has the number, but another total or currency"));
    }
    // A reference may be a customer's order number that is the number of an invoice by chance: only one of the same
    // total leaves a doubt.
    let reference = document.reference.trim();
    let rival = rows.iter().find(|row| {
        row.id != invoice.id
            && !reference.is_empty()
            && row.number.trim() == reference
            && is_invoice(row)
            && agrees(document, row)
    });
    match rival {
        Some(rival) => {
            Err(ambiguous(document, &[invoice, rival], "have its number and its reference, and the same total"))
        }
        None => Ok(Some(invoice)),
    }
}

/// The credit memo of this number; none when there is none or more than one.
#[must_use]
pub fn memo(rows: &[PaidInvoice], number: &str) -> Option<i64> {
    let number = number.trim();
    let mut memos = rows
        .iter()
        .filter(|row| row.kind == InvoiceType::CreditMemo && row.number.trim() == number && !number.is_empty());
    match (memos.next(), memos.next()) {
        (Some(memo), None) => Some(memo.id),
        _ => None,
    }
}

fn is_invoice(row: &PaidInvoice) -> bool {
    row.kind != InvoiceType::CreditMemo
}

fn agrees(document: &PaidDocument, row: &PaidInvoice) -> bool {
    let currency = row.currency.as_deref().is_none_or(|currency| currency.eq_ignore_ascii_case(&document.currency));
    currency && document.total.is_some_and(|total| total.to_cents() == row.total.to_cents())
}

fn ambiguous(document: &PaidDocument, rows: &[&PaidInvoice], why: &str) -> HoldReason {
    let told: Vec<String> = rows.iter().map(|row| told(row)).collect();
    let total = document.total.map(|total| total.to_string()).unwrap_or_default();
    let sentence = format!(
        "Of the invoice {} of {total} {} in Xero, {} in ConnectWise {why}.",
        document.number,
        document.currency,
        told.join(" and ")
    );
    HoldReason::new(HoldCode::AmbiguousPayment, sentence)
}

fn told(row: &PaidInvoice) -> String {
    let currency = row.currency.as_deref().map(|currency| format!(" {currency}")).unwrap_or_default();
    format!("the invoice {} of {}{currency} (id {})", row.number, row.total, row.id)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::domain::money::Money;

    fn document(number: &str, reference: &str) -> PaidDocument {
        PaidDocument {
            id: Uuid::nil(),
            is_sale: true,
            number: number.to_owned(),
            reference: reference.to_owned(),
            client: String::new(),
            status: "AUTHORISED".to_owned(),
            currency: "AUD".to_owned(),
            total: Some(Money::CENT * 11_000.into()),
            due: None,
            updated: None,
            items: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    fn row(id: i64, number: &str) -> PaidInvoice {
        PaidInvoice {
            id,
            number: number.to_owned(),
            reference: String::new(),
            kind: InvoiceType::Standard,
            date: Some(date(2026, 11, 1)),
            total: Money::CENT * 11_000.into(),
            currency: None,
            location_id: None,
        }
    }

    fn chosen(document: &PaidDocument, rows: &[PaidInvoice], conversion: Option<Date>) -> Result<Option<i64>, String> {
        let found = choose(document, rows, conversion);
        found.map(|row| row.map(|row| row.id)).map_err(|reason| reason.sentence.to_string())
    }

    #[test]
    fn the_number_must_be_exactly_equal() {
        let rows = [row(1, "INV-1"), row(2, "inv-2"), PaidInvoice { kind: InvoiceType::CreditMemo, ..row(3, "INV-3") }];
        for (number, expected) in [("INV-1", Some(1)), ("INV-2", None), ("INV-10", None), ("INV-3", None), ("", None)] {
            assert_eq!(chosen(&document(number, ""), &rows, None), Ok(expected), "{number}");
        }
        assert_eq!((memo(&rows, "INV-3"), memo(&rows, "INV-1"), memo(&rows, "")), (Some(3), None, None));
    }

    #[test]
    fn a_migrated_invoice_has_its_number_in_the_reference() {
        let old = PaidInvoice { date: Some(date(2025, 1, 1)), reference: "OLD-7".to_owned(), ..row(1, "INV-1") };
        let rows = [old.clone(), row(2, "OLD-7")];
        let conversion = Some(date(2025, 7, 1));
        assert_eq!(chosen(&document("OLD-7", ""), &rows[..1], conversion), Ok(Some(1)));
        assert_eq!(chosen(&document("INV-1", ""), &rows[..1], conversion), Ok(None), "that number is another one's");
        assert_eq!(chosen(&document("OLD-7", ""), &rows[..1], None), Ok(None));
        let held = chosen(&document("OLD-7", ""), &rows, conversion).unwrap_err();
        assert!(held.contains("(id 1)") && held.contains("(id 2)"), "{held}");
        let blank = [PaidInvoice { reference: String::new(), ..old }];
        assert_eq!(chosen(&document("INV-1", ""), &blank, conversion), Ok(Some(1)));
    }

    #[test]
    fn doubts_are_held_with_both_sides() {
        let rows = [row(1, "INV-1"), row(2, "INV-2")];
        let held = chosen(&document("INV-1", "INV-2"), &rows, None).unwrap_err();
        assert!(held.contains("INV-1 of 110.00") && held.contains("(id 2)"), "{held}");
        let chance = [row(1, "INV-1"), PaidInvoice { total: Money::CENT, ..row(2, "INV-2") }];
        assert_eq!(chosen(&document("INV-1", "INV-2"), &chance, None), Ok(Some(1)));
        for other in [
            PaidInvoice { total: Money::CENT, ..row(1, "INV-1") },
            PaidInvoice { currency: Some("EUR".to_owned()), ..row(1, "INV-1") },
        ] {
            assert!(chosen(&document("INV-1", ""), &[other], None).unwrap_err().contains("AUD"));
        }
        assert!(chosen(&document("INV-1", ""), &[row(1, "INV-1"), row(2, "INV-1")], None).is_err());
    }

    #[test]
    fn only_what_can_be_a_number_is_looked_for() {
        let long = document("INV-1", "Your: 4711 | Project: Move");
        assert_eq!(numbers(&long), ["INV-1"]);
        assert_eq!(numbers(&document("INV-1", " INV-1 ")), ["INV-1"]);
    }
}
