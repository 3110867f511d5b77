//! Payments of invoices: read, entered, and deleted where readypost itself had entered them.
//!
//! ConnectWise knows no idempotency key, and a payment has no field for a mark: whoever enters one has made it durable
//! before, and reads the list again when the answer was lost.

use jiff::civil::Date;

use super::client::{Call, ConnectWise, equals, malformed, parse};
use super::dates;
use super::failure::Denied;
use super::unposted::some_text;
use super::wire;
use crate::domain::facts::InvoiceType;
use crate::domain::money::Money;
use crate::domain::payments::{Entry, PaidInvoice};
use crate::domain::text::shorten;
use crate::remote::RemoteError;

const UNPOSTED: &str = "finance/accounting/unpostedpayments";

/// A payment that was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// ConnectWise's id.
    pub id: i64,
    /// Whether it says that it comes from a credit memo.
    pub is_credit: bool,
}

/// A payment that ConnectWise lists as unposted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpostedPayment {
    /// Its id in that list.
    pub id: i64,
    /// ConnectWise's id of its invoice; none when it names none.
    pub invoice: Option<i64>,
    /// Its day; none when it cannot be read.
    pub date: Option<Date>,
}

impl ConnectWise {
    /// The invoices and credit memos that have one of these numbers, or one of them as reference; in one call.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn invoices_numbered(
        &self,
        numbers: &[&str],
        references: &[&str],
    ) -> Result<Vec<PaidInvoice>, RemoteError> {
        let by_number = numbers.iter().map(|number| equals("invoiceNumber", number));
        let conditions: Vec<String> =
            by_number.chain(references.iter().map(|reference| equals("reference", reference))).collect();
        if conditions.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<wire::InvoiceRow> = self.list("finance/invoices", Some(&conditions.join(" or "))).await??;
        rows.into_iter().map(into_invoice).collect()
    }

    /// The payments of an invoice, and what of them cannot be read.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn invoice_payments(&self, invoice: i64) -> Result<(Vec<Entry>, Vec<String>), RemoteError> {
        let rows: Vec<wire::InvoicePayment> = self.list(&of(invoice), None).await??;
        let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows {
            match (row.id, row.amount, dates::civil(&row.payment_date)) {
                (Some(id), Some(amount), Some(date)) => {
                    let credit = credit(&row);
                    entries.push(Entry { id, amount: amount.to_cents(), date, credit });
                }
                (id, amount, _) => {
                    let field = match (id, amount) {
                        (None, _) => "id",
                        (_, None) => "amount",
                        _ => "paymentDate",
                    };
                    let which = id.map(|id| format!(" {id}")).unwrap_or_default();
                    unreadable.push(format!("{field} of the payment{which} ('{}')", shorten(&row.payment_date, 40)));
                }
            }
        }
        Ok((entries, unreadable))
    }

    /// Enters a payment of an invoice, or applies a credit memo to it; sent once.
    ///
    /// # Errors
    /// After [`RemoteError::Transport`], [`RemoteError::Failed`] and [`RemoteError::Malformed`] it may be there;
    /// otherwise it is not.
    pub async fn enter_payment(
        &self,
        invoice: i64,
        of_day: (Money, Date),
        memo: Option<i64>,
    ) -> Result<Entered, RemoteError> {
        let path = of(invoice);
        let answer = self.once(&Call::post(&path, wire::payment_request(invoice, of_day, memo))).await??;
        let row: wire::InvoicePayment = parse(&answer, &path)?;
        let is_credit = credit(&row).is_some();
        let id = row.id.ok_or_else(|| malformed(format!("{path}: the payment has no id")))?;
        Ok(Entered { id, is_credit })
    }

    /// Deletes a payment; one that is gone already is as good as deleted.
    ///
    /// # Errors
    /// As [`RemoteError`] says; it may be deleted all the same.
    pub async fn delete_payment(&self, invoice: i64, payment: i64) -> Result<(), RemoteError> {
        match self.once(&Call::delete(&format!("{}/{payment}", of(invoice)))).await? {
            Ok(_) | Err(Denied::NoRecord(_)) => Ok(()),
            Err(denied) => Err(denied.into()),
        }
    }

    /// Payments that accounting has not seen, with ids above this one.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn unposted_payments(&self, above: i64) -> Result<Vec<UnpostedPayment>, RemoteError> {
        let rows: Vec<wire::UnpostedPayment> = self.list(UNPOSTED, Some(&format!("id>{above}"))).await??;
        let payment = |row: wire::UnpostedPayment| UnpostedPayment {
            id: row.id,
            invoice: row.invoice.id,
            date: dates::civil(&row.payment_date),
        };
        Ok(rows.into_iter().filter(|row| row.id > above).map(payment).collect())
    }
}

fn of(invoice: i64) -> String {
    format!("finance/invoices/{invoice}/payments")
}

/// The number of the credit memo that a payment comes from; empty where only that it is one is known.
fn credit(row: &wire::InvoicePayment) -> Option<String> {
    let is_credit = row.credit.id.is_some() || ["C", "Credit"].iter().any(|kind| row.r#type.eq_ignore_ascii_case(kind));
    let named = || some_text(row.credit.identifier.clone()).or_else(|| some_text(row.credit.name.clone()));
    is_credit.then(|| named().unwrap_or_default())
}

fn into_invoice(row: wire::InvoiceRow) -> Result<PaidInvoice, RemoteError> {
    let total = row.total.ok_or_else(|| malformed(format!("invoice {} has no total", row.id)))?;
    Ok(PaidInvoice {
        id: row.id,
        number: row.number,
        reference: row.reference,
        kind: InvoiceType::from(row.r#type),
        date: dates::civil(&row.date),
        total,
        currency: some_text(row.currency.currency_code),
        location_id: row.location_id.or(row.location.id),
    })
}
