//! In what a document that is in Xero is not the one that the record would become, or became.

use super::Simulating;
use crate::domain::content::Difference;
use crate::domain::delivery::{Posted, Record};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Existing, ExistingDocument, Facts};
use crate::domain::map;
use crate::domain::money::Money;
use crate::domain::simulation::{InXero, Simulated, Unlike, Verdict};
use crate::pipeline::deliver::Subject;
use crate::pipeline::post::{Stop, xero_failed};
use crate::pipeline::unknown::look_up;
use crate::xero::{self, Stated};

impl Simulating<'_> {
    /// The document of the record's kind and number in the month's list, if one was made.
    pub(super) fn in_list(&self, subject: &Subject<'_>) -> Option<&Stated> {
        let number = subject.number();
        let listed = self.listed.get(&(subject.kind(), number.to_ascii_lowercase()))?;
        listed.iter().find(|stated| stated.document.number == number).or_else(|| listed.first())
    }

    /// The document that a record was posted as, in the month's list.
    fn listed_as(&self, posted: &Posted) -> Option<&Stated> {
        let listed = self.listed.get(&(posted.kind, posted.number.to_ascii_lowercase()))?;
        listed.iter().find(|stated| stated.document.id == posted.id)
    }

    /// A record that is posted, by readypost or by somebody else.
    pub(super) async fn compare_posted(
        &self,
        known: &Record,
        subject: &Subject<'_>,
        row: &mut Simulated,
    ) -> Result<(), Stop> {
        let Some(stated) = self.posted(known.posted.as_ref(), subject).await? else {
            row.verdict = Verdict::Missing;
            row.sentence = format!(
                "{} is posted in ConnectWise{}, and Xero has no live {} {}.",
                subject.record.title(),
                subject.record.batch().map(|batch| format!(" (batch '{batch}')")).unwrap_or_default(),
                subject.kind().noun(),
                subject.number()
            );
            return Ok(());
        };
        let document = &stated.document;
        row.in_xero = Some(shown(document));
        let record = &subject.record;
        let mut unlike = Unlikes::default();
        if record.has_content() {
            let rules = &subject.company.rules;
            unlike.money("total", map::worth(record, rules), document.total);
            if document.kind != DocumentKind::Journal {
                unlike.money("tax", record.tax(rules).abs(), document.total_tax);
            }
            unlike.text("currency", record.currency().unwrap_or(&document.currency), &document.currency);
            let day = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
            unlike.text("date", &day(record.date()), &day(document.date));
        }
        let (party, name) = record.party();
        let linked = self.parts.store.contact(&subject.company.id, party);
        // A contact that is linked to the client is the right one, whatever it is called.
        if !stated.contact.is_empty() && linked != Some(stated.content.contact) {
            unlike.text("contact", name, &stated.contact);
        }
        row.differences = unlike.0;
        row.verdict = if row.differences.is_empty() { Verdict::Posted } else { Verdict::Differs };
        if row.verdict == Verdict::Differs {
            row.sentence = format!("{} is posted, and Xero says something else.", record.title());
        }
        Ok(())
    }

    /// The document of a posted record.
    async fn posted(&self, posted: Option<&Posted>, subject: &Subject<'_>) -> Result<Option<Stated>, Stop> {
        let plain =
            |document| Stated { document, contact: String::new(), content: crate::domain::edit::InXero::default() };
        if let Some(posted) = posted {
            if let Some(stated) = self.listed_as(posted) {
                return Ok(Some(stated.clone()));
            }
            let found = subject.company.client.document(posted.kind, posted.id).await.map_err(xero_failed)?;
            return Ok(found.filter(ExistingDocument::is_live).map(plain));
        }
        if let Some(stated) = self.in_list(subject) {
            return Ok(Some(stated.clone()));
        }
        let found = match look_up(subject, &subject.number()).await? {
            // Whoever posted a purchase before left no mark: the only one of its number is it.
            Existing::Among(mut documents) if documents.len() == 1 => documents.pop(),
            found => found.marked(subject.mark().as_deref()),
        };
        Ok(found.map(plain))
    }

    /// A record that would be posted, and the document in Xero that has its number.
    pub(super) async fn compare_planned(
        &self,
        facts: &Facts,
        existing: &ExistingDocument,
        subject: &Subject<'_>,
        row: &mut Simulated,
    ) -> Result<(), Stop> {
        row.in_xero = Some(shown(existing));
        let Ok(wanted) = map::map(facts, &subject.company.rules) else { return Ok(()) };
        let document = wanted.value;
        let mut unlike = Unlikes::default();
        unlike.money("total", document.total(), existing.total);
        unlike.money("tax", document.total_tax(), existing.total_tax);
        let contact = match &facts.contact {
            Some(crate::domain::contact::ContactMatch::Known(contact)) => *contact,
            _ => existing.contact_id,
        };
        let sent = xero::sent(document.kind(), &xero::body(&document, Some(contact)));
        let listed = self.in_list(subject).filter(|stated| stated.document.id == existing.id);
        let content = if let Some(stated) = listed {
            Some(stated.content.clone())
        } else {
            let standing = subject.company.client.standing(existing.kind, existing.id).await;
            standing.map_err(xero_failed)?.map(|standing| standing.content)
        };
        if let (Some(sent), Some(held)) = (sent, content) {
            unlike.0.extend(sent.differences(&held).into_iter().map(Unlike::from));
        }
        row.differences = unlike.0;
        Ok(())
    }
}

/// The fields that are not the same.
#[derive(Default)]
struct Unlikes(Vec<Unlike>);

impl Unlikes {
    fn money(&mut self, field: &str, wanted: Money, xero: Money) {
        self.text(field, &wanted.to_cents().to_string(), &xero.to_cents().to_string());
    }

    fn text(&mut self, field: &str, wanted: &str, xero: &str) {
        if wanted.trim() != xero.trim() {
            let (posted, now) = (wanted.trim().to_owned(), xero.trim().to_owned());
            self.0.push(Difference { field: field.to_owned(), posted, now }.into());
        }
    }
}

fn shown(document: &ExistingDocument) -> InXero {
    InXero {
        id: document.id,
        kind: document.kind,
        number: document.number.clone(),
        status: document.status.clone(),
        total: document.total.to_cents(),
        link: document.kind.page(document.id),
    }
}
