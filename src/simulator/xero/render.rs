//! Documents and contacts as Xero shows them; what is null is left out.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::allocations;
use super::family::Family;
use super::records::{Allocation, Batch, Contact, Document, Kind, Line, Payment, Status, Tracking};
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
        let more = if document.kind.is_owed() { invoice(books, document, detail) } else { credit(books, document) };
        if let Value::Object(more) = more {
            fields.extend(more);
        }
    }
    compact(row)
}

fn credit(books: &Books, document: &Document) -> Value {
    let family = Family::of(document.kind);
    json!({
        family.id_field(): document.id,
        "ID": document.id,
        family.number_field(): (family == Family::CreditNotes).then_some(&document.number),
        "RemainingCredit": number(document.amount_due()),
        "Allocations": allocations::of(document),
        "Payments": payments(books, document),
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
        let paid_on = (document.status == Status::Paid).then(|| paid_on(books, document));
        let more = json!({
            "Payments": payments(books, document),
            "CreditNotes": credits(books, document, Family::CreditNotes),
            "Overpayments": credits(books, document, Family::Overpayments),
            "Prepayments": credits(books, document, Family::Prepayments),
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

/// The live payments of a document, in few words.
fn payments(books: &Books, document: &Document) -> Vec<Value> {
    // The scan is worth it only where something was paid.
    if document.amount_paid.is_zero() {
        return Vec::new();
    }
    let mine = books.payments.iter().filter(|payment| payment.document == document.id && !payment.is_deleted);
    let shown = mine.map(|payment| {
        json!({
            "PaymentID": payment.id,
            "BatchPaymentID": payment.batch,
            "Date": day(payment.date),
            "Amount": number(payment.amount),
            "Reference": payment.reference,
            "CurrencyRate": number(payment.currency_rate),
            "HasAccount": false,
            "HasValidationErrors": false,
        })
    });
    shown.collect()
}

/// The day of the last payment or allocation; a 0.00 document has none, and is paid on its own day.
fn paid_on(books: &Books, document: &Document) -> Value {
    let mine = books.payments.iter().filter(|payment| payment.document == document.id && !payment.is_deleted);
    let parts = books.documents.iter().flat_map(|credit| &credit.allocations);
    let given = parts.filter(|part| part.invoice == document.id).map(|part| part.date);
    day(mine.map(|payment| payment.date).chain(given).max().unwrap_or(document.date))
}

/// What a family has given to an invoice.
fn credits(books: &Books, invoice: &Document, family: Family) -> Vec<Value> {
    // The scan of all credit is worth it only where something was credited.
    if invoice.amount_credited.is_zero() {
        return Vec::new();
    }
    let of_family = books.documents.iter().filter(|credit| family.holds(credit.kind));
    let given = of_family.flat_map(|credit| credit.allocations.iter().map(move |part| (credit, part)));
    let mine = given.filter(|(_, part)| part.invoice == invoice.id);
    let shown = mine.map(|(credit, part)| {
        json!({
            family.id_field(): credit.id,
            "ID": credit.id,
            family.number_field(): (family == Family::CreditNotes).then_some(&credit.number),
            "Date": day(part.date),
            "DateString": day_string(part.date),
            "AppliedAmount": number(part.amount),
            "Total": number(credit.total),
            "HasErrors": false,
        })
    });
    shown.collect()
}

/// A payment as shown; what was paid is named as an invoice, whatever it is.
pub(super) fn payment(books: &Books, payment: &Payment) -> Value {
    let account = books.accounts.iter().find(|account| account.code == payment.account);
    let account = account.map(|held| json!({"AccountID": held.id, "Code": held.code, "Name": held.name}));
    let batch = books.batches.iter().find(|batch| Some(batch.id) == payment.batch);
    let updated = payment.updated.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    compact(json!({
        "PaymentID": payment.id,
        "BatchPaymentID": payment.batch,
        "BatchPayment": batch.map(|batch| self::batch(books, batch)),
        "Date": day(payment.date),
        "BankAmount": number(payment.amount),
        "Amount": number(payment.amount),
        "Reference": payment.reference,
        "CurrencyRate": number(payment.currency_rate),
        "PaymentType": payment.payment_type(),
        "Status": payment.status(),
        "UpdatedDateUTC": instant(payment.updated),
        "UpdatedDateUTCString": updated,
        "HasAccount": true,
        "IsReconciled": payment.is_reconciled,
        "Account": account,
        "Invoice": books.document(payment.document).map(|held| paid(books, held)),
        "HasValidationErrors": false,
    }))
}

/// A document as its payments name it: without amounts, which the document itself has to be asked for.
fn paid(books: &Books, document: &Document) -> Value {
    let name = match document.kind {
        Kind::ReceiveOverpayment => "AROVERPAYMENT",
        Kind::SpendOverpayment => "APOVERPAYMENT",
        Kind::ReceivePrepayment => "ARPREPAYMENT",
        Kind::SpendPrepayment => "APPREPAYMENT",
        plain => plain.name(),
    };
    json!({
        "Type": name,
        "InvoiceID": document.id,
        "InvoiceNumber": document.number,
        "Contact": books.contact(document.contact_id).map(contact_summary),
        "CurrencyCode": document.currency,
        "IsDiscounted": false,
        "HasErrors": false,
        "LineItems": [],
        "Payments": [],
        "CreditNotes": [],
        "Prepayments": [],
        "Overpayments": [],
    })
}

/// A batch as shown.
pub(super) fn batch(books: &Books, batch: &Batch) -> Value {
    let mine = || books.payments.iter().filter(|payment| payment.batch == Some(batch.id));
    let live = || mine().filter(|payment| !payment.is_deleted);
    let account = books.accounts.iter().find(|account| account.code == batch.account);
    let is_receipt = mine().next().is_none_or(|payment| payment.kind.is_sale());
    json!({
        "BatchPaymentID": batch.id,
        "Account": account.map(|held| json!({"AccountID": held.id, "Code": held.code})),
        "Reference": batch.reference,
        "Date": day(batch.date),
        "Type": if is_receipt { "RECBATCH" } else { "PAYBATCH" },
        "Status": if live().next().is_some() { "AUTHORISED" } else { "DELETED" },
        "TotalAmount": number(live().map(|payment| payment.amount).sum()),
        "UpdatedDateUTC": mine().map(|payment| payment.updated).max().map(instant),
        "IsReconciled": false,
        "Payments": live().map(|payment| json!({"PaymentID": payment.id, "Invoice": {"InvoiceID": payment.document},
            "Amount": number(payment.amount)})).collect::<Vec<_>>(),
    })
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
    let tracking: Vec<Value> = line.tracking.iter().map(tracking).collect();
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

/// One option of one category as lines show it.
pub(super) fn tracking(held: &Tracking) -> Value {
    json!({"Name": held.category, "Option": held.option,
        "TrackingCategoryID": held.category_id, "TrackingOptionID": held.option_id})
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
