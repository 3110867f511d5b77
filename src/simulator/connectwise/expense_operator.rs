//! Expenses from the outside: what the staff does on the screen, and what is there now.

use serde_json::Value;

use super::events::Action;
use super::expense_records::{NewExpense, NewMember};
use super::marks::Kind;
use super::records::Refusal;
use super::reply::pruned;
use super::state::Actor;
use super::tenant::ConnectWise;

/// What the staff does on the screen.
impl ConnectWise {
    /// Adds a member.
    #[must_use]
    pub fn add_member(&self, member: NewMember) -> i64 {
        self.state().add_member(member)
    }

    /// Changes a member.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_member(&self, id: i64, change: impl FnOnce(&mut NewMember)) -> Result<(), Refusal> {
        change(&mut self.state().members.get_mut(&id).ok_or(Refusal::Unknown)?.new);
        Ok(())
    }

    /// Adds an expense entry to the open report of its member and month.
    #[must_use]
    pub fn add_expense(&self, expense: NewExpense) -> i64 {
        self.state().add_expense(expense)
    }

    /// Adds an expense entry, open, to the report that another one is in, whatever status that has.
    ///
    /// # Errors
    /// When there is no such other one.
    pub fn add_expense_beside(&self, other: i64, expense: NewExpense) -> Result<i64, Refusal> {
        let mut state = self.state();
        let report = state.expenses.get(&other).ok_or(Refusal::Unknown)?.report;
        Ok(state.add_expense_to(report, expense))
    }

    /// Changes an expense entry; its GL entries stay as they are until it is approved again.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_expense(&self, id: i64, change: impl FnOnce(&mut NewExpense)) -> Result<(), Refusal> {
        let mut state = self.state();
        change(&mut state.expenses.get_mut(&id).ok_or(Refusal::Unknown)?.new);
        state.touch_expense(id, Actor::Staff);
        Ok(())
    }

    /// Saves an expense entry without changing it.
    pub fn save_expense(&self, id: i64) {
        self.state().touch_expense(id, Actor::Staff);
    }

    /// Deletes an expense entry.
    ///
    /// # Errors
    /// When there is none or it is batched.
    pub fn delete_expense(&self, id: i64) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.expenses.get(&id).ok_or(Refusal::Unknown)?.batch().is_some() {
            return Err(Refusal::Batched);
        }
        state.notify_expense(id, Action::Deleted, Actor::Staff);
        state.expenses.remove(&id);
        Ok(())
    }

    /// Submits the report that an expense entry is in.
    ///
    /// # Errors
    /// When there is none or part of it is batched.
    pub fn submit(&self, expense: i64) -> Result<(), Refusal> {
        self.move_report_of(expense, "PendingApproval")
    }

    /// Approves the report that an expense entry is in, with all its entries.
    ///
    /// # Errors
    /// When there is none or part of it is batched.
    pub fn approve(&self, expense: i64) -> Result<(), Refusal> {
        self.move_report_of(expense, "ApprovedByTierTwo")
    }

    /// Rejects the report that an expense entry is in: what is in no batch leaves the unposted list.
    ///
    /// # Errors
    /// When there is none or part of it is batched.
    pub fn reject(&self, expense: i64) -> Result<(), Refusal> {
        self.move_report_of(expense, "Rejected")
    }

    /// Gives the report that an expense entry is in a status, with all its entries; any text, as releases may add some.
    ///
    /// # Errors
    /// When there is none or part of it is batched.
    pub fn set_report_status(&self, expense: i64, status: &str) -> Result<(), Refusal> {
        self.move_report_of(expense, status)
    }

    fn move_report_of(&self, expense: i64, status: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        let report = state.expenses.get(&expense).ok_or(Refusal::Unknown)?.report;
        state.set_report_status(report, status, Actor::Staff)
    }

    /// Gives one expense entry a status, whatever its report has; any text, as releases may add some.
    ///
    /// # Errors
    /// When there is none or it is batched.
    pub fn set_expense_status(&self, expense: i64, status: &str) -> Result<(), Refusal> {
        self.state().set_expense_status(expense, status)
    }

    /// Removes an expense entry from the unposted list by a batch of its own; the id is of the batch.
    ///
    /// # Errors
    /// When it is not unposted, or the identifier exists and duplicates are refused.
    pub fn manual_expense_batch(&self, expense: i64, identifier: &str) -> Result<i64, Refusal> {
        let mut state = self.state();
        let record = state.expenses.get(&expense).ok_or(Refusal::Unknown)?;
        let free = record.needed().filter(|entry| entry.batch.is_none());
        let entries = free.map(|entry| entry.id).collect();
        state.manual_batch_of(Kind::Expense, &entries, identifier)
    }
}

/// What it holds now.
impl ConnectWise {
    /// An expense entry as the API shows it; null when there is none.
    #[must_use]
    pub fn expense(&self, id: i64) -> Value {
        let state = self.state();
        state.expenses.get(&id).map_or(Value::Null, |expense| pruned(state.expense_row(expense)))
    }

    /// The report of an expense entry as the API shows it; null when there is none.
    #[must_use]
    pub fn report_of(&self, expense: i64) -> Value {
        let state = self.state();
        let report = state.expenses.get(&expense).and_then(|expense| state.reports.get(&expense.report));
        report.map_or(Value::Null, |report| pruned(state.report_row(report)))
    }

    /// The unposted list of expenses.
    #[must_use]
    pub fn unposted_expenses(&self) -> Vec<Value> {
        self.state().unposted_expense_rows().into_iter().map(pruned).collect()
    }

    /// The batch that all of an expense entry is in.
    #[must_use]
    pub fn expense_batch(&self, id: i64) -> Option<i64> {
        self.state().expenses.get(&id)?.batch()
    }
}
