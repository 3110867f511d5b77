//! What the clients of both systems share: one way to send, one error, one way to wait and try again.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};

use crate::domain::text::{printable, shorten};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// An answer, read completely.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Retry-After` in seconds, if it is a plain number.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs)
    }

    /// The body as text, for error messages: short, and on one line.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> = text.split_whitespace().collect();
        printable(&shorten(&words.join(" "), 300))
    }
}

/// Why a remote system did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// There is no answer: the request may or may not have been handled.
    #[error("{system} did not answer: {cause}")]
    Transport {
        /// Who.
        system: &'static str,
        /// What happened.
        cause: String,
    },
    /// It is busy or down for a while.
    #[error("{system} asks to wait: {cause}")]
    Throttled {
        /// Who.
        system: &'static str,
        /// What it said.
        cause: String,
        /// How long, if it said so.
        wait: Option<Duration>,
    },
    /// It does not accept our credentials or rights.
    #[error("{system} does not accept the credentials: {cause}")]
    Unauthorized {
        /// Who.
        system: &'static str,
        /// What it said.
        cause: String,
    },
    /// It failed: the request may or may not have been handled.
    #[error("{system} failed: {cause}")]
    Failed {
        /// Who.
        system: &'static str,
        /// What it said.
        cause: String,
    },
    /// It refuses this request, and would again.
    #[error("{system} refused: {cause}")]
    Refused {
        /// Who.
        system: &'static str,
        /// What it said.
        cause: String,
    },
    /// Its answer is not what its documentation promises.
    #[error("{system} answered something unreadable: {cause}")]
    Malformed {
        /// Who.
        system: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

impl RemoteError {
    /// Whether the same read may succeed in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Throttled { .. } | Self::Failed { .. })
    }
}

/// An HTTP client that follows no redirects and gives up after `timeout`.
///
/// # Errors
/// When the TLS roots of the system cannot be read.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Installed once per process; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(Duration::from_secs(10).min(timeout))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("readypost/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Sends one request and reads the whole answer.
///
/// # Errors
/// [`RemoteError::Transport`] when there is no complete answer, [`RemoteError::Malformed`] when it is too large.
pub async fn send(system: &'static str, request: RequestBuilder) -> Result<Answer, RemoteError> {
    let transport = |error: reqwest::Error| RemoteError::Transport { system, cause: root_cause(&error.without_url()) };
    let mut response = request.send().await.map_err(transport)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(RemoteError::Malformed { system, cause: format!("more than {ANSWER_BYTES_MAX} bytes") });
        }
    }
    Ok(Answer { status, headers, body })
}

/// The innermost error of a chain says what happened; the outer ones only where.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) { error.to_string() } else { format!("{error}: {cause}") }
}

/// Repeats a read that failed for a passing reason: at most `tries` times, within seconds.
///
/// Longer waits belong to the queue, whose state survives a crash.
///
/// # Errors
/// The last error.
pub async fn with_retry<T, Read>(tries: u32, mut read: impl FnMut() -> Read) -> Result<T, RemoteError>
where
    // Not `AsyncFnMut`: the compiler cannot tell that its futures are `Send`, so no task could read.
    Read: Future<Output = Result<T, RemoteError>>,
{
    let mut delays = ExponentialBackoff {
        initial_interval: Duration::from_millis(200),
        current_interval: Duration::from_millis(200),
        max_interval: Duration::from_secs(3),
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut left = tries;
    loop {
        left = left.saturating_sub(1);
        let error = match read().await {
            Ok(value) => return Ok(value),
            Err(error) if left == 0 || !error.is_passing() => return Err(error),
            Err(error) => error,
        };
        let asked = if let RemoteError::Throttled { wait, .. } = &error { *wait } else { None };
        let delay = asked.or_else(|| delays.next_backoff()).unwrap_or_default();
        if delay > Duration::from_secs(3) {
            return Err(error);
        }
        tokio::time::sleep(delay).await;
    }
}
