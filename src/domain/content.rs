//! What ConnectWise said of a record when it was posted, by names, and in what it differs now.
//!
//! The hash in [`Posted`](super::delivery::Posted) decides whether a record was edited; this says how. It is kept
//! in the journal alone, with the settlement that posted the record: rows of the index stay small, and what was
//! posted cannot be changed quietly.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::{ContentHash, Detail, Expense, Invoice, InvoiceFacts, Movement, Purchase, RecordFacts, Stock};
use super::money::Money;
use super::text::shorten;

/// The longest text of a field, in characters.
const TEXT_MAX: usize = 60;
/// Lines that are kept of a record.
const LINES_MAX: usize = 300;
/// GL entries that are kept of a record: of one that has more, none are.
const ENTRIES_MAX: usize = 5_000;
/// Differences that are kept with a hold; more are counted.
pub const DIFFERENCES_MAX: usize = 12;
/// Differences that a sentence tells.
const TOLD_MAX: usize = 4;

/// The name of the field that has GL entries.
const ENTRIES: &str = "GL entries";

/// A name and what it held.
type Field = (String, String);

/// What ConnectWise said of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What holds for all of it.
    pub heading: Vec<Field>,
    /// Its lines in order; none when they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Vec<Field>>>,
    /// Its GL entries by id, ascending, with their amounts where the preview says them; empty when they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<(i64, Option<Money>)>,
    /// Those of them that belong to no line of the order, as freight and tax do; of purchases only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<i64>,
}

/// One field in which a record is not what was posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Its name, such as `due date` or `line 2 quantity`.
    pub field: String,
    /// What was posted; empty for nothing.
    pub posted: String,
    /// What it is now; empty for nothing.
    pub now: String,
}

impl Difference {
    /// As a person says it: `total: 240.00 -> 260.00`.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{}: {} -> {}", self.field, or_nothing(&self.posted), or_nothing(&self.now))
    }

    fn new(field: impl Into<String>, posted: &str, now: &str) -> Self {
        Self { field: field.into(), posted: shorten(posted, TEXT_MAX), now: shorten(now, TEXT_MAX) }
    }
}

/// What stands there, as a person says it.
pub(super) fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// The first differences, for a sentence.
#[must_use]
pub fn told(differences: &[Difference]) -> String {
    let mut told: Vec<String> = differences.iter().take(TOLD_MAX).map(Difference::told).collect();
    let more = differences.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join("; ")
}

impl Content {
    /// The content of a record, as far as it was read.
    #[must_use]
    pub fn of(record: &RecordFacts) -> Self {
        let (heading, lines) = match record {
            RecordFacts::Invoice(facts) => (of_invoice(&facts.invoice), of_transaction(facts)),
            RecordFacts::Purchase(purchase) => of_purchase(purchase),
            RecordFacts::Expense(expense) => of_expense(expense, record.total()),
            RecordFacts::Movement(movement) => of_movement(movement),
        };
        let short = |fields: Vec<(&'static str, String)>| {
            fields.into_iter().map(|(name, value)| (name.to_owned(), shorten(value.trim(), TEXT_MAX))).collect()
        };
        let lines = lines.map(|lines| lines.into_iter().take(LINES_MAX).map(short).collect());
        Self { heading: short(heading), lines, entries: entries(record), beside: beside(record) }
    }

    /// Whether `now` is a proper part of this: some of its GL entries, each with its amount, and nothing else is new.
    ///
    /// Never so where the GL entries are not known: older versions kept none.
    #[must_use]
    pub fn is_left(&self, now: &Self) -> bool {
        let is_part = !now.entries.is_empty() && now.entries.len() < self.entries.len();
        is_part
            && now.entries.iter().all(|entry| self.entries.contains(entry))
            && constant(&self.heading) == constant(&now.heading)
            && self.has_lines_of(now)
    }

    /// Whether each line of `now` is one of these, as far as all of these were kept.
    fn has_lines_of(&self, now: &Self) -> bool {
        let (Some(before), Some(now)) = (&self.lines, &now.lines) else { return true };
        let before: Vec<_> = before.iter().map(|line| constant(line)).collect();
        before.len() == LINES_MAX || now.iter().all(|line| before.contains(&constant(line)))
    }

    /// Whether all of this is listed in `now`; none where only the lines of the record can tell, because closing a record
    /// once more may give it other GL entries.
    #[must_use]
    pub fn is_all_in(&self, now: &Self) -> Option<bool> {
        let has = |entry: i64| now.entries.iter().any(|(id, _)| *id == entry);
        let (kept, gone): (Vec<i64>, Vec<i64>) = self.entries.iter().map(|(id, _)| *id).partition(|id| has(*id));
        if !self.entries.is_empty() && gone.is_empty() {
            return Some(true);
        }
        // No line says whether freight and tax are in a batch.
        let beside = gone.iter().any(|id| self.beside.contains(id));
        (beside && (!kept.is_empty() || now.beside.len() < self.beside.len())).then_some(false)
    }

    /// The GL entries of an expense entry that is in this, as far as they were kept; none when it is not.
    #[must_use]
    pub fn of_expense(&self, entry: i64) -> Option<Vec<i64>> {
        let Some(lines) = self.lines.as_ref().filter(|lines| lines.len() < LINES_MAX) else { return Some(Vec::new()) };
        let field = ("entry".to_owned(), entry.to_string());
        let line = lines.iter().find(|line| line.contains(&field))?;
        let ids = line.iter().find(|(name, _)| name == ENTRIES).map(|(_, ids)| ids.as_str()).unwrap_or_default();
        Some(ids.split(", ").filter_map(|id| id.parse().ok()).collect())
    }

    /// The ids of its GL entries; none where they were not kept.
    #[must_use]
    pub fn entry_ids(&self) -> Vec<i64> {
        self.entries.iter().map(|(id, _)| *id).collect()
    }

    /// Field by field, in what `now` is not the same.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut found = differences(&self.heading, &now.heading, "");
        if let (Some(before), Some(after)) = (&self.lines, &now.lines) {
            found.extend(of_lines(before, after));
        }
        found
    }
}

/// A hash of the lines of an invoice, which its own hash leaves out; none where they were not read, and of kinds whose
/// own hash has them.
#[must_use]
pub fn lines_hash(record: &RecordFacts) -> Option<ContentHash> {
    let RecordFacts::Invoice(facts) = record else { return None };
    let lines = of_transaction(facts)?;
    Some(ContentHash::of(lines.into_iter().flatten().map(|(_, value)| value)))
}

/// What of a heading or a line is no sum over GL entries.
fn constant(fields: &[Field]) -> Vec<&Field> {
    let has = |name: &str| fields.iter().any(|(known, _)| known == name);
    let sums: &[&str] = match (has("entry"), has(ENTRIES)) {
        // One expense has several.
        (true, _) => &["amount", "tax", "account", ENTRIES],
        (false, true) => &["total", "tax", ENTRIES],
        (false, false) => &[],
    };
    fields.iter().filter(|(name, _)| !sums.contains(&name.as_str())).collect()
}

/// The GL entries by id; a change of the inventory is one.
fn entries(record: &RecordFacts) -> Vec<(i64, Option<Money>)> {
    let of_row = |row: &Detail| (row.id, Some(row.total));
    let mut found = BTreeMap::new();
    match record {
        RecordFacts::Invoice(facts) => {
            if let Some(transaction) = &facts.transaction {
                found.extend(transaction.entry_ids.iter().map(|id| (*id, None)));
                found.extend(transaction.details.iter().map(of_row));
            }
        }
        RecordFacts::Purchase(purchase) => {
            if let Some(received) = &purchase.received {
                found.extend(received.details.iter().map(of_row));
                found.extend(received.taxes.iter().map(|tax| (tax.id, Some(tax.total))));
            }
        }
        RecordFacts::Expense(expense) => {
            for (_, listed) in expense.listed() {
                found.extend(listed.entry_ids.iter().map(|id| (*id, None)));
                found.extend(listed.rows.iter().map(of_row));
            }
        }
        RecordFacts::Movement(_) => {}
    }
    if found.len() > ENTRIES_MAX { Vec::new() } else { found.into_iter().collect() }
}

/// The GL entries of a purchase that belong to no line of its order.
fn beside(record: &RecordFacts) -> Vec<i64> {
    let RecordFacts::Purchase(purchase) = record else { return Vec::new() };
    let Some(received) = &purchase.received else { return Vec::new() };
    let rows = received.details.iter().filter(|row| row.is_freight() || row.is_purchase_tax());
    rows.map(|row| row.id).chain(received.taxes.iter().map(|tax| tax.id)).take(ENTRIES_MAX).collect()
}

fn differences(before: &[Field], after: &[Field], prefix: &str) -> Vec<Difference> {
    let value = |fields: &[Field], name: &str| {
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let gone = |name: &String| !after.iter().any(|(known, _)| known == name);
    let names = after.iter().map(|(name, _)| name).chain(before.iter().map(|(name, _)| name).filter(|name| gone(name)));
    // Those of all lines together are told once.
    let names = names.filter(|name| prefix.is_empty() || *name != ENTRIES);
    let compared = names.map(|name| (name, value(before, name), value(after, name)));
    let differing = compared.filter(|(_, posted, now)| posted != now);
    differing.map(|(name, posted, now)| Difference::new(format!("{prefix}{name}"), &posted, &now)).collect()
}

/// Lines that are equal at the beginning and at the end are left aside, so that one that came or went between them
/// does not make all others differ.
fn of_lines(before: &[Vec<Field>], after: &[Vec<Field>]) -> Vec<Difference> {
    let first = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let rest = |lines: usize| lines.saturating_sub(first);
    let last = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
    let last = last.min(rest(before.len())).min(rest(after.len()));
    let middle = |lines: &[Vec<Field>]| -> Vec<Vec<Field>> {
        lines.iter().take(lines.len().saturating_sub(last)).skip(first).cloned().collect()
    };
    let (before, after) = (middle(before), middle(after));
    let mut found = Vec::new();
    for index in 0..before.len().max(after.len()) {
        let line = format!("line {}", first.saturating_add(index).saturating_add(1));
        match (before.get(index), after.get(index)) {
            (Some(posted), Some(now)) => found.extend(differences(posted, now, &format!("{line} "))),
            (Some(posted), None) => found.push(Difference::new(line, &in_short(posted), "")),
            (None, Some(now)) => found.push(Difference::new(line, "", &in_short(now))),
            (None, None) => {}
        }
    }
    found
}

/// A line that came or went, in a few words.
fn in_short(line: &[Field]) -> String {
    let wanted = ["description", "entry", "account", "quantity", "amount"];
    let named = |name: &&str| line.iter().find(|(known, value)| known == name && !value.is_empty());
    let values: Vec<String> = wanted.iter().filter_map(named).map(|(_, value)| value.clone()).collect();
    shorten(&values.join(", "), TEXT_MAX)
}

/// The fields of a heading or a line, by names that stay.
type Named = Vec<(&'static str, String)>;

fn day(date: Option<Date>) -> String {
    date.map(|date| date.to_string()).unwrap_or_default()
}

fn quantity(quantity: Option<Decimal>) -> String {
    // Its sign is the one of the amount.
    quantity.map(|quantity| quantity.abs().normalize().to_string()).unwrap_or_default()
}

fn ids(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn of_invoice(invoice: &Invoice) -> Named {
    vec![
        ("total", invoice.total.to_string()),
        ("sales tax", invoice.sales_tax.to_string()),
        ("number", invoice.number.clone()),
        ("type", String::from(invoice.kind.clone())),
        ("client", format!("{} ({})", shorten(&invoice.client_name, 40), invoice.client_id)),
        ("date", day(invoice.date)),
        ("due date", day(invoice.due_date)),
        ("customer PO", invoice.customer_po.clone()),
        ("project", invoice.project.clone()),
        ("agreement", invoice.agreement.clone()),
        ("reference", invoice.reference.clone()),
        ("tax code", invoice.tax_code.clone()),
        ("currency", invoice.currency.clone().unwrap_or_default()),
    ]
}

fn of_transaction(facts: &InvoiceFacts) -> Option<Vec<Named>> {
    let rows = facts.transaction.as_ref()?.details.iter().filter(|row| !row.is_tax());
    // Revenue is below zero in the preview of an invoice.
    Some(rows.map(|row| of_row(row, -row.total)).collect())
}

fn of_row(row: &Detail, amount: Money) -> Named {
    vec![
        ("description", row.description.clone()),
        ("quantity", quantity(row.quantity)),
        ("price", row.price.map(|price| price.to_string()).unwrap_or_default()),
        ("amount", amount.to_string()),
        ("account", row.account.clone()),
        ("class", row.class.clone()),
        ("item", row.item.clone().unwrap_or_default()),
        ("tax", if row.tax_code.is_empty() { row.tax_xref.clone() } else { row.tax_code.clone() }),
        ("taxable", row.taxable.map(|taxable| taxable.to_string()).unwrap_or_default()),
    ]
}

fn of_purchase(purchase: &Purchase) -> (Named, Option<Vec<Named>>) {
    let order = &purchase.order;
    let mut heading = vec![
        ("order", order.number.clone()),
        ("vendor", order.vendor_id.map(|id| format!("{} ({id})", shorten(&order.vendor_name, 40))).unwrap_or_default()),
    ];
    let Some(received) = &purchase.received else { return (heading, None) };
    heading.extend([
        ("total", (received.net() + received.tax()).to_string()),
        ("tax", received.tax().to_string()),
        ("vendor's invoice number", received.vendor_invoice_number.clone()),
        ("vendor's invoice date", day(received.vendor_invoice_date)),
        ("currency", received.currency.clone().unwrap_or_default()),
        (ENTRIES, ids(&received.processed_ids())),
    ]);
    let rows = received.details.iter().filter(|row| !row.is_purchase_tax());
    (heading, Some(rows.map(|row| of_row(row, row.total)).collect()))
}

fn of_expense(expense: &Expense, total: Money) -> (Named, Option<Vec<Named>>) {
    let member = expense.member_id.map(|id| format!("{} ({id})", shorten(&expense.member_name, 40)));
    let heading = vec![
        ("total", total.to_string()),
        ("member", member.unwrap_or_default()),
        (ENTRIES, ids(&expense.processed_ids())),
    ];
    let lines = expense.listed().map(|(entry, listed)| {
        vec![
            ("entry", entry.id.to_string()),
            ("class", String::from(listed.class.clone())),
            ("currency", entry.currency.clone().unwrap_or_default()),
            ("amount", listed.gross().to_string()),
            ("tax", listed.tax_rows().to_string()),
            ("account", listed.rows.iter().map(|row| row.account.clone()).collect::<Vec<_>>().join(", ")),
            (ENTRIES, ids(&listed.entry_ids)),
        ]
    });
    (heading, Some(lines.collect()))
}

fn of_movement(movement: &Movement) -> (Named, Option<Vec<Named>>) {
    let Some(unposted) = &movement.unposted else { return (Vec::new(), None) };
    let mut heading = vec![("date", day(unposted.date)), ("currency", unposted.currency.clone().unwrap_or_default())];
    let lines = match &unposted.stock {
        Stock::Adjusted { account, rows } => {
            heading.push(("account", account.clone()));
            let row = rows.iter().map(|row| {
                vec![
                    ("quantity", quantity(row.quantity)),
                    ("amount", row.total.to_string()),
                    ("account", row.account.clone()),
                    ("inventory account", row.inventory.clone()),
                    ("class", row.class.clone()),
                ]
            });
            row.collect()
        }
        Stock::Shifted(shifted) => {
            let side = |total: Money, account: &str, class: &str| {
                vec![("amount", total.to_string()), ("account", account.to_owned()), ("class", class.to_owned())]
            };
            let mut sides = vec![side(shifted.total, &shifted.account, &shifted.class)];
            sides.extend(shifted.offset.iter().map(|other| side(other.total, &other.account, &other.class)));
            sides
        }
    };
    (heading, Some(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(heading: &[(&str, &str)], lines: &[&str]) -> Content {
        let fields = |fields: &[(&str, &str)]| -> Vec<Field> {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let line = |text: &&str| {
            let (description, amount) = text.split_once(' ').unwrap();
            fields(&[("description", description), ("amount", amount)])
        };
        Content { heading: fields(heading), lines: Some(lines.iter().map(line).collect()), ..Content::default() }
    }

    fn told_of(before: &Content, after: &Content) -> Vec<String> {
        before.differences(after).iter().map(Difference::told).collect()
    }

    #[test]
    fn differences_are_told_field_by_field_and_lines_that_came_or_went_do_not_move_the_others() {
        let before = content(&[("total", "240.00"), ("due date", "2026-12-15"), ("note", "x")], &["a 1", "b 2", "c 3"]);
        assert_eq!(told_of(&before, &before), [""; 0]);
        let after = content(&[("total", "260.00"), ("due date", "2026-12-20"), ("PO", "7")], &["a 1", "b 4", "c 3"]);
        assert_eq!(
            told_of(&before, &after),
            [
                "total: 240.00 -> 260.00",
                "due date: 2026-12-15 -> 2026-12-20",
                "PO: nothing -> 7",
                "note: x -> nothing",
                "line 2 amount: 2 -> 4"
            ]
        );
        let lines = |lines: &[&str]| content(&[], lines);
        let base = lines(&["a 1", "b 2", "c 3"]);
        assert_eq!(told_of(&base, &lines(&["a 1", "x 9", "b 2", "c 3"])), ["line 2: nothing -> x, 9"]);
        assert_eq!(told_of(&base, &lines(&["b 2", "c 3"])), ["line 1: a, 1 -> nothing"]);
        assert_eq!(told_of(&lines(&["a 1", "a 1"]), &lines(&["a 1"])), ["line 2: a, 1 -> nothing"]);
        assert_eq!(told_of(&base, &lines(&[])).len(), 3);
        assert_eq!(
            told_of(&base, &Content { lines: None, ..base.clone() }),
            [""; 0],
            "what was not read is not compared"
        );
    }

    /// A purchase of two rows and their tax: GL entries 1, 2 and 3.
    fn purchase() -> Content {
        let line = |description: &str| vec![("description".to_owned(), description.to_owned())];
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Content {
            heading: vec![
                field("order", "PO-1"),
                field("total", "33.00"),
                field("tax", "3.00"),
                field("GL entries", "1, 2, 3"),
            ],
            lines: Some(vec![line("a"), line("b")]),
            entries: vec![(1, Some(money(1_000))), (2, Some(money(2_000))), (3, Some(money(300)))],
            beside: vec![3],
        }
    }

    #[test]
    fn what_is_listed_again_is_told_by_gl_entries_and_only_lines_may_be_asked_for_the_rest() {
        let posted = purchase();
        let now = |entries: &[i64], beside: &[i64]| Content {
            entries: entries.iter().map(|id| (*id, None)).collect(),
            beside: beside.to_vec(),
            ..purchase()
        };
        assert_eq!(posted.is_all_in(&now(&[1, 2, 3, 9], &[3])), Some(true));
        assert_eq!(posted.is_all_in(&now(&[1, 2], &[])), Some(false), "the tax is somewhere else");
        assert_eq!(posted.is_all_in(&now(&[1, 2, 7], &[7])), Some(false), "or perhaps not");
        assert_eq!(posted.is_all_in(&now(&[1, 3], &[3])), None, "a line says whether it is in a batch");
        assert_eq!(posted.is_all_in(&now(&[7, 8, 9], &[9])), None, "closed once more");
        assert_eq!(posted.is_all_in(&now(&[7, 8], &[])), Some(false));
        assert_eq!(Content::default().is_all_in(&posted), None, "nothing is known of it");
    }

    fn money(cents: i64) -> Money {
        Money::CENT * Decimal::from(cents)
    }

    #[test]
    fn a_rest_is_a_proper_part_of_what_was_posted_and_nothing_else() {
        type Change = fn(&mut Content);
        let left: Change = |now| {
            now.entries.retain(|(id, _)| *id != 1);
            now.lines.as_mut().unwrap().remove(0);
            now.heading[1].1 = "23.00".to_owned();
            now.heading[3].1 = "2, 3".to_owned();
        };
        let cases: [(&str, bool, Change); 10] = [
            ("two of three", true, |_| ()),
            ("the tax alone", true, |now| {
                now.entries.remove(0);
                now.lines = Some(Vec::new());
            }),
            ("one more that is new", false, |now| now.entries.push((4, Some(money(1_000))))),
            ("a new one of the same amount instead", false, |now| now.entries[0].0 = 4),
            ("another amount", false, |now| now.entries[0].1 = Some(money(1_999))),
            ("an amount that is not said any more", false, |now| now.entries[0].1 = None),
            ("another order", false, |now| now.heading[0].1 = "PO-2".to_owned()),
            ("another text of a line", false, |now| now.lines.as_mut().unwrap()[0][0].1 = "c".to_owned()),
            ("nothing", false, |now| now.entries.clear()),
            ("all of it", false, |now| now.entries.insert(0, (1, Some(money(1_000))))),
        ];
        let before = purchase();
        for (name, expected, change) in cases {
            let mut now = purchase();
            left(&mut now);
            change(&mut now);
            assert_eq!(before.is_left(&now), expected, "{name}");
            // What an older version posted was kept without its GL entries.
            let old = Content { entries: Vec::new(), ..purchase() };
            assert!(!old.is_left(&now), "{name}");
        }
        // The heading of an invoice has no sums over GL entries: another total is an edit.
        let invoice = |total: &str, entries: &[i64]| Content {
            heading: vec![("total".to_owned(), total.to_owned())],
            entries: entries.iter().map(|id| (*id, None)).collect(),
            ..Content::default()
        };
        assert!(invoice("33.00", &[1, 2]).is_left(&invoice("33.00", &[2])));
        assert!(!invoice("33.00", &[1, 2]).is_left(&invoice("23.00", &[2])));
        let expense = |class: &str, amount: &str, entries: &[i64]| {
            let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let line = vec![field("entry", "7"), field("class", class), field("amount", amount)];
            Content {
                heading: vec![field("total", amount), field("GL entries", "")],
                lines: Some(vec![line]),
                entries: entries.iter().map(|id| (*id, None)).collect(),
                ..Content::default()
            }
        };
        let posted = expense("Reimbursable", "11.00", &[1, 2]);
        assert!(posted.is_left(&expense("Reimbursable", "1.00", &[2])));
        assert!(!posted.is_left(&expense("Personal", "1.00", &[2])));
        assert_eq!((posted.of_expense(7), posted.of_expense(8)), (Some(Vec::new()), None));
    }

    #[test]
    fn gl_entries_are_kept_in_few_bytes_and_what_has_none_is_written_as_before() {
        let kept = Content { entries: vec![(7, Some(money(2_750))), (8, None)], ..Content::default() };
        let text = r#"{"heading":[],"entries":[[7,"27.50"],[8,null]]}"#;
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        assert_eq!(serde_json::from_str::<Content>(text).unwrap(), kept);
        let old: Content = serde_json::from_str(r#"{"heading":[]}"#).unwrap();
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"heading":[]}"#);
    }

    #[test]
    fn a_sentence_tells_the_first_and_counts_the_rest() {
        let many: Vec<Difference> = (0..6).map(|row| Difference::new(format!("f{row}"), "1", "2")).collect();
        assert_eq!(told(&many), "f0: 1 -> 2; f1: 1 -> 2; f2: 1 -> 2; f3: 1 -> 2; and 2 more");
        assert_eq!(told(many.get(..1).unwrap()), "f0: 1 -> 2");
    }
}
