//! How a document stands in Xero: all that says whether it may be changed or voided, and its change and its end.
//!
//! A POST to a document's own address changes that document alone. Xero refuses it where money was paid or credited, or
//! a lock date covers it; what it would refuse is asked for here before anything is sent.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, How, Permit, Write, Xero};
use super::documents::{self, Created};
use super::error::XeroError;
use super::lookup::{collection, documents as rows_of, existing};
use super::wire;
use crate::domain::balance::{Balanced, line_tax};
use crate::domain::draft::DocumentKind;
use crate::domain::edit::{InXero, LineInXero};
use crate::domain::facts::ExistingDocument;
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::{Money, decimal};

/// A document as it stands in Xero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The document.
    pub document: ExistingDocument,
    /// What was paid on it, credited to it, or allocated of it.
    pub settled: Money,
    /// What else it says; of a journal nothing.
    pub content: InXero,
}

/// The rows of an answer, for what the usual look-ups do not need.
#[derive(Deserialize)]
pub(super) struct Rows {
    #[serde(rename = "Invoices", alias = "CreditNotes")]
    pub(super) rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    #[serde(rename = "InvoiceID", alias = "CreditNoteID", default)]
    pub(super) id: Uuid,
    #[serde(rename = "InvoiceNumber", alias = "CreditNoteNumber", default)]
    number: Option<String>,
    #[serde(default)]
    contact: Option<ContactId>,
    #[serde(default)]
    date_string: Option<String>,
    #[serde(default)]
    date: Option<String>,
    #[serde(default)]
    currency_code: Option<String>,
    #[serde(default)]
    amount_paid: Option<Money>,
    #[serde(default)]
    amount_credited: Option<Money>,
    #[serde(default)]
    remaining_credit: Option<Money>,
    #[serde(default)]
    total: Option<Money>,
    #[serde(default)]
    due_date_string: Option<String>,
    #[serde(default)]
    due_date: Option<String>,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    line_items: Option<Vec<LineRow>>,
}

#[derive(Deserialize)]
struct ContactId {
    #[serde(rename = "ContactID", default)]
    id: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LineRow {
    #[serde(rename = "LineItemID", default)]
    id: Option<Uuid>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, deserialize_with = "number")]
    quantity: Option<Decimal>,
    #[serde(default, deserialize_with = "number")]
    unit_amount: Option<Decimal>,
    #[serde(default)]
    account_code: Option<String>,
    #[serde(default)]
    item_code: Option<String>,
    #[serde(default)]
    tax_type: Option<String>,
    #[serde(default, deserialize_with = "number")]
    tax_amount: Option<Decimal>,
    #[serde(default)]
    tracking: Option<Vec<TrackingRow>>,
}

/// A number, or a number as text; none for null. Its length is looked at before it is read.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        _ => return Err(D::Error::custom("expected a number")),
    };
    decimal(&text).map(Some).ok_or_else(|| D::Error::custom("expected a number"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrackingRow {
    #[serde(default)]
    name: String,
    #[serde(default)]
    option: String,
}

impl Row {
    /// What money or credit has to do with it; none where Xero does not say.
    fn settled(&self, kind: DocumentKind) -> Option<Money> {
        let paid = self.amount_paid.unwrap_or_default() + self.amount_credited.unwrap_or_default();
        if kind.is_credit() {
            let used = self.total? - self.remaining_credit?;
            return Some(if used.is_zero() { paid } else { used });
        }
        self.amount_paid.map(|_| paid)
    }

    pub(super) fn content(self, kind: DocumentKind) -> InXero {
        let day = |text: Option<&str>| -> Option<Date> { text.and_then(wire::day) };
        // Xero gives credit notes a due date that nobody asked for, and keeps no reference of purchases.
        let due_date = day(self.due_date_string.as_deref()).or_else(|| day(self.due_date.as_deref()));
        InXero {
            number: self.number.unwrap_or_default(),
            contact: self.contact.map(|contact| contact.id).unwrap_or_default(),
            date: day(self.date_string.as_deref()).or_else(|| day(self.date.as_deref())),
            due_date: due_date.filter(|_| !kind.is_credit()),
            reference: self.reference.filter(|_| !kind.is_purchase()).unwrap_or_default(),
            currency: self.currency_code.unwrap_or_default(),
            lines: self.line_items.unwrap_or_default().into_iter().map(LineRow::content).collect(),
        }
    }
}

impl LineRow {
    fn content(self) -> LineInXero {
        let mut tracking: Vec<(String, String)> =
            self.tracking.unwrap_or_default().into_iter().map(|row| (row.name, row.option)).collect();
        tracking.sort();
        LineInXero {
            id: self.id,
            description: self.description.unwrap_or_default(),
            quantity: self.quantity.unwrap_or_default(),
            unit_amount: self.unit_amount.unwrap_or_default(),
            account: self.account_code.unwrap_or_default(),
            item: self.item_code.unwrap_or_default(),
            tax_type: self.tax_type.unwrap_or_default(),
            tax_amount: self.tax_amount,
            tracking,
        }
    }
}

impl Xero {
    /// How the document of this id stands; none when there is none.
    ///
    /// # Errors
    /// Those of reading; [`XeroError::Malformed`] when Xero does not say what was paid.
    pub async fn standing(&self, kind: DocumentKind, id: Uuid) -> Result<Option<Standing>, XeroError> {
        if kind == DocumentKind::Journal {
            let journal = self.document(kind, id).await?;
            let standing = |document| Standing { document, settled: Money::ZERO, content: InXero::default() };
            return Ok(journal.map(standing));
        }
        let path = format!("{}/{id}", collection(kind));
        let call = Call { path: &path, query: &[("unitdp", "4")], ..Call::default() };
        let answer = self.read(Purpose::LookUp, call).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let row = rows_of(&answer)?.rows.into_iter().find(|row| row.id == id);
        let more = wire::parse::<Rows>(&answer.body).and_then(|rows| rows.rows.into_iter().find(|row| row.id == id));
        let missing = || XeroError::Malformed { cause: format!("the {} {id} is not complete", kind.noun()) };
        let (document, more) = (existing(row.ok_or_else(missing)?)?, more.ok_or_else(missing)?);
        let settled = more.settled(document.kind).ok_or_else(missing)?;
        let content = more.content(document.kind);
        Ok(Some(Standing { document, settled, content }))
    }

    /// Changes the document of this id; `body` is such as [`void_body`] gives.
    ///
    /// # Errors
    /// [`XeroError::Unknown`] and [`XeroError::ServerError`] when it may be changed; all others say that this request
    /// changed nothing.
    pub async fn change(
        &self,
        permit: Permit,
        (kind, id): (DocumentKind, Uuid),
        (key, body): (&str, &str),
    ) -> Result<Created, XeroError> {
        let path = format!("{}/{id}", collection(kind));
        let write = Some(Write { how: How::Change, key, body });
        let answer = self.exchange(permit, Call { path: &path, query: &[("unitdp", "4")], write, ..Call::default() });
        let answer = answer.await?;
        let saved = match answer.status.as_u16() {
            200..=299 if kind == DocumentKind::Journal => documents::saved_journal(&answer),
            200..=299 => documents::saved(&answer),
            300..=399 => Err(XeroError::Malformed { cause: format!("{}, is `api_url` right?", answer.status) }),
            404 => {
                let sentence = format!("Xero does not know the {} {id} any more (404).", kind.noun());
                Err(XeroError::Refused(HoldReason::new(HoldCode::RefusedByXero, sentence)))
            }
            _ => Err(documents::refused(&answer)),
        };
        saved.and_then(|saved| if saved.id == id { Ok(saved) } else { Err(other(saved.id, id)) })
    }
}

fn other(answered: Uuid, asked: Uuid) -> XeroError {
    XeroError::ServerError { cause: format!("the answer is about {answered} and not about {asked}") }
}

/// What voids a document, or deletes it while it is a draft: its status and nothing else, so that no line is touched.
#[must_use]
pub fn void_body(document: &ExistingDocument) -> String {
    let id = match document.kind {
        DocumentKind::Invoice | DocumentKind::Bill => "InvoiceID",
        DocumentKind::CreditNote | DocumentKind::BillCredit => "CreditNoteID",
        DocumentKind::Journal => "ManualJournalID",
    };
    let status = if matches!(document.status.as_str(), "DRAFT" | "SUBMITTED") { "DELETED" } else { "VOIDED" };
    json!({ id: document.id, "Status": status }).to_string()
}

/// What a body that was sent says of its document; none when it is not one of a document with lines.
#[must_use]
pub fn sent(kind: DocumentKind, body: &str) -> Option<InXero> {
    let value: Value = serde_json::from_str(body).ok()?;
    let row: Row = serde_json::from_value(element(value)?.into()).ok()?;
    Some(row.content(kind)).filter(|content| !content.lines.is_empty())
}

/// What changes a document that holds `held` into the one of `body`, which was made to create it.
///
/// A line that stays keeps its id, so that Xero changes it instead of making another; it states its tax, because whether
/// Xero calculates that anew is not documented, and it goes without its id where leaving something out would keep it.
#[must_use]
pub fn change_body(document: &Balanced, body: &str, (id, held): (Uuid, &InXero)) -> Option<String> {
    let kind = document.draft().kind;
    let wanted = sent(kind, body)?;
    let mut fields = element(serde_json::from_str(body).ok()?)?;
    for left in ["Type", "Status", "SentToContact"] {
        fields.remove(left);
    }
    fields.insert(if kind.is_credit() { "CreditNoteID" } else { "InvoiceID" }.to_owned(), json!(id));
    fields.entry("Reference").or_insert_with(|| json!(""));
    let lines = fields.get_mut("LineItems")?.as_array_mut()?;
    for (ours, theirs) in wanted.pairs(held) {
        let (Some(line), Some(now)) = (wanted.lines.get(ours), held.lines.get(theirs)) else { continue };
        let (Some(id), false) = (now.id, now.keeps(line)) else { continue };
        let row = lines.get_mut(ours)?.as_object_mut()?;
        row.insert("LineItemID".to_owned(), json!(id));
        let tax = line_tax(document.draft().lines.get(ours)?).decimal().normalize();
        row.insert("TaxAmount".to_owned(), serde_json::from_str(&tax.to_string()).ok()?);
    }
    Some(Value::Object(fields).to_string())
}

/// The one document of a body, in its collection or bare.
fn element(body: Value) -> Option<Map<String, Value>> {
    let Value::Object(mut fields) = body else { return None };
    for collection in ["Invoices", "CreditNotes"] {
        if let Some(rows) = fields.remove(collection) {
            let Value::Array(rows) = rows else { return None };
            let Value::Object(row) = rows.into_iter().next()? else { return None };
            return Some(row);
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_many_digits_ends_in_a_refusal_and_not_in_the_end_of_the_process() {
        let body = |field: &str, number: &str| {
            format!(r#"{{"Invoices":[{{"InvoiceNumber":"1","LineItems":[{{"{field}":{number}}}]}}]}}"#)
        };
        for field in ["Quantity", "UnitAmount", "TaxAmount"] {
            for number in ["9".repeat(400_000), format!("\"{}\"", "9".repeat(400_000)), "{}".to_owned()] {
                assert_eq!(sent(DocumentKind::Invoice, &body(field, &number)), None, "{field}");
            }
            for number in ["null", "1.50", "\"1.50\""] {
                assert!(sent(DocumentKind::Invoice, &body(field, number)).is_some(), "{field} {number}");
            }
        }
        let read = sent(DocumentKind::Invoice, &body("Quantity", "1.50")).unwrap();
        assert_eq!(read.lines.first().unwrap().quantity, "1.5".parse().unwrap());
    }
}
