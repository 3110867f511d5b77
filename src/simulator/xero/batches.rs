//! Batch payments: one deposit for many invoices, or one transfer for many bills. Entered and deleted whole.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::filter::Operand;
use super::records::{Batch, Kind, Payment};
use super::state::{Account, Books};
use super::wire::{
    Answer, Call, Reply, date, decimal, elements, envelope, guid, messages, text, unconvertible, validation_exception,
};
use super::{payments, query, render};

/// Pays all parts as one batch, or none of them.
pub(super) fn pay(books: &mut Books, batch: Batch, parts: &[(Uuid, Decimal)], now: Timestamp) -> Result<Uuid, String> {
    let before = books.clone();
    for (document, amount) in parts {
        let payment = Payment {
            id: Uuid::new_v4(),
            document: *document,
            kind: Kind::Accrec,
            date: batch.date,
            amount: *amount,
            account: batch.account.clone(),
            reference: batch.reference.clone(),
            currency_rate: Decimal::ONE,
            is_reconciled: false,
            is_deleted: false,
            batch: Some(batch.id),
            updated: now,
        };
        if let Err(problem) = payments::enter_checked(books, payment) {
            *books = before;
            return Err(problem);
        }
    }
    let id = batch.id;
    books.batches.push(batch);
    Ok(id)
}

/// PUT and POST of one batch on the collection.
pub(super) fn write(books: &mut Books, call: &Call) -> Answer {
    let mut sent = elements(call, "BatchPayments", "BatchPayment")?;
    sent.truncate(1);
    let mut row = sent.pop().unwrap_or_default();
    let account = row.get("Account").cloned().unwrap_or_default();
    let (account_id, code) = (guid(&account, "AccountID"), text(&account, "Code"));
    let is_wanted = |held: &&Account| Some(held.id) == account_id || Some(&held.code) == code.as_ref();
    let batch = Batch {
        id: Uuid::new_v4(),
        account: books.accounts.iter().find(is_wanted).map(|held| held.code.clone()).unwrap_or_default(),
        date: date(&row, "Date")?.unwrap_or_else(|| Books::today(call.now)),
        reference: text(&row, "Reference").unwrap_or_default(),
    };
    let mut parts = Vec::new();
    for part in row.get("Payments").and_then(Value::as_array).into_iter().flatten() {
        let invoice = part.get("Invoice").and_then(|invoice| guid(invoice, "InvoiceID"));
        parts.push((invoice.unwrap_or_default(), decimal(part, "Amount")?.unwrap_or_default()));
    }
    let entered = if parts.is_empty() {
        Err("A batch payment must have at least one payment".to_owned())
    } else {
        pay(books, batch, &parts, call.now)
    };
    match entered {
        Ok(id) => read_one(books, call, &id.to_string()),
        Err(problem) => {
            if let Some(fields) = row.as_object_mut() {
                fields.insert("BatchPaymentID".to_owned(), json!(Uuid::nil()));
                fields.insert("ValidationErrors".to_owned(), messages(&[problem]));
            }
            Err(validation_exception(&[row]))
        }
    }
}

/// GET of the collection.
pub(super) fn read(books: &Books, call: &Call) -> Answer {
    let rows: Vec<&Batch> = books.batches.iter().collect();
    let rows = query::select(call, rows, &|batch, name| field(books, batch, name))?;
    let rows = rows.into_iter().map(|batch| render::batch(books, batch)).collect();
    Ok(envelope(call.now, "BatchPayments", rows, None))
}

/// GET of one batch.
pub(super) fn read_one(books: &Books, call: &Call, wanted: &str) -> Answer {
    let row = render::batch(books, find(books, wanted)?);
    Ok(envelope(call.now, "BatchPayments", vec![row], None))
}

/// POST on one batch: its deletion takes all of its payments along.
pub(super) fn write_one(books: &mut Books, call: &Call, wanted: &str) -> Answer {
    let id = find(books, wanted)?.id;
    for element in elements(call, "BatchPayments", "BatchPayment")? {
        if text(&element, "Status").as_deref() != Some("DELETED") {
            return Err(unconvertible(element.get("Status").unwrap_or(&Value::Null), "BatchPaymentStatus", "Status"));
        }
        let live = books.payments.iter().filter(|payment| payment.batch == Some(id) && !payment.is_deleted);
        let live: Vec<Uuid> = live.map(|payment| payment.id).collect();
        let before = books.clone();
        for payment in live {
            if let Err(problem) = payments::delete(books, payment, call.now) {
                *books = before;
                let row = json!({"BatchPaymentID": id, "ValidationErrors": messages(&[problem])});
                return Err(validation_exception(&[row]));
            }
        }
    }
    read_one(books, call, wanted)
}

fn find<'a>(books: &'a Books, wanted: &str) -> Result<&'a Batch, Reply> {
    let id: Uuid = wanted.parse().map_err(|_| Reply::not_found())?;
    books.batches.iter().find(|batch| batch.id == id).ok_or_else(Reply::not_found)
}

fn field(books: &Books, batch: &Batch, name: &str) -> Result<Option<Operand>, String> {
    let mine = books.payments.iter().filter(|payment| payment.batch == Some(batch.id));
    Ok(match name.to_ascii_lowercase().as_str() {
        "batchpaymentid" => Some(Operand::Guid(batch.id)),
        "reference" => Some(Operand::text(&batch.reference)),
        "date" => Some(Operand::Date(batch.date.at(0, 0, 0, 0))),
        "updateddateutc" => mine
            .map(|payment| payment.updated)
            .max()
            .map(|updated| Operand::Date(updated.to_zoned(TimeZone::UTC).datetime())),
        _ => return Err(format!("No property or field '{name}' exists in type 'BatchPayment'")),
    })
}
