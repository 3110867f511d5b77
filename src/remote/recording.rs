//! Keeps what a step says to both systems and hears from them, for the history.
//!
//! Everything goes through [`super::send`], so nothing is sent past it. Of headers only those are kept that say which
//! request it was; credentials travel in others.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Request;
use reqwest::header::HeaderMap;

use super::{Answer, RemoteError};
use crate::clock::Clock;
use crate::domain::exchange::{Body, Exchange, Recorder};

/// Headers that are kept, of either direction.
const HEADERS: [&str; 5] =
    ["idempotency-key", "xero-tenant-id", "if-modified-since", "x-cw-request-id", "xero-correlation-id"];

tokio::task_local! {
    static RECORDING: (Recorder, Arc<dyn Clock>);
}

/// Runs a step; what its task sends meanwhile is kept by the recorder.
pub async fn recorded<T>(recorder: Recorder, clock: Arc<dyn Clock>, step: impl Future<Output = T>) -> T {
    RECORDING.scope((recorder, clock), step).await
}

/// The same work for another task: what it sends there is kept by the recorder of this one.
pub(super) fn carried<Work: Future>(work: Work) -> impl Future<Output = Work::Output> {
    let here = RECORDING.try_with(Clone::clone).ok();
    async move {
        match here {
            Some((recorder, clock)) => recorded(recorder, clock, work).await,
            None => work.await,
        }
    }
}

/// A request that is about to be sent in a step that is recorded.
pub(super) struct Begun {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// None once it is kept.
    exchange: Option<Exchange>,
    /// Whether all of its bodies is secret.
    secret: bool,
}

/// Takes down a request; none outside of steps.
pub(super) fn begin(system: &'static str, request: &Request, secret: bool) -> Option<Begun> {
    let (recorder, clock) = RECORDING.try_with(Clone::clone).ok()?;
    let (url, body) = (request.url(), request.body().and_then(reqwest::Body::as_bytes));
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let exchange = Exchange {
        at: clock.now(),
        answered: None,
        system: system.to_owned(),
        method: request.method().to_string(),
        address: format!("{host}{port}{}{query}", url.path()),
        headers: kept(request.headers()),
        request: if secret { Some(Body::secret()) } else { body.and_then(|body| Body::new(body, recorder.room())) },
        status: None,
        response: None,
        failure: None,
    };
    Some(Begun { recorder, clock, exchange: Some(exchange), secret })
}

impl Begun {
    /// Takes down what came of it.
    pub(super) fn end(mut self, outcome: &Result<Answer, RemoteError>) {
        let Some(mut exchange) = self.exchange.take() else { return };
        let asked = exchange.request.as_ref().map_or(0, |body| body.text.len());
        match outcome {
            Ok(answer) => {
                exchange.answered = Some(self.clock.now());
                exchange.status = Some(answer.status.as_u16());
                exchange.headers.extend(kept(&answer.headers));
                let room = self.recorder.room().saturating_sub(asked);
                exchange.response = if self.secret { Some(Body::secret()) } else { Body::new(&answer.body, room) };
            }
            Err(error) => exchange.failure = Some(error.to_string()),
        }
        self.recorder.add(exchange);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.failure = Some("the step was ended before there was an answer".to_owned());
            self.recorder.add(exchange);
        }
    }
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let named = HEADERS.into_iter().filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?)));
    named.map(|(name, value)| (name.to_owned(), crate::domain::text::shorten(value, 200))).collect()
}
