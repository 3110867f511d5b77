//! Webhooks to be sent: what changed, packed into messages, and the state of the subscription.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::Sha256;
use uuid::Uuid;

use super::family::Family;
use super::operator::Settings;

/// How long Xero keeps what it could not deliver.
const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);
/// After this long without an acceptable answer to one message the subscription is disabled.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// Waits before the first retries in seconds; from then on it is the last of them.
const RETRIES_S: [i64; 4] = [10, 60, 300, 900];

/// A change of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) family: Family,
    pub(super) id: Uuid,
    pub(super) is_new: bool,
    pub(super) at: Timestamp,
}

/// Whether Xero sends, and if not, what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// The receiver is yet to show that it tells good signatures from bad ones.
    IntentRequired,
    /// Messages are sent.
    Sending,
    /// A message found no acceptable answer for a day.
    Disabled,
}

/// One message as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// Value of `x-xero-signature`; none = the header is left out.
    pub signature: Option<String>,
}

/// The signature of a message: its HMAC-SHA256 under the webhook key, in base64.
#[must_use]
pub fn signature(key: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The body, whose fields keep this order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    /// None is `null`, as which an empty list has been seen.
    events: Option<Vec<Row>>,
    first_event_sequence: u64,
    last_event_sequence: u64,
    entropy: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    resource_url: String,
    resource_id: Uuid,
    event_date_utc: String,
    event_type: &'static str,
    event_category: &'static str,
    tenant_id: Uuid,
    tenant_type: &'static str,
}

/// A message that waits to be sent.
#[derive(Debug)]
struct Waiting {
    number: u64,
    body: Vec<u8>,
    packed: Timestamp,
    due: Timestamp,
    failures: usize,
    first_failure: Option<Timestamp>,
}

#[derive(Debug)]
struct Target {
    url: String,
    key: String,
    state: Subscription,
}

/// The subscription of the app, if there is one, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    target: Option<Target>,
    events: Vec<Event>,
    waiting: Vec<Waiting>,
    sequence: u64,
    numbers_given: u64,
}

impl Webhooks {
    /// Points the subscription elsewhere; what waits is kept.
    pub(super) fn subscribe(&mut self, url: &str, key: &str) {
        let (url, key) = (url.to_owned(), key.to_owned());
        self.target = Some(Target { url, key, state: Subscription::IntentRequired });
    }

    pub(super) fn state(&self) -> Option<Subscription> {
        self.target.as_ref().map(|target| target.state)
    }

    pub(super) fn set_state(&mut self, state: Subscription) {
        if let Some(target) = &mut self.target {
            target.state = state;
        }
    }

    /// Notes changes; without a subscription they are forgotten.
    pub(super) fn note(&mut self, events: Vec<Event>) {
        if self.target.is_some() {
            self.events.extend(events);
        }
    }

    /// Packs what changed into messages.
    fn pack(&mut self, settings: &Settings, now: Timestamp) {
        let events = std::mem::take(&mut self.events);
        for part in events.chunks(settings.webhook_events_max.max(1)) {
            let first = self.sequence.saturating_add(1);
            self.sequence = self.sequence.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            let rows = part.iter().map(|event| row(settings, event)).collect();
            let body = body(Some(rows), (first, self.sequence));
            self.numbers_given = self.numbers_given.saturating_add(1);
            let waiting =
                Waiting { number: self.numbers_given, body, packed: now, due: now, failures: 0, first_failure: None };
            self.waiting.push(waiting);
        }
        self.waiting.retain(|waiting| now.duration_since(waiting.packed) < KEPT);
    }

    /// Takes everything that waits, due or not, without sending it.
    pub(super) fn take(&mut self, settings: &Settings, now: Timestamp) -> Vec<Webhook> {
        self.pack(settings, now);
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter_map(|waiting| self.signed(waiting.body)).collect()
    }

    /// What is to be sent now, by number; nothing unless the receiver has shown its intent.
    pub(super) fn due(&mut self, settings: &Settings, now: Timestamp) -> Vec<(u64, Webhook)> {
        self.pack(settings, now);
        if self.state() != Some(Subscription::Sending) {
            return Vec::new();
        }
        let due = self.waiting.iter().filter(|waiting| waiting.due <= now);
        due.filter_map(|waiting| Some((waiting.number, self.signed(waiting.body.clone())?))).collect()
    }

    fn signed(&self, body: Vec<u8>) -> Option<Webhook> {
        let target = self.target.as_ref()?;
        let signature = Some(signature(&target.key, &body));
        Some(Webhook { url: target.url.clone(), body, signature })
    }

    /// Notes how sending went: what was taken is gone, the rest is tried again until patience ends.
    pub(super) fn sent(&mut self, number: u64, is_accepted: bool, now: Timestamp) {
        if is_accepted {
            self.waiting.retain(|waiting| waiting.number != number);
            return;
        }
        let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.number == number) else { return };
        let began = *waiting.first_failure.get_or_insert(now);
        let wait = RETRIES_S.get(waiting.failures).or(RETRIES_S.last()).copied().unwrap_or_default();
        waiting.failures = waiting.failures.saturating_add(1);
        waiting.due = now.saturating_add(SignedDuration::from_secs(wait)).unwrap_or(Timestamp::MAX);
        if now.duration_since(began) >= PATIENCE {
            self.set_state(Subscription::Disabled);
        }
    }

    /// The trial of a receiver: empty messages with and without a good signature.
    pub(super) fn trial(&self) -> Vec<(bool, Webhook)> {
        let good = [Some(Vec::new()), None].map(|events| body(events, (0, 0)));
        let bad = [Some(Vec::new()), None].map(|events| body(events, (0, 0)));
        let mut trial: Vec<(bool, Webhook)> =
            good.into_iter().filter_map(|body| Some((true, self.signed(body)?))).collect();
        for (body, key) in bad.into_iter().zip(["", "another key"]) {
            let forged = signature(key, &body);
            // A bad one comes first, so that taking the first message is not enough.
            trial.extend(self.signed(body).map(|good| (false, Webhook { signature: Some(forged), ..good })));
        }
        trial.rotate_right(1);
        // A signature belongs to one body, so that of another message is as bad.
        let borrowed = trial.iter().find(|(is_good, _)| *is_good).and_then(|(_, good)| good.signature.clone());
        let other = self.signed(body(Some(Vec::new()), (0, 0)));
        trial.extend(other.map(|other| (false, Webhook { signature: borrowed, ..other })));
        trial
    }
}

fn body(events: Option<Vec<Row>>, (first_event_sequence, last_event_sequence): (u64, u64)) -> Vec<u8> {
    let entropy = Uuid::new_v4().simple().to_string().to_uppercase().chars().take(20).collect();
    serde_json::to_vec(&Envelope { events, first_event_sequence, last_event_sequence, entropy }).unwrap_or_default()
}

fn row(settings: &Settings, event: &Event) -> Row {
    let category = match event.family {
        Family::Invoices => "INVOICE",
        Family::CreditNotes => "CREDITNOTE",
        Family::Overpayments => "OVERPAYMENT",
        Family::Prepayments => "PREPAYMENT",
    };
    Row {
        // Never this simulator's own address: nobody should follow what an outsider may have written.
        resource_url: format!("https://api.xero.com/api.xro/2.0/{}/{}", event.family.collection(), event.id),
        resource_id: event.id,
        event_date_utc: event.at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
        event_type: if event.is_new { "CREATE" } else { "UPDATE" },
        event_category: category,
        tenant_id: settings.tenant_id,
        tenant_type: "ORGANISATION",
    }
}
