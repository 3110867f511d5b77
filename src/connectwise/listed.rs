//! The unposted lists as a whole: what is still to be posted, of every kind, and which records the rows are of.
//!
//! A row's id in a list is an id of that list. `billingLogId` is likely the id of the invoice and `expenseDetailId`
//! that of the entry, and neither is documented: an id counts only where the record of that id is like the row; else
//! the record is looked up by what the row says.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{ConnectWise, equals};
use super::dates;
use super::failure::Denied;
use super::lenient::optional_money;
use super::movements::ListedMovement;
use super::purchases::ListedPurchase;
use super::unposted::same_size;
use super::wire;
use crate::domain::facts::MovementKind;
use crate::domain::money::Money;
use crate::domain::sweep::Closing;
use crate::domain::text::shorten;
use crate::remote::RemoteError;

/// Records that one look-up names: an address has a length that servers take.
const NAMES_MAX: usize = 20;

/// Rows, and what of the list could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists<T> {
    /// The rows that could be read.
    pub rows: Vec<T>,
    /// Why the others could not.
    pub odd: Vec<String>,
}

/// An invoice or credit memo of the unposted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInvoice {
    /// Its `billingLogId`, which may be the invoice's id.
    pub log_id: Option<i64>,
    /// Its number.
    pub number: String,
    /// Whose it may be: the bill-to company and the company.
    pub clients: [Option<i64>; 2],
    /// Its total.
    pub total: Option<Money>,
    /// When it was closed.
    pub closing: Closing,
}

/// An expense of the unposted list.
#[derive(Clone, Debug)]
pub struct ListedExpense {
    /// Its `expenseDetailId`, which may be the entry's id.
    pub detail_id: Option<i64>,
    /// Whose it is.
    pub member_id: Option<i64>,
    /// Whose it is, in words.
    pub member: String,
    /// Its total.
    pub total: Option<Money>,
    /// When it was closed.
    pub closing: Closing,
    row: wire::UnpostedExpense,
}

/// The expense entry that a row is of, and the report that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedExpense {
    /// ConnectWise's id of the entry.
    pub entry: i64,
    /// ConnectWise's id of its report.
    pub report: Option<i64>,
}

impl ConnectWise {
    /// The invoices and credit memos of the unposted list.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn unposted_invoices(&self) -> Result<Lists<ListedInvoice>, RemoteError> {
        let Lists { rows, odd } = self.rows::<wire::Unposted>("finance/accounting/unpostedinvoices", None).await?;
        let listed = |row: wire::Unposted| ListedInvoice {
            log_id: row.billing_log_id,
            number: row.invoice_number,
            clients: [row.bill_to_company.id, row.company.id],
            total: row.total,
            closing: dates::closing(&row.date_closed),
        };
        Ok(Lists { rows: rows.into_iter().map(listed).collect(), odd })
    }

    /// Which invoices these rows are of; none, one, or, where nothing decides, all that could be meant.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn invoices_of(&self, listed: &[ListedInvoice]) -> Result<Vec<Vec<i64>>, RemoteError> {
        let mut found: Vec<Vec<i64>> = Vec::new();
        for some in listed.chunks(NAMES_MAX) {
            let mut conditions: Vec<String> = some.iter().map(|row| equals("invoiceNumber", &row.number)).collect();
            conditions.sort();
            conditions.dedup();
            let Lists { rows, .. } =
                self.rows::<wire::InvoiceRow>("finance/invoices", Some(&conditions.join(" or "))).await?;
            found.extend(some.iter().map(|row| row.owners(&rows)));
        }
        Ok(found)
    }

    /// The purchases of the unposted list; an empty id where one has none.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn all_unposted_purchases(&self) -> Result<Lists<(ListedPurchase, Option<i64>)>, RemoteError> {
        let conditions = equals("procurementType", "Purchase");
        let path = "finance/accounting/unpostedprocurement";
        let Lists { rows, odd } = self.rows::<wire::UnpostedPurchase>(path, Some(&conditions)).await?;
        let listed = |row: wire::UnpostedPurchase| {
            let closing = dates::closing(&row.date_closed);
            let order = row.purchase_order.id;
            (ListedPurchase { id: row.unposted_product_id, location_id: row.location_id, closing }, order)
        };
        Ok(Lists { rows: rows.into_iter().filter(wire::UnpostedPurchase::is_purchase).map(listed).collect(), odd })
    }

    /// The changes of this kind in the unposted list, each once; an empty id where one has none.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn unposted_movements(&self, kind: MovementKind) -> Result<Lists<ListedMovement>, RemoteError> {
        let conditions = equals("procurementType", kind.type_name());
        let path = "finance/accounting/unpostedprocurement";
        let Lists { rows, odd } = self.rows::<wire::UnpostedMovement>(path, Some(&conditions)).await?;
        let mut listed: Vec<ListedMovement> = Vec::new();
        for row in rows.into_iter().filter(|row| kind.is_of(row)) {
            // One odd row must not hide the others: what is odd is named when the record is read.
            let (id, location_id) = (row.unposted_product_id, row.location_id.0.unwrap_or_default());
            if !listed.iter().any(|known| known.id == id) {
                listed.push(ListedMovement { id, location_id, closing: dates::closing(&row.date_closed) });
            }
        }
        Ok(Lists { rows: listed, odd })
    }

    /// The expenses of the unposted list.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn unposted_expenses(&self) -> Result<Lists<ListedExpense>, RemoteError> {
        let Lists { rows, odd } =
            self.rows::<wire::UnpostedExpense>("finance/accounting/unpostedexpenses", None).await?;
        let listed = |row: wire::UnpostedExpense| ListedExpense {
            detail_id: row.detail_id(),
            member_id: row.member.id,
            member: row.member.name.clone(),
            total: optional_money(&row.total).ok().flatten(),
            closing: dates::closing(&row.date_closed),
            row,
        };
        Ok(Lists { rows: rows.into_iter().map(listed).collect(), odd })
    }

    /// Which entries these rows are of; none, one, or, where nothing decides, all that could be meant.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn entries_of(&self, listed: &[ListedExpense]) -> Result<Vec<Vec<OwnedExpense>>, RemoteError> {
        let mut known: Vec<wire::ExpenseEntry> = Vec::new();
        let mut ids: Vec<String> = listed.iter().filter_map(|row| row.detail_id).map(|id| id.to_string()).collect();
        ids.sort();
        ids.dedup();
        for some in ids.chunks(NAMES_MAX) {
            let conditions = format!("id in ({})", some.join(","));
            known.extend(self.rows("expense/entries", Some(&conditions)).await?.rows);
        }
        let mut found: Vec<Vec<OwnedExpense>> = listed.iter().map(|row| row.owner_by_id(&known)).collect();
        let nobodys = |(row, found): (&ListedExpense, &Vec<_>)| row.member_id.filter(|_| found.is_empty());
        let mut members: Vec<i64> = listed.iter().zip(&found).filter_map(nobodys).collect();
        members.sort_unstable();
        members.dedup();
        for member in members {
            let conditions = format!("member/id={member}");
            let entries = self.rows::<wire::ExpenseEntry>("expense/entries", Some(&conditions)).await?.rows;
            let of_member =
                |(row, found): &(&ListedExpense, &mut Vec<_>)| row.member_id == Some(member) && found.is_empty();
            for (row, found) in listed.iter().zip(&mut found).filter(of_member) {
                *found = row.twins(&entries);
            }
        }
        Ok(found)
    }

    /// The rows of a list that can be read, so that one odd row does not hide the others.
    async fn rows<T: DeserializeOwned>(&self, path: &str, conditions: Option<&str>) -> Result<Lists<T>, RemoteError> {
        let values: Vec<Value> = match self.list(path, conditions).await? {
            Ok(values) => values,
            Err(denied @ (Denied::NoRecord(_) | Denied::NoEndpoint(_) | Denied::Forbidden(_))) => {
                return Err(denied.into());
            }
        };
        let mut lists = Lists { rows: Vec::new(), odd: Vec::new() };
        for value in values {
            let id = value.get("id").map(ToString::to_string).unwrap_or_default();
            match serde_json::from_value(value) {
                Ok(row) => lists.rows.push(row),
                Err(error) => lists.odd.push(format!("{path} {}: {error}", shorten(&id, 40))),
            }
        }
        Ok(lists)
    }
}

impl ListedInvoice {
    /// The invoices that it may be.
    fn owners(&self, rows: &[wire::InvoiceRow]) -> Vec<i64> {
        let number = self.number.trim();
        let like = |row: &&wire::InvoiceRow| {
            let clients = [row.bill_to_company.id, row.company.id];
            let said = |clients: &[Option<i64>]| clients.iter().flatten().count() > 0;
            let same = clients.iter().flatten().any(|client| self.clients.contains(&Some(*client)));
            row.number.trim() == number && (same || !said(&clients) || !said(&self.clients))
        };
        let rows: Vec<&wire::InvoiceRow> = rows.iter().filter(like).collect();
        if let Some(row) = rows.iter().find(|row| Some(row.id) == self.log_id) {
            return vec![row.id];
        }
        let of_size = |row: &&&wire::InvoiceRow| row.total.is_some_and(|total| same_size(self.total, total));
        let sized: Vec<i64> = rows.iter().filter(of_size).map(|row| row.id).collect();
        if sized.is_empty() { rows.iter().map(|row| row.id).collect() } else { sized }
    }
}

impl ListedExpense {
    /// The entry of its id, if that is like it.
    fn owner_by_id(&self, entries: &[wire::ExpenseEntry]) -> Vec<OwnedExpense> {
        let is_it = |entry: &&wire::ExpenseEntry| {
            entry.id.is_some() && entry.id == self.detail_id && entry.member.id == self.member_id && self.is_like(entry)
        };
        entries.iter().find(is_it).and_then(owned).into_iter().collect()
    }

    /// The entries that are like it and worth the same.
    fn twins(&self, entries: &[wire::ExpenseEntry]) -> Vec<OwnedExpense> {
        let worth = |entry: &&wire::ExpenseEntry| {
            optional_money(&entry.amount).ok().flatten().is_some_and(|amount| same_size(self.total, amount))
        };
        entries.iter().filter(|entry| self.is_like(entry)).filter(worth).filter_map(owned).collect()
    }

    fn is_like(&self, entry: &wire::ExpenseEntry) -> bool {
        self.row.is_like_entry(entry)
    }
}

fn owned(entry: &wire::ExpenseEntry) -> Option<OwnedExpense> {
    Some(OwnedExpense { entry: entry.id?, report: entry.expense_report.id })
}
