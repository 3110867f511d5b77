//! What Xero refuses in a document that it could read, in Xero's words where they are known.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;

use super::records::{Document, Kind, Line, LineAmounts, Status};
use super::state::Books;
use super::wire::{Reply, decimal};

/// Longest number and reference.
const TEXT_MAX: usize = 255;
/// Longest line description.
const DESCRIPTION_MAX: usize = 4000;

/// Xero's text for a value that is too long.
pub(super) fn length(field: &str, value: &str, max: usize, problems: &mut Vec<String>) {
    if value.chars().count() > max {
        problems.push(format!("The field {field} must be a string with a maximum length of {max}."));
    }
}

/// Checks one line against the chart, the tax rates and the items.
pub(super) fn line(books: &Books, document: &Document, line: &Line, problems: &mut Vec<String>) {
    length("Description", &line.description, DESCRIPTION_MAX, problems);
    if let Some(code) = &line.item_code
        && !books.items.iter().any(|item| item.code == *code)
    {
        problems.push("Item Code is invalid.".to_owned());
    }
    if line.tax_amount.abs() > line.line_amount.abs() {
        problems.push("The tax amount cannot be greater than the line amount!".to_owned());
    }
    let account = line.account_code.as_ref().map(|code| {
        let held = books.accounts.iter().find(|account| account.code == *code);
        (code, held)
    });
    match &account {
        Some((code, None)) => problems.push(format!("Account code '{code}' is not a valid code for this document.")),
        Some((code, Some(account))) if !account.active => problems.push(format!(
            "Account code '{code}' has been archived, or has been deleted. Each line item must reference a valid account."
        )),
        Some((code, Some(account))) if !account.takes_lines() => {
            problems.push(format!("Account code '{code}' is not a valid code for this document."));
        }
        _ => {}
    }
    let (Some(tax_type), true) = (&line.tax_type, document.line_amounts != LineAmounts::NoTax) else { return };
    let rate = books.tax_rates.iter().find(|rate| rate.active && rate.tax_type == *tax_type);
    match (rate, account) {
        (None, _) => problems.push(format!(
            "The TaxType code '{tax_type}' does not exist or cannot be used with this type of transaction."
        )),
        (Some(rate), Some((code, Some(account)))) if rate.barred.contains(&account.class()) => {
            problems.push(format!("The TaxType code '{tax_type}' cannot be used with account code '{code}'."));
        }
        _ => {}
    }
}

/// Checks the document as a whole; the lines have been checked already.
pub(super) fn document(
    books: &Books,
    document: &Document,
    sent: &Value,
    problems: &mut Vec<String>,
) -> Result<(), Reply> {
    number(books, document, problems);
    length("Reference", &document.reference, TEXT_MAX, problems);
    if let Some(url) = &document.url
        && (url.parse::<url::Url>().is_err() || url.to_lowercase().contains("xero"))
    {
        problems.push("Url must be a valid URL.".to_owned());
    }
    if !books.currencies.contains(&document.currency) {
        problems.push(format!("Organisation is not subscribed to currency {}", document.currency));
    }
    if document.lines.is_empty() {
        problems.push("One or more line items must be specified".to_owned());
    }
    if decimal(sent, "Total")?.is_some_and(|total| total != document.total) {
        problems.push("The document total does not equal the sum of the lines.".to_owned());
    }
    if document.status == Status::Draft {
        return Ok(());
    }
    for _ in document.lines.iter().filter(|line| line.description.is_empty()) {
        problems.push("Description must be specified".to_owned());
    }
    let counted = |line: &&Line| !line.quantity.is_zero() || !line.line_amount.is_zero();
    for _ in document.lines.iter().filter(counted).filter(|line| line.account_code.is_none()) {
        problems.push("Account code must be specified".to_owned());
    }
    if document.total < Decimal::ZERO {
        problems.push("The document total must be greater than 0.".to_owned());
    }
    if document.due_date.is_none() && !document.kind.is_credit() {
        problems.push("The due date must be specified.".to_owned());
    }
    locks(books, document.date, problems);
    Ok(())
}

/// The period and the year may both be locked, and then both are named.
pub(super) fn locks(books: &Books, date: Date, problems: &mut Vec<String>) {
    for (lock, name) in [(books.period_lock, "period"), (books.year_lock, "end of year")] {
        if let Some(lock) = lock.filter(|lock| date <= *lock) {
            let shown = lock.strftime("%d-%b-%Y");
            problems.push(format!("The document date cannot be before the {name} lock date, currently set at {shown}"));
        }
    }
}

fn number(books: &Books, document: &Document, problems: &mut Vec<String>) {
    let credit = document.kind.is_credit();
    let field = if credit { "CreditNoteNumber" } else { "InvoiceNumber" };
    length(field, &document.number, TEXT_MAX, problems);
    if !document.number.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic()) {
        problems.push(format!("{field} must consist of printable ASCII characters."));
    }
    let taken = |kind: Kind| books.numbered(kind, &document.number).is_some_and(|held| held.id != document.id);
    if document.kind.is_sale() && !document.number.is_empty() && taken(document.kind) {
        let noun = if credit { "Credit note" } else { "Invoice" };
        problems.push(format!("{noun} # must be unique."));
    }
}

/// Whether an existing document may be changed at all, and into the status asked for.
pub(super) fn change(books: &Books, held: &Document, sent: &Value, wanted: Status, problems: &mut Vec<String>) {
    let stale = || {
        let noun = if held.kind.is_credit() { "Credit Note" } else { "Invoice" };
        format!("{noun} not of valid status for modification")
    };
    let allowed = match held.status {
        Status::Draft | Status::Submitted => !matches!(wanted, Status::Voided | Status::Paid),
        Status::Authorised => matches!(wanted, Status::Authorised | Status::Voided),
        Status::Paid => wanted == Status::Voided && held.is_touched(),
        Status::Voided | Status::Deleted => false,
    };
    if !allowed {
        problems.push(stale());
        return;
    }
    if held.status != Status::Draft {
        locks(books, held.date, problems);
    }
    if !held.is_touched() {
        return;
    }
    if wanted == Status::Voided {
        problems.push(
            "The status VOIDED cannot be applied to the invoice because it has payments or credit notes allocated to it."
                .to_owned(),
        );
    } else if ["LineItems", "Date", "Type", "CurrencyCode", "LineAmountTypes"].iter().any(|key| sent.get(key).is_some())
    {
        problems.push("This document cannot be edited as it has a payment or credit note allocated to it.".to_owned());
    }
}
