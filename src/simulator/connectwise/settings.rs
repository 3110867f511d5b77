//! How one simulated tenant behaves, including the readings of facts that nobody has confirmed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

/// What a batch with an identifier that already exists does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateBatches {
    /// It is refused with `ObjectExists`.
    Refuse,
    /// It becomes a second batch of that name.
    Accept,
}

/// What unknown and already batched ids in `processedRecordIds` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayIds {
    /// The whole batch is refused.
    Refuse,
    /// They are skipped, even when nothing is left.
    Ignore,
}

/// The sign of amounts of which only the type tells that they are owed the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Amounts are below zero.
    Negative,
    /// Amounts are above zero, and only the type tells.
    Positive,
}

/// How the accounting interface writes its dates, which have no declared format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateStyle {
    /// `2026-11-30T10:00:00Z`
    Zulu,
    /// `2026-11-30T10:00:00`
    Bare,
    /// `2026-11-30`
    DateOnly,
}

impl DateStyle {
    /// An instant in this style.
    pub(super) fn write(self, at: Timestamp) -> String {
        let civil = jiff::tz::TimeZone::UTC.to_datetime(at);
        match self {
            Self::Zulu => at.to_string(),
            Self::Bare => civil.to_string(),
            Self::DateOnly => civil.date().to_string(),
        }
    }
}

/// Whether a batched invoice may move to another closed status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusAfterBatch {
    /// It may, through `closedInvoices`.
    Allow,
    /// It may not.
    Refuse,
}

/// When what was received reaches the accounting interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchasesReach {
    /// Once its purchase order is closed.
    WhenClosed,
    /// At once.
    WhenReceived,
}

/// What the total of a purchase counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseTotal {
    /// Lines, freight and tax.
    Whole,
    /// Lines only.
    Lines,
}

/// What the export says of the cost of what is sold: `includeCogsEntriesFlag`, and what its `cost` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostRows {
    /// No accounts, so nothing can be posted.
    Off,
    /// Accounts, and the cost of the row.
    OfRow,
    /// Accounts, and the cost of one.
    OfOne,
}

/// Whether the export has the cost of what goes from the vendor to the customer: `includeCogsDropShipFlag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropShipCosts {
    /// It has.
    Shown,
    /// It has not.
    Hidden,
}

/// When expenses reach the accounting interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpensesReach {
    /// Once they are approved.
    WhenApproved,
    /// At once, as from tickets that bill what is unapproved.
    WhenEntered,
}

/// What the accounting package takes expenses as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpenseShape {
    /// A bill for each report, with a row for each entry.
    Bills,
    /// A bill for each report, with a row for each account.
    CondensedBills,
    /// A journal, each row with its other side.
    Journal,
}

/// What a change of a report's status sends for its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportCallbacks {
    /// `updated` for each of them.
    Each,
    /// Nothing.
    None,
}

/// Whether payments that came through the API are listed as unposted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiPayments {
    /// They are, as an echo of what accounting knows.
    Listed,
    /// They are not.
    Hidden,
}

/// Whether the API can mark a payment as synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStatus {
    /// It can, and the payment leaves the unposted list.
    Writable,
    /// It is answered with 200 and changes nothing.
    Ignored,
}

/// What a payment over more than the balance of its invoice does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overpayments {
    /// The balance goes below zero.
    Accept,
    /// It is refused.
    Refuse,
}

/// The shape of `expenseBills.detail.id`, which changed between versions of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpenseIds {
    /// `[310001, 310004]`
    Array,
    /// `310001`, in one row for each entry.
    Number,
}

/// How one simulated tenant behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tells the tenant's time.
    pub clock: Arc<dyn Clock>,
    /// Loopback port; 0 = any.
    pub port: u16,
    /// Login company.
    pub company: String,
    /// Public key of the API member.
    pub public_key: String,
    /// Private key of the API member.
    pub private_key: String,
    /// The integration's registered client id.
    pub client_id: String,
    /// Identifier of the API member, seen as `MemberId` of the changes it makes.
    pub api_member: String,
    /// Path of the current release, with a slash at the end.
    pub codebase: String,
    /// The first signing key of the callbacks.
    pub signing_key: String,
    /// What a repeated batch identifier does.
    pub duplicate_batches: DuplicateBatches,
    /// What unknown and batched ids in a batch do.
    pub stray_ids: StrayIds,
    /// Sign of a credit memo's header, record and unposted row.
    pub credit_memo_header: Sign,
    /// How the accounting interface writes dates.
    pub date_style: DateStyle,
    /// Whether a status may change after batching.
    pub status_after_batch: StatusAfterBatch,
    /// Making or deleting a batch sends `updated` for the records in it.
    pub batch_callbacks: bool,
    /// A payment sends `updated` for its invoice.
    pub payment_callbacks: bool,
    /// The export holds fields that its specification does not have.
    pub extra_fields: bool,
    /// `billingLogId` minus the invoice id.
    pub billing_log_offset: i64,
    /// Number in `unpostedProductId` minus the purchase order id.
    pub purchase_id_offset: i64,
    /// When purchases reach the accounting interface.
    pub purchases_reach: PurchasesReach,
    /// What the total of a purchase counts.
    pub purchase_total: PurchaseTotal,
    /// What the export says of the cost of what is sold.
    pub cost_rows: CostRows,
    /// Whether it says so of what goes from the vendor to the customer, too.
    pub drop_ship_costs: DropShipCosts,
    /// `expenseDetailId` minus the expense entry id.
    pub expense_detail_offset: i64,
    /// When expenses reach the accounting interface.
    pub expenses_reach: ExpensesReach,
    /// What the package takes expenses as.
    pub expense_shape: ExpenseShape,
    /// The shape of the ids in bills of expenses.
    pub expense_ids: ExpenseIds,
    /// Sign of a personal expense on a company card in an export.
    pub personal_expense: Sign,
    /// What a change of a report's status sends for its entries.
    pub report_callbacks: ReportCallbacks,
    /// Id in the list of unposted payments minus the payment id.
    pub unposted_payment_offset: i64,
    /// Whether payments of the API are listed as unposted.
    pub api_payments: ApiPayments,
    /// Whether the API can mark a payment as synced.
    pub sync_status: SyncStatus,
    /// What too large a payment does.
    pub overpayments: Overpayments,
    /// Account of receivables.
    pub receivable_account: String,
    /// Account of payables.
    pub payable_account: String,
    /// Account of sales tax.
    pub tax_account: String,
    /// Added to each call.
    pub latency: Duration,
    /// What counts as a second in time-outs and retries of callbacks.
    pub retry_unit: Duration,
}

impl Settings {
    /// The usual tenant, on any free port.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            port: 0,
            company: "acme".to_owned(),
            public_key: "public-key".to_owned(),
            private_key: "private-key".to_owned(),
            client_id: "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11".to_owned(),
            api_member: "readypost".to_owned(),
            codebase: "v2026_1/".to_owned(),
            signing_key: "simulated-signing-key".to_owned(),
            duplicate_batches: DuplicateBatches::Refuse,
            stray_ids: StrayIds::Refuse,
            credit_memo_header: Sign::Positive,
            date_style: DateStyle::Zulu,
            status_after_batch: StatusAfterBatch::Allow,
            batch_callbacks: true,
            payment_callbacks: false,
            extra_fields: true,
            billing_log_offset: 0,
            purchase_id_offset: 0,
            purchases_reach: PurchasesReach::WhenClosed,
            purchase_total: PurchaseTotal::Whole,
            cost_rows: CostRows::Off,
            drop_ship_costs: DropShipCosts::Hidden,
            expense_detail_offset: 0,
            expenses_reach: ExpensesReach::WhenApproved,
            expense_shape: ExpenseShape::Bills,
            expense_ids: ExpenseIds::Array,
            personal_expense: Sign::Positive,
            report_callbacks: ReportCallbacks::Each,
            unposted_payment_offset: 0,
            api_payments: ApiPayments::Listed,
            sync_status: SyncStatus::Writable,
            overpayments: Overpayments::Accept,
            receivable_account: "610".to_owned(),
            payable_account: "800".to_owned(),
            tax_account: "820".to_owned(),
            latency: Duration::ZERO,
            retry_unit: Duration::from_secs(1),
        }
    }
}
