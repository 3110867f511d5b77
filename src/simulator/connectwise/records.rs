//! What a test puts into the tenant and reads back from it.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::amounts::round2;
use super::oddities::Oddities;

/// A postal address.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// First line.
    pub line1: String,
    /// Second line.
    pub line2: String,
    /// City.
    pub city: String,
    /// State or region.
    pub state: String,
    /// Postal code.
    pub zip: String,
    /// Country name.
    pub country: String,
}

/// A company to add.
#[derive(Clone, Debug)]
pub struct NewCompany {
    /// Short unique identifier.
    pub identifier: String,
    /// Name.
    pub name: String,
    /// Has a default contact.
    pub primary_contact: bool,
    /// Has a billing contact.
    pub billing_contact: bool,
    /// Account number of the finance screen; invoices cannot close without it.
    pub account_number: String,
    /// Things are bought from it.
    pub is_vendor: bool,
    /// Its number as a vendor.
    pub vendor_number: String,
    /// Where invoices go.
    pub email: String,
    /// Telephone number.
    pub phone: String,
    /// Tax registration.
    pub tax_identifier: String,
    /// Address.
    pub address: Address,
    /// Billing terms id.
    pub terms: Option<i64>,
    /// Tax code id.
    pub tax_code: Option<i64>,
    /// ISO code.
    pub currency: String,
}

impl Default for NewCompany {
    fn default() -> Self {
        Self {
            identifier: "ACME".to_owned(),
            name: "Acme".to_owned(),
            primary_contact: true,
            billing_contact: true,
            account_number: "ACME".to_owned(),
            is_vendor: false,
            vendor_number: String::new(),
            email: "accounts@acme.example".to_owned(),
            phone: "555 0100".to_owned(),
            tax_identifier: String::new(),
            address: Address::default(),
            terms: None,
            tax_code: None,
            currency: "AUD".to_owned(),
        }
    }
}

/// A catalog item on an invoice line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Catalog id.
    pub id: i64,
    /// Product id as people know it.
    pub identifier: String,
}

impl Item {
    /// An item.
    #[must_use]
    pub fn new(id: i64, identifier: &str) -> Self {
        Self { id, identifier: identifier.to_owned() }
    }
}

/// The GL mapping in force for a line, by the captions of its segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Segment "Account"; empty when the mapping is missing.
    pub account: String,
    /// Segment "Region".
    pub region: String,
    /// Segment "Department".
    pub department: String,
    /// Segment "Non-Product ID".
    pub non_product_id: String,
    /// Values of segments with other captions.
    pub other_segments: Vec<(String, String)>,
}

impl Mapping {
    /// A mapping to an account alone.
    #[must_use]
    pub fn account(account: &str) -> Self {
        Self { account: account.to_owned(), ..Self::default() }
    }
}

/// One line of an invoice, with the GL mapping in force for it.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// What was sold.
    pub description: String,
    /// How much of it; above zero on a credit memo too.
    pub quantity: Decimal,
    /// Price of one.
    pub unit_price: Decimal,
    /// Amount, when it is not quantity times price in cents.
    pub total: Option<Decimal>,
    /// Cost of one.
    pub cost: Decimal,
    /// Account of its cost, when it is a product.
    pub cost_account: String,
    /// Account of the inventory that it leaves, when it is a product.
    pub inventory_account: String,
    /// It goes from the vendor to the customer.
    pub drop_shipped: bool,
    /// The item of a product line.
    pub item: Option<Item>,
    /// GL type when it is not RP for items and R, RA or RD for the rest; such as `EE`.
    pub gl_type: Option<String>,
    /// Segment "Account"; empty when the mapping is missing.
    pub account: String,
    /// Segment "Region".
    pub region: String,
    /// Segment "Department".
    pub department: String,
    /// Segment "Non-Product ID".
    pub non_product_id: String,
    /// Values of segments with other captions.
    pub other_segments: Vec<(String, String)>,
    /// Sales tax applies.
    pub taxable: bool,
    /// Tax code other than the invoice's.
    pub tax_code: Option<i64>,
}

impl Default for NewLine {
    fn default() -> Self {
        Self {
            description: "Labour".to_owned(),
            quantity: Decimal::ONE,
            unit_price: Decimal::ZERO,
            total: None,
            cost: Decimal::ZERO,
            cost_account: "310".to_owned(),
            inventory_account: "620".to_owned(),
            drop_shipped: false,
            item: None,
            gl_type: None,
            account: "200".to_owned(),
            region: String::new(),
            department: String::new(),
            non_product_id: String::new(),
            other_segments: Vec::new(),
            taxable: true,
            tax_code: None,
        }
    }
}

impl NewLine {
    /// The GL mapping in force for it.
    pub(super) fn mapping(&self) -> Mapping {
        Mapping {
            account: self.account.clone(),
            region: self.region.clone(),
            department: self.department.clone(),
            non_product_id: self.non_product_id.clone(),
            other_segments: self.other_segments.clone(),
        }
    }

    /// The amount of the line, before tax.
    #[must_use]
    pub fn amount(&self) -> Decimal {
        self.total.unwrap_or_else(|| round2(self.quantity * self.unit_price))
    }
}

/// An invoice to add; it starts with an open status.
#[derive(Clone, Debug)]
pub struct NewInvoice {
    /// Invoice number.
    pub number: String,
    /// `Standard`, `Agreement`, `CreditMemo` and so on; any text, as releases add some.
    pub kind: String,
    /// `documentType` of the export, when it is not INVOICE or CREDIT MEMO by the kind.
    pub document_type: Option<String>,
    /// Company id.
    pub company: i64,
    /// Invoice date.
    pub date: Date,
    /// Due date, when not date plus terms.
    pub due_date: Option<Date>,
    /// Billing terms id; else the company's.
    pub terms: Option<i64>,
    /// Tax code id; else the company's.
    pub tax_code: Option<i64>,
    /// ISO code; else the company's.
    pub currency: Option<String>,
    /// The customer's purchase order.
    pub customer_po: String,
    /// Project name.
    pub project: Option<String>,
    /// Agreement name.
    pub agreement: Option<String>,
    /// Reference.
    pub reference: String,
    /// Location id.
    pub location_id: i64,
    /// Lines.
    pub lines: Vec<NewLine>,
    /// Sales tax, when it is not rates times taxable amounts in cents.
    pub sales_tax: Option<Decimal>,
    /// Total, when it is to be out of balance.
    pub total: Option<Decimal>,
    /// Taken off the total, because a down payment was invoiced before.
    pub down_payment_applied: Decimal,
    /// Taken off the total, because progress was invoiced before.
    pub progress_applied: Decimal,
    /// GL mapping of what is taken off; none = it has no GL entry.
    pub applied_mapping: Option<Mapping>,
    /// What is odd about what it shows.
    pub oddities: Oddities,
}

impl Default for NewInvoice {
    fn default() -> Self {
        Self {
            number: "1001".to_owned(),
            kind: "Standard".to_owned(),
            document_type: None,
            company: 0,
            date: jiff::civil::date(2026, 11, 30),
            due_date: None,
            terms: None,
            tax_code: None,
            currency: None,
            customer_po: String::new(),
            project: None,
            agreement: None,
            reference: String::new(),
            location_id: 11,
            lines: Vec::new(),
            sales_tax: None,
            total: None,
            down_payment_applied: Decimal::ZERO,
            progress_applied: Decimal::ZERO,
            applied_mapping: None,
            oddities: Oddities::default(),
        }
    }
}

impl NewInvoice {
    /// What is taken off the total, because it was invoiced before.
    pub(super) fn applied(&self) -> Decimal {
        self.down_payment_applied + self.progress_applied
    }

    /// Whether this is a credit memo.
    #[must_use]
    pub fn is_credit_memo(&self) -> bool {
        self.kind == "CreditMemo"
    }

    /// The subtotal of its lines.
    #[must_use]
    pub fn subtotal(&self) -> Decimal {
        self.lines.iter().map(NewLine::amount).sum()
    }
}

/// Whether a GL segment is part of the account or of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Part of `accountNumber`.
    Account,
    /// Part of `glClass`.
    Class,
}

/// A batch as the tenant holds it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Batch id.
    pub id: i64,
    /// Batch identifier.
    pub identifier: String,
    /// Invoices with entries in it, by id.
    pub invoice_ids: Vec<i64>,
    /// Purchases and changes of the inventory in it, by `unpostedProductId`.
    pub product_ids: Vec<String>,
    /// Expense entries with GL entries in it, by id.
    pub expense_ids: Vec<i64>,
    /// GL entries in it, by id; changes of the inventory by the id of their unposted row.
    pub entry_ids: Vec<i64>,
}

/// Why the tenant would not do what a person asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such record.
    #[error("no such record")]
    Unknown,
    /// The record is in a batch.
    #[error("Once posted, the status cannot be changed.")]
    Batched,
    /// The record is not in a batch, or was not.
    #[error("the record is not in a batch")]
    NotBatched,
    /// The purchase order is closed.
    #[error("the purchase order is closed")]
    Closed,
    /// The invoice is open.
    #[error("the invoice is not closed")]
    Open,
    /// The company has no account number.
    #[error(
        "Company does not have an account. Please update using the Company Finance screen before closing this invoice."
    )]
    NoAccountNumber,
    /// The batch identifier exists.
    #[error("A matching batch already exists")]
    DuplicateBatch,
    /// The callback is not acceptable.
    #[error("callbackEntry object is invalid: {0}")]
    Callback(String),
}
