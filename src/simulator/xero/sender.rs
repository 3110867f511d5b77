//! Sending webhooks as Xero does: five seconds, no body, no cookies, and retries for a day.
//!
//! Time passes by the clock of the settings only: what is to be retried waits until it is due and
//! somebody calls [`Xero::deliver_webhooks`] again.

use super::operator::Xero;
use super::webhooks::{Subscription, Webhook};

/// How a receiver answered one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reception {
    /// Status of the answer; none = there was no answer in time.
    pub status: Option<u16>,
    /// Anything that Xero takes exception to whatever the status is: a body or a cookie.
    pub objection: Option<&'static str>,
}

impl Reception {
    /// Whether the message counts as delivered.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.objection.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether a message with a bad signature was turned away as it has to be.
    fn is_refusal(&self) -> bool {
        self.objection.is_none() && self.status == Some(401)
    }
}

/// The trial of a receiver.
#[derive(Clone, Debug)]
pub struct Intent {
    /// All were answered rightly; from now on messages are sent.
    pub is_passed: bool,
    /// Whether each message had a good signature, and how it was answered, in order.
    pub receptions: Vec<(bool, Reception)>,
}

impl Xero {
    /// Subscribes the app to the changes of documents; nothing is sent before the intent to receive is shown.
    pub fn subscribe(&self, url: &str, key: &str) {
        self.state().webhooks.subscribe(url, key);
    }

    /// The state of the subscription, if there is one.
    #[must_use]
    pub fn subscription(&self) -> Option<Subscription> {
        self.state().webhooks.state()
    }

    /// Puts the receiver on trial with good and bad signatures; passing it enables the subscription (again).
    pub async fn intend_to_receive(&self) -> Intent {
        let trial = self.state().webhooks.trial();
        let mut receptions = Vec::new();
        for (is_good, webhook) in trial {
            receptions.push((is_good, self.send_webhook(&webhook).await));
        }
        let is_right = |(is_good, reception): &(bool, Reception)| {
            if *is_good { reception.is_accepted() } else { reception.is_refusal() }
        };
        let is_passed = !receptions.is_empty() && receptions.iter().all(is_right);
        let state = if is_passed { Subscription::Sending } else { Subscription::IntentRequired };
        self.state().webhooks.set_state(state);
        Intent { is_passed, receptions }
    }

    /// Takes the messages that wait, for a test to send, to alter or to drop; there is no retry of them.
    #[must_use]
    pub fn take_webhooks(&self) -> Vec<Webhook> {
        let now = self.settings().clock.now();
        self.state().webhooks.take(self.settings(), now)
    }

    /// Sends a message once.
    pub async fn send_webhook(&self, webhook: &Webhook) -> Reception {
        let mut request = self
            .http
            .post(&webhook.url)
            .timeout(self.settings().webhook_timeout)
            .header("content-type", "application/json; charset=utf-8")
            .body(webhook.body.clone());
        if let Some(signature) = &webhook.signature {
            request = request.header("x-xero-signature", signature);
        }
        let Ok(response) = request.send().await else { return Reception { status: None, objection: None } };
        let status = Some(response.status().as_u16());
        let has_cookie = response.headers().contains_key("set-cookie");
        // The time is up also when the body does not end.
        let Ok(body) = response.bytes().await else { return Reception { status: None, objection: None } };
        let objection = match (body.is_empty(), has_cookie) {
            (false, _) => Some("the answer has a body"),
            (true, true) => Some("the answer has a cookie"),
            (true, false) => None,
        };
        Reception { status, objection }
    }

    /// Sends every message that is due, as often as the settings say, and keeps what was not taken for later.
    pub async fn deliver_webhooks(&self) -> Vec<Reception> {
        let now = self.settings().clock.now();
        let due = self.state().webhooks.due(self.settings(), now);
        let mut receptions = Vec::new();
        for (number, webhook) in due {
            let mut is_accepted = false;
            for _ in 0..self.settings().webhook_copies.max(1) {
                let reception = self.send_webhook(&webhook).await;
                is_accepted |= reception.is_accepted();
                receptions.push(reception);
            }
            self.state().webhooks.sent(number, is_accepted, now);
        }
        receptions
    }
}
