//! The callback body: where its key is to be had, and which record it names.
//!
//! Nothing here is trusted before verification but the address of the signing key, and that only if
//! its host is one the configuration names. The callback is a hint: the record is always read fresh.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url, form_urlencoded};
use uuid::Uuid;

use super::record::{RecordKind, SourceId};
use super::signature::Verified;
use super::text::{printable, shorten};

/// The longest address of a signing key; ConnectWise's have about 150 bytes.
const KEY_URL_BYTES_MAX: usize = 1024;

/// A host that may serve signing keys, as configured in `key_url_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHost {
    host: Host<String>,
    port: Option<u16>,
}

/// A `key_url_hosts` entry that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host: write na.myconnectwise.net, or host:port")]
pub struct KeyHostError(String);

impl std::str::FromStr for KeyHost {
    type Err = KeyHostError;

    fn from_str(text: &str) -> Result<Self, KeyHostError> {
        let error = || KeyHostError(text.to_owned());
        let url = Url::parse(&format!("https://{text}/")).map_err(|_| error())?;
        let plain = url.path() == "/" && url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let host = url.host().ok_or_else(error)?.to_owned();
        if plain && !text.ends_with('/') { Ok(Self { host, port: url.port() }) } else { Err(error()) }
    }
}

impl std::fmt::Display for KeyHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

impl KeyHost {
    /// Its address: https, or plain http to this machine.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://{self}/", if self.is_loopback() { "http" } else { "https" })
    }

    /// Whether it has this name, whatever its port.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.host.to_string().eq_ignore_ascii_case(name)
    }

    /// Exactly this host and port, over https; plain http only to a loopback address.
    fn serves(&self, url: &Url) -> bool {
        let same = url.host().map(|host| host.to_owned()) == Some(self.host.clone()) && url.port() == self.port;
        same && (url.scheme() == "https" || (url.scheme() == "http" && self.is_loopback()))
    }

    fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether a host is this machine, so that what is sent to it crosses no network.
pub(crate) fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name.as_ref() == "localhost",
    }
}

/// Why a body was not taken as a callback.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// It is not a JSON object with the fields of a callback.
    #[error("the body is not a ConnectWise callback: {0}")]
    Unreadable(String),
    /// Its key address is not one the configuration allows.
    #[error("the signing key's address is not on an allowed host: {0}")]
    KeyRefused(&'static str),
}

/// The address of a signing key, on an allowed host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyUrl(Url);

impl KeyUrl {
    /// Reads `Metadata.key_url` from an unverified body and checks it against the allowed hosts.
    ///
    /// `company` is the login company of the connection: a key of another company on the same host
    /// would let any other ConnectWise customer sign callbacks for this one.
    ///
    /// # Errors
    /// [`CallbackError::Unreadable`] without an address, [`CallbackError::KeyRefused`] for a wrong one.
    pub fn peek(body: &[u8], allowed: &[KeyHost], company: &str) -> Result<Self, CallbackError> {
        let envelope: Envelope = read(body)?;
        let text = envelope.metadata.key_url;
        if text.len() > KEY_URL_BYTES_MAX {
            return Err(CallbackError::KeyRefused("it is too long"));
        }
        let url = Url::parse(&text).map_err(|_| CallbackError::KeyRefused("it is not an address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CallbackError::KeyRefused("it carries user information"));
        }
        if !allowed.iter().any(|host| host.serves(&url)) {
            return Err(CallbackError::KeyRefused("another host, port or scheme"));
        }
        if !is_literal(&text, &url) {
            return Err(CallbackError::KeyRefused("its host is written in another form"));
        }
        // An address that names no company is accepted: that ConnectWise always names it is not documented.
        let named = url.query_pairs().filter(|(name, _)| name.eq_ignore_ascii_case("companyName"));
        let named: Vec<Cow<'_, str>> = named.map(|(_, value)| value).collect();
        let only_ours = match named.as_slice() {
            [] => true,
            [only] => only.eq_ignore_ascii_case(company),
            _ => false,
        };
        if !only_ours || names_companies(&url) != named.len() {
            return Err(CallbackError::KeyRefused("it names another ConnectWise company"));
        }
        Ok(Self(url))
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// Whether the text names the host letter by letter: no other notation of numbers, no escapes, no letters that only
/// look alike or are taken away when an address is read. ConnectWise writes none of these, and readers differ in them.
fn is_literal(text: &str, url: &Url) -> bool {
    let origin = format!("{}://{}", url.scheme(), url.authority());
    let (start, rest) = (text.get(..origin.len()).unwrap_or_default(), text.get(origin.len()..).unwrap_or_default());
    let ends = rest.is_empty() || rest.starts_with(['/', '?']);
    start.eq_ignore_ascii_case(&origin) && ends && !text.chars().any(char::is_control)
}

/// How often an address says `companyName`, however it is encoded and wherever it stands: servers do not agree on what
/// separates parameters, and which of two counts.
fn names_companies(url: &Url) -> usize {
    let path = form_urlencoded::parse(url.path().as_bytes());
    let texts = path.chain(url.query_pairs()).flat_map(|(name, value)| [name, value]);
    texts.map(|text| text.to_ascii_lowercase().matches("companyname").count()).sum()
}

/// A verified callback for a record of a kind that is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The message's id, when ConnectWise sent one; deliveries with the same id are the same message.
    pub message: Option<Uuid>,
    /// What kind of record it names.
    pub kind: RecordKind,
    /// Which one.
    pub source: SourceId,
    /// `added`, `updated` or `deleted`, as sent.
    pub action: String,
    /// Who made the change in ConnectWise, when said.
    pub member: Option<String>,
}

/// What a verified body turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A record that may need posting.
    Record(Callback),
    /// A type of record that readypost does not post.
    Unhandled(String),
}

impl Callback {
    /// Reads a verified body.
    ///
    /// # Errors
    /// [`CallbackError::Unreadable`] when the type or the id is missing.
    pub fn parse(body: &Verified<'_>) -> Result<Parsed, CallbackError> {
        let sent: Body = read(body.bytes())?;
        let kind = match sent.kind.to_ascii_lowercase().as_str() {
            "invoice" => RecordKind::Invoice,
            "purchaseorder" => RecordKind::PurchaseOrder,
            "expense" => RecordKind::Expense,
            other => return Ok(Parsed::Unhandled(printable(&shorten(other, 40)))),
        };
        let source = match &sent.id {
            Value::Number(id) => whole_id(&id.to_string()),
            Value::String(id) => whole_id(id),
            _ => None,
        };
        let source = source.ok_or_else(|| CallbackError::Unreadable("ID is no whole number from 1".to_owned()))?;
        let id = sent.message_id.as_deref().and_then(|id| Uuid::parse_str(id.trim()).ok());
        Ok(Parsed::Record(Self {
            message: id.filter(|id| !id.is_nil()),
            kind,
            source,
            action: sent.action.unwrap_or_default().to_ascii_lowercase().chars().take(20).collect(),
            member: sent.member_id.map(|member| member.chars().take(60).collect()),
        }))
    }
}

/// The id of a record that ConnectWise numbers, in its only form: `7`, also for ` 007 `; none unless it is a whole number from 1.
#[must_use]
pub fn whole_id(text: &str) -> Option<SourceId> {
    let text = text.trim();
    let id: i64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()?;
    (id >= 1).then(|| SourceId::from(id))
}

/// Strings inside of `Entity` may hold invalid UTF-8, so the text is decoded lossily.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, CallbackError> {
    let text = String::from_utf8_lossy(body);
    // The error quotes what it found, and a forger decides what that is.
    serde_json::from_str(&text).map_err(|error| CallbackError::Unreadable(printable(&shorten(&error.to_string(), 200))))
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Metadata", alias = "metadata")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(alias = "Key_Url", alias = "keyUrl")]
    key_url: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "MessageId", default)]
    message_id: Option<String>,
    #[serde(rename = "Action", default)]
    action: Option<String>,
    #[serde(rename = "Type", alias = "type")]
    kind: String,
    #[serde(rename = "ID", alias = "Id", alias = "id", default)]
    id: Value,
    #[serde(rename = "MemberId", default)]
    member_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::signature::{Signature, SigningKey, verify};
    use super::*;

    const VECTOR: &[u8] = include_bytes!("../../fixtures/callbacks/vector.json");

    fn peek(key_url: &str, hosts: &[&str]) -> Result<KeyUrl, CallbackError> {
        let body = serde_json::json!({ "Metadata": { "key_url": key_url } }).to_string();
        let hosts: Vec<KeyHost> = hosts.iter().map(|host| host.parse().unwrap()).collect();
        KeyUrl::peek(body.as_bytes(), &hosts, "acme")
    }

    #[test]
    fn keys_come_from_the_configured_host_only() {
        let good = "https://na.myconnectwise.net/v2025_1//system/callbackkey/index.rails?companyName=Acme&id=1";
        assert_eq!(peek(good, &["na.myconnectwise.net"]).unwrap().url().as_str(), good);
        for bad in [
            "http://na.myconnectwise.net/k",
            "https://na.myconnectwise.net:8443/k",
            "https://na.myconnectwise.net.evil.test/k",
            "https://evil.test/na.myconnectwise.net",
            "https://na.myconnectwise.net@evil.test/k",
            "https://user@na.myconnectwise.net/k",
            "https://xna.myconnectwise.net/k",
            "https://na.myconnectwise.net./k",
            "https://127.0.0.1/k",
            "https://[::1]/k",
            "ftp://na.myconnectwise.net/k",
            "file:///etc/passwd",
            "https://na.myconnectwise.net/k?companyName=other&id=1",
            "https://na.myconnectwise.net:443/k",
            "https:na.myconnectwise.net/k",
            "https:\\\\na.myconnectwise.net\\k",
            "https://na.myconnectwise.net\\@evil.test/k",
            "https://na%2emyconnectwise.net/k",
            "https://ｎａ.myconnectwise.net/k",
            "https://nа.myconnectwise.net/k",
            "https://na。myconnectwise.net/k",
            "https://na.my\tconnectwise.net/k",
            " https://na.myconnectwise.net/k",
            "https://na.myconnectwise.net/k\r\nhost: evil.test",
            "https://na.myconnectwise.net/k?id=1;companyName=other",
            "https://na.myconnectwise.net/k?companyName=acme&id=1;%63ompanyName=other",
            "https://na.myconnectwise.net/k;companyName=other?companyName=acme",
            "https://na.myconnectwise.net/k?companyName=acme&companyName=acme",
            "",
        ] {
            assert!(matches!(peek(bad, &["na.myconnectwise.net"]), Err(CallbackError::KeyRefused(_))), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(peek("http://127.0.0.1:4010/k", &["127.0.0.1:4010"]).is_ok());
        assert!(peek("http://127.0.0.1:4011/k", &["127.0.0.1:4010"]).is_err());
        assert!(peek("http://10.0.0.1:4010/k", &["10.0.0.1:4010"]).is_err());
        let host: KeyHost = "127.0.0.1:4010".parse().unwrap();
        assert_eq!((host.address().as_str(), host.is_named("127.0.0.1")), ("http://127.0.0.1:4010/", true));
        assert!("https://x".parse::<KeyHost>().is_err() && "a/b".parse::<KeyHost>().is_err());
    }

    fn parse(body: &[u8]) -> Result<Parsed, CallbackError> {
        let key = SigningKey::derive("k");
        let signature = crate::domain::signature::sign_for_tests(body, "k");
        Callback::parse(&verify(body, &Signature::parse(Some(signature.as_bytes())).unwrap(), &key).unwrap())
    }

    #[test]
    fn the_vector_names_its_invoice() {
        let Parsed::Record(callback) = parse(VECTOR).unwrap() else { panic!("not a record") };
        assert_eq!(
            (callback.kind, callback.source.as_str(), callback.action.as_str()),
            (RecordKind::Invoice, "123", "updated")
        );
        assert_eq!(callback.message.unwrap().to_string(), "6dd82302-5e46-47c0-8c84-702868125b76");
    }

    #[test]
    fn honest_oddities_are_accepted() {
        for body in [
            &b"{\"Type\":\"INVOICE\",\"ID\":7}"[..],
            b"{\"Type\":\"Invoice\",\"ID\":\" 007\",\"Entity\":null,\"Action\":\"deleted\",\"New\":[1]}",
            b"{\"Type\":\"invoice\",\"ID\":7,\"MessageId\":null,\"Entity\":\"{\\\"name\\\":\\\"\xff\\\"}\"}",
        ] {
            assert!(matches!(parse(body), Ok(Parsed::Record(callback)) if callback.source.as_str() == "7"));
        }
        let order = parse(b"{\"Type\":\"PurchaseOrder\",\"ID\":3401,\"Action\":\"updated\"}");
        assert!(matches!(order, Ok(Parsed::Record(callback)) if callback.kind == RecordKind::PurchaseOrder));
        assert_eq!(parse(b"{\"Type\":\"Ticket\",\"ID\":1}"), Ok(Parsed::Unhandled("ticket".to_owned())));
        for id in ["0", "-7", "7.5", "7e1", "\"\"", "\"+7\"", "\"7a\"", "\"../7\"", "null", "99999999999999999999"] {
            let body = format!("{{\"Type\":\"invoice\",\"ID\":{id}}}");
            assert!(matches!(parse(body.as_bytes()), Err(CallbackError::Unreadable(_))), "{id}");
        }
        for body in [&b"{\"Type\":\"invoice\"}"[..], b"{\"Type\":\"invoice\",\"ID\":{}}", b"[]", b"", b"{\"ID\":1}"] {
            assert!(matches!(parse(body), Err(CallbackError::Unreadable(_))));
        }
    }
}
