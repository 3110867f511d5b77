//! Callbacks to be sent: which registrations a change concerns, and the signed message for each.

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::key::signature;
use super::reply::pruned;
use super::state::{Actor, State};

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Added,
    Updated,
    Deleted,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// One message of one registration, ready to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The registration it belongs to.
    pub callback_id: i64,
    /// Where to, with the record id and the action appended.
    pub url: String,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// Value of `x-content-signature`; none = the header is left out.
    pub signature: Option<String>,
    /// `MessageId` of the body.
    pub message_id: String,
}

/// The body, whose fields keep this order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    message_id: &'a str,
    from_url: &'a str,
    company_id: &'a str,
    member_id: String,
    action: &'static str,
    r#type: &'static str,
    #[serde(rename = "ID")]
    id: i64,
    product_instance_id: Option<&'a str>,
    partner_id: Option<&'a str>,
    entity: Option<String>,
    metadata: Metadata,
    callback_object_rec_id: i64,
}

#[derive(Debug, Serialize)]
struct Metadata {
    key_url: String,
}

impl State {
    /// Queues a message for every registration that a change of an invoice concerns.
    pub(super) fn notify(&mut self, invoice: i64, action: Action, actor: Actor) {
        let Some(record) = self.invoices.get(&invoice) else { return };
        let concerned = self.callbacks.values().filter(|callback| {
            let object = match callback.level.to_ascii_lowercase().as_str() {
                "owner" => Some(callback.object_id),
                "status" => Some(record.status),
                "company" => Some(record.new.company),
                "invoice" => Some(record.id),
                _ => None,
            };
            let muted = callback.inactive || (callback.self_suppressed && actor == Actor::Api);
            callback.kind.eq_ignore_ascii_case("invoice") && object == Some(callback.object_id) && !muted
        });
        let messages: Vec<_> = concerned
            .map(|callback| self.message(callback.id, &callback.url, (invoice, action, self.member(actor))))
            .collect();
        self.queue.extend(messages);
    }

    fn message(&self, callback_id: i64, url: &str, (id, action, member_id): (i64, Action, String)) -> Delivery {
        let message_id = Uuid::new_v4().to_string();
        let envelope = Envelope {
            message_id: &message_id,
            from_url: self.site.trim_start_matches("http://"),
            company_id: &self.settings.company,
            member_id,
            action: action.word(),
            r#type: "invoice",
            id,
            product_instance_id: None,
            partner_id: None,
            entity: if action == Action::Deleted { None } else { self.entity(id) },
            metadata: Metadata { key_url: self.key_url() },
            callback_object_rec_id: callback_id,
        };
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let signature = Some(signature(self.keys.signing_key.as_bytes(), &body));
        let url = format!("{url}{id}&action={}", action.word());
        Delivery { callback_id, url, body, signature, message_id }
    }

    /// The summary of an invoice as JSON text, with the hrefs that nobody should follow.
    fn entity(&self, id: i64) -> Option<String> {
        let row = self.invoice_row(self.invoices.get(&id)?);
        let field = |name: &str| row.get(name).cloned();
        let href = format!("{}/{}/apis/3.0/finance/invoices/{id}", self.site, self.codebase);
        let summary = json!({
            "id": id, "invoiceNumber": field("invoiceNumber"), "type": field("type"), "status": field("status"),
            "company": field("company"), "date": field("date"), "total": field("total"),
            "_info": {"lastUpdated": row.pointer("/_info/lastUpdated"), "updatedBy": row.pointer("/_info/updatedBy"),
                "invoice_href": href},
        });
        Some(pruned(summary).to_string())
    }
}
