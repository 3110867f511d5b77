//! Expenses: entered into the report of a member and a month, approved, and sent back.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::events::{Action, Subject};
use super::expense_records::{NewExpense, NewMember};
use super::ledger::GlEntry;
use super::records::{Mapping, Refusal};
use super::settings::{ExpensesReach, ReportCallbacks, Sign};
use super::state::{Actor, Series, State};

/// A member of the staff.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: i64,
    pub(super) new: NewMember,
}

/// The expenses of a member in a month.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) id: i64,
    /// Id of the bill that the export makes of it.
    pub(super) bill_id: i64,
    pub(super) member: i64,
    pub(super) start: Date,
    pub(super) status: String,
    pub(super) updated: (Timestamp, String),
}

/// What an entry of an expense stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Cost,
    Tax,
    /// The other side of the journal; nobody has to process it.
    Offset,
}

/// An expense entry.
#[derive(Clone, Debug)]
pub(super) struct Expense {
    pub(super) id: i64,
    /// Id of its row in the unposted list, which is not the id to export it by.
    pub(super) unposted_id: i64,
    pub(super) new: NewExpense,
    pub(super) report: i64,
    pub(super) status: String,
    pub(super) distributed: Option<Timestamp>,
    pub(super) entries: Vec<GlEntry<Spent>>,
    pub(super) updated: (Timestamp, String),
}

impl Expense {
    /// Entries that a batch has to have.
    pub(super) fn needed(&self) -> impl Iterator<Item = &GlEntry<Spent>> {
        self.entries.iter().filter(|entry| entry.source != Spent::Offset)
    }

    /// The batch of the expense, once every entry that has to be is in one.
    pub(super) fn batch(&self) -> Option<i64> {
        let mut batch = None;
        for entry in self.needed() {
            batch = Some(entry.batch?);
        }
        batch
    }

    /// Distributed, with entries that are in no batch.
    pub(super) fn is_unposted(&self) -> bool {
        self.needed().next().is_some() && self.batch().is_none()
    }
}

/// Statuses of approved entries; the others are listed only for tickets that bill what is not approved.
const APPROVED: [&str; 5] = ["ApprovedByTierTwo", "ReadyToBill", "Billed", "WrittenOff", "BilledAgreement"];

pub(super) const TYPES: [&str; 6] = ["Airfare", "Lodging", "Meals", "Mileage", "Parking", "Software"];
pub(super) const CLASSIFICATIONS: [&str; 3] = ["Reimbursable", "NonReimbursable", "Personal"];
pub(super) const PAYMENT_METHODS: [&str; 3] = ["Cash", "Company card", "Personal card"];
const CHARGE_TO: [&str; 5] = ["Company", "ServiceTicket", "ProjectTicket", "ChargeCode", "Activity"];

/// The id of a name in a table that tests do not change.
pub(super) fn id_of(table: &[&str], name: &str) -> i64 {
    (1..).zip(table).find(|(_, known)| **known == name).map_or(99, |(id, _)| id)
}

impl State {
    pub(super) fn add_member(&mut self, new: NewMember) -> i64 {
        let id = self.next_id(Series::Member);
        self.members.insert(id, Member { id, new });
        id
    }

    pub(super) fn add_expense(&mut self, new: NewExpense) -> i64 {
        let report = self.open_report(new.member, new.date);
        self.add_expense_to(report, new)
    }

    /// Adds an entry to a report, whatever status that has; the entry is open.
    pub(super) fn add_expense_to(&mut self, report: i64, new: NewExpense) -> i64 {
        let (id, unposted_id) = (self.next_id(Series::Expense), self.next_id(Series::UnpostedExpense));
        let updated = (self.now(), self.member(Actor::Staff));
        let (status, entries) = ("Open".to_owned(), Vec::new());
        let expense = Expense { id, unposted_id, new, report, status, distributed: None, entries, updated };
        self.expenses.insert(id, expense);
        self.distribute_expense(id);
        self.notify_expense(id, Action::Added, Actor::Staff);
        id
    }

    /// The report of a member and a month that can still be added to.
    fn open_report(&mut self, member: i64, date: Date) -> i64 {
        let start = date.first_of_month();
        let is_it = |report: &&Report| (report.member, report.start) == (member, start) && report.status == "Open";
        if let Some(report) = self.reports.values().find(is_it) {
            return report.id;
        }
        let (id, bill_id) = (self.next_id(Series::Report), self.next_id(Series::ExpenseBill));
        let updated = (self.now(), self.member(Actor::Staff));
        self.reports.insert(id, Report { id, bill_id, member, start, status: "Open".to_owned(), updated });
        id
    }

    /// Gives a report and all its entries a status.
    pub(super) fn set_report_status(&mut self, id: i64, status: &str, actor: Actor) -> Result<(), Refusal> {
        let updated = (self.now(), self.member(actor));
        let inside: Vec<i64> =
            self.expenses.values().filter(|expense| expense.report == id).map(|expense| expense.id).collect();
        let batched = |id: &i64| self.expenses.get(id).is_some_and(|expense| expense.batch().is_some());
        if inside.iter().any(batched) {
            return Err(Refusal::Batched);
        }
        let report = self.reports.get_mut(&id).ok_or(Refusal::Unknown)?;
        status.clone_into(&mut report.status);
        report.updated = updated;
        for expense in inside {
            self.move_expense(expense, status);
            if self.settings.report_callbacks == ReportCallbacks::Each {
                self.touch_expense(expense, actor);
            }
        }
        Ok(())
    }

    /// Gives one entry a status of its own.
    pub(super) fn set_expense_status(&mut self, id: i64, status: &str) -> Result<(), Refusal> {
        if self.expenses.get(&id).ok_or(Refusal::Unknown)?.batch().is_some() {
            return Err(Refusal::Batched);
        }
        self.move_expense(id, status);
        self.touch_expense(id, Actor::Staff);
        Ok(())
    }

    fn move_expense(&mut self, id: i64, status: &str) {
        if let Some(expense) = self.expenses.get_mut(&id) {
            status.clone_into(&mut expense.status);
        }
        self.distribute_expense(id);
    }

    /// Makes the entries of an expense that has reached the accounting interface, or takes back what is unposted.
    fn distribute_expense(&mut self, id: i64) {
        let Some(mut expense) = self.expenses.remove(&id) else { return };
        let reaches =
            self.settings.expenses_reach == ExpensesReach::WhenEntered || APPROVED.contains(&expense.status.as_str());
        if !reaches {
            expense.entries.retain(|entry| entry.batch.is_some());
        } else if expense.needed().next().is_none() {
            expense.distributed = Some(self.now());
            expense.entries = self.expense_entries(&expense.new);
        }
        self.expenses.insert(id, expense);
    }

    fn expense_entries(&mut self, new: &NewExpense) -> Vec<GlEntry<Spent>> {
        let negative = new.classification == "Personal" && self.settings.personal_expense == Sign::Negative;
        let sign = if negative { -Decimal::ONE } else { Decimal::ONE };
        let by_billing = if new.billable == "Billable" { "EE" } else { "EI" };
        let kind = new.gl_type.as_deref().unwrap_or(by_billing);
        let mut entries = vec![self.entry(kind, (new.amount - new.tax) * sign, &new.mapping, Spent::Cost)];
        if !new.tax.is_zero() {
            let mapping = Mapping::account(&self.settings.tax_account);
            entries.push(self.entry("ET", new.tax * sign, &mapping, Spent::Tax));
        }
        let payable = Mapping::account(&self.settings.payable_account);
        entries.push(self.entry("EO", -new.amount * sign, &payable, Spent::Offset));
        entries
    }

    /// Marks an expense as changed and tells who listens.
    pub(super) fn touch_expense(&mut self, id: i64, actor: Actor) {
        let updated = (self.now(), self.member(actor));
        if let Some(expense) = self.expenses.get_mut(&id) {
            expense.updated = updated;
            self.notify_expense(id, Action::Updated, actor);
        }
    }

    /// Queues a message for every registration that a change of an expense concerns; there is no level of statuses.
    pub(super) fn notify_expense(&mut self, id: i64, action: Action, actor: Actor) {
        let Some(expense) = self.expenses.get(&id) else { return };
        let new = &expense.new;
        let mut levels = vec![
            ("chargetotype", id_of(&CHARGE_TO, &new.charge_to)),
            ("type", id_of(&TYPES, &new.kind)),
            ("class", id_of(&CLASSIFICATIONS, &new.classification)),
            ("expense", id),
        ];
        levels.extend(new.company.map(|company| ("company", company)));
        let href = ("expenseEntry_href", format!("expense/entries/{id}"));
        let fields = ["type", "member", "amount", "date", "status", "company"];
        let entity = self.summary(&self.expense_row(expense), &fields, href);
        self.announce(&Subject { kind: "expense", id, levels, entity }, action, actor);
    }
}
