//! What ConnectWise said of a record when it was posted, by names, and in what it differs now.
//!
//! The hash in [`Posted`](super::delivery::Posted) decides whether a record was edited; this says how. It is kept
//! in the journal alone, with the settlement that posted the record: rows of the index stay small, and what was
//! posted cannot be changed quietly.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::facts::{ContentHash, Detail, Expense, Invoice, InvoiceFacts, Movement, Purchase, RecordFacts, Stock};
use super::money::Money;
use super::text::shorten;

/// The longest text of a field, in characters.
const TEXT_MAX: usize = 60;
/// The name of the field with the GL entries of a record.
const ENTRIES: &str = "GL entries";
/// The longest list of GL entries that is kept, in characters.
const ENTRIES_MAX: usize = 6_000;
/// Lines that are kept of a record.
const LINES_MAX: usize = 300;
/// Differences that are kept with a hold; more are counted.
pub const DIFFERENCES_MAX: usize = 12;
/// Differences that a sentence tells.
const TOLD_MAX: usize = 4;

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
}

/// One field in which a record is not what was posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let or_nothing = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        format!("{}: {} -> {}", self.field, or_nothing(&self.posted), or_nothing(&self.now))
    }

    fn new(field: impl Into<String>, posted: &str, now: &str) -> Self {
        Self { field: field.into(), posted: shorten(posted, TEXT_MAX), now: shorten(now, TEXT_MAX) }
    }
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
            let max = |name| if name == ENTRIES { ENTRIES_MAX } else { TEXT_MAX };
            fields.into_iter().map(|(name, value)| (name.to_owned(), shorten(value.trim(), max(name)))).collect()
        };
        let lines = lines.map(|lines| lines.into_iter().take(LINES_MAX).map(short).collect());
        Self { heading: short(heading), lines }
    }

    /// The GL entries of the record; none where not all of them were kept.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<i64>> {
        let (_, entries) = self.heading.iter().find(|(name, _)| name == ENTRIES)?;
        entries.split(", ").map(|entry| entry.parse().ok()).collect()
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

fn differences(before: &[Field], after: &[Field], prefix: &str) -> Vec<Difference> {
    let value = |fields: &[Field], name: &str| {
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let gone = |name: &String| !after.iter().any(|(known, _)| known == name);
    let names = after.iter().map(|(name, _)| name).chain(before.iter().map(|(name, _)| name).filter(|name| gone(name)));
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
        Content { heading: fields(heading), lines: Some(lines.iter().map(line).collect()) }
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

    #[test]
    fn gl_entries_are_all_read_back_or_none() {
        let of = |text: &str| content(&[("GL entries", text)], &[]).entries();
        assert_eq!(of("7, 12"), Some(vec![7, 12]));
        // What an older version kept was cut.
        assert_eq!((of("7, 12, 1…"), of(""), content(&[], &[]).entries()), (None, None, None));
    }

    #[test]
    fn a_sentence_tells_the_first_and_counts_the_rest() {
        let many: Vec<Difference> = (0..6).map(|row| Difference::new(format!("f{row}"), "1", "2")).collect();
        assert_eq!(told(&many), "f0: 1 -> 2; f1: 1 -> 2; f2: 1 -> 2; f3: 1 -> 2; and 2 more");
        assert_eq!(told(many.get(..1).unwrap()), "f0: 1 -> 2");
    }
}
