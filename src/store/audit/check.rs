//! What is checked of each entry, wherever it was read from, and what comes of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::text::hex;
use crate::store::event::{Entry, Event, Exchanged};
use crate::store::journal::{Audit, Damage, Link};
use crate::store::{Head, exchanges};

/// The most findings that are listed; further ones are counted.
const FINDINGS_MAX: usize = 200;
/// Entries of one file of exchanges that are named one by one.
const TOLD_MAX: usize = 100;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The entry that it is at or behind.
    pub entry: u64,
    /// The segment of the journal; none of an export, or when it is not about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// Where in the segment, in bytes before it is compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What was found, and what it means.
    pub sentence: String,
}

/// What became of the exchanges that entries name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exchanges {
    /// There, and as they were written.
    pub whole: u64,
    /// Removed by the age rule, as the history says.
    pub removed: u64,
    /// Not in this file, because other entries were chosen.
    pub left_out: u64,
}

/// What a look at a history came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The last entry.
    pub head: Head,
    /// Entries that are there.
    pub entries: u64,
    /// Of these, entries of which there is only a hash.
    pub hashes_only: u64,
    /// When the first one was made.
    pub first: Option<Timestamp>,
    /// When the last one was made.
    pub last: Option<Timestamp>,
    /// The exchanges.
    pub exchanges: Exchanges,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub more_findings: u64,
    /// What an auditor should know, and is not wrong by itself: such as a gap that a start noted.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Where the texts of exchanges are.
pub(super) enum Texts {
    /// In the files of a store.
    Folder(PathBuf),
    /// In the line of the entry, or not.
    Given(Option<String>),
}

/// Exchanges of one file that are not what an entry says, until it is known whether the age rule took the file.
#[derive(Debug, Default)]
struct Missing {
    /// The first entries, with the cause of each.
    told: Vec<(u64, u32, String)>,
    /// Further entries.
    more: u64,
    /// How many exchanges they are, all together.
    count: u64,
    /// The time of the newest entry.
    newest: Timestamp,
}

/// Takes entries in their order.
pub(super) struct Checker {
    noted: Vec<Head>,
    reached: Vec<u64>,
    last: Link,
    /// Where the sequence jumps: the entry before, and the one behind.
    jumps: BTreeMap<u64, u64>,
    /// By file.
    missing: BTreeMap<u32, Missing>,
    /// By file, the time before which everything in it is.
    removed: BTreeMap<u32, Timestamp>,
    verdict: Verdict,
}

impl Checker {
    pub(super) fn new(noted: &[Head]) -> Self {
        Self {
            noted: noted.to_vec(),
            reached: Vec::new(),
            last: Link::START,
            jumps: BTreeMap::new(),
            missing: BTreeMap::new(),
            removed: BTreeMap::new(),
            verdict: Verdict {
                head: Head::START,
                entries: 0,
                hashes_only: 0,
                first: None,
                last: None,
                exchanges: Exchanges::default(),
                findings: Vec::new(),
                more_findings: 0,
                notes: Vec::new(),
            },
        }
    }

    pub(super) fn find(&mut self, finding: Finding) {
        if self.verdict.findings.len() < FINDINGS_MAX {
            self.verdict.findings.push(finding);
        } else {
            self.verdict.more_findings = self.verdict.more_findings.saturating_add(1);
        }
    }

    pub(super) fn found(&mut self, entry: u64, sentence: String) {
        self.find(Finding { entry, segment: None, offset: None, sentence });
    }

    pub(super) fn last(&self) -> Link {
        self.last
    }

    /// An entry of which there is only the hash.
    pub(super) fn hash_only(&mut self, link: Link) {
        self.verdict.hashes_only = self.verdict.hashes_only.saturating_add(1);
        self.link(link);
    }

    fn link(&mut self, link: Link) {
        if link.sequence != self.last.sequence.saturating_add(1) {
            self.jumps.insert(self.last.sequence, link.sequence);
        }
        for noted in self.noted.clone().into_iter().filter(|noted| noted.sequence == link.sequence) {
            self.reached.push(link.sequence);
            if noted.hash != link.hash {
                let sentence = format!(
                    "entry {} has the hash {}, but {} was noted: the history up to here was written anew",
                    link.sequence,
                    hex(&link.hash),
                    hex(&noted.hash)
                );
                self.found(link.sequence, sentence);
            }
        }
        self.last = link;
        self.verdict.entries = self.verdict.entries.saturating_add(1);
        self.verdict.head = link.into();
    }

    /// An entry that is tied to the chain as `link` says.
    pub(super) fn entry(&mut self, link: Link, payload: &[u8], texts: &Texts) {
        self.link(link);
        let sequence = link.sequence;
        let entry = match serde_json::from_slice::<Entry>(payload) {
            Ok(entry) => entry,
            Err(error) => {
                let sentence = format!(
                    "entry {sequence} cannot be read: {error}. A newer version of readypost may have written it; verify with that one."
                );
                return self.found(sequence, sentence);
            }
        };
        self.verdict.first = self.verdict.first.or(Some(entry.at));
        self.verdict.last = Some(entry.at);
        match &entry.event {
            Event::Gap { after, found } => {
                self.verdict.notes.push(format!("Entry {sequence}, {}: a gap behind entry {after}: {found}", entry.at));
            }
            Event::ExchangesRemoved { files, before } => {
                self.removed.extend(files.iter().map(|file| (*file, *before)));
            }
            _ => {}
        }
        if let Some(place) = entry.event.exchanged() {
            self.exchanges(sequence, entry.at, place, texts);
        }
    }

    fn exchanges(&mut self, entry: u64, at: Timestamp, place: &Exchanged, texts: &Texts) {
        let outcome = match texts {
            Texts::Folder(folder) => exchanges::text(folder, place).map(drop),
            Texts::Given(Some(text)) => exchanges::is_what(text.as_bytes(), place),
            Texts::Given(None) => Err("they are not in the file".to_owned()),
        };
        match outcome {
            Ok(()) => {
                let whole = &mut self.verdict.exchanges.whole;
                *whole = whole.saturating_add(place.count.into());
            }
            Err(cause) => {
                let missing = self.missing.entry(place.file).or_default();
                missing.count = missing.count.saturating_add(place.count.into());
                missing.newest = missing.newest.max(at);
                if missing.told.len() < TOLD_MAX {
                    missing.told.push((entry, place.count, cause));
                } else {
                    missing.more = missing.more.saturating_add(1);
                }
            }
        }
    }

    /// What the journal's files have besides entries that continue each other.
    pub(super) fn damaged(&mut self, audit: &Audit) {
        for damage in &audit.damage {
            let sentence = self.told(damage);
            let (segment, offset) = (Some(damage.position.segment), Some(damage.position.offset));
            self.find(Finding { entry: damage.after, segment, offset, sentence });
        }
        let gone = (1..).zip(&audit.segments).find(|(expected, there)| expected != *there);
        if let Some((expected, _)) = gone {
            let sentence = format!("segment {expected} of the journal is not there: with it, its entries were removed");
            self.find(Finding { entry: 0, segment: Some(expected), offset: None, sentence });
        }
    }

    fn told(&self, damage: &Damage) -> String {
        let Damage { after, bytes, .. } = damage;
        let next = after.saturating_add(1);
        let begin = match bytes {
            0 => format!("the entry behind entry {after} does not continue the chain"),
            bytes => format!("{bytes} bytes behind entry {after} are no entry that continues the chain"),
        };
        let meaning = match self.jumps.get(after) {
            Some(to) if to.saturating_sub(next) == 1 => format!("entry {next} was changed, removed or moved"),
            Some(to) => format!("entries {next} to {} were changed, removed or moved", to.saturating_sub(1)),
            None if self.last.sequence > *after && *bytes > 0 => "something was added, or a file is damaged".to_owned(),
            None if self.last.sequence > *after => format!("entry {after} was changed"),
            None => "the last entries were changed, or a power cut tore a write that nobody was answered for; \
                     the next start cuts it off and says so"
                .to_owned(),
        };
        format!("{begin}: {meaning}")
    }

    pub(super) fn finish(mut self) -> Verdict {
        for (file, missing) in std::mem::take(&mut self.missing) {
            let Missing { told, more, count, newest } = missing;
            if self.removed.get(&file).is_some_and(|before| newest < *before) {
                let removed = &mut self.verdict.exchanges.removed;
                *removed = removed.saturating_add(count);
                continue;
            }
            let last = told.last().map_or(0, |(entry, ..)| *entry);
            for (entry, count, cause) in told {
                self.found(entry, format!("the {count} exchanges of entry {entry} are gone or changed: {cause}"));
            }
            if more > 0 {
                let sentence = format!("so are those of {more} later entries, which file {file} of the exchanges had");
                self.found(last, sentence);
            }
        }
        for noted in self.noted.clone().into_iter().filter(|noted| noted.sequence > 0) {
            if !self.reached.contains(&noted.sequence) {
                let (last, sequence) = (self.last.sequence, noted.sequence);
                let sentence = if sequence > last {
                    format!("the history ends with entry {last}, but entry {sequence} was noted: its end was cut off")
                } else {
                    format!("entry {sequence}, which was noted, is not there")
                };
                self.found(last, sentence);
            }
        }
        self.verdict
    }

    pub(super) fn left_out(&mut self, count: u64) {
        let left_out = &mut self.verdict.exchanges.left_out;
        *left_out = left_out.saturating_add(count);
    }

    pub(super) fn note(&mut self, note: String) {
        self.verdict.notes.push(note);
    }
}
