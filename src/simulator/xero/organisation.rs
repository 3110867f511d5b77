//! The Australian demo organisation that every simulator starts with.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::arithmetic::HalfCent;
use super::state::{Account, Books, Item, TaxRate, TrackingCategory};

/// Code, name, type, tax type, system account.
const ACCOUNTS: [(&str, &str, &str, &str, &str); 20] = [
    ("090", "Business Bank Account", "BANK", "BASEXCLUDED", ""),
    ("200", "Sales", "REVENUE", "OUTPUT", ""),
    ("210", "Hardware Sales", "REVENUE", "OUTPUT", ""),
    ("220", "Agreement Revenue", "REVENUE", "OUTPUT", ""),
    ("230", "Deferred Revenue", "CURRLIAB", "OUTPUT", ""),
    ("299", "Old Sales", "REVENUE", "OUTPUT", ""),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS", "INPUT", ""),
    ("400", "Advertising", "EXPENSE", "INPUT", ""),
    ("404", "Bank Fees", "EXPENSE", "BASEXCLUDED", ""),
    ("425", "Freight and Courier", "EXPENSE", "INPUT", ""),
    ("429", "General Expenses", "EXPENSE", "INPUT", ""),
    ("493", "Travel", "EXPENSE", "INPUT", ""),
    ("610", "Accounts Receivable", "CURRENT", "BASEXCLUDED", "DEBTORS"),
    ("620", "Stock on Hand", "CURRENT", "INPUT", ""),
    ("630", "Tracked Inventory", "INVENTORY", "INPUT", ""),
    ("710", "Office Equipment", "FIXED", "CAPEXINPUT", ""),
    ("800", "Accounts Payable", "CURRLIAB", "BASEXCLUDED", "CREDITORS"),
    ("820", "GST", "CURRLIAB", "BASEXCLUDED", "GST"),
    ("850", "Payment Clearing", "CURRLIAB", "BASEXCLUDED", ""),
    ("860", "Rounding", "CURRLIAB", "BASEXCLUDED", "ROUNDING"),
];

/// Name, tax type, rate in percent, account classes it may not be used with.
const TAX_RATES: [(&str, &str, u32, &[&str]); 9] = [
    ("GST on Income", "OUTPUT", 10, &["EXPENSE"]),
    ("GST Free Income", "EXEMPTOUTPUT", 0, &["EXPENSE"]),
    ("BAS Excluded", "BASEXCLUDED", 0, &[]),
    ("GST on Expenses", "INPUT", 10, &["REVENUE"]),
    ("GST Free Expenses", "EXEMPTEXPENSES", 0, &["REVENUE"]),
    ("GST on Capital", "CAPEXINPUT", 10, &["REVENUE", "EXPENSE"]),
    ("GST on Imports", "GSTONIMPORTS", 0, &["REVENUE"]),
    ("Half GST", "TAX001", 5, &[]),
    ("Old GST on Income", "TAX002", 12, &["EXPENSE"]),
];

/// Code, name, sales account, purchases account; services are not bought.
const ITEMS: [(&str, &str, &str, Option<&str>); 5] = [
    ("LABOUR", "Service labour", "200", None),
    ("TRAVEL", "Travel", "200", Some("493")),
    ("SSD1", "Solid state drive 1 TB", "210", Some("310")),
    ("LAPTOP-14", "Laptop 14 inch", "210", Some("310")),
    ("AGREEMENT", "Managed services agreement", "220", None),
];

/// Fresh books with the demo set-up and no contacts or documents.
pub(super) fn demo(base_currency: &str, half_cent: HalfCent) -> Books {
    let accounts = ACCOUNTS.map(|(code, name, kind, tax_type, system)| Account {
        id: Uuid::new_v4(),
        code: code.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        tax_type: tax_type.to_owned(),
        system: system.to_owned(),
        active: code != "299",
        enables_payments: code == "850",
    });
    let tax_rates = TAX_RATES.map(|(name, tax_type, rate, barred)| TaxRate {
        name: name.to_owned(),
        tax_type: tax_type.to_owned(),
        rate: Decimal::from(rate),
        active: tax_type != "TAX002",
        barred: barred.to_vec(),
    });
    let items = ITEMS.map(|(code, name, sales, purchases)| Item {
        id: Uuid::new_v4(),
        code: code.to_owned(),
        name: name.to_owned(),
        sales_account: Some(sales.to_owned()),
        purchases_account: purchases.map(str::to_owned),
    });
    Books {
        id: Uuid::new_v4(),
        branding_theme: Uuid::new_v4(),
        base_currency: base_currency.to_owned(),
        half_cent,
        contacts: Vec::new(),
        documents: Vec::new(),
        payments: Vec::new(),
        batches: Vec::new(),
        journals: Vec::new(),
        accounts: accounts.into(),
        tax_rates: tax_rates.into(),
        items: items.into(),
        tracking: vec![
            category("Region", &["Sydney", "Melbourne"]),
            category("Department", &["Service", "Projects", "Procurement"]),
        ],
        currencies: vec![base_currency.to_owned()],
        period_lock: None,
        year_lock: None,
        notes: Vec::new(),
        numbers_given: 0,
        events: Vec::new(),
    }
}

/// A tracking category with fresh ids.
pub(super) fn category(name: &str, options: &[&str]) -> TrackingCategory {
    let options = options.iter().map(|option| (Uuid::new_v4(), (*option).to_owned())).collect();
    TrackingCategory { id: Uuid::new_v4(), name: name.to_owned(), options }
}
