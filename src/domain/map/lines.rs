//! What lines of every kind of record share: price, account, item, tracking.

use rust_decimal::Decimal;

use super::segments::{self, Segments};
use crate::domain::draft::RoundingPlace;
use crate::domain::facts::{Account, Caption, Detail, Facts, Organisation, SegmentType, TaxRate, TrackingCategory};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::{Money, round};
use crate::domain::rules::{LongItemCodes, Rules, TrackingBlank, TrackingMissing};
use crate::domain::text::shorten;
use crate::domain::warning::{Warning, WarningCode};

/// Xero's longest item code.
const ITEM_CHARS_MAX: usize = 30;
/// Decimals that Xero shows of a quantity; it does not say what it does with more.
const QUANTITY_PLACES: u32 = 4;
/// Xero's longest line description.
const DESCRIPTION_CHARS_MAX: usize = 4000;

/// What every line of one document shares.
pub(super) struct Scope<'facts> {
    pub(super) facts: &'facts Facts,
    pub(super) rules: &'facts Rules,
}

/// A hold for a field that posting needs and nobody can read.
#[must_use]
pub fn unreadable(field: &str) -> HoldReason {
    HoldReason::new(HoldCode::UnreadableField, format!("The field '{field}' is missing or unreadable in ConnectWise."))
}

/// The rows that become lines, numbered from 1 as people count them.
pub(super) fn numbered(details: &[Detail], is_no_line: fn(&Detail) -> bool) -> Vec<(usize, &Detail)> {
    (1..).zip(details.iter().filter(|row| !is_no_line(row))).collect()
}

/// Some rows by their numbers and descriptions.
pub(super) fn named(rows: &[&(usize, &Detail)]) -> String {
    let name = |(row, detail): &&(usize, &Detail)| format!("{row} ('{}')", shorten(&detail.description, 40));
    rows.iter().take(5).map(name).collect::<Vec<_>>().join(", ")
}

/// Every row needs an account: all misses at once.
pub(super) fn have_accounts(
    rows: &[(usize, &Detail)],
    segments: impl Fn(&Detail) -> Segments,
) -> Result<(), HoldReason> {
    let without_account: Vec<_> = rows.iter().filter(|(_, row)| segments(row).account.is_empty()).collect();
    if without_account.is_empty() {
        return Ok(());
    }
    let sentence = format!("GL mapping is empty: no account on line {}.", named(&without_account));
    Err(HoldReason::new(HoldCode::NoGlAccount, sentence))
}

/// The currency of a `record`, which its preview must share and the organisation must have.
pub(super) fn currency<'facts>(
    record: &str,
    code: Option<&String>,
    mut preview: impl Iterator<Item = &'facts Option<String>>,
    organisation: &Organisation,
) -> Result<String, HoldReason> {
    let code = code.unwrap_or(&organisation.base_currency).trim().to_ascii_uppercase();
    let other = |other: &Option<String>| other.as_ref().is_some_and(|other| !other.trim().eq_ignore_ascii_case(&code));
    if preview.any(other) {
        let sentence = format!("The {record} is in {code}, but its accounting preview has lines in another currency.");
        return Err(HoldReason::new(HoldCode::UnreadableField, sentence));
    }
    enabled(&code, organisation).map(|()| code)
}

/// Whether the organisation has a currency.
pub(super) fn enabled(code: &str, organisation: &Organisation) -> Result<(), HoldReason> {
    if organisation.currencies.iter().chain([&organisation.base_currency]).any(|enabled| *enabled == code) {
        return Ok(());
    }
    let sentence = format!("The Xero organisation does not have the currency {code}.");
    Err(HoldReason::new(HoldCode::CurrencyNotEnabled, sentence).caused_by(format!("currency {code}")))
}

/// Quantity and price of one: ConnectWise's own price where it is what was charged, else derived.
///
/// A quantity or a derived price that four decimals cannot express is replaced by one piece at the amount.
pub(super) fn price(detail: &Detail, amount: Money, rules: &Rules, description: &mut String) -> (Decimal, Decimal) {
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

/// How a sentence about a line begins; row 0 is of no line, but of the set-up.
pub(super) fn at(row: usize) -> String {
    if row == 0 { String::new() } else { format!("Line {row}: ") }
}

/// The account must exist, be active, and be one that documents may name.
pub(super) fn usable(code: &str, row: usize, organisation: &Organisation) -> Result<(), HoldReason> {
    let Some(account) = organisation.accounts.iter().find(|account| account.code == code) else {
        let sentence = format!("{}there is no account with the code '{}' in Xero.", at(row), shorten(code, 40));
        let cause = format!("account '{}'", shorten(code, 40));
        return Err(HoldReason::new(HoldCode::UnknownAccount, sentence).caused_by(cause));
    };
    let named = |what: &str| {
        let sentence = format!("{}the account {code} {} {what}", at(row), account.name);
        HoldReason::new(HoldCode::UnusableAccount, sentence).caused_by(format!("account {code} {}", account.name))
    };
    if !account.active {
        return Err(named("is archived in Xero."));
    }
    if account.kind == "BANK" || account.system.as_deref().is_some_and(|role| matches!(role, "DEBTORS" | "CREDITORS")) {
        return Err(named("is a bank or system account and takes no lines."));
    }
    Ok(())
}

/// The same for journals, which cannot touch the account of the inventory that Xero counts itself.
pub(super) fn usable_in_journals(code: &str, row: usize, organisation: &Organisation) -> Result<(), HoldReason> {
    usable(code, row, organisation)?;
    let tracked = |account: &&Account| account.code == code && account.kind == "INVENTORY";
    match organisation.accounts.iter().find(tracked) {
        None => Ok(()),
        Some(account) => {
            let sentence = format!(
                "Line {row}: the account {code} {} is of tracked inventory, which only Xero's own items move.",
                account.name
            );
            let cause = format!("account {code} {}", account.name);
            Err(HoldReason::new(HoldCode::UnusableAccount, sentence).caused_by(cause))
        }
    }
}

/// The currency of a journal of `what`: always the organisation's own.
pub(super) fn own_currency(what: &str, code: Option<&str>, organisation: &Organisation) -> Result<String, HoldReason> {
    let own = organisation.base_currency.trim().to_ascii_uppercase();
    match code.map(str::trim).filter(|code| !code.is_empty() && !code.eq_ignore_ascii_case(&own)) {
        None => Ok(own),
        Some(other) => {
            let sentence = format!(
                "{what} is in {}, but a manual journal is always in the organisation's own {own}.",
                other.to_ascii_uppercase()
            );
            let cause = format!("currency {}", other.to_ascii_uppercase());
            Err(HoldReason::new(HoldCode::JournalCurrency, sentence).caused_by(cause))
        }
    }
}

/// The item code, if Xero has the item.
pub(super) fn item(
    detail: &Detail,
    segments: &Segments,
    row: usize,
    scope: &Scope<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<String>, HoldReason> {
    let code = detail.item.clone().or_else(|| segments.non_product_id.clone()).unwrap_or_default();
    let sent = item_code(&code, row, scope.rules, warnings)?;
    Ok(scope.facts.organisation.items.iter().find(|known| known.eq_ignore_ascii_case(&sent)).cloned())
}

/// An item code as it is sent.
pub(super) fn item_code(
    code: &str,
    row: usize,
    rules: &Rules,
    warnings: &mut Vec<Warning>,
) -> Result<String, HoldReason> {
    if code.chars().count() <= ITEM_CHARS_MAX {
        return Ok(code.to_owned());
    }
    let sentence =
        format!("{}the product ID '{}' has more than {ITEM_CHARS_MAX} characters.", at(row), shorten(code, 80));
    let sent = match rules.long_item_codes {
        LongItemCodes::Hold => {
            return Err(HoldReason::new(HoldCode::ItemCodeTooLong, sentence)
                .caused_by(format!("product ID '{}'", shorten(code, 80))));
        }
        LongItemCodes::Truncate => code.chars().take(ITEM_CHARS_MAX).collect(),
        LongItemCodes::Omit => String::new(),
    };
    warnings.push(Warning::new(WarningCode::ItemCodeChanged, sentence));
    Ok(sent)
}

/// Tracking by category name, else by position, as today's products do it.
pub(super) fn tracking(
    segments: &Segments,
    row: usize,
    scope: &Scope<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(String, String)>, HoldReason> {
    let Scope { facts, rules } = scope;
    tracking_of(segments, row, (&facts.captions, &facts.organisation, rules), warnings)
}

/// The same of segments that no record has yet.
pub(super) fn tracking_of(
    segments: &Segments,
    row: usize,
    (captions, organisation, rules): (&[Caption], &Organisation, &Rules),
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(String, String)>, HoldReason> {
    let wanted = |caption: &str| {
        rules.tracking.is_empty() || rules.tracking.iter().any(|name| name.eq_ignore_ascii_case(caption))
    };
    let captions: Vec<&str> = tracking_captions(captions).filter(|caption| wanted(caption)).collect();
    let mut found = Vec::new();
    for (caption, value) in segments.tracking.iter().filter(|(caption, _)| wanted(caption)) {
        let position = captions.iter().position(|name| name == caption).unwrap_or(usize::MAX);
        let categories = &organisation.tracking;
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
        let sentence = format!("{}Xero has no tracking option '{}' for '{caption}'.", at(row), shorten(value, 60));
        match rules.tracking_missing {
            TrackingMissing::Hold => {
                let cause = format!("tracking option '{}' of '{caption}'", shorten(value, 60));
                return Err(HoldReason::new(HoldCode::UnknownTracking, sentence).caused_by(cause));
            }
            TrackingMissing::Warn => warnings.push(Warning::new(WarningCode::TrackingMissing, sentence)),
        }
    }
    let blank = |caption: &&&str| segments.tracking.iter().all(|(found, _)| found != *caption);
    for caption in captions.iter().filter(blank).filter(|_| rules.tracking_blank == TrackingBlank::Warn) {
        let sentence = format!("{}the GL mapping has nothing for '{caption}'.", at(row));
        warnings.push(Warning::new(WarningCode::TrackingBlank, sentence));
    }
    found.truncate(2);
    Ok(found)
}

/// Captions of the segments that are neither the account nor the item.
fn tracking_captions(captions: &[Caption]) -> impl Iterator<Item = &str> {
    let account = captions.iter().position(|caption| caption.kind == SegmentType::Account);
    let other =
        move |(index, caption): &(usize, &Caption)| Some(*index) != account && !segments::is_non_product_id(caption);
    captions.iter().enumerate().filter(other).map(|(_, caption)| caption.name.as_str())
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
