//! The next change that brings the payments of one invoice in both systems together, or why there is none.
//!
//! Payments are compared as two bags of amounts and days: two equal payments of one day are two. What a person
//! entered in ConnectWise is never changed. One change at a time, so that each is read back before the next.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{Change, Entry, Item, LINKS_MAX, Link, Made, Origin, PaidDocument, PaidInvoice, marked};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::Money;
use crate::domain::rules::{Credits, Payments};

/// Payments of the same amount that lie no more days apart could be one that was dated differently.
const NEAR_DAYS: i32 = 5;

/// What is known of the payments of one invoice.
#[derive(Clone, Copy, Debug)]
pub struct Books<'a> {
    /// The invoice in Xero.
    pub document: &'a PaidDocument,
    /// The invoice in ConnectWise.
    pub invoice: &'a PaidInvoice,
    /// Its payments in ConnectWise.
    pub entries: &'a [Entry],
    /// What was linked before.
    pub links: &'a [Link],
    /// Which way payments go.
    pub way: Payments,
    /// Whether credits go to Xero.
    pub credits: Credits,
    /// Payments dated before it are left alone; none = none are.
    pub start: Option<Date>,
    /// An operator asked for another look, after a person changed what readypost had made.
    pub asked: bool,
}

/// What follows from the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is linked now.
    pub links: Vec<Link>,
    /// What to do.
    pub next: Next,
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: both sides agree, as far as they should.
    Nothing,
    /// Enter this in ConnectWise.
    Enter(Item),
    /// Delete this payment of ours in ConnectWise.
    Remove(i64),
    /// Enter this in Xero.
    Send(Entry),
    /// Allocate this much of the credit note of this number in Xero, for the entry.
    Allocate(Entry, String, Money),
    /// Let a person decide.
    Hold(HoldReason),
}

/// What is not linked yet, and what cannot stand.
struct Open<'a> {
    items: Vec<&'a Item>,
    entries: Vec<&'a Entry>,
    links: Vec<Link>,
    /// Entries of ours whose item is gone, with the links that say that they are ours.
    stale: Vec<(&'a Link, &'a Entry)>,
    /// What a person changed; shown only when nothing explains it.
    changed: Vec<(&'a Link, Changed)>,
}

/// What a person changed of a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Amount(Money),
    GoneInConnectwise,
    GoneInXero,
}

/// Decides what to do next. Total: what cannot be decided is held.
#[must_use]
pub fn weigh(books: &Books<'_>) -> Verdict {
    if let Some(link) = books.links.iter().find(|link| link.invoice != books.invoice.id) {
        let sentence = format!(
            "The payment {} of {} was entered on another invoice in ConnectWise (id {}) than {} (id {}), which now has the number.",
            link.payment, link.amount, link.invoice, books.invoice.number, books.invoice.id
        );
        return Verdict { links: books.links.to_vec(), next: hold(HoldCode::PaymentChanged, sentence) };
    }
    let mut open = Open::of(books);
    if let Err(reason) = open.match_marks(books) {
        return Verdict { links: books.links.to_vec(), next: Next::Hold(reason) };
    }
    open.match_equals(books);
    open.match_sums();
    let next = open.next(books);
    // Until they are deleted they are remembered as ours.
    open.links.extend(open.stale.iter().map(|(link, _)| (*link).clone()));
    let surplus = open.links.len().saturating_sub(LINKS_MAX);
    open.links.drain(..surplus);
    Verdict { links: open.links, next }
}

/// The payment that a request of unknown outcome made in ConnectWise, if it is there.
#[must_use]
pub fn found_after(change: &Change, entries: &[Entry], links: &[Link]) -> Option<Link> {
    let Change::Enter { link, before } = change else { return None };
    let is_it = |entry: &&Entry| {
        entry.amount == link.amount
            && entry.date == link.date
            && !before.contains(&entry.id)
            && links.iter().all(|known| known.payment != entry.id)
    };
    entries.iter().find(is_it).map(|entry| Link { payment: entry.id, ..link.clone() })
}

fn hold(code: HoldCode, sentence: String) -> Next {
    Next::Hold(HoldReason::new(code, sentence))
}

impl<'a> Open<'a> {
    /// What the links of before leave open.
    fn of(books: &Books<'a>) -> Self {
        let (items, entries) = (books.document.items.iter().collect(), books.entries.iter().collect());
        let mut open = Self { items, entries, links: Vec::new(), stale: Vec::new(), changed: Vec::new() };
        for link in books.links {
            let item = open.items.iter().position(|item| item.is(link));
            let entry = open.entries.iter().position(|entry| entry.id == link.payment);
            match (item, entry.and_then(|at| Some((at, *open.entries.get(at)?)))) {
                (Some(item), Some((at, entry))) => {
                    open.items.remove(item);
                    open.entries.remove(at);
                    open.links.push(link.clone());
                    if entry.amount != link.amount {
                        open.changed.push((link, Changed::Amount(entry.amount)));
                    }
                }
                (Some(_), None) => open.changed.push((link, Changed::GoneInConnectwise)),
                (None, Some((at, entry))) => match link.made {
                    Made::InConnectwise if entry.amount == link.amount => {
                        open.entries.remove(at);
                        open.stale.push((link, entry));
                    }
                    Made::InConnectwise => open.changed.push((link, Changed::Amount(entry.amount))),
                    Made::InXero => open.changed.push((link, Changed::GoneInXero)),
                    Made::Neither => {}
                },
                (None, None) => {}
            }
        }
        open
    }

    fn link(&mut self, books: &Books<'_>, (item, entry): (usize, i64), made: Made) {
        if item < self.items.len() {
            let Item { id, amount, date, .. } = self.items.remove(item);
            self.links.push(Link {
                item: *id,
                amount: *amount,
                date: *date,
                invoice: books.invoice.id,
                payment: entry,
                made,
            });
        }
    }

    /// Payments in Xero that name a payment in ConnectWise, whatever else is forgotten.
    fn match_marks(&mut self, books: &Books<'_>) -> Result<(), HoldReason> {
        let mut at = 0;
        while let Some(item) = self.items.get(at).copied() {
            let Some(payment) = marked(&item.reference) else {
                at = at.saturating_add(1);
                continue;
            };
            match self.entries.iter().position(|entry| entry.id == payment) {
                Some(entry) if self.entries.get(entry).is_some_and(|entry| entry.amount == item.amount) => {
                    self.entries.remove(entry);
                    self.link(books, (at, payment), Made::InXero);
                }
                found => {
                    let what = if found.is_some() { "has another amount now" } else { "is not there any more" };
                    let sentence = format!(
                        "Xero has the {} for ConnectWise's payment {payment} of {}, which {what}.",
                        item.told(),
                        books.invoice.number
                    );
                    return Err(HoldReason::new(HoldCode::PaymentChanged, sentence));
                }
            }
        }
        Ok(())
    }

    /// Payments that are equal: what a person entered first, then what readypost entered for one that is gone.
    fn match_equals(&mut self, books: &Books<'_>) {
        for rank in [Rank::SameCredit, Rank::SameCreditOtherDay, Rank::Same] {
            let mut at = 0;
            while let Some(item) = self.items.get(at).copied() {
                if let Some(entry) = self.entries.iter().position(|entry| rank.fits(item, entry)) {
                    let entry = self.entries.remove(entry).id;
                    self.link(books, (at, entry), Made::Neither);
                } else if let Some(entry) = self.stale.iter().position(|(_, entry)| rank.fits(item, entry)) {
                    let entry = self.stale.remove(entry).1.id;
                    self.link(books, (at, entry), Made::InConnectwise);
                } else {
                    at = at.saturating_add(1);
                }
            }
        }
    }

    /// Drops credits whose sums agree, however they are divided: Xero may show several allocations as one.
    fn match_sums(&mut self) {
        let numbers: BTreeSet<String> =
            self.entries.iter().filter_map(|entry| named(entry)).map(str::to_owned).collect();
        for number in numbers {
            let is_item = |item: &&Item| item.origin == Origin::CreditNote && item.number.trim() == number;
            let is_entry = |entry: &&Entry| named(entry) == Some(&number);
            let in_xero: Money = self.items.iter().copied().filter(is_item).map(|item| item.amount).sum();
            let entered: Money = self.entries.iter().copied().filter(is_entry).map(|entry| entry.amount).sum();
            if in_xero == entered {
                self.items.retain(|item| !is_item(item));
                self.entries.retain(|entry| !is_entry(entry));
            }
        }
    }

    fn next(&self, books: &Books<'_>) -> Next {
        if let Some(sentence) = self.changed.iter().find_map(|(link, changed)| self.told(books, link, *changed)) {
            return hold(HoldCode::PaymentChanged, sentence);
        }
        let (from, to) = (books.way.from_xero(), books.way.to_xero());
        if from && let Some((_, stale)) = self.stale.first() {
            return Next::Remove(stale.id);
        }
        let starts = |date: Date| books.start.is_none_or(|start| date >= start);
        let lacks = |item: &&&Item| starts(item.date) && self.lacking(item) > Money::ZERO;
        let item = self.items.iter().filter(lacks).min_by_key(|item| (item.date, item.id));
        if from && let Some(item) = item {
            return self.enter(books, item);
        }
        let money = self.entries.iter().filter(|entry| entry.credit.is_none() && starts(entry.date));
        if to && let Some(entry) = money.min_by_key(|entry| (entry.date, entry.id)) {
            return self.send(books, entry);
        }
        let credits = self.entries.iter().filter(|entry| starts(entry.date) && entry.amount > Money::ZERO);
        let short = |entry: &&&Entry| missing(books, entry).is_some();
        match credits.filter(short).min_by_key(|entry| (entry.date, entry.id)) {
            Some(entry) if books.credits == Credits::ToXero => allocate(books, entry),
            _ => Next::Nothing,
        }
    }

    /// What to tell of a change that a person made; none when there is nothing to object to.
    fn told(&self, books: &Books<'_>, link: &Link, changed: Changed) -> Option<String> {
        let Link { payment, amount, date, .. } = link;
        let number = &books.invoice.number;
        // Since it was linked anew, nothing is missing.
        let again = |by: &dyn Fn(&Link) -> bool| self.links.iter().any(by);
        match changed {
            Changed::Amount(now) => Some(format!(
                "The payment {payment} of {number} in ConnectWise is {now} now; it was entered as {amount} for Xero's of {date}."
            )),
            Changed::GoneInConnectwise if again(&|now| now.item == link.item) => None,
            Changed::GoneInConnectwise if link.made == Made::InXero => Some(format!(
                "The payment {payment} of {number} was deleted in ConnectWise, but its payment of {amount} on {date} is in Xero."
            )),
            Changed::GoneInConnectwise if link.made == Made::InConnectwise && !books.asked && books.way.from_xero() => {
                Some(format!(
                    "The payment {payment} of {number} was deleted in ConnectWise, but Xero's of {amount} on {date} stands."
                ))
            }
            Changed::GoneInXero if self.is_made_up(books, link) => None,
            Changed::GoneInXero if !again(&|now| now.payment == link.payment) && !books.asked => Some(format!(
                "Xero's payment of {amount} on {date} was deleted in Xero, but ConnectWise's payment {payment} of {number} stands."
            )),
            Changed::GoneInConnectwise | Changed::GoneInXero => None,
        }
    }

    /// Whether a credit that is not found as it was is a part of what Xero shows for its credit note now.
    fn is_made_up(&self, books: &Books<'_>, link: &Link) -> bool {
        let credit = self.entries.iter().find(|entry| entry.id == link.payment && entry.credit.is_some());
        credit.is_some_and(|entry| missing(books, entry).is_none())
    }

    /// How much of an item ConnectWise lacks, by the sums of what is left of its credit note.
    fn lacking(&self, item: &Item) -> Money {
        let number = item.number.trim();
        let divided = |entry: &&&Entry| item.origin == Origin::CreditNote && named(entry) == Some(number);
        let entered: Money = self.entries.iter().filter(divided).map(|entry| entry.amount).sum();
        if entered.is_zero() {
            return item.amount;
        }
        let same = |other: &&&Item| other.origin == Origin::CreditNote && other.number.trim() == number;
        let in_xero: Money = self.items.iter().filter(same).map(|other| other.amount).sum();
        in_xero - entered
    }

    fn enter(&self, books: &Books<'_>, item: &Item) -> Next {
        let lacking = self.lacking(item);
        if lacking < item.amount {
            let sentence = format!(
                "The {} of {} in Xero and what of it is applied in ConnectWise on {} differ by {lacking}.",
                item.told(),
                item.number,
                books.invoice.number
            );
            return hold(HoldCode::AmbiguousPayment, sentence);
        }
        if let Some(near) = self.entries.iter().find(|entry| is_near(item, entry)) {
            return hold(HoldCode::AmbiguousPayment, near_told(books, item, near));
        }
        let paid: Money = books.entries.iter().map(|entry| entry.amount).sum();
        if paid + item.amount > books.invoice.total {
            let sentence = format!(
                "ConnectWise has {paid} paid of {} on {}, so the {} of Xero, which has {} paid, would be too much.",
                books.invoice.total,
                books.invoice.number,
                item.told(),
                books.document.paid()
            );
            return hold(HoldCode::PaymentConflict, sentence);
        }
        Next::Enter(item.clone())
    }

    fn send(&self, books: &Books<'_>, entry: &Entry) -> Next {
        if let Some(near) = self.items.iter().find(|item| is_near(item, entry)) {
            return hold(HoldCode::AmbiguousPayment, near_told(books, near, entry));
        }
        let due = books.document.due.unwrap_or(Money::ZERO);
        match books.document.status.as_str() {
            "AUTHORISED" | "PAID" => {}
            status => {
                let sentence = format!(
                    "ConnectWise has the {}, but the invoice {} has the status {status} in Xero.",
                    entry.told(),
                    books.document.number
                );
                return hold(HoldCode::InvoiceNotApproved, sentence);
            }
        }
        if entry.amount > due || entry.amount <= Money::ZERO {
            let paid: Money = books.entries.iter().map(|entry| entry.amount).sum();
            let sentence = format!(
                "ConnectWise has {paid} paid of {}, with the {}; Xero has {} paid and takes {due} more.",
                books.invoice.number,
                entry.told(),
                books.document.paid()
            );
            return hold(HoldCode::PaymentConflict, sentence);
        }
        Next::Send(entry.clone())
    }
}

/// The number of the credit memo that an entry comes from.
fn named(entry: &Entry) -> Option<&str> {
    entry.credit.as_deref().map(str::trim).filter(|number| !number.is_empty())
}

/// How much of the memo of an entry Xero lacks on this invoice, if any.
fn missing(books: &Books<'_>, entry: &Entry) -> Option<Money> {
    let number = named(entry)?;
    let same = |other: &&Entry| named(other) == Some(number);
    let entered: Money = books.entries.iter().filter(same).map(|entry| entry.amount).sum();
    let short = entered - allocated(books.document, number);
    (short > Money::ZERO).then_some(short)
}

/// What of the credit note of a number is allocated to an invoice.
#[must_use]
pub fn allocated(document: &PaidDocument, number: &str) -> Money {
    let items = document.items.iter().filter(|item| item.origin == Origin::CreditNote && item.number.trim() == number);
    items.map(|item| item.amount).sum()
}

fn allocate(books: &Books<'_>, entry: &Entry) -> Next {
    let (number, short) = (named(entry).unwrap_or_default(), missing(books, entry).unwrap_or_default());
    let (amount, due) = (entry.amount.min(short), books.document.due.unwrap_or_default());
    if books.document.status != "AUTHORISED" && books.document.status != "PAID" {
        let sentence = format!(
            "ConnectWise has the {}, but the invoice {} has the status {} in Xero.",
            entry.told(),
            books.document.number,
            books.document.status
        );
        return hold(HoldCode::InvoiceNotApproved, sentence);
    }
    if amount > due {
        let sentence = format!(
            "ConnectWise has the {} from {number} on {}; Xero has {} paid and takes {due} more.",
            entry.told(),
            books.invoice.number,
            books.document.paid()
        );
        return hold(HoldCode::PaymentConflict, sentence);
    }
    Next::Allocate(entry.clone(), number.to_owned(), amount)
}

/// How well an item and an entry fit, the surest first.
#[derive(Clone, Copy)]
enum Rank {
    SameCredit,
    SameCreditOtherDay,
    Same,
}

impl Rank {
    fn fits(self, item: &Item, entry: &Entry) -> bool {
        let credit = item.origin == Origin::CreditNote
            && entry.credit.as_deref().is_some_and(|number| number.trim() == item.number.trim());
        let (amount, day) = (item.amount == entry.amount, item.date == entry.date);
        match self {
            Self::SameCredit => amount && day && credit,
            // A credit is applied by hand in each system; the number says that it is the same.
            Self::SameCreditOtherDay => amount && credit,
            // One that names another memo is another one.
            Self::Same => {
                let may =
                    entry.credit.as_deref().is_none_or(|number| number.is_empty() && item.origin == Origin::CreditNote);
                amount && day && may
            }
        }
    }
}

/// Whether both could be one payment that was dated differently.
fn is_near(item: &Item, entry: &Entry) -> bool {
    let days = item.date.since(entry.date).map_or(i32::MAX, |span| span.get_days().abs());
    item.amount == entry.amount && days <= NEAR_DAYS && entry.credit.is_none() == (item.origin != Origin::CreditNote)
}

fn near_told(books: &Books<'_>, item: &Item, entry: &Entry) -> String {
    format!(
        "The {} in Xero and the {} in ConnectWise on {} could be one, dated differently, or two.",
        item.told(),
        entry.told(),
        books.invoice.number
    )
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::mark;
    use super::*;
    use crate::domain::facts::InvoiceType;

    fn money(amount: i64) -> Money {
        Money::CENT * (amount * 100).into()
    }

    fn item(id: u128, amount: i64, day: i8) -> Item {
        Item {
            id: Uuid::from_u128(id),
            origin: Origin::Payment,
            amount: money(amount),
            date: date(2026, 12, day),
            number: String::new(),
            reference: String::new(),
        }
    }

    fn entry(id: i64, amount: i64, day: i8) -> Entry {
        Entry { id, amount: money(amount), date: date(2026, 12, day), credit: None }
    }

    /// Both systems, as far as payments of one invoice go.
    #[derive(Clone, Debug)]
    struct World {
        document: PaidDocument,
        invoice: PaidInvoice,
        entries: Vec<Entry>,
        links: Vec<Link>,
        way: Payments,
        credits: Credits,
        ids: i64,
    }

    impl World {
        fn new(way: Payments, items: Vec<Item>, entries: Vec<Entry>) -> Self {
            let document = PaidDocument {
                id: Uuid::nil(),
                is_sale: true,
                number: "INV-1".to_owned(),
                reference: String::new(),
                client: String::new(),
                status: "AUTHORISED".to_owned(),
                currency: "AUD".to_owned(),
                total: Some(money(1_000_000)),
                due: Some(money(1_000_000)),
                updated: None,
                items,
                unreadable: Vec::new(),
            };
            let invoice = PaidInvoice {
                id: 55,
                number: "INV-1".to_owned(),
                reference: String::new(),
                kind: InvoiceType::Standard,
                date: None,
                total: money(1_000_000),
                currency: None,
                location_id: None,
            };
            Self { document, invoice, entries, links: Vec::new(), way, credits: Credits::Off, ids: 1000 }
        }

        fn look(&self) -> Verdict {
            let Self { document, invoice, entries, links, way, .. } = self;
            let credits = self.credits;
            weigh(&Books { document, invoice, entries, links, way: *way, credits, start: None, asked: false })
        }

        /// Carries out what comes next; false at the end.
        fn step(&mut self) -> Result<bool, HoldReason> {
            let Verdict { links, next } = self.look();
            // A hold changes nothing that is remembered.
            if let Next::Hold(reason) = next {
                return Err(reason);
            }
            self.links = links;
            self.ids += 1;
            let link = |item: &Item, payment, made| Link {
                item: item.id,
                amount: item.amount,
                date: item.date,
                invoice: 55,
                payment,
                made,
            };
            match next {
                Next::Nothing | Next::Hold(_) => return Ok(false),
                Next::Enter(item) => {
                    self.entries.push(Entry { id: self.ids, amount: item.amount, date: item.date, credit: None });
                    self.links.push(link(&item, self.ids, Made::InConnectwise));
                }
                Next::Allocate(_, number, amount) => {
                    let note = Item { origin: Origin::CreditNote, number, amount, ..item(9000, 1, 27) };
                    self.document.items.push(note);
                }
                Next::Remove(payment) => self.entries.retain(|entry| entry.id != payment),
                Next::Send(entry) => {
                    let id = Uuid::from_u128(self.ids.unsigned_abs().into());
                    let item =
                        Item { id, amount: entry.amount, date: entry.date, reference: mark(entry.id), ..item(0, 1, 1) };
                    self.links.push(link(&item, entry.id, Made::InXero));
                    self.document.items.push(item);
                }
            }
            Ok(true)
        }

        /// To the end, which must come soon.
        fn run(&mut self) -> Result<(), HoldReason> {
            for _ in 0..=self.document.items.len() + self.entries.len() {
                if !self.step()? {
                    return Ok(());
                }
            }
            panic!("it does not end: {self:?}");
        }

        /// Amounts and days on both sides.
        fn bags(&self) -> [Vec<(Money, Date)>; 2] {
            let mut bags = [
                self.document.items.iter().map(|item| (item.amount, item.date)).collect::<Vec<_>>(),
                self.entries.iter().map(|entry| (entry.amount, entry.date)).collect(),
            ];
            for bag in &mut bags {
                bag.sort();
            }
            bags
        }
    }

    fn held(world: &mut World) -> (HoldCode, String) {
        let reason = world.run().unwrap_err();
        (reason.code, reason.sentence.to_string())
    }

    #[test]
    fn two_equal_payments_of_one_day_are_two() {
        let mut world = World::new(Payments::FromXero, vec![item(1, 10, 1), item(2, 10, 1)], vec![entry(7, 10, 1)]);
        world.run().unwrap();
        assert_eq!(world.bags()[1].len(), 2);
        assert_eq!(world.links.iter().filter(|link| link.made == Made::Neither && link.payment == 7).count(), 1);
    }

    #[test]
    fn what_could_be_one_payment_dated_differently_is_held() {
        let mut world = World::new(Payments::FromXero, vec![item(1, 10, 6)], vec![entry(7, 10, 1)]);
        let (code, told) = held(&mut world);
        assert_eq!(code, HoldCode::AmbiguousPayment);
        assert!(told.contains("2026-12-06") && told.contains("2026-12-01"), "{told}");
        let mut world = World::new(Payments::FromXero, vec![item(1, 10, 7)], vec![entry(7, 10, 1)]);
        world.run().unwrap();
        assert_eq!(world.entries.len(), 2);
        let mut world = World::new(Payments::ToXero, vec![item(1, 10, 6)], vec![entry(7, 10, 1)]);
        assert_eq!(held(&mut world).0, HoldCode::AmbiguousPayment);
    }

    #[test]
    fn nobody_pays_more_than_the_invoice() {
        let mut world = World::new(Payments::FromXero, vec![item(1, 60, 1)], vec![entry(7, 50, 20)]);
        world.invoice.total = money(100);
        let (code, told) = held(&mut world);
        assert_eq!(code, HoldCode::PaymentConflict);
        assert!(told.contains("50.00") && told.contains("60.00") && told.contains("100.00"), "{told}");
        let mut world = World::new(Payments::ToXero, vec![item(1, 60, 1)], vec![entry(7, 50, 20)]);
        world.document.due = Some(money(40));
        assert_eq!(held(&mut world).0, HoldCode::PaymentConflict);
    }

    #[test]
    fn a_credit_is_known_by_its_number_on_any_day() {
        let note = Item { origin: Origin::CreditNote, number: "CM-1".to_owned(), ..item(1, 10, 20) };
        let credit = |number: &str| Entry { credit: Some(number.to_owned()), ..entry(7, 10, 1) };
        let mut world = World::new(Payments::Both, vec![note.clone()], vec![credit("CM-1")]);
        world.run().unwrap();
        assert_eq!((world.entries.len(), world.document.items.len()), (1, 1));
        let mut world = World::new(Payments::Both, vec![note], vec![credit("CM-2")]);
        world.run().unwrap();
        assert_eq!((world.entries.len(), world.document.items.len()), (2, 1), "another memo is another credit");
    }

    #[test]
    fn credits_go_to_xero_by_their_sums() {
        let credit = |id: i64, amount: i64| Entry { credit: Some("CM-1".to_owned()), ..entry(id, amount, 1) };
        let note =
            |amount: i64| Item { origin: Origin::CreditNote, number: "CM-1".to_owned(), ..item(9000, amount, 20) };
        let run = |items: Vec<Item>, way: Payments| {
            let mut world = World::new(way, items, vec![credit(1, 10), credit(2, 5)]);
            world.credits = Credits::ToXero;
            world.run().map(|()| {
                assert_eq!(world.entries.len(), 2, "ConnectWise stays as it is");
                allocated(&world.document, "CM-1")
            })
        };
        for way in [Payments::Off, Payments::Both] {
            assert_eq!(run(vec![], way), Ok(money(15)), "{way:?}");
            assert_eq!(run(vec![note(10)], way), Ok(money(15)), "{way:?}");
            assert_eq!(run(vec![note(15)], way), Ok(money(15)), "two that are shown as one, {way:?}");
        }
        // Of one that is shown as a part of neither, only what lacks is allocated.
        for way in [Payments::Off, Payments::Both] {
            assert_eq!(run(vec![note(12)], way), Ok(money(15)), "{way:?}");
        }
        let code = run(vec![note(17)], Payments::Both).unwrap_err().code;
        assert_eq!(code, HoldCode::AmbiguousPayment, "what Xero has more is in no part of ConnectWise");
        // More than the invoice takes.
        let mut world = World::new(Payments::Off, Vec::new(), vec![credit(1, 10)]);
        (world.credits, world.document.due) = (Credits::ToXero, Some(money(9)));
        assert_eq!(held(&mut world).0, HoldCode::PaymentConflict);
        world.document.status = "DRAFT".to_owned();
        assert_eq!(held(&mut world).0, HoldCode::InvoiceNotApproved);
    }

    #[test]
    fn the_invoice_of_the_links_must_be_the_same() {
        let mut world = World::new(Payments::FromXero, vec![item(1, 10, 1)], Vec::new());
        world.run().unwrap();
        world.invoice.id = 56;
        assert_eq!(held(&mut world).0, HoldCode::PaymentChanged);
    }

    #[test]
    fn what_a_lost_answer_made_is_the_one_that_was_not_there_before() {
        let link = Link {
            item: Uuid::from_u128(1),
            amount: money(10),
            date: date(2026, 12, 1),
            invoice: 55,
            payment: 0,
            made: Made::InConnectwise,
        };
        let change = Change::Enter { link: link.clone(), before: vec![7] };
        let found = |entries: &[Entry], links: &[Link]| found_after(&change, entries, links).map(|link| link.payment);
        assert_eq!(found(&[entry(7, 10, 1)], &[]), None);
        assert_eq!(found(&[entry(7, 10, 1), entry(8, 10, 1)], &[]), Some(8));
        assert_eq!(found(&[entry(8, 10, 1)], &[Link { payment: 8, ..link }]), None);
        assert_eq!(found(&[entry(8, 10, 2), entry(9, 11, 1)], &[]), None);
    }

    /// Days that lie apart, so that nothing is near.
    fn apart() -> impl Strategy<Value = i8> {
        prop_oneof![Just(1_i8), Just(11), Just(21)]
    }

    fn items(days: impl Strategy<Value = i8>) -> impl Strategy<Value = Vec<Item>> {
        let rows = proptest::collection::vec((1_i64..4, days), 0..6);
        rows.prop_map(|rows| (1..).zip(rows).map(|(id, (amount, day))| item(id, amount, day)).collect())
    }

    fn entries(days: impl Strategy<Value = i8>) -> impl Strategy<Value = Vec<Entry>> {
        let rows = proptest::collection::vec((1_i64..4, days), 0..6);
        rows.prop_map(|rows| (1..).zip(rows).map(|(id, (amount, day))| entry(id, amount, day)).collect())
    }

    fn way() -> impl Strategy<Value = Payments> {
        prop_oneof![Just(Payments::FromXero), Just(Payments::ToXero), Just(Payments::Both)]
    }

    proptest! {
        /// One by one, the changes end with each payment on the side that it goes to, and none more.
        #[test]
        fn changes_end_in_equal_bags(way in way(), items in items(apart()), entries in entries(apart())) {
            let mut world = World::new(way, items.clone(), entries.clone());
            world.run().unwrap();
            let [in_xero, in_connectwise] = world.bags();
            let without = |mut bag: Vec<(Money, Date)>, other: &[(Money, Date)]| {
                for row in other {
                    if let Some(at) = bag.iter().position(|held| held == row) { bag.remove(at); }
                }
                bag
            };
            if way.from_xero() { prop_assert_eq!(without(in_xero.clone(), &in_connectwise), Vec::new()); }
            if way.to_xero() { prop_assert_eq!(without(in_connectwise.clone(), &in_xero), Vec::new()); }
            if way == Payments::Both { prop_assert_eq!(&in_xero, &in_connectwise); }
            if !way.from_xero() { prop_assert_eq!(in_connectwise.len(), entries.len()); }
            if !way.to_xero() { prop_assert_eq!(in_xero.len(), items.len()); }
            // With nothing remembered, nothing is done again.
            world.links.clear();
            prop_assert_eq!(world.look().next, Next::Nothing);
        }

        /// Whatever is deleted in Xero and added meanwhile, what a person entered in ConnectWise stays as it is.
        #[test]
        fn what_a_person_entered_is_never_touched(
            way in way(), first in items(1_i8..28), entries in entries(1_i8..28), gone in proptest::collection::vec(any::<bool>(), 6),
            more in items(1_i8..28),
        ) {
            let mut world = World::new(way, first, entries.clone());
            let _ = world.run();
            let mut gone = gone.into_iter().cycle();
            world.document.items.retain(|_| !gone.next().unwrap());
            world.document.items.extend(more.into_iter().map(|item| Item { id: Uuid::from_u128(item.id.as_u128() + 100), ..item }));
            let _ = world.run();
            for own in &entries {
                prop_assert!(world.entries.contains(own), "{:?} is gone from {:?}", own, world);
            }
            // Entries of ours are in Xero as well, each for one there.
            let ours: Vec<_> = world.entries.iter().filter(|entry| entry.id > 1000).collect();
            if world.look().next == Next::Nothing && way.from_xero() {
                prop_assert!(ours.iter().all(|entry| world.links.iter().any(|link| link.payment == entry.id)));
            }
            let mut linked: Vec<i64> = world.links.iter().map(|link| link.payment).collect();
            linked.sort_unstable();
            linked.dedup();
            prop_assert_eq!(linked.len(), world.links.len(), "a payment is linked once");
        }
    }
}
