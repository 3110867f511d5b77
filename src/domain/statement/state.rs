//! Each closed record finds its document, and puts all that it is worth into the sums.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Closed, Document, Ledger, Line, Month, Section, Standing, Sums, Unrelated, with_cents};
use crate::domain::delivery::{Posted, State};
use crate::domain::facts::mark;
use crate::domain::money::Money;

/// One ledger, by currency: every closed record finds its document, and what is left is in Xero alone.
///
/// `documents` are those of the month, and those of the records wherever they are dated.
#[must_use]
pub fn sections(ledger: Ledger, closed: &[Closed], documents: &[Document], month: Month) -> Vec<Section> {
    let matches = matches(closed, documents);
    let mut taken = BTreeSet::new();
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut put = |currency: &str, line: Line| {
        let section = sections.entry(currency.to_owned()).or_insert_with(|| Section {
            ledger,
            currency: currency.to_owned(),
            sums: Sums::default(),
            lines: Vec::new(),
            unrelated: Unrelated::default(),
        });
        if line.standing == Standing::OnlyInXero && ledger != Ledger::Sales {
            section.unrelated.documents = section.unrelated.documents.saturating_add(1);
            section.unrelated.total = section.unrelated.total + line.in_xero.unwrap_or_default();
            return;
        }
        section.sums.add(&line);
        section.lines.push(line);
    };
    // Where ConnectWise names no currency, it is that of the document, or of the other records.
    let usual = documents.first().map(|document| document.currency.clone()).unwrap_or_default();
    for (record, found) in closed.iter().zip(&matches) {
        let document = found.and_then(|index| documents.get(index));
        taken.extend(*found);
        let currency = match (record.currency.as_str(), document) {
            ("", Some(document)) => document.currency.clone(),
            ("", None) => usual.clone(),
            (currency, _) => currency.to_owned(),
        };
        put(&currency, line(record, document, month));
    }
    for (index, document) in documents.iter().enumerate() {
        if !taken.contains(&index) && document.is_live() && document.date.is_some_and(|date| month.has(date)) {
            put(&document.currency, alone(document, closed));
        }
    }
    let mut sections: Vec<Section> = sections.into_values().collect();
    for section in &mut sections {
        section.sums = section.sums.with_cents();
        section
            .lines
            .sort_by(|one, other| (&one.number, &one.key, one.closed).cmp(&(&other.number, &other.key, other.closed)));
    }
    sections
}

/// The name by which one side is found from the other.
type Name<'rule, T> = &'rule dyn Fn(&T) -> Option<String>;

/// The index of each record's document: by Xero's id, then by its mark, then by number and kind; each document once.
fn matches(closed: &[Closed], documents: &[Document]) -> Vec<Option<usize>> {
    let number = |number: &str, is_credit: bool| Some(format!("{is_credit} {}", number.trim().to_lowercase()));
    let of_document: [Name<'_, Document>; 3] = [
        &|document| Some(document.id.to_string()),
        &|document| document.mark.clone().filter(|_| document.is_live()),
        &|document| {
            let is_named = document.is_live() && document.mark.is_none() && !document.kind.is_purchase();
            number(&document.number, document.kind.is_credit()).filter(|_| is_named && !document.number.is_empty())
        },
    ];
    let of_record: [Name<'_, Closed>; 3] = [
        &|record| record.document().map(|id| id.to_string()),
        &|record| mark(&record.key),
        // A record that was posted is not another document of its number, and one that is held may be held for that.
        &|record| {
            let is_open = record.document().is_none() && !record.is_held();
            number(&record.number, record.total.is_negative()).filter(|_| is_open)
        },
    ];
    let mut taken = BTreeSet::new();
    let mut found = vec![None; closed.len()];
    for (of_document, of_record) in of_document.into_iter().zip(of_record) {
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, document) in documents.iter().enumerate() {
            if let Some(name) = of_document(document) {
                places.entry(name).or_default().push(index);
            }
        }
        for (record, place) in closed.iter().zip(&mut found).filter(|(_, place)| place.is_none()) {
            let named = of_record(record).and_then(|name| places.get(&name));
            *place = named.into_iter().flatten().copied().find(|index| taken.insert(*index));
        }
    }
    found
}

impl Closed {
    /// Xero's id of the document that it became, as far as the store knows.
    #[must_use]
    pub fn document(&self) -> Option<uuid::Uuid> {
        self.known.as_ref().and_then(|known| known.posted.as_ref()).map(|posted| posted.id)
    }

    fn is_held(&self) -> bool {
        matches!(self.known.as_ref().map(|known| &known.state), Some(State::Held { .. }))
    }
}

fn line(record: &Closed, document: Option<&Document>, month: Month) -> Line {
    let live = document.filter(|document| document.is_live());
    let posted = record.known.as_ref().and_then(|known| known.posted.as_ref());
    let (standing, note) = standing(record, document, month);
    let gap = live.map_or(Money::ZERO, |document| record.total - document.total);
    // Of a record that is held, the difference is what it is held for.
    let difference = if record.is_held() { Money::ZERO } else { gap };
    let as_posted = |posted: &Posted, document: &Document| {
        posted.total.abs() == record.total.abs() && posted.xero_total.abs() == document.total.abs()
    };
    let explained =
        !difference.is_zero() && posted.zip(live).is_some_and(|(posted, document)| as_posted(posted, document));
    Line {
        key: Some(record.key.clone()),
        number: record.number.clone(),
        party: record.party.clone(),
        date: record.date,
        standing,
        closed: Some(with_cents(record.total)),
        in_xero: live.map(|document| with_cents(document.total)),
        difference: with_cents(difference),
        explained,
        paid_in_connectwise: live.and(record.paid).map(with_cents),
        paid_in_xero: live.filter(|_| record.paid.is_some()).map(|document| with_cents(document.paid)),
        note,
        xero_link: document.map(|document| document.kind.page(document.id)),
        connectwise_link: record.page.clone(),
    }
}

/// Where a record stands, and why in words.
fn standing(record: &Closed, document: Option<&Document>, month: Month) -> (Standing, String) {
    let state = record.known.as_ref().map(|known| &known.state);
    let posted = record.known.as_ref().and_then(|known| known.posted.as_ref());
    match (state, document) {
        (Some(State::Held { reason }), _) => (Standing::Held, format!("{}: {}", reason.code.as_str(), reason.sentence)),
        (_, Some(document)) if document.is_live() => (Standing::InXero, in_xero(record, document, month)),
        (Some(State::Queued { cause, .. }), _) => (
            Standing::Waiting,
            cause.as_ref().map_or_else(|| "it is about to be posted".to_owned(), ToString::to_string),
        ),
        (Some(State::Skipped { reason }), _) => (Standing::Skipped, format!("skipped, because {}", reason.sentence())),
        (Some(State::Done), Some(document)) => {
            let status = document.status.to_lowercase();
            (
                Standing::Missing,
                format!(
                    "its {} in Xero is {status}: retry the record, so that it is held or posted anew",
                    document.kind.noun()
                ),
            )
        }
        (Some(State::Done), None) => {
            let what = posted.map_or_else(
                || "it is done".to_owned(),
                |posted| format!("it was posted as {} {}", posted.kind.noun(), posted.id),
            );
            (Standing::Missing, format!("{what}, and Xero has no such document: was the organisation exchanged?"))
        }
        (None, _) => {
            (Standing::Missing, "readypost never heard of it: run `readypost sweep`, or retry the record".to_owned())
        }
    }
}

/// What is to be said of a record whose document is in Xero; mostly nothing.
fn in_xero(record: &Closed, document: &Document, month: Month) -> String {
    let mut notes = Vec::new();
    let posted = record.known.as_ref().and_then(|known| known.posted.as_ref());
    if record.total != document.total {
        let (in_connectwise, in_xero) = (record.total, document.total);
        notes.push(match posted {
            Some(posted) if posted.total.abs() != record.total.abs() => {
                format!("ConnectWise says {in_connectwise} now, it was posted with {}", posted.total)
            }
            Some(posted) if posted.xero_total.abs() != document.total.abs() => {
                format!("Xero says {in_xero} now, it was posted with {}", posted.xero_total)
            }
            Some(_) => format!("Xero calculated {in_xero} when it was posted"),
            None => format!("ConnectWise has {in_connectwise}, Xero {in_xero}, and readypost did not post it"),
        });
    } else if posted.is_none() {
        notes.push("the document of its number was not posted by readypost".to_owned());
    }
    if let Some(date) = document.date.filter(|date| !month.has(*date)) {
        notes.push(format!("its document is dated {date}"));
    }
    if matches!(document.status.as_str(), "DRAFT" | "SUBMITTED") {
        notes.push(format!("it is {} in Xero, so no report there counts it", document.status.to_lowercase()));
    }
    notes.join("; ")
}

/// A document that is no closed record's.
fn alone(document: &Document, closed: &[Closed]) -> Line {
    let (standing, note) = match &document.mark {
        None => (Standing::OnlyInXero, String::new()),
        Some(of) => {
            let twin = closed.iter().find(|record| mark(&record.key).as_ref() == Some(of));
            let note = twin.map_or_else(
                || format!("it is marked with {of}, and readypost knows no such record: after a lost store run `readypost sweep`, else void it"),
                |record| format!("a second document of {}: void the one that is wrong", record.key),
            );
            (Standing::Stray, note)
        }
    };
    Line {
        key: None,
        number: document.number.clone(),
        party: document.party.clone(),
        date: document.date,
        standing,
        closed: None,
        in_xero: Some(with_cents(document.total)),
        difference: Money::ZERO,
        explained: false,
        paid_in_connectwise: None,
        paid_in_xero: None,
        note,
        xero_link: Some(document.kind.page(document.id)),
        connectwise_link: None,
    }
}

impl Sums {
    fn add(&mut self, line: &Line) {
        let in_xero = line.in_xero.unwrap_or_default();
        let Some(closed) = line.closed else {
            self.only_in_xero = self.only_in_xero + in_xero;
            return;
        };
        self.closed = self.closed + closed;
        self.in_xero = self.in_xero + in_xero;
        let rest = closed - in_xero - line.difference;
        let sum = match line.standing {
            Standing::Held => &mut self.held,
            Standing::Waiting => &mut self.waiting,
            Standing::Skipped => &mut self.skipped,
            Standing::InXero | Standing::Missing | Standing::OnlyInXero | Standing::Stray => &mut self.missing,
        };
        *sum = *sum + rest;
        let difference = if line.explained { &mut self.explained } else { &mut self.unexplained };
        *difference = *difference + line.difference;
        self.paid_in_connectwise = self.paid_in_connectwise + line.paid_in_connectwise.unwrap_or_default();
        self.paid_in_xero = self.paid_in_xero + line.paid_in_xero.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use jiff::Timestamp;
    use uuid::Uuid;

    use super::super::Known;
    use super::*;
    use crate::domain::delivery::Step;
    use crate::domain::draft::DocumentKind;
    use crate::domain::facts::ContentHash;
    use crate::domain::hold::{HoldCode, HoldReason, SkipReason};

    fn cents(cents: i64) -> Money {
        Money::new(rust_decimal::Decimal::new(cents, 2)).unwrap()
    }

    fn november() -> Month {
        "2026-11".parse().unwrap()
    }

    fn document(id: u128, number: &str, total: i64) -> Document {
        Document {
            id: Uuid::from_u128(id),
            kind: if total < 0 { DocumentKind::CreditNote } else { DocumentKind::Invoice },
            number: number.to_owned(),
            party: "Blue Gum Dental".into(),
            date: Some(jiff::civil::date(2026, 11, 20)),
            status: "AUTHORISED".to_owned(),
            currency: "AUD".to_owned(),
            total: cents(total),
            paid: Money::ZERO,
            mark: None,
        }
    }

    fn posted(id: u128, total: i64, xero_total: i64) -> Posted {
        Posted {
            id: Uuid::from_u128(id),
            company: "acme-au".parse().unwrap(),
            kind: DocumentKind::Invoice,
            number: "1".to_owned(),
            total: cents(total),
            xero_total: cents(xero_total),
            at: Timestamp::UNIX_EPOCH,
            content: ContentHash(String::new()),
            lines: None,
            batch: None,
            journal: None,
        }
    }

    fn closed(id: u32, total: i64, known: Option<Known>) -> Closed {
        Closed {
            key: format!("acme/invoice/{id}").parse().unwrap(),
            number: id.to_string(),
            party: "Blue Gum Dental".into(),
            date: Some(jiff::civil::date(2026, 11, 20)),
            currency: "AUD".to_owned(),
            total: cents(total),
            paid: Some(Money::ZERO),
            known,
            page: None,
        }
    }

    fn known(state: State, posted: Option<Posted>) -> Known {
        Known { state, posted }
    }

    fn held() -> State {
        State::Held { reason: HoldReason::new(HoldCode::UnknownTax, "no tax") }
    }

    fn queued() -> State {
        State::Queued { due: Timestamp::UNIX_EPOCH, step: Step::Post, cause: None }
    }

    /// The one record of 1.00 (or `total`), what the store knows of it, and the documents in Xero.
    fn line_of(total: i64, known: Option<Known>, documents: &[Document]) -> (Line, Sums) {
        let mut sections = sections(Ledger::Sales, &[closed(1, total, known)], documents, november());
        assert_eq!(sections.len(), 1);
        let section = sections.remove(0);
        assert_eq!(section.sums.parts(), section.sums.closed);
        (section.lines.iter().find(|line| line.key.is_some()).unwrap().clone(), section.sums)
    }

    /// Its standing; the sums in Xero, held, waiting, skipped, missing, explained and unexplained; part of its note.
    fn check(found: &(Line, Sums), standing: Standing, sums: [i64; 7], note: &str) {
        let (line, Sums { in_xero, held, waiting, skipped, missing, explained, unexplained, .. }) = found;
        assert_eq!(line.standing, standing, "{line:?}");
        let found = [in_xero, held, waiting, skipped, missing, explained, unexplained];
        assert_eq!(found.map(|sum| *sum), sums.map(cents), "{line:?}");
        assert!(line.note.contains(note) && line.note.is_empty() == note.is_empty(), "{}: {note}", line.note);
    }

    #[test]
    fn what_is_in_xero_is_compared_with_what_was_closed() {
        let done = |total, xero_total| Some(known(State::Done, Some(posted(7, total, xero_total))));
        let in_xero = |found, sums, note| check(&found, Standing::InXero, sums, note);
        in_xero(line_of(100, done(100, 100), &[document(7, "1", 100)]), [100, 0, 0, 0, 0, 0, 0], "");
        let october = Document { date: Some(jiff::civil::date(2026, 10, 31)), ..document(7, "1", 100) };
        in_xero(line_of(100, done(100, 100), &[october]), [100, 0, 0, 0, 0, 0, 0], "dated 2026-10-31");
        let waits = Some(known(queued(), Some(posted(7, 100, 100))));
        in_xero(line_of(100, waits, &[document(7, "1", 100)]), [100, 0, 0, 0, 0, 0, 0], "");
        in_xero(line_of(100, None, &[document(8, "1", 100)]), [100, 0, 0, 0, 0, 0, 0], "not posted by readypost");
        in_xero(line_of(100, None, &[document(8, "1", 90)]), [90, 0, 0, 0, 0, 0, 10], "did not post it");
        in_xero(
            line_of(100, done(100, 100), &[document(7, "1", 130)]),
            [130, 0, 0, 0, 0, 0, -30],
            "Xero says 1.30 now",
        );
        let edited = line_of(120, done(100, 100), &[document(7, "1", 100)]);
        in_xero(edited, [100, 0, 0, 0, 0, 0, 20], "ConnectWise says 1.20 now");
        in_xero(line_of(100, done(100, 99), &[document(7, "1", 99)]), [99, 0, 0, 0, 0, 1, 0], "Xero calculated 0.99");
    }

    #[test]
    fn what_is_not_in_xero_is_held_waiting_skipped_or_missing() {
        let stands = |state| Some(known(state, None));
        let skipped = State::Skipped { reason: SkipReason::ZeroTotal };
        check(&line_of(100, stands(held()), &[]), Standing::Held, [0, 100, 0, 0, 0, 0, 0], "unknown_tax");
        // It may be held because another document has its number.
        let other = line_of(100, stands(held()), &[document(8, "1", 84)]);
        check(&other, Standing::Held, [0, 100, 0, 0, 0, 0, 0], "unknown_tax");
        assert_eq!(other.1.only_in_xero, cents(84));
        let edited = Some(known(held(), Some(posted(7, 100, 100))));
        check(&line_of(120, edited, &[document(7, "1", 100)]), Standing::Held, [100, 20, 0, 0, 0, 0, 0], "no tax");
        check(&line_of(100, stands(queued()), &[]), Standing::Waiting, [0, 0, 100, 0, 0, 0, 0], "about to be posted");
        check(&line_of(100, stands(skipped), &[]), Standing::Skipped, [0, 0, 0, 100, 0, 0, 0], "0.00");

        let missing = |found, total, note| check(&found, Standing::Missing, [0, 0, 0, 0, total, 0, 0], note);
        let done = || Some(known(State::Done, Some(posted(7, 100, 100))));
        let void = || Document { status: "VOIDED".to_owned(), ..document(7, "1", 100) };
        missing(line_of(100, None, &[]), 100, "never heard");
        missing(line_of(100, done(), &[void()]), 100, "voided");
        // A document of its number is not the one that it became.
        missing(line_of(100, done(), &[void(), document(8, "1", 100)]), 100, "voided");
        missing(line_of(100, done(), &[]), 100, "no such document");
        // A credit memo does not become the invoice of its number.
        missing(line_of(-100, None, &[document(8, "1", 100)]), -100, "never heard");
    }

    #[test]
    fn bills_find_their_record_by_mark_and_others_are_counted() {
        let bill = |id, mark: Option<&str>| Document {
            kind: DocumentKind::Bill,
            mark: mark.map(str::to_owned),
            ..document(id, "HD-1", 100)
        };
        let record = Closed {
            key: "acme/purchase/3-A-purchase".parse().unwrap(),
            ..closed(1, 100, Some(known(State::Done, None)))
        };
        let ours = mark(&record.key);
        let documents =
            vec![bill(1, None), bill(2, Some("[ConnectWise acme/purchase/9-B-purchase]")), bill(3, ours.as_deref())];
        let sections = sections(Ledger::Purchases, &[record], &documents, november());
        let [section] = sections.as_slice() else { panic!("{sections:?}") };
        assert_eq!(section.unrelated, Unrelated { documents: 1, total: cents(100) });
        let stands: Vec<(Standing, bool)> =
            section.lines.iter().map(|line| (line.standing, line.key.is_some())).collect();
        assert!(stands.contains(&(Standing::InXero, true)) && stands.contains(&(Standing::Stray, false)), "{stands:?}");
        assert_eq!((section.sums.in_xero, section.sums.only_in_xero), (cents(100), cents(100)));
    }

    fn any_closed() -> impl Strategy<Value = Closed> {
        let states = vec![
            None,
            Some(State::Done),
            Some(held()),
            Some(State::Skipped { reason: SkipReason::Operator }),
            Some(State::Queued { due: Timestamp::UNIX_EPOCH, step: Step::Mark, cause: None }),
        ];
        (1_u32..6, -500_i64..500, select(states), prop::option::of(1_u128..6), select(vec!["", "AUD", "NZD"])).prop_map(
            |(id, total, state, document, currency)| {
                let known = state.map(|state| known(state, document.map(|id| posted(id, total, total))));
                Closed { currency: currency.to_owned(), ..closed(id, total, known) }
            },
        )
    }

    fn any_document() -> impl Strategy<Value = Document> {
        (1_u128..6, 1_u32..6, -500_i64..500, select(vec!["AUTHORISED", "PAID", "DRAFT", "VOIDED"]), 10_i8..13).prop_map(
            |(id, number, total, status, month)| Document {
                status: status.to_owned(),
                date: Some(jiff::civil::date(2026, month, 3)),
                ..document(id, &number.to_string(), total)
            },
        )
    }

    proptest! {
        #[test]
        fn the_parts_are_what_was_closed_and_no_document_counts_twice(
            closed in prop::collection::vec(any_closed(), 0..8),
            documents in prop::collection::vec(any_document(), 0..8),
        ) {
            let worth: Money = closed.iter().map(|record| record.total).sum();
            let count = closed.len();
            let sections = sections(Ledger::Sales, &closed, &documents, november());
            let mut lines = 0;
            for section in &sections {
                prop_assert_eq!(section.sums.parts(), section.sums.closed);
                lines += section.lines.iter().filter(|line| line.key.is_some()).count();
                let links: Vec<_> = section.lines.iter().filter_map(|line| line.in_xero.and(line.xero_link.as_ref())).collect();
                let live = documents.iter().filter(|document| document.is_live()).count();
                prop_assert!(links.len() <= live);
            }
            prop_assert_eq!(lines, count);
            prop_assert_eq!(sections.iter().map(|section| section.sums.closed).sum::<Money>(), worth);
        }
    }
}
