//! Reference data: chart, tax rates, items, tracking, currencies, the organisation. Read only.

use jiff::civil::DateTime;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::filter::Operand;
use super::query;
use super::render::compact;
use super::state::{Account, Books, Item, TaxRate, TrackingCategory};
use super::wire::{Answer, Call, Reply, day, envelope, instant, number, parse_day};

/// GET of a whole collection.
pub(super) fn read(books: &Books, call: &Call, collection: &str) -> Answer {
    let (collection, rows) = rows(books, call, collection)?;
    let rows = query::select(call, rows, &field)?;
    Ok(envelope(call.now, collection, rows, None))
}

/// GET of one record by its id, code or name.
pub(super) fn read_one(books: &Books, call: &Call, collection: &str, wanted: &str) -> Answer {
    if (collection, wanted) == ("Organisation", "Actions") {
        let actions = [
            ("CreateApprovedInvoice", true),
            ("CreateApprovedBill", true),
            ("UseMulticurrency", books.currencies.len() > 1),
        ];
        let row = |(name, allowed)| json!({"Name": name, "Status": if allowed { "ALLOWED" } else { "NOT-ALLOWED" }});
        return Ok(envelope(call.now, "Actions", actions.map(row).into(), None));
    }
    let (collection, mut rows) = rows(books, call, collection)?;
    let keys = ["AccountID", "ItemID", "TrackingCategoryID", "Code", "TaxType"];
    let is_wanted = |row: &Value| {
        keys.iter()
            .any(|key| row.get(key).and_then(Value::as_str).is_some_and(|held| held.eq_ignore_ascii_case(wanted)))
    };
    rows.retain(is_wanted);
    if rows.is_empty() { Err(Reply::not_found()) } else { Ok(envelope(call.now, collection, rows, None)) }
}

fn rows(books: &Books, call: &Call, collection: &str) -> Result<(&'static str, Vec<Value>), Reply> {
    let now = instant(call.now);
    Ok(match collection {
        "Accounts" => ("Accounts", books.accounts.iter().map(|held| account(books, held, &now)).collect()),
        "TaxRates" => ("TaxRates", books.tax_rates.iter().map(tax_rate).collect()),
        "Items" => ("Items", books.items.iter().map(|held| item(books, held, &now)).collect()),
        "TrackingCategories" => ("TrackingCategories", books.tracking.iter().map(tracking).collect()),
        "Currencies" => {
            let row = |code: &String| json!({"Code": code, "Description": format!("{code} currency")});
            ("Currencies", books.currencies.iter().map(row).collect())
        }
        "Organisation" | "Organisations" => ("Organisations", vec![organisation(books, call)]),
        "BrandingThemes" => {
            let theme = json!({"BrandingThemeID": books.branding_theme, "Name": "Standard", "SortOrder": 0,
                "CreatedDateUTC": now});
            ("BrandingThemes", vec![theme])
        }
        _ => return Err(Reply::not_found()),
    })
}

fn account(books: &Books, account: &Account, now: &Value) -> Value {
    let bank = (account.kind == "BANK").then_some("BANK");
    let ordinary = account.system.is_empty();
    compact(json!({
        "AccountID": account.id,
        "Code": account.code,
        "Name": account.name,
        "Status": if account.active { "ACTIVE" } else { "ARCHIVED" },
        "Type": account.kind,
        "TaxType": account.tax_type,
        "Class": account.class(),
        "SystemAccount": (!ordinary).then_some(&account.system),
        "EnablePaymentsToAccount": account.enables_payments,
        "ShowInExpenseClaims": false,
        "BankAccountType": bank,
        "BankAccountNumber": bank.map(|_| "0000000000000"),
        "CurrencyCode": bank.map(|_| &books.base_currency),
        "HasAttachments": false,
        "UpdatedDateUTC": now,
        "AddToWatchlist": false,
    }))
}

fn tax_rate(rate: &TaxRate) -> Value {
    let component = json!({"Name": "GST", "Rate": number(rate.rate), "IsCompound": false, "IsNonRecoverable": false});
    let fits = |class: &str| !rate.barred.contains(&class);
    let reported = if rate.tax_type.starts_with("TAX") { "OUTPUT" } else { rate.tax_type.as_str() };
    json!({
        "Name": rate.name,
        "TaxType": rate.tax_type,
        "ReportTaxType": reported,
        "Status": if rate.active { "ACTIVE" } else { "DELETED" },
        "EffectiveRate": number(rate.rate),
        "DisplayTaxRate": number(rate.rate),
        "CanApplyToAssets": fits("ASSET"),
        "CanApplyToEquity": fits("EQUITY"),
        "CanApplyToExpenses": fits("EXPENSE"),
        "CanApplyToLiabilities": fits("LIABILITY"),
        "CanApplyToRevenue": fits("REVENUE"),
        "TaxComponents": [component],
    })
}

fn item(books: &Books, item: &Item, now: &Value) -> Value {
    let details = |code: &Option<String>| {
        let account = books.accounts.iter().find(|account| Some(&account.code) == code.as_ref());
        account.map_or(json!({}), |account| json!({"AccountCode": account.code, "TaxType": account.tax_type}))
    };
    json!({
        "ItemID": item.id,
        "Code": item.code,
        "Name": item.name,
        "Description": item.name,
        "PurchaseDetails": details(&item.purchases_account),
        "SalesDetails": details(&item.sales_account),
        "IsTrackedAsInventory": false,
        "IsSold": true,
        "IsPurchased": true,
        "UpdatedDateUTC": now,
    })
}

fn tracking(category: &TrackingCategory) -> Value {
    let option = |(id, name): &(uuid::Uuid, String)| json!({"TrackingOptionID": id, "Name": name, "Status": "ACTIVE"});
    json!({
        "TrackingCategoryID": category.id,
        "Name": category.name,
        "Status": "ACTIVE",
        "Options": category.options.iter().map(option).collect::<Vec<_>>(),
    })
}

fn organisation(books: &Books, call: &Call) -> Value {
    compact(json!({
        "OrganisationID": books.id,
        "Name": "Demo Company (AU)",
        "LegalName": "Demo Company (AU)",
        "PaysTax": true,
        "Version": "AU",
        "OrganisationType": "COMPANY",
        "OrganisationEntityType": "COMPANY",
        "BaseCurrency": books.base_currency,
        "CountryCode": "AU",
        "IsDemoCompany": true,
        "OrganisationStatus": "ACTIVE",
        "FinancialYearEndDay": 30,
        "FinancialYearEndMonth": 6,
        "SalesTaxBasis": "ACCRUALS",
        "SalesTaxPeriod": "QUARTERLY1",
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Tax Inclusive",
        "PeriodLockDate": books.period_lock.map(day),
        "EndOfYearLockDate": books.year_lock.map(day),
        "CreatedDateUTC": instant(call.now),
        "Timezone": "AUSEASTERNSTANDARDTIME",
        "ShortCode": "!demo1",
        "Class": "DEMO",
        "Edition": "BUSINESS",
        "Addresses": [],
        "Phones": [],
        "ExternalLinks": [],
        "PaymentTerms": {
            "Bills": {"Day": 20, "Type": "OFFOLLOWINGMONTH"},
            "Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"},
        },
    }))
}

/// The fields of reference data are few enough to be looked up in what is shown.
fn field(row: &Value, name: &str) -> Result<Option<Operand>, String> {
    let known = [
        "AccountID",
        "Code",
        "Name",
        "Status",
        "Type",
        "TaxType",
        "Class",
        "SystemAccount",
        "EnablePaymentsToAccount",
        "ItemID",
        "TrackingCategoryID",
        "EffectiveRate",
        "Description",
        "UpdatedDateUTC",
    ];
    let key = known.iter().find(|key| key.eq_ignore_ascii_case(name));
    let key = key.ok_or_else(|| format!("No property or field '{name}' exists in type"))?;
    Ok(row.get(key).and_then(|value| operand(key, value)))
}

fn operand(key: &str, value: &Value) -> Option<Operand> {
    match value {
        Value::String(text) if key.ends_with("ID") => text.parse().ok().map(Operand::Guid),
        Value::String(text) if key.ends_with("UTC") => parse_day(text).map(|day| Operand::Date(DateTime::from(day))),
        Value::String(text) => Some(Operand::text(text)),
        Value::Bool(flag) => Some(Operand::Flag(*flag)),
        Value::Number(number) => number.to_string().parse::<Decimal>().ok().map(Operand::Number),
        _ => None,
    }
}
