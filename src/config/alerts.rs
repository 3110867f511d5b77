//! `[[alert]]`: who is told when something stands, and by what.

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use url::Host;

use super::reader::Section;
use crate::domain::alert::{AlertKind, Rule};
use crate::domain::callback::is_loopback;
use crate::domain::record::NameError;
use crate::domain::signature::WebhookSecret;

/// Minutes that further alerts of a kind are collected.
const DIGEST_MINUTES: u32 = 60;
/// Messages in an hour.
const PER_HOUR: u32 = 10;
/// The longest digest: a week.
const DIGEST_MINUTES_MAX: u32 = 7 * 24 * 60;

/// One channel of alerts.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub channel: Channel,
    /// What it is told, and how often.
    pub rule: Rule,
    /// Whether it is told numbers and clients of records.
    pub details: bool,
}

/// Where a channel leads.
#[derive(Clone, Debug)]
pub enum Channel {
    /// An e-mail.
    Email(Email),
    /// An incoming webhook of Slack; its address is the secret.
    Slack {
        /// The address.
        url: SecretString,
    },
    /// An incoming webhook of Teams; its address is the secret.
    Teams {
        /// The address.
        url: SecretString,
    },
    /// A webhook that is signed as Standard Webhooks says.
    Webhook {
        /// The address.
        url: SecretString,
        /// What it is signed with: `whsec_` and base64.
        secret: SecretString,
    },
}

/// How e-mail is sent.
#[derive(Clone, Debug)]
pub struct Email {
    /// The host that takes it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// The user, where one is wanted.
    pub user: Option<SecretString>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// Who sends it.
    pub from: Mailbox,
    /// Who gets it.
    pub to: Vec<Mailbox>,
}

/// How a connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS once both have greeted each other; without TLS nothing is sent.
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// None, for a relay on this machine.
    None,
}

impl Security {
    /// The usual port.
    fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Email,
    Slack,
    Teams,
    Webhook,
}

/// Reads a channel; none when it has faults that leave nothing to read.
pub(super) fn read(section: Section<'_, '_>) -> Option<Alert> {
    let name = section.required("name");
    let usable = |name: &str| name.parse::<crate::domain::record::ConnectionId>().map(drop);
    if let Err(error) = usable(&name).map_err(|error: NameError| error.to_string())
        && !name.is_empty()
    {
        section.fault("name", &error);
    }
    let section = if usable(&name).is_ok() { section.named(&name) } else { section };
    let sort = section.chosen("channel", "email, slack, teams, webhook");
    if sort.is_none() && section.text("channel").is_none() {
        section.missing("channel");
    }
    let rule = rule(&section);
    let details = section.flag("details", false);
    let channel = match sort {
        Some(Sort::Email) => email(&section).map(Channel::Email),
        Some(Sort::Slack) => url(&section).map(|url| Channel::Slack { url }),
        Some(Sort::Teams) => url(&section).map(|url| Channel::Teams { url }),
        Some(Sort::Webhook) => webhook(&section),
        // Which of its keys are right is not known.
        None => return None,
    };
    section.finish();
    Some(Alert { name, channel: channel?, rule, details })
}

fn rule(section: &Section<'_, '_>) -> Rule {
    let mut kinds = std::collections::BTreeSet::new();
    for kind in section.list("kinds") {
        match kind.parse::<AlertKind>() {
            Ok(kind) => drop(kinds.insert(kind)),
            Err(error) => section.fault("kinds", &error),
        }
    }
    let minutes: u32 = section.parsed("digest_minutes").unwrap_or(DIGEST_MINUTES);
    if minutes > DIGEST_MINUTES_MAX {
        section.fault("digest_minutes", &format!("must be at most {DIGEST_MINUTES_MAX}, which is a week"));
    }
    let per_hour: u32 = section.parsed("per_hour").unwrap_or(PER_HOUR);
    if per_hour == 0 {
        section.fault("per_hour", "must be at least 1; leave the channel out if it is not to be told");
    }
    Rule { kinds, digest: jiff::SignedDuration::from_mins(i64::from(minutes)), per_hour }
}

fn url(section: &Section<'_, '_>) -> Option<SecretString> {
    section.required_secret_url("url", "url_file")
}

fn webhook(section: &Section<'_, '_>) -> Option<Channel> {
    let url = url(section);
    let secret = section.required_secret("secret", "secret_file");
    let is_given = !secret.expose_secret().is_empty();
    if is_given && WebhookSecret::read(secret.expose_secret()).is_none() {
        section.fault("secret", "must be `whsec_` and base64 of 24 to 64 random bytes");
    }
    Some(Channel::Webhook { url: url?, secret })
}

fn email(section: &Section<'_, '_>) -> Option<Email> {
    // An address of IPv6 may stand in brackets, as in other addresses.
    let host = section.required("host").trim_matches(['[', ']']).to_owned();
    let security = section.choice("security", Security::Starttls, "starttls, tls, none");
    let port = section.parsed("port").unwrap_or(security.port());
    let (user, password) = (section.secret("user", "user_file"), section.secret("password", "password_file"));
    let from = section.parsed::<Mailbox>("from");
    if from.is_none() && section.text("from").is_none() {
        section.missing("from");
    }
    let mut to = Vec::new();
    for address in section.list("to") {
        match address.parse::<Mailbox>() {
            Ok(address) => to.push(address),
            Err(error) => section.fault("to", &format!("{address:?}: {error}")),
        }
    }
    if section.list("to").is_empty() {
        section.fault("to", "is missing: name who gets the e-mail, such as [\"finance@example.com\"]");
    }
    if user.is_some() != password.is_some() {
        section
            .fault(if user.is_some() { "password" } else { "user" }, "is missing: user and password belong together");
    }
    let here = Host::parse(&host).or_else(|_| Host::parse(&format!("[{host}]")));
    let on_loopback = here.is_ok_and(|host| is_loopback(&host));
    if security == Security::None && !on_loopback && !host.is_empty() {
        section.fault("security", "none is for a relay on this machine only, such as localhost; use starttls or tls");
    }
    Some(Email { host, port, security, user, password, from: from?, to })
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const FULL: &str = include_str!("../../fixtures/config/full.toml");

    #[test]
    fn the_example_has_each_sort_of_channel() {
        let alerts = parse(FULL, &|_| None).unwrap().alerts;
        let [office, slack, teams, hook] = alerts.as_slice() else { panic!("{alerts:?}") };
        assert!(matches!(&office.channel, Channel::Email(email) if email.port == 587 && email.to.len() == 2));
        assert!(matches!(&slack.channel, Channel::Slack { .. }) && slack.rule.kinds.len() == AlertKind::ALL.len());
        assert!(matches!(&teams.channel, Channel::Teams { .. }) && !teams.details);
        let usual = Rule { kinds: [].into(), digest: jiff::SignedDuration::from_mins(60), per_hour: 10 };
        assert!(matches!(&hook.channel, Channel::Webhook { .. }) && hook.rule == usual && office.rule == usual);
        let shown = format!("{alerts:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_wrong_with_a_channel_is_said_without_its_secrets() {
        let part = &FULL[FULL.find("[[alert]]").unwrap()..];
        let rows: &[(&str, &str, &str)] = &[
            ("name = \"office\"", "name = \"The Office\"", "is not a usable name"),
            ("name = \"team\"", "name = \"office\"", "alert: two of them have the same name"),
            ("channel = \"email\"", "", "alert.channel: is missing"),
            ("channel = \"slack\"", "channel = \"email\"", "alert.host: is missing"),
            ("security = \"starttls\"", "security = \"none\"", "none is for a relay on this machine only"),
            ("host = \"smtp.example.com\"", "", "alert.host: is missing"),
            ("to = [", "to = [\"nobody\", ", "alert.to: \"nobody\": "),
            ("to = [", "cc = [", "alert.to: is missing"),
            ("from = \"readypost <readypost@example.com>\"", "from = \"readypost\"", "alert.from: \"readypost\": "),
            ("user = \"s3cret-user\"", "", "alert.user: is missing: user and password belong together"),
            ("https://hooks.slack.com", "http://hooks.slack.com", "alert.url: must be an address with https"),
            ("https://hooks.slack.com", "https://s3cret:x@hooks.slack.com", "alert.url: must be an address with https"),
            ("url = \"https://example.com/hooks/s3cret\"", "", "or the variable READYPOST_ALERT_TEAM_URL"),
            ("whsec_s3cret", "s3cret", "alert.secret: must be `whsec_` and base64"),
            (
                "url = \"https://example",
                "secret = \"s3cret\"\nurl = \"https://example",
                "alert.secret: is not a setting",
            ),
            ("digest_minutes = 60", "digest_minutes = 10081", "must be at most 10080"),
            ("digest_minutes = 60", "digest_minutes = -1", "alert.digest_minutes: \"-1\""),
            ("per_hour = 10", "per_hour = 0", "alert.per_hour: must be at least 1"),
            ("\"silent\", ", "\"silence\", ", "\"silence\" is none of: silent, callbacks"),
        ];
        for (from, to, says) in rows {
            assert!(part.contains(from), "{from}");
            let text = FULL.replace(part, &part.replacen(from, to, 1));
            let faults = parse(&text, &|_| None).unwrap_err();
            let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
            let listed = listed.join("\n");
            assert!(listed.contains(says), "{from} -> {to}: {listed}");
            assert!(!listed.contains("s3cret"), "{listed}");
        }
    }

    #[test]
    fn a_relay_without_tls_is_on_this_machine() {
        for (host, is_here) in
            [("localhost", true), ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("[::1]", true)]
                .into_iter()
                .chain([("10.0.0.1", false), ("localhost.evil.test", false), ("2001:db8::1", false)])
        {
            let text = FULL.replace("smtp.example.com", host).replace("security = \"starttls\"", "security = \"none\"");
            assert_eq!(parse(&text, &|_| None).is_ok(), is_here, "{host}");
        }
    }
}
