//! The rules of one Xero organisation: every choice that is the bookkeeper's and not readypost's.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::money::Money;
use super::terms::Overflow;

/// Statuses of expenses that nobody has to approve any more. Not among them is what was written off: nothing says
/// whether somebody approved it before.
const APPROVED: [&str; 4] = ["ApprovedByTierTwo", "ReadyToBill", "Billed", "BilledAgreement"];

/// `[company.rules]` of the configuration, with its defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// Names or ids of the billing statuses that post; empty = every closed status.
    pub invoice_statuses: Vec<String>,
    /// Names or ids of the purchase order statuses that post; empty = every closed status.
    pub purchase_statuses: Vec<String>,
    /// Records dated before it are not posted; none = all are.
    pub start_date: Option<Date>,
    /// Invoices dated before it were migrated: their reference is their number in Xero.
    pub conversion_date: Option<Date>,
    /// The status that documents get in Xero.
    pub document_status: DocumentStatus,
    /// The status that bills get in Xero; none = that of other documents.
    pub bill_status: Option<DocumentStatus>,
    /// Days until a bill is due when ConnectWise has no billing terms for it; none = it is held.
    pub bill_due_days: Option<u16>,
    /// What the number of a bill is when the vendor's is not known.
    pub missing_vendor_invoice: MissingVendorInvoice,
    /// Template of a bill's reference; parts are separated by ` | ` and dropped when empty.
    pub bill_reference: String,
    /// Code of the account for what goes from the vendor to the customer; empty = the account of the GL mapping.
    pub drop_ship_account: String,
    /// Whether the lines of bills name items.
    pub purchase_items: PurchaseItems,
    /// ConnectWise tax names and the Xero tax rate names they stand for on purchases.
    pub purchase_tax_names: BTreeMap<String, String>,
    /// Name of the Xero tax rate of what is bought without tax; empty = such lines are held.
    pub untaxed_purchases: String,
    /// What adjustments of the inventory become.
    pub adjustments: Adjustments,
    /// Name of the contact of the bills that adjustments become.
    pub adjustment_contact: String,
    /// What transfers between warehouses become.
    pub transfers: Transfers,
    /// Whether the cost of what an invoice sells is posted with it.
    pub cost_of_goods: CostOfGoods,
    /// Code of the account of what an invoice takes off because it was invoiced before, where the preview has no row
    /// for it; empty = such invoices are held.
    pub down_payment_account: String,
    /// Whether expenses are posted, and what becomes one bill.
    pub expenses: ExpensesBy,
    /// Names of the statuses of expenses that post; all of them mean that somebody approved.
    pub expense_statuses: Vec<String>,
    /// What happens to a report of which ConnectWise lists only a part as unposted.
    pub partial_reports: PartialReports,
    /// Code of the clearing account of what the company paid; empty = that is left out of bills.
    pub company_paid_account: String,
    /// Days from the date of a bill for expenses until it is due.
    pub expense_due_days: u16,
    /// Mark approved documents as sent.
    pub sent_to_contact: bool,
    /// Branding theme of the documents.
    pub branding_theme: Option<Uuid>,
    /// The most that one line's rounding may be made up for; 0 = never.
    pub rounding_ceiling: Money,
    /// The most that a document's total may be adjusted by; 0 = never.
    pub adjustment_ceiling: Money,
    /// Code of the account for rounding and adjustment lines; empty = Xero's own rounding account.
    pub rounding_account: String,
    /// Name of the tax rate of rounding and adjustment lines; empty = the country's "no tax".
    pub rounding_tax: String,
    /// What happens to a company that Xero does not know.
    pub new_contacts: NewContacts,
    /// Which contacts a company must have in ConnectWise.
    pub required_contacts: RequiredContacts,
    /// What happens to totals of 0.00.
    pub zero_totals: ZeroTotals,
    /// What happens to product IDs longer than Xero's 30 characters.
    pub long_item_codes: LongItemCodes,
    /// Where the name of a line's tax rate comes from.
    pub tax: TaxSource,
    /// ConnectWise tax names and the Xero tax rate names they stand for.
    pub tax_names: BTreeMap<String, String>,
    /// Name of the Xero tax rate of lines that are not taxable; empty = such lines are held.
    pub untaxed: String,
    /// Caption names of the segments that are tracking 1 and 2; empty = all that are neither account nor item.
    pub tracking: Vec<String>,
    /// What happens to a tracking value that Xero does not have.
    pub tracking_missing: TrackingMissing,
    /// What happens to a tracking segment that the GL mapping leaves blank.
    pub tracking_blank: TrackingBlank,
    /// Whether a non-product line must name its item.
    pub non_product_id: NonProductId,
    /// What happens to a day of the terms that the month does not have.
    pub terms_overflow: Overflow,
    /// Template of the reference; parts are separated by ` | ` and dropped when empty.
    pub reference: String,
    /// Template of a line's description.
    pub description: String,
    /// Which way payments go.
    pub payments: Payments,
    /// Whether credit memos that are applied in ConnectWise are allocated in Xero.
    pub credits: Credits,
    /// Code of the account in Xero that payments entered in ConnectWise go to.
    pub payment_account: String,
    /// What happens to the document of a record that was edited after it was posted.
    pub edited: Edited,
    /// What is proposed for one whose period is locked.
    pub edited_locked: EditedLocked,
    /// Every so many minutes both systems are asked for payments and changes of the inventory that nobody told of;
    /// 0 = never.
    pub sweep_minutes: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            invoice_statuses: Vec::new(),
            purchase_statuses: Vec::new(),
            start_date: None,
            conversion_date: None,
            document_status: DocumentStatus::Authorised,
            bill_status: None,
            bill_due_days: None,
            missing_vendor_invoice: MissingVendorInvoice::Order,
            bill_reference: "{vendor_invoice} | {po}".to_owned(),
            drop_ship_account: String::new(),
            purchase_items: PurchaseItems::Known,
            purchase_tax_names: BTreeMap::new(),
            untaxed_purchases: String::new(),
            adjustments: Adjustments::Skip,
            adjustment_contact: String::new(),
            transfers: Transfers::Skip,
            cost_of_goods: CostOfGoods::Off,
            down_payment_account: String::new(),
            expenses: ExpensesBy::Report,
            expense_statuses: APPROVED.map(str::to_owned).to_vec(),
            partial_reports: PartialReports::Hold,
            company_paid_account: String::new(),
            expense_due_days: 0,
            sent_to_contact: false,
            branding_theme: None,
            rounding_ceiling: Money::CENT * 10.into(),
            adjustment_ceiling: Money::CENT * 100.into(),
            rounding_account: String::new(),
            rounding_tax: String::new(),
            new_contacts: NewContacts::Create,
            required_contacts: RequiredContacts::Both,
            zero_totals: ZeroTotals::Hold,
            long_item_codes: LongItemCodes::Truncate,
            tax: TaxSource::Code,
            tax_names: BTreeMap::new(),
            untaxed: String::new(),
            tracking: Vec::new(),
            tracking_missing: TrackingMissing::Warn,
            tracking_blank: TrackingBlank::Ignore,
            non_product_id: NonProductId::Required,
            terms_overflow: Overflow::Clamp,
            reference: "Your: {po} | Project: {project} | {agreement}".to_owned(),
            description: "{description}".to_owned(),
            payments: Payments::Off,
            credits: Credits::Off,
            payment_account: String::new(),
            edited: Edited::Hold,
            edited_locked: EditedLocked::Hold,
            sweep_minutes: 15,
        }
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)* }
    };
}

choice! {
    /// The status of new documents in Xero.
    DocumentStatus {
        /// Approved at once.
        Authorised = "AUTHORISED",
        /// For a person to approve.
        Draft = "DRAFT",
    }
}
choice! {
    /// What happens to a company that Xero does not know.
    NewContacts {
        /// A contact is created, with a warning.
        Create = "create",
        /// The record is held.
        Hold = "hold",
    }
}
choice! {
    /// Which contacts a company must have in ConnectWise.
    RequiredContacts {
        /// A primary and a billing contact.
        Both = "both",
        /// One of them.
        Any = "any",
        /// None.
        None = "none",
    }
}
choice! {
    /// What happens to totals of 0.00, which Xero marks as paid at once and never lets be edited.
    ZeroTotals {
        /// Posted, with a warning.
        Post = "post",
        /// Not posted.
        Skip = "skip",
        /// Held.
        Hold = "hold",
    }
}
choice! {
    /// What happens to product IDs longer than Xero's 30 characters.
    LongItemCodes {
        /// The first 30 characters, with a warning.
        Truncate = "truncate",
        /// No item on the line, with a warning.
        Omit = "omit",
        /// Held.
        Hold = "hold",
    }
}
choice! {
    /// Where the name of a line's tax rate comes from.
    TaxSource {
        /// The line's tax code, else the invoice's.
        Code = "code",
        /// The XRef of the sales tax GL entries.
        GlEntry = "gl_entry",
        /// The XRefs of the tax levels that apply to the line, joined by `+`.
        Level = "level",
    }
}
choice! {
    /// What happens to a tracking value that Xero does not have.
    TrackingMissing {
        /// Posted without it, with a warning.
        Warn = "warn",
        /// Held.
        Hold = "hold",
    }
}
choice! {
    /// What happens to a tracking segment that the GL mapping leaves blank.
    TrackingBlank {
        /// Posted without it.
        Ignore = "ignore",
        /// Posted without it, with a warning.
        Warn = "warn",
    }
}
choice! {
    /// Whether a non-product line must name its item.
    NonProductId {
        /// An empty Non-Product ID holds the record.
        Required = "required",
        /// It may be empty.
        Optional = "optional",
    }
}
choice! {
    /// Whether expenses are posted, and what becomes one bill.
    ExpensesBy {
        /// The report of a member and a period.
        Report = "report",
        /// Each entry.
        Entry = "entry",
        /// Nothing.
        Off = "off",
    }
}
choice! {
    /// What happens to a report of which ConnectWise lists only a part as unposted.
    PartialReports {
        /// Held until all of it is listed.
        Hold = "hold",
        /// What is listed is posted; what comes later is held.
        Post = "post",
    }
}
choice! {
    /// Which way payments go.
    Payments {
        /// None are carried.
        Off = "off",
        /// What is paid in Xero is entered in ConnectWise.
        FromXero = "from_xero",
        /// What is paid in ConnectWise is entered in Xero.
        ToXero = "to_xero",
        /// Each is entered in the other.
        Both = "both",
    }
}

choice! {
    /// Whether credit memos that are applied in ConnectWise are allocated in Xero.
    Credits {
        /// They are not.
        Off = "off",
        /// Their credit notes are allocated to the same invoice.
        ToXero = "to_xero",
    }
}

impl Rules {
    /// Whether something that is paid or credited in ConnectWise goes to Xero.
    #[must_use]
    pub fn tells_xero(&self) -> bool {
        self.payments.to_xero() || self.credits == Credits::ToXero
    }

    /// Whether changes of the inventory are posted.
    #[must_use]
    pub fn posts_movements(&self) -> bool {
        self.adjustments != Adjustments::Skip || self.transfers != Transfers::Skip
    }

    /// Whether anything that is paid or credited goes anywhere.
    #[must_use]
    pub fn carries_payments(&self) -> bool {
        self.payments != Payments::Off || self.tells_xero()
    }
}

impl Payments {
    /// Whether what is paid in Xero is entered in ConnectWise.
    #[must_use]
    pub fn from_xero(self) -> bool {
        matches!(self, Self::FromXero | Self::Both)
    }

    /// Whether what is paid in ConnectWise is entered in Xero.
    #[must_use]
    pub fn to_xero(self) -> bool {
        matches!(self, Self::ToXero | Self::Both)
    }
}

choice! {
    /// What the number of a bill is when the vendor's is not known.
    MissingVendorInvoice {
        /// The number of the purchase order and the packing slip.
        Order = "order",
        /// The record is held until there is one.
        Hold = "hold",
    }
}
choice! {
    /// Whether the lines of bills name items; Xero counts the stock of items that it tracks by them.
    PurchaseItems {
        /// The item, if Xero has it.
        Known = "known",
        /// None.
        Omit = "omit",
    }
}
choice! {
    /// What happens to the document of a record that was edited after it was posted.
    Edited {
        /// The record is held.
        Hold = "hold",
        /// The document is changed in place, where nothing is paid on it and nobody changed it in Xero.
        Update = "update",
    }
}
choice! {
    /// What is proposed for a record that was edited after its period was locked.
    EditedLocked {
        /// Nothing.
        Hold = "hold",
        /// A credit and a new document, both in the first open period.
        NextPeriod = "next_period",
    }
}
choice! {
    /// What adjustments of the inventory become.
    Adjustments {
        /// A manual journal.
        Journal = "journal",
        /// A bill of 0.00.
        Bill = "bill",
        /// Nothing.
        Skip = "skip",
    }
}
choice! {
    /// What transfers between warehouses become.
    Transfers {
        /// Nothing.
        Skip = "skip",
        /// A manual journal.
        Journal = "journal",
    }
}
choice! {
    /// Whether the cost of what an invoice sells is posted with it.
    CostOfGoods {
        /// It is not.
        Off = "off",
        /// It is, as a manual journal.
        Journal = "journal",
        /// It is, as a bill of 0.00 with the same lines.
        Bill = "bill",
    }
}
