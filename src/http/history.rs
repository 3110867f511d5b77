//! The history of a record as people read it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::delivery::{CostJournal, Decision, Intent, Posted, Trigger};
use crate::domain::money::Money;
use crate::domain::record::SourceId;
use crate::domain::settle::Settlement;
use crate::store::{Entry, Event};

/// One line of a record's history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HistoryView {
    /// When.
    pub at: Timestamp,
    /// What, in one word.
    pub event: String,
    /// What, in a sentence.
    pub sentence: String,
    /// The request's body, where one was about to be sent.
    pub body: Option<String>,
}

impl From<&Entry> for HistoryView {
    fn from(entry: &Entry) -> Self {
        let (event, sentence, body) = match &entry.event {
            Event::Accepted { trigger, .. } => {
                let (event, sentence) = triggered(trigger);
                (event, sentence, None)
            }
            Event::Armed { intent: Intent { change: Some(change), .. }, body, .. } => {
                ("request", change.told(), Some(body.clone()).filter(|body| !body.is_empty()))
            }
            Event::Armed { intent, body, .. } => {
                ("request", format!("{} under the key {}", intent.purpose.told(), intent.key), Some(body.clone()))
            }
            Event::CreatingContact { name, .. } => {
                ("contact", format!("About to create the contact '{name}' in Xero"), None)
            }
            Event::Resolved { decision, actor, .. } => {
                let what = match decision {
                    Decision::Adopt { document } => format!("adopt {document}"),
                    Decision::Assign { owner: Some(owner) } => format!("given to {owner}"),
                    Decision::Assign { owner: None } => "given to nobody".to_owned(),
                    Decision::Snooze { until: Some(until) } => {
                        format!("not shown before {}", until.strftime("%Y-%m-%d %H:%M UTC"))
                    }
                    Decision::Snooze { until: None } => "shown again".to_owned(),
                    other => other.as_str().to_owned(),
                };
                ("decision", format!("{}: {what}. {}", actor.by, actor.note), None)
            }
            Event::Settled { settlement, .. } => settled(settlement),
            Event::Opened { .. } => ("opened", "The journal was begun".to_owned(), None),
            Event::Gap { found, .. } => ("gap", format!("Entries were lost: {found}"), None),
            Event::Linked { .. } => ("linked", "The client's contact in Xero is known".to_owned(), None),
            Event::Unlinked { .. } => ("unlinked", "The client's contact in Xero is of no more use".to_owned(), None),
            Event::Rested { rest, .. } => ("rested", format!("Nothing can be posted: {}", rest.cause), None),
            Event::Awoke { .. } => ("awoke", "Posting goes on".to_owned(), None),
            Event::Paused { actor, .. } => ("paused", format!("{} paused it. {}", actor.by, actor.note), None),
            Event::Resumed { actor, .. } => ("resumed", format!("{} resumed it. {}", actor.by, actor.note), None),
            // The token is encrypted, and still nobody's business.
            Event::Swept { list, .. } => ("swept", format!("The list of {} was asked for", list.noun()), None),
            Event::Configured { rules, by, .. } => {
                let by = by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
                ("configured", format!("The configuration was read{by}; its rules are {rules}"), None)
            }
            Event::ExchangesRemoved { before, .. } => {
                ("expired", format!("What was said before {before} was removed by the age rule"), None)
            }
            Event::Compared { .. } => ("compared", "The lists of unposted records were compared".to_owned(), None),
            Event::CallbackKept { done, by, .. } => {
                let by = by.as_deref().map(|by| format!("{by} had it done: ")).unwrap_or_default();
                ("callback_kept", format!("{by}{done}"), None)
            }
            Event::BulkBegun { bulk } => {
                ("bulk_begun", format!("{}: {} {} records in bulk", bulk.run_by, bulk.action, bulk.records), None)
            }
            Event::BulkEnded { result, .. } => {
                ("bulk_ended", format!("In bulk: {} decided, {} refused", result.done, result.refused), None)
            }
            Event::TokenKept { by, .. } => {
                let by = by.as_deref().map(|by| format!("{by} connected it to Xero. ")).unwrap_or_default();
                ("token", format!("{by}A refresh token was stored"), None)
            }
        };
        Self { at: entry.at, event: event.to_owned(), sentence: sentence.trim_end().to_owned(), body }
    }
}

/// Why a record was looked at.
fn triggered(trigger: &Trigger) -> (&'static str, String) {
    match trigger {
        Trigger::Callback { action, member, message } => {
            let who = member.as_deref().map(|member| format!(" by {member}")).unwrap_or_default();
            let id = message.map(|id| format!(" (message {id})")).unwrap_or_default();
            ("callback", format!("ConnectWise reported it {action}{who}{id}"))
        }
        Trigger::Order { order } => ("order", format!("Its purchase order {order} was looked at")),
        Trigger::Entry { entry } => ("entry", format!("Its expense entry {entry} was looked at")),
        Trigger::Report { report } => ("report", format!("Its expense report {report} was looked at")),
        Trigger::Xero { category, action, at } => {
            let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
            ("webhook", format!("Xero reported {category} {action}{at}"))
        }
        Trigger::Swept { list } => ("sweep", format!("It was in the list of {}", list.noun())),
        Trigger::Compared { found, .. } => ("sweep", found.sentence().to_owned()),
        Trigger::Related { key } => ("related", format!("{key} was looked at, which leads to it")),
        Trigger::Listed => ("listed", "ConnectWise lists it as unposted".to_owned()),
        Trigger::Operator { name } => ("asked", format!("{name} asked for it, without a callback")),
    }
}

/// What was put into Xero last.
fn in_xero(posted: &Posted) -> String {
    match posted.journal.as_deref() {
        Some(CostJournal::Posted { kind, total, .. }) => {
            format!("The cost of goods of {} is in Xero as a {} of {total}", posted.number, kind.noun())
        }
        _ => format!("In Xero as {} {} of {}", posted.kind.noun(), posted.number, posted.xero_total),
    }
}

fn settled(settlement: &Settlement) -> (&'static str, String, Option<String>) {
    let sentence = match settlement {
        Settlement::Mark { posted, .. } => in_xero(posted),
        Settlement::Undone { part } => format!("Unposting: {}", part.told()),
        Settlement::Unposted => "Unposted: nothing of it is in Xero or in a batch of ConnectWise any more".to_owned(),
        Settlement::Done { batch: Some(batch), .. } => format!("In ConnectWise's batch {batch}"),
        Settlement::Done { batch: None, .. } => "Nothing more to do".to_owned(),
        Settlement::Skip { reason } => format!("Skipped, because {}", reason.sentence()),
        Settlement::FannedOut { purchases, unnamed } => {
            let names: Vec<&str> = purchases.iter().map(SourceId::as_str).collect();
            let but = unnamed.as_ref().map(|reason| format!(". Held: {}", reason.sentence)).unwrap_or_default();
            format!("It leads to records of their own: {}{but}", names.join(", "))
        }
        Settlement::HandedOver { report } => format!("It is posted with its expense report {report}"),
        Settlement::Paid { links, more, .. } => {
            let sum: Money = links.iter().map(|link| link.amount).sum();
            let more = if *more { "; there is more to do" } else { "" };
            match links.len() {
                1 => format!("A payment of {sum} is in both systems{more}"),
                count => format!("{count} payments of {sum} together are in both systems{more}"),
            }
        }
        Settlement::Hold { reason, .. } => format!("Held, {}: {}", reason.code.as_str(), reason.sentence),
        Settlement::Retry { due, cause, .. } => format!("Again at {}: {cause}", due.strftime("%H:%M:%S")),
    };
    let event = match settlement {
        Settlement::Mark { .. } => "posted",
        Settlement::Done { .. } => "marked",
        Settlement::Undone { .. } => "undone",
        Settlement::Unposted => "unposted",
        Settlement::Hold { .. } | Settlement::FannedOut { unnamed: Some(_), .. } => "held",
        Settlement::Skip { .. } | Settlement::FannedOut { .. } | Settlement::HandedOver { .. } => "skipped",
        Settlement::Paid { .. } => "paid",
        Settlement::Retry { .. } => "retry",
    };
    (event, sentence, None)
}
