//! Invoices and credit memos.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::segments::Segments;
use super::{reference, segments, tax};
use crate::domain::draft::{DocumentKind, Draft, Line, RoundingPlace};
use crate::domain::facts::{
    Account, Caption, Detail, Facts, Invoice, InvoiceType, Organisation, SegmentType, TaxRate, TrackingCategory,
    Transaction,
};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::{Money, round};
use crate::domain::rules::{LongItemCodes, NonProductId, Rules, TrackingBlank, TrackingMissing};
use crate::domain::terms::Terms;
use crate::domain::text::shorten;
use crate::domain::warning::{Flagged, Warning, WarningCode};

/// Xero's longest item code.
const ITEM_CHARS_MAX: usize = 30;
/// Decimals that Xero shows of a quantity; it does not say what it does with more.
const QUANTITY_PLACES: u32 = 4;
/// Xero's longest line description.
const DESCRIPTION_CHARS_MAX: usize = 4000;

/// Makes the draft of an invoice or credit memo.
pub fn map(facts: &Facts, rules: &Rules) -> Result<Flagged<Draft>, HoldReason> {
    let invoice = &facts.invoice;
    if let InvoiceType::Unknown(kind) = &invoice.kind {
        return Err(HoldReason::new(
            HoldCode::UnknownType,
            format!("The invoice is of type '{kind}', which readypost does not know."),
        ));
    }
    let transaction = facts.transaction.as_ref().ok_or_else(|| {
        let sentence = format!("Invoice {} is closed, but ConnectWise does not list it as unposted.", invoice.number);
        HoldReason::new(HoldCode::NotUnposted, sentence)
    })?;
    same_totals(invoice, transaction)?;
    let date = invoice.date.ok_or_else(|| unreadable("invoice date"))?;
    if invoice.number.trim().is_empty() {
        return Err(unreadable("invoice number"));
    }
    if is_migrated(invoice, rules) && invoice.reference.trim().is_empty() {
        return Err(unreadable("reference (the number of an invoice from before the rule `conversion_date`)"));
    }
    let mut warnings = Vec::new();
    let lines = lines(facts, transaction, rules, &mut warnings)?;
    let kind = kind(invoice);
    let due_date = match kind {
        DocumentKind::Invoice => Some(due_date(invoice, transaction, date, rules, &mut warnings)?),
        DocumentKind::CreditNote => None,
    };
    let draft = Draft {
        kind,
        number: number(invoice, rules).to_owned(),
        date,
        due_date,
        reference: reference::reference(&rules.reference, invoice),
        currency: currency(invoice, transaction, &facts.organisation)?,
        status: rules.document_status,
        sent: rules.sent_to_contact,
        branding_theme: rules.branding_theme,
        lines,
        tax: if invoice.total.is_negative() { -invoice.sales_tax } else { invoice.sales_tax }.to_cents(),
        total: invoice.total.abs().to_cents(),
        rounding: rounding_place(&facts.organisation, rules),
    };
    Ok(Flagged { value: draft, warnings })
}

/// The number of the document in Xero: ConnectWise's, or for a migrated invoice the one that it had before.
#[must_use]
pub fn number<'invoice>(invoice: &'invoice Invoice, rules: &Rules) -> &'invoice str {
    match invoice.reference.trim() {
        before if !before.is_empty() && is_migrated(invoice, rules) => before,
        _ => invoice.number.trim(),
    }
}

fn is_migrated(invoice: &Invoice, rules: &Rules) -> bool {
    rules.conversion_date.is_some_and(|conversion| invoice.date.is_some_and(|date| date < conversion))
}

fn unreadable(field: &str) -> HoldReason {
    HoldReason::new(HoldCode::UnreadableField, format!("The field '{field}' is missing or unreadable in ConnectWise."))
}

/// The invoice and its preview must be about the same amount; the preview's sign is not documented.
fn same_totals(invoice: &Invoice, transaction: &Transaction) -> Result<(), HoldReason> {
    if invoice.total.abs().to_cents() == transaction.total.abs().to_cents() {
        return Ok(());
    }
    let sentence = format!(
        "ConnectWise disagrees with itself: the invoice says {}, its accounting preview {}.",
        invoice.total, transaction.total
    );
    Err(HoldReason::new(HoldCode::OutOfBalance, sentence))
}

/// Credit memos and negative totals are credit notes: Xero refuses approved invoices below zero.
#[must_use]
pub fn kind(invoice: &Invoice) -> DocumentKind {
    if invoice.kind == InvoiceType::CreditMemo || invoice.total.is_negative() {
        DocumentKind::CreditNote
    } else {
        DocumentKind::Invoice
    }
}

fn currency(invoice: &Invoice, transaction: &Transaction, organisation: &Organisation) -> Result<String, HoldReason> {
    let named = invoice.currency.as_ref().or(transaction.currency.as_ref());
    let code = named.unwrap_or(&organisation.base_currency).trim().to_ascii_uppercase();
    let other = |other: &Option<String>| other.as_ref().is_some_and(|other| !other.trim().eq_ignore_ascii_case(&code));
    if other(&transaction.currency) || transaction.details.iter().any(|detail| other(&detail.currency)) {
        let sentence = format!("The invoice is in {code}, but its accounting preview has lines in another currency.");
        return Err(HoldReason::new(HoldCode::UnreadableField, sentence));
    }
    if organisation.currencies.iter().chain([&organisation.base_currency]).any(|enabled| *enabled == code) {
        return Ok(code);
    }
    Err(HoldReason::new(
        HoldCode::CurrencyNotEnabled,
        format!("The Xero organisation does not have the currency {code}."),
    ))
}

fn due_date(
    invoice: &Invoice,
    transaction: &Transaction,
    date: Date,
    rules: &Rules,
    warnings: &mut Vec<Warning>,
) -> Result<Date, HoldReason> {
    let theirs = || invoice.due_date.ok_or_else(|| unreadable("due date"));
    let (name, xref) = (&transaction.terms_name, transaction.terms_xref.trim());
    if xref.is_empty() {
        return theirs();
    }
    let Some(due) = Terms::parse(xref).and_then(|terms| terms.due(date, rules.terms_overflow)) else {
        let theirs = theirs()?;
        let sentence =
            format!("The XRef '{xref}' of the terms '{name}' is unreadable; due {theirs} as in ConnectWise.");
        warnings.push(Warning::new(WarningCode::TermsUnreadable, sentence));
        return Ok(theirs);
    };
    if due.overflowed {
        let sentence =
            format!("The terms '{name}' ({xref}) name a day that the month does not have; due {}.", due.date);
        warnings.push(Warning::new(WarningCode::TermsOverflow, sentence));
    }
    if let Some(theirs) = invoice.due_date.filter(|theirs| *theirs != due.date) {
        let sentence =
            format!("The terms '{name}' ({xref}) give {}; ConnectWise says {theirs}. Xero has {}.", due.date, due.date);
        warnings.push(Warning::new(WarningCode::TermsMismatch, sentence));
    }
    Ok(due.date)
}

/// The lines, seen from the document: positive is what the document is about, charge or credit.
fn lines(
    facts: &Facts,
    transaction: &Transaction,
    rules: &Rules,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Line>, HoldReason> {
    let rows: Vec<(usize, &Detail)> = transaction
        .details
        .iter()
        .filter(|detail| !detail.is_tax())
        .enumerate()
        .map(|(index, row)| (index + 1, row))
        .collect();
    if rows.is_empty() {
        return Err(HoldReason::new(HoldCode::UnreadableField, "The accounting preview has no lines."));
    }
    mapped(facts, &rows, rules)?;
    let sum: Money = rows.iter().map(|(_, row)| row.total).sum();
    let flip = match kind(&facts.invoice) {
        DocumentKind::Invoice => true,
        // Rows of a credit memo are said to be positive; a sum below zero says otherwise.
        DocumentKind::CreditNote => sum.is_negative(),
    };
    rows.iter().map(|(row, detail)| line(detail, *row, flip, &Scope { facts, transaction, rules }, warnings)).collect()
}

/// Every row needs an account, and every row without a product a Non-Product ID: all misses at once.
fn mapped(facts: &Facts, rows: &[(usize, &Detail)], rules: &Rules) -> Result<(), HoldReason> {
    let names = |missing: Vec<&(usize, &Detail)>| {
        let names: Vec<String> = missing
            .iter()
            .take(5)
            .map(|(row, detail)| format!("{row} ('{}')", shorten(&detail.description, 40)))
            .collect();
        names.join(", ")
    };
    let without_account: Vec<_> = rows.iter().filter(|(_, row)| segments::of(row, facts).account.is_empty()).collect();
    if !without_account.is_empty() {
        let sentence = format!("GL mapping is empty: no account on line {}.", names(without_account));
        return Err(HoldReason::new(HoldCode::NoGlAccount, sentence));
    }
    if rules.non_product_id == NonProductId::Optional {
        return Ok(());
    }
    let nameless = |(_, row): &&(usize, &Detail)| {
        row.item.is_none() && segments::of(row, facts).non_product_id.is_none_or(|item| item.is_empty())
    };
    let without_item: Vec<_> = rows.iter().filter(nameless).collect();
    if without_item.is_empty() {
        return Ok(());
    }
    let sentence = if facts.captions.iter().any(segments::is_non_product_id) {
        format!("GL mapping is empty: no Non-Product ID on line {}.", names(without_item))
    } else {
        "No GL segment is titled Non-Product ID, so lines without a product have no item.".to_owned()
    };
    Err(HoldReason::new(HoldCode::NoNonProductId, sentence))
}

/// What every line of one document shares.
struct Scope<'facts> {
    facts: &'facts Facts,
    transaction: &'facts Transaction,
    rules: &'facts Rules,
}

fn line(
    detail: &Detail,
    row: usize,
    flip: bool,
    scope: &Scope<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Line, HoldReason> {
    let Scope { facts, transaction, rules } = scope;
    let segments = segments::of(detail, facts);
    usable(&segments.account, row, &facts.organisation)?;
    let tax = tax::of(detail, row, facts, transaction, rules)?;
    let amount = if flip { -detail.total } else { detail.total };
    let mut description = reference::description(&rules.description, detail, &facts.invoice);
    let (quantity, unit_amount) = price(detail, amount, rules, &mut description);
    Ok(Line {
        description,
        quantity,
        unit_amount,
        amount,
        item: item(detail, &segments, row, scope, warnings)?,
        tracking: tracking(&segments, row, scope, warnings)?,
        account: segments.account,
        tax_type: tax.tax_type.clone(),
        tax_rate: tax.rate,
        tax_amount: None,
    })
}

/// Quantity and price of one: ConnectWise's own price where it is what was charged, else derived.
///
/// A quantity or a derived price that four decimals cannot express is replaced by one piece at the amount.
fn price(detail: &Detail, amount: Money, rules: &Rules, description: &mut String) -> (Decimal, Decimal) {
    let quantity =
        detail.quantity.map(|quantity| quantity.abs()).filter(|quantity| !quantity.is_zero()).unwrap_or(Decimal::ONE);
    let signed = |price: Decimal| if amount.is_negative() { -price } else { price };
    let misses = |price: Decimal| (amount.abs() - charged(quantity, price)).abs();
    let countable = quantity.normalize().scale() <= QUANTITY_PLACES;
    let own = detail.price.map(|price| price.decimal().abs());
    let own = own.filter(|price| misses(*price) <= rules.rounding_ceiling.max(Money::CENT)).map(signed);
    if let Some(price) = own.filter(|_| countable) {
        return (quantity, price);
    }
    let Some(derived) = amount.decimal().checked_div(quantity) else { return (Decimal::ONE, amount.decimal()) };
    if countable && charged(quantity, round(derived, 4)) == amount.to_cents() {
        return (quantity, round(derived, 4));
    }
    let price = own.unwrap_or_else(|| round(derived, 8));
    let suffix = format!(" ({} × {})", quantity.normalize(), price.normalize());
    *description =
        format!("{}{suffix}", shorten(description, DESCRIPTION_CHARS_MAX.saturating_sub(suffix.chars().count())));
    (Decimal::ONE, amount.decimal())
}

fn charged(quantity: Decimal, price: Decimal) -> Money {
    Money::new(quantity.saturating_mul(price)).unwrap_or_default().to_cents()
}

/// The account must exist, be active, and take sales.
fn usable(code: &str, row: usize, organisation: &Organisation) -> Result<(), HoldReason> {
    let Some(account) = organisation.accounts.iter().find(|account| account.code == code) else {
        let sentence = format!("Line {row}: there is no account with the code '{}' in Xero.", shorten(code, 40));
        return Err(HoldReason::new(HoldCode::UnknownAccount, sentence));
    };
    let named = |what: &str| {
        let sentence = format!("Line {row}: the account {code} {} {what}", account.name);
        HoldReason::new(HoldCode::UnusableAccount, sentence)
    };
    if !account.active {
        return Err(named("is archived in Xero."));
    }
    if account.kind == "BANK" || account.system.as_deref().is_some_and(|role| matches!(role, "DEBTORS" | "CREDITORS")) {
        return Err(named("is a bank or system account and takes no sales."));
    }
    Ok(())
}

/// The item code, if Xero has the item.
fn item(
    detail: &Detail,
    segments: &Segments,
    row: usize,
    scope: &Scope<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<String>, HoldReason> {
    let code = detail.item.clone().or_else(|| segments.non_product_id.clone()).unwrap_or_default();
    let mut sent = code.clone();
    if code.chars().count() > ITEM_CHARS_MAX {
        let sentence =
            format!("Line {row}: the product ID '{}' has more than {ITEM_CHARS_MAX} characters.", shorten(&code, 80));
        match scope.rules.long_item_codes {
            LongItemCodes::Hold => return Err(HoldReason::new(HoldCode::ItemCodeTooLong, sentence)),
            LongItemCodes::Truncate => sent = code.chars().take(ITEM_CHARS_MAX).collect(),
            LongItemCodes::Omit => sent.clear(),
        }
        warnings.push(Warning::new(WarningCode::ItemCodeChanged, sentence));
    }
    Ok(scope.facts.organisation.items.iter().find(|known| known.eq_ignore_ascii_case(&sent)).cloned())
}

/// Tracking by category name, else by position, as today's products do it.
fn tracking(
    segments: &Segments,
    row: usize,
    scope: &Scope<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(String, String)>, HoldReason> {
    let Scope { facts, rules, .. } = scope;
    let wanted = |caption: &str| {
        rules.tracking.is_empty() || rules.tracking.iter().any(|name| name.eq_ignore_ascii_case(caption))
    };
    let captions: Vec<&str> = tracking_captions(facts).filter(|caption| wanted(caption)).collect();
    let mut found = Vec::new();
    for (caption, value) in segments.tracking.iter().filter(|(caption, _)| wanted(caption)) {
        let position = captions.iter().position(|name| name == caption).unwrap_or(usize::MAX);
        let categories = &facts.organisation.tracking;
        let by_name = categories.iter().find(|category| category.name.eq_ignore_ascii_case(caption));
        // A category that another caption names is that caption's: a line has one option of each.
        let named = |category: &&TrackingCategory| captions.iter().any(|name| category.name.eq_ignore_ascii_case(name));
        let by_position = || categories.get(position).filter(|category| !named(category));
        let category: Option<&TrackingCategory> = by_name.or_else(by_position);
        let option =
            category.and_then(|category| category.options.iter().find(|option| option.eq_ignore_ascii_case(value)));
        if let (Some(category), Some(option)) = (category, option) {
            found.push((category.name.clone(), option.clone()));
            continue;
        }
        let sentence = format!("Line {row}: Xero has no tracking option '{}' for '{caption}'.", shorten(value, 60));
        match rules.tracking_missing {
            TrackingMissing::Hold => return Err(HoldReason::new(HoldCode::UnknownTracking, sentence)),
            TrackingMissing::Warn => warnings.push(Warning::new(WarningCode::TrackingMissing, sentence)),
        }
    }
    let blank = |caption: &&&str| segments.tracking.iter().all(|(found, _)| found != *caption);
    for caption in captions.iter().filter(blank).filter(|_| rules.tracking_blank == TrackingBlank::Warn) {
        let sentence = format!("Line {row}: the GL mapping has nothing for '{caption}'.");
        warnings.push(Warning::new(WarningCode::TrackingBlank, sentence));
    }
    found.truncate(2);
    Ok(found)
}

/// Captions of the segments that are neither the account nor the item.
fn tracking_captions(facts: &Facts) -> impl Iterator<Item = &str> {
    let account = facts.captions.iter().position(|caption| caption.kind == SegmentType::Account);
    let other =
        move |(index, caption): &(usize, &Caption)| Some(*index) != account && !segments::is_non_product_id(caption);
    facts.captions.iter().enumerate().filter(other).map(|(_, caption)| caption.name.as_str())
}

/// Where rounding and adjustment lines go: by rule, else Xero's rounding account and the country's "no tax".
#[must_use]
pub fn rounding_place(organisation: &Organisation, rules: &Rules) -> RoundingPlace {
    let by_code = |account: &&Account| account.code == rules.rounding_account;
    let by_role = |account: &&Account| account.system.as_deref() == Some("ROUNDING");
    let accounts = || organisation.accounts.iter().filter(|account| account.active);
    let account = if rules.rounding_account.is_empty() { accounts().find(by_role) } else { accounts().find(by_code) };
    let no_tax = if organisation.country == "AU" { "BASEXCLUDED" } else { "NONE" };
    let matches = |rate: &&TaxRate| {
        let named = if rules.rounding_tax.is_empty() {
            rate.tax_type == no_tax
        } else {
            rate.name.eq_ignore_ascii_case(&rules.rounding_tax)
        };
        named && rate.active && rate.rate.is_zero()
    };
    RoundingPlace {
        account: account.map(|account| account.code.clone()),
        tax_type: organisation.tax_rates.iter().find(matches).map(|rate| rate.tax_type.clone()),
    }
}
