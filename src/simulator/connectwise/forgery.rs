//! Messages that the service would not send, or sends on a bad day.

use serde_json::Value;
use uuid::Uuid;

use super::events::Delivery;
use super::key::signature;
use super::state::State;

/// How to spoil a message; all but the first three are signed with the key in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// The signature header is left out.
    NoSignature,
    /// It is signed with another key.
    WrongKey,
    /// The body is changed after signing.
    AlteredBody,
    /// The same news under a new message id.
    NewMessageId,
    /// `Entity` is null though the record exists.
    NullEntity,
    /// `Entity` shows the record as it was.
    StaleEntity(String),
    /// A byte inside `Entity` is not UTF-8.
    InvalidUtf8,
    /// The optional fields are missing, as in messages of old.
    OldEnvelope,
    /// The key is to be fetched from elsewhere.
    KeyUrl(String),
}

impl State {
    /// A spoilt copy of a message.
    pub(super) fn forge(&self, delivery: &Delivery, forgery: &Forgery) -> Delivery {
        let mut forged = delivery.clone();
        let key = self.keys.signing_key.as_bytes();
        match forgery {
            Forgery::NoSignature => {
                forged.signature = None;
                return forged;
            }
            Forgery::WrongKey => {
                forged.signature = Some(signature(b"not-the-key", &forged.body));
                return forged;
            }
            Forgery::AlteredBody => {
                forged.body.push(b' ');
                return forged;
            }
            Forgery::InvalidUtf8 => spoil(&mut forged.body),
            Forgery::NewMessageId => {
                forged.message_id = Uuid::new_v4().to_string();
                set(&mut forged.body, "MessageId", Value::from(forged.message_id.as_str()));
            }
            Forgery::NullEntity => set(&mut forged.body, "Entity", Value::Null),
            Forgery::StaleEntity(entity) => set(&mut forged.body, "Entity", Value::from(entity.as_str())),
            Forgery::KeyUrl(url) => set(&mut forged.body, "Metadata", serde_json::json!({"key_url": url})),
            Forgery::OldEnvelope => edit(&mut forged.body, |fields| {
                for name in ["MessageId", "ProductInstanceId", "PartnerId", "CallbackObjectRecId"] {
                    fields.remove(name);
                }
            }),
        }
        forged.signature = Some(signature(key, &forged.body));
        forged
    }
}

fn edit(body: &mut Vec<u8>, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    if let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) {
        change(&mut fields);
        *body = Value::Object(fields).to_string().into_bytes();
    }
}

fn set(body: &mut Vec<u8>, name: &str, value: Value) {
    edit(body, |fields| drop(fields.insert(name.to_owned(), value)));
}

/// Puts a byte that is not UTF-8 into the first name inside of the entity.
fn spoil(body: &mut Vec<u8>) {
    let mark = br#"\"name\":\""#;
    if let Some(position) = body.windows(mark.len()).position(|window| window == mark) {
        body.insert(position + mark.len(), 0xFF);
    }
}
