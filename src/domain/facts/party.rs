//! Whom a record is about: the client that is billed, or the vendor that bills.

use serde::{Deserialize, Serialize};

/// A company on the other side of a record, as ConnectWise has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// ConnectWise id: the contact number in Xero.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Account number.
    #[serde(default)]
    pub account_number: String,
    /// Number as a vendor, by which the books may know it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vendor_number: String,
    /// Name of the primary contact.
    #[serde(default)]
    pub primary_contact: Option<Person>,
    /// Name of the billing contact.
    #[serde(default)]
    pub billing_contact: Option<Person>,
    /// Where invoices go by e-mail.
    #[serde(default)]
    pub invoice_email: String,
    /// Telephone.
    #[serde(default)]
    pub phone: String,
    /// Tax number.
    #[serde(default)]
    pub tax_number: String,
    /// Postal address.
    #[serde(default)]
    pub address: Address,
}

/// A contact person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Full name.
    pub name: String,
    /// E-mail address.
    #[serde(default)]
    pub email: String,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// First line.
    pub line1: String,
    /// Second line.
    pub line2: String,
    /// City.
    pub city: String,
    /// State or region.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// Country.
    pub country: String,
}
