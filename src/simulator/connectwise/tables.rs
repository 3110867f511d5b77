//! Set-up tables: billing statuses, terms, tax codes, captions, GL accounts and the accounting package.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::amounts::number;
use super::records::SegmentKind;
use super::settings::ExpenseShape;
use super::state::{Series, State};

/// A status of invoices or of purchase orders.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) closed: bool,
}

impl Status {
    /// The reference that an invoice holds, where "closed" has another name than in the table.
    pub(super) fn reference(&self) -> Value {
        json!({"id": self.id, "name": self.name, "isClosed": self.closed})
    }
}

/// Billing terms.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) due_days: i64,
    pub(super) xref: String,
}

/// A tax code with up to six levels.
#[derive(Clone, Debug)]
pub(super) struct TaxCode {
    pub(super) id: i64,
    pub(super) identifier: String,
    pub(super) description: String,
    pub(super) levels: Vec<(String, Decimal)>,
}

/// `{id, name}`.
pub(super) fn reference(id: i64, name: &str) -> Value {
    json!({"id": id, "name": name})
}

/// The reference of a currency.
pub(super) fn currency(code: &str) -> Value {
    let known = ["AUD", "USD", "NZD", "GBP", "EUR", "CAD", "JPY"];
    let id = known.iter().position(|known| *known == code).map_or(99, |position| position + 1);
    let decimals = if code == "JPY" { 0 } else { 2 };
    json!({"id": id, "symbol": "$", "currencyCode": code, "numberOfDecimals": decimals, "name": code})
}

impl State {
    pub(super) fn add_status(&mut self, name: &str, closed: bool) -> i64 {
        let id = self.next_id(Series::Status);
        self.statuses.insert(id, Status { id, name: name.to_owned(), closed });
        id
    }

    pub(super) fn add_order_status(&mut self, name: &str, closed: bool) -> i64 {
        let id = self.next_id(Series::OrderStatus);
        self.order_statuses.insert(id, Status { id, name: name.to_owned(), closed });
        id
    }

    pub(super) fn add_terms(&mut self, name: &str, due_days: i64, xref: &str) -> i64 {
        let id = self.next_id(Series::Terms);
        self.terms.insert(id, Terms { id, name: name.to_owned(), due_days, xref: xref.to_owned() });
        id
    }

    pub(super) fn add_tax_code(&mut self, identifier: &str, description: &str, levels: &[(&str, Decimal)]) -> i64 {
        let id = self.next_id(Series::TaxCode);
        let levels = levels.iter().map(|(xref, rate)| ((*xref).to_owned(), *rate)).collect();
        let (identifier, description) = (identifier.to_owned(), description.to_owned());
        self.tax_codes.insert(id, TaxCode { id, identifier, description, levels });
        id
    }

    pub(super) fn status_id(&self, name: &str) -> Option<i64> {
        self.statuses.values().find(|status| status.name == name).map(|status| status.id)
    }

    pub(super) fn tax_code_reference(&self, id: Option<i64>) -> Value {
        let code = id.and_then(|id| self.tax_codes.get(&id));
        code.map_or(Value::Null, |code| reference(code.id, &code.identifier))
    }

    pub(super) fn status_rows(&self) -> Vec<Value> {
        let row = |status: &Status| {
            json!({"id": status.id, "name": status.name, "sortOrder": status.id, "defaultFlag": status.name == "New",
                "closedFlag": status.closed, "inactiveFlag": false, "sentFlag": false, "_info": {}})
        };
        self.statuses.values().map(row).collect()
    }

    pub(super) fn terms_rows(&self) -> Vec<Value> {
        let row = |terms: &Terms| {
            json!({"id": terms.id, "name": terms.name, "defaultFlag": false, "dueDays": terms.due_days,
                "termsXref": terms.xref, "_info": {}})
        };
        self.terms.values().map(row).collect()
    }

    pub(super) fn tax_code_rows(&self) -> Vec<Value> {
        self.tax_codes.values().map(tax_code_row).collect()
    }

    pub(super) fn tax_level_rows(&self, code: i64) -> Vec<Value> {
        let row = |(level, (xref, rate)): (i64, &(String, Decimal))| {
            json!({"id": code * 10 + level, "taxLevel": level, "taxRate": number(*rate), "rateType": "Percent",
                "caption": xref, "taxCodeXref": xref, "agencyXref": "", "taxServicesFlag": true,
                "taxExpensesFlag": true, "taxProductsFlag": true, "_info": {}})
        };
        (1..).zip(self.tax_levels(code)).map(row).collect()
    }

    pub(super) fn caption_rows(&self) -> Vec<Value> {
        let mut row = Map::new();
        row.insert("id".to_owned(), json!(1));
        for (position, (name, kind)) in (1..).zip(&self.captions) {
            let kind = match kind {
                SegmentKind::Account => "Account",
                SegmentKind::Class => "Class",
            };
            row.insert(format!("segment{position}"), json!(name));
            row.insert(format!("segment{position}type"), json!(kind));
        }
        row.insert("_info".to_owned(), json!({}));
        vec![Value::Object(row)]
    }

    pub(super) fn gl_account_rows(&self) -> Vec<Value> {
        let accounts = [
            ("AR", self.settings.receivable_account.as_str()),
            ("R", "200"),
            ("RP", "210"),
            ("RA", "220"),
            ("ST", self.settings.tax_account.as_str()),
            ("AP", self.settings.payable_account.as_str()),
            ("P", "310"),
            ("PF", "425"),
            ("PT", self.settings.tax_account.as_str()),
            ("EE", "493"),
            ("EI", "493"),
            ("IA", "310"),
        ];
        let row = |(id, (kind, account)): (i64, (&str, &str))| {
            json!({"id": id, "glType": kind, "mappedType": reference(1, "Corporate"),
                "mappedRecord": reference(1, "Corporate"), "segment1": account, "segment2": "", "segment3": "",
                "segment4": "", "productId": "", "inventory": "", "salesCode": "", "_info": {}})
        };
        let mapped = |(id, (kind, record, segments)): (i64, &(String, String, Vec<String>))| {
            let segment = |index: usize| segments.get(index).map(String::as_str).unwrap_or_default();
            json!({"id": id, "glType": kind, "mappedType": reference(2, "Work Type"), "mappedRecord": reference(id, record),
                "segment1": segment(0), "segment2": segment(1), "segment3": segment(2), "segment4": segment(3),
                "productId": "", "inventory": "", "salesCode": "", "_info": {}})
        };
        (1..).zip(accounts).map(row).chain((100..).zip(&self.gl_accounts).map(mapped)).collect()
    }

    /// Currencies; a row as the reference of a document has it.
    pub(super) fn currency_rows(&self) -> Vec<Value> {
        self.currencies.iter().map(|code| currency(code)).collect()
    }

    /// The set-up of the accounting package; the list of packages has no Xero.
    pub(super) fn package_setup_rows(&self) -> Vec<Value> {
        let format = if self.settings.expense_shape == ExpenseShape::CondensedBills { "Condensed" } else { "Default" };
        vec![json!({"id": 1, "accountingPackage": {"id": 10, "identifier": "Other", "name": "Other"},
            "directTransferFlag": false, "includeInvoicesFlag": true, "invoiceFormat": "Detailed",
            "includeExpensesFlag": true, "transferExpensesAsBillFlag": self.settings.expense_shape != ExpenseShape::Journal, "expenseFormat": format,
            "suppressMemoFlag": false, "syncPaymentInfoFlag": false, "includeSalesTaxFlag": true,
            "enableTaxGroupsFlag": true, "zeroDollarTaxAmountsFlag": false, "includeItemsFlag": true,
            "inventorySOHFlag": false, "includeCogsEntriesFlag": false, "includeCogsDropShipFlag": false, "_info": {}})]
    }
}

fn tax_code_row(code: &TaxCode) -> Value {
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(code.id));
    row.insert("identifier".to_owned(), json!(code.identifier));
    row.insert("description".to_owned(), json!(code.description));
    row.insert("invoiceCaption".to_owned(), json!(code.identifier));
    row.insert("effectiveDate".to_owned(), json!("2010-01-01T00:00:00Z"));
    row.insert("defaultFlag".to_owned(), json!(false));
    for (level, (xref, rate)) in ["One", "Two", "Three", "Four", "Five", "Six"].iter().zip(&code.levels) {
        row.insert(format!("level{level}Rate"), number(*rate));
        row.insert(format!("level{level}RateType"), json!("Percent"));
        row.insert(format!("level{level}Caption"), json!(xref));
        row.insert(format!("level{level}TaxCodeXref"), json!(xref));
        row.insert(format!("level{level}AgencyXref"), json!(""));
        for group in ["Services", "Expenses", "Products"] {
            row.insert(format!("level{level}{group}Flag"), json!(true));
        }
    }
    row.insert("_info".to_owned(), json!({}));
    Value::Object(row)
}
