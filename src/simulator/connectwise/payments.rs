//! Payments of invoices, credits that are applied to them, and the list of those that accounting has not seen.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::{decimal, number};
use super::oddities::{Oddities, View};
use super::paging::read;
use super::records::Refusal;
use super::reply::{Call, FieldError, Reply, pruned};
use super::settings::{ApiPayments, Overpayments, SyncStatus};
use super::state::{Actor, Series, State};

/// A payment to enter.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Invoice id.
    pub invoice: i64,
    /// Type; `P` for money and `C` for a credit.
    pub kind: String,
    /// Amount.
    pub amount: Decimal,
    /// Day of the payment.
    pub date: Date,
    /// `Default`, or `WisePay` for the payment portal.
    pub source: String,
    /// Invoice id of the credit memo that is applied, when it is no money.
    pub credit: Option<i64>,
    /// `Unapplied`, `Applied` or `Synced`; any text, as releases may add some.
    pub sync_status: String,
    /// Account that the money came to.
    pub account: String,
    /// What is odd about what it shows.
    pub oddities: Oddities,
}

impl Default for NewPayment {
    fn default() -> Self {
        Self {
            invoice: 0,
            kind: "P".to_owned(),
            amount: Decimal::ZERO,
            date: jiff::civil::date(2026, 11, 30),
            source: "Default".to_owned(),
            credit: None,
            sync_status: "Unapplied".to_owned(),
            account: String::new(),
            oddities: Oddities::default(),
        }
    }
}

/// A payment of an invoice.
#[derive(Clone, Debug)]
pub(super) struct Payment {
    id: i64,
    pub(super) new: NewPayment,
    /// As it was written.
    date: String,
    /// Who entered it.
    actor: Actor,
    applied_by: String,
    synced: Option<Timestamp>,
    updated: (Timestamp, String),
}

const RESOURCE: &str = "invoicePayment";

impl State {
    /// Enters a payment.
    pub(super) fn enter_payment(&mut self, new: NewPayment, actor: Actor) -> i64 {
        let id = self.next_id(Series::Payment);
        let (date, invoice) = (format!("{}T00:00:00Z", new.date), new.invoice);
        let (applied_by, updated) = (self.member(actor), (self.now(), self.member(actor)));
        self.payments.insert(id, Payment { id, new, date, actor, applied_by, synced: None, updated });
        self.echo_payment(invoice, actor);
        id
    }

    /// Changes a payment.
    pub(super) fn edit_payment(&mut self, id: i64, change: impl FnOnce(&mut NewPayment)) -> Result<(), Refusal> {
        let updated = (self.now(), self.member(Actor::Staff));
        let payment = self.payments.get_mut(&id).ok_or(Refusal::Unknown)?;
        change(&mut payment.new);
        payment.date = format!("{}T00:00:00Z", payment.new.date);
        payment.updated = updated;
        let invoice = payment.new.invoice;
        self.echo_payment(invoice, Actor::Staff);
        Ok(())
    }

    /// Removes a payment.
    pub(super) fn remove_payment(&mut self, id: i64, actor: Actor) -> Result<(), Refusal> {
        let payment = self.payments.remove(&id).ok_or(Refusal::Unknown)?;
        self.echo_payment(payment.new.invoice, actor);
        Ok(())
    }

    fn echo_payment(&mut self, invoice: i64, actor: Actor) {
        if self.settings.payment_callbacks {
            self.touch(invoice, actor);
        }
    }

    /// What an invoice was paid with money.
    pub(super) fn paid(&self, invoice: i64) -> Decimal {
        let of_invoice = self.payments.values().filter(|payment| payment.new.invoice == invoice);
        of_invoice.filter(|payment| payment.new.credit.is_none()).map(|payment| payment.new.amount).sum()
    }

    /// What was applied to an invoice from credit memos.
    pub(super) fn credited(&self, invoice: i64) -> Decimal {
        let of_invoice = self.payments.values().filter(|payment| payment.new.invoice == invoice);
        of_invoice.filter(|payment| payment.new.credit.is_some()).map(|payment| payment.new.amount).sum()
    }

    /// What of a credit memo was applied to invoices.
    pub(super) fn applied(&self, memo: i64) -> Decimal {
        self.payments
            .values()
            .filter(|payment| payment.new.credit == Some(memo))
            .map(|payment| payment.new.amount)
            .sum()
    }

    pub(super) fn payment_rows(&self, invoice: i64) -> Vec<Value> {
        let of_invoice = self.payments.values().filter(|payment| payment.new.invoice == invoice);
        of_invoice.map(|payment| self.payment_row(payment)).collect()
    }

    fn payment_row(&self, payment: &Payment) -> Value {
        let new = &payment.new;
        let invoice = self.invoices.get(&new.invoice);
        let of_invoice = |name: &str| invoice.and_then(|invoice| self.invoice_row(invoice).get(name).cloned());
        let row = json!({"id": payment.id, "type": new.kind, "source": new.source,
            "invoice": self.invoice_reference(new.invoice), "amount": number(new.amount),
            "credit": new.credit.map(|memo| self.invoice_reference(memo)), "balance": number(Decimal::ZERO),
            "invoiceBalance": of_invoice("balance"), "invoiceTotal": of_invoice("total"),
            "paymentDate": payment.date, "appliedBy": payment.applied_by, "paymentSyncStatus": new.sync_status,
            "paymentSyncDate": payment.synced.map(|at| at.to_string()), "paymentAccount": new.account,
            "aRPaymentAccount": self.settings.receivable_account,
            "_info": {"lastUpdated": payment.updated.0.to_string(), "updatedBy": payment.updated.1}});
        new.oddities.show(View::Record, row)
    }

    fn invoice_reference(&self, id: i64) -> Value {
        let number_of = self.invoices.get(&id).map(|invoice| invoice.new.number.as_str());
        json!({"id": id, "identifier": number_of})
    }

    /// The list of payments that accounting has not seen.
    pub(super) fn unposted_payment_rows(&self) -> Vec<Value> {
        let hidden =
            |payment: &Payment| payment.actor == Actor::Api && self.settings.api_payments == ApiPayments::Hidden;
        let unposted = self.payments.values().filter(|payment| payment.new.sync_status != "Synced" && !hidden(payment));
        unposted.map(|payment| payment.new.oddities.show(View::Unposted, self.unposted_payment_row(payment))).collect()
    }

    fn unposted_payment_row(&self, payment: &Payment) -> Value {
        let new = &payment.new;
        json!({"id": payment.id + self.settings.unposted_payment_offset, "type": new.kind, "source": new.source,
            "invoice": self.invoice_reference(new.invoice), "amount": number(new.amount),
            "paymentDate": self.accounting_date(new.date), "appliedBy": payment.applied_by,
            "paymentSyncStatus": new.sync_status, "paymentAccount": new.account,
            "aRPaymentAccount": self.settings.receivable_account, "_info": {}})
    }
}

/// The endpoints.
impl State {
    /// Answers one call below the payments of an invoice.
    pub(super) fn payment_call(&mut self, call: &Call, invoice: i64, rest: &[&str]) -> Result<Reply, Reply> {
        let id = match rest {
            [] if call.method == "POST" => {
                let body = call.json()?;
                let new = self.checked_payment(NewPayment { invoice, ..NewPayment::default() }, &body, None)?;
                let id = self.enter_payment(new, Actor::Api);
                self.keep_date(id, &body);
                return Ok(self.payment_reply(201, id));
            }
            [id] if call.method != "GET" => *id,
            _ => return read(call, rest, self.payment_rows(invoice), "InvoicePayment"),
        };
        let of_invoice = |id: &i64| self.payments.get(id).is_some_and(|payment| payment.new.invoice == invoice);
        let found = id.parse().ok().filter(of_invoice);
        let id = found.ok_or_else(|| Reply::no_record("InvoicePayment", id))?;
        match call.method.as_str() {
            "DELETE" => {
                self.remove_payment(id, Actor::Api).map_err(|_| Reply::no_endpoint())?;
                Ok(Reply::no_content())
            }
            "PUT" => {
                let body = call.json()?;
                self.replace_payment(id, NewPayment { invoice, ..NewPayment::default() }, &body)
            }
            "PATCH" => {
                let body = fields_of(&call.json()?);
                let current = self.payments.get(&id).map(|payment| payment.new.clone());
                self.replace_payment(id, current.unwrap_or_default(), &body)
            }
            _ => Err(Reply::no_endpoint()),
        }
    }

    fn replace_payment(&mut self, id: i64, over: NewPayment, body: &Value) -> Result<Reply, Reply> {
        let new = self.checked_payment(over, body, Some(id))?;
        let (now, updated) = (self.now(), (self.now(), self.member(Actor::Api)));
        let invoice = new.invoice;
        if let Some(payment) = self.payments.get_mut(&id) {
            payment.synced = (new.sync_status == "Synced").then_some(now);
            payment.new = new;
            payment.updated = updated;
        }
        self.keep_date(id, body);
        self.echo_payment(invoice, Actor::Api);
        Ok(self.payment_reply(200, id))
    }

    /// `over` with the fields of a body; `own` is the payment that it replaces.
    fn checked_payment(&self, over: NewPayment, body: &Value, own: Option<i64>) -> Result<NewPayment, Reply> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut new = over;
        match body.get("amount").and_then(decimal) {
            Some(amount) => new.amount = amount,
            None if new.amount.is_zero() => {
                return Err(Reply::invalid(RESOURCE, &[FieldError::required("amount")]));
            }
            None => {}
        }
        if let Some(kind) = text("type") {
            new.kind = kind;
        }
        let day = |date: &String| date.get(..10).and_then(|day| day.parse::<Date>().ok());
        let today = jiff::tz::TimeZone::UTC.to_datetime(self.now()).date();
        match text("paymentDate") {
            Some(date) => {
                let wrong = || Reply::invalid(RESOURCE, &[FieldError::invalid("paymentDate", "Invalid date")]);
                new.date = day(&date).ok_or_else(wrong)?;
            }
            None if own.is_none() => new.date = today,
            None => {}
        }
        new.credit = body.pointer("/credit/id").and_then(Value::as_i64).or(new.credit);
        // Where it is not writable the field is silently without effect, as nested paths are.
        if let (Some(status), SyncStatus::Writable) = (text("paymentSyncStatus"), self.settings.sync_status) {
            new.sync_status = status;
        }
        let before = own.and_then(|id| self.payments.get(&id)).map_or(Decimal::ZERO, |payment| payment.new.amount);
        if self.settings.overpayments == Overpayments::Refuse && new.amount - before > self.balance(new.invoice) {
            let message = "The amount exceeds the balance of the invoice.";
            return Err(Reply::invalid(RESOURCE, &[FieldError::invalid("amount", message)]));
        }
        Ok(new)
    }

    fn balance(&self, invoice: i64) -> Decimal {
        let row = self.invoices.get(&invoice).map(|invoice| self.invoice_row(invoice));
        row.and_then(|row| decimal(row.get("balance")?)).unwrap_or_default()
    }

    /// Keeps the date of a payment as it was written.
    fn keep_date(&mut self, id: i64, body: &Value) {
        let date = body.get("paymentDate").and_then(Value::as_str).map(str::to_owned);
        if let Some(payment) = self.payments.get_mut(&id) {
            payment.date = date.unwrap_or_else(|| format!("{}T00:00:00Z", payment.new.date));
        }
    }

    fn payment_reply(&self, status: u16, id: i64) -> Reply {
        let row = self.payments.get(&id).map(|payment| pruned(self.payment_row(payment)));
        Reply::json(status, &row.unwrap_or_default())
    }
}

/// The top-level fields that a PATCH replaces.
fn fields_of(operations: &Value) -> Value {
    let field = |operation: &Value| {
        let path = operation.get("path")?.as_str()?.trim_start_matches('/');
        Some((path.to_owned(), operation.get("value").cloned().unwrap_or_default()))
    };
    Value::Object(operations.as_array().into_iter().flatten().filter_map(field).collect())
}
