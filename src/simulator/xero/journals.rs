//! Manual journals: at least two lines that balance, without a number that could be there twice.

use axum::http::Method;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::arithmetic;
use super::check;
use super::draft;
use super::filter::Operand;
use super::ledger::{Journal, JournalLine, JournalStatus};
use super::query;
use super::records::LineAmounts;
use super::render::{self, compact};
use super::state::Books;
use super::wire::{
    Answer, Call, Reply, date, day, decimal, elements, envelope, guid, instant, messages, number, text, unconvertible,
    validation_exception,
};

/// Longest narration and line description.
const TEXT_MAX: usize = 4000;

/// PUT and POST on the collection; only POST finds what is there, and only by id.
pub(super) fn write(books: &mut Books, call: &Call) -> Answer {
    let sent = elements(call, "ManualJournals", "ManualJournal")?;
    save(books, call, &sent)
}

/// POST on one journal.
pub(super) fn write_one(books: &mut Books, call: &Call, wanted: &str) -> Answer {
    let id = find(books, wanted)?.id;
    let mut sent = elements(call, "ManualJournals", "ManualJournal")?;
    sent.truncate(1);
    for fields in sent.iter_mut().filter_map(Value::as_object_mut) {
        fields.insert("ManualJournalID".to_owned(), json!(id));
    }
    save(books, call, &sent)
}

/// Saves all elements, or with summarizeErrors none of them if one is wrong.
fn save(books: &mut Books, call: &Call, sent: &[Value]) -> Answer {
    let summarizes = call.query.summarizes_errors();
    let (mut journals, mut rows, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for element in sent {
        let mut problems = Vec::new();
        let journal = read_element(books, call, element, &mut problems)?;
        let mut row = if problems.is_empty() { render(books, &journal, true) } else { element.clone() };
        if let Some(fields) = row.as_object_mut().filter(|_| !problems.is_empty()) {
            let known = books.journals.iter().any(|held| held.id == journal.id);
            fields.insert("ManualJournalID".to_owned(), json!(if known { journal.id } else { Uuid::nil() }));
            fields.insert("ValidationErrors".to_owned(), messages(&problems));
            wrong.push(Value::Object(fields.clone()));
        } else {
            journals.push(journal);
        }
        if let Some(fields) = row.as_object_mut().filter(|_| !summarizes) {
            let status = if problems.is_empty() { "OK" } else { "ERROR" };
            fields.insert("StatusAttributeString".to_owned(), json!(status));
        }
        rows.push(row);
    }
    if summarizes && !wrong.is_empty() {
        return Err(validation_exception(&wrong));
    }
    for journal in journals {
        match books.journals.iter_mut().find(|held| held.id == journal.id) {
            Some(held) => *held = journal,
            None => books.journals.push(journal),
        }
    }
    Ok(envelope(call.now, "ManualJournals", rows, None))
}

/// Lays the element over the journal that it means, or over an empty one.
fn read_element(books: &Books, call: &Call, element: &Value, problems: &mut Vec<String>) -> Result<Journal, Reply> {
    let named = guid(element, "ManualJournalID").filter(|_| call.method == Method::POST);
    let held = match named {
        Some(id) => Some(books.journals.iter().find(|held| held.id == id).ok_or_else(Reply::not_found)?),
        None => None,
    };
    let mut journal = held.cloned().unwrap_or_else(|| Journal::blank(Books::today(call.now), call.now));
    journal.updated = call.now;
    if let Some(narration) = text(element, "Narration") {
        journal.narration = narration;
    }
    journal.date = date(element, "Date")?.unwrap_or(journal.date);
    journal.url = text(element, "Url").or(journal.url);
    if let Some(name) = element.get("LineAmountTypes").filter(|name| !name.is_null()) {
        let way = name.as_str().and_then(LineAmounts::parse);
        journal.line_amounts = way.ok_or_else(|| unconvertible(name, "LineAmountType", "LineAmountTypes"))?;
    }
    if let Some(name) = element.get("Status").filter(|name| !name.is_null()) {
        let status = name.as_str().and_then(JournalStatus::parse);
        journal.status = status.ok_or_else(|| unconvertible(name, "ManualJournalStatus", "Status"))?;
    }
    match element.get("JournalLines") {
        Some(Value::Array(sent)) => {
            let lines = sent.iter().map(|row| line(books, journal.line_amounts, row, problems));
            journal.lines = lines.collect::<Result<_, _>>()?;
        }
        Some(other) if !other.is_null() => return Err(unconvertible(other, "List", "JournalLines")),
        _ => {}
    }
    change(books, held, &journal, problems);
    if !journal.status.is_gone() {
        check_journal(books, &journal, problems);
    }
    Ok(journal)
}

/// What its status lets become of a journal.
fn change(books: &Books, held: Option<&Journal>, wanted: &Journal, problems: &mut Vec<String>) {
    use JournalStatus::{Deleted, Draft, Posted, Voided};
    let is_allowed = match (held.map(|held| held.status), wanted.status) {
        (None, status) => matches!(status, Draft | Posted),
        (Some(Draft), status) => matches!(status, Draft | Posted | Deleted),
        (Some(Posted), status) => matches!(status, Posted | Voided),
        (Some(Deleted | Voided), _) => false,
    };
    if !is_allowed {
        problems.push("Manual Journal not of valid status for modification".to_owned());
    }
    if let Some(posted) = held.filter(|held| held.status == Posted) {
        check::locks(books, posted.date, problems);
    }
}

fn check_journal(books: &Books, journal: &Journal, problems: &mut Vec<String>) {
    if journal.narration.is_empty() {
        problems.push("Narration must be specified".to_owned());
    }
    check::length("Narration", &journal.narration, TEXT_MAX, problems);
    if journal.lines.len() < 2 {
        problems.push("A manual journal must have at least two lines".to_owned());
    }
    let (debits, credits) = journal.sides();
    if debits != credits {
        problems.push(format!("The total debits ({debits:.2}) must equal total credits ({credits:.2})"));
    }
    if journal.status == JournalStatus::Posted {
        check::locks(books, journal.date, problems);
    }
}

fn line(books: &Books, way: LineAmounts, sent: &Value, problems: &mut Vec<String>) -> Result<JournalLine, Reply> {
    let line_amount = decimal(sent, "LineAmount")?.unwrap_or_else(|| {
        problems.push("Line amount must be specified".to_owned());
        Decimal::ZERO
    });
    let line_amount = books.half_cent.round(line_amount, 2);
    let by_id = guid(sent, "AccountID").and_then(|id| books.accounts.iter().find(|account| account.id == id));
    let account_code = text(sent, "AccountCode").or(by_id.map(|account| account.code.clone())).unwrap_or_default();
    let account = books.accounts.iter().find(|account| account.code == account_code);
    match account {
        None if account_code.is_empty() => problems.push("Account code must be specified".to_owned()),
        Some(account) if !account.active => problems.push(format!(
            "Account code '{account_code}' has been archived, or has been deleted. Each line item must reference a valid account."
        )),
        Some(account) if account.takes_journals() => {}
        _ => problems.push(format!("Account code '{account_code}' is not a valid code for this document.")),
    }
    let tax_type = match (way, text(sent, "TaxType")) {
        (LineAmounts::NoTax, _) => "NONE".to_owned(),
        (_, Some(tax_type)) => tax_type,
        (_, None) => account.map(|account| account.tax_type.clone()).unwrap_or_default(),
    };
    let rate = books.tax_rates.iter().find(|rate| rate.active && rate.tax_type == tax_type);
    match (rate, account) {
        _ if way == LineAmounts::NoTax => {}
        (None, _) => problems.push(format!(
            "The TaxType code '{tax_type}' does not exist or cannot be used with this type of transaction."
        )),
        (Some(rate), Some(account)) if rate.barred.contains(&account.class()) => {
            problems.push(format!("The TaxType code '{tax_type}' cannot be used with account code '{account_code}'."));
        }
        _ => {}
    }
    let percent = rate.map(|rate| rate.rate).unwrap_or_default();
    let description = text(sent, "Description").unwrap_or_default();
    check::length("Description", &description, TEXT_MAX, problems);
    Ok(JournalLine {
        description,
        account_code,
        line_amount,
        tax_type,
        tax_amount: arithmetic::tax(line_amount, percent, way, books.half_cent),
        tracking: match sent.get("Tracking") {
            Some(Value::Array(sent)) => draft::tracking(books, sent, problems),
            _ => Vec::new(),
        },
    })
}

fn find<'a>(books: &'a Books, wanted: &str) -> Result<&'a Journal, Reply> {
    let id: Uuid = wanted.parse().map_err(|_| Reply::not_found())?;
    books.journals.iter().find(|journal| journal.id == id).ok_or_else(Reply::not_found)
}

/// GET of one journal.
pub(super) fn read_one(books: &Books, call: &Call, wanted: &str) -> Answer {
    let row = render(books, find(books, wanted)?, true);
    Ok(envelope(call.now, "ManualJournals", vec![row], None))
}

/// GET of the collection; without a page there are no lines.
pub(super) fn read(books: &Books, call: &Call) -> Answer {
    let rows: Vec<&Journal> = books.journals.iter().collect();
    let rows = query::select(call, rows, &|journal, name| field(journal, name))?;
    let (rows, pagination) = query::paged(call, rows)?;
    let rows = rows.into_iter().map(|journal| render(books, journal, pagination.is_some())).collect();
    Ok(envelope(call.now, "ManualJournals", rows, pagination))
}

fn field(journal: &Journal, name: &str) -> Result<Option<Operand>, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "manualjournalid" => Some(Operand::Guid(journal.id)),
        "narration" => Some(Operand::text(&journal.narration)),
        "status" => Some(Operand::text(journal.status.name())),
        "date" => Some(Operand::Date(journal.date.at(0, 0, 0, 0))),
        "updateddateutc" => Some(Operand::Date(journal.updated.to_zoned(TimeZone::UTC).datetime())),
        _ => return Err(format!("No property or field '{name}' exists in type 'ManualJournal'")),
    })
}

fn render(books: &Books, journal: &Journal, with_lines: bool) -> Value {
    let lines = journal.lines.iter().map(|line| {
        let account = books.accounts.iter().find(|account| account.code == line.account_code);
        json!({
            "Description": (!line.description.is_empty()).then_some(&line.description),
            "TaxType": line.tax_type,
            "TaxAmount": number(line.tax_amount),
            "LineAmount": number(line.line_amount),
            "AccountCode": line.account_code,
            "AccountID": account.map(|account| account.id),
            "Tracking": line.tracking.iter().map(render::tracking).collect::<Vec<_>>(),
            "IsBlank": false,
        })
    });
    compact(json!({
        "ManualJournalID": journal.id,
        "Narration": journal.narration,
        "Date": day(journal.date),
        "Status": journal.status.name(),
        "LineAmountTypes": journal.line_amounts.name(),
        "JournalLines": with_lines.then(|| lines.collect::<Vec<_>>()),
        "Url": journal.url,
        "ShowOnCashBasisReports": true,
        "HasAttachments": false,
        "UpdatedDateUTC": instant(journal.updated),
    }))
}
