//! Whom a record is about: the client that is billed, the vendor that bills, the member who spent.

use serde::{Deserialize, Serialize};

/// Whoever is on the other side of a record, as ConnectWise has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// ConnectWise id; companies and members are numbered apart.
    pub id: i64,
    /// Company or member.
    #[serde(default, skip_serializing_if = "PartyKind::is_company")]
    pub kind: PartyKind,
    /// Name.
    pub name: String,
    /// Account number; of a member, the number as a vendor.
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

/// What sort of party it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartyKind {
    /// A client or a vendor.
    #[default]
    Company,
    /// A member of the staff.
    Member,
}

impl PartyKind {
    /// The id under which the store keeps the contact of the party: below zero for members.
    ///
    /// ConnectWise numbers companies and members apart, both from 1.
    #[must_use]
    pub fn link(self, id: i64) -> i64 {
        match self {
            Self::Company => id,
            Self::Member => id.saturating_neg(),
        }
    }

    /// As a person says it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Company => "company",
            Self::Member => "member",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
    fn is_company(&self) -> bool {
        *self == Self::Company
    }
}

impl Party {
    /// The contact number in Xero: a company's id, or a member's after `M-`.
    #[must_use]
    pub fn contact_number(&self) -> String {
        match self.kind {
            PartyKind::Company => self.id.to_string(),
            PartyKind::Member => format!("M-{}", self.id),
        }
    }

    /// The id under which the store keeps its contact.
    #[must_use]
    pub fn link(&self) -> i64 {
        self.kind.link(self.id)
    }
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
