//! Payments from the outside: what the bookkeeper and the payment portal do, and what is there now.

use rust_decimal::Decimal;
use serde_json::Value;

use super::payments::NewPayment;
use super::records::Refusal;
use super::reply::pruned;
use super::state::Actor;
use super::tenant::ConnectWise;

impl ConnectWise {
    /// Enters a payment on the screen or in the payment portal; the id is of the payment.
    #[must_use]
    pub fn add_payment(&self, payment: NewPayment) -> i64 {
        self.state().enter_payment(payment, Actor::Staff)
    }

    /// Pays an amount of an invoice.
    #[must_use]
    pub fn pay(&self, invoice: i64, amount: Decimal) -> i64 {
        self.add_payment(NewPayment { invoice, amount, ..NewPayment::default() })
    }

    /// Applies an amount of a credit memo to an invoice; the id is of the payment that says so.
    #[must_use]
    pub fn apply_credit(&self, memo: i64, invoice: i64, amount: Decimal) -> i64 {
        let kind = "C".to_owned();
        self.add_payment(NewPayment { invoice, amount, kind, credit: Some(memo), ..NewPayment::default() })
    }

    /// Changes a payment.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_payment(&self, id: i64, change: impl FnOnce(&mut NewPayment)) -> Result<(), Refusal> {
        self.state().edit_payment(id, change)
    }

    /// Deletes a payment.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_payment(&self, id: i64) -> Result<(), Refusal> {
        self.state().remove_payment(id, Actor::Staff)
    }

    /// The payments of an invoice as the API shows them.
    #[must_use]
    pub fn payments(&self, invoice: i64) -> Vec<Value> {
        self.state().payment_rows(invoice).into_iter().map(pruned).collect()
    }

    /// The list of payments that accounting has not seen.
    #[must_use]
    pub fn unposted_payments(&self) -> Vec<Value> {
        self.state().unposted_payment_rows().into_iter().map(pruned).collect()
    }
}
