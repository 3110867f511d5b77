//! Reads changes of the inventory as the accounting interface has them: it alone knows all that is posted.
//!
//! Like a purchase, a change is named by its `unpostedProductId` and found by that text alone.

use super::client::{Call, ConnectWise, equals, malformed, parse};
use super::dates;
use super::lenient::Told;
use super::unposted::some_text;
use super::wire;
use crate::domain::batch;
use crate::domain::facts::{Adjusted, Movement, MovementKind, Offset, Shifted, Stock, Unposted};
use crate::domain::money::Money;
use crate::domain::sweep::Closing;
use crate::domain::text::shorten;
use crate::remote::RemoteError;

const UNPOSTED: &str = "finance/accounting/unpostedprocurement";

/// A change of the inventory in the unposted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMovement {
    /// Its `unpostedProductId`.
    pub id: String,
    /// Location, for the routing to a Xero organisation.
    pub location_id: Option<i64>,
    /// When it was closed.
    pub closing: Closing,
}

impl ConnectWise {
    /// The change of this id, whether or not it is in the unposted list.
    ///
    /// # Errors
    /// As [`RemoteError`] says; [`RemoteError::Malformed`] when the accounting interface is about another change.
    pub async fn movement(&self, id: &str, kind: MovementKind) -> Result<Movement, RemoteError> {
        let id = id.to_owned();
        if let Some(row) = self.unposted_movement(&id, kind).await? {
            let unposted = Some(self.preview_of(&id, kind, row).await?);
            return Ok(Movement { id, kind, unposted, batch: None });
        }
        let batch = self.newest_batch(&batch::prefix_of_movement(&id)).await?;
        Ok(Movement { id, kind, unposted: None, batch })
    }

    async fn unposted_movement(
        &self,
        id: &str,
        kind: MovementKind,
    ) -> Result<Option<wire::UnpostedMovement>, RemoteError> {
        let rows: Vec<wire::UnpostedMovement> = self.list(UNPOSTED, Some(&equals("unpostedProductId", id))).await??;
        let mut rows = rows.into_iter().filter(|row| kind.is_of(row) && row.unposted_product_id == id);
        match (rows.next(), rows.next()) {
            (Some(_), Some(_)) => Err(malformed(format!("{id} is in the unposted list more than once"))),
            (row, _) => Ok(row),
        }
    }

    /// The preview of exactly this change.
    async fn preview_of(
        &self,
        id: &str,
        kind: MovementKind,
        row: wire::UnpostedMovement,
    ) -> Result<Unposted, RemoteError> {
        let path = "finance/accounting/export";
        // It only reads, so it is repeated like a GET.
        let answer = self.read(&Call::post(path, wire::purchase_export_request(id))).await??;
        let export: wire::MovementExport = parse(&answer, path)?;
        let mut unreadable = Vec::new();
        let Previewed { stock, date, name, currency } = match kind {
            MovementKind::Adjustment => {
                only(export.adjustment_transactions, id, |transaction| &transaction.id)?.into_previewed(&mut unreadable)
            }
            MovementKind::Transfer => {
                only(export.inventory_transfers, id, |transaction| &transaction.id)?.into_previewed(&mut unreadable)
            }
        };
        let entry = row.id.or_note("id of the unposted record", &mut unreadable);
        let text = [date, row.purchase_date].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let date = dates::civil(&text);
        if date.is_none() && !text.is_empty() {
            unreadable.push(format!("document date ('{}')", shorten(&text, 40)));
        }
        Ok(Unposted {
            entry,
            name: some_text(row.description).unwrap_or(name),
            location_id: row.location_id.or_note("location", &mut unreadable),
            date,
            closed_at: dates::earliest(&row.date_closed),
            currency: some_text(row.currency.currency_code).or(currency),
            listed_total: row.total.or_note("total", &mut unreadable),
            stock,
            unreadable,
        })
    }
}

/// What a preview says.
struct Previewed {
    stock: Stock,
    date: String,
    name: String,
    currency: Option<String>,
}

impl wire::AdjustmentTransaction {
    fn into_previewed(self, unreadable: &mut Vec<String>) -> Previewed {
        let class = self.gl_class;
        let row = |(number, row): (usize, wire::AdjustmentDetail)| Adjusted {
            description: some_text(row.description).unwrap_or(row.memo),
            quantity: row.quantity.or_note(&format!("quantity of line {number}"), unreadable),
            total: needed(row.total, &format!("total of line {number}"), unreadable),
            account: row.account_number,
            inventory: row.inventory_account_number,
            class: some_text(row.gl_class).unwrap_or_else(|| class.clone()),
        };
        let rows = (1..).zip(self.adjustment_detail).map(row).collect();
        Previewed {
            stock: Stock::Adjusted { account: self.account_number, rows },
            date: self.document_date,
            name: self.adjustment_description,
            currency: None,
        }
    }
}

impl wire::InventoryTransfer {
    fn into_previewed(self, unreadable: &mut Vec<String>) -> Previewed {
        let total = needed(self.total, "total", unreadable);
        let side = |side: wire::TransferOffset| Offset {
            total: needed(side.total, "total of the offset", unreadable),
            account: side.account_number,
            class: side.gl_class,
        };
        let shifted = Shifted {
            description: some_text(self.description).unwrap_or(self.item_description),
            total,
            account: self.account_number,
            class: self.gl_class,
            offset: self.offset.map(side),
        };
        let currency = some_text(self.currency.currency_code);
        Previewed { stock: Stock::Shifted(shifted), date: self.document_date, name: String::new(), currency }
    }
}

/// An amount that must be there.
fn needed(told: Told<Money>, field: &str, unreadable: &mut Vec<String>) -> Money {
    if matches!(told.0, Ok(None)) {
        unreadable.push(field.to_owned());
    }
    told.or_note(field, unreadable).unwrap_or_default()
}

impl MovementKind {
    /// ConnectWise's name of the kind.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Adjustment => "Adjustment",
            Self::Transfer => "Transfer",
        }
    }

    pub(super) fn is_of(self, row: &wire::UnpostedMovement) -> bool {
        row.procurement_type.eq_ignore_ascii_case(self.type_name())
    }
}

/// The one of `previewed` that has this id.
fn only<T>(previewed: Vec<T>, id: &str, of: impl Fn(&T) -> &String) -> Result<T, RemoteError> {
    let others = previewed.len();
    let mut found = previewed.into_iter().filter(|transaction| of(transaction) == id);
    match (found.next(), found.next()) {
        (Some(transaction), None) => Ok(transaction),
        (Some(_), Some(_)) => Err(malformed(format!("the preview holds {id} more than once"))),
        (None, _) => Err(malformed(format!("the preview of {id} holds {others} others"))),
    }
}
