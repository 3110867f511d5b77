//! Payments: entered by PUT, listed by GET, and deleted by POST, as nothing else about them can change.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::check::length;
use super::family::Family;
use super::filter::Operand;
use super::records::{Document, Kind, Payment, Status};
use super::state::{Account, Books};
use super::wire::{
    Answer, Call, Reply, date, decimal, elements, envelope, guid, messages, text, unconvertible, validation_exception,
};
use super::{query, render};

/// Longest reference; Xero documents none.
const REFERENCE_MAX: usize = 255;

/// PUT and POST on the collection: both only create.
pub(super) fn write(books: &mut Books, call: &Call) -> Answer {
    let sent = elements(call, "Payments", "Payment")?;
    // A request of one element changes nothing when it is refused.
    let before = (sent.len() > 1).then(|| books.clone());
    let summarizes = call.query.summarizes_errors();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    // All are read before the first is entered, because what cannot be read ends the request.
    let mut read = Vec::new();
    for element in &sent {
        let mut problems = Vec::new();
        let payment = read_element(books, call.now, element, &mut problems)?;
        read.push((element, payment, problems));
    }
    for (element, payment, mut problems) in read {
        problems.extend(self::problems(books, &payment));
        let mut row = if problems.is_empty() {
            let row_of = payment.clone();
            enter(books, payment);
            render::payment(books, &row_of)
        } else {
            let row = echo(element, &problems);
            wrong.push(row.clone());
            row
        };
        if let Some(fields) = row.as_object_mut().filter(|_| !summarizes) {
            let status = if problems.is_empty() { "OK" } else { "ERROR" };
            fields.insert("StatusAttributeString".to_owned(), json!(status));
        }
        rows.push(row);
    }
    if summarizes && !wrong.is_empty() {
        if let Some(before) = before {
            *books = before;
        }
        return Err(validation_exception(&wrong));
    }
    Ok(envelope(call.now, "Payments", rows, None))
}

fn echo(element: &Value, problems: &[String]) -> Value {
    let mut row = element.clone();
    if let Some(fields) = row.as_object_mut() {
        fields.insert("PaymentID".to_owned(), json!(Uuid::nil()));
        fields.insert("HasValidationErrors".to_owned(), json!(true));
        fields.insert("ValidationErrors".to_owned(), messages(problems));
    }
    row
}

fn read_element(books: &Books, now: Timestamp, element: &Value, problems: &mut Vec<String>) -> Result<Payment, Reply> {
    let named = [Family::Invoices, Family::CreditNotes, Family::Overpayments, Family::Prepayments]
        .into_iter()
        .filter_map(|family| element.get(family.noun()).map(|named| (family, named)));
    let named: Vec<(Family, &Value)> = named.filter(|(_, named)| !named.is_null()).collect();
    let mut document = None;
    if let [(family, named)] = named.as_slice() {
        document = target(books, *family, named);
    } else {
        problems.push("Payment must be for exactly one of Invoice, CreditNote, Prepayment or Overpayment".to_owned());
    }
    let account = element.get("Account").cloned().unwrap_or_default();
    let (account_id, code) = (guid(&account, "AccountID"), text(&account, "Code"));
    let is_wanted = |held: &&Account| Some(held.id) == account_id || Some(&held.code) == code.as_ref();
    let sent_day = date(element, "Date")?;
    if sent_day.is_none() {
        problems.push("The payment date must be specified".to_owned());
    }
    let reference = text(element, "Reference").unwrap_or_default();
    length("Reference", &reference, REFERENCE_MAX, problems);
    Ok(Payment {
        id: Uuid::new_v4(),
        document: document.map(|held| held.id).unwrap_or_default(),
        kind: document.map_or(Kind::Accrec, |held| held.kind),
        date: sent_day.unwrap_or_else(|| Books::today(now)),
        amount: decimal(element, "Amount")?.unwrap_or_default(),
        account: books.accounts.iter().find(is_wanted).map(|held| held.code.clone()).unwrap_or_default(),
        reference,
        currency_rate: decimal(element, "CurrencyRate")?.unwrap_or(Decimal::ONE),
        is_reconciled: element.get("IsReconciled").and_then(Value::as_bool).unwrap_or(false),
        is_deleted: false,
        batch: None,
        updated: now,
    })
}

/// The document that a payment names by id or number; a bill's number names nothing, as others may have it.
fn target<'a>(books: &'a Books, family: Family, named: &Value) -> Option<&'a Document> {
    if let Some(id) = guid(named, family.id_field()) {
        return books.document(id).filter(|held| family.holds(held.kind));
    }
    let kind = match family {
        Family::Invoices => Kind::Accrec,
        Family::CreditNotes => Kind::AccrecCredit,
        Family::Overpayments | Family::Prepayments => return None,
    };
    books.numbered(kind, &text(named, family.number_field())?)
}

/// What Xero has against a payment, from the API or from a person.
pub(super) fn problems(books: &Books, payment: &Payment) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(document) = books.document(payment.document) else {
        return vec!["An existing Credit Note/Invoice with the specified ID could not be found".to_owned()];
    };
    match books.accounts.iter().find(|account| account.code == payment.account) {
        None => problems.push("The account code or ID must be specified".to_owned()),
        Some(account) if !account.active || !account.takes_payments() => {
            problems.push("Account type is invalid for making a payment to/from".to_owned());
        }
        Some(_) => {}
    }
    if payment.amount <= Decimal::ZERO {
        problems.push("The payment amount must be greater than 0".to_owned());
    }
    // Xero joins these two in one message when both apply.
    let mut refused = Vec::new();
    if payment.amount > document.amount_due() {
        refused.push("Payment amount exceeds the amount outstanding on this document");
    }
    if document.status != Status::Authorised {
        refused.push("Payments can only be made against Authorised documents");
    }
    if !refused.is_empty() {
        problems.push(refused.join("; "));
    }
    problems.extend(locked(books, payment));
    problems
}

fn locked(books: &Books, payment: &Payment) -> Option<String> {
    let locks = [books.period_lock, books.year_lock];
    let is_locked = locks.into_iter().flatten().any(|lock| payment.date <= lock);
    is_locked.then(|| "Organisation accounts are locked on the specified payment".to_owned())
}

/// Enters a payment, whose kind is that of its document, unless something is wrong with it.
pub(super) fn enter_checked(books: &mut Books, payment: Payment) -> Result<Uuid, String> {
    let problems = problems(books, &payment);
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    let (id, kind) = (payment.id, books.document(payment.document).map_or(payment.kind, |held| held.kind));
    enter(books, Payment { kind, ..payment });
    Ok(id)
}

/// Enters a payment that nothing is wrong with.
pub(super) fn enter(books: &mut Books, payment: Payment) {
    let amount = payment.amount;
    books.change_document(payment.document, payment.updated, |held| held.amount_paid += amount);
    books.payments.push(payment);
}

/// Deletes a payment, which opens its document again.
pub(super) fn delete(books: &mut Books, id: Uuid, now: Timestamp) -> Result<(), String> {
    let stale = || "Payment not of valid status for modification".to_owned();
    let held = books.payments.iter().find(|held| held.id == id && !held.is_deleted).cloned().ok_or_else(stale)?;
    if let Some(problem) = locked(books, &held) {
        return Err(problem);
    }
    if let Some(payment) = books.payments.iter_mut().find(|payment| payment.id == id) {
        payment.is_deleted = true;
        payment.updated = now;
    }
    books.change_document(held.document, now, |document| document.amount_paid -= held.amount);
    Ok(())
}

/// POST on one payment: the only change is its deletion.
pub(super) fn write_one(books: &mut Books, call: &Call, wanted: &str) -> Answer {
    let id = find(books, wanted)?.id;
    for element in elements(call, "Payments", "Payment")? {
        let status = element.get("Status").cloned().unwrap_or_default();
        if status.as_str() != Some("DELETED") {
            return Err(unconvertible(&status, "PaymentStatus", "Status"));
        }
        delete(books, id, call.now).map_err(|problem| {
            let row = json!({"PaymentID": id, "Status": "DELETED", "HasValidationErrors": true,
                "ValidationErrors": messages(&[problem])});
            validation_exception(&[row])
        })?;
    }
    read_one(books, call, wanted)
}

fn find<'a>(books: &'a Books, wanted: &str) -> Result<&'a Payment, Reply> {
    let id: Uuid = wanted.parse().map_err(|_| Reply::not_found())?;
    books.payments.iter().find(|payment| payment.id == id).ok_or_else(Reply::not_found)
}

/// GET of one payment, deleted or not.
pub(super) fn read_one(books: &Books, call: &Call, wanted: &str) -> Answer {
    let row = render::payment(books, find(books, wanted)?);
    Ok(envelope(call.now, "Payments", vec![row], None))
}

/// GET of the collection, the deleted ones among them.
pub(super) fn read(books: &Books, call: &Call) -> Answer {
    let rows: Vec<&Payment> = books.payments.iter().collect();
    let rows = query::select(call, rows, &|payment, name| field(books, payment, name))?;
    let (rows, pagination) = query::paged(call, rows)?;
    let rows = rows.into_iter().map(|payment| render::payment(books, payment)).collect();
    Ok(envelope(call.now, "Payments", rows, pagination))
}

fn field(books: &Books, payment: &Payment, name: &str) -> Result<Option<Operand>, String> {
    let document = books.document(payment.document);
    let account = || books.accounts.iter().find(|account| account.code == payment.account);
    Ok(match name.to_ascii_lowercase().as_str() {
        "paymentid" => Some(Operand::Guid(payment.id)),
        "paymenttype" => Some(Operand::text(payment.payment_type())),
        "status" => Some(Operand::text(payment.status())),
        "date" => Some(Operand::Date(payment.date.at(0, 0, 0, 0))),
        "amount" => Some(Operand::Number(payment.amount)),
        "reference" => Some(Operand::text(&payment.reference)),
        "isreconciled" => Some(Operand::Flag(payment.is_reconciled)),
        "updateddateutc" => Some(Operand::Date(payment.updated.to_zoned(TimeZone::UTC).datetime())),
        "batchpaymentid" => payment.batch.map(Operand::Guid),
        // Whatever was paid is shown as an invoice, so it is found as one.
        "invoice.invoiceid" => Some(Operand::Guid(payment.document)),
        "invoice.invoicenumber" => document.map(|held| Operand::text(&held.number)),
        "invoice.contact.contactid" => document.map(|held| Operand::Guid(held.contact_id)),
        "account.code" => Some(Operand::text(&payment.account)),
        "account.accountid" => account().map(|held| Operand::Guid(held.id)),
        _ => return Err(format!("No property or field '{name}' exists in type 'Payment'")),
    })
}
