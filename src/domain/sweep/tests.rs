//! Every state of a record against every row: what is looked at, why, and that it comes to an end.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::delivery::{Accepted, Trigger, accept, settle};
use crate::domain::hold::HoldReason;
use crate::domain::settle::{IntentFate, Settlement};
use crate::domain::warning::Warning;

fn at(minutes: i64) -> Timestamp {
    "2026-11-30T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn key(kind: RecordKind) -> RecordKey {
    RecordKey { connection: "acme".parse().unwrap(), kind, source: 7.into() }
}

/// Closed at this minute exactly.
fn row(kind: RecordKind, closed: i64) -> Row {
    let closing = Closing { text: at(closed).to_string(), earliest: Some(at(closed)), latest: Some(at(closed)) };
    Row { key: key(kind), number: "7".to_owned(), closing, posts: true }
}

/// Closed somewhere between.
fn vague(earliest: i64, latest: i64) -> Row {
    let closing = Closing { text: "2026-11-30".to_owned(), earliest: Some(at(earliest)), latest: Some(at(latest)) };
    Row { closing, ..row(RecordKind::Invoice, 0) }
}

fn asked(minutes: i64, since: i64) -> Asked {
    Asked { at: at(minutes), listed_since: at(since), from: None, born: Timestamp::MIN, looked: None }
}

/// A record that a step ended for at this minute.
fn record(settlement: Settlement, minutes: i64) -> Record {
    let trigger = Trigger::Callback { message: None, action: "updated".to_owned(), member: None };
    let (record, _) = accept(None, &key(RecordKind::Invoice), &trigger, 1, at(minutes));
    settle(record, settlement, None, 1, at(minutes))
}

fn done() -> Settlement {
    Settlement::Done { batch: None, warnings: Vec::new() }
}

fn hold(code: HoldCode) -> Settlement {
    let reason = HoldReason::new(code, "…");
    Settlement::Hold { reason, posted: None, intent: IntentFate::Clear, warnings: Vec::new() }
}

fn skip(reason: SkipReason) -> Settlement {
    Settlement::Skip { reason }
}

#[test]
fn what_nobody_told_of_is_missed_after_its_grace() {
    let invoice = |closed| row(RecordKind::Invoice, closed);
    for (row, asked, found) in [
        (invoice(0), asked(9, 0), None),
        (invoice(0), asked(10, 0), Some(Found::Missed)),
        // The service was down when it was closed.
        (invoice(-600), asked(0, 0), Some(Found::Missed)),
        // A day is over only when it is over everywhere, but a row that was listed for so long counts, too.
        (vague(-600, 600), asked(9, 0), None),
        (vague(-600, 600), asked(10, 0), Some(Found::Missed)),
        (vague(-6000, -600), asked(0, 0), Some(Found::Missed)),
        (Row { closing: Closing::default(), ..invoice(0) }, asked(9, 0), None),
        (Row { closing: Closing::default(), ..invoice(0) }, asked(10, 0), Some(Found::Missed)),
        (row(RecordKind::Expense, 0), asked(10, 0), Some(Found::Missed)),
        (row(RecordKind::Adjustment, 0), asked(0, 0), Some(Found::New)),
        (row(RecordKind::Transfer, 0), asked(0, 0), Some(Found::New)),
    ] {
        assert_eq!(compare(None, &row, asked), found, "{row:?} {asked:?}");
        assert_eq!(compare_purchase(None, &row, asked), found, "{row:?} {asked:?}");
    }
}

#[test]
fn what_a_batch_left_is_looked_at_again_once_it_is_marked_or_seen() {
    use crate::domain::delivery::{Actor, Decision, Posted, resolve};
    use crate::domain::draft::DocumentKind;
    use crate::domain::facts::ContentHash;
    use crate::domain::money::Money;
    let posted = Posted {
        id: uuid::Uuid::from_u128(1),
        company: "acme-au".parse().unwrap(),
        kind: DocumentKind::Invoice,
        number: "7".to_owned(),
        total: Money::CENT,
        xero_total: Money::CENT,
        at: at(0),
        content: ContentHash("c".to_owned()),
        lines: None,
        batch: None,
        journal: None,
    };
    let marked = |batch: &str, warnings: Vec<Warning>| Settlement::Done { batch: Some(batch.to_owned()), warnings };
    let record = record(Settlement::Mark { posted, content: None, warnings: Vec::new() }, 0);
    let left = vec![Warning::new(WarningCode::LeftUnposted, "…")];
    let half = settle(record, marked("RP-I-7-1", left), None, 1, at(1));
    let listed = (row(RecordKind::Invoice, -10), asked(60, 0));
    assert_eq!(compare(Some(&half), &listed.0, listed.1), None, "ConnectWise did not take it");
    let whole = settle(half.clone(), marked("RP-I-7-1-2", Vec::new()), None, 2, at(2));
    assert!(whole.warnings.is_empty());
    assert_eq!(compare(Some(&whole), &listed.0, listed.1), Some(Found::Back));
    let actor = Actor { by: "desk".to_owned(), note: "seen".into(), bulk: None };
    let seen = resolve(half, &Decision::Acknowledge, &actor, 3, at(3)).unwrap();
    assert_eq!(compare(Some(&seen), &listed.0, listed.1), Some(Found::Back));
}

#[test]
fn a_known_record_is_looked_at_where_the_list_says_something_new() {
    let left = Settlement::Done { batch: None, warnings: vec![Warning::new(WarningCode::LeftUnposted, "…")] };
    let later = asked(60, 0);
    for (settlement, closed, found) in [
        (done(), -10, Some(Found::Back)),
        (left, -10, None),
        (skip(SkipReason::BatchedElsewhere), -10, Some(Found::Back)),
        (skip(SkipReason::PostedBefore), -10, Some(Found::Back)),
        (skip(SkipReason::Deleted), -10, Some(Found::Back)),
        (skip(SkipReason::StatusOpen), 5, Some(Found::Missed)),
        (skip(SkipReason::StatusOpen), 55, None),
        (skip(SkipReason::NothingUnposted), 5, Some(Found::Missed)),
        (skip(SkipReason::StatusNotWanted), -10, None),
        (skip(SkipReason::StatusNotWanted), 5, Some(Found::ClosedAgain)),
        (skip(SkipReason::BeforeStartDate), -10, None),
        (skip(SkipReason::ZeroTotal), 5, Some(Found::ClosedAgain)),
        (skip(SkipReason::Operator), 5, None),
        (hold(HoldCode::NoGlAccount), -10, None),
        (hold(HoldCode::NoGlAccount), 5, Some(Found::ClosedAgain)),
        (hold(HoldCode::Operator), 5, None),
    ] {
        let record = record(settlement, 0);
        let row = row(RecordKind::Invoice, closed);
        assert_eq!(compare(Some(&record), &row, later), found, "{:?} closed at {closed}", record.state);
        // What changed after the list was asked for is newer than the list.
        assert_eq!(compare(Some(&record), &row, asked(-1, -60)), None);
    }
    let by_rule = record(skip(SkipReason::ByRule), 0);
    let transfer = |posts| Row { posts, ..row(RecordKind::Transfer, -10) };
    assert_eq!(compare(Some(&by_rule), &transfer(false), later), None);
    assert_eq!(compare(Some(&by_rule), &transfer(true), later), Some(Found::ClosedAgain));
}

#[test]
fn a_purchase_that_came_later_under_a_known_order_is_missed() {
    let order = record(Settlement::FannedOut { purchases: vec![8.into()], unnamed: None }, 0);
    let row = row(RecordKind::PurchaseOrder, 0);
    assert_eq!(compare_purchase(Some(&order), &row, asked(60, 55)), Some(Found::Missed));
    assert_eq!(compare_purchase(Some(&order), &row, asked(9, 5)), None);
    // What does not post by its status is not looked at each time.
    let unwanted = record(skip(SkipReason::StatusNotWanted), 5);
    assert_eq!(compare_purchase(Some(&unwanted), &row, asked(60, 0)), None);
}

#[test]
fn a_hold_that_left_the_list_is_looked_at_once() {
    let held = record(hold(HoldCode::NoGlAccount), 0);
    assert!(!is_gone(&held, at(9)) && is_gone(&held, at(10)));
    assert!(!is_gone(&record(hold(HoldCode::Operator), 0), at(60)));
    assert!(!is_gone(&record(done(), 0), at(60)));
    let trigger = Trigger::Compared { found: Found::Gone, seen: UNLISTED.to_owned() };
    let (record, accepted) = accept(Some(held), &key(RecordKind::Invoice), &trigger, 5, at(60));
    assert_eq!(accepted, Accepted::Queued);
    let held = settle(record, hold(HoldCode::NoGlAccount), None, 5, at(61));
    assert!(!is_gone(&held, at(600)));
    // A callback makes it another record, so to speak.
    let callback = Trigger::Callback { message: None, action: "updated".to_owned(), member: None };
    let (record, _) = accept(Some(held), &key(RecordKind::Invoice), &callback, 6, at(601));
    let held = settle(record, hold(HoldCode::NoGlAccount), None, 6, at(602));
    assert!(is_gone(&held, at(700)));
}

#[test]
fn misses_are_counted_by_day_and_forgotten() {
    let mut standing = SweepStanding::default();
    let day = |days: i64| at(days * 24 * 60);
    for days in [0, 0, 3, 8] {
        standing.miss(day(days));
    }
    assert_eq!((standing.misses_of_week(day(8)), standing.misses_of_week(day(3))), (2, 4));
    assert_eq!(standing.misses_per_week_tenths(day(0), day(0)), 40);
    assert_eq!(standing.misses_per_week_tenths(day(0), day(13)), 20);
    assert_eq!(standing.misses_per_week_tenths(day(-400), day(8)), 5);
    let text = serde_json::to_string(&standing).unwrap();
    assert_eq!(serde_json::from_str::<SweepStanding>(&text).unwrap(), standing, "{text}");
    standing.miss(day(100));
    assert_eq!(standing.misses.len(), 1);
    assert_eq!(serde_json::from_str::<SweepStanding>("{}").unwrap(), SweepStanding::default());
}

#[test]
fn a_result_is_read_as_it_was_written() {
    let mut result = SweepResult::begun(Some("finance-desk".to_owned()), at(0));
    result.listed.insert(RecordKind::Invoice, 3);
    result.found.insert(Found::Missed, 1);
    result.missed.push(key(RecordKind::Invoice));
    result.callbacks_good = Some(true);
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<SweepResult>(&text).unwrap(), result, "{text}");
    for found in Found::ALL {
        assert_eq!(serde_json::to_value(found).unwrap(), found.as_str());
    }
}

fn settlements() -> impl Strategy<Value = Settlement> {
    let holds = select(HoldCode::ALL.to_vec()).prop_map(hold);
    prop_oneof![Just(done()), holds, select(SkipReason::ALL.to_vec()).prop_map(skip)]
}

proptest! {
    /// Whatever a look comes to, the sweep does not look at the same row again and again; and never at what an operator has decided.
    #[test]
    fn looking_comes_to_an_end(
        settlement in settlements(),
        kind in select(RecordKind::ALL.to_vec()),
        (earliest, span) in (-3_000_i64..3_000, 0_i64..3_000),
        since in -100_i64..100,
    ) {
        let row = Row { key: key(kind), ..vague(earliest, earliest.saturating_add(span)) };
        let mut known = Some(record(settlement.clone(), 0));
        let mut looks = 0;
        for sweep in 1..8_i64 {
            let now = sweep * 1_000;
            let asked = asked(now, since);
            let Some(found) = compare(known.as_ref(), &row, asked) else { continue };
            looks += 1;
            let trigger = Trigger::Compared { found, seen: row.closing.text.clone() };
            let sequence = u64::try_from(sweep).unwrap() * 10;
            let (queued, accepted) = accept(known.take(), &row.key, &trigger, sequence, asked.at);
            prop_assert_eq!(accepted, Accepted::Queued);
            // While it waits it is not handed over again.
            prop_assert_eq!(compare(Some(&queued), &row, Asked { at: at(now + 1), ..asked }), None);
            known = Some(settle(queued, settlement.clone(), None, sequence, at(now + 2)));
        }
        let operator = matches!(&settlement, Settlement::Skip { reason: SkipReason::Operator })
            || matches!(&settlement, Settlement::Hold { reason, .. } if reason.code == HoldCode::Operator);
        prop_assert!(!operator || looks == 0);
        // Closed later than the clock says: once for each sweep until then.
        prop_assert!(looks <= 4, "{looks} looks for {settlement:?}");
    }
}

#[test]
fn what_was_closed_long_ago_is_left_alone_unless_it_is_known() {
    let asked = |minutes| Asked { from: Some(at(100)), ..asked(minutes, 0) };
    let old = row(RecordKind::Invoice, 99);
    assert_eq!((compare(None, &old, asked(500)), is_older(&old.closing, asked(500))), (None, true));
    assert_eq!(compare(None, &row(RecordKind::Adjustment, 99), asked(500)), None);
    assert_eq!(compare(None, &row(RecordKind::Invoice, 100), asked(500)), Some(Found::Missed));
    // It may have been closed later than that.
    assert_eq!(compare(None, &vague(0, 100), asked(500)), Some(Found::Missed));
    assert_eq!(compare(Some(&record(done(), 50)), &old, asked(500)), Some(Found::Back));
}

#[test]
fn what_was_closed_before_the_store_was_begun_is_no_miss() {
    let asked = |born| Asked { born: at(born), ..asked(60, 0) };
    let invoice = row(RecordKind::Invoice, 0);
    for (row, born, found) in [
        (invoice.clone(), 0, Found::Missed),
        (invoice.clone(), 1, Found::BeforeStore),
        (vague(-600, 600), 1, Found::Missed),
        (Row { closing: Closing::default(), ..invoice }, 1, Found::Missed),
        (row(RecordKind::Adjustment, 0), 1, Found::New),
    ] {
        assert_eq!(compare(None, &row, asked(born)), Some(found), "{row:?}");
        assert_eq!(compare_purchase(None, &row, asked(born)), Some(found), "{row:?}");
    }
}

#[test]
fn what_goes_on_being_listed_is_looked_at_once_and_again_when_it_comes_back() {
    for settlement in [done(), skip(SkipReason::BatchedElsewhere), skip(SkipReason::ByRule)] {
        let row = row(RecordKind::Invoice, -10);
        let before = record(settlement.clone(), 0);
        let found = compare(Some(&before), &row, asked(60, -10)).unwrap();
        let trigger = Trigger::Compared { found, seen: row.closing.text.clone() };
        let (queued, _) = accept(Some(before), &row.key, &trigger, 5, at(60));
        let looked = settle(queued, settlement, None, 5, at(61));
        assert_eq!(compare(Some(&looked), &row, asked(600, -10)), None);
        // It left the list and is in it again.
        assert_eq!(compare(Some(&looked), &row, asked(600, 500)), Some(found));
    }
}

#[test]
fn rows_that_were_never_looked_up_come_before_those_that_were_and_the_newest_first() {
    let asked = |looked: Option<i64>| Asked { looked: looked.map(at), ..asked(600, 0) };
    let mut rows = [(5, Some(90)), (9, Some(80)), (1, None), (7, Some(80)), (3, None)];
    rows.sort_by_key(|(closed, looked)| turn(&row(RecordKind::Invoice, *closed).closing, asked(*looked)));
    assert_eq!(rows, [(3, None), (1, None), (9, Some(80)), (7, Some(80)), (5, Some(90))]);
}
