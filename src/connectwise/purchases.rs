//! Reads purchase orders, and their purchases as the accounting interface has them.
//!
//! A purchase is named by its `unpostedProductId` and found by that text alone: it is never put together from
//! an order and a packing slip.

use super::client::{Call, ConnectWise, equals, malformed, parse};
use super::dates;
use super::failure::Denied;
use super::unposted::some_text;
use super::wire;
use crate::domain::batch;
use crate::domain::facts::{Detail, Purchase, PurchaseOrder, PurchaseTax, Received, Status, TaxLevel};
use crate::domain::record::packing_slip;
use crate::domain::sweep::Closing;
use crate::remote::RemoteError;

const UNPOSTED: &str = "finance/accounting/unpostedprocurement";

/// A purchase of the unposted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPurchase {
    /// Its `unpostedProductId`.
    pub id: String,
    /// Its location.
    pub location_id: Option<i64>,
    /// When its order was closed.
    pub closing: Closing,
}

impl ConnectWise {
    /// The purchase order with this id; none when there is no such record.
    ///
    /// # Errors
    /// As [`RemoteError`] says; an API that is not found at all is [`RemoteError::Unauthorized`], never none.
    pub async fn purchase_order(&self, id: i64) -> Result<Option<PurchaseOrder>, RemoteError> {
        Ok(self.order(id).await?.map(|(order, _)| order))
    }

    /// The order's purchases in the unposted list, each once.
    ///
    /// # Errors
    /// [`RemoteError::Malformed`] when a purchase has no id, so that none is passed over.
    pub async fn unposted_purchases(&self, order: i64) -> Result<Vec<ListedPurchase>, RemoteError> {
        let conditions = format!("{} and purchaseOrder/id={order}", equals("procurementType", "Purchase"));
        let rows: Vec<wire::UnpostedPurchase> = self.list(UNPOSTED, Some(&conditions)).await??;
        let mut listed: Vec<ListedPurchase> = Vec::new();
        for row in rows.into_iter().filter(|row| row.is_purchase() && row.purchase_order.id == Some(order)) {
            if row.unposted_product_id.is_empty() {
                return Err(malformed(format!("an unposted purchase of order {order} has no unpostedProductId")));
            }
            if listed.iter().all(|known| known.id != row.unposted_product_id) {
                let closing = dates::closing(&row.date_closed);
                listed.push(ListedPurchase { id: row.unposted_product_id, location_id: row.location_id, closing });
            }
        }
        Ok(listed)
    }

    /// The purchase of this id; `order` is where it was heard of. None when its order is gone.
    ///
    /// # Errors
    /// As [`RemoteError`] says; [`RemoteError::Malformed`] when the accounting interface is about another purchase.
    pub async fn purchase(&self, id: &str, order: Option<i64>) -> Result<Option<Purchase>, RemoteError> {
        let row = self.unposted_purchase(id).await?;
        let Some(order) = row.as_ref().and_then(|row| row.purchase_order.id).or(order) else {
            return Err(malformed(format!("no order is known of the purchase {id}")));
        };
        let Some((mut order, header)) = self.order(order).await? else { return Ok(None) };
        let Some(row) = row else {
            let batch = self.batch_of_purchase(id, &order).await?;
            return Ok(Some(Purchase { id: id.to_owned(), order, received: None, batch }));
        };
        order.vendor_id = order.vendor_id.or(row.vendor.id);
        if order.vendor_name.is_empty() {
            order.vendor_name.clone_from(&row.vendor.name);
        }
        order.location_id = order.location_id.or(row.location_id);
        let transaction = self.purchase_export(id).await?;
        let received = self.received(transaction, row, header).await?;
        Ok(Some(Purchase { id: id.to_owned(), order, received: Some(received), batch: None }))
    }

    /// The purchase's row in the unposted list; none when it is not listed.
    async fn unposted_purchase(&self, id: &str) -> Result<Option<wire::UnpostedPurchase>, RemoteError> {
        let conditions = equals("unpostedProductId", id);
        let rows: Vec<wire::UnpostedPurchase> = self.list(UNPOSTED, Some(&conditions)).await??;
        // Exactly: ConnectWise compares without case, and two packing slips may differ in it.
        let mut rows = rows.into_iter().filter(|row| row.is_purchase() && row.unposted_product_id == id);
        match (rows.next(), rows.next()) {
            (Some(_), Some(_)) => Err(malformed(format!("the purchase {id} is in the unposted list more than once"))),
            (row, _) => Ok(row),
        }
    }

    async fn order(&self, id: i64) -> Result<Option<(PurchaseOrder, wire::PurchaseOrder)>, RemoteError> {
        let found: wire::PurchaseOrder = match self.record(&format!("procurement/purchaseorders/{id}")).await? {
            Ok(order) => order,
            Err(Denied::NoRecord(_)) => return Ok(None),
            Err(denied) => return Err(denied.into()),
        };
        if found.id != id {
            return Err(malformed(format!("purchase order {} was given for {id}", found.id)));
        }
        let closed = match found.closed_flag {
            Some(closed) => closed,
            None => self.closes_orders(found.status.id).await?,
        };
        let status = Status { id: found.status.id.unwrap_or_default(), name: found.status.name.clone(), closed };
        let order = PurchaseOrder {
            id,
            number: found.po_number.clone(),
            status,
            vendor_id: found.vendor_company.id,
            vendor_name: found.vendor_company.name.clone(),
            location_id: found.location_id.or(found.location.id),
            currency: some_text(found.currency.currency_code.clone()),
            total: found.total,
        };
        Ok(Some((order, found)))
    }

    pub(super) async fn read_order_statuses(&self) -> Result<Vec<wire::OrderStatus>, RemoteError> {
        Ok(self.list("procurement/purchaseorderstatuses", None).await??)
    }

    /// Whether a status closes purchase orders, for orders that do not say so themselves.
    async fn closes_orders(&self, status: Option<i64>) -> Result<bool, RemoteError> {
        let statuses = self.read_order_statuses().await?;
        let found = statuses.iter().find(|known| Some(known.id) == status);
        let closed = found.and_then(|known| known.closed_flag);
        closed.ok_or_else(|| malformed(format!("nothing says whether the purchase order status {status:?} is closed")))
    }

    /// The preview of exactly this purchase.
    async fn purchase_export(&self, id: &str) -> Result<wire::PurchaseTransaction, RemoteError> {
        let path = "finance/accounting/export";
        // It only reads, so it is repeated like a GET.
        let answer = self.read(&Call::post(path, wire::purchase_export_request(id))).await??;
        let export: wire::PurchaseExport = parse(&answer, path)?;
        let others = export.purchase_transactions.len();
        let mut found = export.purchase_transactions.into_iter().filter(|transaction| transaction.id == id);
        match (found.next(), found.next()) {
            (Some(transaction), None) => Ok(transaction),
            (Some(_), Some(_)) => Err(malformed(format!("the preview holds the purchase {id} more than once"))),
            (None, _) => Err(malformed(format!("the preview of the purchase {id} holds {others} others"))),
        }
    }

    async fn received(
        &self,
        transaction: wire::PurchaseTransaction,
        row: wire::UnpostedPurchase,
        header: wire::PurchaseOrder,
    ) -> Result<Received, RemoteError> {
        let terms = [&transaction.billing_terms, &row.billing_terms, &header.terms];
        let terms_name = terms.iter().map(|terms| &terms.name).find(|name| !name.is_empty()).cloned();
        let terms_xref = if transaction.billing_terms_xref.is_empty() {
            self.terms_xref(terms.iter().find_map(|terms| terms.id)).await?
        } else {
            transaction.billing_terms_xref.clone()
        };
        let mut unreadable = Vec::new();
        let dates = [&transaction.vendor_invoice_date, &row.vendor_invoice_date, &header.vendor_invoice_date];
        let vendor_invoice_date = day("vendor invoice date", dates, &mut unreadable);
        let none = String::new();
        let dates = [&transaction.purchase_date, &row.purchase_date, &none];
        let purchased = if row.purchase_date.is_empty() { &transaction.purchase_date } else { &row.purchase_date };
        let date = day("purchase date", dates, &mut unreadable);
        let numbers = [transaction.vendor_invoice_number, row.vendor_invoice_number, header.vendor_invoice_number];
        let level = |level: wire::TaxLevel| TaxLevel { level: level.level, xref: level.tax_code_xref };
        let tax_levels: Vec<TaxLevel> = transaction.tax_levels.into_iter().map(level).collect();
        let header_taxable =
            [transaction.purchase_header_taxable_flag, transaction.purchase_header_freight_taxable_flag];
        let details =
            transaction.purchase_detail.into_iter().map(|row| row.into_facts(header_taxable, &tax_levels)).collect();
        let tax = |row: wire::PurchaseTaxRow| PurchaseTax { id: row.id, total: row.total };
        // Closing the order once more, for another packing slip, makes an old purchase look young.
        let (closed, bought) = (dates::earliest(&row.date_closed), dates::earliest(purchased));
        Ok(Received {
            packing_slip: transaction.packing_slip,
            vendor_number: transaction.vendor_number,
            vendor_invoice_number: numbers.into_iter().find(|number| !number.is_empty()).unwrap_or_default(),
            vendor_invoice_date,
            date,
            closed_at: closed.min(bought),
            drop_ship: transaction.dropship_flag == Some(true),
            currency: some_text(transaction.currency.currency_code),
            total: transaction.total,
            listed_total: row.total,
            tax_total: row.tax_total,
            freight_tax_total: row.freight_tax_total,
            freight: transaction.freight_amount,
            freight_packing_slip: transaction.freight_packing_slip,
            tax_code: transaction.tax_code.name,
            terms_xref,
            terms_name: terms_name.unwrap_or_default(),
            due_days: transaction.due_days.parse().ok(),
            tax_levels,
            details,
            taxes: transaction.purchase_detail_tax.into_iter().map(tax).collect(),
            unreadable,
        })
    }

    /// The batch of a purchase that is not unposted: our own that still holds it, else that there is another one.
    async fn batch_of_purchase(&self, id: &str, order: &PurchaseOrder) -> Result<Option<String>, RemoteError> {
        let lines = self.lines_of_slip(id, order).await?;
        if lines.is_empty() || !lines.iter().all(|line| line.batched_flag == Some(true)) {
            return Ok(None);
        }
        let holds = self.newest_batch(&batch::prefix_of_purchase(id)).await?;
        Ok(Some(holds.unwrap_or_else(|| "another batch".to_owned())))
    }

    /// Whether ConnectWise says of every line of a purchase that it is in no batch. It says no such thing of freight and tax.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn is_slip_free(&self, id: &str, order: &PurchaseOrder) -> Result<bool, RemoteError> {
        let lines = self.lines_of_slip(id, order).await?;
        Ok(!lines.is_empty() && lines.iter().all(|line| line.batched_flag == Some(false)))
    }

    /// The lines of the order that came with the packing slip of a purchase.
    async fn lines_of_slip(&self, id: &str, order: &PurchaseOrder) -> Result<Vec<wire::OrderLine>, RemoteError> {
        let path = format!("procurement/purchaseorders/{}/lineitems", order.id);
        let lines: Vec<wire::OrderLine> = self.list(&path, None).await??;
        // Without one no batch is known.
        let slip = packing_slip(id);
        let is_of = |line: &wire::OrderLine| slip.is_some_and(|slip| slip == line.packing_slip);
        Ok(lines.into_iter().filter(is_of).collect())
    }
}

/// The first date that is there; what is there and cannot be read is named.
fn day(field: &str, texts: [&String; 3], unreadable: &mut Vec<String>) -> Option<jiff::civil::Date> {
    let text = texts.into_iter().find(|text| !text.is_empty())?;
    let date = dates::civil(text);
    if date.is_none() {
        unreadable.push(format!("{field} ('{}')", crate::domain::text::shorten(text, 40)));
    }
    date
}

impl wire::PurchaseDetail {
    /// The row in readypost's words; the header says whether lines and freight are taxable where the row does not.
    fn into_facts(self, [lines, freight]: [Option<bool>; 2], levels: &[TaxLevel]) -> Detail {
        let Self { row, own } = self;
        let mut detail = row.into_facts();
        let header = if detail.is_freight() { freight } else { lines };
        detail.taxable = own.taxable.or(detail.taxable).or(header);
        // The rows of purchases do not say which levels apply; tax is by all of them.
        if detail.taxable != Some(false) && detail.tax_levels.is_empty() {
            detail.tax_levels = levels.iter().map(|level| level.level).collect();
        }
        detail.price = own.item_cost.or(detail.price);
        // What is bought has no cost of goods yet.
        detail.cost = None;
        detail
    }
}
