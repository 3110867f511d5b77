//! Lays what was sent over a document, old or new. What cannot be read ends the request; what is
//! wrong is collected, because Xero lists all of it together.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::arithmetic::{self, Sent};
use super::check;
use super::records::{Document, Kind, Line, LineAmounts, Status, Tracking};
use super::state::Books;
use super::wire::{Reply, date, decimal, guid, text, unconvertible};

/// An empty document that is yet to be filled.
pub(super) fn blank(books: &Books, kind: Kind, now: Timestamp) -> Document {
    Document {
        id: Uuid::new_v4(),
        kind,
        number: String::new(),
        contact_id: Uuid::nil(),
        contact_name: String::new(),
        status: Status::Draft,
        date: Books::today(now),
        due_date: None,
        reference: String::new(),
        currency: books.base_currency.clone(),
        currency_rate: Decimal::ONE,
        sub_total: Decimal::ZERO,
        total_tax: Decimal::ZERO,
        total: Decimal::ZERO,
        amount_paid: Decimal::ZERO,
        amount_credited: Decimal::ZERO,
        line_amounts: LineAmounts::Exclusive,
        lines: Vec::new(),
        sent_to_contact: false,
        branding_theme: kind.is_sale().then_some(books.branding_theme),
        url: None,
        updated: now,
        allocations: Vec::new(),
    }
}

/// How to lay one element over a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) books: &'a Books,
    /// `InvoiceNumber` or `CreditNoteNumber`.
    pub(super) number_field: &'static str,
    pub(super) unit_places: u32,
    pub(super) now: Timestamp,
}

/// Lays the element's fields over `document`, whose status it leaves alone.
pub(super) fn overlay(
    rules: Rules<'_>,
    mut document: Document,
    element: &Value,
    problems: &mut Vec<String>,
) -> Result<Document, Reply> {
    document.updated = rules.now;
    if let Some(number) = text(element, rules.number_field) {
        document.number = number;
    }
    if let Some(day) = date(element, "Date")? {
        document.date = day;
    }
    if let Some(day) = date(element, "DueDate")? {
        document.due_date = Some(day);
    }
    if let Some(reference) = element.get("Reference").and_then(Value::as_str).filter(|_| document.kind.is_sale()) {
        reference.clone_into(&mut document.reference);
    }
    if let Some(currency) = text(element, "CurrencyCode") {
        document.currency = currency;
    }
    if let Some(rate) = decimal(element, "CurrencyRate")? {
        document.currency_rate = rate;
    }
    document.branding_theme = guid(element, "BrandingThemeID").or(document.branding_theme);
    document.url = text(element, "Url").or(document.url);
    let way = document.line_amounts;
    if let Some(name) = element.get("LineAmountTypes").filter(|name| !name.is_null()) {
        let parsed = name.as_str().and_then(LineAmounts::parse);
        let path = "LineAmountTypes";
        document.line_amounts =
            parsed.ok_or_else(|| unconvertible(name, "Xero.Accounting.Api.Common.Contracts.LineAmountType", path))?;
    }
    match element.get("LineItems") {
        Some(Value::Array(sent)) => document.lines = lines(rules, &document, sent, problems)?,
        Some(other) if !other.is_null() => return Err(unconvertible(other, "List", "LineItems")),
        _ if way != document.line_amounts => retax(rules.books, &mut document),
        _ => {}
    }
    total(&mut document);
    Ok(document)
}

/// Sets the sums from the lines.
fn total(document: &mut Document) {
    let lines: Decimal = document.lines.iter().map(|line| line.line_amount).sum();
    document.total_tax = document.lines.iter().map(|line| line.tax_amount).sum();
    let (sub_total, total) = match document.line_amounts {
        LineAmounts::Inclusive => (lines - document.total_tax, lines),
        LineAmounts::Exclusive | LineAmounts::NoTax => (lines, lines + document.total_tax),
    };
    document.sub_total = sub_total;
    document.total = total;
}

fn retax(books: &Books, document: &mut Document) {
    for line in &mut document.lines {
        let percent = percent(books, line.tax_type.as_deref());
        line.tax_amount = arithmetic::tax(line.line_amount, percent, document.line_amounts, books.half_cent);
    }
}

fn percent(books: &Books, tax_type: Option<&str>) -> Decimal {
    let rate = books.tax_rates.iter().find(|rate| Some(rate.tax_type.as_str()) == tax_type);
    rate.map_or(Decimal::ZERO, |rate| rate.rate)
}

/// The new lines: those with a known id are updates, those left out are gone.
fn lines(
    rules: Rules<'_>,
    document: &Document,
    sent: &[Value],
    problems: &mut Vec<String>,
) -> Result<Vec<Line>, Reply> {
    let mut lines = Vec::new();
    for element in sent {
        let id = guid(element, "LineItemID");
        let held = document.lines.iter().find(|line| Some(line.id) == id);
        lines.push(line(rules, document, (element, held), problems)?);
    }
    Ok(lines)
}

fn line(
    rules: Rules<'_>,
    document: &Document,
    (element, held): (&Value, Option<&Line>),
    problems: &mut Vec<String>,
) -> Result<Line, Reply> {
    let books = rules.books;
    let discounts = document.kind == Kind::Accrec;
    let sent = Sent {
        quantity: decimal(element, "Quantity")?.or(held.map(|line| line.quantity)),
        unit_amount: decimal(element, "UnitAmount")?.or(held.map(|line| line.unit_amount)),
        line_amount: decimal(element, "LineAmount")?,
        discount_rate: decimal(element, "DiscountRate")?
            .filter(|_| discounts)
            .or(held.and_then(|line| line.discount_rate)),
        discount_amount: decimal(element, "DiscountAmount")?
            .filter(|_| discounts)
            .or(held.and_then(|line| line.discount_amount)),
    };
    let priced = if sent.is_empty() {
        arithmetic::Priced::default()
    } else {
        arithmetic::price(sent, books.half_cent, rules.unit_places, problems)
    };
    let item_code = text(element, "ItemCode").or(held.and_then(|line| line.item_code.clone()));
    let item = books.items.iter().find(|item| Some(&item.code) == item_code.as_ref());
    let by_id = guid(element, "AccountID").and_then(|id| books.accounts.iter().find(|account| account.id == id));
    let account_code = text(element, "AccountCode")
        .or(by_id.map(|account| account.code.clone()))
        .or(held.and_then(|line| line.account_code.clone()))
        .or(item.and_then(|item| {
            if document.kind.is_sale() { item.sales_account.clone() } else { item.purchases_account.clone() }
        }));
    let account = books.accounts.iter().find(|account| Some(&account.code) == account_code.as_ref());
    let tax_type = match (document.line_amounts, text(element, "TaxType")) {
        (LineAmounts::NoTax, _) => account.map(|_| "NONE".to_owned()),
        (_, Some(tax_type)) => Some(tax_type),
        (_, None) => held
            .and_then(|line| line.tax_type.clone())
            .filter(|kept| kept != "NONE")
            .or_else(|| account.map(|account| account.tax_type.clone())),
    };
    let computed = arithmetic::tax(
        priced.line_amount,
        percent(books, tax_type.as_deref()),
        document.line_amounts,
        books.half_cent,
    );
    let tax_amount = match decimal(element, "TaxAmount")? {
        Some(given) if document.line_amounts != LineAmounts::NoTax => books.half_cent.round(given, 2),
        _ => computed,
    };
    let line = Line {
        id: held.map_or_else(Uuid::new_v4, |line| line.id),
        description: text(element, "Description")
            .or(held.map(|line| line.description.clone()))
            .or(item.map(|item| item.name.clone()))
            .unwrap_or_default(),
        quantity: priced.quantity,
        unit_amount: priced.unit_amount,
        discount_rate: sent.discount_rate,
        discount_amount: sent.discount_amount,
        account_code,
        item_code,
        tax_type,
        tax_amount,
        line_amount: priced.line_amount,
        tracking: match element.get("Tracking") {
            Some(Value::Array(sent)) => tracking(books, sent, problems),
            _ => held.map(|line| line.tracking.clone()).unwrap_or_default(),
        },
    };
    check::line(books, document, &line, problems);
    Ok(line)
}

/// The tracking of a line, found by id or name.
pub(super) fn tracking(books: &Books, sent: &[Value], problems: &mut Vec<String>) -> Vec<Tracking> {
    let mut found = Vec::new();
    for element in sent {
        let (id, name) = (guid(element, "TrackingCategoryID"), text(element, "Name"));
        let (option_id, option) = (guid(element, "TrackingOptionID"), text(element, "Option"));
        let category = books.tracking.iter().find(|category| Some(category.id) == id);
        let category =
            category.or_else(|| books.tracking.iter().find(|category| Some(&category.name) == name.as_ref()));
        let Some(category) = category else {
            let shown = name.or(id.map(|id| id.to_string())).unwrap_or_default();
            problems.push(format!("The tracking category '{shown}' could not be found."));
            continue;
        };
        let wanted = |(id, name): &&(Uuid, String)| Some(*id) == option_id || Some(name) == option.as_ref();
        match category.options.iter().find(wanted) {
            Some((option_id, option)) => found.push(Tracking {
                category: category.name.clone(),
                option: option.clone(),
                category_id: category.id,
                option_id: *option_id,
            }),
            None => problems.push(format!(
                "The tracking option '{}' could not be found in tracking category '{}'.",
                option.unwrap_or_default(),
                category.name
            )),
        }
    }
    if sent.len() > 2 {
        problems.push("A line item can have a maximum of 2 tracking categories.".to_owned());
    }
    found
}
