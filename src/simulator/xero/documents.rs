//! Invoices, bills and credit notes: created by PUT, created or overwritten by POST, listed by GET.

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use uuid::Uuid;

use super::family::Family;
use super::filter::{Operand, fold};
use super::records::{Document, Kind, Status};
use super::render::{self, Detail};
use super::state::Books;
use super::wire::{Answer, Call, Reply, elements, envelope, guid, messages, text, unconvertible, validation_exception};
use super::{check, contacts, draft, query};

/// Why an element was not saved.
enum Refusal {
    /// It is wrong; the id is all-zero for what would have been new.
    Invalid(Uuid, Vec<String>),
    /// The whole request ends here.
    Request(Reply),
}

impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Self {
        Self::Request(reply)
    }
}

/// PUT and POST on the collection.
pub(super) fn write(books: &mut Books, call: &Call, family: Family) -> Answer {
    let sent = elements(call, family.collection(), family.noun())?;
    save(books, call, family, &sent)
}

/// POST on one document.
pub(super) fn write_one(books: &mut Books, call: &Call, family: Family, id: &str) -> Answer {
    let id = find(books, family, id).map(|document| document.id).ok_or_else(Reply::not_found)?;
    let mut sent = elements(call, family.collection(), family.noun())?;
    sent.truncate(1);
    for element in &mut sent {
        if let Some(fields) = element.as_object_mut() {
            fields.insert(family.id_field().to_owned(), json!(id));
        }
    }
    save(books, call, family, &sent)
}

/// Saves all elements, or with summarizeErrors none of them if one is wrong.
fn save(books: &mut Books, call: &Call, family: Family, sent: &[Value]) -> Answer {
    let before = (sent.len() > 1).then(|| books.clone());
    let answer = save_each(books, call, family, sent);
    if let (Some(before), Err(_)) = (before, &answer) {
        *books = before;
    }
    answer
}

fn save_each(books: &mut Books, call: &Call, family: Family, sent: &[Value]) -> Answer {
    let summarizes = call.query.summarizes_errors();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for element in sent {
        match save_one(books, call, family, element) {
            Ok(id) => rows.extend(books.document(id).map(|document| {
                let row = render::document(books, document, Detail::Created, call.query.unit_places());
                if summarizes { row } else { with_status(row, &[]) }
            })),
            Err(Refusal::Invalid(id, problems)) => {
                let row = echo(family, element, id, &problems);
                wrong.push(row.clone());
                rows.push(with_status(row, &problems));
            }
            Err(Refusal::Request(reply)) => return Err(reply),
        }
    }
    if summarizes && !wrong.is_empty() {
        return Err(validation_exception(&wrong));
    }
    Ok(envelope(call.now, family.collection(), rows, None))
}

/// The element as it was sent, with what is wrong with it.
fn echo(family: Family, element: &Value, id: Uuid, problems: &[String]) -> Value {
    let mut row = element.clone();
    if let Some(fields) = row.as_object_mut() {
        fields.insert(family.id_field().to_owned(), json!(id));
        fields.insert("HasErrors".to_owned(), json!(true));
        fields.insert("ValidationErrors".to_owned(), messages(problems));
        if let Some(Value::Array(lines)) = fields.get_mut("LineItems") {
            for line in lines.iter_mut().filter_map(Value::as_object_mut) {
                line.insert("ValidationErrors".to_owned(), json!([]));
            }
        }
    }
    row
}

/// What summarizeErrors=false adds to each element.
fn with_status(mut row: Value, problems: &[String]) -> Value {
    if let Some(fields) = row.as_object_mut() {
        let status = if problems.is_empty() { "OK" } else { "ERROR" };
        fields.insert("StatusAttributeString".to_owned(), json!(status));
        fields.insert("HasErrors".to_owned(), json!(!problems.is_empty()));
        fields.insert("ValidationErrors".to_owned(), messages(problems));
        fields.insert("Warnings".to_owned(), json!([]));
    }
    row
}

fn save_one(books: &mut Books, call: &Call, family: Family, element: &Value) -> Result<Uuid, Refusal> {
    let held = target(books, call, family, element)?;
    let mut problems = Vec::new();
    let base = match &held {
        Some(held) => held.clone(),
        None => draft::blank(books, kind(family, element)?, call.now),
    };
    let wanted = wanted_status(element, base.status)?;
    match &held {
        Some(held) => check::change(books, held, element, wanted, &mut problems),
        None if !matches!(wanted, Status::Draft | Status::Submitted | Status::Authorised) => {
            problems.push(format!("{} not of valid status for creation", family.noun()));
        }
        None => {}
    }
    let named = element.get("Contact").filter(|contact| !contact.is_null());
    let contact = match (named, &held) {
        (None, Some(_)) => None,
        (named, _) => contacts::for_document(books, named.unwrap_or(&Value::Null), call.now, &mut problems)?,
    };
    let rules = draft::Rules {
        books,
        number_field: family.number_field(),
        unit_places: call.query.unit_places(),
        now: call.now,
    };
    let mut document = draft::overlay(rules, base, element, &mut problems)?;
    document.status = wanted;
    if let Some(contact) = &contact {
        document.contact_id = contact.id;
        document.contact_name.clone_from(&contact.name);
    }
    // Only approved documents can be marked as sent.
    let approved = matches!(wanted, Status::Authorised | Status::Paid);
    let sent = element.get("SentToContact").and_then(Value::as_bool).unwrap_or(document.sent_to_contact);
    document.sent_to_contact = sent && approved;
    if !wanted.is_gone() {
        check::document(books, &document, element, &mut problems)?;
    }
    if !problems.is_empty() {
        return Err(Refusal::Invalid(held.map_or(Uuid::nil(), |held| held.id), problems));
    }
    if let Some(contact) = contact {
        books.put_contact(contact);
    }
    if document.number.is_empty() && document.kind.is_sale() {
        document.number = books.next_number(document.kind);
    }
    document.settle();
    if let Some(held) = held.filter(|held| is_unseen(held, &document)) {
        document.updated = held.updated;
    }
    let id = document.id;
    books.put_document(document);
    Ok(id)
}

/// Another due date of what is partly paid is no change to `If-Modified-Since`.
fn is_unseen(held: &Document, changed: &Document) -> bool {
    let due_date_alone = Document { due_date: changed.due_date, updated: changed.updated, ..held.clone() };
    held.is_touched() && held.due_date != changed.due_date && due_date_alone == *changed
}

fn kind(family: Family, element: &Value) -> Result<Kind, Reply> {
    let sent = element.get("Type").cloned().unwrap_or_default();
    let kind = sent.as_str().and_then(Kind::parse).filter(|kind| family.holds(*kind));
    kind.ok_or_else(|| unconvertible(&sent, &format!("{}Type", family.noun()), "Type"))
}

fn wanted_status(element: &Value, present: Status) -> Result<Status, Reply> {
    let Some(name) = element.get("Status").filter(|name| !name.is_null()) else { return Ok(present) };
    name.as_str().and_then(Status::parse).ok_or_else(|| unconvertible(name, "Status", "Status"))
}

/// The document that a POST means: by id, or by number, which silently overwrites.
fn target(books: &Books, call: &Call, family: Family, element: &Value) -> Result<Option<Document>, Reply> {
    if call.method == axum::http::Method::PUT {
        return Ok(None);
    }
    if let Some(id) = guid(element, family.id_field()) {
        let held = books.document(id).filter(|document| family.holds(document.kind));
        return held.cloned().map(Some).ok_or_else(Reply::not_found);
    }
    let Some(number) = text(element, family.number_field()) else { return Ok(None) };
    let kind = kind(family, element)?;
    let held = books.numbered(kind, &number);
    // A bill's number is its supplier's, so the same number from another supplier is another bill.
    let contact = element.get("Contact").and_then(|contact| guid(contact, "ContactID"));
    Ok(held.filter(|held| kind.is_sale() || contact == Some(held.contact_id)).cloned())
}

fn find<'a>(books: &'a Books, family: Family, wanted: &str) -> Option<&'a Document> {
    if let Ok(id) = wanted.parse::<Uuid>() {
        return books.document(id).filter(|document| family.holds(document.kind));
    }
    match family {
        Family::Invoices => books.numbered(Kind::Accrec, wanted),
        Family::CreditNotes => books.numbered(Kind::AccrecCredit, wanted),
        Family::Overpayments | Family::Prepayments => None,
    }
}

/// GET of one document by id or number.
pub(super) fn read_one(books: &Books, call: &Call, family: Family, wanted: &str) -> Answer {
    let document = find(books, family, wanted).ok_or_else(Reply::not_found)?;
    let row = render::document(books, document, Detail::Full, call.query.unit_places());
    Ok(envelope(call.now, family.collection(), vec![row], None))
}

/// GET of the collection; without a page there are no lines.
pub(super) fn read(books: &Books, call: &Call, family: Family) -> Answer {
    let numbers = call.query.list(&format!("{}s", family.number_field()));
    let statuses = call.query.list("Statuses");
    let ids = call.query.ids("IDs")?;
    let contacts = call.query.ids("ContactIDs")?;
    let term = call.query.get("searchTerm").map(fold);
    let listed = |document: &&Document| {
        family.holds(document.kind)
            && term.as_ref().is_none_or(|term| mentions(document, term))
            && numbers.as_ref().is_none_or(|list| list.contains(&document.number.to_lowercase()))
            && statuses.as_ref().is_none_or(|list| list.contains(&document.status.name().to_lowercase()))
            && ids.as_ref().is_none_or(|list| list.contains(&document.id))
            && contacts.as_ref().is_none_or(|list| list.contains(&document.contact_id))
    };
    let rows: Vec<&Document> = books.documents.iter().filter(listed).collect();
    let rows = query::select(call, rows, &|document, name| field(books, document, name))?;
    let (rows, pagination) = query::paged(call, rows)?;
    let detail = if pagination.is_some() && !call.query.is("summaryOnly") { Detail::Full } else { Detail::Summary };
    let places = call.query.unit_places();
    let rows = rows.into_iter().map(|document| render::document(books, document, detail, places)).collect();
    Ok(envelope(call.now, family.collection(), rows, pagination))
}

fn mentions(document: &Document, term: &str) -> bool {
    [&document.number, &document.reference, &document.contact_name].iter().any(|text| fold(text).contains(term))
}

fn field(books: &Books, document: &Document, name: &str) -> Result<Option<Operand>, String> {
    let contact = || books.contact(document.contact_id);
    Ok(match name.to_ascii_lowercase().as_str() {
        "type" => Some(Operand::text(document.kind.name())),
        "status" => Some(Operand::text(document.status.name())),
        "invoicenumber" | "creditnotenumber" => Some(Operand::text(&document.number)),
        "invoiceid" | "creditnoteid" | "overpaymentid" | "prepaymentid" => Some(Operand::Guid(document.id)),
        "reference" => Some(Operand::text(&document.reference)),
        "currencycode" => Some(Operand::text(&document.currency)),
        "date" => Some(Operand::Date(document.date.at(0, 0, 0, 0))),
        "duedate" => document.due_date.map(|day| Operand::Date(day.at(0, 0, 0, 0))),
        "updateddateutc" => Some(Operand::Date(document.updated.to_zoned(TimeZone::UTC).datetime())),
        "total" => Some(Operand::Number(document.total)),
        "amountdue" | "remainingcredit" => Some(Operand::Number(document.amount_due())),
        "amountpaid" => Some(Operand::Number(document.amount_paid)),
        "contact.contactid" => Some(Operand::Guid(document.contact_id)),
        "contact.name" => contact().map(|contact| Operand::text(&contact.name)),
        "contact.contactnumber" => contact().and_then(|contact| contact.number.as_deref().map(Operand::text)),
        _ => return Err(format!("No property or field '{name}' exists in type")),
    })
}
