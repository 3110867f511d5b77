//! What a record is called: the identifiers that every other part shares.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::hex;

/// A name that is not usable as an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a usable name: 1 to 40 of a-z, 0-9 and '-'")]
pub struct NameError(String);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                if (1..=40).contains(&text.len()) && text.bytes().all(usable) { Ok(Self(text)) } else { Err(NameError(text)) }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// One configured ConnectWise system; the `{connection}` of the callback URL.
    ConnectionId
}
name! {
    /// One configured Xero organisation.
    CompanyId
}

/// What sort of ConnectWise record is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// An invoice or credit memo; its source id is the ConnectWise invoice id.
    Invoice,
    /// A purchase order; its source id is ConnectWise's. It becomes nothing itself, its purchases do.
    PurchaseOrder,
    /// What came with one packing slip; its source id is ConnectWise's `unpostedProductId`.
    Purchase,
    /// An expense entry; its source id is ConnectWise's. It becomes a bill, or its report does.
    Expense,
    /// The expenses of a member and a period; its source id is the ConnectWise report id.
    ExpenseReport,
    /// The payments of one invoice; its source id is a [`Subject`](super::payments::Subject).
    Payment,
    /// A correction of the inventory; its source id is ConnectWise's `unpostedProductId`.
    Adjustment,
    /// Something that moves from one warehouse to another; its source id is ConnectWise's `unpostedProductId`.
    Transfer,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Invoice,
        Self::PurchaseOrder,
        Self::Purchase,
        Self::Expense,
        Self::ExpenseReport,
        Self::Adjustment,
        Self::Transfer,
        Self::Payment,
    ];

    /// The name used in keys, JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::PurchaseOrder => "purchase_order",
            Self::Purchase => "purchase",
            Self::Expense => "expense",
            Self::ExpenseReport => "expense_report",
            Self::Payment => "payment",
            Self::Adjustment => "adjustment",
            Self::Transfer => "transfer",
        }
    }

    /// Whether such a record becomes a document in Xero itself.
    #[must_use]
    pub fn has_document(self) -> bool {
        !matches!(self, Self::PurchaseOrder | Self::Payment)
    }

    /// Many of them, in a sentence.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Invoice => "invoices",
            Self::PurchaseOrder => "purchase orders",
            Self::Purchase => "purchases",
            Self::Expense => "expenses",
            Self::ExpenseReport => "expense reports",
            Self::Payment => "payments",
            Self::Adjustment => "adjustments",
            Self::Transfer => "transfers",
        }
    }
}

impl FromStr for RecordKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("kind {text:?} is none of: {}", known.join(", "))
        })
    }
}

/// The id of the record within its kind, as ConnectWise gives it: 1 to 128 printable characters.
///
/// Some ids contain what a person typed, such as a packing slip. What cannot be seen is refused, because two ids
/// that look alike would be two records; so are blanks at the ends, and the two names that addresses resolve away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceId(String);

impl SourceId {
    /// The longest id, in characters.
    pub const CHARS_MAX: usize = 128;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<i64> for SourceId {
    fn from(id: i64) -> Self {
        Self(id.to_string())
    }
}

impl TryFrom<String> for SourceId {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        let fits = (1..=Self::CHARS_MAX).contains(&text.chars().count());
        let named = text.trim() == text && !matches!(text.as_str(), "." | "..");
        if fits && named && text.chars().all(is_printable) { Ok(Self(text)) } else { Err(KeyError(text)) }
    }
}

/// Whether a character shows, or is a plain space.
fn is_printable(c: char) -> bool {
    let invisible = matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFF}' | '\u{E0000}'..='\u{E0FFF}');
    !c.is_control() && !invisible && (c == ' ' || !c.is_whitespace())
}

impl From<SourceId> for String {
    fn from(id: SourceId) -> Self {
        id.0
    }
}

/// A text that does not name a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not name a record: use connection/kind/id, for example acme/invoice/1042")]
pub struct KeyError(String);

/// The key of one posting: everything queued, leased and remembered is keyed by it.
///
/// It names the ConnectWise connection and not the Xero organisation, because which organisation a
/// record belongs to is known only after its location has been read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordKey {
    /// The ConnectWise system it comes from.
    pub connection: ConnectionId,
    /// What sort of record it is.
    pub kind: RecordKind,
    /// Its id there.
    pub source: SourceId,
}

/// The packing slip in the id of a purchase. That the id is a number, the packing slip and a word is seen, not documented;
/// none where it is not.
#[must_use]
pub fn packing_slip(id: &str) -> Option<&str> {
    id.strip_suffix("-purchase")?.split_once('-').map(|(_, slip)| slip).filter(|slip| !slip.is_empty())
}

impl RecordKey {
    /// The packing slip that a purchase came with.
    #[must_use]
    pub fn packing_slip(&self) -> Option<&str> {
        Some(self.source.as_str()).filter(|_| self.kind == RecordKind::Purchase).and_then(packing_slip)
    }

    /// The key as a part of an address: connection, kind and id, each percent-encoded.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = format!("{}/{}/", self.connection, self.kind.as_str());
        for byte in self.source.as_str().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
                _ => path.extend(["%", &hex(&[byte]).to_ascii_uppercase()]),
            }
        }
        path
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.connection, self.kind.as_str(), self.source.as_str())
    }
}

impl FromStr for RecordKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError(text.to_owned());
        let mut parts = text.splitn(3, '/');
        let connection = parts.next().and_then(|part| part.parse().ok()).ok_or_else(error)?;
        let kind = parts.next().and_then(|part| part.parse().ok()).ok_or_else(error)?;
        let source = parts.next().map(str::to_owned).and_then(|part| SourceId::try_from(part).ok());
        Ok(Self { connection, kind, source: source.ok_or_else(error)? })
    }
}

impl TryFrom<String> for RecordKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<RecordKey> for String {
    fn from(key: RecordKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text() {
        for text in ["acme/invoice/1042", "acme/purchase/3-SLIP 7/a-purchase", "acme/purchase/3-Größe ~\"4\"%-purchase"]
        {
            let key: RecordKey = text.parse().unwrap();
            assert_eq!(key.to_string().parse::<RecordKey>().unwrap(), key);
            assert_eq!(key.to_string(), text);
        }
        let long = format!("acme/invoice/{}", "x".repeat(129));
        for bad in
            ["", "acme", "acme/invoice", "acme/invoice/", "ACME/invoice/1", "acme/time/1", "acme/invoice/a\tb", &long]
        {
            assert!(bad.parse::<RecordKey>().is_err(), "{bad}");
        }
        for unseen in ["a ", " a", "a\u{200B}b", "a\u{202E}b", "a\u{A0}b", "a\u{0}", "a\nb", ".", ".."] {
            assert!(SourceId::try_from(unseen.to_owned()).is_err(), "{unseen:?}");
        }
    }

    #[test]
    fn a_key_is_one_address_whatever_its_id() {
        let key: RecordKey = "acme/purchase/3-SLIP 7/a?#é-purchase".parse().unwrap();
        assert_eq!(key.path(), "acme/purchase/3-SLIP%207%2Fa%3F%23%C3%A9-purchase");
    }
}
