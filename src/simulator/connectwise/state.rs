//! Everything one tenant holds, behind one lock.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::callbacks::Callback;
use super::companies::{Company, Contact};
use super::events::Delivery;
use super::expenses::{Expense, Member, Report};
use super::inventory::Change;
use super::invoices::Invoice;
use super::key::Keys;
use super::marks::Kind;
use super::payments::Payment;
use super::purchases::PurchaseOrder;
use super::records::{NewInvoice, SegmentKind};
use super::settings::{DateStyle, Settings};
use super::tables::{Status, TaxCode, Terms};

/// Series of ids, far apart so that an id of one kind never passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Series {
    Company = 19_301,
    Contact = 24_801,
    Terms = 12,
    TaxCode = 16,
    Status = 1,
    Invoice = 5_001,
    Member = 411,
    Report = 1_801,
    Expense = 15_501,
    ExpenseBill = 430_001,
    UnpostedExpense = 720_001,
    Adjustment = 2_201,
    Transfer = 2_701,
    PurchaseOrder = 3_401,
    PurchaseLine = 9_201,
    OrderStatus = 61,
    UnpostedProcurement = 641_001,
    Unposted = 71_501,
    GlEntry = 310_001,
    Payment = 88_001,
    Batch = 202,
    Callback = 26_552,
}

/// Who makes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// Somebody at the screen.
    Staff,
    /// The API member.
    Api,
}

/// A batch and what it was made for; its entries know that they are in it.
#[derive(Clone, Debug)]
pub(super) struct BatchRow {
    pub(super) id: i64,
    pub(super) identifier: String,
    pub(super) kinds: Vec<Kind>,
    /// Its bills of expenses have one row for each account.
    pub(super) condensed: bool,
}

/// Everything one tenant holds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    /// Scheme, host and port.
    pub(super) site: String,
    pub(super) codebase: String,
    pub(super) legacy_path: bool,
    pub(super) credentials_refused: bool,
    pub(super) captions: Vec<(String, SegmentKind)>,
    /// Rows of the GL mapping beside the usual ones: type, what is mapped, segments.
    pub(super) gl_accounts: Vec<(String, String, Vec<String>)>,
    /// ISO codes.
    pub(super) currencies: Vec<String>,
    pub(super) companies: BTreeMap<i64, Company>,
    pub(super) contacts: BTreeMap<i64, Contact>,
    pub(super) terms: BTreeMap<i64, Terms>,
    pub(super) tax_codes: BTreeMap<i64, TaxCode>,
    pub(super) statuses: BTreeMap<i64, Status>,
    pub(super) invoices: BTreeMap<i64, Invoice>,
    pub(super) payments: BTreeMap<i64, Payment>,
    pub(super) order_statuses: BTreeMap<i64, Status>,
    pub(super) purchase_orders: BTreeMap<i64, PurchaseOrder>,
    pub(super) changes: BTreeMap<i64, Change>,
    pub(super) members: BTreeMap<i64, Member>,
    pub(super) reports: BTreeMap<i64, Report>,
    pub(super) expenses: BTreeMap<i64, Expense>,
    pub(super) batches: BTreeMap<i64, BatchRow>,
    pub(super) callbacks: BTreeMap<i64, Callback>,
    pub(super) queue: VecDeque<Delivery>,
    pub(super) keys: Keys,
    taken: BTreeMap<Series, i64>,
}

impl State {
    /// A tenant with the usual statuses and captions and nothing else.
    pub(super) fn new(settings: Settings) -> Self {
        let mut state = Self {
            site: String::new(),
            codebase: format!("{}/", settings.codebase.trim_end_matches('/')),
            legacy_path: true,
            credentials_refused: false,
            gl_accounts: Vec::new(),
            currencies: vec!["AUD".to_owned()],
            captions: [
                ("Account", SegmentKind::Account),
                ("Region", SegmentKind::Class),
                ("Department", SegmentKind::Class),
                ("Non-Product ID", SegmentKind::Class),
            ]
            .map(|(name, kind)| (name.to_owned(), kind))
            .to_vec(),
            companies: BTreeMap::new(),
            contacts: BTreeMap::new(),
            terms: BTreeMap::new(),
            tax_codes: BTreeMap::new(),
            statuses: BTreeMap::new(),
            invoices: BTreeMap::new(),
            payments: BTreeMap::new(),
            order_statuses: BTreeMap::new(),
            purchase_orders: BTreeMap::new(),
            changes: BTreeMap::new(),
            members: BTreeMap::new(),
            reports: BTreeMap::new(),
            expenses: BTreeMap::new(),
            batches: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            queue: VecDeque::new(),
            keys: Keys::new(&settings.signing_key),
            taken: BTreeMap::new(),
            settings,
        };
        for (name, closed) in
            [("New", false), ("Hold", false), ("Ready to Post", true), ("Closed", true), ("Posted to Xero", true)]
        {
            state.add_status(name, closed);
            state.add_order_status(name, closed);
        }
        state
    }

    /// The next id of a series.
    pub(super) fn next_id(&mut self, series: Series) -> i64 {
        let taken = self.taken.entry(series).or_insert(0);
        let id = series as i64 + *taken;
        *taken += 1;
        id
    }

    /// The tenant's time, in whole seconds as the service writes it.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.settings.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// The member that a change is signed with.
    pub(super) fn member(&self, actor: Actor) -> String {
        match actor {
            Actor::Staff => "biller".to_owned(),
            Actor::Api => self.settings.api_member.clone(),
        }
    }

    /// The tax code in force for an invoice.
    pub(super) fn tax_code_of(&self, invoice: &NewInvoice) -> Option<i64> {
        invoice.tax_code.or_else(|| self.companies.get(&invoice.company)?.new.tax_code)
    }

    /// The terms in force for an invoice.
    pub(super) fn terms_of(&self, invoice: &NewInvoice) -> Option<&Terms> {
        let id = invoice.terms.or_else(|| self.companies.get(&invoice.company)?.new.terms)?;
        self.terms.get(&id)
    }

    /// The currency of an invoice.
    pub(super) fn currency_of(&self, invoice: &NewInvoice) -> String {
        let company = || self.companies.get(&invoice.company).map(|company| company.new.currency.clone());
        invoice.currency.clone().or_else(company).unwrap_or_else(|| "AUD".to_owned())
    }

    /// The due date of an invoice: its own, or its date plus its terms.
    pub(super) fn due_date_of(&self, invoice: &NewInvoice) -> Date {
        let days = self.terms_of(invoice).map_or(0, |terms| terms.due_days);
        let by_terms = || invoice.date.checked_add(jiff::Span::new().days(days)).unwrap_or(invoice.date);
        invoice.due_date.unwrap_or_else(by_terms)
    }

    /// Cross-references and rates of a tax code, by level.
    pub(super) fn tax_levels(&self, code: i64) -> &[(String, Decimal)] {
        self.tax_codes.get(&code).map_or(&[], |code| code.levels.as_slice())
    }

    /// A civil date as the accounting interface writes it.
    pub(super) fn accounting_date(&self, date: Date) -> String {
        match self.settings.date_style {
            DateStyle::Zulu => format!("{date}T00:00:00Z"),
            DateStyle::Bare => format!("{date}T00:00:00"),
            DateStyle::DateOnly => date.to_string(),
        }
    }

    /// An instant as the accounting interface writes it.
    pub(super) fn accounting_instant(&self, at: Timestamp) -> String {
        self.settings.date_style.write(at)
    }
}
