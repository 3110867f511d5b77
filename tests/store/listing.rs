//! Lists by every filter show exactly the records that match, newest first, whatever the size of a page.

use super::*;
use readypost::domain::delivery::StateName;
use readypost::domain::issue::IssueId;
use readypost::domain::record::RecordKind;

const RECORDS: u64 = 400;
const COMPANIES: [&str; 3] = ["acme-au", "acme-nz", "beta"];
const CLIENTS: [&str; 4] = ["Blue Gum Dental", "Ärzte am Wall", "blue sky", "Coast Legal"];

fn key_of(id: u64) -> RecordKey {
    match id % 5 {
        0 => format!("beta/expense/{id}"),
        1 => format!("acme/purchase/{id}-PS {id}-purchase"),
        _ => format!("acme/invoice/{id}"),
    }
    .parse()
    .unwrap()
}

/// What the record with this id comes to; the ids spread over all that can be asked for.
fn settlement(id: u64) -> Option<Settlement> {
    let warnings = match id % 7 {
        0 => vec![Warning::new(WarningCode::TermsMismatch, "terms"), Warning::new(WarningCode::RoundingLine, "cents")],
        1 => vec![Warning::new(WarningCode::RoundingLine, "cents")],
        _ => Vec::new(),
    };
    Some(match id % 11 {
        0..=4 => Settlement::Mark { posted: posted(u128::from(id)), content: None, warnings },
        5 | 6 => Settlement::Hold {
            reason: HoldReason::new(
                [HoldCode::UnknownTax, HoldCode::NewContact][usize::from(id.is_multiple_of(2))],
                "held",
            )
            .caused_by(if id % 4 == 1 { "tax code 'GST'" } else { "Blue" }),
            posted: None,
            intent: IntentFate::Keep,
            warnings: Vec::new(),
        },
        7 | 8 => Settlement::Skip { reason: SkipReason::StatusOpen },
        9 => Settlement::Skip { reason: SkipReason::Deleted },
        _ => return None,
    })
}

async fn fill(store: &dyn Store) {
    for id in 1..=RECORDS {
        // Some of one instant.
        let at = i64::try_from(id / 3).unwrap();
        store.accept(&key_of(id), callback(u128::from(id)), now(at)).await.unwrap();
        let Some(settlement) = settlement(id) else { continue };
        let lease = store.lease(now(at), now(at + 300)).unwrap().unwrap();
        let about = About {
            company: Some(COMPANIES[usize::try_from(id % 3).unwrap()].parse().unwrap()),
            client: CLIENTS[usize::try_from(id % 4).unwrap()].into(),
            number: format!("INV-{}", id % 50),
            ..about(id)
        };
        let key = lease.record.key.clone();
        store.settle(lease, settlement, Some(about), now(at)).await.unwrap();
        if store.record(&key).await.unwrap().unwrap().state.name() == StateName::Queued {
            let lease = store.lease(now(at), now(at + 300)).unwrap().unwrap();
            let done = Settlement::Done { batch: None, warnings: Vec::new() };
            store.settle(lease, done, None, now(at)).await.unwrap();
        }
        if id % 13 == 0 {
            let actor = Actor { by: "desk".to_owned(), note: "seen".into(), bulk: None };
            // Where there is nothing to acknowledge it is refused.
            let _ = store.resolve(&key, Decision::Acknowledge, actor, now(at)).await;
        }
        let actor = Actor { by: "desk".to_owned(), note: "".into(), bulk: None };
        if id % 17 == 0 {
            let until = Some(now(if id % 34 == 0 { 1_000 } else { 400 }));
            store.resolve(&key, Decision::Snooze { until }, actor, now(at)).await.unwrap();
        } else if id % 19 == 0 {
            let owner = Some("Ann".to_owned());
            store.resolve(&key, Decision::Assign { owner }, actor, now(at)).await.unwrap();
        }
    }
}

fn is_wanted(record: &Record, filter: &Filter) -> bool {
    let about = record.about.as_ref();
    let code = match &record.state {
        State::Held { reason } => reason.code.as_str(),
        State::Skipped { reason } => reason.as_str(),
        _ => "",
    };
    let open: Vec<&str> = record
        .warnings
        .iter()
        .filter(|open| open.acknowledged.is_none())
        .map(|open| open.warning.code.as_str())
        .collect();
    let asked = |text: &String| {
        let text = text.to_lowercase();
        let of_about = about.is_some_and(|about| {
            about.number.to_lowercase().starts_with(&text) || about.client.as_str().to_lowercase().contains(&text)
        });
        let slip = format!("ps {}", record.key.source.as_str().split('-').next().unwrap());
        let of_slip = record.key.kind == RecordKind::Purchase && slip.starts_with(&text);
        of_about || of_slip || [record.key.to_string(), record.key.source.as_str().to_owned()].contains(&text)
    };
    let company = about.and_then(|about| about.company.as_ref()).map(ToString::to_string);
    filter.state.is_none_or(|state| record.state.name() == state)
        && filter.kind.is_none_or(|kind| record.key.kind == kind)
        && (filter.company.is_none() || company == filter.company)
        && filter.owner.as_ref().is_none_or(|owner| record.owner.clone().unwrap_or_default() == *owner)
        && filter.awake.is_none_or(|now| record.snoozed.is_none_or(|until| until <= now))
        && filter.issue.as_ref().is_none_or(|issue| IssueId::of(record).as_ref() == Some(issue))
        && filter.reason.as_ref().is_none_or(|reason| reason == code)
        && filter
            .warning
            .as_ref()
            .is_none_or(|warning| if warning == "any" { !open.is_empty() } else { open.contains(&warning.as_str()) })
        && filter.q.as_ref().is_none_or(asked)
}

fn filters() -> Vec<Filter> {
    let some = |text: &str| Some(text.to_owned());
    let usual = Filter::default;
    let mut filters = vec![
        usual(),
        Filter { company: some("acme-nz"), ..usual() },
        Filter { company: some("nobody"), ..usual() },
        Filter { kind: Some(RecordKind::Purchase), ..usual() },
        Filter { company: some("beta"), kind: Some(RecordKind::Expense), ..usual() },
        Filter { reason: some("unknown_tax"), ..usual() },
        Filter { reason: some("status_open"), company: some("acme-au"), ..usual() },
        Filter { warning: some("any"), ..usual() },
        Filter { warning: some("terms_mismatch"), kind: Some(RecordKind::Invoice), ..usual() },
        Filter { owner: some("Ann"), ..usual() },
        Filter { owner: some(""), state: Some(StateName::Held), ..usual() },
        Filter { awake: Some(now(500)), warning: some("any"), ..usual() },
        Filter { awake: Some(now(500)), state: Some(StateName::Held), ..usual() },
        Filter { q: some("blue"), ..usual() },
        Filter { q: some("ÄRZTE"), company: some("acme-au"), ..usual() },
        Filter { q: some("inv-4"), ..usual() },
        Filter { q: some("inv-47"), ..usual() },
        Filter { q: some("402"), ..usual() },
        Filter { q: some("102"), ..usual() },
        Filter { q: some("acme/invoice/102"), ..usual() },
        Filter { q: some("v-4"), ..usual() },
        Filter { q: some("PS 1"), ..usual() },
        Filter { q: some("blue"), reason: some("new_contact"), ..usual() },
    ];
    for state in StateName::ALL {
        filters.push(Filter { state: Some(state), ..usual() });
        filters.push(Filter { state: Some(state), q: some("inv-1"), ..usual() });
        filters.push(Filter { state: Some(state), warning: some("rounding_line"), ..usual() });
    }
    filters
}

async fn listed(store: &dyn Store, filter: &Filter, limit: usize) -> Vec<Record> {
    let mut filter = Filter { limit, ..filter.clone() };
    let mut found = Vec::new();
    loop {
        let page = store.records(filter.clone()).await.unwrap();
        assert!(page.records.len() <= limit);
        found.extend(page.records);
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return found,
        }
    }
}

async fn compare(store: &dyn Store) {
    let everything = all(store).await;
    assert_eq!(everything.len(), usize::try_from(RECORDS).unwrap());
    for filter in filters() {
        let mut expected: Vec<&str> =
            everything.iter().filter(|(_, record)| is_wanted(record, &filter)).map(|(key, _)| key.as_str()).collect();
        expected.sort_unstable();
        for limit in [3, 500] {
            let found = listed(store, &filter, limit).await;
            let mut keys: Vec<String> = found.iter().map(|record| record.key.to_string()).collect();
            keys.sort();
            assert_eq!(keys, expected, "{filter:?} by {limit}");
            let order = |record: &Record| match record.state.name() {
                StateName::Held => 0,
                StateName::Queued => 1,
                StateName::Done => 2,
                StateName::Skipped => 3,
            };
            let is_ordered = |pair: &[Record]| match order(&pair[0]).cmp(&order(&pair[1])) {
                std::cmp::Ordering::Equal => order(&pair[0]) == 1 || pair[0].changed >= pair[1].changed,
                ordering => ordering.is_lt(),
            };
            assert!(found.windows(2).all(is_ordered), "{filter:?} by {limit}");
        }
    }
}

/// Every issue has all of its records and no others.
async fn compare_issues(store: &dyn Store) {
    let everything = all(store).await;
    let (issues, complete) = store.issues().await.unwrap();
    assert!(complete && issues.len() >= 6, "{}", issues.len());
    let held = everything.values().filter(|record| matches!(record.state, State::Held { .. })).count();
    assert_eq!(issues.iter().map(|issue| issue.count).sum::<usize>(), held);
    assert!(issues.windows(2).all(|pair| pair[0].count >= pair[1].count));
    for issue in issues {
        let found = listed(store, &Filter { issue: Some(issue.id.clone()), ..Filter::default() }, 7).await;
        let expected = everything.values().filter(|record| IssueId::of(record).as_ref() == Some(&issue.id)).count();
        assert_eq!((found.len(), issue.count), (expected, expected));
        assert_eq!(Some(issue.newest.changed), found.iter().map(|record| record.changed).max());
        assert_eq!(Some(issue.since), found.iter().map(|record| record.changed).min());
    }
}

#[tokio::test]
async fn every_filter_shows_what_matches_and_nothing_else() {
    let folder = folder();
    let store = open(folder.path());
    fill(&*store).await;
    compare(&*store).await;
    compare_issues(&*store).await;
    // Records that moved on are listed where they are now, and not where they were.
    for id in (1..=RECORDS).step_by(3) {
        let actor = Actor { by: "desk".to_owned(), note: "".into(), bulk: None };
        let decision = if id % 2 == 0 { Decision::Hold } else { Decision::Skip };
        let _ = store.resolve(&key_of(id), decision, actor, now(500)).await;
    }
    compare(&*store).await;
    compare_issues(&*store).await;
    let moved = store.records(Filter { reason: Some("operator".to_owned()), ..Filter::default() }).await.unwrap();
    assert!(moved.records.len() > 20, "{}", moved.records.len());
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    compare(&*open(folder.path())).await;
}
