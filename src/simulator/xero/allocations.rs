//! Allocating credit notes, overpayments and prepayments to invoices: the second call that credit takes.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::family::Family;
use super::records::{Allocation, Document, Status};
use super::render;
use super::state::Books;
use super::wire::{Answer, Call, Reply, date, decimal, elements, envelope, guid, messages, validation_exception};

/// PUT on the allocations of one credit note, overpayment or prepayment.
pub(super) fn write(books: &mut Books, call: &Call, family: Family, credit: &str) -> Answer {
    let credit = find(books, family, credit)?;
    let sent = elements(call, "Allocations", "Allocation")?;
    // A request of one element changes nothing when it is refused.
    let before = (sent.len() > 1).then(|| books.clone());
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    // All are read before the first is made, because what cannot be read ends the request.
    let mut read = Vec::new();
    for element in &sent {
        let invoice = element.get("Invoice").and_then(|invoice| guid(invoice, "InvoiceID"));
        let allocation = Allocation {
            id: Uuid::new_v4(),
            invoice: invoice.unwrap_or_default(),
            amount: decimal(element, "Amount")?.unwrap_or_default(),
            date: date(element, "Date")?.unwrap_or_else(|| Books::today(call.now)),
        };
        read.push((element, allocation));
    }
    for (element, allocation) in read {
        match allocate(books, credit, &allocation, call.now) {
            Ok(()) => rows.push(render::allocation(&allocation)),
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
    if let Some(before) = before {
        *books = before;
    }
    Err(validation_exception(&wrong))
}

/// DELETE of one allocation.
pub(super) fn remove(books: &mut Books, call: &Call, family: Family, (credit, wanted): (&str, &str)) -> Answer {
    let credit = find(books, family, credit)?;
    let wanted: Uuid = wanted.parse().map_err(|_| Reply::not_found())?;
    if owner(books, wanted) != Some(credit) || !take_back(books, wanted, call.now) {
        return Err(Reply::not_found());
    }
    Ok(Reply::json(200, &json!({"AllocationID": wanted, "IsDeleted": true})))
}

fn find(books: &Books, family: Family, credit: &str) -> Result<Uuid, Reply> {
    let id: Uuid = credit.parse().map_err(|_| Reply::not_found())?;
    let held = books.document(id).filter(|held| family.holds(held.kind) && !held.kind.is_owed());
    held.map(|held| held.id).ok_or_else(Reply::not_found)
}

/// Allocates, from the API or by hand, what nothing is wrong with.
pub(super) fn allocate(
    books: &mut Books,
    credit: Uuid,
    allocation: &Allocation,
    now: Timestamp,
) -> Result<(), Vec<String>> {
    let problems = problems(books.document(credit), books.document(allocation.invoice), allocation);
    if !problems.is_empty() {
        return Err(problems);
    }
    books.change_document(allocation.invoice, now, |invoice| invoice.amount_credited += allocation.amount);
    books.change_document(credit, now, |credit| {
        credit.amount_credited += allocation.amount;
        credit.allocations.push(allocation.clone());
    });
    Ok(())
}

/// Takes an allocation back, which opens both sides again; false if there is none with this id.
pub(super) fn take_back(books: &mut Books, allocation: Uuid, now: Timestamp) -> bool {
    let Some(credit) = owner(books, allocation) else { return false };
    let mut freed = None;
    books.change_document(credit, now, |credit| {
        freed = credit.allocations.iter().find(|held| held.id == allocation).cloned();
        credit.allocations.retain(|held| held.id != allocation);
        credit.amount_credited -= freed.as_ref().map(|held| held.amount).unwrap_or_default();
    });
    if let Some(freed) = freed {
        books.change_document(freed.invoice, now, |invoice| invoice.amount_credited -= freed.amount);
    }
    true
}

/// What an allocation was taken from.
fn owner(books: &Books, allocation: Uuid) -> Option<Uuid> {
    let holds = |document: &&Document| document.allocations.iter().any(|held| held.id == allocation);
    books.documents.iter().find(holds).map(|document| document.id)
}

fn problems(credit: Option<&Document>, invoice: Option<&Document>, allocation: &Allocation) -> Vec<String> {
    let mut problems = Vec::new();
    let Some((credit, invoice)) = credit.zip(invoice.filter(|invoice| invoice.kind.is_owed())) else {
        return vec!["An existing Credit Note/Invoice with the specified ID could not be found".to_owned()];
    };
    if credit.status != Status::Authorised || invoice.status != Status::Authorised {
        problems.push("Credit notes can only be allocated to Authorised documents".to_owned());
    }
    if credit.contact_id != invoice.contact_id || credit.kind.is_sale() != invoice.kind.is_sale() {
        problems.push("The credit note and the invoice must be of the same contact and type".to_owned());
    }
    if allocation.amount <= Decimal::ZERO {
        problems.push("The amount must be greater than 0".to_owned());
    }
    if allocation.amount > credit.amount_due() {
        problems.push("The amount exceeds the remaining credit of this credit note".to_owned());
    }
    if allocation.amount > invoice.amount_due() {
        problems.push("Allocation amount exceeds the amount outstanding on this document".to_owned());
    }
    problems
}

/// The allocations of one credit note, overpayment or prepayment as its own document shows them.
pub(super) fn of(credit: &Document) -> Value {
    json!(credit.allocations.iter().map(render::allocation).collect::<Vec<_>>())
}
