//! History notes on documents and contacts.

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use uuid::Uuid;

use super::check;
use super::state::{Books, Note};
use super::wire::{Answer, Call, Reply, elements, envelope, instant, messages, text, validation_exception};

/// Longest note.
const DETAILS_MAX: usize = 2500;

/// GET of the notes of one record.
pub(super) fn read(books: &Books, call: &Call, subject: &str) -> Answer {
    let subject: Uuid = subject.parse().map_err(|_| Reply::not_found())?;
    let rows = books.notes.iter().filter(|note| note.subject == subject).map(|note| {
        let mut row = render(note);
        if let Some(fields) = row.as_object_mut() {
            fields.insert("Changes".to_owned(), json!("Note"));
            fields.insert("User".to_owned(), json!("System Generated"));
        }
        row
    });
    Ok(envelope(call.now, "HistoryRecords", rows.collect(), None))
}

/// PUT of notes on one record.
pub(super) fn write(books: &mut Books, call: &Call, subject: &str) -> Answer {
    let subject: Uuid = subject.parse().map_err(|_| Reply::not_found())?;
    let is_known = books.document(subject).is_some()
        || books.contact(subject).is_some()
        || books.payments.iter().any(|payment| payment.id == subject)
        || books.journals.iter().any(|journal| journal.id == subject);
    if !is_known {
        let problem = "The document with the supplied id was not found for this endpoint.".to_owned();
        return Err(validation_exception(&[json!({"ValidationErrors": messages(&[problem])})]));
    }
    let mut notes = Vec::new();
    for element in elements(call, "HistoryRecords", "HistoryRecord")? {
        let details = text(&element, "Details").unwrap_or_default();
        let mut problems = Vec::new();
        check::length("Details", &details, DETAILS_MAX, &mut problems);
        if details.is_empty() {
            problems.push("Details must be specified".to_owned());
        }
        if !problems.is_empty() {
            return Err(validation_exception(&[json!({"Details": details, "ValidationErrors": messages(&problems)})]));
        }
        notes.push(Note { subject, at: call.now, details });
    }
    let rows = notes.iter().map(render).collect();
    books.notes.extend(notes);
    Ok(envelope(call.now, "HistoryRecords", rows, None))
}

fn render(note: &Note) -> Value {
    let shown = note.at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    json!({"DateUTCString": shown, "DateUTC": instant(note.at), "Details": note.details, "ValidationErrors": []})
}
