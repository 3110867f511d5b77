//! Manual journals: written like any document, and found again by the mark in their narration.
//!
//! Xero gives a journal no number and takes the same one as often as it is sent. Nothing of a change of the inventory is
//! taxed, so journals are sent as `NoTax` and their lines name no tax rate.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, Xero};
use super::error::XeroError;
use super::wire::{self, NewTracking};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{ExistingDocument, mark_in};
use crate::domain::journal::Journal;
use crate::domain::money::Money;
use crate::domain::rules::DocumentStatus;
use crate::remote::Answer;

/// Where journals are.
pub(super) const COLLECTION: &str = "ManualJournals";
/// Rows of one page of a look-up; a mark has few journals, live and void ones.
const PAGE_ROWS: usize = 100;

/// The body of a write of journals.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewJournals<'a> {
    manual_journals: [NewJournal<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewJournal<'a> {
    narration: &'a str,
    date: Date,
    status: &'static str,
    line_amount_types: &'static str,
    journal_lines: Vec<NewJournalLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewJournalLine<'a> {
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    line_amount: Decimal,
    account_code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tracking: Vec<NewTracking<'a>>,
}

/// Journals as they are read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Journals {
    manual_journals: Vec<JournalRow>,
}

/// A journal as it is read; Xero leaves out what is null.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct JournalRow {
    #[serde(rename = "ManualJournalID")]
    pub(super) id: Uuid,
    #[serde(default)]
    narration: String,
    #[serde(default)]
    date: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    journal_lines: Option<Vec<LineRow>>,
    #[serde(default)]
    pub(super) has_errors: Option<bool>,
    #[serde(default)]
    pub(super) status_attribute_string: Option<String>,
    #[serde(default)]
    pub(super) validation_errors: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LineRow {
    #[serde(default)]
    line_amount: Option<Money>,
}

impl JournalRow {
    /// The sum of its debits; none when Xero does not show its lines.
    pub(super) fn total(&self) -> Option<Money> {
        let lines = self.journal_lines.as_ref().filter(|lines| !lines.is_empty())?;
        let amounts = lines.iter().map(|line| line.line_amount).collect::<Option<Vec<Money>>>()?;
        Some(amounts.into_iter().filter(|amount| !amount.is_negative()).sum())
    }
}

impl Xero {
    /// Finds the journals that have `mark` in their narration and are worth something.
    pub(super) async fn find_journals(&self, mark: &str) -> Result<Vec<ExistingDocument>, XeroError> {
        let clause = format!("Narration.Contains(\"{}\")", mark.replace('"', "\"\""));
        let rows = PAGE_ROWS.to_string();
        // Only with a page there are lines.
        let query = [("where", clause.as_str()), ("page", "1"), ("pageSize", &rows)];
        let call = Call { path: COLLECTION, query: &query, ..Call::default() };
        let found = rows_of(&self.read(Purpose::LookUp, call).await?)?;
        if found.len() >= PAGE_ROWS {
            return Err(XeroError::Malformed { cause: format!("there are too many journals with {mark}") });
        }
        let live = |row: &JournalRow| !matches!(row.status.as_str(), "VOIDED" | "DELETED");
        let live: Vec<JournalRow> = found.into_iter().filter(live).collect();
        let mut journals = Vec::new();
        for row in live.into_iter().filter(|row| row.narration.contains(mark)) {
            journals.push(self.existing_journal(row).await?);
        }
        Ok(journals)
    }

    /// The journal of this id; none when there is none.
    pub(super) async fn journal(&self, id: Uuid) -> Result<Option<ExistingDocument>, XeroError> {
        let path = format!("{COLLECTION}/{id}");
        let answer = self.read(Purpose::LookUp, Call { path: &path, ..Call::default() }).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        match rows_of(&answer)?.into_iter().find(|row| row.id == id) {
            Some(row) => self.existing_journal(row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn existing_journal(&self, row: JournalRow) -> Result<ExistingDocument, XeroError> {
        let missing = || XeroError::Malformed { cause: format!("the manual journal {} has no lines", row.id) };
        Ok(ExistingDocument {
            id: row.id,
            kind: DocumentKind::Journal,
            contact_id: Uuid::nil(),
            date: row.date.as_deref().and_then(wire::day),
            currency: self.organisation().await?.base_currency.clone(),
            total_tax: Money::ZERO,
            total: row.total().ok_or_else(missing)?,
            marks: mark_in(&row.narration).map(str::to_owned).into_iter().collect(),
            number: row.narration,
            status: row.status,
        })
    }
}

/// The journal's JSON: pure, and the same bytes for the same journal.
pub(super) fn body(journal: &Journal) -> String {
    let heading = journal.heading();
    let lines = journal.lines().iter().map(|line| NewJournalLine {
        // Normalised: 1.0 and 1.00 are equal and must be the same bytes.
        line_amount: line.amount.decimal().normalize(),
        account_code: &line.account,
        description: &line.description,
        tracking: line.tracking.iter().map(|(name, option)| NewTracking { name, option }).collect(),
    });
    let row = NewJournal {
        narration: &heading.narration,
        date: heading.date,
        status: match heading.status {
            DocumentStatus::Authorised => "POSTED",
            DocumentStatus::Draft => "DRAFT",
        },
        line_amount_types: "NoTax",
        journal_lines: lines.collect(),
    };
    // Texts, dates and decimals are all written; an empty body would be refused, not misread.
    serde_json::to_string(&NewJournals { manual_journals: [row] }).unwrap_or_default()
}

/// The journals of an answer; none when it is not one of journals.
pub(super) fn read(answer: &Answer) -> Option<Vec<JournalRow>> {
    wire::parse::<Journals>(&answer.body).map(|journals| journals.manual_journals)
}

fn rows_of(answer: &Answer) -> Result<Vec<JournalRow>, XeroError> {
    let malformed = || XeroError::Malformed { cause: format!("{}: {}", answer.status, answer.excerpt()) };
    Some(answer).filter(|answer| answer.status.is_success()).and_then(read).ok_or_else(malformed)
}
