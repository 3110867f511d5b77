//! Exact amounts: rounding, JSON numbers, and the sales tax of an invoice.

use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::records::NewInvoice;
use super::state::State;

/// Sales tax of one level of one tax code.
#[derive(Clone, Debug)]
pub(super) struct TaxRow {
    pub(super) code: i64,
    pub(super) level: i64,
    pub(super) xref: String,
    pub(super) rate: Decimal,
    pub(super) taxable: Decimal,
    pub(super) tax: Decimal,
}

/// What an invoice amounts to, above zero for credit memos too.
#[derive(Clone, Debug)]
pub(super) struct Amounts {
    pub(super) subtotal: Decimal,
    pub(super) taxes: Vec<TaxRow>,
    pub(super) sales_tax: Decimal,
    pub(super) total: Decimal,
}

impl Amounts {
    /// The amounts subject to tax; each is counted at its first level only.
    pub(super) fn taxable(&self) -> Decimal {
        self.taxes.iter().filter(|row| row.level == 1).map(|row| row.taxable).sum()
    }
}

/// Rounds to cents, half away from zero.
pub(super) fn round2(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

/// A JSON number with a decimal point, as the service writes amounts.
pub(super) fn number(amount: Decimal) -> Value {
    let mut text = if amount.is_zero() { "0".to_owned() } else { amount.normalize().to_string() };
    if !text.contains('.') {
        text.push_str(".0");
    }
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// The exact value of a JSON number.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// What `invoice` amounts to with the tax rates now in force.
pub(super) fn amounts(state: &State, invoice: &NewInvoice) -> Amounts {
    let mut taxes: Vec<TaxRow> = Vec::new();
    let header_code = state.tax_code_of(invoice);
    for line in invoice.lines.iter().filter(|line| line.taxable) {
        let Some(code) = line.tax_code.or(header_code) else { continue };
        for (level, (xref, rate)) in (1..).zip(state.tax_levels(code)) {
            if let Some(row) = taxes.iter_mut().find(|row| row.code == code && row.level == level) {
                row.taxable += line.amount();
            } else {
                let (xref, rate) = (xref.clone(), *rate);
                taxes.push(TaxRow { code, level, xref, rate, taxable: line.amount(), tax: Decimal::ZERO });
            }
        }
    }
    for row in &mut taxes {
        row.tax = round2(row.taxable * row.rate);
    }
    let computed: Decimal = taxes.iter().map(|row| row.tax).sum();
    let sales_tax = invoice.sales_tax.unwrap_or(computed);
    if sales_tax != computed {
        force(state, &mut taxes, header_code, sales_tax - computed);
    }
    let subtotal = invoice.subtotal();
    Amounts { subtotal, taxes, sales_tax, total: invoice.total.unwrap_or(subtotal + sales_tax - invoice.applied()) }
}

/// Puts a manual difference of tax on the first row.
fn force(state: &State, taxes: &mut Vec<TaxRow>, code: Option<i64>, difference: Decimal) {
    if let Some(row) = taxes.first_mut() {
        row.tax += difference;
        return;
    }
    let code = code.unwrap_or(0);
    let (xref, rate) = state.tax_levels(code).first().cloned().unwrap_or_default();
    taxes.push(TaxRow { code, level: 1, xref, rate, taxable: Decimal::ZERO, tax: difference });
}
