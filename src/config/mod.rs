//! The configuration: one TOML file, secrets also from the environment or from files of their own.
//!
//! Every default is written here or in [`Rules`]. All faults are listed together, before any port opens.

mod alerts;
mod changes;
mod reader;
mod rules;
mod tls;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use toml::de::DeTable;
use url::Url;
use uuid::Uuid;

pub use alerts::{Alert, Channel, Email, Security};
pub use changes::{Change, Changes, How};
pub use reader::Fault;
pub use tls::{Tls, Validity};

use crate::domain::callback::KeyHost;
use crate::domain::hours::{BusinessHours, Listening};
use crate::domain::record::{CompanyId, ConnectionId};
use crate::domain::registration::Keeping;
use crate::domain::rules::Rules;
use reader::{Section, Source};

/// The shortest key that refresh tokens are encrypted with, in characters.
const STORE_KEY_MIN: usize = 16;
/// How long exchanges are kept, in days: a year, and time for its audit. What was posted is kept for ever.
const EXCHANGES_DAYS: u32 = 400;

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[store]`.
    pub store: Store,
    /// `[log]`.
    pub log: Log,
    /// `[[operator]]`.
    pub operators: Vec<Operator>,
    /// `[[connectwise]]`.
    pub connections: Vec<Connection>,
    /// `[[company]]`.
    pub companies: Vec<Company>,
    /// `[[alert]]`.
    pub alerts: Vec<Alert>,
}

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port; port 0 = any free one.
    pub listen: SocketAddr,
    /// What ConnectWise is told to call.
    pub public_url: Option<Url>,
    /// The largest callback, in bytes.
    pub body_bytes_max: usize,
    /// Connections at the same time.
    pub connections_max: usize,
    /// What is done about callbacks that are missing or switched off.
    pub callbacks: Keeping,
    /// Requests a minute that each token may make; 0 = no limit.
    pub requests_per_minute: u32,
    /// The certificate of the door; none = plain HTTP.
    pub tls: Option<Tls>,
}

/// Where the journal and the index are.
#[derive(Clone, Debug)]
pub struct Store {
    /// The folder.
    pub path: PathBuf,
    /// The key that refresh tokens are encrypted with.
    pub key: Option<SecretString>,
    /// What was said with both systems is kept for so many days; 0 = for ever.
    pub exchanges_days: u32,
}

/// What the log looks like.
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON or for people.
    pub format: LogFormat,
    /// Which levels, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// JSON or for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Who may look and decide.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Name, which the history keeps.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// SHA-256 of their token, in hex.
    pub token_sha256: String,
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look and decide.
    Operator,
    /// Look.
    Viewer,
}

/// One ConnectWise system.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Name; the last part of the callback's address.
    pub name: ConnectionId,
    /// Address of the API, or of the site where it can be discovered.
    pub endpoint: Endpoint,
    /// Login company.
    pub company: String,
    /// Public key of the API member.
    pub public_key: String,
    /// Private key of the API member.
    pub private_key: SecretString,
    /// The integration's client id.
    pub client_id: String,
    /// The hosts that signing keys may come from.
    pub key_url_hosts: Vec<KeyHost>,
    /// Whether their names may lead to addresses of a private network.
    pub key_url_private: bool,
    /// When it counts as silent.
    pub listening: Listening,
}

/// How the API of ConnectWise is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The full prefix of the API.
    ApiUrl(Url),
    /// The site, whose `/login/companyinfo` names the API.
    Site(Url),
}

/// One Xero organisation.
#[derive(Clone, Debug)]
pub struct Company {
    /// Name.
    pub id: CompanyId,
    /// The ConnectWise system whose records it takes.
    pub connection: ConnectionId,
    /// The locations whose records it takes; empty = all.
    pub locations: Vec<i64>,
    /// Its Xero connection.
    pub xero: XeroAccess,
    /// Its rules.
    pub rules: Rules,
}

/// How a Xero organisation is reached.
#[derive(Clone, Debug)]
pub struct XeroAccess {
    /// Full prefix of the API.
    pub api_url: Url,
    /// Where tokens come from.
    pub token_url: Url,
    /// Where a person lets the app into an organisation.
    pub authorize_url: Url,
    /// The app's id.
    pub client_id: String,
    /// The app's secret; an app for PKCE has none.
    pub client_secret: Option<SecretString>,
    /// How tokens are had.
    pub grant: Grant,
    /// The first refresh token, until the store has a newer one.
    pub refresh_token: Option<SecretString>,
    /// The organisation; a custom connection may leave it out, and otherwise it is the one that was connected.
    pub tenant_id: Option<Uuid>,
    /// Calls a minute that Xero allows.
    pub minute_limit: u32,
    /// What its webhooks are signed with; none = it sends none.
    pub webhook_key: Option<SecretString>,
}

/// How tokens are had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A custom connection.
    ClientCredentials,
    /// An app that was authorised by a user.
    RefreshToken,
}

/// Reads a configuration file, with secrets from the environment of the process.
///
/// # Errors
/// All faults, in the order of the file; one when it cannot be read.
pub fn read(path: &Path) -> Result<Config, Vec<Fault>> {
    let unreadable = |error: std::io::Error| {
        vec![Fault { line: 0, key: "file".to_owned(), message: format!("{}: {error}", path.display()) }]
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text, &|name| std::env::var(name).ok())
}

/// Reads the configuration. `env` looks up an environment variable.
///
/// # Errors
/// All faults, in the order of the file.
pub fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Vec<Fault>> {
    let source = Source { text, env, faults: RefCell::default() };
    let table = DeTable::parse(text).map_err(|error| {
        source.fault(error.span().map(|span| span.start), "file", error.message());
        source.faults.take()
    })?;
    let root = Section::root(&source, table.get_ref());
    let config = Config {
        server: server(root.section("server")),
        store: store(root.section("store")),
        log: log(root.section("log")),
        operators: root.sections("operator").into_iter().map(operator).collect(),
        connections: root.sections("connectwise").into_iter().filter_map(connection).collect(),
        companies: root.sections("company").into_iter().filter_map(company).collect(),
        alerts: root.sections("alert").into_iter().filter_map(alerts::read).collect(),
    };
    check(&config, &root);
    root.finish();
    let mut faults = source.faults.take();
    if faults.is_empty() {
        return Ok(config);
    }
    faults.sort_by_key(|fault| fault.line);
    Err(faults)
}

/// Reads rules alone, as a golden case has them.
///
/// # Errors
/// All faults, in the order of the file.
pub fn parse_rules(text: &str) -> Result<Rules, Vec<Fault>> {
    let source = Source { text, env: &|_| None, faults: RefCell::default() };
    let table = DeTable::parse(text).map_err(|error| {
        source.fault(error.span().map(|span| span.start), "file", error.message());
        source.faults.take()
    })?;
    let rules = rules::read(Section::root(&source, table.get_ref()));
    let faults = source.faults.take();
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn server(section: Section<'_, '_>) -> Server {
    let server = Server {
        listen: section.parsed("listen").unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
        public_url: section.url("public_url"),
        body_bytes_max: section.parsed("body_bytes_max").unwrap_or(1 << 20),
        connections_max: section.parsed("connections_max").unwrap_or(2048),
        callbacks: section.choice("callbacks", Keeping::Keep, "keep, report, off"),
        requests_per_minute: section.parsed("requests_per_minute").unwrap_or(1200),
        tls: tls::read(&section),
    };
    section.finish();
    server
}

fn store(section: Section<'_, '_>) -> Store {
    let path = section.text("path").unwrap_or_else(|| "./data".to_owned());
    let exchanges_days = section.parsed("exchanges_days").unwrap_or(EXCHANGES_DAYS);
    let store = Store { path: PathBuf::from(path), key: section.secret("key", "key_file"), exchanges_days };
    if store.key.as_ref().is_some_and(|key| key.expose_secret().trim().chars().count() < STORE_KEY_MIN) {
        section.fault("key", &format!("must have at least {STORE_KEY_MIN} characters; make it long and random"));
    }
    section.finish();
    store
}

fn log(section: Section<'_, '_>) -> Log {
    let log = Log {
        format: section.choice("format", LogFormat::Pretty, "json, pretty"),
        filter: section.text("filter").unwrap_or_else(|| "info".to_owned()),
    };
    section.finish();
    log
}

fn operator(section: Section<'_, '_>) -> Operator {
    let operator = Operator {
        name: section.required("name"),
        role: section.choice("role", Role::Viewer, "operator, viewer"),
        token_sha256: section.required("token_sha256").to_ascii_lowercase(),
    };
    let digest = &operator.token_sha256;
    if !digest.is_empty() && (digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        section.fault("token_sha256", "must be 64 hexadecimal digits; `readypost token` makes one");
    }
    section.finish();
    operator
}

fn connection(section: Section<'_, '_>) -> Option<Connection> {
    let name: Option<ConnectionId> = section.parsed("name");
    if name.is_none() && section.text("name").is_none() {
        section.missing("name");
    }
    let section = match &name {
        Some(name) => section.named(name.as_str()),
        None => section,
    };
    let endpoint = match (section.url("api_url"), section.url("site")) {
        (Some(url), None) => Some(Endpoint::ApiUrl(url)),
        (None, Some(url)) => Some(Endpoint::Site(url)),
        (Some(_), Some(_)) => {
            section.fault("site", "give either `api_url` or `site`, not both");
            None
        }
        (None, None) if section.text("api_url").or_else(|| section.text("site")).is_some() => None,
        (None, None) => {
            section.fault("api_url", "is missing (or give `site`, to have it discovered)");
            None
        }
    };
    let hosts = section.list("key_url_hosts");
    if hosts.is_empty() {
        section.fault(
            "key_url_hosts",
            "is missing: name the hosts that signing keys may come from, such as na.myconnectwise.net",
        );
    }
    let mut key_url_hosts = Vec::new();
    for host in hosts {
        match host.parse::<KeyHost>() {
            Ok(host) => key_url_hosts.push(host),
            Err(error) => section.fault("key_url_hosts", &error.to_string()),
        }
    }
    let key_url_private = section.flag("key_url_private", false);
    let (company, public_key, client_id) =
        (section.required("company"), section.required("public_key"), section.required("client_id"));
    let private_key = section.required_secret("private_key", "private_key_file");
    let listening = listening(&section);
    section.finish();
    let (name, endpoint) = (name?, endpoint?);
    Some(Connection {
        name,
        endpoint,
        company,
        public_key,
        private_key,
        client_id,
        key_url_hosts,
        key_url_private,
        listening,
    })
}

/// When the connection counts as silent.
fn listening(section: &Section<'_, '_>) -> Listening {
    let default = Listening::default();
    let hours = match section.text("business_hours").map(|text| text.parse::<BusinessHours>()) {
        Some(Ok(hours)) => hours,
        Some(Err(wrong)) => {
            section.fault("business_hours", &wrong);
            default.hours
        }
        None => default.hours,
    };
    let zone = match section.text("time_zone").as_deref() {
        None | Some("UTC") => default.zone,
        Some(name) => TimeZone::get(name).unwrap_or_else(|_| {
            let cure =
                "is not a time zone that this system knows, such as Australia/Sydney; install tzdata, or use UTC";
            section.fault("time_zone", &format!("{name:?} {cure}"));
            default.zone
        }),
    };
    Listening { silent_hours: section.parsed("silent_hours").unwrap_or(default.silent_hours), hours, zone }
}

fn company(section: Section<'_, '_>) -> Option<Company> {
    let id: Option<CompanyId> = section.parsed("id");
    let connection: Option<ConnectionId> = section.parsed("connectwise");
    for (key, missing) in [("id", section.text("id").is_none()), ("connectwise", section.text("connectwise").is_none())]
    {
        if missing {
            section.missing(key);
        }
    }
    let section = match &id {
        Some(id) => section.named(id.as_str()),
        None => section,
    };
    let mut locations = Vec::new();
    for location in section.list("locations") {
        match location.parse() {
            Ok(location) => locations.push(location),
            Err(_) => section
                .fault("locations", &format!("{location:?} is not a location id of ConnectWise (a whole number)")),
        }
    }
    let xero = xero(section.section("xero"));
    let rules = rules::read(section.section("rules"));
    section.finish();
    Some(Company { id: id?, connection: connection?, locations, xero: xero?, rules })
}

fn xero(section: Section<'_, '_>) -> Option<XeroAccess> {
    let url = |key, default: &str| section.url(key).or_else(|| default.parse().ok());
    let grant = section.choice("grant", Grant::ClientCredentials, "client_credentials, refresh_token");
    let (secret, secret_file) = ("client_secret", "client_secret_file");
    let access = XeroAccess {
        api_url: url("api_url", "https://api.xero.com/api.xro/2.0")?,
        token_url: url("token_url", "https://identity.xero.com/connect/token")?,
        authorize_url: url("authorize_url", "https://login.xero.com/identity/connect/authorize")?,
        client_id: section.required("client_id"),
        client_secret: match grant {
            Grant::ClientCredentials => Some(section.required_secret(secret, secret_file)),
            Grant::RefreshToken => section.secret(secret, secret_file),
        },
        grant,
        refresh_token: section.secret("refresh_token", "refresh_token_file"),
        tenant_id: section.parsed("tenant_id"),
        minute_limit: section.parsed("minute_limit").unwrap_or(60),
        webhook_key: section.secret("webhook_key", "webhook_key_file"),
    };
    if access.grant == Grant::RefreshToken && access.refresh_token.is_some() && access.tenant_id.is_none() {
        let message = "is missing: an app with refresh tokens serves several organisations. Without `refresh_token`, \
                       `readypost xero connect` asks which one it is";
        section.fault("tenant_id", message);
    }
    section.finish();
    Some(access)
}

/// What no section can see alone.
fn check(config: &Config, root: &Section<'_, '_>) {
    if config.connections.is_empty() && root.sections("connectwise").is_empty() {
        root.fault("connectwise", "at least one [[connectwise]] is needed");
    }
    if config.companies.is_empty() && root.sections("company").is_empty() {
        root.fault("company", "at least one [[company]] is needed");
    }
    let names: BTreeSet<&str> = config.connections.iter().map(|connection| connection.name.as_str()).collect();
    if names.len() < config.connections.len() {
        root.fault("connectwise", "two of them have the same name");
    }
    let ids: BTreeSet<&str> = config.companies.iter().map(|company| company.id.as_str()).collect();
    if ids.len() < config.companies.len() {
        root.fault("company", "two of them have the same id");
    }
    let operators: BTreeSet<&str> = config.operators.iter().map(|operator| operator.name.as_str()).collect();
    if operators.len() < config.operators.len() {
        root.fault("operator", "two of them have the same name");
    }
    let alerts: BTreeSet<&str> = config.alerts.iter().map(|alert| alert.name.as_str()).collect();
    if alerts.len() < config.alerts.len() {
        root.fault("alert", "two of them have the same name");
    }
    for (index, company) in config.companies.iter().enumerate() {
        if !names.contains(company.connection.as_str()) {
            root.fault(
                "company",
                &format!("company '{}': there is no [[connectwise]] named '{}'", company.id, company.connection),
            );
        }
        let rivals = config
            .companies
            .iter()
            .skip(index.saturating_add(1))
            .filter(|other| other.connection == company.connection);
        for rival in rivals {
            let shared = company.locations.iter().any(|location| rival.locations.contains(location));
            if shared || (company.locations.is_empty() && rival.locations.is_empty()) {
                let message =
                    format!("companies '{}' and '{}' take records of the same locations", company.id, rival.id);
                root.fault("company", &message);
            }
        }
        if company.xero.grant == Grant::RefreshToken && config.store.key.is_none() {
            root.fault(
                "store",
                "a `key` is needed to encrypt refresh tokens (also possible: `key_file`, or READYPOST_STORE_KEY)",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = include_str!("../../fixtures/config/full.toml");
    const MINIMAL: &str = include_str!("../../fixtures/config/minimal.toml");
    const WRONG: &str = include_str!("../../fixtures/config/wrong.toml");

    #[test]
    fn the_examples_are_accepted() {
        let full = parse(FULL, &|_| None).unwrap();
        assert_eq!(full.companies.len(), 2);
        let secret = |name: &str| name.ends_with("PRIVATE_KEY").then(|| "from the environment".to_owned());
        let minimal = parse(MINIMAL, &secret).unwrap();
        assert_eq!(minimal.companies[0].rules, Rules { untaxed: "GST Free Income".to_owned(), ..Rules::default() });
    }

    #[test]
    fn all_faults_are_listed_at_once_with_line_and_key() {
        let faults = parse(WRONG, &|_| None).unwrap_err();
        let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(listed.join("\n"));
    }

    /// The faults of the full example after an edit.
    fn faults(from: &str, to: &str, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        assert!(FULL.contains(from), "{from}");
        let parsed = parse(&FULL.replacen(from, to, 1), env);
        parsed.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_blank_secret_is_a_missing_one() {
        let key = "private_key = \"s3cret-private-key\"";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " \n").unwrap();
        let file = format!("private_key_file = {:?}", file.path());
        for blank in ["private_key = \" \"", file.as_str(), ""] {
            let found = faults(key, blank, &|_| Some(String::new()));
            assert!(found.len() == 1 && found[0].contains("connectwise.private_key: is missing"), "{found:?}");
        }
        // What a supervisor sets to nothing does not hide what the file says.
        assert_eq!(faults(key, key, &|_| Some(" ".to_owned())), [""; 0]);
        let found = faults("key = \"s3cret-of-the-store\"", "key = \"0123456789abcde\"", &|_| None);
        assert_eq!(found, ["line 15: store.key: must have at least 16 characters; make it long and random"]);
    }

    #[test]
    fn secrets_go_over_https_only() {
        for (from, key) in [
            ("public_url = \"https://", "server.public_url"),
            ("site = \"https://", "connectwise.site"),
            ("api_url = \"https://", "company.xero.api_url"),
            ("token_url = \"https://", "company.xero.token_url"),
        ] {
            let found = faults(from, &from.replace("https", "http"), &|_| None);
            assert!(found.len() == 1 && found[0].contains(&format!("{key}: \"http://")), "{found:?}");
            assert!(found[0].starts_with("line "), "{found:?}");
        }
        for host in ["127.0.0.1:4010", "[::1]", "localhost:4010"] {
            let site = format!("site = \"http://{host}\"");
            assert_eq!(faults("site = \"https://na.myconnectwise.net\"", &site, &|_| None), [""; 0]);
        }
        let site = "site = \"http://localhost.evil.test\"";
        assert_eq!(faults("site = \"https://na.myconnectwise.net\"", site, &|_| None).len(), 1);
    }

    #[test]
    fn secrets_are_never_shown() {
        let shown = format!("{:?}", parse(FULL, &|_| None).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
