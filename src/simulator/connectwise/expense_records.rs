//! What a test puts into members and their expenses.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::oddities::Oddities;
use super::records::Mapping;

/// A member of the staff to add.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Login name.
    pub identifier: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Number as a vendor, which bills for expenses go to; empty when nobody has entered it.
    pub vendor_number: String,
    /// Work e-mail address.
    pub email: String,
    /// What is odd about what it shows; in an export, about its bills.
    pub oddities: Oddities,
}

impl Default for NewMember {
    fn default() -> Self {
        Self {
            identifier: "jdoe".to_owned(),
            first_name: "Jo".to_owned(),
            last_name: "Doe".to_owned(),
            vendor_number: "EMP-4".to_owned(),
            email: "jo@acme.example".to_owned(),
            oddities: Oddities::default(),
        }
    }
}

/// An expense entry to add; it joins the open report of its member and month.
#[derive(Clone, Debug)]
pub struct NewExpense {
    /// Member id; one that does not exist leaves the member out.
    pub member: i64,
    /// Date of the expense.
    pub date: Date,
    /// What was paid, with the tax in it.
    pub amount: Decimal,
    /// The tax in it.
    pub tax: Decimal,
    /// Tax code id.
    pub tax_code: Option<i64>,
    /// Type by name, such as `Mileage`.
    pub kind: String,
    /// `Reimbursable`, `NonReimbursable`, `Personal`; any text, as releases may add some.
    pub classification: String,
    /// Payment method by name.
    pub payment_method: String,
    /// `Billable`, `DoNotBill` or `NoCharge`.
    pub billable: String,
    /// Company id.
    pub company: Option<i64>,
    /// Kind of what it is charged to, such as `ServiceTicket`.
    pub charge_to: String,
    /// Summary of the ticket.
    pub ticket: Option<String>,
    /// Project name.
    pub project: Option<String>,
    /// Agreement name.
    pub agreement: Option<String>,
    /// Invoice id that it is billed on.
    pub invoice: Option<i64>,
    /// Notes.
    pub notes: String,
    /// ISO code.
    pub currency: String,
    /// Location id.
    pub location_id: i64,
    /// GL mapping of the expense.
    pub mapping: Mapping,
    /// GL type when it is not EE for billable and EI for other expenses.
    pub gl_type: Option<String>,
    /// What is odd about what it shows; in an export, about its row of the bill.
    pub oddities: Oddities,
}

impl Default for NewExpense {
    fn default() -> Self {
        Self {
            member: 0,
            date: jiff::civil::date(2026, 11, 18),
            amount: Decimal::ZERO,
            tax: Decimal::ZERO,
            tax_code: None,
            kind: "Parking".to_owned(),
            classification: "Reimbursable".to_owned(),
            payment_method: "Cash".to_owned(),
            billable: "DoNotBill".to_owned(),
            company: None,
            charge_to: "ServiceTicket".to_owned(),
            ticket: None,
            project: None,
            agreement: None,
            invoice: None,
            notes: String::new(),
            currency: "AUD".to_owned(),
            location_id: 11,
            mapping: Mapping::account("493"),
            gl_type: None,
            oddities: Oddities::default(),
        }
    }
}
