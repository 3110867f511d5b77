//! Allocating a credit note to invoices: the second call that a credit note takes.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::records::{Allocation, Document, Status};
use super::render;
use super::state::Books;
use super::wire::{Answer, Call, Reply, date, decimal, elements, envelope, guid, messages, validation_exception};

/// PUT on the allocations of one credit note.
pub(super) fn write(books: &mut Books, call: &Call, note: &str) -> Answer {
    let note: Uuid = note.parse().map_err(|_| Reply::not_found())?;
    let held = books.document(note).filter(|document| document.kind.is_credit());
    held.ok_or_else(Reply::not_found)?;
    let sent = elements(call, "Allocations", "Allocation")?;
    let before = books.clone();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for element in &sent {
        match allocate(books, call, note, element)? {
            Ok(allocation) => rows.push(render::allocation(&allocation)),
            Err(problems) => {
                let mut row = element.clone();
                if let Some(fields) = row.as_object_mut() {
                    fields.insert("ValidationErrors".to_owned(), messages(&problems));
                }
                wrong.push(row);
            }
        }
    }
    if wrong.is_empty() {
        return Ok(envelope(call.now, "Allocations", rows, None));
    }
    *books = before;
    Err(validation_exception(&wrong))
}

fn allocate(
    books: &mut Books,
    call: &Call,
    note: Uuid,
    element: &Value,
) -> Result<Result<Allocation, Vec<String>>, Reply> {
    let invoice = element.get("Invoice").and_then(|invoice| guid(invoice, "InvoiceID"));
    let allocation = Allocation {
        id: Uuid::new_v4(),
        invoice: invoice.unwrap_or_default(),
        amount: decimal(element, "Amount")?.unwrap_or_default(),
        date: date(element, "Date")?.unwrap_or_else(|| Books::today(call.now)),
    };
    let problems = problems(books.document(note), books.document(allocation.invoice), &allocation);
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    for id in [note, allocation.invoice] {
        if let Some(document) = books.document_mut(id) {
            document.amount_credited += allocation.amount;
            document.updated = call.now;
            document.settle();
            if id == note {
                document.allocations.push(allocation.clone());
            }
        }
    }
    Ok(Ok(allocation))
}

fn problems(note: Option<&Document>, invoice: Option<&Document>, allocation: &Allocation) -> Vec<String> {
    let mut problems = Vec::new();
    let Some((note, invoice)) = note.zip(invoice) else {
        return vec!["An existing Credit Note/Invoice with the specified ID could not be found".to_owned()];
    };
    if note.status != Status::Authorised || invoice.status != Status::Authorised {
        problems.push("Credit notes can only be allocated to Authorised documents".to_owned());
    }
    if note.contact_id != invoice.contact_id || note.kind.is_sale() != invoice.kind.is_sale() {
        problems.push("The credit note and the invoice must be of the same contact and type".to_owned());
    }
    if allocation.amount <= Decimal::ZERO {
        problems.push("The amount must be greater than 0".to_owned());
    }
    if allocation.amount > note.amount_due() {
        problems.push("The amount exceeds the remaining credit of this credit note".to_owned());
    }
    if allocation.amount > invoice.amount_due() {
        problems.push("Allocation amount exceeds the amount outstanding on this document".to_owned());
    }
    problems
}

/// The allocations of one credit note as its own document shows them.
pub(super) fn of(note: &Document) -> Value {
    json!(note.allocations.iter().map(render::allocation).collect::<Vec<_>>())
}
