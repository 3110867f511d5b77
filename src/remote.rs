//! What the clients of both systems share: one way to send, one error, one way to wait and try again.

mod recording;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, RequestBuilder, StatusCode};
use tracing::Instrument;
use url::form_urlencoded;

use crate::domain::text::{printable, shorten};

pub use recording::recorded;

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
    http_client_with(timeout, |client| client)
}

/// The same with a setting of its own.
///
/// # Errors
/// As [`http_client`].
pub(crate) fn http_client_with(
    timeout: Duration,
    setting: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, reqwest::Error> {
    // Installed once per process; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(Duration::from_secs(10).min(timeout))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("readypost/", env!("CARGO_PKG_VERSION")));
    let client = match TLS.get_or_init(|| tls().ok()) {
        Some(tls) => client.tls_backend_preconfigured(tls.clone()),
        // Building it reads the roots again, and says what is wrong with them.
        None => client,
    };
    setting(client).build()
}

/// The roots of the system, read once per process: it is more work than all else that makes a client.
static TLS: OnceLock<Option<rustls::ClientConfig>> = OnceLock::new();

fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))?;
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

tokio::task_local! {
    static COUNTED: Arc<Calls>;
}

/// How many requests were sent, by the system that they went to.
#[derive(Debug, Default)]
pub struct Calls(Mutex<BTreeMap<&'static str, u32>>);

impl Calls {
    /// Requests to one system.
    #[must_use]
    pub fn to(&self, system: &str) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(system).copied().unwrap_or_default()
    }

    fn add(&self, system: &'static str) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(system).or_default();
        *count = count.saturating_add(1);
    }
}

/// Does `work` and counts the requests that it sends itself; what others send at the same time is not counted.
pub async fn counted<Work: Future>(calls: Arc<Calls>, work: Work) -> Work::Output {
    COUNTED.scope(calls, work).await
}

/// Does `work` in a task of its own, which goes on to its end when nobody waits for it any more. What it sends is counted
/// and kept as if it were sent here. None when it failed inside.
pub async fn to_its_end<Work>(work: Work) -> Option<Work::Output>
where
    Work: Future<Output: Send> + Send + 'static,
{
    let calls = COUNTED.try_with(Arc::clone).unwrap_or_default();
    let work = counted(calls, recording::carried(work)).in_current_span();
    tokio::spawn(work).await.ok()
}

/// Sends one request and reads the whole answer.
///
/// # Errors
/// [`RemoteError::Transport`] when there is no complete answer, [`RemoteError::Malformed`] when it is too large.
pub async fn send(system: &'static str, request: RequestBuilder) -> Result<Answer, RemoteError> {
    // Boxed, because every step holds it.
    Box::pin(exchange(system, request, false)).await
}

/// The same for a request that is about credentials, or whose address is one: the history keeps that it was sent, and
/// nothing that was said, and the log leaves the address out.
///
/// # Errors
/// As [`send`].
pub async fn send_secret(system: &'static str, request: RequestBuilder) -> Result<Answer, RemoteError> {
    Box::pin(exchange(system, request, true)).await
}

async fn exchange(system: &'static str, request: RequestBuilder, secret: bool) -> Result<Answer, RemoteError> {
    // Most of what is sent is counted by nobody.
    let _ = COUNTED.try_with(|calls| calls.add(system));
    let transport = |error: reqwest::Error| RemoteError::Transport { system, cause: root_cause(&error.without_url()) };
    let (client, request) = request.build_split();
    let request = request.map_err(transport)?;
    let secrets = Secrets::of(&request);
    // The address of a channel of alerts is a secret itself.
    let path = if secret { "…".to_owned() } else { request.url().path().to_owned() };
    let (method, sent) = (request.method().clone(), Instant::now());
    let begun = recording::begin(system, &request, secret);
    let outcome = async {
        let mut response = client.execute(request).await.map_err(transport)?;
        let (status, headers) = (response.status(), secrets.mask_headers(response.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(RemoteError::Malformed { system, cause: format!("more than {ANSWER_BYTES_MAX} bytes") });
            }
        }
        Ok(Answer { status, headers, body: secrets.mask(body) })
    };
    let outcome = outcome.await;
    let duration_ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &outcome {
        Ok(answer) => {
            // Their support asks for it.
            let id = answer.header("x-cw-request-id").or_else(|| answer.header("xero-correlation-id"));
            tracing::debug!(system, %method, path, status = answer.status.as_u16(), request_id = id, duration_ms, "answered");
        }
        Err(error) => tracing::debug!(system, %method, path, %error, duration_ms, "not answered"),
    }
    if let Some(begun) = begun {
        begun.end(&outcome);
    }
    outcome
}

/// What a request must keep to itself, in the forms in which an answer may give it back.
///
/// Answers are quoted in errors, holds and the history. A server, or a proxy before it, that repeats a request in its
/// error would otherwise have our credentials written there.
#[derive(Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Shorter ones are not looked for: they could be part of anything.
    const BYTES_MIN: usize = 8;
    /// What stands in their place.
    const MASK: &str = "[secret]";

    /// The credentials of a request.
    fn of(request: &reqwest::Request) -> Self {
        let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, credentials) = value.split_once(' ').unwrap_or_default();
        let mut secrets = Self::default();
        secrets.add(credentials);
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let (user, password) = decoded.as_deref().and_then(|pair| pair.split_once(':')).unwrap_or_default();
            secrets.add(password);
            // ConnectWise's user is its company and the public key.
            secrets.add(user.split_once('+').map_or("", |(_, key)| key));
        }
        secrets
    }

    /// Adds one, if it is long enough and no number: an amount must never be taken for it.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.len() < Self::BYTES_MIN || !secret.chars().any(char::is_alphabetic) {
            return;
        }
        let escaped = ["/", "+", "="].iter().fold(secret.to_owned(), |text, sign| {
            let code = sign.bytes().next().unwrap_or_default();
            text.replace(sign, &format!("\\u{code:04x}"))
        });
        let percent: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let upper = escaped.replace("\\u002b", "\\u002B").replace("\\u002f", "\\u002F").replace("\\u003d", "\\u003D");
        let lower = percent.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d");
        self.0.extend([secret.to_owned(), secret.replace('/', "\\/"), percent, lower, escaped, upper]);
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
        self.0.dedup();
    }

    /// The bytes without the secrets.
    pub(crate) fn mask(&self, bytes: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&bytes);
        if !self.0.iter().any(|secret| text.contains(secret)) {
            return bytes;
        }
        self.0.iter().fold(text.into_owned(), |text, secret| text.replace(secret, Self::MASK)).into_bytes()
    }

    fn mask_headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mask = |value: &HeaderValue| HeaderValue::from_bytes(&self.mask(value.as_bytes().to_vec())).ok();
        headers.iter().filter_map(|(name, value)| Some((name.clone(), mask(value)?))).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_keeps_to_itself_is_not_in_its_answer() {
        let client = http_client(Duration::from_secs(1)).unwrap();
        let request = client.get("http://127.0.0.1/").basic_auth("acme+PublicKey1", Some("a+b/c=PrivateKey"));
        let secrets = Secrets::of(&request.build().unwrap());
        let basic = STANDARD.encode("acme+PublicKey1:a+b/c=PrivateKey");
        let echo = format!(
            r"PublicKey1 a+b/c=PrivateKey a+b\/c=PrivateKey a%2Bb%2Fc%3DPrivateKey a%2bb%2fc%3dPrivateKey a\u002bb\u002Fc {basic} acme 1.50"
        );
        let masked = String::from_utf8(secrets.mask(echo.into_bytes())).unwrap();
        let expected = "[secret] [secret] [secret] [secret] [secret] a\\u002bb\\u002Fc [secret] acme 1.50";
        assert_eq!(masked, expected);
        let mut numbers = Secrets::default();
        for number in ["12345678.90", "short", ""] {
            numbers.add(number);
        }
        assert_eq!(numbers.mask(b"12345678.90 short".to_vec()), b"12345678.90 short");
        let mut bearer = HeaderMap::new();
        bearer.insert("x-echo", HeaderValue::from_static("PublicKey1 there"));
        assert_eq!(secrets.mask_headers(&bearer)["x-echo"], "[secret] there");
    }
}
