//! A record that was edited after it was posted: in what, and what may become of its document.

use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::content::{Content, Difference, told};
use super::delivery::Posted;
use super::draft::DocumentKind;
use super::facts::RecordFacts;
use super::hold::{HoldCode, HoldReason};
use super::money::Money;
use super::rules::{Edited, EditedLocked, Rules};

/// Says in what a record is not what was posted; `before` is what ConnectWise said then, where that was kept.
#[must_use]
pub fn edited(record: &RecordFacts, posted: &Posted, before: Option<&Content>) -> HoldReason {
    let (now, title) = (Content::of(record), record.title());
    let differences = match before {
        Some(before) => before.differences(&now),
        None => total_alone(record, posted),
    };
    let mut what = if differences.is_empty() { "its details were changed".to_owned() } else { told(&differences) };
    if before.is_none() {
        what.push_str(". What else it said then was not kept");
    }
    let sentence = format!("{title} was posted with {} and changed in ConnectWise since: {what}.", posted.total);
    HoldReason::new(HoldCode::EditedAfterPost, sentence).with(differences)
}

/// All that is known of what was posted by a version that kept no more.
fn total_alone(record: &RecordFacts, posted: &Posted) -> Vec<Difference> {
    let total = record.total().abs();
    // Of a change of the inventory the document's sum is another one than the net.
    if total == posted.total || matches!(record, RecordFacts::Movement(_)) {
        return Vec::new();
    }
    vec![Difference { field: "total".to_owned(), posted: posted.total.to_string(), now: total.to_string() }]
}

/// What a document says in Xero, beside its kind, sums and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InXero {
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub contact: Uuid,
    /// Its date.
    pub date: Option<Date>,
    /// Due date; credit notes have none.
    pub due_date: Option<Date>,
    /// Reference; Xero keeps none of purchases.
    pub reference: String,
    /// ISO code.
    pub currency: String,
    /// The lines, in order.
    pub lines: Vec<LineInXero>,
}

/// A line in Xero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineInXero {
    /// Xero's id of the line.
    pub id: Option<Uuid>,
    /// What was sold.
    pub description: String,
    /// Quantity.
    pub quantity: Decimal,
    /// Price of one.
    pub unit_amount: Decimal,
    /// Account code.
    pub account: String,
    /// Item code; empty for none.
    pub item: String,
    /// Tax rate's code.
    pub tax_type: String,
    /// Tax, calculated or stated.
    pub tax_amount: Option<Decimal>,
    /// Tracking categories and options, sorted.
    pub tracking: Vec<(String, String)>,
}

impl InXero {
    /// In what a document that `held` says in Xero is not this one, which readypost sent or wants. What this one leaves
    /// to Xero is not compared.
    #[must_use]
    pub fn differences(&self, held: &Self) -> Vec<Difference> {
        self.named(self).differences(&held.named(self))
    }

    /// The pairs of lines that are the same line, as positions here and in `held`: equal ones at both ends, and what is
    /// between them in order.
    #[must_use]
    pub fn pairs(&self, held: &Self) -> Vec<(usize, usize)> {
        let (ours, theirs) = (self.named(self).lines.unwrap_or_default(), held.named(self).lines.unwrap_or_default());
        let first = ours.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
        let last = ours.iter().rev().zip(theirs.iter().rev()).take_while(|(one, other)| one == other).count();
        let shorter = ours.len().min(theirs.len());
        let last = last.min(shorter.saturating_sub(first));
        let from_end = |lines: usize| lines.saturating_sub(last);
        let middle = first..from_end(ours.len()).min(from_end(theirs.len()));
        let ends = from_end(ours.len())..ours.len();
        let behind = ends.zip(from_end(theirs.len())..theirs.len());
        (0..first).map(|line| (line, line)).chain(middle.map(|line| (line, line))).chain(behind).collect()
    }

    /// All of it, by names.
    #[must_use]
    pub fn content(&self) -> Content {
        self.named(self)
    }

    /// By names, as far as `asked` says something about it.
    fn named(&self, asked: &Self) -> Content {
        let mut heading = vec![
            field("number", &self.number),
            field("contact", &self.contact.to_string()),
            field("date", &day(self.date)),
            field("reference", self.reference.trim()),
            field("currency", &self.currency),
        ];
        if asked.due_date.is_some() {
            heading.push(field("due date", &day(self.due_date)));
        }
        let lines = self.lines.iter().enumerate().map(|(index, line)| {
            let stated = asked.lines.get(index).is_some_and(|asked| asked.tax_amount.is_some());
            line.named(stated && self.lines.len() == asked.lines.len())
        });
        Content { heading, lines: Some(lines.collect()), ..Content::default() }
    }
}

impl LineInXero {
    fn named(&self, with_tax: bool) -> Vec<(String, String)> {
        let amount = |amount: Decimal| amount.normalize().to_string();
        let tracking: Vec<String> =
            self.tracking.iter().map(|(category, option)| format!("{category}: {option}")).collect();
        let tax = self.tax_amount.filter(|_| with_tax);
        vec![
            field("description", self.description.trim()),
            field("quantity", &amount(self.quantity)),
            field("price", &amount(self.unit_amount)),
            field("account", &self.account),
            field("item", &self.item),
            field("tax rate", &self.tax_type),
            field("tracking", &tracking.join(", ")),
            field("tax", &tax.map(amount).unwrap_or_default()),
        ]
    }

    /// Whether this line holds something that `wanted` has not, and that leaving it out of a change would keep.
    #[must_use]
    pub fn keeps(&self, wanted: &Self) -> bool {
        (wanted.item.is_empty() && !self.item.is_empty()) || (wanted.tracking.len() < self.tracking.len())
    }
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn day(date: Option<Date>) -> String {
    date.map(|date| date.to_string()).unwrap_or_default()
}

/// What is known of the document of a record that was edited.
#[derive(Clone, Debug)]
pub struct Edit<'posted> {
    /// What was posted.
    pub posted: &'posted Posted,
    /// What the record would become now.
    pub kind: DocumentKind,
    /// What it would be worth.
    pub total: Money,
    /// Its status in Xero.
    pub status: &'posted str,
    /// What was paid on it, credited to it, or allocated of it.
    pub settled: Money,
    /// Why its period takes no change.
    pub locked: Option<String>,
    /// The first day after all lock dates.
    pub open_from: Option<Date>,
    /// What somebody changed in Xero since; none where that cannot be told.
    pub in_xero: Option<Vec<Difference>>,
}

/// What becomes of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is changed in place.
    Update,
    /// A person decides; what stands against the change, or what to do instead.
    Hold {
        /// A sentence; empty when the rules alone say so.
        why: String,
        /// What somebody changed in Xero since.
        in_xero: Vec<Difference>,
    },
}

/// What becomes of the document of a record that was edited, by rule.
#[must_use]
pub fn verdict(edit: &Edit<'_>, rules: &Rules) -> Verdict {
    let hold = |why: String| Verdict::Hold { why, in_xero: Vec::new() };
    let posted = edit.posted;
    if posted.kind == DocumentKind::Journal {
        return hold(String::new());
    }
    // The same total on the other side of the books, or money that is there already: only a second document mends that.
    let back = match posted.kind {
        DocumentKind::Invoice => "credit note",
        DocumentKind::CreditNote => "invoice",
        DocumentKind::Bill => "vendor's credit note",
        DocumentKind::BillCredit | DocumentKind::Journal => "bill",
    };
    let reissue = |dated: &str| {
        format!(
            "Proposal: a {back} of {} for {}, and a new {} of {}{dated}.",
            posted.total,
            posted.number,
            edit.kind.noun(),
            edit.total
        )
    };
    if edit.kind != posted.kind {
        return hold(format!(
            "It was posted as {} and would be {} now. {}",
            posted.kind.noun(),
            edit.kind.noun(),
            reissue("")
        ));
    }
    if let Some(locked) = &edit.locked {
        let dated = edit.open_from.filter(|_| rules.edited_locked == EditedLocked::NextPeriod);
        let dated = dated.map(|day| format!(", both dated {day}"));
        return hold(match dated {
            Some(dated) => format!("{locked} {}", reissue(&dated)),
            None => locked.clone(),
        });
    }
    if !edit.settled.is_zero() {
        return hold(format!("{} is paid, credited or allocated in Xero. {}", edit.settled, reissue("")));
    }
    if !matches!(edit.status, "DRAFT" | "SUBMITTED" | "AUTHORISED") {
        return hold(format!("It is {} in Xero, which changes no such document. {}", edit.status, reissue("")));
    }
    if rules.edited == Edited::Hold {
        return hold(String::new());
    }
    match &edit.in_xero {
        Some(changes) if changes.is_empty() => Verdict::Update,
        Some(changes) => Verdict::Hold {
            why: format!("Somebody changed it in Xero as well: {}.", told(changes)),
            in_xero: changes.clone(),
        },
        None => hold(
            "What was sent to Xero is not known any more, so whether somebody changed it there cannot be told."
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{ContentHash, Invoice, InvoiceType, Status};

    fn money(cents: i64) -> Money {
        Money::CENT * Decimal::from(cents)
    }

    fn posted(kind: DocumentKind) -> Posted {
        Posted {
            id: Uuid::from_u128(7),
            company: "acme-au".parse().unwrap(),
            kind,
            number: "1042".to_owned(),
            total: money(24_000),
            xero_total: money(24_000),
            at: jiff::Timestamp::UNIX_EPOCH,
            content: ContentHash("x".to_owned()),
            lines: None,
            batch: None,
            journal: None,
        }
    }

    /// What stands against changing an approved invoice of 240.00 that became one of 260.00; none when it is changed.
    fn against(kind: DocumentKind, change: impl FnOnce(&mut Edit<'_>, &mut Rules)) -> Option<String> {
        let posted = posted(kind);
        let mut rules = Rules { edited: Edited::Update, ..Rules::default() };
        let mut edit = Edit {
            posted: &posted,
            kind,
            total: money(26_000),
            status: "AUTHORISED",
            settled: Money::ZERO,
            locked: None,
            open_from: Some("2026-12-01".parse().unwrap()),
            in_xero: Some(Vec::new()),
        };
        change(&mut edit, &mut rules);
        match verdict(&edit, &rules) {
            Verdict::Update => None,
            Verdict::Hold { why, in_xero } => {
                assert!(in_xero.is_empty() || edit.in_xero == Some(in_xero));
                Some(why)
            }
        }
    }

    #[test]
    fn what_nothing_stands_against_is_changed_and_all_else_is_held_with_its_cause() {
        use DocumentKind::{Bill, BillCredit, CreditNote, Invoice, Journal};
        for kind in [Invoice, CreditNote, Bill, BillCredit] {
            for status in ["AUTHORISED", "DRAFT", "SUBMITTED"] {
                assert_eq!(against(kind, |edit, _| edit.status = status), None, "{kind:?} {status}");
            }
            assert_eq!(against(kind, |_, rules| rules.edited = Edited::Hold).unwrap(), "");
        }
        assert_eq!(against(Journal, |_, _| ()).unwrap(), "");
        let changed = Difference { field: "line 1 account".into(), posted: "200".into(), now: "260".into() };
        assert_eq!(
            against(Invoice, |edit, _| edit.in_xero = Some(vec![changed])).unwrap(),
            "Somebody changed it in Xero as well: line 1 account: 200 -> 260."
        );
        assert!(
            against(Invoice, |edit, _| edit.in_xero = None).unwrap().starts_with("What was sent to Xero is not known")
        );
    }

    #[test]
    fn what_is_paid_or_locked_is_proposed_to_be_credited_and_posted_anew() {
        use DocumentKind::{Bill, CreditNote, Invoice};
        let anew = "Proposal: a credit note of 240.00 for 1042, and a new invoice of 260.00.";
        let paid = against(Invoice, |edit, _| (edit.status, edit.settled) = ("PAID", money(24_000)));
        assert_eq!(paid.unwrap(), format!("240.00 is paid, credited or allocated in Xero. {anew}"));
        // The rule `edited` changes nothing about that.
        let paid = against(Bill, |edit, rules| (edit.settled, rules.edited) = (money(1), Edited::Hold));
        let anew_bill = "Proposal: a vendor's credit note of 240.00 for 1042, and a new bill of 260.00.";
        assert_eq!(paid.unwrap(), format!("0.01 is paid, credited or allocated in Xero. {anew_bill}"));
        let free = against(Invoice, |edit, _| edit.status = "PAID");
        assert_eq!(free.unwrap(), format!("It is PAID in Xero, which changes no such document. {anew}"));
        let turned = against(Invoice, |edit, _| edit.kind = CreditNote).unwrap();
        assert!(turned.starts_with("It was posted as invoice and would be credit note now. Proposal:"), "{turned}");
        let locked = "The invoice date 2026-11-30 is not after the period lock date 2026-11-30 in Xero.";
        let held = against(Invoice, |edit, _| edit.locked = Some(locked.to_owned()));
        assert_eq!(held.unwrap(), locked);
        let next = against(Invoice, |edit, rules| {
            edit.locked = Some(locked.to_owned());
            rules.edited_locked = EditedLocked::NextPeriod;
        });
        let dated = format!("{} both dated 2026-12-01.", anew.replace("260.00.", "260.00,"));
        assert_eq!(next.unwrap(), format!("{locked} {dated}"));
    }

    #[test]
    fn what_an_older_version_posted_is_told_by_its_total_alone() {
        let invoice = Invoice {
            id: 1,
            number: "1042".to_owned(),
            kind: InvoiceType::Standard,
            status: Status { id: 4, name: "Ready to Post".to_owned(), closed: true },
            client_id: 250,
            client_name: "Acme".to_owned(),
            location_id: None,
            date: None,
            due_date: None,
            customer_po: String::new(),
            project: String::new(),
            agreement: String::new(),
            reference: String::new(),
            currency: None,
            tax_code: String::new(),
            sales_tax: Money::ZERO,
            down_payment_applied: Money::ZERO,
            progress_applied: Money::ZERO,
            total: money(26_000),
            batch: None,
            paid: Money::ZERO,
        };
        let before = Content::of(&RecordFacts::from(Invoice {
            due_date: Some("2026-12-15".parse().unwrap()),
            ..invoice.clone()
        }));
        let now = RecordFacts::from(invoice);
        let reason = edited(&now, &posted(DocumentKind::Invoice), None);
        assert_eq!(
            reason.sentence.as_str(),
            "Invoice 1042 was posted with 240.00 and changed in ConnectWise since: total: 240.00 -> 260.00. What else it said then was not kept."
        );
        let reason = edited(&now, &posted(DocumentKind::Invoice), Some(&before));
        assert_eq!(
            reason.differences.iter().map(Difference::told).collect::<Vec<_>>(),
            ["due date: 2026-12-15 -> nothing"]
        );
    }

    #[test]
    fn lines_are_paired_from_both_ends() {
        let line = |text: &&str| LineInXero { description: (*text).to_owned(), ..LineInXero::default() };
        let said = |lines: &[&str]| InXero { lines: lines.iter().map(line).collect(), ..InXero::default() };
        let pairs = |ours: &[&str], theirs: &[&str]| said(ours).pairs(&said(theirs));
        assert_eq!(pairs(&["a", "b"], &["a", "b"]), [(0, 0), (1, 1)]);
        assert_eq!(pairs(&["a", "x", "b"], &["a", "b"]), [(0, 0), (2, 1)]);
        assert_eq!(pairs(&["b"], &["a", "b"]), [(0, 1)]);
        assert_eq!(pairs(&["a", "x", "c"], &["a", "b", "c"]), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(pairs(&["x"], &["a", "b"]), [(0, 0)]);
        assert_eq!(pairs(&[], &["a"]), []);
    }
}
