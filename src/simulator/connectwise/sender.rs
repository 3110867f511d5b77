//! Sending callbacks as the service does: a short time-out, few retries, and an end to its patience.

use super::events::Delivery;
use super::tenant::ConnectWise;

/// How sending a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Status of the last answer; none = there was no answer in time.
    pub status: Option<u16>,
    /// How often it was sent.
    pub attempts: u32,
}

impl Outcome {
    /// Whether the receiver took the message.
    #[must_use]
    pub fn is_delivered(self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Only these answers are worth a retry; 5xx and time-outs are lost at once.
    fn is_retried(self) -> bool {
        matches!(self.status, Some(404 | 409 | 419 | 429))
    }
}

const TIMEOUT_UNITS: u32 = 5;
/// Waits before the second and the third attempt.
const RETRY_UNITS: [u32; 2] = [2, 4];

impl ConnectWise {
    /// Sends a message once.
    pub async fn send(&self, delivery: &Delivery) -> Outcome {
        let mut request = self
            .http
            .post(&delivery.url)
            .timeout(self.retry_unit * TIMEOUT_UNITS)
            .header("content-type", "application/json; charset=utf-8")
            .body(delivery.body.clone());
        if let Some(signature) = &delivery.signature {
            request = request.header("x-content-signature", signature);
        }
        let status = request.send().await.ok().map(|response| response.status().as_u16());
        Outcome { status, attempts: 1 }
    }

    /// Sends a message by the rules of the service, which disables a callback that keeps failing.
    pub async fn deliver(&self, delivery: &Delivery) -> Outcome {
        let mut outcome = self.send(delivery).await;
        for units in RETRY_UNITS {
            if !outcome.is_retried() {
                break;
            }
            tokio::time::sleep(self.retry_unit * units).await;
            let status = self.send(delivery).await.status;
            outcome = Outcome { status, attempts: outcome.attempts + 1 };
        }
        if !outcome.is_delivered() {
            self.state().count_failure(delivery.callback_id);
        }
        outcome
    }

    /// Delivers all that is queued, in order.
    pub async fn deliver_all(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for delivery in self.take_callbacks() {
            outcomes.push(self.deliver(&delivery).await);
        }
        outcomes
    }
}
