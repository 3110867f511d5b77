//! The rows of a simulation for a spreadsheet.

use super::{Simulated, Simulation};
use crate::domain::statement::csv_cell;

impl Simulation {
    /// The rows as comma-separated values.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "record,number,party,date,currency,total,verdict,code,sentence,cure,warnings,new_contact,document,in_xero,xero_total,xero_status,differences,calls_connectwise,calls_xero\r\n",
        );
        for row in &self.rows {
            text.push_str(&cells(row).map(|cell| csv_cell(&cell)).join(","));
            text.push_str("\r\n");
        }
        text
    }
}

fn cells(row: &Simulated) -> [String; 19] {
    let in_xero = row.in_xero.as_ref();
    let warnings: Vec<&str> = row.warnings.iter().map(|warning| warning.code.as_str()).collect();
    let differences = row.differences.iter();
    let differences: Vec<String> =
        differences.map(|unlike| format!("{}: {} / {}", unlike.field, unlike.wanted, unlike.xero)).collect();
    [
        row.key.to_string(),
        row.number.clone(),
        row.party.to_string(),
        row.date.map(|date| date.to_string()).unwrap_or_default(),
        row.currency.clone(),
        row.total.to_string(),
        row.verdict.as_str().to_owned(),
        row.code.clone(),
        row.sentence.clone(),
        row.cure.clone(),
        warnings.join(" "),
        row.new_contact.clone(),
        row.requests.first().map(|request| request.kind.noun().to_owned()).unwrap_or_default(),
        in_xero.map(|document| document.link.clone()).unwrap_or_default(),
        in_xero.map(|document| document.total.to_string()).unwrap_or_default(),
        in_xero.map(|document| document.status.clone()).unwrap_or_default(),
        differences.join("; "),
        row.calls.connectwise.to_string(),
        row.calls.xero.to_string(),
    ]
}
