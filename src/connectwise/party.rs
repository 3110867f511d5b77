//! The company that a record is about, with its two contacts; or the member.
//!
//! It is read afresh for every record: who has just given the company a billing contact expects the
//! retry to see it.

use super::client::{ConnectWise, malformed};
use super::failure::Denied;
use super::wire;
use crate::domain::facts::{Address, Party, PartyKind, Person};
use crate::remote::RemoteError;

impl ConnectWise {
    /// The company with this id.
    pub(super) async fn party(&self, id: i64) -> Result<Party, RemoteError> {
        let company: wire::Company = self.record(&format!("company/companies/{id}")).await??;
        if company.id != id {
            return Err(malformed(format!("company {} was given for {id}", company.id)));
        }
        let (primary, billing) = (&company.default_contact, &company.billing_contact);
        let (primary_contact, billing_contact) = if primary.id == billing.id {
            let person = self.person(primary).await?;
            (person.clone(), person)
        } else {
            tokio::try_join!(self.person(primary), self.person(billing))?
        };
        Ok(Party {
            id,
            kind: PartyKind::Company,
            name: company.name,
            account_number: company.account_number,
            vendor_number: String::new(),
            primary_contact,
            billing_contact,
            invoice_email: company.invoice_to_email_address,
            phone: company.phone_number,
            tax_number: company.tax_identifier,
            address: Address {
                line1: company.address_line1,
                line2: company.address_line2,
                city: company.city,
                region: company.state,
                postal_code: company.zip,
                country: company.country.name,
            },
        })
    }

    /// The member with this id; without the right to read members, as the expenses name them.
    pub(super) async fn member(&self, id: i64, name: &str) -> Result<Party, RemoteError> {
        let found: Option<wire::Member> = match self.record(&format!("system/members/{id}")).await? {
            Ok(member) => Some(member),
            Err(Denied::Forbidden(cause) | Denied::NoRecord(cause)) => {
                tracing::debug!(%cause, member.id = id, "the member cannot be read; their name in the expenses is used");
                None
            }
            Err(denied) => return Err(denied.into()),
        };
        let party = |name: String, vendor_number: String, email: String| Party {
            id,
            kind: PartyKind::Member,
            name,
            account_number: vendor_number.clone(),
            vendor_number,
            primary_contact: None::<Person>,
            billing_contact: None,
            invoice_email: email,
            phone: String::new(),
            tax_number: String::new(),
            address: Address::default(),
        };
        let Some(found) = found else { return Ok(party(name.to_owned(), String::new(), String::new())) };
        if found.id != Some(id) {
            return Err(malformed(format!("member {:?} was given for {id}", found.id)));
        }
        let full = format!("{} {}", found.first_name, found.last_name).trim().to_owned();
        let names = [full, name.trim().to_owned(), found.identifier];
        let emails = [found.primary_email, found.office_email];
        Ok(party(
            names.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            found.vendor_number,
            emails.into_iter().find(|email| !email.is_empty()).unwrap_or_default(),
        ))
    }

    /// The contact that a company refers to; none when it is gone.
    async fn person(&self, reference: &wire::Reference) -> Result<Option<Person>, RemoteError> {
        let Some(id) = reference.id else { return Ok(None) };
        let contact: wire::Contact = match self.record(&format!("company/contacts/{id}")).await? {
            Ok(contact) => contact,
            Err(Denied::NoRecord(_)) => return Ok(None),
            Err(denied) => return Err(denied.into()),
        };
        let full = format!("{} {}", contact.first_name, contact.last_name).trim().to_owned();
        let is_email = |item: &&wire::CommunicationItem| item.communication_type.eq_ignore_ascii_case("Email");
        let emails = || contact.communication_items.iter().filter(is_email).filter(|item| !item.value.is_empty());
        let email = emails().find(|item| item.default_flag == Some(true)).or_else(|| emails().next());
        let name = if full.is_empty() { reference.name.clone() } else { full };
        Ok(Some(Person { name, email: email.map(|item| item.value.clone()).unwrap_or_default() }))
    }
}
