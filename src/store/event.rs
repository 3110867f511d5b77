//! What is journalled: the events whose fold is the store's state, and each record's history.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::journal::Position;
use crate::domain::bulk::{Begun, Ended};
use crate::domain::delivery::{About, Actor, Decision, Intent, Sweep, Trigger};
use crate::domain::record::{CompanyId, ConnectionId, RecordKey, RecordKind};
use crate::domain::settle::Settlement;
use crate::domain::sweep::SweepResult;
use crate::domain::text::Sentence;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The journal was begun.
    Opened {
        /// By which version of readypost.
        version: String,
    },
    /// Entries were lost: what was closed before now may have been posted without the journal knowing.
    Gap {
        /// Sequence of the last entry before the gap.
        after: u64,
        /// What was found.
        found: Sentence,
    },
    /// A record may need work.
    Accepted {
        /// Which.
        key: RecordKey,
        /// Why.
        trigger: Trigger,
    },
    /// A document is about to be sent to Xero.
    Armed {
        /// Which record.
        key: RecordKey,
        /// The request's identity.
        intent: Intent,
        /// What the record is about.
        about: About,
        /// The request's body, byte for byte.
        body: String,
        /// The rules in force: see [`Event::Configured`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<String>,
        /// What was said with both systems since the step began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchanges: Option<Exchanged>,
    },
    /// A contact is about to be created in Xero for a record.
    CreatingContact {
        /// Which record.
        key: RecordKey,
        /// The contact's name.
        name: String,
    },
    /// A step ended.
    Settled {
        /// Which record.
        key: RecordKey,
        /// What happens next.
        settlement: Settlement,
        /// What the record is about, when it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<About>,
        /// The last trigger that the worker knew of.
        seen: u64,
        /// The rules in force: see [`Event::Configured`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<String>,
        /// What was said with both systems since the step began, or since its last request was armed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchanges: Option<Exchanged>,
    },
    /// An operator decided.
    Resolved {
        /// Which record.
        key: RecordKey,
        /// What.
        decision: Decision,
        /// Who and why.
        actor: Actor,
    },
    /// A ConnectWise company or member was found in, or created in, a Xero organisation.
    Linked {
        /// The organisation.
        company: CompanyId,
        /// ConnectWise's id of the company; of a member, the id below zero.
        client: i64,
        /// Xero's id of the contact.
        contact: Uuid,
    },
    /// A link turned out to be of no more use.
    Unlinked {
        /// The organisation.
        company: CompanyId,
        /// As in [`Event::Linked`].
        client: i64,
    },
    /// Nothing can be posted to an organisation for a while. In the journal it has the name that it had first.
    #[serde(rename = "paused")]
    Rested {
        /// The organisation.
        company: CompanyId,
        /// Why and how long.
        #[serde(rename = "pause")]
        rest: Rest,
    },
    /// Posting goes on by itself.
    #[serde(rename = "resumed")]
    Awoke {
        /// The organisation.
        company: CompanyId,
    },
    /// An operator lets nothing be posted to an organisation.
    #[serde(rename = "operator_paused")]
    Paused {
        /// The organisation.
        company: CompanyId,
        /// Of which records; none = of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<RecordKind>,
        /// Who and why.
        actor: Actor,
    },
    /// An operator lets posting go on.
    #[serde(rename = "operator_resumed")]
    Resumed {
        /// The organisation.
        company: CompanyId,
        /// Of which records; none = of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<RecordKind>,
        /// Who and why.
        actor: Actor,
    },
    /// A list of changes was gone through up to a mark.
    Swept {
        /// The organisation.
        company: CompanyId,
        /// Which list.
        list: Sweep,
        /// How far: what that is depends on the list.
        mark: i64,
    },
    /// The configuration was read, at a start or by a reload.
    Configured {
        /// Names these rules under this version of readypost: 16 hexadecimal digits.
        rules: String,
        /// The version of readypost.
        version: String,
        /// The form of what this version writes: see [`FORM`](super::FORM).
        #[serde(default)]
        form: u32,
        /// The rules of each organisation. They have no secrets.
        companies: BTreeMap<CompanyId, Value>,
        /// Who had it read anew; none at a start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The age rule is about to take away what was said with both systems before a time.
    ExchangesRemoved {
        /// The numbers of the files.
        files: Vec<u32>,
        /// Everything in them is older.
        before: Timestamp,
    },
    /// What a ConnectWise system lists as unposted was compared with the store.
    Compared {
        /// The system.
        connection: ConnectionId,
        /// How that ended.
        result: Box<SweepResult>,
    },
    /// A callback of a ConnectWise system was registered or switched on.
    CallbackKept {
        /// The system.
        connection: ConnectionId,
        /// What was done.
        done: Sentence,
        /// Who asked for it; none = a sweep did it by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A decision about many records is about to be carried out, one record after another.
    BulkBegun {
        /// What is decided.
        bulk: Begun,
    },
    /// A decision about many records ended; without this entry it was interrupted.
    BulkEnded {
        /// Which one.
        id: Uuid,
        /// What it came to.
        result: Ended,
    },
    /// A refresh token was received; it is stored before it is used.
    TokenKept {
        /// The organisation.
        company: CompanyId,
        /// The token, encrypted.
        sealed: String,
        /// Who connected the organisation; none = it follows the token before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

impl Event {
    /// The record it is about.
    #[must_use]
    pub fn key(&self) -> Option<&RecordKey> {
        match self {
            Self::Accepted { key, .. }
            | Self::Armed { key, .. }
            | Self::CreatingContact { key, .. }
            | Self::Settled { key, .. }
            | Self::Resolved { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Where the exchanges that led to it are.
    #[must_use]
    pub fn exchanged(&self) -> Option<&Exchanged> {
        match self {
            Self::Armed { exchanges, .. } | Self::Settled { exchanges, .. } => exchanges.as_ref(),
            _ => None,
        }
    }

    /// The decision about many records that it is a part of.
    #[must_use]
    pub(super) fn bulk(&self) -> Option<Uuid> {
        match self {
            Self::Resolved { actor, .. } => actor.bulk,
            _ => None,
        }
    }

    /// The rules that were in force.
    #[must_use]
    pub fn rules(&self) -> Option<&str> {
        match self {
            Self::Armed { rules, .. } | Self::Settled { rules, .. } => rules.as_deref(),
            _ => None,
        }
    }
}

/// Where exchanges lie beside the journal, and what they are: so the hash chain covers them, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    /// Number of the file, from 1.
    pub file: u32,
    /// Where they begin in it, in bytes.
    pub offset: u64,
    /// Their bytes in the file.
    pub length: u32,
    /// CRC32C of these bytes: a deflated text has bits that nobody reads.
    pub crc: u32,
    /// SHA-256 of their text, in hex.
    pub sha256: String,
    /// How many they are.
    pub count: u32,
}

/// Why and how long nothing can be posted to an organisation; it ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// What happened.
    pub cause: Sentence,
    /// Since when.
    pub since: Timestamp,
    /// When to look again.
    pub until: Timestamp,
}

/// Who lets nothing be posted to an organisation; only an operator ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Of which records; none = of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RecordKind>,
    /// Who and why.
    pub actor: Actor,
    /// Since when.
    pub since: Timestamp,
}

impl Pause {
    /// Who paused what and why, for whoever wonders why a record waits.
    #[must_use]
    pub fn sentence(&self, company: &CompanyId) -> Sentence {
        let what = self.kind.map_or("all records", RecordKind::plural);
        let note = self.actor.note.as_str();
        let why = if note.is_empty() { "no reason given" } else { note };
        format!("{} paused {what} of {company}: {why}", self.actor.by).into()
    }
}

/// An event as it is journalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The entry of the same record before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Position>,
    /// What.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Company;

    #[test]
    fn entries_of_older_versions_are_read_as_what_they_mean() {
        let read = |text: &str| serde_json::from_str::<Event>(text).unwrap();
        let rested = read(
            r#"{"paused":{"company":"acme-au","pause":{"cause":"day","since":"2026-11-30T09:00:00Z","until":"2026-12-01T09:00:00Z"}}}"#,
        );
        assert!(matches!(rested, Event::Rested { rest, .. } if rest.cause.as_str() == "day"));
        assert!(matches!(read(r#"{"resumed":{"company":"acme-au"}}"#), Event::Awoke { .. }));
        let company: Company = serde_json::from_str(
            r#"{"pause":{"cause":"day","since":"2026-11-30T09:00:00Z","until":"2026-12-01T09:00:00Z"},"contacts":{}}"#,
        )
        .unwrap();
        assert!(company.rest.is_some() && company.pauses.is_empty());
    }

    #[test]
    fn what_payments_added_is_read_where_it_is_missing_and_keeps_its_names() {
        let armed = r#"{"armed":{"key":"acme/invoice/1","intent":{"key":"k","body_hash":"h","company":"acme-au",
            "kind":"invoice","number":"1","at":"2026-11-30T09:00:00Z","resend":true},
            "about":{"company":"acme-au","number":"1","client":"x","total":"1.00","currency":""},"body":"{}"}}"#;
        let Event::Armed { intent, .. } = serde_json::from_str(armed).unwrap() else { panic!("{armed}") };
        assert_eq!(intent.change, None);
        assert!(!serde_json::to_string(&intent).unwrap().contains("change"));
        let swept = Event::Swept { company: "acme-au".parse().unwrap(), list: Sweep::XeroInvoices, mark: 7 };
        let text = r#"{"swept":{"company":"acme-au","list":"xero_invoices","mark":7}}"#;
        assert_eq!(serde_json::to_string(&swept).unwrap(), text);
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), swept);
        let mut company = Company::default();
        company.swept.insert(Sweep::ConnectwisePayments, crate::store::Swept { mark: 1, at: Timestamp::UNIX_EPOCH });
        let text = serde_json::to_string(&company).unwrap();
        assert_eq!(serde_json::from_str::<Company>(&text).unwrap(), company, "{text}");
    }

    #[test]
    fn a_kept_callback_names_who_asked_for_it_where_somebody_did() {
        let old = r#"{"callback_kept":{"connection":"acme","done":"invoice was switched on"}}"#;
        let event: Event = serde_json::from_str(old).unwrap();
        assert!(matches!(&event, Event::CallbackKept { by: None, .. }));
        assert_eq!(serde_json::to_string(&event).unwrap(), old);
        let new = r#"{"callback_kept":{"connection":"acme","done":"invoice was switched on","by":"finance-desk"}}"#;
        let event: Event = serde_json::from_str(new).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), new);
    }

    #[test]
    fn a_decision_says_which_bulk_it_belongs_to_and_those_before_belong_to_none() {
        let old =
            r#"{"resolved":{"key":"acme/invoice/1","decision":"retry","actor":{"by":"desk","note":"again, in bulk"}}}"#;
        let event: Event = serde_json::from_str(old).unwrap();
        assert_eq!(event.bulk(), None);
        assert_eq!(serde_json::to_string(&event).unwrap(), old);
        let id = Uuid::from_u128(7);
        let new = old.replace(r#"in bulk"}"#, &format!(r#"in bulk","bulk":"{id}"}}"#));
        let event: Event = serde_json::from_str(&new).unwrap();
        assert_eq!(event.bulk(), Some(id));
        assert_eq!(serde_json::to_string(&event).unwrap(), new);
    }

    #[test]
    fn pauses_are_written_apart_from_rests_and_end_apart() {
        let actor = Actor { by: "finance-desk".to_owned(), note: "audit".into(), bulk: None };
        let (id, since) = ("acme-au".parse::<CompanyId>().unwrap(), Timestamp::UNIX_EPOCH);
        for kind in [None, Some(RecordKind::Invoice)] {
            let event = Event::Paused { company: id.clone(), kind, actor: actor.clone() };
            let text = serde_json::to_string(&event).unwrap();
            assert!(text.starts_with(r#"{"operator_paused":"#), "{text}");
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
        let mut company = Company::default();
        let pause = |kind| Pause { kind, actor: actor.clone(), since };
        company.pause(pause(None));
        company.pause(pause(Some(RecordKind::Invoice)));
        company.pause(Pause { actor: Actor { by: "another".to_owned(), ..actor.clone() }, ..pause(None) });
        assert_eq!(company.pauses, [pause(None), pause(Some(RecordKind::Invoice))], "the first one stands");
        company.resume(Some(RecordKind::Invoice));
        assert_eq!(company.paused(RecordKind::Invoice), Some(&pause(None)));
        company.pause(pause(Some(RecordKind::Invoice)));
        company.resume(None);
        assert_eq!(company.paused(RecordKind::Invoice), None);
        assert_eq!(pause(None).sentence(&id).as_str(), "finance-desk paused all records of acme-au: audit");
    }
}
