//! Callbacks to be sent: which registrations a change concerns, and the signed message for each.

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::key::signature;
use super::reply::{merged, pruned};
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

/// The record that a message is about.
#[derive(Debug)]
pub(super) struct Subject {
    /// Type of the callbacks that it concerns.
    pub(super) kind: &'static str,
    pub(super) id: i64,
    /// What it belongs to at each level but that of the owner, who has everything.
    pub(super) levels: Vec<(&'static str, i64)>,
    /// The summary of the record.
    pub(super) entity: Value,
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
        let levels = vec![("status", record.status), ("company", record.new.company), ("invoice", record.id)];
        let row = self.invoice_row(record);
        let href = ("invoice_href", format!("finance/invoices/{invoice}"));
        let fields = ["invoiceNumber", "type", "status", "company", "date", "total"];
        let entity = self.summary(&row, &fields, href);
        self.announce(&Subject { kind: "invoice", id: invoice, levels, entity }, action, actor);
    }

    /// Queues a message for every registration that a change of a record concerns.
    pub(super) fn announce(&mut self, subject: &Subject, action: Action, actor: Actor) {
        let concerned = self.callbacks.values().filter(|callback| {
            let level = callback.level.to_ascii_lowercase();
            let is_in = || subject.levels.iter().any(|(name, id)| *name == level && *id == callback.object_id);
            let muted = callback.inactive || (callback.self_suppressed && actor == Actor::Api);
            callback.kind.eq_ignore_ascii_case(subject.kind) && (level == "owner" || is_in()) && !muted
        });
        let messages: Vec<_> = concerned
            .map(|callback| self.message((callback.id, &callback.url), subject, (action, self.member(actor))))
            .collect();
        self.queue.extend(messages);
    }

    fn message(
        &self,
        (callback_id, url): (i64, &str),
        subject: &Subject,
        (action, member_id): (Action, String),
    ) -> Delivery {
        let message_id = Uuid::new_v4().to_string();
        let envelope = Envelope {
            message_id: &message_id,
            from_url: self.site.trim_start_matches("http://"),
            company_id: &self.settings.company,
            member_id,
            action: action.word(),
            r#type: subject.kind,
            id: subject.id,
            product_instance_id: None,
            partner_id: None,
            entity: (action != Action::Deleted).then(|| subject.entity.to_string()),
            metadata: Metadata { key_url: self.key_url() },
            callback_object_rec_id: callback_id,
        };
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let signature = Some(signature(self.keys.signing_key.as_bytes(), &body));
        let url = format!("{url}{}&action={}", subject.id, action.word());
        Delivery { callback_id, url, body, signature, message_id }
    }

    /// The summary of a record, with the href that nobody should follow.
    pub(super) fn summary(&self, row: &Value, fields: &[&str], (name, path): (&str, String)) -> Value {
        let chosen = ["id"].iter().chain(fields).map(|field| ((*field).to_owned(), row.get(field).cloned()));
        let summary: Map<String, Value> = chosen.map(|(field, value)| (field, value.unwrap_or_default())).collect();
        let href = format!("{}/{}/apis/3.0/{path}", self.site, self.codebase);
        let info = json!({"_info": {"lastUpdated": row.pointer("/_info/lastUpdated"),
            "updatedBy": row.pointer("/_info/updatedBy"), name: href}});
        pruned(merged(Value::Object(summary), info))
    }
}
