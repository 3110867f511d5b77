//! What a channel is told, over time.

use proptest::prelude::*;

use super::*;

fn at(minutes: i64) -> Timestamp {
    "2026-11-30T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn alert(kind: AlertKind, subject: &str, level: u64) -> Alert {
    let key = AlertKey { kind, subject: subject.to_owned() };
    Alert { key, level, sentence: format!("{kind} of {subject}"), since: at(0) }
}

fn rule(digest: i64, per_hour: u32) -> Rule {
    Rule { kinds: BTreeSet::new(), digest: SignedDuration::from_mins(digest), per_hour }
}

/// Looks at a minute; what the channel was told, if it was told something, as `+new -over =still`.
fn look(told: &mut Told, standing: &[Alert], rule: &Rule, minute: i64) -> Option<String> {
    told.notice(standing, rule, at(minute));
    let Due::Now(message) = told.due(standing, rule, at(minute)) else { return None };
    told.got(&message, at(minute));
    let news = message.news.iter().map(|alert| format!("+{}:{}", alert.key, alert.level));
    let over = message.over.iter().map(|(key, _)| format!("-{key}"));
    let still = message.still.iter().map(|alert| format!("={}", alert.key));
    Some(news.chain(over).chain(still).collect::<Vec<_>>().join(" "))
}

#[test]
fn the_first_of_a_kind_is_told_at_once_and_the_next_in_the_digest() {
    let (mut told, rule) = (Told::default(), rule(60, 10));
    let (silent, other, sweep) =
        (alert(AlertKind::Silent, "acme", 0), alert(AlertKind::Silent, "other", 0), alert(AlertKind::Sweep, "acme", 0));
    let mut look = |standing: &[Alert], minute| look(&mut told, standing, &rule, minute).unwrap_or_default();
    assert_eq!(look(&[], 0), "");
    assert_eq!(look(std::slice::from_ref(&silent), 1), "+silent/acme:0");
    assert_eq!(look(std::slice::from_ref(&silent), 2), "");
    assert_eq!(look(&[silent.clone(), other.clone()], 3), "");
    // Another kind goes at once and takes along what waits.
    let all = [silent, other, sweep];
    assert_eq!(look(&all, 10), "+silent/other:0 +sweep/acme:0 =silent/acme");
    assert_eq!(look(&all, 500), "");
}

#[test]
fn the_digest_comes_when_its_time_is_over_and_says_what_is_over() {
    let (mut told, rule) = (Told::default(), rule(60, 10));
    let (one, two) = (alert(AlertKind::Held, "no_gl_account", 1), alert(AlertKind::Held, "unknown_tax", 4));
    let mut look = |standing: &[Alert], minute| look(&mut told, standing, &rule, minute).unwrap_or_default();
    assert_eq!(look(std::slice::from_ref(&one), 0), "+held/no_gl_account:1");
    assert_eq!(look(&[one, two.clone()], 5), "");
    assert_eq!(look(std::slice::from_ref(&two), 59), "", "the digest is not due");
    assert_eq!(look(std::slice::from_ref(&two), 60), "+held/unknown_tax:4 -held/no_gl_account");
    assert_eq!(look(&[], 70), "");
    assert_eq!(look(&[], 129), "");
    assert_eq!(look(&[], 130), "-held/unknown_tax");
    assert_eq!(look(std::slice::from_ref(&two), 131), "+held/unknown_tax:4", "what was over is news again");
}

#[test]
fn what_comes_and_goes_is_told_once() {
    let (mut told, rule) = (Told::default(), rule(60, 10));
    let resting = [alert(AlertKind::Resting, "acme-au", 0)];
    let all: Vec<String> = (0..600)
        .filter_map(|minute| look(&mut told, if minute % 10 < 5 { &resting } else { &[] }, &rule, minute))
        .collect();
    assert_eq!(all, ["+resting/acme-au:0"]);
}

#[test]
fn more_of_the_same_is_news_and_less_is_not() {
    let (mut told, rule) = (Told::default(), rule(60, 10));
    let mut look = |level, minute| {
        look(&mut told, &[alert(AlertKind::Held, "unknown_tax", level)], &rule, minute).unwrap_or_default()
    };
    assert_eq!(look(3, 0), "+held/unknown_tax:3");
    assert_eq!(look(2, 100), "");
    assert_eq!(look(3, 101), "+held/unknown_tax:3", "it had fallen");
    assert_eq!(look(9, 102), "");
    assert_eq!(look(9, 161), "+held/unknown_tax:9");
}

#[test]
fn a_channel_hears_only_of_the_kinds_that_it_wants() {
    let (mut told, all) = (Told::default(), rule(60, 10));
    let standing = [alert(AlertKind::Silent, "acme", 0), alert(AlertKind::Budget, "acme-au", 0)];
    assert_eq!(look(&mut told, &standing, &all, 0).unwrap(), "+silent/acme:0 +budget/acme-au:0");
    let few = Rule { kinds: [AlertKind::Budget].into(), ..all.clone() };
    // What it does not want any more ends without a word.
    assert_eq!(look(&mut told, &standing, &few, 1), None);
    assert_eq!(look(&mut told, &[], &few, 100), None);
    assert_eq!(look(&mut told, &[], &few, 160).unwrap(), "-budget/acme-au");
}

#[test]
fn a_flood_stays_within_the_budget_and_loses_nothing() {
    let (mut told, rule) = (Told::default(), rule(0, 10));
    let mut messages = Vec::new();
    let mut news = 0;
    for minute in 0..100 {
        let standing: Vec<Alert> =
            (0..=minute).map(|number| alert(AlertKind::Held, &format!("reason-{number}"), 1)).collect();
        if let Some(said) = look(&mut told, &standing, &rule, minute) {
            messages.push(minute);
            news += said.split(' ').filter(|word| word.starts_with('+')).count();
        }
    }
    let within = |from: i64| messages.iter().filter(|minute| (from..from + 60).contains(*minute)).count();
    assert!((0..100).all(|from| within(from) <= 10), "{messages:?}");
    assert_eq!(messages, (0..10).chain(60..70).collect::<Vec<_>>());
    assert_eq!(news, 70, "all that stood at the last message");
    // The rest comes as soon as the budget has a message again.
    let standing: Vec<Alert> = (0..100).map(|number| alert(AlertKind::Held, &format!("reason-{number}"), 1)).collect();
    assert_eq!(told.due(&standing, &rule, at(100)), Due::At(at(120)));
    let rest = look(&mut told, &standing, &rule, 120).unwrap();
    assert_eq!(rest.split(' ').filter(|word| word.starts_with('+')).count(), 30);
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_a_channel() {
    let (mut told, rule) = (Told::default(), rule(60, 1));
    let (one, two) = (alert(AlertKind::Silent, "acme", 0), alert(AlertKind::Silent, "other", 0));
    assert!(look(&mut told, std::slice::from_ref(&one), &rule, 1_000_000).is_some());
    assert_eq!(look(&mut told, &[one, two], &rule, 0).unwrap(), "+silent/other:0 =silent/acme");
}

#[test]
fn what_was_told_is_read_as_it_was_written() {
    let (mut told, rule) = (Told::default(), rule(60, 10));
    look(&mut told, &[alert(AlertKind::Paused, "acme-au/invoice", 0), alert(AlertKind::Held, "x", 2)], &rule, 0);
    told.notice(&[], &rule, at(1));
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told, "{text}");
    assert!(text.contains(r#""paused/acme-au/invoice":{"level":0,"over":"#), "{text}");
    assert_eq!(serde_json::from_str::<Told>("{}").unwrap(), Told::default());
    assert!(AlertKey::try_from("nothing/x".to_owned()).is_err());
}

#[test]
fn a_message_says_what_is_new_over_and_still_so() {
    let message = Message {
        news: (0..25).map(|number| alert(AlertKind::Held, &format!("r{number}"), 1)).collect(),
        over: vec![(alert(AlertKind::Silent, "acme", 0).key, at(7))],
        still: vec![alert(AlertKind::Paused, "acme-au\r\nBcc: x", 0)],
        details: Vec::new(),
    };
    assert_eq!(message.subject(), "readypost: 25 alerts new, 1 over");
    let text = message.text();
    assert!(
        text.starts_with("New:\n- Records are held: r0 (held, since 2026-11-30 09:00 UTC)\n  held of r0\n"),
        "{text}"
    );
    assert!(text.contains("- and 5 more: see the status of readypost\nOver:\n- No callbacks come: acme (silent, at"));
    assert!(text.ends_with("Still so:\n- Paused by an operator: acme-au  Bcc: x (paused, since 2026-11-30 09:00 UTC)"));
    let one = Message { news: vec![alert(AlertKind::Token, "acme\nnz", 0)], ..Message::default() };
    assert_eq!(one.subject(), "readypost: The refresh token comes to its end: acme nz");
    assert_eq!((one.changed(), message.changed()), (Some(at(0)), Some(at(7))));
}

proptest! {
    /// Whatever comes and goes: the budget of every hour holds, and in the end the channel knows what stands.
    #[test]
    fn no_hour_has_too_many_messages_and_nothing_is_kept_for_ever(
        present in prop::collection::vec(prop::collection::vec(0_u64..4, 5), 1..300),
        (digest, per_hour) in (0_i64..90, 1_u32..12),
    ) {
        let rule = rule(digest, per_hour);
        let mut told = Told::default();
        let mut messages = Vec::new();
        let standing = |levels: &[u64]| -> Vec<Alert> {
            let kinds = AlertKind::ALL.into_iter().zip(levels).filter(|(_, level)| **level > 0);
            kinds.map(|(kind, level)| alert(kind, "x", *level)).collect()
        };
        let last = present.last().unwrap().clone();
        let quiet = std::iter::repeat_n(last.clone(), 400);
        for (minute, levels) in (0_i64..).zip(present.into_iter().chain(quiet)) {
            if look(&mut told, &standing(&levels), &rule, minute).is_some() {
                messages.push(minute);
            }
        }
        for from in &messages {
            let within = messages.iter().filter(|at| (*from..from + 60).contains(*at)).count();
            prop_assert!(within <= usize::try_from(per_hour).unwrap());
        }
        prop_assert_eq!(told.due(&standing(&last), &rule, at(10_000)), Due::Nothing);
    }
}
