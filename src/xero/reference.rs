//! The organisation's settings: chart, tax rates, items, tracking, currencies, lock dates.
//!
//! They change seldom and cost six calls, so they are kept; whoever is about to hold a record because of
//! them reads them anew first.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::budget::Purpose;
use super::client::{Call, Xero};
use super::error::XeroError;
use super::wire;
use crate::domain::facts::{Account, Organisation, TaxRate, TrackingCategory};

/// How long the settings are believed, lock dates included.
const LIFE: SignedDuration = SignedDuration::from_mins(30);
/// How Xero marks what is in use.
const ACTIVE: &str = "ACTIVE";

/// The settings as read last.
#[derive(Debug, Default)]
pub(super) struct Reference(Mutex<Option<Kept>>);

#[derive(Clone, Debug)]
struct Kept {
    organisation: Arc<Organisation>,
    read_at: Timestamp,
}

impl Xero {
    /// The organisation's settings, at most 30 minutes old.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn organisation(&self) -> Result<Arc<Organisation>, XeroError> {
        let mut kept = self.reference.0.lock().await;
        if let Some(held) = kept.as_ref().filter(|held| is_fresh(held, self.clock.now(), LIFE)) {
            return Ok(Arc::clone(&held.organisation));
        }
        self.read_organisation(&mut kept).await
    }

    /// Reads the settings anew if they are `older_than` that; says whether it did.
    ///
    /// # Errors
    /// Those of reading; the settings known before stay.
    pub async fn refresh_organisation(&self, older_than: SignedDuration) -> Result<bool, XeroError> {
        let mut kept = self.reference.0.lock().await;
        if kept.as_ref().is_some_and(|held| is_fresh(held, self.clock.now(), older_than)) {
            return Ok(false);
        }
        self.read_organisation(&mut kept).await?;
        Ok(true)
    }

    async fn read_organisation(&self, kept: &mut Option<Kept>) -> Result<Arc<Organisation>, XeroError> {
        // As old as the oldest of its parts.
        let read_at = self.clock.now();
        // One call goes first: after a day without calls only one may ask whether there is a new day, and side
        // by side with others, which are refused meanwhile, it would be given up before its answer is heard.
        let organisations = self.collection::<wire::Organisations>("Organisation").await?;
        let (accounts, rates, items, tracking, currencies) = tokio::try_join!(
            self.collection::<wire::Accounts>("Accounts"),
            self.collection::<wire::TaxRates>("TaxRates"),
            self.collection::<wire::Items>("Items"),
            self.collection::<wire::TrackingCategories>("TrackingCategories"),
            self.collection::<wire::Currencies>("Currencies"),
        )?;
        let missing = || XeroError::Malformed { cause: "Xero named no organisation".to_owned() };
        let row = organisations.organisations.into_iter().next().ok_or_else(missing)?;
        let organisation = Arc::new(Organisation {
            period_lock: lock_date(row.period_lock_date.as_deref())?,
            year_lock: lock_date(row.end_of_year_lock_date.as_deref())?,
            name: row.name,
            base_currency: row.base_currency,
            country: row.country_code,
            currencies: currencies.currencies.into_iter().map(|currency| currency.code).collect(),
            accounts: accounts.accounts.into_iter().filter(|row| !row.code.is_empty()).map(account).collect(),
            tax_rates: rates.tax_rates.into_iter().map(tax_rate).collect(),
            items: items.items.into_iter().map(|item| item.code).collect(),
            tracking: tracking
                .tracking_categories
                .into_iter()
                .filter(|row| row.status == ACTIVE)
                .map(category)
                .collect(),
        });
        *kept = Some(Kept { organisation: Arc::clone(&organisation), read_at });
        Ok(organisation)
    }

    async fn collection<T: DeserializeOwned>(&self, path: &str) -> Result<T, XeroError> {
        let answer = self.read(Purpose::Post, Call { path, ..Call::default() }).await?;
        let malformed = || XeroError::Malformed { cause: format!("{path}: {}: {}", answer.status, answer.excerpt()) };
        Some(&answer)
            .filter(|answer| answer.status.is_success())
            .and_then(|it| wire::parse(&it.body))
            .ok_or_else(malformed)
    }
}

/// A clock that was set back makes nothing fresh.
fn is_fresh(kept: &Kept, now: Timestamp, life: SignedDuration) -> bool {
    let age = now.duration_since(kept.read_at);
    !age.is_negative() && age < life
}

/// An unreadable lock date must not pass for none.
fn lock_date(text: Option<&str>) -> Result<Option<jiff::civil::Date>, XeroError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let unreadable = || XeroError::Malformed { cause: format!("unreadable lock date '{text}'") };
    wire::day(text).map(Some).ok_or_else(unreadable)
}

fn account(row: wire::AccountRow) -> Account {
    let system = row.system_account.filter(|system| !system.is_empty());
    Account { code: row.code, name: row.name, kind: row.kind, active: row.status == ACTIVE, system }
}

fn tax_rate(row: wire::TaxRateRow) -> TaxRate {
    TaxRate {
        name: row.name,
        tax_type: row.tax_type,
        rate: row.effective_rate.map_or(Decimal::ZERO, Decimal::from),
        active: row.status == ACTIVE,
        for_sales: row.can_apply_to_revenue.unwrap_or(true),
        for_purchases: row.can_apply_to_expenses.unwrap_or(true),
    }
}

fn category(row: wire::TrackingRow) -> TrackingCategory {
    let options = row.options.into_iter().filter(|option| option.status == ACTIVE).map(|option| option.name).collect();
    TrackingCategory { name: row.name, options }
}
