//! Golden cases: facts and rules in, the plan out. A case is a folder and adds no Rust.
//!
//! `fixtures/cases/<case>/facts.json` is a merge patch (RFC 7386) over `base.json` beside the folders, or over the one that its `base` names;
//! its `why` says what is special and how the plan follows. `rules.toml`, where there is one, replaces
//! `base-rules.toml` key by key. `plan.json` is what [`plan`] must say; `UPDATE_GOLDEN=1` rewrites it,
//! and what it wrote is to be reviewed like code: wrong books are worse than a missing case.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use readypost::config::parse_rules;
use readypost::domain::balance::{Balanced, line_amount, line_tax};
use readypost::domain::document::Document;
use readypost::domain::draft::Line;
use readypost::domain::facts::{Facts, RecordFacts, mark_in};
use readypost::domain::hold::{HoldCode, SkipReason};
use readypost::domain::journal::Journal;
use readypost::domain::map::worth;
use readypost::domain::money::{Money, is_tie};
use readypost::domain::plan::{Action, Plan, plan};
use readypost::domain::rules::Rules;
use readypost::domain::warning::{Warning, WarningCode};
use rust_decimal::Decimal;
use serde_json::Value;

/// Holds that need more than one look at one invoice, so that [`plan`] alone never gives them.
const HOLDS_OF_THE_SHELL: &[(HoldCode, &str)] = &[
    (HoldCode::NoCompany, "the organisation is chosen before anything is planned for it"),
    (HoldCode::TotalDiffers, "compares the answer of Xero"),
    (HoldCode::EditedAfterPost, "compares with what was posted before"),
    (HoldCode::UnpostRefused, "a decision about what is posted"),
    (HoldCode::UnpostUnfinished, "a decision about what is posted"),
    (HoldCode::CostNotPosted, "is about a half of what was planned"),
    (HoldCode::RefusedByXero, "the answer of Xero"),
    (HoldCode::XeroPlanLimit, "the answer of Xero"),
    (HoldCode::RefusedByConnectWise, "the answer of ConnectWise"),
    (HoldCode::AmbiguousPayment, PAYMENT),
    (HoldCode::PaymentConflict, PAYMENT),
    (HoldCode::PaymentChanged, PAYMENT),
    (HoldCode::InvoiceNotApproved, PAYMENT),
    (HoldCode::AttemptsSpent, "counts failures"),
    (HoldCode::EntryStopped, "a decision about another record"),
    (HoldCode::Operator, "a decision"),
];

/// Warnings about what was done, which is after the plan.
const WARNINGS_OF_THE_SHELL: &[(WarningCode, &str)] = &[
    (WarningCode::ContactCreated, "the contact is created between plan and document"),
    (WarningCode::CreditAsPayment, PAYMENT),
    (WarningCode::LeftUnposted, "ConnectWise is read back after the batch"),
    (WarningCode::BatchedElsewhere, "ConnectWise is read again to be marked"),
];

/// Payments have a plan of their own, in `domain::payments`.
const PAYMENT: &str = "payments become no document";

/// Skips that are not the plan's.
const SKIPS_OF_THE_SHELL: &[(SkipReason, &str)] = &[
    (SkipReason::PurchasesApart, "a purchase order becomes no document"),
    (SkipReason::PostedWithReport, "an entry of a report becomes no document"),
    (SkipReason::EntriesApart, "a report becomes no document when its entries do"),
    (SkipReason::ExpensesOff, "nothing is planned"),
    (SkipReason::PaymentsApart, PAYMENT),
    (SkipReason::NothingPaid, PAYMENT),
    (SkipReason::NotASale, PAYMENT),
    (SkipReason::NoInvoice, PAYMENT),
    (SkipReason::PaymentsOff, PAYMENT),
    (SkipReason::Deleted, "there is no record to plan"),
    (SkipReason::Operator, "a decision"),
    (SkipReason::Unposted, "a decision"),
];

struct Case {
    name: String,
    folder: PathBuf,
    facts: Facts,
    rules: Rules,
}

impl Case {
    fn plan(&self) -> Plan {
        plan(&self.facts, &self.rules)
    }
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let bases = ["base", "base-purchase", "base-expense", "base-adjustment", "base-transfer"].map(|name| {
        let text = fs::read_to_string(root.join(name).with_extension("json")).unwrap();
        (name.trim_start_matches("base-"), serde_json::from_str(&text).unwrap())
    });
    let base_rules = fs::read_to_string(root.join("base-rules.toml")).unwrap();
    let entries = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let folders: BTreeSet<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.into_iter().map(|folder| read(folder, &bases, &base_rules)).collect()
}

fn read(folder: PathBuf, bases: &[(&str, Value)], base_rules: &str) -> Case {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(folder.join("facts.json")).unwrap();
    let mut patch: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}/facts.json: {error}"));
    let why = patch.as_object_mut().and_then(|patch| patch.remove("why"));
    assert!(why.is_some_and(|why| why.is_string()), "{name}/facts.json does not say why");
    let base = patch.as_object_mut().and_then(|patch| patch.remove("base"));
    let base = base.as_ref().and_then(Value::as_str).unwrap_or("base");
    let mut facts = bases.iter().find(|(name, _)| *name == base).unwrap().1.clone();
    merge(&mut facts, patch);
    let facts = shaped(facts);
    let facts = serde_json::from_value(facts).unwrap_or_else(|error| panic!("{name}/facts.json: {error}"));
    let own_rules = fs::read_to_string(folder.join("rules.toml")).unwrap_or_default();
    let rules = parse_rules(&replaced(base_rules, &own_rules));
    let rules = rules.unwrap_or_else(|faults| panic!("{name}/rules.toml: {faults:?}"));
    Case { name, folder, facts, rules }
}

/// The case with what is the record's own where [`Facts`] has it; cases are shorter without.
fn shaped(mut facts: Value) -> Value {
    let members = facts.as_object_mut().unwrap();
    let own = ["invoice", "transaction", "segments"].into_iter();
    let own: serde_json::Map<String, Value> =
        own.filter_map(|name| Some((name.to_owned(), members.remove(name)?))).collect();
    let other = ["purchase", "expense", "movement"].into_iter().find_map(|name| Some((name, members.remove(name)?)));
    let record = match other {
        Some(("expense", record)) => serde_json::json!({ "expense": listed(record) }),
        Some((name, record)) => serde_json::json!({ name: record }),
        None => serde_json::json!({ "invoice": own }),
    };
    members.insert("record".to_owned(), record);
    facts
}

/// Expenses whose entries and rows have names in the cases, so that one of them can be patched.
fn listed(mut expense: Value) -> Value {
    let array = |named: &mut Value| {
        if let Value::Object(members) = named {
            *named = members.values().cloned().collect();
        }
    };
    array(&mut expense["entries"]);
    for entry in expense["entries"].as_array_mut().unwrap() {
        if let Some(rows) = entry.pointer_mut("/listed/rows") {
            array(rows);
        }
    }
    expense
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let members = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The base's rules, one a line, without those that the case has itself; then the case's.
fn replaced(base: &str, own: &str) -> String {
    let table: toml::Table = own.parse().unwrap();
    let kept = |line: &&str| line.split_once(" = ").is_none_or(|(key, _)| !table.contains_key(key));
    let base: String = base.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n");
    base + own
}

/// What differs between two texts of lines, with a little of what is around it.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same =
        |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(left, right)| left == right).count();
    let head = same(&mut expected.iter().zip(&found));
    let rest = expected.len().min(found.len()) - head;
    let tail = same(&mut expected.iter().rev().zip(found.iter().rev()).take(rest));
    let mut text = String::new();
    let mut show = |mark: char, lines: &[&str]| lines.iter().for_each(|line| writeln!(text, "{mark} {line}").unwrap());
    show(' ', &expected[head.saturating_sub(3)..head]);
    show('-', &expected[head..expected.len() - tail]);
    show('+', &found[head..found.len() - tail]);
    show(' ', expected[expected.len() - tail..].get(..3.min(tail)).unwrap_or_default());
    text
}

#[test]
fn every_case_gives_its_plan() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut report = String::new();
    for case in cases() {
        let found = serde_json::to_string_pretty(&case.plan()).unwrap() + "\n";
        let path = case.folder.join("plan.json");
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if found == expected {
            continue;
        }
        if update {
            fs::write(path, found).unwrap();
        } else {
            writeln!(report, "{}:\n{}", case.name, difference(&expected, &found)).unwrap();
        }
    }
    assert!(report.is_empty(), "- as in plan.json, + as planned (UPDATE_GOLDEN=1 accepts)\n\n{report}");
}

#[test]
fn every_document_keeps_the_laws() {
    for case in cases() {
        let Plan { action, warnings } = case.plan();
        for warning in &warnings {
            adds_up(&case.name, warning);
        }
        match action {
            Action::Create { document, cost, .. } => {
                match *document {
                    Document::Invoice(document) => lawful(&case, &document),
                    Document::Journal(journal) => cancels_out(&case, &journal),
                }
                if let Some(cost) = cost {
                    cancels_out(&case, &cost);
                }
            }
            Action::Adopt(_) => assert!(warnings.iter().any(|warning| warning.code == WarningCode::Adopted)),
            Action::Skip(_) | Action::Hold(_) => assert_eq!(warnings, [], "{}: nothing was posted", case.name),
        }
    }
}

/// The document is worth what ConnectWise says, and nothing in it is for Xero to decide.
fn lawful(case: &Case, document: &Balanced) {
    let (name, record, draft) = (&case.name, &case.facts.record, document.draft());
    let total: Money = draft.lines.iter().map(|line| line_amount(line) + line_tax(line)).sum();
    assert_eq!(total, document.total(), "{name}: lines and total");
    assert_eq!(total, worth(record, &case.rules), "{name}: Xero and ConnectWise");
    assert_eq!(document.sub_total() + document.total_tax(), total, "{name}: net and tax");
    let tax_missed = (document.total_tax() - draft.tax).abs();
    assert!(tax_missed <= case.rules.adjustment_ceiling, "{name}: tax is off by {tax_missed}");
    assert_eq!(draft.due_date.is_some(), !draft.kind.is_credit(), "{name}: due date");
    assert!(draft.reference.chars().count() <= 255, "{name}: reference");
    for line in &draft.lines {
        predictable(name, line);
    }
}

/// Debits are credits, nothing has more than two decimals, and the mark ends the narration.
fn cancels_out(case: &Case, journal: &Journal) {
    let name = &case.name;
    let sum: Money = journal.lines().iter().map(|line| line.amount).sum();
    assert_eq!(sum, Money::ZERO, "{name}: debits and credits");
    let size: Money = journal.lines().iter().map(|line| line.amount.abs()).sum();
    assert_eq!(size, journal.total() + journal.total(), "{name}: total");
    assert!(journal.lines().len() >= 2, "{name}: lines");
    for line in journal.lines() {
        assert!(line.amount.decimal().normalize().scale() <= 2, "{name}: {}", line.amount);
        assert!(!line.description.is_empty() && line.tracking.len() <= 2, "{name}: {line:?}");
    }
    let narration = &journal.heading().narration;
    assert!(mark_in(narration).is_some_and(|mark| mark.ends_with(']')), "{name}: {narration}");
    if let RecordFacts::Movement(movement) = &case.facts.record {
        assert_eq!(journal.total(), movement.turnover(), "{name}: Xero and ConnectWise");
    }
    let mark = case.facts.mark.as_ref().or(case.facts.cost_mark.as_ref()).unwrap();
    assert!(narration.ends_with(mark), "{name}: {narration}");
}

fn predictable(name: &str, line: &Line) {
    let (quantity, price) = (line.quantity.normalize(), line.unit_amount.normalize());
    assert!(quantity > Decimal::ZERO && quantity.scale() <= 4, "{name}: quantity {quantity}");
    assert!(price.scale() <= 4 && !is_tie(quantity * price, 2), "{name}: {quantity} × {price}");
    let tax = line_amount(line).decimal() * line.tax_rate / Decimal::ONE_HUNDRED;
    assert!(line.tax_amount.is_some() || !is_tie(tax, 2), "{name}: tax of {tax} is Xero's to round");
    assert!(line_tax(line).abs() <= line_amount(line).abs(), "{name}: more tax than amount");
    assert!((1..=4000).contains(&line.description.chars().count()), "{name}: description");
    assert!(line.item.as_ref().is_none_or(|item| (1..=30).contains(&item.chars().count())), "{name}: item");
    let categories: BTreeSet<&String> = line.tracking.iter().map(|(category, _)| category).collect();
    assert!(categories.len() == line.tracking.len() && categories.len() <= 2, "{name}: {:?}", line.tracking);
}

/// The last part is the first less the second, in cents and explained as such.
fn adds_up(name: &str, warning: &Warning) {
    let amounts: Vec<Money> = warning.parts.iter().map(|part| part.amount).collect();
    match amounts.as_slice() {
        [] => {}
        [theirs, xeros, missing] => assert_eq!(*theirs - *xeros, *missing, "{name}: {warning:?}"),
        [theirs, xeros, by_lines, by_tax, missing] => {
            assert_eq!(*theirs - *xeros, *missing, "{name}: {warning:?}");
            assert_eq!(*by_lines + *by_tax, *missing, "{name}: {warning:?}");
        }
        _ => panic!("{name}: {warning:?}"),
    }
}

#[test]
fn every_verdict_of_the_plan_has_a_case() {
    let (mut holds, mut warnings, mut skips) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for case in cases() {
        let plan = case.plan();
        warnings.extend(plan.warnings.iter().map(|warning| warning.code));
        match plan.action {
            Action::Hold(reason) => drop(holds.insert(reason.code)),
            Action::Skip(reason) => drop(skips.insert(reason)),
            Action::Create { .. } | Action::Adopt(_) => {}
        }
    }
    check_all(HoldCode::ALL, &holds, HOLDS_OF_THE_SHELL);
    check_all(WarningCode::ALL, &warnings, WARNINGS_OF_THE_SHELL);
    check_all(SkipReason::ALL, &skips, SKIPS_OF_THE_SHELL);
}

/// Each of `all` either has a case or is the shell's, never both.
fn check_all<Code: Ord + Copy + std::fmt::Debug>(all: &[Code], found: &BTreeSet<Code>, shell: &[(Code, &str)]) {
    for code in all {
        let reason = shell.iter().find(|(other, _)| other == code).map(|(_, reason)| reason);
        assert_eq!(found.contains(code), reason.is_none(), "{code:?}: {}", reason.unwrap_or(&"has no case"));
    }
}
