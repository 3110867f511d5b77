//! Xero's webhooks, read after their signature was verified.
//!
//! Source: Xero developer documentation, "Webhooks"; `xero-webhooks.yaml` of Xero's `OpenAPI`. A message names what
//! changed and never how: every event is a hint, and what it names is read afresh. `resourceUrl` is not followed.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::payments::Family;
use super::signature::Verified;
use super::text::{printable, shorten};

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// What changed.
    pub events: Vec<WebhookEvent>,
    /// Events that could not be read.
    pub unreadable: usize,
}

/// One change in one organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The organisation.
    pub tenant: Uuid,
    /// Xero's id of what changed.
    pub id: Uuid,
    /// What sort of thing it is, in Xero's words, such as `INVOICE`.
    pub category: String,
    /// `CREATE` or `UPDATE`, in Xero's words.
    pub action: String,
    /// When, as Xero wrote it.
    pub at: String,
}

/// What may have been paid, or have paid something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// An invoice.
    Invoice,
    /// What gives credit.
    Credit(Family),
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    events: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    resource_id: Uuid,
    tenant_id: Uuid,
    event_category: String,
    #[serde(default)]
    event_type: String,
    #[serde(default)]
    event_date_utc: String,
}

impl Webhook {
    /// Reads a body; an event that cannot be read is counted and does not hide the others.
    ///
    /// # Errors
    /// When the body is no JSON object.
    pub fn parse(body: &Verified<'_>) -> Result<Self, String> {
        let body: Body =
            serde_json::from_slice(body.bytes()).map_err(|error| printable(&shorten(&error.to_string(), 200)))?;
        let mut webhook = Self::default();
        for row in body.events.unwrap_or_default() {
            match Row::deserialize(row) {
                Ok(row) => webhook.events.push(WebhookEvent {
                    tenant: row.tenant_id,
                    id: row.resource_id,
                    category: shorten(&row.event_category, 40),
                    action: shorten(&row.event_type, 40),
                    at: shorten(&row.event_date_utc, 40),
                }),
                Err(_) => webhook.unreadable = webhook.unreadable.saturating_add(1),
            }
        }
        Ok(webhook)
    }
}

impl WebhookEvent {
    /// What payments it may be about, if any.
    ///
    /// Nothing is paid on an invoice that was just created: that becomes a change of its own. Passing over the creation
    /// spares a call to Xero for each invoice that readypost itself makes.
    #[must_use]
    pub fn concern(&self) -> Option<Concern> {
        match self.category.to_ascii_uppercase().as_str() {
            "INVOICE" if self.action.eq_ignore_ascii_case("CREATE") => None,
            "INVOICE" => Some(Concern::Invoice),
            "CREDITNOTE" => Some(Concern::Credit(Family::CreditNotes)),
            "OVERPAYMENT" => Some(Concern::Credit(Family::Overpayments)),
            "PREPAYMENT" => Some(Concern::Credit(Family::Prepayments)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signature::{Signature, WebhookKey, sign_webhook, verify_webhook};

    fn read(body: &str) -> Result<Webhook, String> {
        let key = WebhookKey::new("key");
        let signature = Signature::parse(Some(sign_webhook("key", body.as_bytes()).as_bytes())).unwrap();
        Webhook::parse(&verify_webhook(body.as_bytes(), &signature, &key).unwrap())
    }

    #[test]
    fn an_odd_event_hides_no_other() {
        let id = Uuid::from_u128(7);
        let good =
            format!(r#"{{"resourceId":"{id}","tenantId":"{id}","eventCategory":"INVOICE","eventType":"UPDATE"}}"#);
        let webhook = read(&format!(r#"{{"events":[{good},{{"resourceId":1}},null],"entropy":"x"}}"#)).unwrap();
        assert_eq!((webhook.events.len(), webhook.unreadable), (1, 2));
        assert_eq!(webhook.events[0].concern(), Some(Concern::Invoice));
        for empty in [r#"{"events":[]}"#, r#"{"events":null}"#, "{}"] {
            assert_eq!(read(empty).unwrap(), Webhook::default(), "{empty}");
        }
        assert!(read("7").is_err() && read("").is_err());
    }

    #[test]
    fn only_what_can_be_paid_or_pay_concerns_payments() {
        let concern = |category: &str, action: &str| {
            let (category, action) = (category.to_owned(), action.to_owned());
            WebhookEvent { tenant: Uuid::nil(), id: Uuid::nil(), category, action, at: String::new() }.concern()
        };
        assert_eq!(concern("INVOICE", "CREATE"), None);
        assert_eq!(concern("CREDITNOTE", "CREATE"), Some(Concern::Credit(Family::CreditNotes)));
        assert_eq!(concern("OVERPAYMENT", "UPDATE"), Some(Concern::Credit(Family::Overpayments)));
        assert_eq!(concern("prepayment", "UPDATE"), Some(Concern::Credit(Family::Prepayments)));
        assert_eq!((concern("CONTACT", "UPDATE"), concern("", "")), (None, None));
    }
}
