//! What differs between two configurations, in the words of the file.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::tls::{self, Tls};
use super::{Alert, Channel, Company, Config, Connection, Email, Log, Operator, Server, Store, XeroAccess};
use crate::domain::alert::Rule;
use crate::domain::hours::Listening;
use crate::domain::text::hex;

/// Of the door alone: the client in Xero does not know it.
const WEBHOOK_KEY: &str = "xero.webhook_key";

/// What a reload changes, or would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// `[[company]]`.
    pub companies: Vec<Change>,
    /// `[[connectwise]]`.
    pub connections: Vec<Change>,
    /// `[[operator]]`.
    pub operators: Vec<Change>,
    /// `[[alert]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Change>,
    /// The certificate of `[server]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server: Vec<Change>,
    /// Settings that are other in the file, and stay as they are until the service is restarted.
    pub needs_restart: Vec<String>,
}

/// What became of one company, connection or operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// added, changed or removed.
    pub change: How,
    /// The settings that changed, never their values: some are secrets.
    #[serde(default)]
    pub settings: Vec<String>,
}

/// How something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeKind)]
pub enum How {
    /// It is new.
    Added,
    /// Some of its settings are other ones.
    Changed,
    /// It is gone.
    Removed,
}

impl How {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

impl Changes {
    /// What has to change for `running` to become `wanted`.
    #[must_use]
    pub fn between(running: &Config, wanted: &Config) -> Self {
        let needs_restart = different(&fixed(running), &fixed(wanted));
        Self {
            companies: compare(&running.companies, &wanted.companies, |company| {
                (company.id.as_str(), settings(company))
            }),
            connections: compare(&running.connections, &wanted.connections, |connection| {
                (connection.name.as_str(), of_connection(connection))
            }),
            operators: compare(&running.operators, &wanted.operators, |operator| {
                (operator.name.as_str(), of_operator(operator))
            }),
            alerts: compare(&running.alerts, &wanted.alerts, |alert| (alert.name.as_str(), of_alert(alert))),
            server: compare(certificate(running, wanted), certificate(wanted, running), |tls| ("tls", of_tls(tls))),
            needs_restart,
        }
    }

    /// Whether there is nothing to change, now or at the next start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Everything that changes, with the section it is in.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Change)> {
        let companies = self.companies.iter().map(|change| ("company", change));
        let connections = self.connections.iter().map(|change| ("connectwise", change));
        let operators = self.operators.iter().map(|change| ("operator", change));
        let companies = companies.chain(connections).chain(operators);
        let companies = companies.chain(self.alerts.iter().map(|change| ("alert", change)));
        companies.chain(self.server.iter().map(|change| ("server", change)))
    }

    /// Whether the company's client in Xero can go on: it is not new, and none of its own settings changed.
    #[must_use]
    pub fn keep_xero(&self, company: &str) -> bool {
        let change = self.companies.iter().find(|change| change.name == company);
        change.is_none_or(|change| {
            let of_client = |setting: &String| setting.starts_with("xero.") && setting != WEBHOOK_KEY;
            change.change == How::Changed && !change.settings.iter().any(of_client)
        })
    }

    /// Whether the channel of alerts can go on.
    #[must_use]
    pub fn keep_alert(&self, alert: &str) -> bool {
        self.alerts.iter().all(|change| change.name != alert)
    }

    /// Whether the connection's client can go on.
    #[must_use]
    pub fn keep_connection(&self, connection: &str) -> bool {
        let change = self.connections.iter().find(|change| change.name == connection);
        change.is_none_or(|change| {
            let of_client = |setting: &String| !LISTENING.contains(&setting.as_str());
            change.change == How::Changed && !change.settings.iter().any(of_client)
        })
    }
}

/// Settings of a connection that its client knows nothing of.
const LISTENING: [&str; 3] = ["silent_hours", "business_hours", "time_zone"];

/// Settings as comparable texts; secrets as digests.
type Settings = BTreeMap<String, String>;

fn compare<T>(running: &[T], wanted: &[T], describe: fn(&T) -> (&str, Settings)) -> Vec<Change> {
    let (running, wanted): (BTreeMap<&str, Settings>, BTreeMap<&str, Settings>) =
        (running.iter().map(describe).collect(), wanted.iter().map(describe).collect());
    let change = |name: &str, change, settings| Change { name: name.to_owned(), change, settings };
    let removed = running.keys().filter(|name| !wanted.contains_key(*name));
    let removed = removed.map(|name| change(name, How::Removed, Vec::new()));
    let others = wanted.iter().filter_map(|(name, settings)| match running.get(name) {
        None => Some(change(name, How::Added, Vec::new())),
        Some(before) if before == settings => None,
        Some(before) => Some(change(name, How::Changed, different(before, settings))),
    });
    others.chain(removed).collect()
}

fn different(one: &Settings, other: &Settings) -> Vec<String> {
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    keys.filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

fn named<const N: usize>(settings: [(&str, String); N]) -> Settings {
    settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn secret(secret: &SecretString) -> String {
    hex(&Sha256::digest(secret.expose_secret().as_bytes()))
}

// Each takes its section apart, so that a new setting cannot be forgotten here.

fn settings(company: &Company) -> Settings {
    let Company { id: _, connection, locations, xero, rules } = company;
    let XeroAccess {
        api_url,
        token_url,
        authorize_url,
        client_id,
        client_secret,
        grant,
        refresh_token,
        tenant_id,
        minute_limit,
        webhook_key,
    } = xero;
    let mut settings = named([
        ("connectwise", connection.to_string()),
        ("locations", format!("{locations:?}")),
        ("xero.api_url", api_url.to_string()),
        ("xero.token_url", token_url.to_string()),
        ("xero.authorize_url", authorize_url.to_string()),
        ("xero.client_id", client_id.clone()),
        ("xero.client_secret", client_secret.as_ref().map(secret).unwrap_or_default()),
        ("xero.grant", format!("{grant:?}")),
        ("xero.refresh_token", refresh_token.as_ref().map(secret).unwrap_or_default()),
        ("xero.tenant_id", format!("{tenant_id:?}")),
        ("xero.minute_limit", minute_limit.to_string()),
        (WEBHOOK_KEY, webhook_key.as_ref().map(secret).unwrap_or_default()),
    ]);
    let rules = serde_json::to_value(rules).unwrap_or_default();
    let rules = rules.as_object().into_iter().flatten();
    settings.extend(rules.map(|(key, value)| (format!("rules.{key}"), value.to_string())));
    settings
}

fn of_connection(connection: &Connection) -> Settings {
    let Connection { name: _, endpoint, company, public_key, private_key, client_id, .. } = connection;
    let Connection { key_url_hosts, key_url_private, listening, .. } = connection;
    let Listening { silent_hours, hours, zone } = listening;
    named([
        ("silent_hours", silent_hours.to_string()),
        ("business_hours", hours.to_string()),
        ("time_zone", zone.iana_name().unwrap_or("UTC").to_owned()),
        ("api_url or site", format!("{endpoint:?}")),
        ("company", company.clone()),
        ("public_key", public_key.clone()),
        ("private_key", secret(private_key)),
        ("client_id", client_id.clone()),
        ("key_url_hosts", format!("{key_url_hosts:?}")),
        ("key_url_private", key_url_private.to_string()),
    ])
}

fn of_operator(operator: &Operator) -> Settings {
    let Operator { name: _, role, token_sha256 } = operator;
    named([("role", format!("{role:?}")), ("token_sha256", token_sha256.clone())])
}

fn of_alert(alert: &Alert) -> Settings {
    let Alert { name: _, channel, rule, details } = alert;
    let Rule { kinds, digest, per_hour } = rule;
    let mut settings = named([
        ("kinds", format!("{kinds:?}")),
        ("digest_minutes", digest.as_mins().to_string()),
        ("per_hour", per_hour.to_string()),
        ("details", details.to_string()),
    ]);
    settings.extend(match channel {
        Channel::Email(Email { host, port, security, user, password, from, to }) => named([
            ("channel", "email".to_owned()),
            ("host", host.clone()),
            ("port", port.to_string()),
            ("security", format!("{security:?}")),
            ("user", user.as_ref().map(secret).unwrap_or_default()),
            ("password", password.as_ref().map(secret).unwrap_or_default()),
            ("from", from.to_string()),
            ("to", format!("{to:?}")),
        ]),
        Channel::Slack { url } => named([("channel", "slack".to_owned()), ("url", secret(url))]),
        Channel::Teams { url } => named([("channel", "teams".to_owned()), ("url", secret(url))]),
        Channel::Webhook { url, secret: key } => {
            named([("channel", "webhook".to_owned()), ("url", secret(url)), ("secret", secret(key))])
        }
    });
    settings
}

/// The certificate of `config`, where the other one has one, too: whether there is one is fixed at the start.
fn certificate<'config>(config: &'config Config, other: &Config) -> &'config [Tls] {
    other.server.tls.as_ref().and(config.server.tls.as_ref()).map(std::slice::from_ref).unwrap_or_default()
}

fn of_tls(tls: &Tls) -> Settings {
    let Tls { certificate, key, identity, valid: _ } = tls;
    let chain = identity.cert.iter().fold(Sha256::new(), Sha256::chain_update);
    // The key fits its certificate: another one comes with another certificate, or in a file of another name.
    named([
        (tls::CERTIFICATE, format!("{} {}", certificate.display(), hex(&chain.finalize()))),
        (tls::KEY, key.display().to_string()),
    ])
}

/// What is fixed at the start.
fn fixed(config: &Config) -> Settings {
    let Server { listen, public_url, body_bytes_max, connections_max, callbacks, requests_per_minute, tls } =
        &config.server;
    let (Store { path, key, exchanges_days }, Log { format, filter }) = (&config.store, &config.log);
    named([
        ("server.listen", listen.to_string()),
        ("server.public_url", public_url.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("server.callbacks", format!("{callbacks:?}")),
        ("server.body_bytes_max", body_bytes_max.to_string()),
        ("server.connections_max", connections_max.to_string()),
        ("server.requests_per_minute", requests_per_minute.to_string()),
        ("server.tls_certificate", tls.is_some().to_string()),
        ("store.path", path.display().to_string()),
        ("store.key", key.as_ref().map(secret).unwrap_or_default()),
        ("store.exchanges_days", exchanges_days.to_string()),
        ("log.format", format!("{format:?}")),
        ("log.filter", filter.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const FULL: &str = include_str!("../../fixtures/config/full.toml");

    /// Edits of the full example, and what they change.
    type Row<'text> = (&'text [(&'text str, &'text str)], &'text [&'text str]);

    /// What changes when the full example is edited so.
    fn changes(edits: &[(&str, &str)]) -> Vec<String> {
        let wanted = edits.iter().fold(FULL.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let [running, wanted] = [FULL, &wanted].map(|text| parse(text, &|_| None).unwrap());
        let changes = Changes::between(&running, &wanted);
        let all = changes.all().map(|(section, Change { name, change, settings })| {
            format!("{section} {name} {} {}", change.as_str(), settings.join(" ")).trim_end().to_owned()
        });
        all.chain(changes.needs_restart.iter().map(|key| format!("restart {key}"))).collect()
    }

    #[test]
    fn every_change_is_named_and_no_value_is_shown() {
        let (last, alerts) = (FULL.rfind("[[company]]").unwrap(), FULL.find("[[alert]]").unwrap());
        let rows: &[Row] = &[
            (&[], &[]),
            (&[("public_url", "# public_url")], &["restart server.public_url"]),
            (&[("# port 0", "# another remark: port 0")], &[]),
            (&[("locations = [2, 11]", "locations = [2]")], &["company acme-au changed locations"]),
            (&[("\"GST\" = ", "\"VAT\" = ")], &["company acme-au changed rules.tax_names"]),
            (
                &[
                    ("s3cret-of-xero", "s3cret-of-today"),
                    ("\"AUTHORISED\" ", "\"DRAFT\" "),
                    ("sent_to_contact = true", ""),
                ],
                &["company acme-au changed rules.document_status rules.sent_to_contact xero.client_secret"],
            ),
            (&[("s3cret-private-key", "s3cret")], &["connectwise acme changed private_key"]),
            (&[("role = \"operator\"", "role = \"viewer\"  ")], &["operator finance-desk changed role"]),
            (
                &[("per_hour = 10", "per_hour = 5"), ("hooks/s3cret", "hooks/s3cret-of-today"), ("details = true", "")],
                &["alert office changed details per_hour", "alert team changed url"],
            ),
            (&[("name = \"monitor\"", "name = \"m\"")], &["operator m added", "operator monitor removed"]),
            (&[(&FULL[last..alerts], "")], &["company acme-nz removed"]),
            (
                &[("127.0.0.1:8080", "127.0.0.1:8081"), ("s3cret-of-the-store", "s3cret-of-the-other")],
                &["restart server.listen", "restart store.key"],
            ),
        ];
        for (edits, expected) in rows {
            assert_eq!(changes(edits), *expected, "{edits:?}");
        }
    }
}
