//! The accounting interface: the unposted row of an invoice, and its preview.
//!
//! The ids of this interface are a trap: the row's own id, the id to export it by and the ids of its GL
//! entries are three different things. Nothing is calculated here; everything is looked up.

use rust_decimal::Decimal;

use super::client::{Call, ConnectWise, equals, malformed, parse};
use super::wire;
use crate::domain::facts::{Cost, Detail, Invoice, TaxLevel, Transaction};
use crate::domain::money::Money;
use crate::remote::RemoteError;

/// Types of product revenue and of product purchases, the only ones whose GL item is a product.
const PRODUCTS: [&str; 2] = ["RP", "P"];

impl ConnectWise {
    /// The row of an invoice in the unposted list; none when it is not listed.
    ///
    /// # Errors
    /// [`RemoteError::Malformed`] when several rows could be meant.
    pub(super) async fn unposted_row(&self, invoice: &Invoice) -> Result<Option<wire::Unposted>, RemoteError> {
        let number = invoice.number.trim();
        let conditions = equals("invoiceNumber", number);
        let rows: Vec<wire::Unposted> = self.list("finance/accounting/unpostedinvoices", Some(&conditions)).await??;
        let of_invoice = |row: &wire::Unposted| {
            let companies = [row.bill_to_company.id, row.company.id];
            row.invoice_number == number && companies.contains(&Some(invoice.client_id))
        };
        let mut rows: Vec<wire::Unposted> = rows.into_iter().filter(of_invoice).collect();
        // An id that is the invoice's settles it; that billing log ids are invoice ids is not documented.
        if let Some(index) = rows.iter().position(|row| row.billing_log_id == Some(invoice.id)) {
            return Ok(Some(rows.swap_remove(index)));
        }
        if rows.len() > 1 {
            rows.retain(|row| same_size(row.total, invoice.total));
            if rows.len() != 1 {
                return Err(malformed(format!("several unposted records could be invoice {number}")));
            }
        }
        Ok(rows.pop())
    }

    /// The preview of exactly this row.
    ///
    /// # Errors
    /// [`RemoteError::Malformed`] when ConnectWise previews another document, or none.
    pub(super) async fn export(
        &self,
        invoice: &Invoice,
        row: &wire::Unposted,
    ) -> Result<wire::Transaction, RemoteError> {
        let number = invoice.number.trim();
        let Some(billing_log_id) = row.billing_log_id else {
            return Err(malformed(format!("the unposted record of invoice {number} has no billingLogId")));
        };
        let path = "finance/accounting/export";
        // It only reads, so it is repeated like a GET.
        let answer = self.read(&Call::post(path, wire::export_request(billing_log_id))).await??;
        let export: wire::Export = parse(&answer, path)?;
        let others = export.transactions.len();
        let mut found: Vec<wire::Transaction> =
            export.transactions.into_iter().filter(|transaction| transaction.document_number == number).collect();
        match (found.pop(), found.is_empty()) {
            (Some(transaction), true) => Ok(transaction),
            (Some(_), false) => Err(malformed(format!("the preview holds invoice {number} more than once"))),
            (None, _) => Err(malformed(format!("the preview of invoice {number} holds {others} other documents"))),
        }
    }
}

/// Whether two amounts are equal but for their sign, which is not documented for credit memos.
pub(super) fn same_size(one: Option<Money>, other: Money) -> bool {
    one.is_some_and(|one| one.abs().to_cents() == other.abs().to_cents())
}

impl wire::Transaction {
    /// The preview in readypost's words; `terms_xref` and `terms_name` were looked up where it has none.
    pub(super) fn into_facts(self, terms_xref: String, terms_name: String) -> Transaction {
        let level = |level: wire::TaxLevel| TaxLevel { level: level.level, xref: level.tax_code_xref };
        Transaction {
            entry_ids: self.gl_entry_ids,
            currency: some_text(self.currency.currency_code),
            total: self.total,
            sales_tax: self.sales_tax.unwrap_or_default(),
            tax_code: self.tax_code.name,
            terms_xref,
            terms_name,
            tax_levels: self.tax_levels.into_iter().map(level).collect(),
            details: self.detail.into_iter().map(wire::Detail::into_facts).collect(),
        }
    }
}

impl wire::Detail {
    pub(super) fn into_facts(self) -> Detail {
        let taxed = self.tax_levels.iter().filter(|level| level.taxable_flag == Some(true));
        let tax_levels: Vec<i64> = taxed.map(|level| level.level).collect();
        // The line's own flag decides; `taxableFlag` is about the first level only.
        let by_level = if tax_levels.is_empty() { self.taxable_flag } else { Some(true) };
        let taxable = self.item_taxable_flag.or(by_level);
        let product = PRODUCTS.iter().any(|kind| self.gl_type_id.eq_ignore_ascii_case(kind));
        let item = some_text(self.item.identifier).or_else(|| some_text(self.gl_item_id).filter(|_| product));
        let cost = Cost {
            cost: self.cost,
            of_one: self.item_cost,
            account: segments(self.cost_account_number),
            inventory: segments(self.inventory_account_number),
        };
        let texts = [self.sales_description, self.item_description, self.description, self.memo];
        Detail {
            id: self.id,
            gl_type: self.gl_type_id,
            account: segments(self.account_number),
            class: segments(self.gl_class),
            quantity: self.quantity.filter(|quantity| *quantity != Decimal::ZERO),
            total: self.total,
            price: self.item_price,
            currency: some_text(self.currency.currency_code),
            description: texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
            item,
            tax_code: self.tax_code.name,
            tax_xref: self.tax_code_xref,
            taxable,
            tax_levels,
            // Without accounts there is nothing that the cost could be posted to.
            cost: Some(cost).filter(|cost| !cost.account.is_empty() || !cost.inventory.is_empty()),
        }
    }
}

/// Joined segments; only separators count as nothing.
pub(super) fn segments(joined: String) -> String {
    if joined.chars().all(|c| c == ':' || c.is_whitespace()) { String::new() } else { joined }
}

/// The text, if there is any.
pub(super) fn some_text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
