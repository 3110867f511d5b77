//! Reads expense reports and entries, and what the accounting interface has of them.
//!
//! Each entry is previewed by itself: the rows of a preview do not say which entry they are of, and only an entry
//! says who paid it and by which tax. Previews of a report's entries together would be the same rows.

use std::pin::Pin;
use std::task::Poll;

use super::client::{Call, ConnectWise, SYSTEM, malformed, parse};
use super::dates;
use super::expense_preview::{amount, previewed};
use super::failure::Denied;
use super::lenient::{optional_id, optional_money};
use super::unposted::some_text;
use super::wire;
use crate::domain::batch;
use crate::domain::callback::whole_id;
use crate::domain::facts::{Expense, ExpenseClass, ExpenseEntry, ExpenseUnit, is_approved};
use crate::domain::money::Money;
use crate::domain::text::shorten;
use crate::remote::RemoteError;

const UNPOSTED: &str = "finance/accounting/unpostedexpenses";

/// A preview that is being read.
type Reading<'a> = Pin<Box<dyn Future<Output = Result<(), RemoteError>> + Send + 'a>>;

impl ConnectWise {
    /// The expense entry with this id, without what the accounting interface has of it; none when there is none.
    ///
    /// # Errors
    /// As [`RemoteError`] says; an API that is not found at all is [`RemoteError::Unauthorized`], never none.
    pub async fn expense_entry(&self, id: &str) -> Result<Option<Expense>, RemoteError> {
        let id = number(id)?;
        let found: wire::ExpenseEntry = match self.record(&format!("expense/entries/{id}")).await? {
            Ok(entry) => entry,
            Err(Denied::NoRecord(_)) => return Ok(None),
            Err(denied) => return Err(denied.into()),
        };
        if found.id != Some(id) {
            return Err(malformed(format!("expense entry {:?} was given for {id}", found.id)));
        }
        Ok(Some(Expense {
            unit: ExpenseUnit::Entry,
            id,
            report: found.expense_report.id,
            status: found.status.clone(),
            member_id: found.member.id,
            member_name: found.member.name.clone(),
            day: dates::civil(&found.date),
            entries: vec![into_entry(&found, id)],
            batch: None,
        }))
    }

    /// The expense report with this id and its entries, without what the accounting interface has of them.
    ///
    /// # Errors
    /// As [`RemoteError`] says; [`RemoteError::Malformed`] when an entry has no id, so that none is passed over.
    pub async fn expense_report(&self, id: &str) -> Result<Option<Expense>, RemoteError> {
        let id = number(id)?;
        let found: wire::ExpenseReport = match self.record(&format!("expense/reports/{id}")).await? {
            Ok(report) => report,
            Err(Denied::NoRecord(_)) => return Ok(None),
            Err(denied) => return Err(denied.into()),
        };
        if found.id != Some(id) {
            return Err(malformed(format!("expense report {:?} was given for {id}", found.id)));
        }
        let conditions = format!("expenseReport/id={id}");
        let rows: Vec<wire::ExpenseEntry> = self.list("expense/entries", Some(&conditions)).await??;
        let mut entries: Vec<ExpenseEntry> = Vec::new();
        for row in rows.into_iter().filter(|row| row.expense_report.id == Some(id)) {
            let Some(entry) = row.id else {
                return Err(malformed(format!("an entry of expense report {id} has no id")));
            };
            if entries.iter().all(|known| known.id != entry) {
                entries.push(into_entry(&row, entry));
            }
        }
        Ok(Some(Expense {
            unit: ExpenseUnit::Report,
            id,
            report: None,
            status: found.status,
            member_id: found.member.id,
            member_name: found.member.name,
            day: dates::civil(&found.date_end),
            entries,
            batch: None,
        }))
    }

    /// The same expenses with what the accounting interface has of them.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn listed(&self, mut expense: Expense) -> Result<Expense, RemoteError> {
        let Some(member) = expense.member_id else { return Ok(expense) };
        let conditions = format!("member/id={member}");
        let rows: Vec<wire::UnpostedExpense> = self.list(UNPOSTED, Some(&conditions)).await??;
        let rows: Vec<wire::UnpostedExpense> = rows.into_iter().filter(|row| row.member.id == Some(member)).collect();
        let rows = self.of_entries(&expense, rows, member).await?;
        let mut readings: Vec<Reading<'_>> = Vec::new();
        for (entry, row) in expense.entries.iter_mut().zip(rows) {
            if let Some(row) = row {
                readings.push(Box::pin(async move { self.preview_expense(entry, &row, member).await }));
            }
        }
        side_by_side(readings).await?;
        // What is not approved is in no batch, though one that it was in may be there, empty. An entry that came
        // later may be open.
        let approved = expense.entries.iter().any(|entry| is_approved(&entry.status) == Some(true));
        if expense.listed().next().is_none() && approved {
            let prefix = batch::prefix_of_expense(expense.unit, expense.id);
            expense.batch = self.newest_batch(&prefix).await?;
        }
        Ok(expense)
    }

    /// The same expenses as they are now; none when they are gone.
    pub(super) async fn expense_now(&self, expense: &Expense) -> Result<Option<Expense>, RemoteError> {
        self.expense(expense.unit, &expense.id.to_string()).await
    }

    /// The expenses of this id with what the accounting interface has of them; none when there are none.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn expense(&self, unit: ExpenseUnit, id: &str) -> Result<Option<Expense>, RemoteError> {
        let now = match unit {
            ExpenseUnit::Report => self.expense_report(id).await?,
            ExpenseUnit::Entry => self.expense_entry(id).await?,
        };
        match now {
            Some(now) => self.listed(now).await.map(Some),
            None => Ok(None),
        }
    }

    /// The row of each entry, where it has one.
    ///
    /// That `expenseDetailId` is the id of the entry is likely and not documented. So an id counts only where the
    /// row is like the entry. A row whose id is of no entry like it is taken for the entry that it is like and worth
    /// as much as, if the member has no others of that kind; else nothing is guessed.
    async fn of_entries(
        &self,
        expense: &Expense,
        mut rows: Vec<wire::UnpostedExpense>,
        member: i64,
    ) -> Result<Vec<Option<wire::UnpostedExpense>>, RemoteError> {
        let mut found: Vec<Option<wire::UnpostedExpense>> = Vec::new();
        for entry in &expense.entries {
            let is_it = |row: &wire::UnpostedExpense| row.detail_id() == Some(entry.id) && row.is_like(entry);
            let row = rows.iter().position(is_it).map(|index| rows.swap_remove(index));
            if row.as_ref().is_some_and(|row| !row.is_twin(entry)) && rows.iter().any(|row| row.is_twin(entry)) {
                return Err(ambiguous(entry));
            }
            found.push(row);
        }
        let is_open = |(_, row): &(&ExpenseEntry, &Option<_>)| row.is_none();
        let open: Vec<&ExpenseEntry> =
            expense.entries.iter().zip(&found).filter(is_open).map(|(entry, _)| entry).collect();
        rows.retain(|row| open.iter().any(|entry| row.is_twin(entry)));
        if rows.is_empty() {
            return Ok(found);
        }
        let conditions = format!("member/id={member}");
        let all: Vec<wire::ExpenseEntry> = self.list("expense/entries", Some(&conditions)).await??;
        let all: Vec<ExpenseEntry> = all.iter().filter_map(|entry| Some(into_entry(entry, entry.id?))).collect();
        rows.retain(|row| !all.iter().any(|owner| row.detail_id() == Some(owner.id) && row.is_like(owner)));
        for (entry, place) in expense.entries.iter().zip(&mut found).filter(|(_, place)| place.is_none()) {
            let twins: Vec<&wire::UnpostedExpense> = rows.iter().filter(|row| row.is_twin(entry)).collect();
            let Some(first) = twins.first() else { continue };
            let ours: Vec<i64> = open.iter().filter(|other| first.is_twin(other)).map(|other| other.id).collect();
            // Of equal ones it does not matter which is which, as long as all are here.
            if ours.len() != twins.len() || all.iter().filter(|other| first.is_twin(other)).count() != twins.len() {
                return Err(ambiguous(entry));
            }
            let index = ours.iter().position(|id| *id == entry.id);
            *place = index.and_then(|index| twins.get(index)).map(|row| (*row).clone());
        }
        Ok(found)
    }

    /// What the accounting interface has of one entry; what cannot be read is named at the entry.
    async fn preview_expense(
        &self,
        entry: &mut ExpenseEntry,
        row: &wire::UnpostedExpense,
        member: i64,
    ) -> Result<(), RemoteError> {
        let unreadable = &mut entry.unreadable;
        let mut listed = row.listed(unreadable);
        match row.detail_id() {
            Some(detail) => {
                let path = "finance/accounting/export";
                // It only reads, so it is repeated like a GET.
                let answer = self.read(&Call::post(path, wire::expense_export_request(detail))).await??;
                previewed(parse(&answer, path)?, &mut listed, (entry.id, member), unreadable)?;
            }
            None => unreadable.push("expenseDetailId".to_owned()),
        }
        entry.listed = Some(listed);
        Ok(())
    }
}

fn ambiguous(entry: &ExpenseEntry) -> RemoteError {
    malformed(format!("several unposted expenses could be the expense entry {}", entry.id))
}

/// Waits for all of them side by side; the first failure ends it.
async fn side_by_side(mut readings: Vec<Reading<'_>>) -> Result<(), RemoteError> {
    std::future::poll_fn(|context| {
        let mut failed = None;
        readings.retain_mut(|reading| match reading.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failed.get_or_insert(error);
                false
            }
        });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if readings.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await
}

/// Anything but digits could change the path.
fn number(id: &str) -> Result<i64, RemoteError> {
    let number = whole_id(id).and_then(|id| id.as_str().parse().ok());
    let cause = || format!("'{}' is not the id of an expense", shorten(id, 64));
    number.ok_or_else(|| RemoteError::Refused { system: SYSTEM, cause: cause() })
}

fn into_entry(found: &wire::ExpenseEntry, id: i64) -> ExpenseEntry {
    let mut unreadable = Vec::new();
    let entered = amount("amount", &found.amount, &mut unreadable);
    let taxes: Vec<Money> =
        found.taxes.iter().filter_map(|tax| amount("taxes", &tax.amount, &mut unreadable)).collect();
    if dates::civil(&found.date).is_none() && !found.date.is_empty() {
        unreadable.push(format!("date ('{}')", shorten(&found.date, 40)));
    }
    ExpenseEntry {
        id,
        status: found.status.clone(),
        kind: found.r#type.name.clone(),
        class: some_text(found.classification.name.clone()).map(ExpenseClass::from),
        date: dates::civil(&found.date),
        amount: entered,
        tax: Some(taxes).filter(|taxes| !taxes.is_empty()).map(|taxes| taxes.into_iter().sum()),
        location_id: found.location_id,
        currency: some_text(found.currency.currency_code.clone()),
        listed: None,
        unreadable,
    }
}

impl wire::UnpostedExpense {
    /// The id to export it by.
    pub(super) fn detail_id(&self) -> Option<i64> {
        optional_id(&self.expense_detail_id).ok().flatten()
    }

    /// Whether it has the class, the day and the type of the entry, as far as both say them.
    fn is_like(&self, entry: &ExpenseEntry) -> bool {
        let class = some_text(self.classification.name.clone()).map(ExpenseClass::from);
        let (day, kind) = (dates::civil(&self.date_expense), &self.expense_type.name);
        (class.is_none() || entry.class.is_none() || class == entry.class)
            && (day.is_none() || entry.date.is_none() || day == entry.date)
            && (kind.is_empty() || entry.kind.is_empty() || *kind == entry.kind)
    }

    /// The same of an entry as it was sent.
    pub(super) fn is_like_entry(&self, entry: &wire::ExpenseEntry) -> bool {
        entry.id.is_some_and(|id| self.is_like(&into_entry(entry, id)))
    }

    /// Whether it is like the entry and worth the same.
    fn is_twin(&self, entry: &ExpenseEntry) -> bool {
        let total = optional_money(&self.total).ok().flatten();
        let same =
            total.zip(entry.amount).is_some_and(|(total, amount)| total.abs().to_cents() == amount.abs().to_cents());
        same && self.is_like(entry)
    }
}
