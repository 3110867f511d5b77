//! One ConnectWise connection: every request of the API goes through here.

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::header::ACCEPT;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

use super::failure::{self, Denied};
use super::kept::Kept;
use super::keys::Keys;
use super::names::PublicNames;
use super::place::place;
use super::root::Root;
use super::settings::Settings;
use super::tables::{self, TermsXrefs};
use crate::clock::Clock;
use crate::domain::callback::{CallbackError, KeyUrl};
use crate::domain::facts::Caption;
use crate::domain::text::{printable, shorten};
use crate::remote::{Answer, RemoteError, http_client, send, with_retry};

/// What ConnectWise is called in errors.
pub(super) const SYSTEM: &str = "ConnectWise";
/// Tries of one read; longer waits belong to the queue.
pub(super) const TRIES: u32 = 3;
/// Requests in flight at once: far below the 1,000 a minute at which ConnectWise starts to limit.
const REQUESTS_MAX: usize = 8;
/// Rows of one page; ConnectWise gives no more.
const PAGE_ROWS: &str = "1000";
/// The longest cause of an answer that cannot be read, in characters.
const CAUSE_CHARS_MAX: usize = 300;
/// Pages of one list; a longer one is an error, never cut short in silence.
const PAGES_MAX: usize = 50;

/// One ConnectWise connection; share it in an `Arc`.
pub struct ConnectWise {
    settings: Settings,
    http: reqwest::Client,
    permits: Semaphore,
    root: Root,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Keys,
    pub(super) captions: Kept<Vec<Caption>>,
    pub(super) terms: Kept<TermsXrefs>,
}

impl std::fmt::Debug for ConnectWise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectWise").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ConnectWise {
    /// A connection; nothing is sent yet.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be read.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http_client(settings.timeout)?,
            permits: Semaphore::new(REQUESTS_MAX),
            root: Root::new(),
            keys: Keys::new(Arc::clone(&clock), PublicNames::of_system(settings.private_key_hosts))?,
            captions: Kept::new(SignedDuration::from_mins(tables::LIFE_MINUTES)),
            terms: Kept::new(SignedDuration::from_mins(tables::LIFE_MINUTES)),
            settings,
            clock,
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Forgets captions and billing terms, because somebody may just have mended them.
    pub async fn forget_tables(&self) {
        self.captions.forget().await;
        self.terms.forget().await;
    }

    /// The address of the signing key that an unverified body names, if this connection allows it.
    ///
    /// # Errors
    /// As [`KeyUrl::peek`].
    pub fn key_url(&self, body: &[u8]) -> Result<KeyUrl, CallbackError> {
        KeyUrl::peek(body, &self.settings.key_hosts, &self.settings.company)
    }

    /// A read, tried again when it fails for a passing reason.
    pub(super) async fn read(&self, call: &Call) -> Result<Result<Answer, Denied>, RemoteError> {
        with_retry(TRIES, || self.once(call)).await
    }

    /// One record, or why it is not given.
    pub(super) async fn record<T: DeserializeOwned>(&self, path: &str) -> Result<Result<T, Denied>, RemoteError> {
        match self.read(&Call::get(path)).await? {
            Ok(answer) => parse(&answer, path).map(Ok),
            Err(denied) => Ok(Err(denied)),
        }
    }

    /// Every row of a list that meets `conditions`, or why it is not given.
    ///
    /// The address of the next page is not followed: only its query is taken, so a list cannot lead
    /// the credentials to another host, and a server that misnames itself behind a proxy still works.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        conditions: Option<&str>,
    ) -> Result<Result<Vec<T>, Denied>, RemoteError> {
        let mut call = Call::get(path);
        call.query = vec![("pageSize".to_owned(), PAGE_ROWS.to_owned())];
        call.query.extend(conditions.map(|conditions| ("conditions".to_owned(), conditions.to_owned())));
        let mut rows = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = match self.read(&call).await? {
                Ok(answer) => answer,
                Err(denied) => return Ok(Err(denied)),
            };
            rows.extend(parse::<Vec<T>>(&answer, path)?);
            let Some(next) = answer.header("link").and_then(next_query) else { return Ok(Ok(rows)) };
            if next == call.query {
                return Err(malformed(format!("the next page of {path} is the same page")));
            }
            call.query = next;
        }
        Err(malformed(format!("{path} has more than {PAGES_MAX} pages")))
    }

    /// Sends a call once; when the API has moved, once more at its new address.
    ///
    /// That is safe for writes too: an address that does not exist has handled nothing.
    pub(super) async fn once(&self, call: &Call) -> Result<Result<Answer, Denied>, RemoteError> {
        let root = self.root.get(&self.http, &self.settings, None).await?;
        let outcome = self.send_to(&root, call).await?;
        if !matches!(outcome, Err(Denied::NoEndpoint(_))) {
            return Ok(outcome);
        }
        let moved = self.root.get(&self.http, &self.settings, Some(&root)).await?;
        if moved == root { Ok(outcome) } else { self.send_to(&moved, call).await }
    }

    async fn send_to(&self, root: &str, call: &Call) -> Result<Result<Answer, Denied>, RemoteError> {
        let settings = &self.settings;
        let address = format!("{root}/{}", call.path);
        let request = match &call.what {
            What::Get => self.http.get(address),
            What::Post(body) => self.http.post(address).json(body),
            What::Patch(body) => self.http.patch(address).json(body),
            What::Delete => self.http.delete(address),
        };
        let request = request
            .query(&call.query)
            .basic_auth(
                format!("{}+{}", settings.company, settings.public_key),
                Some(settings.private_key.expose_secret()),
            )
            .header("clientId", &settings.client_id)
            .header(ACCEPT, format!("application/vnd.connectwise.com+json; version={}", settings.version))
            .header("pagination-type", "forward-only");
        // The semaphore is never closed, so waiting for it cannot fail.
        let permit = self.permits.acquire().await;
        let answer = send(SYSTEM, request).await?;
        drop(permit);
        failure::sort(answer, &call.path)
    }
}

/// One request of the API.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Below the root, without a slash before it.
    path: String,
    query: Vec<(String, String)>,
    what: What,
}

/// What is asked of a path.
#[derive(Clone, Debug)]
enum What {
    Get,
    Post(Value),
    Patch(Value),
    Delete,
}

impl Call {
    pub(super) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), what: What::Get }
    }

    pub(super) fn post(path: &str, body: Value) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), what: What::Post(body) }
    }

    pub(super) fn patch(path: &str, body: Value) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), what: What::Patch(body) }
    }

    pub(super) fn delete(path: &str) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), what: What::Delete }
    }
}

/// `field="value"` of a `conditions` parameter, possibly matching more than the value.
///
/// How quotes and backslashes are escaped is not documented, so they become the documented wildcard;
/// callers compare the rows themselves.
pub(super) fn equals(field: &str, value: &str) -> String {
    format!("{field}=\"{}\"", value.replace(['"', '\\'], "*"))
}

/// Reads the body of an answer to `path`.
pub(super) fn parse<T: DeserializeOwned>(answer: &Answer, path: &str) -> Result<T, RemoteError> {
    let text = String::from_utf8_lossy(&answer.body);
    serde_json::from_str(&text).map_err(|error| {
        let place = match place(&text, error.line(), error.column()) {
            // A field that is missing is named by the error itself.
            place if place.is_empty() || error.to_string().starts_with("missing field") => String::new(),
            place => format!("{place}: "),
        };
        malformed(printable(&shorten(&format!("{path}: {place}{error}"), CAUSE_CHARS_MAX)))
    })
}

/// An answer that is not what the documentation promises.
pub(super) fn malformed(cause: String) -> RemoteError {
    RemoteError::Malformed { system: SYSTEM, cause }
}

/// The query of the link with `rel="next"`.
fn next_query(links: &str) -> Option<Vec<(String, String)>> {
    let of_next = |link: &str| {
        let (address, parameters) = link.split_once('>')?;
        let next = parameters.split([';', ',']).any(|parameter| {
            let parameter: String = parameter.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
            parameter.eq_ignore_ascii_case("rel=next")
        });
        next.then(|| Url::parse("http://any.invalid/").and_then(|base| base.join(address)).ok()).flatten()
    };
    let address = links.split('<').find_map(of_next)?;
    Some(address.query_pairs().into_owned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        let pairs = |query: &[(&str, &str)]| -> Vec<(String, String)> {
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let links = "<https://x/a?page=1>; rel=\"first\", <https://x/a?conditions=id in (1,2)&page=3>; rel=\"next\", <https://x/a?page=4>; rel=\"last\"";
        assert_eq!(next_query(links), Some(pairs(&[("conditions", "id in (1,2)"), ("page", "3")])));
        assert_eq!(next_query("</a?pageId=7>;rel=next"), Some(pairs(&[("pageId", "7")])));
        assert_eq!(next_query("<https://x/a?page=1>; rel=\"prev\""), None);
        assert_eq!(next_query("nonsense"), None);
    }

    #[test]
    fn a_condition_cannot_be_broken_out_of() {
        assert_eq!(equals("invoiceNumber", "10\" or id>0 \\"), "invoiceNumber=\"10* or id>0 *\"");
    }
}
