//! A process that only stores, with segments of a few entries, so that it closes and compresses them all the time:
//! accepts, intents with bodies of many sizes, settlements. It says what is durable as soon as it is told so.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use readypost::clock::ManualClock;
use readypost::domain::delivery::{About, Intent, Posted, Purpose, Trigger};
use readypost::domain::draft::DocumentKind;
use readypost::domain::facts::ContentHash;
use readypost::domain::money::Money;
use readypost::domain::record::RecordKey;
use readypost::domain::settle::Settlement;
use readypost::store::{self, ArmRequest, Event, Options, Store, StoreError};
use uuid::Uuid;

use crate::Seeded;

/// What such a process does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// A longer segment is closed.
    pub(crate) segment_bytes: u64,
    /// Tasks that store side by side.
    pub(crate) tasks: u64,
    /// Records of each task; then it closes the store and ends.
    pub(crate) records: u64,
    /// The largest body of an intent.
    pub(crate) body_bytes_max: u64,
    /// It dies after it said so much; 0 = it does not.
    pub(crate) dies_after: u64,
    /// The hour it takes it to be, which tells when a gap was noticed.
    pub(crate) hour: u64,
}

/// How far a record is known to be durable: 1 accepted, 2 armed, 3 posted.
pub(crate) type Stages = BTreeMap<u64, u8>;

impl Work {
    /// The command line for it.
    pub(crate) fn arguments(self, folder: &Path) -> Vec<String> {
        let numbers = [self.segment_bytes, self.tasks, self.records, self.body_bytes_max, self.dies_after, self.hour];
        let words = ["child".to_owned(), folder.to_str().unwrap().to_owned()].into_iter();
        words.chain(numbers.map(|number| number.to_string())).collect()
    }

    /// From that command line.
    pub(crate) fn parse(arguments: &[String]) -> Self {
        let number = |at: usize| arguments[at].parse().unwrap();
        Self {
            segment_bytes: number(0),
            tasks: number(1),
            records: number(2),
            body_bytes_max: number(3),
            dies_after: number(4),
            hour: number(5),
        }
    }
}

pub(crate) fn key(id: u64) -> RecordKey {
    format!("acme/invoice/{id}").parse().unwrap()
}

/// When this hour begins.
pub(crate) fn hour(hour: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(i64::try_from(hour).unwrap())
}

/// Opens a store at an hour.
pub(crate) fn open(folder: &Path, segment_bytes: u64, at: u64) -> Result<Arc<dyn Store>, StoreError> {
    let options = Options { segment_bytes, ..Options::default() };
    store::open_with(folder, &ManualClock::new(hour(at)), options)
}

/// Stores until it is done or killed, or the store refuses: then it ends with exit code 3.
pub(crate) async fn run(folder: &Path, work: Work) -> i32 {
    let store = match open(folder, work.segment_bytes, work.hour) {
        Ok(store) => store,
        Err(error) => {
            say(&format!("refused {error}"));
            return 3;
        }
    };
    let first = store.overview().entries;
    let next = Arc::new(AtomicU64::new(first * 1_000));
    SAID.store(work.dies_after, Ordering::Relaxed);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..work.tasks {
        tasks.spawn(one(Arc::clone(&store), work, Arc::clone(&next), Seeded(first + task)));
    }
    let mut code = 0;
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done.unwrap() {
            say(&format!("refused {error}"));
            code = 3;
        }
    }
    store.close().await;
    code
}

/// Accepts a record.
pub(crate) async fn accept(store: &dyn Store, id: u64) -> Result<(), StoreError> {
    let message = Some(Uuid::from_u128(id.into()));
    let trigger = Trigger::Callback { message, action: "updated".to_owned(), member: None };
    store.accept(&key(id), trigger, at(id)).await.map(drop)
}

fn at(id: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(id % 1_000_000).unwrap())
}

async fn one(store: Arc<dyn Store>, work: Work, next: Arc<AtomicU64>, mut random: Seeded) -> Result<(), StoreError> {
    for _ in 0..work.records {
        let id = next.fetch_add(1, Ordering::Relaxed);
        accept(&*store, id).await?;
        say(&format!("stored {id} 1"));
        let Some(lease) = store.lease(at(999_999), Timestamp::MAX)? else { continue };
        let leased: u64 = lease.record.key.to_string().rsplit('/').next().unwrap().parse().unwrap();
        if lease.record.posted.is_some() {
            let done = Settlement::Done { batch: Some("B".to_owned()), warnings: Vec::new() };
            store.settle(lease, done, None, at(leased)).await?;
            continue;
        }
        let body = "b".repeat(usize::try_from(random.below(work.body_bytes_max)).unwrap());
        let request = ArmRequest { intent: intent(leased), about: about(leased), body };
        let lease = store.arm(lease, request, at(leased)).await?.into_lease();
        say(&format!("stored {leased} 2"));
        if random.below(4) > 0 {
            let settlement = Settlement::Mark { posted: posted(leased), content: None, warnings: Vec::new() };
            store.settle(lease, settlement, None, at(leased)).await?;
            say(&format!("stored {leased} 3"));
        }
    }
    Ok(())
}

/// How much it may say before it dies; 0 = without end.
static SAID: AtomicU64 = AtomicU64::new(0);

fn say(line: &str) {
    // One write, so that a line is whole or not there.
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    let left = SAID.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if left == Ok(1) {
        std::process::abort();
    }
}

/// What a line of its output says is durable.
pub(crate) fn note(line: &str, stages: &mut Stages) {
    let mut words = line.split(' ');
    if words.next() == Some("stored")
        && let (Some(id), Some(stage)) = (words.next(), words.next())
    {
        let stage: u8 = stage.trim().parse().unwrap();
        let known = stages.entry(id.parse().unwrap()).or_default();
        *known = stage.max(*known);
    }
}

/// How far a record is in the store; 0 = it is not there.
pub(crate) async fn stage(store: &dyn Store, id: u64) -> Result<u8, StoreError> {
    Ok(match store.record(&key(id)).await? {
        Some(record) if record.posted.is_some() => 3,
        Some(record) if record.intent.is_some() => 2,
        Some(_) => 1,
        None => 0,
    })
}

/// Those that are not in the store as far as they were said to be, with what is there instead.
pub(crate) async fn lost(store: &dyn Store, stages: &Stages) -> Vec<String> {
    let mut lost = Vec::new();
    for (id, stage) in stages {
        let found = match self::stage(store, *id).await {
            Ok(found) => found,
            Err(error) => {
                lost.push(format!("{id}: {error}"));
                continue;
            }
        };
        if found < *stage {
            lost.push(format!("{id}: {stage} was said, {found} is there"));
        }
    }
    // The last of them entry by entry.
    for (id, stage) in stages.iter().rev().take(20) {
        let history = store.history(&key(*id), 10).await.unwrap_or_default();
        let accepted = history.iter().any(|entry| matches!(entry.event, Event::Accepted { .. }));
        if !accepted || history.len() < usize::from(*stage) {
            lost.push(format!("{id}: {stage} was said, its history has {} entries", history.len()));
        }
    }
    lost
}

fn about(id: u64) -> About {
    About {
        company: Some("acme-au".parse().unwrap()),
        number: id.to_string(),
        client: "Blue Gum Dental".into(),
        total: Money::CENT,
        currency: "AUD".to_owned(),
        date: None,
        party: None,
    }
}

fn intent(id: u64) -> Intent {
    Intent {
        key: format!("k{id}"),
        body_hash: "h".to_owned(),
        company: "acme-au".parse().unwrap(),
        kind: DocumentKind::Invoice,
        number: id.to_string(),
        at: Timestamp::UNIX_EPOCH,
        resend: true,
        change: None,
        purpose: Purpose::Create,
    }
}

fn posted(id: u64) -> Posted {
    Posted {
        id: Uuid::from_u128(id.into()),
        company: "acme-au".parse().unwrap(),
        kind: DocumentKind::Invoice,
        number: id.to_string(),
        total: Money::CENT,
        xero_total: Money::CENT,
        at: Timestamp::UNIX_EPOCH,
        content: ContentHash("c".to_owned()),
        batch: None,
        journal: None,
        lines: None,
    }
}
