//! Idempotency keys: the first answer under a key is given again, whatever it was, to the same request.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};

use super::wire::{Call, Reply, bad_request};

/// Longest key.
const KEY_MAX: usize = 128;

#[derive(Debug)]
struct First {
    method: Method,
    uri: String,
    body: Bytes,
    at: Timestamp,
    reply: Reply,
}

/// The first answers, by key.
#[derive(Debug)]
pub(super) struct Replays {
    life: SignedDuration,
    first: HashMap<String, First>,
}

impl Replays {
    pub(super) fn new(life: SignedDuration) -> Self {
        Self { life, first: HashMap::new() }
    }

    /// The answer to a repeated or misused key; none if the call is to be carried out.
    pub(super) fn answer(&self, call: &Call) -> Option<Reply> {
        let key = key(call)?;
        let length = key.chars().count();
        if length > KEY_MAX {
            return Some(refusal(&format!(
                "Idempotency Key: {key} has a length of {length}. The maximum length is {KEY_MAX}."
            )));
        }
        // Counted from the first call: a repeat does not prolong it.
        let first = self.first.get(key).filter(|first| call.now.duration_since(first.at) < self.life)?;
        let same = first.method == call.method && first.uri == call.uri && first.body == call.body;
        if same {
            return Some(first.reply.clone());
        }
        Some(refusal(&format!("Idempotency Key: {key} is used with a different request.")))
    }

    /// Keeps the first answer under the call's key.
    pub(super) fn keep(&mut self, call: &Call, reply: &Reply) {
        let Some(key) = key(call) else { return };
        let first = First {
            method: call.method.clone(),
            uri: call.uri.clone(),
            body: call.body.clone(),
            at: call.now,
            reply: reply.clone(),
        };
        self.first.insert(key.to_owned(), first);
    }
}

/// Keys count on writes only.
fn key(call: &Call) -> Option<&str> {
    call.header("idempotency-key").filter(|key| call.is_write() && !key.is_empty())
}

fn refusal(message: &str) -> Reply {
    bad_request(10, "ValidationException", message)
}
