//! The queue: records that wait, by due time, in lanes that are worked on or not as a whole.
//!
//! A company that is paused, or has no calls left, may have any number of records waiting: they must not
//! be gone through each time that another company's record is looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

use crate::domain::delivery::{Record, State, Step};
use crate::domain::record::{CompanyId, ConnectionId, RecordKey, RecordKind};

/// Records for which the same reasons decide whether they can be worked on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// The ConnectWise system they come from.
    pub connection: ConnectionId,
    /// What sort of records they are.
    pub kind: RecordKind,
    /// The Xero organisation that took them when they were read last; none before.
    pub company: Option<CompanyId>,
    /// What is to be done about them. A record that is posted is looked at as one to be marked, whatever
    /// made it due: it needs no call to Xero, unless the journal of its cost is still to be made.
    pub step: Step,
}

impl Lane {
    /// The lane in which a record waits, if it does.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let State::Queued { step, .. } = &record.state else { return None };
        Some(Self {
            connection: record.key.connection.clone(),
            kind: record.key.kind,
            company: record.about.as_ref().and_then(|about| about.company.clone()),
            step: match (&record.undo, &record.posted) {
                (None, Some(posted)) => posted.step(),
                _ => *step,
            },
        })
    }

    /// The lane of a record that was accepted and not worked on yet.
    fn of_first(key: &RecordKey) -> Self {
        Self { connection: key.connection.clone(), kind: key.kind, company: None, step: Step::Post }
    }
}

/// When a record is due, and which.
pub(crate) type Due = (Timestamp, RecordKey);

/// All queued records.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: BTreeMap<Lane, BTreeSet<Due>>,
}

impl Queue {
    /// Adds a record, if it waits.
    pub(crate) fn insert(&mut self, record: &Record) {
        if let (Some(lane), Some(due)) = (Lane::of(record), due(record)) {
            self.lanes.entry(lane).or_default().insert(due);
        }
    }

    /// Adds a record that was accepted and not worked on yet.
    pub(crate) fn insert_first(&mut self, key: RecordKey, due: Timestamp) {
        self.lanes.entry(Lane::of_first(&key)).or_default().insert((due, key));
    }

    /// Takes out a record as it was added.
    pub(crate) fn remove(&mut self, record: &Record) {
        let (Some(lane), Some(due)) = (Lane::of(record), due(record)) else { return };
        if let Some(waiting) = self.lanes.get_mut(&lane) {
            waiting.remove(&due);
            if waiting.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }

    /// Each lane with when its first free record is due, the earliest first.
    pub(crate) fn waiting(&self, free: impl Fn(&RecordKey) -> bool) -> Vec<(Lane, Timestamp)> {
        let first = |waiting: &BTreeSet<Due>| waiting.iter().find(|(_, key)| free(key)).map(|(due, _)| *due);
        let lanes = self.lanes.iter().filter_map(|(lane, waiting)| Some((lane.clone(), first(waiting)?)));
        let mut lanes: Vec<(Lane, Timestamp)> = lanes.collect();
        lanes.sort_by_key(|(_, due)| *due);
        lanes
    }

    /// The free record of a lane that has been due longest.
    pub(crate) fn first(&self, lane: &Lane, now: Timestamp, free: impl Fn(&RecordKey) -> bool) -> Option<&RecordKey> {
        let waiting = self.lanes.get(lane)?.iter().take_while(|(due, _)| *due <= now);
        waiting.map(|(_, key)| key).find(|key| free(key))
    }

    /// When the record was due that has waited longest.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.lanes.values().filter_map(BTreeSet::first).map(|(due, _)| *due).min()
    }

    /// The next records behind a place, over all lanes.
    pub(crate) fn after(&self, place: &Bound<Due>, count: usize) -> Vec<Due> {
        let behind = |waiting: &BTreeSet<Due>| {
            waiting.range((place.clone(), Bound::Unbounded)).take(count).cloned().collect::<Vec<Due>>()
        };
        let mut next: Vec<Due> = self.lanes.values().flat_map(behind).collect();
        next.sort();
        next.truncate(count);
        next
    }
}

fn due(record: &Record) -> Option<Due> {
    match &record.state {
        State::Queued { due, .. } => Some((*due, record.key.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::{About, Trigger, accept};
    use crate::domain::money::Money;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn waiting(id: u32, company: Option<&str>, due: i64) -> Record {
        let key = format!("acme/invoice/{id}").parse().unwrap();
        let record = accept(None, &key, &Trigger::Operator { name: "o".to_owned() }, 1, at(due)).0;
        let about = company.map(|company| About {
            company: Some(company.parse().unwrap()),
            number: id.to_string(),
            client: "Blue Gum Dental".into(),
            total: Money::CENT,
            currency: String::new(),
            date: None,
            party: None,
        });
        Record { about, ..record }
    }

    #[test]
    fn records_wait_in_the_lane_of_their_company_and_are_listed_over_all() {
        let records =
            [waiting(1, Some("au"), 10), waiting(2, Some("nz"), 5), waiting(3, Some("au"), 7), waiting(4, None, 8)];
        let mut queue = Queue::default();
        for record in &records {
            queue.insert(record);
        }
        let lanes = |queue: &Queue, leased: &str| {
            let lanes = queue.waiting(|key| key.source.as_str() != leased);
            lanes
                .iter()
                .map(|(lane, due)| {
                    (lane.company.as_ref().map(ToString::to_string).unwrap_or_default(), due.as_second())
                })
                .collect::<Vec<_>>()
        };
        let expected =
            |rows: &[(&str, i64)]| rows.iter().map(|(company, due)| ((*company).to_owned(), *due)).collect::<Vec<_>>();
        assert_eq!(lanes(&queue, ""), expected(&[("nz", 5), ("au", 7), ("", 8)]));
        assert_eq!(lanes(&queue, "3"), expected(&[("nz", 5), ("", 8), ("au", 10)]));
        let au = Lane::of(&records[0]).unwrap();
        let first = |now| queue.first(&au, at(now), |_| true).map(|key| key.source.as_str().to_owned());
        assert_eq!((first(6), first(7)), (None, Some("3".to_owned())));
        assert_eq!(queue.oldest(), Some(at(5)));
        let ids = |place: Bound<Due>, count| {
            queue.after(&place, count).iter().map(|(_, key)| key.source.as_str().to_owned()).collect::<String>()
        };
        assert_eq!(ids(Bound::Unbounded, 9), "2341");
        assert_eq!(ids(Bound::Excluded((at(7), records[2].key.clone())), 1), "4");
        for record in &records {
            queue.remove(record);
        }
        assert!(queue.lanes.is_empty());
    }
}
