//! Contacts: created by PUT, created or overwritten by POST, found by GET, and named on documents.

use axum::http::Method;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::check::length;
use super::filter::{Operand, fold};
use super::records::Contact;
use super::state::Books;
use super::wire::{Answer, Call, Reply, elements, envelope, guid, messages, text, validation_exception};
use super::{query, render};

/// Fields kept as they are sent.
const DETAILS: [&str; 13] = [
    "FirstName",
    "LastName",
    "CompanyNumber",
    "TaxNumber",
    "BankAccountDetails",
    "AccountsReceivableTaxType",
    "AccountsPayableTaxType",
    "DefaultCurrency",
    "SalesDefaultAccountCode",
    "PurchasesDefaultAccountCode",
    "Addresses",
    "Phones",
    "PaymentTerms",
];

/// Field and greatest length, at the top and in addresses and phones.
const LENGTHS: [(&str, usize); 19] = [
    ("FirstName", 255),
    ("LastName", 255),
    ("CompanyNumber", 50),
    ("TaxNumber", 50),
    ("AddressLine1", 500),
    ("AddressLine2", 500),
    ("AddressLine3", 500),
    ("AddressLine4", 500),
    ("City", 255),
    ("Region", 255),
    ("PostalCode", 50),
    ("Country", 50),
    ("AttentionTo", 255),
    ("PhoneNumber", 50),
    ("PhoneAreaCode", 10),
    ("PhoneCountryCode", 20),
    ("Name", 255),
    ("ContactNumber", 50),
    ("AccountNumber", 50),
];

const UNIDENTIFIED: &str = "The Contact must contain at least 1 of the following elements to identify the contact: Name, ContactID, ContactNumber";
const ARCHIVED: &str = "The specified contact details matched an archived contact. Archived contacts cannot currently be edited via the API.";
const ARCHIVED_ON_DOCUMENT: &str = "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes.";
/// Most contact persons.
const PERSONS_MAX: usize = 5;

/// PUT and POST on the collection.
pub(super) fn write(books: &mut Books, call: &Call) -> Answer {
    let sent = elements(call, "Contacts", "Contact")?;
    save(books, call, &sent)
}

/// POST on one contact.
pub(super) fn write_one(books: &mut Books, call: &Call, id: &str) -> Answer {
    let id = find(books, id).map(|contact| contact.id).ok_or_else(Reply::not_found)?;
    let mut sent = elements(call, "Contacts", "Contact")?;
    sent.truncate(1);
    for fields in sent.iter_mut().filter_map(Value::as_object_mut) {
        fields.insert("ContactID".to_owned(), json!(id));
    }
    save(books, call, &sent)
}

/// Saves all elements, or with summarizeErrors none of them if one is wrong.
fn save(books: &mut Books, call: &Call, sent: &[Value]) -> Answer {
    let before = (sent.len() > 1).then(|| books.clone());
    let answer = save_each(books, call, sent);
    if let (Some(before), Err(_)) = (before, &answer) {
        *books = before;
    }
    answer
}

fn save_each(books: &mut Books, call: &Call, sent: &[Value]) -> Answer {
    let summarizes = call.query.summarizes_errors();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for element in sent {
        let mut problems = Vec::new();
        let mut row = match save_one(books, call, element, &mut problems)? {
            Ok(contact) => {
                let row = render::contact(&contact);
                books.put_contact(contact);
                row
            }
            Err(id) => {
                let row = echo(element, id, &problems);
                wrong.push(row.clone());
                row
            }
        };
        if let Some(fields) = row.as_object_mut().filter(|_| !summarizes) {
            let status = if problems.is_empty() { "OK" } else { "ERROR" };
            fields.insert("StatusAttributeString".to_owned(), json!(status));
            fields.insert("ValidationErrors".to_owned(), messages(&problems));
        }
        rows.push(row);
    }
    if !summarizes || wrong.is_empty() {
        return Ok(envelope(call.now, "Contacts", rows, None));
    }
    Err(validation_exception(&wrong))
}

fn echo(element: &Value, id: Uuid, problems: &[String]) -> Value {
    let mut row = element.clone();
    if let Some(fields) = row.as_object_mut() {
        fields.insert("ContactID".to_owned(), json!(id));
        fields.insert("HasValidationErrors".to_owned(), json!(true));
        fields.insert("ValidationErrors".to_owned(), messages(problems));
        for list in ["Addresses", "Phones", "ContactGroups", "ContactPersons"] {
            fields.entry(list).or_insert_with(|| json!([]));
        }
    }
    row
}

/// The contact to be saved, or the id of the refused element.
fn save_one(
    books: &Books,
    call: &Call,
    element: &Value,
    problems: &mut Vec<String>,
) -> Result<Result<Contact, Uuid>, Reply> {
    let held = if call.method == Method::PUT { None } else { target(books, element)? };
    let id = held.map_or(Uuid::nil(), |held| held.id);
    if held.is_some_and(|held| !held.active) {
        problems.push(ARCHIVED.to_owned());
        return Ok(Err(id));
    }
    let contact = merged(held, element, call.now);
    check(books, &contact, element, problems);
    Ok(if problems.is_empty() { Ok(contact) } else { Err(id) })
}

/// The contact that a POST means: by id, number or name, each of which overwrites.
fn target<'a>(books: &'a Books, element: &Value) -> Result<Option<&'a Contact>, Reply> {
    if let Some(id) = guid(element, "ContactID") {
        return books.contact(id).map(Some).ok_or_else(Reply::not_found);
    }
    let by_number = text(element, "ContactNumber").and_then(|number| books.contact_numbered(&number));
    Ok(by_number.or_else(|| text(element, "Name").and_then(|name| books.active_contact_named(&name))))
}

fn merged(held: Option<&Contact>, element: &Value, now: Timestamp) -> Contact {
    let fresh = || Contact {
        id: Uuid::new_v4(),
        name: String::new(),
        number: None,
        account_number: None,
        email: None,
        active: true,
        is_customer: false,
        is_supplier: false,
        details: Map::new(),
        updated: now,
    };
    let mut contact = held.cloned().unwrap_or_else(fresh);
    contact.updated = now;
    contact.name = element.get("Name").and_then(Value::as_str).map_or(contact.name, str::to_owned);
    contact.number = text(element, "ContactNumber").or(contact.number);
    contact.account_number = text(element, "AccountNumber").or(contact.account_number);
    contact.email = text(element, "EmailAddress").or(contact.email);
    contact.active = element.get("ContactStatus").and_then(Value::as_str) != Some("ARCHIVED");
    for field in DETAILS {
        if let Some(value) = element.get(field).filter(|value| !value.is_null()) {
            contact.details.insert(field.to_owned(), value.clone());
        }
    }
    // Persons that are not listed again are dropped.
    match element.get("ContactPersons") {
        Some(persons @ Value::Array(_)) => contact.details.insert("ContactPersons".to_owned(), persons.clone()),
        _ => contact.details.remove("ContactPersons"),
    };
    contact
}

fn check(books: &Books, contact: &Contact, element: &Value, problems: &mut Vec<String>) {
    let name = &contact.name;
    if name.is_empty() {
        let identified = contact.number.is_some() || element.get("ContactID").is_some();
        problems.push(if identified { "The contact name must be specified." } else { UNIDENTIFIED }.to_owned());
    }
    if name.contains(['<', '>']) {
        problems.push("The contact name cannot contain the characters < or >.".to_owned());
    }
    if name.trim() != name || name.contains("  ") {
        problems.push("The contact name cannot contain leading, trailing or double spaces.".to_owned());
    }
    if books.active_contact_named(name).is_some_and(|held| held.id != contact.id) {
        problems.push(format!(
            "The contact name {name} is already assigned to another contact. The contact name must be unique across all active contacts."
        ));
    }
    let number = contact.number.as_ref().and_then(|number| books.contact_numbered(number));
    if number.is_some_and(|held| held.id != contact.id) {
        problems.push("Another contact has this contact number. Please enter a different contact number.".to_owned());
    }
    let same = |held: &&Contact| held.account_number.is_some() && held.account_number == contact.account_number;
    if books.contacts.iter().filter(same).any(|held| held.id != contact.id) {
        problems.push("The Account Number already exists. Please enter a different Account Number.".to_owned());
    }
    if let Some(email) = &contact.email
        && !is_email(email)
    {
        problems.push("Email address must be valid.".to_owned());
    }
    if element.get("ContactPersons").and_then(Value::as_array).is_some_and(|list| list.len() > PERSONS_MAX) {
        problems.push("You can only have a maximum of 5 contact persons.".to_owned());
    }
    check_details(element, problems);
}

fn check_details(element: &Value, problems: &mut Vec<String>) {
    let inner = ["Addresses", "Phones"].into_iter().filter_map(|key| element.get(key)).filter_map(Value::as_array);
    for row in std::iter::once(element).chain(inner.flatten()) {
        for (field, max) in LENGTHS {
            length(field, &text(row, field).unwrap_or_default(), max, problems);
        }
        let letters = |text: String| text.chars().all(|letter| letter.is_alphabetic() || letter.is_whitespace());
        if !text(row, "Country").is_none_or(letters) {
            problems.push("Country must contain letters only.".to_owned());
        }
    }
    let terms = element.get("PaymentTerms").and_then(Value::as_object);
    let days = terms.into_iter().flat_map(Map::values).filter_map(|term| term.get("Day")?.as_u64());
    for day in days.filter(|day| *day > 31) {
        problems.push(format!("The payment term day {day} is invalid. Day must be between 0 and 31."));
    }
}

/// Close to Xero's rule, which takes ASCII only.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain =
        text.len() <= 255 && text.chars().all(|letter| letter.is_ascii_graphic() && letter != ',' && letter != ';');
    let dotted = domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.') && !domain.contains("..");
    plain && !local.is_empty() && dotted && !domain.contains('@')
}

/// The contact named on a document, which may be new or changed by it; the caller saves it.
pub(super) fn for_document(
    books: &Books,
    named: &Value,
    now: Timestamp,
    problems: &mut Vec<String>,
) -> Result<Option<Contact>, Reply> {
    let (id, number, name) = (guid(named, "ContactID"), text(named, "ContactNumber"), text(named, "Name"));
    let held = match (id, &number, &name) {
        (Some(id), ..) => Some(books.contact(id).ok_or_else(Reply::not_found)?),
        (None, Some(number), _) => books.contact_numbered(number),
        (None, None, Some(name)) => books.active_contact_named(name),
        (None, None, None) => {
            problems.push(UNIDENTIFIED.to_owned());
            return Ok(None);
        }
    };
    if held.is_some_and(|held| !held.active) {
        problems.push(ARCHIVED_ON_DOCUMENT.to_owned());
        return Ok(None);
    }
    // Anything beside the identifier updates the contact.
    let fields = named.as_object().map_or(0, Map::len);
    match held {
        Some(held) if fields <= 1 => Ok(Some(held.clone())),
        _ => {
            let contact = merged(held, named, now);
            check(books, &contact, named, problems);
            Ok(Some(contact))
        }
    }
}

fn find<'a>(books: &'a Books, wanted: &str) -> Option<&'a Contact> {
    match wanted.parse() {
        Ok(id) => books.contact(id),
        Err(_) => books.contact_numbered(wanted),
    }
}

/// GET of one contact by id or number, archived or not.
pub(super) fn read_one(books: &Books, call: &Call, wanted: &str) -> Answer {
    let contact = find(books, wanted).ok_or_else(Reply::not_found)?;
    Ok(envelope(call.now, "Contacts", vec![render::contact(contact)], None))
}

/// GET of the collection; archived contacts only when asked for.
pub(super) fn read(books: &Books, call: &Call) -> Answer {
    let ids = call.query.ids("IDs")?;
    let archived = call.query.is("includeArchived");
    let term = call.query.get("searchTerm").map(fold);
    let listed = |contact: &&Contact| {
        (contact.active || archived)
            && ids.as_ref().is_none_or(|list| list.contains(&contact.id))
            && term.as_ref().is_none_or(|term| mentions(contact, term))
    };
    let rows: Vec<&Contact> = books.contacts.iter().filter(listed).collect();
    let rows = query::select(call, rows, &|contact, name| field(contact, name))?;
    let (rows, pagination) = query::paged(call, rows)?;
    let summary = call.query.is("summaryOnly");
    let rows = rows.into_iter().map(|contact| {
        let mut row = render::contact(contact);
        if let Some(fields) = row.as_object_mut().filter(|_| summary) {
            fields.retain(|key, _| !matches!(key.as_str(), "Addresses" | "Phones" | "ContactPersons" | "PaymentTerms"));
        }
        row
    });
    Ok(envelope(call.now, "Contacts", rows.collect(), pagination))
}

fn mentions(contact: &Contact, term: &str) -> bool {
    let detail = |key: &str| contact.details.get(key).and_then(Value::as_str);
    let texts = [
        Some(contact.name.as_str()),
        contact.number.as_deref(),
        contact.email.as_deref(),
        detail("FirstName"),
        detail("LastName"),
    ];
    texts.into_iter().flatten().any(|text| fold(text).contains(term))
}

fn field(contact: &Contact, name: &str) -> Result<Option<Operand>, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "contactid" => Some(Operand::Guid(contact.id)),
        "name" => Some(Operand::text(&contact.name)),
        "contactnumber" => contact.number.as_deref().map(Operand::text),
        "accountnumber" => contact.account_number.as_deref().map(Operand::text),
        "emailaddress" => contact.email.as_deref().map(Operand::text),
        "contactstatus" => Some(Operand::text(if contact.active { "ACTIVE" } else { "ARCHIVED" })),
        "iscustomer" => Some(Operand::Flag(contact.is_customer)),
        "issupplier" => Some(Operand::Flag(contact.is_supplier)),
        "updateddateutc" => Some(Operand::Date(contact.updated.to_zoned(TimeZone::UTC).datetime())),
        _ => return Err(format!("No property or field '{name}' exists in type 'Contact'")),
    })
}
