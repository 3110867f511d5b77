//! A running tenant: set it up, act on it as its staff would, break it, and look at what it holds.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::api::{Tenant, router};
use super::events::{Action, Delivery};
use super::forgery::Forgery;
use super::key::{KeyMode, signature};
use super::records::{Batch, NewCompany, NewInvoice, Refusal, SegmentKind};
use super::reply::pruned;
use super::settings::Settings;
use super::state::{Actor, State};
use crate::simulator::faults::{Canned, Fault, Rule};
use crate::simulator::server::Server;

/// A simulated ConnectWise tenant on a loopback port; it stops when this is dropped.
#[derive(Debug)]
pub struct ConnectWise {
    /// Its server, with the faults to come and the requests so far.
    pub server: Server,
    pub(super) http: reqwest::Client,
    pub(super) retry_unit: Duration,
    tenant: Arc<Tenant>,
}

/// How too many requests are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// With an `error` field, as documented.
    Error,
    /// With a `code` field, as all other errors.
    Code,
}

/// Path that all calls of the API have in common.
const API: &str = "/apis/3.0/";

impl ConnectWise {
    /// Starts a tenant.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        // Whichever part of the process is first installs the provider; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(policy).build().map_err(std::io::Error::other)?;
        let (port, retry_unit) = (settings.port, settings.retry_unit);
        let tenant = Arc::new(Tenant::new(State::new(settings)));
        let server = Server::start(port, router(Arc::clone(&tenant))).await?;
        tenant.lock().site = format!("http://{}", server.address());
        Ok(Self { server, http, retry_unit, tenant })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.tenant.lock()
    }

    /// The API root that works for every release.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/v4_6_release/apis/3.0", self.site_url())
    }

    /// Where discovery starts.
    #[must_use]
    pub fn site_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Host and port of the signing keys.
    #[must_use]
    pub fn key_host(&self) -> String {
        self.server.address().to_string()
    }
}

/// Set-up.
impl ConnectWise {
    /// Adds a company with its contacts; the id is of the company.
    #[must_use]
    pub fn add_company(&self, company: NewCompany) -> i64 {
        self.state().add_company(company)
    }

    /// Changes a company.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_company(&self, id: i64, change: impl FnOnce(&mut NewCompany)) -> Result<(), Refusal> {
        change(&mut self.state().companies.get_mut(&id).ok_or(Refusal::Unknown)?.new);
        Ok(())
    }

    /// Adds billing terms.
    #[must_use]
    pub fn add_terms(&self, name: &str, due_days: i64, xref: &str) -> i64 {
        self.state().add_terms(name, due_days, xref)
    }

    /// Adds a tax code with the cross-reference and the rate (0.1 = 10 %) of each level.
    #[must_use]
    pub fn add_tax_code(&self, identifier: &str, description: &str, levels: &[(&str, Decimal)]) -> i64 {
        self.state().add_tax_code(identifier, description, levels)
    }

    /// Adds a closed or an open billing status.
    #[must_use]
    pub fn add_billing_status(&self, name: &str, closed: bool) -> i64 {
        self.state().add_status(name, closed)
    }

    /// Changes whether a billing status counts as closed, for tests of the set-up.
    ///
    /// # Errors
    /// When there is no such status.
    pub fn set_billing_status(&self, name: &str, closed: bool) -> Result<(), Refusal> {
        let mut state = self.state();
        let status = state.statuses.values_mut().find(|status| status.name == name).ok_or(Refusal::Unknown)?;
        status.closed = closed;
        Ok(())
    }

    /// Adds a row to the GL mapping: its type such as `R`, what is mapped, and the segments in the captions' order.
    pub fn add_gl_account(&self, kind: &str, record: &str, segments: &[&str]) {
        let segments = segments.iter().map(|segment| (*segment).to_owned()).collect();
        self.state().gl_accounts.push((kind.to_owned(), record.to_owned(), segments));
    }

    /// Adds a currency.
    pub fn add_currency(&self, code: &str) {
        self.state().currencies.push(code.to_owned());
    }

    /// Replaces the GL segments; entries made before keep theirs.
    pub fn set_captions(&self, captions: &[(&str, SegmentKind)]) {
        self.state().captions = captions.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    }

    /// Registers a callback of the API member.
    ///
    /// # Errors
    /// As the endpoint refuses it.
    pub fn register_callback(&self, url: &str, kind: &str, level: &str, object_id: i64) -> Result<i64, Refusal> {
        let body = json!({"url": url, "type": kind, "level": level, "objectId": object_id});
        let result = self.state().register(&body);
        result.map_err(|errors| {
            let messages: Vec<String> = errors.into_iter().map(|error| error.message).collect();
            Refusal::Callback(messages.join("; "))
        })
    }
}

/// What the staff does on the screen.
impl ConnectWise {
    /// Adds an invoice with an open status.
    #[must_use]
    pub fn add_invoice(&self, invoice: NewInvoice) -> i64 {
        self.state().add_invoice(invoice)
    }

    /// Moves an invoice to a status by name.
    ///
    /// # Errors
    /// When the invoice is batched, or closes without an account number of its company.
    pub fn set_status(&self, invoice: i64, status: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        let status = state.status_id(status).ok_or(Refusal::Unknown)?;
        state.set_status(invoice, status, Actor::Staff)
    }

    /// Changes an invoice; its GL entries stay as they are until it is closed again.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_invoice(&self, invoice: i64, change: impl FnOnce(&mut NewInvoice)) -> Result<(), Refusal> {
        let mut state = self.state();
        change(&mut state.invoices.get_mut(&invoice).ok_or(Refusal::Unknown)?.new);
        state.touch(invoice, Actor::Staff);
        Ok(())
    }

    /// Saves an invoice without changing it.
    pub fn save_invoice(&self, invoice: i64) {
        self.state().touch(invoice, Actor::Staff);
    }

    /// Deletes an invoice.
    ///
    /// # Errors
    /// When there is none or it is batched.
    pub fn delete_invoice(&self, invoice: i64) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.invoices.get(&invoice).ok_or(Refusal::Unknown)?.batch().is_some() {
            return Err(Refusal::Batched);
        }
        state.notify(invoice, Action::Deleted, Actor::Staff);
        state.invoices.remove(&invoice);
        Ok(())
    }

    /// Removes invoices from the unposted list by a batch of their own; the id is of the batch.
    ///
    /// # Errors
    /// When one of them is open or batched, or the identifier exists and duplicates are refused.
    pub fn manual_batch(&self, invoices: &[i64], identifier: &str) -> Result<i64, Refusal> {
        self.state().manual_batch(invoices, identifier)
    }

    /// Takes one invoice out of its batch.
    ///
    /// # Errors
    /// When it is in none.
    pub fn unbatch(&self, invoice: i64) -> Result<(), Refusal> {
        self.state().unbatch(invoice)
    }

    /// Puts an invoice back into the batch that it was taken out of.
    ///
    /// # Errors
    /// When it was in none, is open, or the batch is gone.
    pub fn rebatch(&self, invoice: i64) -> Result<(), Refusal> {
        self.state().rebatch(invoice)
    }

    /// Deletes a batch.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_batch(&self, batch: i64) -> Result<(), Refusal> {
        self.state().delete_batch(batch, Actor::Staff)
    }
}

/// Callbacks and their keys.
impl ConnectWise {
    /// Takes what is queued, signed and in order.
    #[must_use]
    pub fn take_callbacks(&self) -> Vec<Delivery> {
        self.state().queue.drain(..).collect()
    }

    /// A message with any body, signed with the key in force.
    #[must_use]
    pub fn sign(&self, url: &str, body: &[u8]) -> Delivery {
        let signature = Some(signature(self.state().keys.signing_key.as_bytes(), body));
        let (url, body) = (url.to_owned(), body.to_vec());
        Delivery { callback_id: 0, url, body, signature, message_id: String::new() }
    }

    /// A spoilt copy of a message.
    #[must_use]
    pub fn forge(&self, delivery: &Delivery, forgery: &Forgery) -> Delivery {
        self.state().forge(delivery, forgery)
    }

    /// Where the key in force is fetched.
    #[must_use]
    pub fn key_url(&self) -> String {
        self.state().key_url()
    }

    /// Makes a new key under a new address; the old address is gone.
    pub fn rotate_key(&self) {
        self.state().keys.rotate();
    }

    /// How the key endpoint answers from now on.
    pub fn set_key_mode(&self, mode: KeyMode) {
        self.state().keys.mode = mode;
    }
}

/// What it holds now.
impl ConnectWise {
    /// Its batches, oldest first.
    #[must_use]
    pub fn batches(&self) -> Vec<Batch> {
        self.state().batch_contents()
    }

    /// An invoice as the API shows it; null when there is none.
    #[must_use]
    pub fn invoice(&self, id: i64) -> Value {
        let state = self.state();
        state.invoices.get(&id).map_or(Value::Null, |invoice| pruned(state.invoice_row(invoice)))
    }

    /// The unposted list.
    #[must_use]
    pub fn unposted(&self) -> Vec<Value> {
        self.state().unposted_rows().into_iter().map(pruned).collect()
    }

    /// Whether every GL entry of an invoice is in a batch.
    #[must_use]
    pub fn is_batched(&self, invoice: i64) -> bool {
        self.state().invoices.get(&invoice).is_some_and(|invoice| invoice.batch().is_some())
    }

    /// The registered callbacks as the API shows them.
    #[must_use]
    pub fn callbacks(&self) -> Vec<Value> {
        self.state().callback_rows()
    }
}

/// Bad days; others are made with the faults of the server.
impl ConnectWise {
    /// Moves to another release: the paths of the last one answer 404 from now on.
    pub fn set_codebase(&self, codebase: &str) {
        self.state().codebase = format!("{}/", codebase.trim_end_matches('/'));
    }

    /// Lets `/v4_6_release` answer 404 as well, or again not.
    pub fn set_legacy_path(&self, works: bool) {
        self.state().legacy_path = works;
    }

    /// Refuses the API member's keys.
    pub fn break_credentials(&self) {
        self.state().credentials_refused = true;
    }

    /// Takes the API member's keys again.
    pub fn restore_credentials(&self) {
        self.state().credentials_refused = false;
    }

    /// Answers the next `times` calls with 429.
    pub fn throttle(&self, times: u32, retry_after_s: u32, shape: Throttle) {
        let key = match shape {
            Throttle::Error => "error",
            Throttle::Code => "code",
        };
        let message = format!("Too many requests. Please try again in {retry_after_s} seconds.");
        let body = json!({key: "ConnectWiseAPI", "message": message}).to_string();
        let answer = Canned::new(429, &body).header("retry-after", &retry_after_s.to_string());
        self.server.faults.add(Rule::every(API, Fault::Answer(answer)).times(times));
    }

    /// Answers the next call with the service's own time-out.
    pub fn time_out_once(&self) {
        let body = "{ \"code\": \"ConnectWiseApi\", \"message\": \"A timeout has occured. Please try again.\"}";
        self.server.faults.add(Rule::every(API, Fault::Answer(Canned::new(500, body))).times(1));
    }

    /// Denies every call whose path contains `path`.
    pub fn forbid(&self, path: &str) {
        let body = r#"{"code":"Security","message":"You do not have security permission to perform this action."}"#;
        self.server.faults.add(Rule::every(path, Fault::Answer(Canned::new(403, body))));
    }
}
