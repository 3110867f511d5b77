//! Documents and contacts as Xero shows them; what is null is left out.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::allocations;
use super::records::{Allocation, Contact, Document, Line, Status};
use super::state::Books;
use super::wire::{day, day_string, instant, number};

/// How much of a document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// In the answer to a write.
    Created,
    /// By id, or in a paged list.
    Full,
    /// In a list without pages: no lines, and of the contact its name only.
    Summary,
}

/// Leaves out what is null.
pub(super) fn compact(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, compact(value))).collect())
        }
        Value::Array(rows) => Value::Array(rows.into_iter().map(compact).collect()),
        other => other,
    }
}

/// A document as shown.
pub(super) fn document(books: &Books, document: &Document, detail: Detail, unit_places: u32) -> Value {
    let summary = detail == Detail::Summary;
    let contact =
        books.contact(document.contact_id).map(|held| if summary { contact_summary(held) } else { contact(held) });
    let lines: Vec<Value> = if summary {
        Vec::new()
    } else {
        document.lines.iter().map(|line| self::line(books, line, unit_places)).collect()
    };
    let updated = document.updated.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut row = json!({
        "Type": document.kind.name(),
        "Contact": contact,
        "Status": document.status.name(),
        "Date": day(document.date),
        "DateString": day_string(document.date),
        "DueDate": document.due_date.map(day),
        "DueDateString": document.due_date.map(day_string),
        "LineAmountTypes": document.line_amounts.name(),
        "LineItems": lines,
        "SubTotal": number(document.sub_total),
        "TotalTax": number(document.total_tax),
        "Total": number(document.total),
        "Reference": document.reference,
        "CurrencyCode": document.currency,
        "CurrencyRate": number(document.currency_rate),
        "SentToContact": document.sent_to_contact,
        "BrandingThemeID": document.branding_theme,
        "HasErrors": false,
        "UpdatedDateUTC": instant(document.updated),
        "UpdatedDateUTCString": updated,
    });
    if let Some(fields) = row.as_object_mut() {
        let more = if document.kind.is_credit() { credit_note(document) } else { invoice(books, document, detail) };
        if let Value::Object(more) = more {
            fields.extend(more);
        }
    }
    compact(row)
}

fn credit_note(document: &Document) -> Value {
    json!({
        "CreditNoteID": document.id,
        "ID": document.id,
        "CreditNoteNumber": document.number,
        "RemainingCredit": number(document.amount_due()),
        "Allocations": allocations::of(document),
        "Payments": [],
        "HasAttachments": false,
    })
}

fn invoice(books: &Books, document: &Document, detail: Detail) -> Value {
    let discounted = document.lines.iter().any(|line| line.discount_rate.or(line.discount_amount).is_some());
    let mut row = json!({
        "InvoiceID": document.id,
        "InvoiceNumber": document.number,
        "AmountDue": number(document.amount_due()),
        "AmountPaid": number(document.amount_paid),
        "IsDiscounted": discounted,
        "Prepayments": [],
        "Overpayments": [],
        "InvoicePaymentServices": [],
    });
    // The recorded answers to writes lack these.
    if detail != Detail::Created
        && let Some(fields) = row.as_object_mut()
    {
        let paid_on = (document.status == Status::Paid).then(|| instant(document.updated));
        let more = json!({
            "Payments": [],
            "CreditNotes": credits(books, document),
            "AmountCredited": number(document.amount_credited),
            "HasAttachments": false,
            "Url": document.url,
            "FullyPaidOnDate": paid_on,
        });
        if let Value::Object(more) = more {
            fields.extend(more);
        }
    }
    row
}

fn credits(books: &Books, invoice: &Document) -> Vec<Value> {
    // The scan of all notes is worth it only where something was credited.
    if invoice.amount_credited.is_zero() {
        return Vec::new();
    }
    let notes = books.documents.iter().flat_map(|note| note.allocations.iter().map(move |part| (note, part)));
    let mine = notes.filter(|(_, part)| part.invoice == invoice.id);
    let shown = mine.map(|(note, part)| {
        json!({"CreditNoteID": note.id, "ID": note.id, "CreditNoteNumber": note.number,
            "AppliedAmount": number(part.amount), "Total": number(note.total), "HasErrors": false})
    });
    shown.collect()
}

/// An allocation as shown.
pub(super) fn allocation(allocation: &Allocation) -> Value {
    json!({
        "AllocationID": allocation.id,
        "Amount": number(allocation.amount),
        "Date": day(allocation.date),
        "Invoice": {"InvoiceID": allocation.invoice},
        "IsDeleted": false,
        "ValidationErrors": [],
    })
}

fn line(books: &Books, line: &Line, unit_places: u32) -> Value {
    let account = books.accounts.iter().find(|account| Some(&account.code) == line.account_code.as_ref());
    let item = books.items.iter().find(|item| Some(&item.code) == line.item_code.as_ref());
    let bare = line.quantity.is_zero() && line.unit_amount.is_zero() && line.account_code.is_none();
    let priced = |amount: Value| (!bare).then_some(amount);
    let tracking: Vec<Value> = line
        .tracking
        .iter()
        .map(|held| {
            json!({"Name": held.category, "Option": held.option,
                "TrackingCategoryID": held.category_id, "TrackingOptionID": held.option_id})
        })
        .collect();
    json!({
        "LineItemID": line.id,
        "Description": (!line.description.is_empty()).then_some(&line.description),
        "Quantity": priced(number(line.quantity)),
        "UnitAmount": priced(number(books.half_cent.round(line.unit_amount, unit_places))),
        "DiscountRate": line.discount_rate.map(number),
        "DiscountAmount": line.discount_amount.map(number),
        "LineAmount": number(line.line_amount),
        "TaxType": line.tax_type,
        "TaxAmount": number(line.tax_amount),
        "AccountCode": line.account_code,
        "AccountID": account.map(|account| account.id),
        "ItemCode": line.item_code,
        "Item": item.map(|item| json!({"ItemID": item.id, "Code": item.code, "Name": item.name})),
        "Tracking": tracking,
        "ValidationErrors": [],
    })
}

/// A contact with everything known about it.
pub(super) fn contact(contact: &Contact) -> Value {
    let mut row = json!({
        "ContactID": contact.id,
        "ContactNumber": contact.number,
        "AccountNumber": contact.account_number,
        "ContactStatus": if contact.active { "ACTIVE" } else { "ARCHIVED" },
        "Name": contact.name,
        "EmailAddress": contact.email.as_deref().unwrap_or_default(),
        "BankAccountDetails": "",
        "Addresses": slots(contact, "Addresses", "AddressType", &["STREET", "POBOX"]),
        "Phones": slots(contact, "Phones", "PhoneType", &["DEFAULT", "DDI", "FAX", "MOBILE"]),
        "UpdatedDateUTC": instant(contact.updated),
        "ContactGroups": [],
        "IsSupplier": contact.is_supplier,
        "IsCustomer": contact.is_customer,
        "SalesTrackingCategories": [],
        "PurchasesTrackingCategories": [],
        "ContactPersons": [],
        "HasValidationErrors": false,
        "HasAttachments": false,
    });
    if let Some(fields) = row.as_object_mut() {
        let plain = contact.details.iter().filter(|(key, _)| !matches!(key.as_str(), "Addresses" | "Phones"));
        fields.extend(plain.map(|(key, value)| (key.clone(), value.clone())));
    }
    compact(row)
}

/// A contact's name and little more.
pub(super) fn contact_summary(contact: &Contact) -> Value {
    json!({
        "ContactID": contact.id,
        "Name": contact.name,
        "Addresses": [],
        "Phones": [],
        "ContactGroups": [],
        "ContactPersons": [],
        "HasValidationErrors": false,
    })
}

/// Xero always shows every slot; those that were not sent are empty.
fn slots(contact: &Contact, key: &str, type_field: &str, types: &[&str]) -> Vec<Value> {
    let sent = contact.details.get(key).and_then(Value::as_array);
    let of = |name: &&str| {
        let held = sent.into_iter().flatten().find(|row| row.get(type_field).and_then(Value::as_str) == Some(*name));
        held.cloned().unwrap_or_else(|| {
            let blank: &[&str] = match key {
                "Addresses" => &["City", "Region", "PostalCode", "Country"],
                _ => &["PhoneNumber", "PhoneAreaCode", "PhoneCountryCode"],
            };
            let mut row: Map<String, Value> = blank.iter().map(|field| ((*field).to_owned(), json!(""))).collect();
            row.insert(type_field.to_owned(), json!(name));
            Value::Object(row)
        })
    };
    types.iter().map(of).collect()
}
