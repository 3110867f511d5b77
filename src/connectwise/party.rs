//! The company that a record is about, with its two contacts.
//!
//! It is read afresh for every record: who has just given the company a billing contact expects the
//! retry to see it.

use super::client::{ConnectWise, malformed};
use super::failure::Denied;
use super::wire;
use crate::domain::facts::{Address, Party, Person};
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
