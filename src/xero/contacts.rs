//! The organisation's contacts: all of them in memory, kept current by what changed since, and created.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, How, Write, Xero};
use super::error::XeroError;
use super::refusal::{is_about_email_only, refusal};
use super::wire::{self, ContactRow, NewAddress, NewContact, NewContacts, NewPerson, NewPhone};
use crate::domain::contact::Contact;
use crate::domain::facts::{Address, Party, Person};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::text::hex;
use crate::remote::Answer;

/// Contacts of one page, the most that Xero gives.
const PAGE_SIZE: usize = 1000;
/// The smallest page that Xero is known to give when it does not heed the size.
const PAGE_SIZE_MIN: usize = 100;
/// Pages of one reading.
const PAGES_MAX: u32 = 500;
/// `If-Modified-Since` knows seconds, and a change may be listed a little late.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15);

/// The contacts as known last.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    directory: Mutex<Option<Directory>>,
    /// Updates that began so far, so that whoever waited for one that began later need not begin another.
    begun: AtomicU64,
    /// Xero gives the pages only in its own order.
    refuses_order: AtomicBool,
    creating: Mutex<Generation>,
}

#[derive(Debug)]
struct Directory {
    contacts: Arc<Vec<Contact>>,
    /// Where the next update begins.
    since: Timestamp,
    /// The number of the update that brought it here.
    update: u64,
}

/// Part of the keys of new contacts: a key is bound to its first answer, so a refusal ends its use.
#[derive(Debug)]
struct Generation(Uuid);

impl Default for Generation {
    fn default() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Xero {
    /// All contacts, archived ones included, as they are at this moment: one call when they are loaded.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn directory(&self) -> Result<Arc<Vec<Contact>>, XeroError> {
        let arrived = self.contacts.begun.load(Ordering::SeqCst);
        let mut held = self.contacts.directory.lock().await;
        if let Some(directory) = held.as_ref().filter(|directory| directory.update > arrived) {
            return Ok(Arc::clone(&directory.contacts));
        }
        let update = self.contacts.begun.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let since = held.as_ref().map(|directory| directory.since);
        let (rows, next) = self.read_contacts(since).await?;
        let known = held.take().map(|directory| directory.contacts).unwrap_or_default();
        let contacts = merged(known, rows);
        *held = Some(Directory { contacts: Arc::clone(&contacts), since: next, update });
        Ok(contacts)
    }

    /// The contacts changed since, or all; and where the next update begins.
    async fn read_contacts(&self, since: Option<Timestamp>) -> Result<(Vec<Contact>, Timestamp), XeroError> {
        let mut next = self.clock.now();
        let mut contacts = Vec::new();
        for page in 1..=PAGES_MAX {
            let answer = self.contacts_page(page, since).await?;
            if answer.status == reqwest::StatusCode::NOT_MODIFIED && since.is_some() {
                return Ok((contacts, earlier(next)));
            }
            let list = listed(&answer)?;
            // Our clock may be wrong, so Xero's counts as well; the earlier one loses nothing.
            next = next.min(list.at.as_deref().and_then(wire::instant).unwrap_or(next));
            let count = list.rows.len();
            contacts.extend(list.rows.into_iter().map(contact));
            let is_last = match list.pagination {
                Some(pagination) => page >= pagination.page_count,
                None => count < PAGE_SIZE_MIN,
            };
            if is_last || count == 0 {
                return Ok((contacts, earlier(next)));
            }
        }
        Err(XeroError::Malformed { cause: format!("Contacts has more than {PAGES_MAX} pages") })
    }

    async fn contacts_page(&self, page: u32, since: Option<Timestamp>) -> Result<Answer, XeroError> {
        let (page, size) = (page.to_string(), PAGE_SIZE.to_string());
        let query = [
            ("page", page.as_str()),
            ("pageSize", size.as_str()),
            ("includeArchived", "true"),
            ("summaryOnly", "true"),
            // An order that nobody can change while we turn the pages.
            ("order", "ContactID ASC"),
        ];
        let call = Call { path: "Contacts", query: &query, modified_since: since, ..Call::default() };
        let [plain @ .., _] = &query;
        let unordered = Call { query: plain, ..call };
        if self.contacts.refuses_order.load(Ordering::Relaxed) {
            return self.read(Purpose::Post, unordered).await;
        }
        let answer = self.read(Purpose::Post, call).await?;
        if answer.status != reqwest::StatusCode::BAD_REQUEST {
            return Ok(answer);
        }
        // Xero may restrict orders for large organisations; its own order must do then.
        let answer = self.read(Purpose::Post, unordered).await?;
        self.contacts.refuses_order.store(answer.status.is_success(), Ordering::Relaxed);
        Ok(answer)
    }

    /// Creates a contact for the company or member, under its ConnectWise id.
    ///
    /// The caller has brought the directory up to date and found nobody.
    ///
    /// # Errors
    /// [`XeroError::Unknown`] and [`XeroError::ServerError`] when it may be there: the directory knows.
    pub async fn create_contact(&self, party: &Party) -> Result<Uuid, XeroError> {
        // One at a time: two records of one new company make one contact.
        let mut generation = self.contacts.creating.lock().await;
        if let Some(known) = self.known(party).await {
            return Ok(known);
        }
        let created = self.put_new_contact(party, &generation).await;
        match &created {
            Ok(contact) => self.add(contact.clone()).await,
            // The same bytes under the same key: that is what a key is for.
            Err(XeroError::Unknown { .. } | XeroError::Wait { .. } | XeroError::Company { .. }) => {}
            Err(_) => *generation = Generation::default(),
        }
        created.map(|contact| contact.id)
    }

    async fn put_new_contact(&self, party: &Party, generation: &Generation) -> Result<Contact, XeroError> {
        let mut new = new_contact(party)?;
        let answer = self.put_contact(party, &new, generation).await?;
        if answer.status != 400 || !is_about_email_only(&wire::problems(&answer.body)) {
            return saved(&answer);
        }
        // A contact without an address is better than an invoice that waits for one.
        new.email_address.clear();
        new.contact_persons.iter_mut().for_each(|person| person.email_address.clear());
        saved(&self.put_contact(party, &new, generation).await?)
    }

    async fn put_contact(&self, party: &Party, new: &NewContact, generation: &Generation) -> Result<Answer, XeroError> {
        let body = serde_json::to_string(&NewContacts { contacts: [new] }).unwrap_or_default();
        let hash = hex(Sha256::digest(&body).get(..16).unwrap_or_default());
        let key = format!("readypost:contact:{}:{hash}:{}", party.contact_number(), generation.0.simple());
        let call = Call {
            path: "Contacts",
            write: Some(Write { how: How::Create, key: &key, body: &body }),
            ..Call::default()
        };
        let permit = self.permit().await?;
        self.exchange(permit, call).await
    }

    /// The active contact of the company that the directory got since the caller looked.
    async fn known(&self, party: &Party) -> Option<Uuid> {
        let number = party.contact_number();
        let held = self.contacts.directory.lock().await;
        let mut same = held.as_ref()?.contacts.iter().filter(|contact| contact.number.as_deref() == Some(&number));
        let found = same.next().filter(|contact| contact.active)?;
        same.next().is_none().then_some(found.id)
    }

    async fn add(&self, contact: Contact) {
        let mut held = self.contacts.directory.lock().await;
        if let Some(directory) = held.as_mut() {
            directory.contacts = merged(Arc::clone(&directory.contacts), vec![contact]);
        }
    }
}

/// The contacts known, with those changed put in their places and new ones at the end.
fn merged(known: Arc<Vec<Contact>>, changed: Vec<Contact>) -> Arc<Vec<Contact>> {
    let places: HashMap<Uuid, usize> = known.iter().enumerate().map(|(place, contact)| (contact.id, place)).collect();
    let is_news = |contact: &Contact| places.get(&contact.id).and_then(|place| known.get(*place)) != Some(contact);
    if !changed.iter().any(is_news) {
        return known;
    }
    let mut contacts = known.as_ref().clone();
    let mut places = places;
    for contact in changed {
        if let Some(held) = places.get(&contact.id).and_then(|place| contacts.get_mut(*place)) {
            *held = contact;
        } else {
            places.insert(contact.id, contacts.len());
            contacts.push(contact);
        }
    }
    Arc::new(contacts)
}

fn earlier(at: Timestamp) -> Timestamp {
    at.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN)
}

fn listed(answer: &Answer) -> Result<wire::Contacts, XeroError> {
    let malformed = || XeroError::Malformed { cause: format!("Contacts: {}: {}", answer.status, answer.excerpt()) };
    Some(&answer.body).filter(|_| answer.status.is_success()).and_then(|body| wire::parse(body)).ok_or_else(malformed)
}

fn contact(row: ContactRow) -> Contact {
    Contact {
        id: row.id,
        name: row.name.unwrap_or_default(),
        number: row.contact_number.filter(|number| !number.is_empty()),
        account: row.account_number.filter(|account| !account.is_empty()),
        active: row.contact_status.is_none_or(|status| status == "ACTIVE"),
    }
}

/// As with documents, a 200 counts only when it leaves no doubt.
fn saved(answer: &Answer) -> Result<Contact, XeroError> {
    if !answer.status.is_success() {
        return Err(match wire::problems(&answer.body).as_slice() {
            [] => refusal(&[format!("{} {}", answer.status, answer.excerpt())]),
            problems => refusal(problems),
        });
    }
    let doubtful =
        || XeroError::ServerError { cause: format!("{} without a clear result: {}", answer.status, answer.excerpt()) };
    let mut rows = wire::parse::<wire::Contacts>(&answer.body).ok_or_else(doubtful)?.rows.into_iter();
    let (Some(row), None) = (rows.next(), rows.next()) else { return Err(doubtful()) };
    let has_errors = row.has_validation_errors == Some(true)
        || row.validation_errors.as_ref().is_some_and(|errors| !errors.is_empty())
        || row.status_attribute_string.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("ERROR"));
    match (row.id.is_nil(), has_errors) {
        (false, false) => Ok(contact(row)),
        (true, true) => match wire::problems(&answer.body).as_slice() {
            [] => Err(doubtful()),
            problems => Err(refusal(problems)),
        },
        _ => Err(doubtful()),
    }
}

/// The contact within Xero's rules: what does not fit is left out, but for the name and the number.
fn new_contact(party: &Party) -> Result<NewContact, XeroError> {
    let name = cut(&party.name.replace(['<', '>'], " "), 255);
    if name.is_empty() {
        let sentence = format!("The {} {} has no name in ConnectWise.", party.kind.noun(), party.id);
        return Err(XeroError::Refused(HoldReason::new(HoldCode::UnreadableField, sentence)));
    }
    let billing = party.billing_contact.as_ref();
    let of_billing = || billing.map(|person| email(&person.email)).unwrap_or_default();
    let email_address =
        Some(email(&party.invoice_email)).filter(|address| !address.is_empty()).unwrap_or_else(of_billing);
    let phone_number = cut(&party.phone, 50);
    let phone = NewPhone { phone_type: "DEFAULT", phone_number };
    Ok(NewContact {
        name,
        contact_number: party.contact_number(),
        account_number: whole(&party.account_number, 50),
        email_address,
        tax_number: whole(&party.tax_number, 50),
        addresses: address(&party.address).into_iter().collect(),
        phones: Some(phone).filter(|phone| !phone.phone_number.is_empty()).into_iter().collect(),
        contact_persons: persons(party),
    })
}

/// The primary and the billing contact; one if they are the same person.
fn persons(party: &Party) -> Vec<NewPerson> {
    let both = [party.primary_contact.as_ref(), party.billing_contact.as_ref()];
    let mut persons: Vec<&Person> =
        both.into_iter().flatten().filter(|person| !person.name.trim().is_empty()).collect();
    persons.dedup_by(|one, other| one.name == other.name);
    let person = |person: &Person| {
        let name = cut(&person.name, 255);
        let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
        NewPerson {
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            email_address: email(&person.email),
            include_in_emails: false,
        }
    };
    persons.into_iter().map(person).collect()
}

fn address(address: &Address) -> Option<NewAddress> {
    let country = whole(&address.country, 50);
    let letters_only = country.chars().all(|letter| letter.is_alphabetic() || letter == ' ');
    let new = NewAddress {
        address_type: "POBOX",
        address_line1: cut(&address.line1, 500),
        address_line2: cut(&address.line2, 500),
        city: cut(&address.city, 255),
        region: cut(&address.region, 255),
        postal_code: whole(&address.postal_code, 50),
        country: if letters_only { country } else { String::new() },
    };
    let parts = [&new.address_line1, &new.address_line2, &new.city, &new.region, &new.postal_code, &new.country];
    parts.iter().any(|part| !part.is_empty()).then_some(new)
}

/// The text without superfluous spaces, at most so long.
fn cut(text: &str, chars_max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(chars_max).collect::<String>().trim_end().to_owned()
}

/// The text without superfluous spaces; nothing if it is too long, because a part of it would be wrong.
fn whole(text: &str, chars_max: usize) -> String {
    let text = cut(text, usize::MAX);
    if text.chars().count() <= chars_max { text } else { String::new() }
}

/// The first of several addresses that looks like one; else nothing, because Xero would refuse the contact.
fn email(text: &str) -> String {
    let looks_right = |address: &&str| {
        let plain = address.len() <= 255 && address.chars().all(|letter| letter.is_ascii_graphic());
        let Some((local, domain)) = address.split_once('@') else { return false };
        let labels = domain.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        });
        let named = !local.is_empty() && !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        plain && named && labels && domain.contains('.') && !address.contains(['<', '>', '(', ')', '"', '\\', ':'])
    };
    let parts = text.split([',', ';', ' ']).map(str::trim);
    parts.into_iter().find(looks_right).unwrap_or_default().to_owned()
}
