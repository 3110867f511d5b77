//! Companies and their contacts.

use serde_json::{Value, json};

use super::records::NewCompany;
use super::state::{Series, State};
use super::tables::{currency, reference};

/// A company.
#[derive(Clone, Debug)]
pub(super) struct Company {
    pub(super) id: i64,
    pub(super) new: NewCompany,
    primary_contact: Option<i64>,
    billing_contact: Option<i64>,
}

/// A contact of a company.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    id: i64,
    company: i64,
    role: &'static str,
}

impl State {
    pub(super) fn add_company(&mut self, new: NewCompany) -> i64 {
        let id = self.next_id(Series::Company);
        let primary_contact = new.primary_contact.then(|| self.add_contact(id, "Primary"));
        let billing_contact = new.billing_contact.then(|| self.add_contact(id, "Billing"));
        self.companies.insert(id, Company { id, new, primary_contact, billing_contact });
        id
    }

    fn add_contact(&mut self, company: i64, role: &'static str) -> i64 {
        let id = self.next_id(Series::Contact);
        self.contacts.insert(id, Contact { id, company, role });
        id
    }

    /// `{id, identifier, name}` of a company, or null.
    pub(super) fn company_reference(&self, id: i64) -> Value {
        self.companies.get(&id).map_or(
            Value::Null,
            |company| json!({"id": id, "identifier": company.new.identifier, "name": company.new.name}),
        )
    }

    pub(super) fn company_rows(&self) -> Vec<Value> {
        self.companies.values().map(|company| self.company_row(company)).collect()
    }

    fn company_row(&self, company: &Company) -> Value {
        let new = &company.new;
        let terms = new.terms.and_then(|id| self.terms.get(&id));
        let contact = |id: Option<i64>, role: &str| id.map(|id| reference(id, &format!("{} {role}", new.name)));
        json!({
            "id": company.id, "identifier": new.identifier, "name": new.name, "status": reference(1, "Active"),
            "addressLine1": new.address.line1, "addressLine2": new.address.line2, "city": new.address.city,
            "state": new.address.state, "zip": new.address.zip, "country": reference(1, &new.address.country),
            "phoneNumber": new.phone, "accountNumber": new.account_number,
            "defaultContact": contact(company.primary_contact, "Primary"),
            "billingContact": contact(company.billing_contact, "Billing"),
            "billToCompany": self.company_reference(company.id),
            "billingTerms": terms.map(|terms| reference(terms.id, &terms.name)),
            "taxCode": self.tax_code_reference(new.tax_code), "taxIdentifier": new.tax_identifier,
            "vendorIdentifier": new.vendor_number, "isVendorFlag": new.is_vendor, "currency": currency(&new.currency),
            "invoiceToEmailAddress": new.email, "invoiceCCEmailAddress": "", "deletedFlag": false,
            "site": reference(1, "Main"),
            "types": [if new.is_vendor { reference(2, "Vendor") } else { reference(1, "Customer") }],
            "_info": {"lastUpdated": self.now().to_string(), "updatedBy": "biller"},
        })
    }

    pub(super) fn contact_rows(&self) -> Vec<Value> {
        self.contacts.values().map(|contact| self.contact_row(contact)).collect()
    }

    fn contact_row(&self, contact: &Contact) -> Value {
        let company = self.companies.get(&contact.company);
        let name = company.map(|company| company.new.name.as_str());
        let email = company.map(|company| company.new.email.as_str());
        json!({
            "id": contact.id, "firstName": name, "lastName": contact.role,
            "company": self.company_reference(contact.company), "inactiveFlag": false,
            "defaultFlag": contact.role == "Primary", "defaultBillingFlag": contact.role == "Billing",
            "communicationItems": [{"id": contact.id, "type": reference(1, "Email"), "value": email,
                "defaultFlag": true, "communicationType": "Email"}],
            "_info": {"lastUpdated": self.now().to_string()},
        })
    }
}
