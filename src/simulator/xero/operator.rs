//! The handle of a running simulator: what a person could see and do in Xero, and its faults as a whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use jiff::SignedDuration;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Map;
use uuid::Uuid;

use super::arithmetic::HalfCent;
use super::family::Family;
use super::ledger::Journal;
use super::limits::Limits;
use super::organisation;
use super::records::{Contact, Document, NewContact, Payment, Status};
use super::replay::Replays;
use super::service::{self, Failure, Shared, State};
use super::state::{Account, Books, Item, TaxRate};
use super::token::Tokens;
use super::webhooks::Webhooks;
use crate::clock::Clock;
use crate::simulator::Server;

/// How the simulator is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tells it the time.
    pub clock: Arc<dyn Clock>,
    /// Port; 0 is any.
    pub port: u16,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: String,
    /// Other organisations that the same person lets the app into, by id and name.
    pub other_tenants: Vec<(Uuid, String)>,
    /// The organisation's tenant id.
    pub tenant_id: Uuid,
    /// Currency code of the books.
    pub base_currency: String,
    /// Calls per minute.
    pub minute_limit: u32,
    /// Calls per day; 1000 is the Starter tier.
    pub day_limit: u32,
    /// Calls at the same time.
    pub concurrent_limit: u32,
    /// How long an idempotency key lives: 6 minutes by the documentation, 20 as measured.
    pub idempotency_life: SignedDuration,
    /// What becomes of half a cent.
    pub half_cent: HalfCent,
    /// The first refresh token; with one, the app is no custom connection and must name its tenant.
    pub refresh_token: Option<String>,
    /// Time that every API call takes.
    pub latency: Duration,
    /// How long a receiver of webhooks may take.
    pub webhook_timeout: Duration,
    /// Most events in one message.
    pub webhook_events_max: usize,
    /// How often each message is sent: at least once means that it may be more than once.
    pub webhook_copies: u32,
}

impl Settings {
    /// An Australian demo organisation, connected by client credentials.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            port: 0,
            client_id: "demo-client".to_owned(),
            client_secret: "demo-secret".to_owned(),
            other_tenants: Vec::new(),
            tenant_id: Uuid::new_v4(),
            base_currency: "AUD".to_owned(),
            minute_limit: 60,
            day_limit: 5000,
            concurrent_limit: 5,
            idempotency_life: SignedDuration::from_mins(6),
            half_cent: HalfCent::default(),
            refresh_token: None,
            latency: Duration::ZERO,
            webhook_timeout: Duration::from_secs(5),
            webhook_events_max: 50,
            webhook_copies: 1,
        }
    }
}

/// A running simulator of Xero; it stops when this is dropped.
#[derive(Debug)]
pub struct Xero {
    /// The server, with its faults and its request log.
    pub server: Server,
    pub(super) http: reqwest::Client,
    shared: Arc<Shared>,
}

impl Xero {
    /// Starts it.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        // Whichever part of the process is first installs the provider; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(policy).build().map_err(std::io::Error::other)?;
        let state = State {
            books: organisation::demo(&settings.base_currency, settings.half_cent),
            tokens: Tokens::new(settings.refresh_token.clone()),
            limits: Limits::new(settings.clock.now()),
            replays: Replays::new(settings.idempotency_life),
            outage: None,
            webhooks: Webhooks::default(),
            next_write: None,
            calls: BTreeMap::new(),
        };
        let port = settings.port;
        let shared = Arc::new(Shared { settings, state: Mutex::new(state) });
        let serving = Arc::clone(&shared);
        let router = Router::new().fallback(move |request| service::handle(Arc::clone(&serving), request));
        Ok(Self { server: Server::start(port, router).await?, http, shared })
    }

    /// Base of the Accounting API, such as `http://127.0.0.1:4000/api.xro/2.0`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}/api.xro/2.0", self.server.address())
    }

    /// The token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("http://{}/connect/token", self.server.address())
    }

    /// Where a person lets an app in.
    #[must_use]
    pub fn authorize_url(&self) -> String {
        format!("http://{}/identity/connect/authorize", self.server.address())
    }

    /// How it was set up.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Every invoice, bill and credit note in the order of creation.
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        let is_wanted = |held: &&Document| matches!(Family::of(held.kind), Family::Invoices | Family::CreditNotes);
        self.shared.lock().books.documents.iter().filter(is_wanted).cloned().collect()
    }

    /// Every overpayment and prepayment in the order of creation.
    #[must_use]
    pub fn prepaid(&self) -> Vec<Document> {
        let is_wanted = |held: &&Document| matches!(Family::of(held.kind), Family::Overpayments | Family::Prepayments);
        self.shared.lock().books.documents.iter().filter(is_wanted).cloned().collect()
    }

    /// Every payment in the order of entry, the deleted ones among them.
    #[must_use]
    pub fn payments(&self) -> Vec<Payment> {
        self.shared.lock().books.payments.clone()
    }

    /// Every manual journal in the order of creation.
    #[must_use]
    pub fn journals(&self) -> Vec<Journal> {
        self.shared.lock().books.journals.clone()
    }

    /// Every contact in the order of creation.
    #[must_use]
    pub fn contacts(&self) -> Vec<Contact> {
        self.shared.lock().books.contacts.clone()
    }

    /// The history notes of one record, oldest first.
    #[must_use]
    pub fn notes(&self, subject: Uuid) -> Vec<String> {
        let state = self.shared.lock();
        let notes = state.books.notes.iter().filter(|note| note.subject == subject);
        notes.map(|note| note.details.clone()).collect()
    }

    /// API calls that arrived so far, refused ones included; token calls are not among them.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.shared.lock().calls.values().sum()
    }

    /// API calls so far of this method on paths that start so, such as `/Invoices`.
    #[must_use]
    pub fn calls_by(&self, method: &Method, path_prefix: &str) -> u32 {
        let state = self.shared.lock();
        let counted =
            |((by, path), _): &(&(String, String), &u32)| by == method.as_str() && path.starts_with(path_prefix);
        state.calls.iter().filter(counted).map(|(_, count)| count).sum()
    }
}

/// What a person sets up or does in Xero.
impl Xero {
    /// Adds an active contact.
    #[expect(clippy::must_use_candidate, reason = "the contact is there whether or not its id is wanted")]
    pub fn add_contact(&self, new: NewContact) -> Uuid {
        let terms = new.payment_terms.map(|terms| ("PaymentTerms".to_owned(), terms));
        let contact = Contact {
            id: Uuid::new_v4(),
            name: new.name,
            number: new.number,
            account_number: new.account_number,
            email: new.email,
            active: true,
            is_customer: false,
            is_supplier: false,
            details: Map::from_iter(terms),
            updated: self.shared.settings.clock.now(),
        };
        let id = contact.id;
        self.books(|books| books.put_contact(contact));
        id
    }

    /// Archives a contact.
    pub fn archive_contact(&self, id: Uuid) {
        self.change_contact(id, |contact| contact.active = false);
    }

    /// Restores an archived contact.
    pub fn restore_contact(&self, id: Uuid) {
        self.change_contact(id, |contact| contact.active = true);
    }

    /// Gives a contact another name.
    pub fn rename_contact(&self, id: Uuid, name: &str) {
        self.change_contact(id, |contact| name.clone_into(&mut contact.name));
    }

    /// Adds an account of a type such as `REVENUE`, with the default tax of its class.
    pub fn add_account(&self, code: &str, name: &str, kind: &str) {
        let mut account = Account {
            id: Uuid::new_v4(),
            code: code.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            tax_type: String::new(),
            system: String::new(),
            active: true,
            enables_payments: false,
        };
        let tax_type = match account.class() {
            "REVENUE" => "OUTPUT",
            "EXPENSE" => "INPUT",
            _ => "BASEXCLUDED",
        };
        tax_type.clone_into(&mut account.tax_type);
        self.books(|books| books.accounts.push(account));
    }

    /// Lets payments go to an account that is no bank account.
    pub fn enable_payments(&self, code: &str) {
        self.books(|books| {
            books.accounts.iter_mut().filter(|held| held.code == code).for_each(|held| held.enables_payments = true);
        });
    }

    /// Archives an account.
    pub fn archive_account(&self, code: &str) {
        self.books(|books| {
            books.accounts.iter_mut().filter(|held| held.code == code).for_each(|held| held.active = false);
        });
    }

    /// Adds a tax rate that fits every account.
    pub fn add_tax_rate(&self, name: &str, tax_type: &str, rate: Decimal) {
        let (name, tax_type) = (name.to_owned(), tax_type.to_owned());
        self.books(|books| books.tax_rates.push(TaxRate { name, tax_type, rate, active: true, barred: Vec::new() }));
    }

    /// Deletes a tax rate.
    pub fn delete_tax_rate(&self, tax_type: &str) {
        self.books(|books| {
            books.tax_rates.iter_mut().filter(|held| held.tax_type == tax_type).for_each(|held| held.active = false);
        });
    }

    /// Adds an item without accounts of its own.
    pub fn add_item(&self, code: &str, name: &str) {
        let (code, name) = (code.to_owned(), name.to_owned());
        self.books(|books| {
            books.items.push(Item { id: Uuid::new_v4(), code, name, sales_account: None, purchases_account: None });
        });
    }

    /// Adds a tracking category.
    pub fn add_tracking(&self, category: &str, options: &[&str]) {
        self.books(|books| books.tracking.push(organisation::category(category, options)));
    }

    /// Subscribes to a currency.
    pub fn add_currency(&self, code: &str) {
        self.books(|books| books.currencies.push(code.to_owned()));
    }

    /// Locks the books up to and including these days.
    pub fn set_lock_dates(&self, period: Option<Date>, end_of_year: Option<Date>) {
        self.books(|books| {
            books.period_lock = period;
            books.year_lock = end_of_year;
        });
    }

    /// Voids a document.
    pub fn void(&self, document: Uuid) {
        let now = self.shared.settings.clock.now();
        self.books(|books| books.change_document(document, now, |held| held.status = Status::Voided));
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    pub(super) fn books<Result>(&self, act: impl FnOnce(&mut Books) -> Result) -> Result {
        let mut state = self.state();
        let result = act(&mut state.books);
        state.tell();
        result
    }

    fn change_contact(&self, id: Uuid, act: impl FnOnce(&mut Contact)) {
        let now = self.shared.settings.clock.now();
        self.books(|books| {
            if let Some(mut contact) = books.contact(id).cloned() {
                act(&mut contact);
                contact.updated = now;
                books.put_contact(contact);
            }
        });
    }
}

/// Faults of the whole service; those of one request are in [`Xero::server`].
impl Xero {
    /// Answers everything with 503 and this text, until it is none.
    pub fn set_outage(&self, text: Option<String>) {
        self.shared.lock().outage = text;
    }

    /// Carries the next write out, but answers 500, and goes on doing so under its idempotency key.
    pub fn fail_next_write_after_commit(&self) {
        self.shared.lock().next_write = Some(Failure::AfterCommit);
    }

    /// Answers the next write with 500 without doing it, and goes on so under its idempotency key.
    pub fn fail_next_write_before_commit(&self) {
        self.shared.lock().next_write = Some(Failure::BeforeCommit);
    }

    /// Lets every access token expire now.
    pub fn expire_tokens(&self) {
        let now = self.shared.settings.clock.now();
        self.shared.lock().tokens.expire_all(now);
    }

    /// Takes a scope back, from tokens given out and from those to come.
    pub fn revoke_scope(&self, scope: &str) {
        self.shared.lock().tokens.revoke_scope(scope);
    }

    /// Gives all scopes back; tokens given out meanwhile still lack them.
    pub fn restore_scopes(&self) {
        self.shared.lock().tokens.restore_scopes();
    }

    /// The organisation disconnects the app.
    pub fn disconnect(&self) {
        self.shared.lock().tokens.disconnected = true;
    }

    /// The organisation connects the app again.
    pub fn reconnect(&self) {
        self.shared.lock().tokens.disconnected = false;
    }

    /// Refuses the client id and secret.
    pub fn break_client(&self) {
        self.shared.lock().tokens.client_broken = true;
    }

    /// Takes the client id and secret again.
    pub fn mend_client(&self) {
        self.shared.lock().tokens.client_broken = false;
    }

    /// Registers where a person's browser may be sent back to: the app is a web app then, and no custom connection.
    pub fn register_redirect(&self, redirect: &str) {
        self.shared.lock().tokens.redirects.push(redirect.to_owned());
    }

    /// Makes the app one for PKCE, which has no secret.
    pub fn take_secret(&self) {
        self.shared.lock().tokens.public = true;
    }

    /// A person who is asked to let the app in refuses, or lets it in from now on.
    pub fn refuse_access(&self, refuses: bool) {
        self.shared.lock().tokens.refuses = refuses;
    }

    /// Revokes every refresh token.
    pub fn revoke_refresh_tokens(&self) {
        self.shared.lock().tokens.set_refresh(None);
    }

    /// A person consents again and hands the app this refresh token.
    pub fn grant_refresh_token(&self, token: &str) {
        self.shared.lock().tokens.set_refresh(Some(token.to_owned()));
    }

    /// Leaves this many calls for today.
    pub fn set_day_remaining(&self, calls: u32) {
        let now = self.shared.settings.clock.now();
        self.shared.lock().limits.set_day_remaining(&self.shared.settings, calls, now);
    }

    /// Leaves no calls for today.
    pub fn exhaust_day(&self) {
        self.set_day_remaining(0);
    }
}
