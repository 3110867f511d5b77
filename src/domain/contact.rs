//! Which Xero contact a ConnectWise company is: by number, then by exact name, else nobody; a vendor also by a similar
//! name with its vendor number.
//!
//! A near miss is never taken: a wrong contact is a wrong debtor, and a second contact of almost the
//! same name is the complaint most heard of other products. It is held with the candidates.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::facts::Party;

/// A contact as the directory of a Xero organisation lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Xero's id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Contact number (Xero's pages call it contact code); readypost keeps the ConnectWise company id here.
    #[serde(default)]
    pub number: Option<String>,
    /// Account number, which people type in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Not archived.
    pub active: bool,
}

/// What the directory says about a company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactMatch {
    /// Exactly this contact.
    Known(Uuid),
    /// Nobody of this number, name or a similar name.
    New,
    /// Only contacts of a similar name, or of this name under another company's number.
    Similar(Vec<Contact>),
    /// More than one contact of this number or name.
    Duplicate(Vec<Contact>),
    /// The contact is archived.
    Archived(Contact),
}

/// Finds the company in the organisation's contacts.
#[must_use]
pub fn find(party: &Party, directory: &[Contact]) -> ContactMatch {
    let number = party.id.to_string();
    let of_number: Vec<&Contact> =
        directory.iter().filter(|contact| contact.number.as_deref() == Some(&number)).collect();
    if let Some(found) = only(&of_number) {
        return found;
    }
    let of_name: Vec<&Contact> = directory.iter().filter(|contact| contact.name == party.name).collect();
    let taken =
        |contact: &&&Contact| contact.active && contact.number.as_deref().is_some_and(|other| !other.is_empty());
    let others: Vec<Contact> = of_name.iter().filter(taken).copied().cloned().collect();
    if !others.is_empty() {
        return ContactMatch::Similar(others);
    }
    if let Some(found) = only(&of_name) {
        return found;
    }
    let wanted = skeleton(&party.name);
    let similar: Vec<Contact> =
        directory.iter().filter(|contact| contact.active && skeleton(&contact.name) == wanted).cloned().collect();
    // A similar name and the vendor's number together are enough, each alone is not.
    let vendor = party.vendor_number.trim();
    let has_vendor_number = |contact: &&Contact| {
        let numbers = [&contact.number, &contact.account].into_iter().flatten();
        !vendor.is_empty() && numbers.map(|number| number.trim()).any(|number| number.eq_ignore_ascii_case(vendor))
    };
    let mut numbered = similar.iter().filter(has_vendor_number);
    match (numbered.next(), numbered.next()) {
        (Some(one), None) => ContactMatch::Known(one.id),
        _ if similar.is_empty() => ContactMatch::New,
        _ => ContactMatch::Similar(similar.into_iter().take(5).collect()),
    }
}

/// The verdict on contacts that match exactly; none when there are none.
fn only(matches: &[&Contact]) -> Option<ContactMatch> {
    let active: Vec<&Contact> = matches.iter().filter(|contact| contact.active).copied().collect();
    match (active.as_slice(), matches) {
        ([one], _) => Some(ContactMatch::Known(one.id)),
        ([], []) => None,
        ([], [archived, ..]) => Some(ContactMatch::Archived((*archived).clone())),
        (several, _) => Some(ContactMatch::Duplicate(several.iter().take(5).copied().cloned().collect())),
    }
}

/// A name without case, spaces, punctuation and legal forms.
fn skeleton(name: &str) -> String {
    const LEGAL_FORMS: [&str; 17] = [
        "ltd",
        "limited",
        "pty",
        "pl",
        "inc",
        "incorporated",
        "llc",
        "llp",
        "corp",
        "corporation",
        "co",
        "company",
        "plc",
        "gmbh",
        "bv",
        "the",
        "and",
    ];
    let lower = name.to_lowercase().replace("p/l", "pl").replace('.', "").replace(['\'', '’'], "");
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let kept: String = words.iter().filter(|word| !LEGAL_FORMS.contains(word)).copied().collect();
    if kept.is_empty() { words.concat() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::Address;

    fn contact(id: u128, name: &str, number: Option<&str>, active: bool) -> Contact {
        let number = number.map(str::to_owned);
        Contact { id: Uuid::from_u128(id), name: name.to_owned(), number, account: None, active }
    }

    fn party(name: &str) -> Party {
        Party {
            id: 250,
            name: name.to_owned(),
            account_number: String::new(),
            vendor_number: String::new(),
            primary_contact: None,
            billing_contact: None,
            invoice_email: String::new(),
            phone: String::new(),
            tax_number: String::new(),
            address: Address::default(),
        }
    }

    #[test]
    fn the_number_wins_over_any_name() {
        let directory = [contact(1, "Acme", None, true), contact(2, "Renamed", Some("250"), true)];
        assert_eq!(find(&party("Acme"), &directory), ContactMatch::Known(Uuid::from_u128(2)));
        let archived = [contact(1, "Acme", None, true), contact(2, "Old", Some("250"), false)];
        assert!(matches!(find(&party("Acme"), &archived), ContactMatch::Archived(_)));
        let twice = [contact(1, "A", Some("250"), true), contact(2, "B", Some("250"), true)];
        assert!(matches!(find(&party("Acme"), &twice), ContactMatch::Duplicate(_)));
    }

    #[test]
    fn a_near_miss_is_never_taken() {
        for name in ["ACME", "Acme Pty Ltd", "Acme, Inc.", "acme  ltd", "The Acme Company", "A.C.M.E. P/L"] {
            let directory = [contact(1, name, None, true)];
            assert!(matches!(find(&party("Acme"), &directory), ContactMatch::Similar(_)), "{name}");
        }
        let other_company = [contact(1, "Acme", Some("251"), true)];
        assert!(matches!(find(&party("Acme"), &other_company), ContactMatch::Similar(_)));
        assert_eq!(find(&party("Acme"), &[contact(1, "Acme", None, true)]), ContactMatch::Known(Uuid::from_u128(1)));
        assert_eq!(find(&party("Acme"), &[contact(1, "Apex", None, true)]), ContactMatch::New);
        assert_eq!(find(&party("Acme"), &[contact(1, "ACME", None, false)]), ContactMatch::New);
    }

    #[test]
    fn a_vendor_is_known_by_a_similar_name_with_its_number() {
        let vendor = |number: &str| Party { vendor_number: number.to_owned(), ..party("Acme") };
        let by_code = contact(1, "ACME PTY LTD", Some("V-310"), true);
        let by_account = Contact { account: Some("v-310 ".to_owned()), ..contact(2, "Acme Ltd", None, true) };
        let stranger = contact(3, "Apex", Some("V-310"), true);
        for known in [&by_code, &by_account] {
            assert_eq!(find(&vendor("V-310"), &[stranger.clone(), known.clone()]), ContactMatch::Known(known.id));
            assert!(matches!(find(&vendor(""), std::slice::from_ref(known)), ContactMatch::Similar(_)));
            assert!(matches!(find(&vendor("V-311"), std::slice::from_ref(known)), ContactMatch::Similar(_)));
        }
        assert!(matches!(find(&vendor("V-310"), &[by_code, by_account]), ContactMatch::Similar(_)), "two of them");
        assert_eq!(find(&vendor("V-310"), &[stranger]), ContactMatch::New, "a number alone is not enough");
    }
}
