//! The unposted lists, row by row: which record a row is of, and whether that is looked at.

use std::collections::BTreeMap;

use super::ListError;
use super::pass::{Pass, Unknown};
use crate::connectwise::{ListedExpense, ListedInvoice, Lists, OwnedExpense};
use crate::domain::delivery::{Record, State};
use crate::domain::facts::MovementKind;
use crate::domain::hold::SkipReason;
use crate::domain::plan::posts;
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::domain::sweep::{Asked, Closing, Row, compare, compare_purchase, is_older};
use crate::domain::text::shorten;
use crate::store::StoreError;

const INVOICES: Unknown<ListedInvoice> = Unknown {
    list: "invoice",
    kinds: &[RecordKind::Invoice],
    name: |row| format!("{}/{}", row.number, row.log_id.unwrap_or_default()),
    closing: |row| &row.closing,
    like: |row| shorten(row.number.trim(), 40),
};

const EXPENSES: Unknown<ListedExpense> = Unknown {
    list: "expense",
    kinds: &[RecordKind::Expense, RecordKind::ExpenseReport],
    name: |row| {
        let id = row.detail_id.unwrap_or_default();
        format!("{}/{id}", row.member_id.unwrap_or_default())
    },
    closing: |row| &row.closing,
    like: |row| row.member.clone(),
};

impl Pass<'_> {
    fn key(&self, kind: RecordKind, source: SourceId) -> RecordKey {
        RecordKey { connection: self.id.clone(), kind, source }
    }

    async fn known(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        self.parts.store.record(key).await
    }

    /// Invoices and credit memos.
    pub(super) async fn invoices(&mut self) -> Result<(), ListError> {
        let at = self.parts.clock.now();
        let Lists { rows, odd } = self.connection.client.unposted_invoices().await?;
        self.listed(&[RecordKind::Invoice], rows.len(), &odd);
        let asked = self.since(INVOICES.list, &rows.iter().map(INVOICES.name).collect::<Vec<_>>(), at);
        let (mut unknown, mut known) = (Vec::new(), Vec::new());
        for (row, asked) in rows.into_iter().zip(asked) {
            // The id of a row counts where the invoice of that id has its number.
            match row.log_id.map(|id| self.key(RecordKind::Invoice, id.into())) {
                Some(key) if self.is_invoice(&key, &row).await? => known.push((key, row, asked)),
                _ => unknown.push((row, asked)),
            }
        }
        let unknown = self.in_turn(unknown, &INVOICES);
        let wanted: Vec<ListedInvoice> = unknown.iter().map(|(row, _)| row.clone()).collect();
        let owners = self.connection.client.invoices_of(&wanted).await?;
        for ((row, asked), owners) in unknown.into_iter().zip(owners) {
            if owners.is_empty() {
                let whose =
                    format!("invoice in ConnectWise is the unposted one of number '{}'", shorten(&row.number, 40));
                self.of_nobody(&whose, (&row.closing, asked));
            }
            for id in owners {
                known.push((self.key(RecordKind::Invoice, id.into()), row.clone(), asked));
            }
        }
        for (key, row, asked) in known {
            self.is_listed([key.clone()]);
            self.look(Row { key, number: row.number, closing: row.closing, posts: true }, asked).await?;
        }
        Ok(())
    }

    /// Whether the store knows this record as an invoice of the row's number.
    async fn is_invoice(&self, key: &RecordKey, row: &ListedInvoice) -> Result<bool, StoreError> {
        let about = self.known(key).await?.and_then(|record| record.about);
        Ok(about.is_some_and(|about| about.number == shorten(row.number.trim(), 40)))
    }

    /// Counts a row that is left alone for its age.
    fn leave(&mut self, record: Option<&Record>, closing: &Closing, asked: Asked) -> bool {
        let is_left = record.is_none() && is_older(closing, asked);
        if is_left {
            let result = self.result();
            result.older = result.older.saturating_add(1);
        }
        is_left
    }

    /// A row that was looked up and is of no record: a problem, unless it is left alone anyway.
    fn of_nobody(&mut self, whose: &str, (closing, asked): (&Closing, Asked)) {
        if !self.leave(None, closing, asked) {
            self.problem(format!("no {whose}"));
        }
    }

    /// Compares a row with its own record.
    async fn look(&mut self, row: Row, asked: Asked) -> Result<(), StoreError> {
        let record = self.known(&row.key).await?;
        match compare(record.as_ref(), &row, asked) {
            Some(found) => self.hand(&row.key.clone(), &row, found).await?,
            None => {
                self.leave(record.as_ref(), &row.closing, asked);
            }
        }
        Ok(())
    }

    /// Purchases: an unknown one is found through its order, as its callback would.
    pub(super) async fn purchases(&mut self) -> Result<(), ListError> {
        let at = self.parts.clock.now();
        let Lists { rows, odd } = self.connection.client.all_unposted_purchases().await?;
        self.listed(&[RecordKind::Purchase, RecordKind::PurchaseOrder], rows.len(), &odd);
        let names: Vec<String> = rows.iter().map(|(row, _)| row.id.clone()).collect();
        let asked = self.since("purchase", &names, at);
        for ((row, order), asked) in rows.into_iter().zip(asked) {
            let order = order.map(|order| self.key(RecordKind::PurchaseOrder, order.into()));
            self.is_listed(order.clone());
            let own = SourceId::try_from(row.id.clone()).ok().map(|source| self.key(RecordKind::Purchase, source));
            self.is_listed(own.clone());
            let record = match &own {
                Some(own) => self.known(own).await?,
                None => None,
            };
            let (number, closing) = (shorten(&row.id, 60), row.closing);
            match (own, record, order) {
                (Some(key), Some(record), _) => {
                    let row = Row { key, number, closing, posts: true };
                    if let Some(found) = compare(Some(&record), &row, asked) {
                        self.hand(&row.key.clone(), &row, found).await?;
                    }
                }
                (_, _, Some(order)) => {
                    let record = self.known(&order).await?;
                    let row = Row { key: order.clone(), number, closing, posts: true };
                    match compare_purchase(record.as_ref(), &row, asked) {
                        Some(found) => self.hand(&order, &row, found).await?,
                        None => {
                            self.leave(record.as_ref(), &row.closing, asked);
                        }
                    }
                }
                (_, _, None) => self.problem(format!("the unposted purchase '{number}' names no purchase order")),
            }
        }
        Ok(())
    }

    /// Expenses: an unknown one is found through its entry, as its callback would, a known one through whatever posts it.
    pub(super) async fn expenses(&mut self) -> Result<(), ListError> {
        let at = self.parts.clock.now();
        let Lists { rows, odd } = self.connection.client.unposted_expenses().await?;
        self.listed(&[RecordKind::Expense, RecordKind::ExpenseReport], rows.len(), &odd);
        let asked = self.since(EXPENSES.list, &rows.iter().map(EXPENSES.name).collect::<Vec<_>>(), at);
        let (mut unknown, mut known) = (Vec::new(), Vec::new());
        for (row, asked) in rows.into_iter().zip(asked) {
            match row.detail_id {
                Some(entry) if self.is_expense(entry, &row).await? => known.push((entry, row.closing, asked)),
                _ => unknown.push((row, asked)),
            }
        }
        let unknown = self.in_turn(unknown, &EXPENSES);
        let wanted: Vec<ListedExpense> = unknown.iter().map(|(row, _)| row.clone()).collect();
        let owners = self.connection.client.entries_of(&wanted).await?;
        for ((row, asked), owners) in unknown.into_iter().zip(owners) {
            if owners.is_empty() {
                let whose = format!("expense entry in ConnectWise is the unposted one of {}", shorten(&row.member, 40));
                self.of_nobody(&whose, (&row.closing, asked));
            }
            for OwnedExpense { entry, report } in owners {
                self.is_listed(report.map(|report| self.key(RecordKind::ExpenseReport, report.into())));
                known.push((entry, row.closing.clone(), asked));
            }
        }
        let mut reports: BTreeMap<RecordKey, (String, Closing, Asked)> = BTreeMap::new();
        for (entry, closing, asked) in known {
            let key = self.key(RecordKind::Expense, entry.into());
            self.is_listed([key.clone()]);
            let record = self.known(&key).await?;
            let Some(report) = record.as_ref().and_then(posted_with) else {
                self.look(Row { key, number: entry.to_string(), closing, posts: true }, asked).await?;
                continue;
            };
            let number = report.to_string();
            let report = self.key(RecordKind::ExpenseReport, report.into());
            self.is_listed([report.clone()]);
            // What was closed last decides for all of it.
            let standing = reports.entry(report).or_insert_with(|| (number, closing.clone(), asked));
            if closing.latest > standing.1.latest {
                (standing.1, standing.2) = (closing, asked);
            }
        }
        for (key, (number, closing, asked)) in reports {
            self.look(Row { key, number, closing, posts: true }, asked).await?;
        }
        Ok(())
    }

    /// Whether the store knows the entry of this id as one that is worth what the row is.
    async fn is_expense(&self, entry: i64, row: &ListedExpense) -> Result<bool, StoreError> {
        let key = self.key(RecordKind::Expense, entry.into());
        let about = self.known(&key).await?.and_then(|record| record.about);
        let same = |about: crate::domain::delivery::About| {
            let worth = row.total.is_some_and(|total| total.abs().to_cents() == about.total.abs().to_cents());
            worth && about.client.as_str() == row.member
        };
        Ok(about.is_some_and(same))
    }

    /// Adjustments or transfers, which have no callback.
    pub(super) async fn movements(&mut self, kind: MovementKind) -> Result<(), ListError> {
        let of = match kind {
            MovementKind::Adjustment => RecordKind::Adjustment,
            MovementKind::Transfer => RecordKind::Transfer,
        };
        let at = self.parts.clock.now();
        let Lists { rows, odd } = self.connection.client.unposted_movements(kind).await?;
        self.listed(&[of], rows.len(), &odd);
        let mut nameless = Vec::new();
        let names: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let asked = self.since(of.as_str(), &names, at);
        for (row, asked) in rows.into_iter().zip(asked) {
            let Ok(source) = SourceId::try_from(row.id.clone()) else {
                nameless.push(row.id);
                continue;
            };
            let key = self.key(of, source);
            self.is_listed([key.clone()]);
            let posts = self.parts.company(&key, row.location_id).is_none_or(|company| posts(kind, &company.rules));
            let number = shorten(&row.id, 60);
            self.look(Row { key, number, closing: row.closing, posts }, asked).await?;
        }
        match nameless.first() {
            None => Ok(()),
            Some(id) => {
                let cause = format!("the unposted list has {} ids that name no record, such as {id:?}", nameless.len());
                Err(crate::remote::RemoteError::Malformed { system: "ConnectWise", cause }.into())
            }
        }
    }
}

/// The report that posts an entry.
fn posted_with(entry: &Record) -> Option<i64> {
    let handed = matches!(entry.state, State::Skipped { reason: SkipReason::PostedWithReport });
    entry.report.filter(|_| handed)
}
