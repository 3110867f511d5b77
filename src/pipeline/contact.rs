//! Whom a document is about, and the contact that this is in Xero.

use uuid::Uuid;

use super::deliver::{Part, Subject};
use super::met::Met;
use super::parts::Parts;
use super::post::{Stop, xero_failed};
use crate::domain::contact::{self, ContactMatch};
use crate::domain::delivery::Record;
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Address, MovementKind, Party, PartyKind, RecordFacts};
use crate::domain::warning::{Warning, WarningCode};
use crate::store::{Event, Lease};

/// Whom the document is about: nobody if it is a journal, and the rules' contact if it is a bill of the inventory.
pub(super) fn whom(party: Option<Party>, subject: &Subject<'_>) -> Option<Party> {
    match &subject.record {
        _ if subject.kind() == DocumentKind::Journal => None,
        _ if matches!(subject.part, Part::Cost(_)) => Some(of_rules(subject)),
        RecordFacts::Movement(movement) if movement.kind == MovementKind::Adjustment => Some(of_rules(subject)),
        _ => party,
    }
}

/// The contact that the rules name for bills of the inventory; it is no company of ConnectWise.
fn of_rules(subject: &Subject<'_>) -> Party {
    Party {
        id: 0,
        kind: PartyKind::Company,
        name: subject.company.rules.adjustment_contact.trim().to_owned(),
        account_number: String::new(),
        primary_contact: None,
        billing_contact: None,
        invoice_email: String::new(),
        phone: String::new(),
        tax_number: String::new(),
        vendor_number: String::new(),
        address: Address::default(),
    }
}

/// The contact by link, else by the directory; by the directory alone when an operator asked for another look. With
/// what the store has to be told when the directory knows more than it. A simulation asks the directory once for those
/// whom it has met.
pub(super) async fn known_contact(
    record: &Record,
    whom: &Party,
    subject: &Subject<'_>,
    parts: &Parts,
    met: Option<&Met>,
) -> Result<(ContactMatch, Option<Event>), Stop> {
    let company = &subject.company.id;
    // The contact of the rules is no company of ConnectWise, and may be named anew at any time.
    let linked = parts.store.contact(company, whom.link()).filter(|_| whom.id != 0);
    if let Some(contact) = linked.filter(|_| record.asked.is_none()) {
        return Ok((ContactMatch::Known(contact), None));
    }
    if let Some(found) = met.and_then(|met| met.known(company, whom)) {
        return Ok((found, None));
    }
    let directory = subject.company.client.directory().await.map_err(xero_failed)?;
    let found = contact::find(whom, &directory);
    if let Some(met) = met {
        met.note(company, whom, (&record.key, &found));
    }
    let news = match found {
        ContactMatch::Known(contact) if linked != Some(contact) && whom.id != 0 => {
            Some(Event::Linked { company: company.clone(), client: whom.link(), contact })
        }
        _ => None,
    };
    Ok((found, news))
}

pub(super) async fn create_contact(
    lease: &Lease,
    subject: &Subject<'_>,
    whom: &Party,
    parts: &Parts,
) -> Result<Uuid, Stop> {
    parts.store.creating_contact(lease, &whom.name, parts.clock.now()).await?;
    let contact = subject.company.client.create_contact(whom).await.map_err(xero_failed)?;
    let event = Event::Linked { company: subject.company.id.clone(), client: whom.link(), contact };
    parts.store.note(event, parts.clock.now()).await?;
    tracing::info!(record.key = %subject.key, xero.contact = %contact, client = whom.contact_number(), "contact created in Xero");
    Ok(contact)
}

pub(super) fn contact_warning(whom: &Party) -> Warning {
    let sentence =
        format!("The contact '{}' was created in Xero for ConnectWise {} {}.", whom.name, whom.kind.noun(), whom.id);
    Warning::new(WarningCode::ContactCreated, sentence)
}
