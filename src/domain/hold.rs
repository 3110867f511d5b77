//! Holds and skips: why a record was not posted, in words a bookkeeper can act on.
//!
//! The codes are stable names: they are in the JSON, the page, the metrics and the README.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content::{DIFFERENCES_MAX, Difference};
use super::text::Sentence;

/// Where the cause of a hold is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In ConnectWise PSA.
    #[serde(rename = "connectwise")]
    ConnectWise,
    /// In Xero.
    Xero,
    /// In readypost's configuration file.
    Configuration,
    /// By a decision in readypost: release, adopt or skip.
    Readypost,
}

impl Place {
    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectWise => "ConnectWise",
            Self::Xero => "Xero",
            Self::Configuration => "configuration",
            Self::Readypost => "readypost",
        }
    }
}

macro_rules! hold_codes {
    ($($(#[$doc:meta])* $code:ident, $name:literal, $place:ident, $retry:literal, $cure:literal;)*) => {
        /// The stable code of a hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum HoldCode { $($(#[$doc])* #[serde(rename = $name)] $code,)* }

        impl HoldCode {
            /// Every code, in the order of the README's table.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// Where the cause is mended.
            #[must_use]
            pub fn place(self) -> Place {
                match self { $(Self::$code => Place::$place,)* }
            }

            /// What to do about it.
            #[must_use]
            pub fn cure(self) -> &'static str {
                match self { $(Self::$code => $cure,)* }
            }

            /// Whether a retry can succeed once the cure is done.
            #[must_use]
            pub fn retry_helps(self) -> bool {
                match self { $(Self::$code => $retry,)* }
            }
        }
    };
}

hold_codes! {
    /// The wanted status does not close the record.
    StatusNotClosed, "status_not_closed", ConnectWise, true,
        "Tick Closed on this status (Setup Tables > Billing Status, or PO Status), then set the record to it again.";
    /// The record is closed but not in the unposted list.
    NotUnposted, "not_unposted", ConnectWise, true,
        "Set the invoice or the purchase order to an open status and close it again, so that ConnectWise makes its GL entries. Of expenses, close what the named entries are charged to, or set `partial_reports` to post, then retry.";
    /// A line has no GL account.
    NoGlAccount, "no_gl_account", ConnectWise, true,
        "Complete the GL mapping (Setup Tables > GL Accounts), reopen the record and close it again.";
    /// A non-product line has no Non-Product ID.
    NoNonProductId, "no_non_product_id", ConnectWise, true,
        "Fill the Non-Product ID segment of this GL mapping, reopen the record and close it again.";
    /// The company has no primary contact.
    NoPrimaryContact, "no_primary_contact", ConnectWise, true,
        "Set a primary contact on the company in ConnectWise, then retry.";
    /// The company has no billing contact.
    NoBillingContact, "no_billing_contact", ConnectWise, true,
        "Set a billing contact on the company's Finance screen in ConnectWise, then retry.";
    /// The location belongs to no configured Xero organisation.
    NoCompany, "no_company", Configuration, true,
        "Add this location to one [[company]] in the configuration, or leave `locations` empty to take all.";
    /// The type of the record, or of one of its rows, is not known.
    UnknownType, "unknown_type", Readypost, true,
        "Post this record by hand and skip it here, or update readypost.";
    /// A field that posting needs is missing or unreadable.
    UnreadableField, "unreadable_field", ConnectWise, true,
        "Correct the named field in ConnectWise, then retry.";
    /// The account does not exist in Xero.
    UnknownAccount, "unknown_account", Xero, true,
        "Add the account in Xero or correct the GL mapping in ConnectWise, then retry.";
    /// The account is archived in Xero or takes no lines of documents.
    UnusableAccount, "unusable_account", Xero, true,
        "Restore the account in Xero or map to another one in ConnectWise, then retry.";
    /// The tax code does not name a tax rate in Xero.
    UnknownTax, "unknown_tax", Xero, true,
        "Give the tax code in ConnectWise the name of a tax rate in Xero, or map it under [company.rules.tax_names] or, for purchases, [company.rules.purchase_tax_names], then retry.";
    /// The tax rate is archived, or not for sales or purchases.
    UnusableTax, "unusable_tax", Xero, true,
        "Use a tax rate that is active in Xero and may be used on such documents, then retry.";
    /// The tracking option is not in Xero and the rules want a hold.
    UnknownTracking, "unknown_tracking", Xero, true,
        "Add the tracking option in Xero or correct the GL mapping, then retry.";
    /// The item code is longer than Xero allows and the rules want a hold.
    ItemCodeTooLong, "item_code_too_long", ConnectWise, true,
        "Shorten the product ID to 30 characters, or set `long_item_codes` to truncate or omit.";
    /// The organisation does not have the currency.
    CurrencyNotEnabled, "currency_not_enabled", Xero, true,
        "Add the currency in Xero (Advanced > Currencies), then retry.";
    /// A journal would have to be in another currency than the organisation's own.
    JournalCurrency, "journal_currency", Readypost, true,
        "Xero keeps manual journals in the organisation's own currency. Post the record and its journal by hand and skip it here. For a sale, `cost_of_goods` can be set to off instead, then retry.";
    /// The document's date lies in a locked period.
    PeriodLocked, "period_locked", Xero, true,
        "Move the lock date in Xero, or change the record's date in ConnectWise, then retry.";
    /// A contact of a similar name exists.
    SimilarContact, "similar_contact", Xero, true,
        "If a candidate is this company or member, give both exactly the same name, in Xero or in ConnectWise, then retry. If none is, create a contact of exactly that name in Xero, then retry.";
    /// Several contacts match.
    DuplicateContact, "duplicate_contact", Xero, true,
        "Merge the contacts in Xero, or archive all but one of them, then retry.";
    /// The contact is archived.
    ArchivedContact, "archived_contact", Xero, true,
        "Restore the contact in Xero, then retry.";
    /// The company is new and the rules do not let readypost create contacts.
    NewContact, "new_contact", Xero, true,
        "Create a contact of exactly this name in Xero, or set `new_contacts` to create, then retry.";
    /// The sums of both systems differ by more than the ceilings allow.
    OutOfBalance, "out_of_balance", ConnectWise, true,
        "Compare the sums shown. Correct the record or its tax code in ConnectWise, or raise the ceiling in the rules, then retry.";
    /// The rules want a person to look at totals of 0.00.
    ZeroTotal, "zero_total", Readypost, false,
        "Skip it, or set `zero_totals` to post: Xero marks a 0.00 document as paid at once and it cannot be edited.";
    /// A document of this number exists in Xero and is another one.
    DocumentDiffers, "document_differs", Xero, true,
        "If the document in Xero is this record, correct its total, tax and currency there, then adopt it here. If it is another one, give one of the two a new number, then retry. A void document may keep its number.";
    /// A bill in Xero could be this record, and nothing says whether it is.
    AmbiguousDocument, "ambiguous_document", Xero, true,
        "If the document in Xero is this record, adopt it here. If it is another one, change the number of one of the two, in Xero or, for a purchase, the vendor's invoice number in ConnectWise, then retry.";
    /// Xero calculated another total than ConnectWise has.
    TotalDiffers, "total_differs", Xero, true,
        "Correct the document in Xero so that its total is the one of ConnectWise, then retry: it is not posted again.";
    /// The record was changed in ConnectWise after it was posted.
    EditedAfterPost, "edited_after_post", Xero, true,
        "Correct the document in Xero and adopt it here. Or void it, take the record out of its batch in ConnectWise, give an invoice a new number, then retry: it is posted anew. What came later under the packing slip of a posted purchase needs a packing slip of its own; what came later into a posted expense report is posted by hand.";
    /// An operator asked for it to be unposted, and that cannot be done; nothing was changed.
    UnpostRefused, "unpost_refused", Xero, true,
        "Undo what the sentence names, then unpost the record again. Or retry it: it stays posted.";
    /// Some of what was posted is undone, and the rest is not.
    UnpostUnfinished, "unpost_unfinished", Xero, true,
        "Mend what the sentence names, then retry: what is undone stays so, and the rest follows.";
    /// An invoice is in Xero, and the journal of its cost of goods is not.
    CostNotPosted, "cost_not_posted", Xero, true,
        "Mend what the sentence names, then retry: only the journal is made, the invoice is not posted again. Or make the journal by hand in Xero and skip the record here; its batch in ConnectWise is then yours to make.";
    /// Xero refused the document for a reason that needs a correction.
    RefusedByXero, "refused_by_xero", Xero, true,
        "Read what Xero said, correct what it names, then retry.";
    /// Xero's plan allows no more approved documents this month.
    XeroPlanLimit, "xero_plan_limit", Xero, true,
        "Upgrade the Xero plan or wait for the next month, then retry.";
    /// ConnectWise refused to read or batch the record.
    RefusedByConnectWise, "refused_by_connectwise", ConnectWise, true,
        "Read what ConnectWise said and check the rights of the API member, then retry.";
    /// It cannot be told which invoice or payment is meant.
    AmbiguousPayment, "ambiguous_payment", ConnectWise, true,
        "Compare the two that are named. If they are one, give both the same number, total or day; if they are two, enter the missing one by hand with the other system's day. Then retry.";
    /// Both systems have payments that are too much together.
    PaymentConflict, "payment_conflict", ConnectWise, true,
        "Compare the payments of both systems and delete the one that is wrong, or enter it on the invoice that it belongs to, then retry.";
    /// A person changed or deleted a payment that readypost entered, or its other side.
    PaymentChanged, "payment_changed", ConnectWise, true,
        "Make both systems agree: undo the change, or make it in the other system, too. Then retry. A payment that readypost entered and a person deleted is entered again by a retry.";
    /// Payments cannot be entered in Xero before the invoice is approved.
    InvoiceNotApproved, "invoice_not_approved", Xero, true,
        "Approve the invoice in Xero, then retry.";
    /// All attempts failed.
    AttemptsSpent, "attempts_spent", Readypost, true,
        "Look at the last error. When its cause is gone, retry.";
    /// An operator holds or skipped an expense entry of the report.
    EntryStopped, "entry_stopped", Readypost, true,
        "Release or retry the named entry, which brings the report back. Or post the rest by hand and skip the report.";
    /// An operator holds it.
    Operator, "operator", Readypost, false,
        "Release it when it may be posted.";
}

/// A hold: stops the record until a person has acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReason {
    /// The stable code.
    pub code: HoldCode,
    /// What is wrong with this record.
    pub sentence: Sentence,
    /// What is to be mended, in words that are the same for every record that it stops; none where it is about this
    /// record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Sentence>,
    /// In what the record is not what was posted, the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

impl HoldReason {
    /// A hold with its sentence.
    #[must_use]
    pub fn new(code: HoldCode, sentence: impl Into<Sentence>) -> Self {
        Self { code, sentence: sentence.into(), cause: None, differences: Vec::new() }
    }

    /// The same with the cause that it shares with other records, such as `account '999'`.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Sentence>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same with what the differences are, as many as are kept.
    #[must_use]
    pub fn with(mut self, differences: Vec<Difference>) -> Self {
        self.differences = differences;
        self.differences.truncate(DIFFERENCES_MAX);
        self
    }
}

/// Why a record needs no posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its status is open.
    StatusOpen,
    /// Its status is closed, but not one of the statuses that post.
    StatusNotWanted,
    /// It is in a batch that readypost did not make.
    BatchedElsewhere,
    /// It is in a batch that readypost made, in an earlier life of its store.
    PostedBefore,
    /// It is dated before the rules begin to post.
    BeforeStartDate,
    /// Its total is 0.00 and the rules skip those.
    ZeroTotal,
    /// It is a purchase order, and its purchases are records of their own.
    PurchasesApart,
    /// ConnectWise lists nothing of it as unposted, and a batch of readypost does not have it.
    NothingUnposted,
    /// It is an expense, and not approved, or an entry of it is not.
    NotApproved,
    /// It is an expense entry, and its report is a record of its own.
    PostedWithReport,
    /// It is an expense report, and its entries are records of their own.
    EntriesApart,
    /// All of it was paid by the company, and the rules leave that out.
    CompanyPaid,
    /// It is an expense, and the rules do not post them.
    ExpensesOff,
    /// It leads to payments that are records of their own.
    PaymentsApart,
    /// Nothing was paid.
    NothingPaid,
    /// It is not about a sales invoice.
    NotASale,
    /// ConnectWise has no invoice of its number.
    NoInvoice,
    /// The rules do not carry payments.
    PaymentsOff,
    /// It is a change of the inventory that ConnectWise does not list as unposted.
    NotListed,
    /// The rules post nothing of its kind.
    ByRule,
    /// It no longer exists in ConnectWise.
    Deleted,
    /// An operator skipped it.
    Operator,
    /// An operator had it unposted.
    Unposted,
}

impl SkipReason {
    /// Every reason, in the order of the README's table.
    pub const ALL: &[Self] = &[
        Self::StatusOpen,
        Self::StatusNotWanted,
        Self::BatchedElsewhere,
        Self::PostedBefore,
        Self::BeforeStartDate,
        Self::ZeroTotal,
        Self::PurchasesApart,
        Self::NothingUnposted,
        Self::NotApproved,
        Self::PostedWithReport,
        Self::EntriesApart,
        Self::CompanyPaid,
        Self::ExpensesOff,
        Self::PaymentsApart,
        Self::NothingPaid,
        Self::NotASale,
        Self::NoInvoice,
        Self::PaymentsOff,
        Self::NotListed,
        Self::ByRule,
        Self::Deleted,
        Self::Operator,
        Self::Unposted,
    ];

    /// Whether a person said so: then only a person brings the record back.
    #[must_use]
    pub fn is_decided(self) -> bool {
        matches!(self, Self::Operator | Self::Unposted)
    }

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StatusOpen => "status_open",
            Self::StatusNotWanted => "status_not_wanted",
            Self::BatchedElsewhere => "batched_elsewhere",
            Self::PostedBefore => "posted_before",
            Self::BeforeStartDate => "before_start_date",
            Self::ZeroTotal => "zero_total",
            Self::PurchasesApart => "purchases_apart",
            Self::NothingUnposted => "nothing_unposted",
            Self::NotApproved => "not_approved",
            Self::PostedWithReport => "posted_with_report",
            Self::EntriesApart => "entries_apart",
            Self::CompanyPaid => "company_paid",
            Self::ExpensesOff => "expenses_off",
            Self::PaymentsApart => "payments_apart",
            Self::NothingPaid => "nothing_paid",
            Self::NotASale => "not_a_sale",
            Self::NoInvoice => "no_invoice",
            Self::PaymentsOff => "payments_off",
            Self::NotListed => "not_listed",
            Self::ByRule => "by_rule",
            Self::Deleted => "deleted",
            Self::Operator => "operator",
            Self::Unposted => "unposted",
        }
    }

    /// What it means.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::StatusOpen => "its status in ConnectWise is an open one",
            Self::StatusNotWanted => "its status in ConnectWise is not one that posts",
            Self::BatchedElsewhere => "ConnectWise has it in a batch that readypost did not make",
            Self::PostedBefore => "ConnectWise has it in a batch that readypost made before this store was begun",
            Self::BeforeStartDate => "it is dated before the rule `start_date`",
            Self::ZeroTotal => "its total is 0.00 and the rules skip those",
            Self::PurchasesApart => "its purchases are posted by themselves",
            Self::NothingUnposted => "ConnectWise lists nothing of it as unposted",
            Self::NotApproved => "it, or an expense entry in it, is not approved in ConnectWise",
            Self::PostedWithReport => "it is posted with its expense report",
            Self::EntriesApart => "its expense entries are posted by themselves",
            Self::CompanyPaid => "the company paid all of it, and the rules leave that out",
            Self::ExpensesOff => "the rule `expenses` is off",
            Self::PaymentsApart => "the payments that it leads to are carried by themselves",
            Self::NothingPaid => "nothing was paid",
            Self::NotASale => "it is no sales invoice",
            Self::NoInvoice => "the other system has no invoice of its number",
            Self::PaymentsOff => "the rule `payments` does not carry them",
            Self::NotListed => {
                "ConnectWise does not list it as unposted: it was opened, deleted, or put into a batch by somebody else"
            }
            Self::ByRule => "the rules post nothing of its kind",
            Self::Deleted => "it no longer exists in ConnectWise",
            Self::Operator => "an operator skipped it",
            Self::Unposted => "an operator had it unposted; a retry posts it anew",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_name() {
        for code in HoldCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        for reason in SkipReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
