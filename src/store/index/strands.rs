//! By what settled records are listed: keys without values, each strand of them newest first.
//!
//! A strand is all keys that begin with a tag, a state and a name, such as all held records of one reason. A list is
//! the merge of those strands that can hold what is asked for, so it costs as much as it shows, not as much as there is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Bound;

use jiff::Timestamp;

use super::{Index, IndexError, guarded, state_byte, text_key, unreadable};
use crate::domain::delivery::{Record, State, StateName};
use crate::domain::issue::IssueId;
use crate::domain::record::RecordKey;

/// Ends the name of a strand; no text has this byte.
const END: u8 = 0xFF;
/// Characters of a name that a strand is called by.
const NAME_CHARS: usize = 100;
/// Strands that are merged; where more could hold what is asked for, it is not rare, and all records are looked at.
const STRANDS_MAX: usize = 500;
/// Names that are looked at for a text.
const NAMES_MAX: usize = 20_000;

/// By what a list is asked for, besides the state.
#[derive(Clone, Debug)]
pub(crate) enum By<'filter> {
    /// A company and a kind, each if it is asked for.
    Place(Option<&'filter str>, Option<&'filter str>),
    /// An issue.
    Issue(&'filter IssueId),
    /// The code of a hold or a skip.
    Reason(&'filter str),
    /// The code of a warning that nobody has acknowledged, or `any`.
    Warning(&'filter str),
    /// The beginning of a number or a packing slip, part of a client's name, or a key or its last part.
    Text(&'filter str),
}

/// What holds the records that a list may show.
#[derive(Debug)]
pub(crate) struct Strands {
    prefixes: Vec<Vec<u8>>,
    /// Single ones, ordered as a strand is.
    single: Vec<Vec<u8>>,
}

/// Records that are listed together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// How many.
    pub(crate) count: usize,
    /// The one that changed last.
    pub(crate) newest: RecordKey,
    /// When the one changed that has not changed for longest.
    pub(crate) since: Timestamp,
}

/// The keys under which a record is listed; none while it waits, for then the memory lists it.
pub(super) fn keys(record: &Record) -> Vec<Vec<u8>> {
    let state = record.state.name();
    if state == StateName::Queued {
        return Vec::new();
    }
    let (about, place) = (record.about.as_ref(), place(record.changed, &record.key));
    let company = about.and_then(|about| about.company.as_ref()).map(ToString::to_string).unwrap_or_default();
    let mut strands = vec![strand(b's', state, &format!("{company}/{}", record.key.kind.as_str()))];
    if let Some(about) = about {
        strands.push(strand(b'p', state, &about.client.as_str().to_lowercase()));
        strands.push(strand(b'n', state, &about.number.to_lowercase()));
    }
    strands.extend(record.key.packing_slip().map(|slip| strand(b'n', state, &slip.to_lowercase())));
    match &record.state {
        State::Held { reason } => {
            strands.push(strand(b'g', state, reason.code.as_str()));
            strands.extend(IssueId::of(record).map(|issue| strand(b'i', state, issue.as_str())));
        }
        State::Skipped { reason } => strands.push(strand(b'g', state, reason.as_str())),
        State::Done | State::Queued { .. } => {}
    }
    let open = record.warnings.iter().filter(|open| open.acknowledged.is_none());
    let codes: Vec<Vec<u8>> = open.map(|open| strand(b'w', state, open.warning.code.as_str())).collect();
    if !codes.is_empty() {
        strands.push(strand(b'w', state, "any"));
    }
    strands.extend(codes);
    strands.sort();
    strands.dedup();
    strands.into_iter().map(|strand| [strand, place.clone()].concat()).collect()
}

impl Index {
    /// The strands that can hold settled records of a state.
    pub(crate) fn strands(&self, state: StateName, by: &By<'_>) -> Result<Strands, IndexError> {
        guarded(|| {
            let prefixes = match by {
                By::Issue(issue) => vec![strand(b'i', state, issue.as_str())],
                By::Reason(code) => vec![strand(b'g', state, code)],
                By::Warning(code) => vec![strand(b'w', state, code)],
                By::Place(company, kind) => self.of_place(state, *company, *kind)?,
                By::Text(text) => return self.of_text(state, text),
            };
            Ok(Strands { prefixes, single: Vec::new() })
        })
    }

    /// The issues, at most [`STRANDS_MAX`], and whether those are all.
    pub(crate) fn issues(&self) -> Result<(Vec<Group>, bool), IndexError> {
        guarded(|| {
            let of = [b'i', state_byte(StateName::Held)];
            let (strands, complete) = self.named(of, "", &|_| true, STRANDS_MAX)?;
            let mut groups = Vec::new();
            for strand in strands {
                let mut keys = self.db.scan_prefix(&strand).keys();
                let Some(newest) = keys.next().transpose()? else { continue };
                let (mut count, mut oldest) = (1_usize, newest.clone());
                for key in keys {
                    (count, oldest) = (count.saturating_add(1), key?);
                }
                let at = |key: &[u8]| placed(key.strip_prefix(strand.as_slice()).unwrap_or_default());
                let ((_, newest), (since, _)) = (at(&newest)?, at(&oldest)?);
                groups.push(Group { count, newest, since });
            }
            Ok((groups, complete))
        })
    }

    fn of_place(
        &self,
        state: StateName,
        company: Option<&str>,
        kind: Option<&str>,
    ) -> Result<Vec<Vec<u8>>, IndexError> {
        let wanted = |name: &str| {
            let (of_company, of_kind) = name.split_once('/').unwrap_or((name, ""));
            company.is_none_or(|company| company == of_company) && kind.is_none_or(|kind| kind == of_kind)
        };
        // Companies and kinds are few.
        Ok(self.named([b's', state_byte(state)], "", &wanted, usize::MAX)?.0)
    }

    fn of_text(&self, state: StateName, text: &str) -> Result<Strands, IndexError> {
        let singles = self.of_source(text)?;
        let text = text.to_lowercase();
        let start: String = text.chars().take(NAME_CHARS).collect();
        let numbers = self.named([b'n', state_byte(state)], &start, &|name| name.starts_with(&start), STRANDS_MAX)?;
        let clients = self.named([b'p', state_byte(state)], "", &|name| name.contains(&text), STRANDS_MAX)?;
        let ((numbers, true), (clients, true)) = (numbers, clients) else {
            return Ok(Strands { prefixes: self.of_place(state, None, None)?, single: Vec::new() });
        };
        let mut single = Vec::new();
        for key in singles {
            if let Some(row) = self.row(&key)?.filter(|row| row.record.state.name() == state) {
                single.push(place(row.record.changed, &key));
            }
        }
        single.sort();
        Ok(Strands { prefixes: [numbers, clients].concat(), single })
    }

    /// The records whose key, or its last part, reads so, whatever the connection and the kind.
    fn of_source(&self, text: &str) -> Result<Vec<RecordKey>, IndexError> {
        let mut found = Vec::new();
        let mut start = b"r".to_vec();
        while let Some((key, _)) = self.db.range(start.clone()..).next().transpose()? {
            let Some(mut parts) = key.strip_prefix(b"r").map(|key| key.split(|byte| *byte == b'/')) else { break };
            let (Some(connection), Some(kind)) = (parts.next(), parts.next()) else { return Err(unreadable()) };
            let group = [connection, b"/", kind, b"/"].concat();
            for asked in [[group.as_slice(), text.as_bytes()].concat(), text.as_bytes().to_vec()] {
                if asked.starts_with(&group) && self.db.contains_key([b"r", asked.as_slice()].concat())? {
                    found.push(text_key(&asked)?);
                }
            }
            start = [b"r", group.as_slice(), &[END]].concat();
        }
        Ok(found)
    }

    /// The strands of a tag and a state whose names begin with `start` and are wanted, and whether those are all.
    fn named(
        &self,
        of: [u8; 2],
        start: &str,
        wanted: &dyn Fn(&str) -> bool,
        most: usize,
    ) -> Result<(Vec<Vec<u8>>, bool), IndexError> {
        let begin = [&of, start.as_bytes()].concat();
        let (mut from, mut found) = (begin.clone(), Vec::new());
        for _ in 0..NAMES_MAX {
            let next = self.db.range(from.clone()..).next().transpose()?;
            let Some((key, _)) = next.filter(|(key, _)| key.starts_with(&begin)) else { return Ok((found, true)) };
            let end = key.iter().position(|byte| *byte == END).ok_or_else(unreadable)?;
            let name = key.get(2..end).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(unreadable)?;
            if wanted(name) {
                if found.len() >= most {
                    return Ok((found, false));
                }
                found.push(key.get(..=end).ok_or_else(unreadable)?.to_vec());
            }
            // Behind all keys of this name: a place begins with a byte that is less than END.
            from = [key.get(..=end).ok_or_else(unreadable)?, &[END]].concat();
        }
        Ok((found, false))
    }

    /// Up to `limit` keys out of strands with their times, newest first, starting behind `after`.
    pub(crate) fn merged(
        &self,
        strands: &Strands,
        after: Option<(Timestamp, &RecordKey)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RecordKey)>, IndexError> {
        let behind = after.map(|(at, key)| place(at, key));
        guarded(|| {
            let mut merge = Merge::default();
            for prefix in &strands.prefixes {
                let start = match &behind {
                    None => Bound::Included(prefix.clone()),
                    Some(place) => Bound::Excluded([prefix.as_slice(), place].concat()),
                };
                let keys = self.db.range::<Vec<u8>, _>((start, Bound::Unbounded));
                let ours = prefix.clone();
                merge.add(Box::new(keys.map_while(move |item| match item {
                    Ok((key, _)) => key.strip_prefix(ours.as_slice()).map(|place| Ok(place.to_vec())),
                    Err(error) => Some(Err(error)),
                })))?;
            }
            let single = strands.single.iter().filter(|place| behind.as_ref().is_none_or(|behind| *place > behind));
            merge.add(Box::new(single.cloned().map(Ok).collect::<Vec<_>>().into_iter()))?;
            let mut found = Vec::new();
            while let Some(place) = merge.next()?.filter(|_| found.len() < limit) {
                found.push(placed(&place)?);
            }
            Ok(found)
        })
    }
}

type Places = Box<dyn Iterator<Item = Result<Vec<u8>, sled::Error>>>;

/// Several strands as one, each place once.
#[derive(Default)]
struct Merge {
    strands: Vec<Places>,
    /// The next place of each strand.
    next: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
}

impl Merge {
    fn add(&mut self, mut strand: Places) -> Result<(), IndexError> {
        if let Some(first) = strand.next().transpose()? {
            self.next.push(Reverse((first, self.strands.len())));
            self.strands.push(strand);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, IndexError> {
        let Some(place) = self.next.peek().map(|Reverse((place, _))| place.clone()) else { return Ok(None) };
        while let Some(mut top) = self.next.peek_mut().filter(|top| top.0.0 == place) {
            let strand = self.strands.get_mut(top.0.1);
            match strand.and_then(Iterator::next).transpose()? {
                Some(behind) => top.0.0 = behind,
                None => drop(PeekMut::pop(top)),
            }
        }
        Ok(Some(place))
    }
}

fn strand(tag: u8, state: StateName, name: &str) -> Vec<u8> {
    let name: String = name.chars().take(NAME_CHARS).collect();
    [&[tag, state_byte(state)], name.as_bytes(), &[END]].concat()
}

/// Where a record is in its strands: newest first, and of one instant by the key.
fn place(changed: Timestamp, key: &RecordKey) -> Vec<u8> {
    // Complemented, so that the newest comes first.
    let newest_first = !u64::try_from(changed.as_microsecond()).unwrap_or(0);
    // Of the years from 1970 on the highest bit is set; without it a place never begins with END.
    let newest_first = newest_first & (u64::MAX >> 1);
    [&newest_first.to_be_bytes(), key.to_string().as_bytes()].concat()
}

/// Time and record of a place; the time is as exact as the place is.
fn placed(place: &[u8]) -> Result<(Timestamp, RecordKey), IndexError> {
    let (newest_first, key) = place.split_first_chunk::<8>().ok_or_else(unreadable)?;
    let micros = !u64::from_be_bytes(*newest_first) & (u64::MAX >> 1);
    let at = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    Ok((at.ok_or_else(unreadable)?, text_key(key)?))
}
