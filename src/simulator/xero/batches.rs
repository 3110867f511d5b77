//! Batch payments: one deposit for many invoices, or one transfer for many bills. Read, and deleted whole.

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use uuid::Uuid;

use super::filter::Operand;
use super::records::Batch;
use super::state::Books;
use super::wire::{Answer, Call, Reply, elements, envelope, messages, text, unconvertible, validation_exception};
use super::{payments, query, render};

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
