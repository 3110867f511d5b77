//! One message, ready for every sort of channel.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::alert::{Alert, Message};
use crate::domain::text::hex;

/// What is sent; each channel takes the form that it shows.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Names the message: the same as long as it was not received.
    pub(super) id: String,
    /// One line.
    pub(super) subject: String,
    /// For people, some lines.
    pub(super) text: String,
    /// For programs.
    pub(super) body: Value,
}

impl Letter {
    /// The message number `number` of a channel.
    pub(super) fn new(channel: &str, number: u64, message: &Message) -> Self {
        let view = |alert: &Alert| {
            json!({ "kind": alert.key.kind, "subject": alert.key.subject, "sentence": alert.sentence,
                "since": alert.since })
        };
        let all = |alerts: &[Alert]| alerts.iter().map(view).collect::<Vec<_>>();
        let over = message.over.iter();
        let over = over.map(|(key, since)| json!({ "kind": key.kind, "subject": key.subject, "since": since }));
        let data = json!({ "new": all(&message.news), "over": over.collect::<Vec<_>>(), "still": all(&message.still),
            "details": message.details });
        let body = json!({ "type": "readypost.alerts", "timestamp": message.changed(), "data": data });
        Self {
            id: id(&[channel, &number.to_string(), &body.to_string()]),
            subject: message.subject(),
            text: message.text(),
            body,
        }
    }

    /// A test of a channel.
    pub(super) fn test(channel: &str, now: Timestamp) -> Self {
        let text = format!("This is a test of the channel {channel}. It works, and nothing has to be done.");
        let body = json!({ "type": "readypost.test", "timestamp": now, "data": { "channel": channel, "text": text } });
        let id = id(&[channel, "test", &body.to_string()]);
        Self { id, subject: "readypost: a test of alerts".to_owned(), text, body }
    }
}

fn id(parts: &[&str]) -> String {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part).chain_update([0]));
    format!("msg_{}", hex(&digest.finalize()).chars().take(32).collect::<String>())
}
