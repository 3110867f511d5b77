//! Alerts: what stands that somebody should know of, and what a channel is told of it, and when.
//!
//! The first alert of a kind is told at once. What comes of the same kind after it waits until the digest's time is
//! over, and every message takes along all that is known by then. What is over waits as long, so that something that
//! comes and goes is told once. However much happens, a channel gets no more messages an hour than its budget has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{printable, shorten};

/// The time that the budget of a channel is counted over.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The most alerts of a sort that a message lists; the others are counted.
const LISTED_MAX: usize = 20;
/// The longest sentence in a message, in characters.
const SENTENCE_CHARS_MAX: usize = 700;

/// What sort of thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// No callback has come for too many business hours; the subject is the connection.
    Silent,
    /// Callbacks are missing or switched off; the subject is the connection.
    Callbacks,
    /// The last sweep could not compare everything; the subject is the connection.
    Sweep,
    /// A sweep found records that no callback told of; the subject is the connection.
    Missed,
    /// The refresh token comes to its end; the subject is the company.
    Token,
    /// Few of Xero's calls are left for today; the subject is the company.
    Budget,
    /// Nothing can be posted for a while; the subject is the company.
    Resting,
    /// An operator lets nothing be posted; the subject is the company, and the kind of record if it is of one.
    Paused,
    /// Something of the store was lost or made anew; the subject is the part.
    Store,
    /// Records wait for a person; the subject is the reason.
    Held,
    /// A channel of alerts cannot be told; the subject is the channel.
    Delivery,
}

impl AlertKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Silent,
        Self::Callbacks,
        Self::Sweep,
        Self::Missed,
        Self::Token,
        Self::Budget,
        Self::Resting,
        Self::Paused,
        Self::Store,
        Self::Held,
        Self::Delivery,
    ];

    /// The stable code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Callbacks => "callbacks",
            Self::Sweep => "sweep",
            Self::Missed => "missed",
            Self::Token => "token",
            Self::Budget => "budget",
            Self::Resting => "resting",
            Self::Paused => "paused",
            Self::Store => "store",
            Self::Held => "held",
            Self::Delivery => "delivery",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Silent => "No callbacks come",
            Self::Callbacks => "Callbacks are missing or switched off",
            Self::Sweep => "A sweep could not compare everything",
            Self::Missed => "Records came without a callback",
            Self::Token => "The refresh token comes to its end",
            Self::Budget => "Few calls to Xero are left today",
            Self::Resting => "Nothing can be posted",
            Self::Paused => "Paused by an operator",
            Self::Store => "The store needs a look",
            Self::Held => "Records are held",
            Self::Delivery => "A channel of alerts cannot be told",
        }
    }

    /// Whether its subject is a connection.
    #[must_use]
    pub fn is_of_connection(self) -> bool {
        matches!(self, Self::Silent | Self::Callbacks | Self::Sweep | Self::Missed)
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AlertKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is none of: {}", all()))
    }
}

/// What an alert is about. Two alerts with the same one are the same alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlertKey {
    /// What sort of thing stands.
    pub kind: AlertKind,
    /// Of what: see the kinds.
    pub subject: String,
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subject)
    }
}

impl From<AlertKey> for String {
    fn from(key: AlertKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for AlertKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, subject) = text.split_once('/').ok_or_else(|| format!("{text:?} has no subject"))?;
        Ok(Self { kind: kind.parse()?, subject: subject.to_owned() })
    }
}

/// Something that stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about.
    pub key: AlertKey,
    /// How much of it there is; more of it is news.
    pub level: u64,
    /// What is wrong, and what helps.
    pub sentence: String,
    /// Since when it is known.
    pub since: Timestamp,
}

/// What a channel wants to be told, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The kinds that it wants; empty = all.
    pub kinds: BTreeSet<AlertKind>,
    /// How long further alerts of a kind are collected.
    pub digest: SignedDuration,
    /// The most messages in an hour.
    pub per_hour: u32,
}

impl Rule {
    fn wants(&self, kind: AlertKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// What a channel was told, as it is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// What it takes to stand.
    standing: BTreeMap<AlertKey, Known>,
    /// When it was last told something new of a kind.
    kinds: BTreeMap<AlertKind, Timestamp>,
    /// When it was told something within the last hour.
    sent: Vec<Timestamp>,
    /// How many messages it has got.
    messages: u64,
    /// When it got the last one.
    last: Option<Timestamp>,
}

/// What a channel knows of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// How much of it there was.
    level: u64,
    /// Since when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Timestamp>,
}

/// One message to a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it has not been told.
    pub news: Vec<Alert>,
    /// What does not stand any more, and since when.
    pub over: Vec<(AlertKey, Timestamp)>,
    /// What it was told before and stands.
    pub still: Vec<Alert>,
    /// More about what is new, where the channel wants it.
    pub details: Vec<String>,
}

/// What is to be done about a channel now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is to be told this.
    Now(Box<Message>),
    /// There is something that it will be told then.
    At(Timestamp),
    /// It knows everything.
    Nothing,
}

impl Told {
    /// Compares what the channel knows with what stands; whether there is something to remember.
    pub fn notice(&mut self, standing: &[Alert], rule: &Rule, now: Timestamp) -> bool {
        let before = self.standing.clone();
        self.standing.retain(|key, _| rule.wants(key.kind));
        for (key, known) in &mut self.standing {
            match standing.iter().find(|alert| alert.key == *key) {
                // Growth after a fall is news again.
                Some(alert) => *known = Known { level: known.level.min(alert.level), over: None },
                None => known.over = known.over.or(Some(now)),
            }
        }
        self.standing != before
    }

    /// What the channel is to be told now.
    #[must_use]
    pub fn due(&self, standing: &[Alert], rule: &Rule, now: Timestamp) -> Due {
        let wanted = standing.iter().filter(|alert| rule.wants(alert.key.kind));
        let is_news = |alert: &&Alert| self.standing.get(&alert.key).is_none_or(|known| known.level < alert.level);
        let (news, still): (Vec<&Alert>, Vec<&Alert>) = wanted.partition(is_news);
        let over = self.standing.iter().filter_map(|(key, known)| Some((key.clone(), known.over?)));
        let over: Vec<(AlertKey, Timestamp)> = over.collect();
        // A time to come was noted under a clock that was wrong, and keeps nobody waiting.
        let after = |at: Timestamp| if at > now { now } else { later(at, rule.digest) };
        let of_news = news.iter().map(|alert| self.kinds.get(&alert.key.kind).map_or(now, |told| after(*told)));
        let Some(first) = of_news.chain(over.iter().map(|(_, since)| after(*since))).min() else { return Due::Nothing };
        let first = self.free_at(rule, now).map_or(first, |free| free.max(first));
        if first > now {
            return Due::At(first);
        }
        let owned = |alerts: Vec<&Alert>| alerts.into_iter().cloned().collect();
        Due::Now(Box::new(Message { news: owned(news), over, still: owned(still), details: Vec::new() }))
    }

    /// When the budget of the hour has a message again; none while it has one.
    fn free_at(&self, rule: &Rule, now: Timestamp) -> Option<Timestamp> {
        let mut sent: Vec<Timestamp> = self.sent.iter().copied().filter(|at| is_within_hour(*at, now)).collect();
        sent.sort_unstable();
        let most = usize::try_from(rule.per_hour).unwrap_or(usize::MAX);
        let oldest = sent.len().checked_sub(most)?;
        sent.get(oldest).map(|at| later(*at, HOUR))
    }

    /// Remembers that the channel got a message.
    pub fn got(&mut self, message: &Message, now: Timestamp) {
        for alert in &message.news {
            self.standing.insert(alert.key.clone(), Known { level: alert.level, over: None });
            self.kinds.insert(alert.key.kind, now);
        }
        for (key, _) in &message.over {
            self.standing.remove(key);
        }
        self.sent.retain(|at| is_within_hour(*at, now));
        self.sent.push(now);
        self.messages = self.messages.saturating_add(1);
        self.last = Some(now);
    }

    /// How many messages it has got.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// When it got the last one.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }
}

fn is_within_hour(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.duration_since(at) < HOUR
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Message {
    /// What stands in the subject of an e-mail.
    #[must_use]
    pub fn subject(&self) -> String {
        let one = |title: &str, key: &AlertKey| format!("readypost: {title}: {}", printable(&key.subject));
        match (self.news.as_slice(), self.over.as_slice()) {
            ([alert], []) => one(alert.key.kind.title(), &alert.key),
            ([], [(key, _)]) => one(&format!("over: {}", key.kind.title()), key),
            (news, []) => format!("readypost: {} alerts", news.len()),
            ([], over) => format!("readypost: {} alerts are over", over.len()),
            (news, over) => format!("readypost: {} new, {} over", count(news.len(), "alert"), over.len()),
        }
    }

    /// The message for people.
    #[must_use]
    pub fn text(&self) -> String {
        let head = |alert: &Alert| format!("{} ({}, since {})", title(&alert.key), alert.key.kind, minute(alert.since));
        let news = self.news.iter().map(|alert| {
            let sentence = printable(&shorten(&alert.sentence, SENTENCE_CHARS_MAX));
            format!("{}\n  {sentence}", head(alert))
        });
        let over = self.over.iter().map(|(key, since)| format!("{} ({}, at {})", title(key), key.kind, minute(*since)));
        let mut parts = Vec::new();
        section(&mut parts, "New", news);
        section(&mut parts, "In particular", self.details.iter().cloned());
        section(&mut parts, "Over", over);
        section(&mut parts, "Still so", self.still.iter().map(head));
        parts.join("\n")
    }

    /// When what it tells of changed last.
    #[must_use]
    pub fn changed(&self) -> Option<Timestamp> {
        self.news.iter().map(|alert| alert.since).chain(self.over.iter().map(|(_, since)| *since)).max()
    }
}

fn title(key: &AlertKey) -> String {
    format!("{}: {}", key.kind.title(), printable(&key.subject))
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

/// Adds a heading and the first of its lines, if there are any.
fn section(parts: &mut Vec<String>, heading: &str, lines: impl ExactSizeIterator<Item = String>) {
    let all = lines.len();
    if all == 0 {
        return;
    }
    parts.push(format!("{heading}:"));
    parts.extend(lines.take(LISTED_MAX).map(|line| format!("- {line}")));
    if let Some(more) = all.checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        parts.push(format!("- and {more} more: see the status of readypost"));
    }
}

#[cfg(test)]
mod tests;
