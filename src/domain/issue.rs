//! Issues: records that wait for the same thing. A person mends it once and decides once about all of them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::delivery::{Record, State};
use super::record::CompanyId;
use super::text::hex;

/// Bytes of the hash that an id is.
const ID_BYTES: usize = 8;

/// Which issue: the same for the same company, code and cause, in every store and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssueId(String);

impl IssueId {
    /// The issue that a record waits with; none when it is not held.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let State::Held { reason } = &record.state else { return None };
        let company = record.about.as_ref().and_then(|about| about.company.as_ref());
        let company = company.map(CompanyId::as_str).unwrap_or_default();
        let cause = reason.cause.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [company, reason.code.as_str(), &cause] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        Some(Self(hex(digest.get(..ID_BYTES).unwrap_or_default())))
    }

    /// The id as text: 16 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IssueId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = text.len() == ID_BYTES * 2 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is no issue: they are 16 hexadecimal digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::delivery::{About, Trigger, accept};
    use crate::domain::hold::{HoldCode, HoldReason};
    use crate::domain::money::Money;

    fn held(id: u32, company: &str, cause: Option<&str>) -> Record {
        let key = format!("acme/invoice/{id}").parse().unwrap();
        let record = accept(None, &key, &Trigger::Operator { name: "o".to_owned() }, 1, Timestamp::UNIX_EPOCH).0;
        let reason = HoldReason::new(HoldCode::UnknownTax, format!("Line {id}"));
        let reason = if let Some(cause) = cause { reason.caused_by(cause) } else { reason };
        let about = About {
            company: Some(company.parse().unwrap()),
            number: id.to_string(),
            client: "Blue Gum Dental".into(),
            total: Money::CENT,
            currency: String::new(),
            date: None,
            party: None,
        };
        Record { about: Some(about), state: State::Held { reason }, ..record }
    }

    #[test]
    fn records_share_an_issue_by_company_code_and_cause() {
        let id = |record: &Record| IssueId::of(record).unwrap();
        let one = id(&held(1, "au", Some("tax code 'GST'")));
        assert_eq!(one, id(&held(2, "au", Some("tax code 'GST'"))));
        assert_ne!(one, id(&held(2, "nz", Some("tax code 'GST'"))));
        assert_ne!(one, id(&held(2, "au", Some("tax code ''"))));
        assert_ne!(one, id(&held(2, "au", None)));
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert!("x".parse::<IssueId>().is_err() && "ABCDEF0123456789".parse::<IssueId>().is_err());
        let done = Record { state: State::Done, ..held(1, "au", None) };
        assert_eq!(IssueId::of(&done), None);
        // It is in addresses and notes, so it stays what it is.
        assert_eq!(one.as_str(), "9e205c044ecbbb4c");
    }
}
