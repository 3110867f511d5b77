//! What to do about a record, decided from facts and rules alone.

use jiff::civil::Date;
use serde::Serialize;
use uuid::Uuid;

use super::balance::{Balanced, Ceilings, balance};
use super::contact::{Contact, ContactMatch};
use super::delivery::Posted;
use super::draft::{Debtor, Draft};
use super::facts::{Client, Existing, ExistingDocument, Facts, Invoice, Organisation};
use super::hold::{HoldCode, HoldReason, SkipReason};
use super::map::map;
use super::rules::{DocumentStatus, NewContacts, RequiredContacts, Rules, ZeroTotals};
use super::warning::{Flagged, Warning, WarningCode};

/// What to do, and what a person should look at once it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What to do.
    pub action: Action,
    /// What was noticed.
    pub warnings: Vec<Warning>,
}

/// The one thing to do about a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make this document.
    Create {
        /// The document.
        document: Box<Balanced>,
        /// Whose it is.
        debtor: Debtor,
    },
    /// The document is in Xero already and is the same.
    Adopt(Box<ExistingDocument>),
    /// Nothing.
    Skip(SkipReason),
    /// Let a person decide.
    Hold(HoldReason),
}

impl Plan {
    fn plain(action: Action) -> Self {
        Self { action, warnings: Vec::new() }
    }
}

/// The name of the batch that marks a record as posted; at most 50 characters.
///
/// It is made of the record, the document and the batch `before`, so it is the same on every attempt, and
/// another one after the document was voided and posted anew, or after the record was taken out of its batch:
/// that batch keeps its name, empty.
#[must_use]
pub fn batch_name(invoice_id: i64, document: Uuid, before: Option<&str>) -> String {
    let short: String = document.simple().to_string().chars().take(8).collect();
    let first = format!("{}{short}", batch_prefix(invoice_id));
    let number = |name: &str| match name.strip_prefix(&first)? {
        "" => Some(1_u32),
        rest => rest.strip_prefix('-')?.parse().ok(),
    };
    match before.and_then(number) {
        None => first,
        Some(number) => format!("{first}-{}", number.saturating_add(1)),
    }
}

fn batch_prefix(invoice_id: i64) -> String {
    format!("RP-I-{invoice_id}-")
}

/// The verdicts that need the invoice only, so that they cost no call to Xero.
#[must_use]
pub fn triage(invoice: &Invoice, rules: &Rules) -> Option<Action> {
    if let Some(batch) = &invoice.batch {
        let ours = batch.starts_with(&batch_prefix(invoice.id));
        return Some(Action::Skip(if ours { SkipReason::PostedBefore } else { SkipReason::BatchedElsewhere }));
    }
    let status = &invoice.status;
    let names = |wanted: &String| {
        wanted.trim().eq_ignore_ascii_case(status.name.trim()) || wanted.trim().parse() == Ok(status.id)
    };
    let wanted = rules.invoice_statuses.iter().any(names);
    match (wanted || rules.invoice_statuses.is_empty(), status.closed) {
        (true, true) => {}
        (true, false) if wanted => {
            let sentence = format!(
                "The status '{}' is to post invoices, but it is an open status: ConnectWise makes no GL entries for it.",
                status.name
            );
            return Some(Action::Hold(HoldReason::new(HoldCode::StatusNotClosed, sentence)));
        }
        (_, false) => return Some(Action::Skip(SkipReason::StatusOpen)),
        (false, true) => return Some(Action::Skip(SkipReason::StatusNotWanted)),
    }
    if rules.start_date.is_some_and(|start| invoice.date.is_some_and(|date| date < start)) {
        return Some(Action::Skip(SkipReason::BeforeStartDate));
    }
    if !invoice.total.is_zero() {
        return None;
    }
    match rules.zero_totals {
        ZeroTotals::Post => None,
        ZeroTotals::Skip => Some(Action::Skip(SkipReason::ZeroTotal)),
        ZeroTotals::Hold => Some(Action::Hold(HoldReason::new(
            HoldCode::ZeroTotal,
            format!("The total of invoice {} is 0.00.", invoice.number),
        ))),
    }
}

/// Decides about a record that is not known to be posted. Total: bad facts end in a hold.
#[must_use]
pub fn plan(facts: &Facts, rules: &Rules) -> Plan {
    if let Some(action) = triage(&facts.invoice, rules) {
        return Plan::plain(action);
    }
    document(facts, rules).unwrap_or_else(|reason| Plan::plain(Action::Hold(reason)))
}

fn document(facts: &Facts, rules: &Rules) -> Result<Plan, HoldReason> {
    let Flagged { value: draft, mut warnings } = map(facts, rules)?;
    let ceilings = Ceilings { rounding: rules.rounding_ceiling, adjustment: rules.adjustment_ceiling };
    let Flagged { value: document, warnings: balance_warnings } = balance(draft, ceilings)?;
    warnings.extend(balance_warnings);
    required_contacts(&facts.client, rules)?;
    let debtor = debtor(facts, rules)?;
    if let Existing::Found(existing) | Existing::Chosen(existing) = &facts.existing {
        let differences = differences(existing, &document, &debtor);
        let chosen = matches!(facts.existing, Existing::Chosen(_));
        let hard = differences.iter().any(|difference| difference.hard);
        let told = differences.iter().map(|difference| difference.told.as_str()).collect::<Vec<_>>().join(", ");
        if hard || (!chosen && !differences.is_empty()) {
            let sentence = format!("Xero has another {} {}: {told}.", existing.kind.noun(), existing.number);
            return Err(HoldReason::new(HoldCode::DocumentDiffers, sentence));
        }
        let but = if told.is_empty() { String::new() } else { format!(", with {told}") };
        let sentence = format!("The {} {} was already in Xero{but}.", existing.kind.noun(), existing.number);
        warnings.push(Warning::new(WarningCode::Adopted, sentence));
        return Ok(Plan { action: Action::Adopt(Box::new(existing.clone())), warnings });
    }
    unlocked(document.draft(), &facts.organisation)?;
    if document.total().is_zero() && document.draft().status == DocumentStatus::Authorised {
        let sentence = "The total is 0.00, so Xero marks the document as paid at once.";
        warnings.push(Warning::new(WarningCode::ZeroTotalPaid, sentence));
    }
    Ok(Plan { action: Action::Create { document: Box::new(document), debtor }, warnings })
}

fn required_contacts(client: &Client, rules: &Rules) -> Result<(), HoldReason> {
    let missing = |code, which: &str| {
        Err(HoldReason::new(code, format!("{} has no {which} contact in ConnectWise.", client.name)))
    };
    match (rules.required_contacts, &client.primary_contact, &client.billing_contact) {
        (RequiredContacts::Both, None, _) => missing(HoldCode::NoPrimaryContact, "primary"),
        (RequiredContacts::Both, _, None) => missing(HoldCode::NoBillingContact, "billing"),
        (RequiredContacts::Any, None, None) => missing(HoldCode::NoBillingContact, "primary or billing"),
        _ => Ok(()),
    }
}

fn debtor(facts: &Facts, rules: &Rules) -> Result<Debtor, HoldReason> {
    let client = &facts.client;
    let names = |contacts: &[Contact]| {
        let named: Vec<String> = contacts
            .iter()
            .map(|contact| match &contact.number {
                Some(number) => format!("'{}' (contact code {number})", contact.name),
                None => format!("'{}'", contact.name),
            })
            .collect();
        named.join(", ")
    };
    let (code, sentence) = match &facts.contact {
        ContactMatch::Known(id) => return Ok(Debtor::Contact(*id)),
        ContactMatch::New if rules.new_contacts == NewContacts::Create => {
            return Ok(Debtor::Create(Box::new(client.clone())));
        }
        ContactMatch::New => {
            (HoldCode::NewContact, format!("'{}' ({}) is not a contact in Xero.", client.name, client.id))
        }
        ContactMatch::Similar(candidates) => {
            let sentence = format!(
                "'{}' ({}) is not in Xero, but similar contacts are: {}.",
                client.name,
                client.id,
                names(candidates)
            );
            (HoldCode::SimilarContact, sentence)
        }
        ContactMatch::Duplicate(candidates) => {
            let sentence =
                format!("Several contacts in Xero match '{}' ({}): {}.", client.name, client.id, names(candidates));
            (HoldCode::DuplicateContact, sentence)
        }
        ContactMatch::Archived(contact) => (
            HoldCode::ArchivedContact,
            format!("The contact '{}' of '{}' is archived in Xero.", contact.name, client.name),
        ),
    };
    Err(HoldReason::new(code, sentence))
}

/// Nothing is posted into a locked period, even where an adviser's connection could; drafts may.
fn unlocked(draft: &Draft, organisation: &Organisation) -> Result<(), HoldReason> {
    if draft.status == DocumentStatus::Draft {
        return Ok(());
    }
    let locks = [("period", organisation.period_lock), ("end of year", organisation.year_lock)];
    let before = |lock: Option<Date>| lock.filter(|lock| draft.date <= *lock);
    match locks.iter().find_map(|(name, lock)| before(*lock).map(|lock| (*name, lock))) {
        None => Ok(()),
        Some((name, lock)) => {
            let sentence =
                format!("The document date {} is not after the {name} lock date {lock} in Xero.", draft.date);
            Err(HoldReason::new(HoldCode::PeriodLocked, sentence))
        }
    }
}

/// Something in which a document in Xero is not the one that would be made.
struct Difference {
    told: String,
    /// Even an operator cannot make it the same document.
    hard: bool,
}

fn differences(existing: &ExistingDocument, document: &Balanced, debtor: &Debtor) -> Vec<Difference> {
    let draft = document.draft();
    let mut differences = Vec::new();
    let mut compare = |what: &str, xeros: String, ours: String, hard: bool| {
        if xeros != ours {
            differences.push(Difference { told: format!("{what} {xeros} instead of {ours}"), hard });
        }
    };
    compare("kind", existing.kind.noun().to_owned(), draft.kind.noun().to_owned(), true);
    compare("total", existing.total.to_cents().to_string(), document.total().to_string(), true);
    compare("tax", existing.total_tax.to_cents().to_string(), document.total_tax().to_cents().to_string(), true);
    compare("currency", existing.currency.clone(), draft.currency.clone(), true);
    compare("date", existing.date.map(|date| date.to_string()).unwrap_or_default(), draft.date.to_string(), false);
    let contact = match debtor {
        Debtor::Contact(id) => id.to_string(),
        Debtor::Create(client) => format!("a new contact '{}'", client.name),
    };
    compare("contact", existing.contact_id.to_string(), contact, false);
    let unapproved =
        matches!(existing.status.as_str(), "DRAFT" | "SUBMITTED") && draft.status == DocumentStatus::Authorised;
    let void = matches!(existing.status.as_str(), "VOIDED" | "DELETED");
    if void || unapproved {
        differences.push(Difference { told: format!("status {}", existing.status), hard: void });
    }
    differences
}

/// What a fresh look at a posted record asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterPost {
    /// It is posted and marked.
    Nothing,
    /// It is posted and has to be marked in ConnectWise.
    Mark,
    /// It was changed since.
    Hold(HoldReason),
}

/// Decides about a record that was posted before: never post it again.
#[must_use]
pub fn after_post(invoice: &Invoice, posted: &Posted) -> AfterPost {
    let edited = |sentence: String| AfterPost::Hold(HoldReason::new(HoldCode::EditedAfterPost, sentence));
    if invoice.content_hash() != posted.content {
        let what = if invoice.total.abs() == posted.total {
            "its details were changed in ConnectWise since".to_owned()
        } else {
            format!("ConnectWise now says {}", invoice.total.abs())
        };
        return edited(format!("Invoice {} was posted with {}; {what}.", posted.number, posted.total));
    }
    if posted.xero_total != posted.total {
        let sentence =
            format!("Xero calculated {} for {}, ConnectWise has {}.", posted.xero_total, posted.number, posted.total);
        return AfterPost::Hold(HoldReason::new(HoldCode::TotalDiffers, sentence));
    }
    match (&invoice.batch, invoice.status.closed) {
        (Some(_), _) => AfterPost::Nothing,
        (None, true) => AfterPost::Mark,
        (None, false) => edited(format!("Invoice {} was reopened in ConnectWise after it was posted.", posted.number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_name_changes_only_when_the_batch_before_cannot_be_used_again() {
        let document = Uuid::from_u128(0x1e6c_5fc3 << 96);
        let name = |before| batch_name(5041, document, before);
        assert_eq!(name(None), "RP-I-5041-1e6c5fc3");
        assert_eq!(name(Some("RP-I-5041-1e6c5fc3")), "RP-I-5041-1e6c5fc3-2");
        assert_eq!(name(Some("RP-I-5041-1e6c5fc3-2")), "RP-I-5041-1e6c5fc3-3");
        assert_eq!(name(Some("M-2026-11")), "RP-I-5041-1e6c5fc3", "a batch of others does not count");
        assert!(batch_name(i64::MAX, document, Some(&batch_name(i64::MAX, document, None))).len() <= 50);
    }
}
