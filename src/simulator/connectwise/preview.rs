//! The preview of a batch: which unposted records are asked for, by which of their ids, and what is exported.

use jiff::civil::Date;
use serde_json::Value;

use super::batches::KINDS;
use super::expense_export::Chosen;
use super::expenses::Expense;
use super::export::Parts;
use super::inventory::Change;
use super::invoices::Invoice;
use super::purchases::{PurchaseOrder, Slip};
use super::reply::{Call, FieldError, Reply};
use super::settings::ExpenseShape;
use super::state::State;

const RESOURCE: &str = "exportAccountingBatchRequest";

/// Which records of one kind are asked for.
struct Asked<T> {
    flag: bool,
    included: Vec<T>,
    excluded: Vec<T>,
}

impl<T: PartialEq> Asked<T> {
    fn parse(body: &Value, [flag, included, excluded]: [&str; 3], id: fn(&Value) -> Option<T>) -> Self {
        let ids = |name: &str| -> Vec<T> {
            body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(id).collect()
        };
        let flag = body.get(flag).and_then(Value::as_bool).unwrap_or(false);
        Self { flag, included: ids(included), excluded: ids(excluded) }
    }

    /// Without a list of what is included, everything is.
    fn has(&self, id: &T) -> bool {
        self.flag && (self.included.is_empty() || self.included.contains(id)) && !self.excluded.contains(id)
    }
}

/// A parsed request.
struct Request {
    invoices: Asked<i64>,
    expenses: Asked<i64>,
    products: Asked<String>,
    location: i64,
    thru: Option<String>,
}

impl Request {
    fn parse(body: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (invoices, expenses, products) = (
            ["exportInvoicesFlag", "includedInvoiceIds", "excludedInvoiceIds"],
            ["exportExpensesFlag", "includedExpenseIds", "excludedExpenseIds"],
            ["exportProductsFlag", "includedProductIds", "excludedProductIds"],
        );
        Self {
            invoices: Asked::parse(body, invoices, Value::as_i64),
            expenses: Asked::parse(body, expenses, Value::as_i64),
            products: Asked::parse(body, products, text),
            location: body.get("locationId").and_then(Value::as_i64).unwrap_or(0),
            thru: body.get("thruDate").and_then(Value::as_str).and_then(|text| text.get(..10)).map(str::to_owned),
        }
    }

    fn covers(&self, location: i64, date: Date) -> bool {
        (self.location == 0 || self.location == location)
            && self.thru.as_ref().is_none_or(|thru| date.to_string() <= *thru)
    }

    fn has_change(&self, change: &Change) -> bool {
        let covered = self.covers(change.new.location_id, change.new.date);
        change.is_unposted() && self.products.has(&change.product_id()) && covered
    }
}

impl State {
    /// POST of the preview.
    pub(super) fn preview(&self, call: &Call) -> Result<Reply, Reply> {
        let body = call.json()?;
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
        let mut errors = Vec::new();
        if body.get("batchIdentifier").and_then(Value::as_str).unwrap_or_default().is_empty() {
            errors.push(FieldError::required("batchIdentifier"));
        }
        // Payments may be asked for beside the others, but not alone, and there is no place for them in the answer.
        if !KINDS.into_iter().any(|(name, _)| flag(name)) {
            let message = "Batch export must include invoices, expenses, or products";
            errors.push(FieldError::invalid("exportInvoicesFlag", message));
        }
        if !errors.is_empty() {
            return Err(Reply::invalid(RESOURCE, &errors));
        }
        let request = Request::parse(&body);
        let invoices = self.invoices.values().filter(|invoice| self.is_invoice_asked(&request, invoice));
        let is_asked = |order: &PurchaseOrder, slip: &Slip| self.is_purchase_asked(&request, order, slip);
        let (transactions, customers) = self.transactions(invoices, |entry| entry.batch.is_none());
        let (purchases, vendors) = self.purchase_transactions(is_asked, |batch| batch.is_none());
        let chosen = Chosen {
            expense: &|expense| self.is_expense_asked(&request, expense),
            entry: &|batch| batch.is_none(),
            condensed: self.settings.expense_shape == ExpenseShape::CondensedBills,
        };
        let (expenses, expense_bills) = self.expense_parts(&chosen);
        let (adjustments, transfers) = self.change_parts(|change| request.has_change(change));
        let kinds = KINDS.into_iter().filter(|(name, _)| flag(name)).map(|(_, kind)| kind).collect();
        Ok(Reply::ok(&self.gl_export(Parts {
            kinds,
            transactions,
            customers,
            purchases,
            vendors,
            expenses,
            expense_bills,
            adjustments,
            transfers,
        })))
    }

    fn is_invoice_asked(&self, request: &Request, invoice: &Invoice) -> bool {
        let log_id = invoice.id + self.settings.billing_log_offset;
        let covered = request.covers(invoice.new.location_id, invoice.new.date);
        invoice.is_unposted() && request.invoices.has(&log_id) && covered
    }

    fn is_expense_asked(&self, request: &Request, expense: &Expense) -> bool {
        let covered = request.covers(expense.new.location_id, expense.new.date);
        expense.is_unposted() && request.expenses.has(&self.expense_detail_id(expense)) && covered
    }

    fn is_purchase_asked(&self, request: &Request, order: &PurchaseOrder, slip: &Slip) -> bool {
        let covered = request.covers(order.new.location_id, order.new.date);
        request.products.has(&self.purchase_id(order, slip)) && covered
    }
}
