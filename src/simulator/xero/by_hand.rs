//! What a person enters in Xero by hand, with the checks that the screens share with the API.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use serde_json::Value;
use uuid::Uuid;

use super::documents::{self, Family};
use super::operator::Xero;
use super::query::Query;
use super::wire::{Call, Reply};

impl Xero {
    /// Enters an invoice, bill or credit note, given in Xero's field names; its `Type` says which.
    ///
    /// # Errors
    /// What Xero has against it.
    pub fn enter(&self, document: &Value) -> Result<Uuid, String> {
        let is_credit = document.get("Type").and_then(Value::as_str).is_some_and(|name| name.ends_with("CREDIT"));
        let family = if is_credit { Family::CreditNotes } else { Family::Invoices };
        let call = Call {
            method: Method::PUT,
            path: String::new(),
            uri: String::new(),
            // The screens keep prices to 4 places.
            query: Query::parse("unitdp=4"),
            headers: HeaderMap::new(),
            body: Bytes::from(document.to_string()),
            now: self.settings().clock.now(),
        };
        let created = self
            .books(|books| documents::write(books, &call, family).map(|_| books.documents.last().map(|held| held.id)));
        match created {
            Ok(id) => Ok(id.unwrap_or_default()),
            Err(refused) => Err(refusal(&refused)),
        }
    }
}

/// The messages of an answer that refuses.
fn refusal(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let errors = body.pointer("/Elements/0/ValidationErrors").and_then(Value::as_array);
    let texts: Vec<&str> =
        errors.into_iter().flatten().filter_map(|error| error.get("Message").and_then(Value::as_str)).collect();
    if texts.is_empty() { reply.body.clone() } else { texts.join("; ") }
}
