//! The preview of one expense, and its row of the unposted list, in readypost's words.

use serde_json::Value;

use super::client::malformed;
use super::dates;
use super::lenient::{ids, optional_money};
use super::unposted::{segments, some_text};
use super::wire;
use crate::domain::facts::{Detail, ExpenseClass, ListedExpense, TaxLevel};
use crate::domain::money::Money;
use crate::domain::text::shorten;
use crate::remote::RemoteError;

/// An amount; none when there is none, or when it cannot be read, which is named.
pub(super) fn amount(field: &str, value: &Value, unreadable: &mut Vec<String>) -> Option<Money> {
    optional_money(value).unwrap_or_else(|_| {
        unreadable.push(format!("{field} ('{}')", shorten(&value.to_string(), 40)));
        None
    })
}

/// Reads a preview, which must be about this entry of this member alone.
pub(super) fn previewed(
    export: wire::ExpenseExport,
    listed: &mut ListedExpense,
    (entry, member): (i64, i64),
    unreadable: &mut Vec<String>,
) -> Result<(), RemoteError> {
    let mut reader = Reader { listed, unreadable, member };
    match (export.expense_bills, export.expenses) {
        (mut bills, journal) if bills.len() == 1 && journal.is_empty() => {
            if let Some(bill) = bills.pop() {
                reader.bill(bill);
            }
            Ok(())
        }
        (bills, journal) if bills.is_empty() && !journal.is_empty() => {
            for row in journal {
                reader.journal(row);
            }
            Ok(())
        }
        (bills, journal) => {
            let (bills, rows) = (bills.len(), journal.len());
            Err(malformed(format!("the preview of expense {entry} holds {bills} bills and {rows} rows of a journal")))
        }
    }
}

/// Takes a preview's parts over, and notes what cannot be read.
struct Reader<'a> {
    listed: &'a mut ListedExpense,
    unreadable: &'a mut Vec<String>,
    member: i64,
}

impl Reader<'_> {
    fn bill(&mut self, bill: wire::ExpenseBill) {
        self.is_of_member(bill.member.id);
        self.date(&bill.document_date);
        self.listed.document_number = bill.document_number;
        self.listed.memo = bill.memo;
        self.listed.vendor_number = bill.vendor_number;
        self.listed.preview_currency = some_text(bill.currency.currency_code);
        self.listed.preview_total = amount("total of the bill", &bill.total, self.unreadable);
        for row in bill.detail {
            let class = if row.gl_class.is_empty() { bill.gl_class.clone() } else { row.gl_class };
            self.listed.reimbursable.extend(row.reimbursable);
            self.listed.row_classes.extend(some_text(row.expense_class.name).map(ExpenseClass::from));
            let currency = some_text(row.currency.currency_code);
            self.row((&row.id, &row.total), [row.gl_type_id, row.account_number, class, row.memo], currency);
        }
    }

    fn journal(&mut self, row: wire::ExpenseJournal) {
        self.is_of_member(row.member.id);
        let description = if row.memo.is_empty() { row.description } else { row.memo };
        let currency = some_text(row.currency.currency_code);
        self.listed.vendor_number = row.vendor_number;
        self.row((&row.id, &row.total), [row.gl_type_id, row.account_number, row.gl_class, description], currency);
        if let Some(offset) = row.offset.filter(|offset| !offset.id.is_null()) {
            self.ids("id of the other side", &offset.id);
        }
    }

    fn row(&mut self, (id, total): (&Value, &Value), texts: [String; 4], currency: Option<String>) {
        let [gl_type, account, class, description] = texts;
        let ids = self.ids("id of a row", id);
        let amount = amount("total of a row", total, self.unreadable);
        if amount.is_none() && total.is_null() {
            self.unreadable.push("total of a row".to_owned());
        }
        self.listed.rows.push(Detail {
            cost: None,
            id: ids.first().copied().unwrap_or_default(),
            gl_type,
            account: segments(account),
            class: segments(class),
            quantity: None,
            total: amount.unwrap_or_default(),
            price: None,
            currency,
            description,
            item: None,
            tax_code: String::new(),
            tax_xref: String::new(),
            taxable: None,
            tax_levels: Vec::new(),
        });
    }

    /// One id or many; there must be one.
    fn ids(&mut self, field: &str, value: &Value) -> Vec<i64> {
        let found = ids(value).unwrap_or_default();
        if found.is_empty() {
            self.unreadable.push(format!("{field} ('{}')", shorten(&value.to_string(), 40)));
        }
        self.listed.entry_ids.extend(&found);
        found
    }

    fn date(&mut self, text: &str) {
        self.listed.document_date = dates::civil(text);
        if self.listed.document_date.is_none() && !text.is_empty() {
            self.unreadable.push(format!("date of the bill ('{}')", shorten(text, 40)));
        }
    }

    fn is_of_member(&mut self, member: Option<i64>) {
        if member.is_some_and(|member| member != self.member) {
            self.unreadable.push("member in the preview".to_owned());
        }
    }
}

impl wire::UnpostedExpense {
    /// The row in readypost's words, without its preview.
    pub(super) fn listed(&self, unreadable: &mut Vec<String>) -> ListedExpense {
        let levels = [
            (self.state_tax_flag, &self.state_tax_xref),
            (self.county_tax_flag, &self.county_tax_xref),
            (self.city_tax_flag, &self.city_tax_xref),
            (self.country_tax_flag, &self.country_tax_xref),
            (self.composite_tax_flag, &self.composite_tax_xref),
            (self.level_six_tax_flag, &self.level_six_tax_xref),
        ];
        let applies = |(_, (flag, xref)): &(i64, (Option<bool>, &String))| flag.unwrap_or(!xref.is_empty());
        let level = |(level, (_, xref)): (i64, (Option<bool>, &String))| TaxLevel { level, xref: xref.clone() };
        ListedExpense {
            class: ExpenseClass::from(self.classification.name.clone()),
            total: amount("total in the unposted list", &self.total, unreadable),
            tax: amount("salesTaxAmount", &self.sales_tax_amount, unreadable),
            tax_code: self.tax_code.name.clone(),
            tax_levels: (1..).zip(levels).filter(applies).map(level).collect(),
            closed_at: dates::earliest(&self.date_closed),
            document_number: String::new(),
            document_date: None,
            memo: String::new(),
            vendor_number: String::new(),
            preview_currency: None,
            preview_total: None,
            rows: Vec::new(),
            reimbursable: Vec::new(),
            row_classes: Vec::new(),
            entry_ids: Vec::new(),
        }
    }
}
