//! Drives the client against the simulator, which owns its own idea of Xero's wire.

mod contacts;
mod documents;
mod limits;
mod tokens;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Connected, Grant, Request, Settings, TokenVault, Xero, body};
use crate::clock::ManualClock;
use crate::domain::balance::{Balanced, Ceilings, balance};
use crate::domain::document::Document;
use crate::domain::draft::{DocumentKind, Draft, Line, RoundingPlace};
use crate::domain::facts::{Address, Party, PartyKind, Person};
use crate::domain::money::Money;
use crate::domain::rules::DocumentStatus;
use crate::simulator::xero as simulator;

/// A vault that remembers what it was told, and can be full or slow.
#[derive(Debug)]
struct Vault {
    kept: Mutex<Vec<String>>,
    full: AtomicBool,
    loads: AtomicU32,
    /// A keep waits for one of these.
    gate: tokio::sync::Semaphore,
    waiting: tokio::sync::Notify,
}

impl Vault {
    fn new(token: &str) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::new(vec![token.to_owned()]),
            full: AtomicBool::new(false),
            loads: AtomicU32::new(0),
            gate: tokio::sync::Semaphore::new(1000),
            waiting: tokio::sync::Notify::new(),
        })
    }

    fn kept(&self) -> Vec<String> {
        self.kept.lock().unwrap().clone()
    }
}

#[async_trait]
impl TokenVault for Vault {
    async fn load(&self) -> Option<SecretString> {
        let token = self.kept.lock().unwrap().last().cloned().map(SecretString::from);
        self.loads.fetch_add(1, Ordering::SeqCst);
        token
    }

    async fn keep(&self, token: SecretString) -> Result<(), String> {
        self.waiting.notify_one();
        self.gate.acquire().await.unwrap().forget();
        if self.full.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        self.kept.lock().unwrap().push(token.expose_secret().to_owned());
        Ok(())
    }

    async fn connect(&self, connected: Connected) -> Result<(), String> {
        self.keep(connected.token).await
    }
}

struct Bench {
    sim: simulator::Xero,
    clock: Arc<ManualClock>,
    vault: Arc<Vault>,
    xero: Arc<Xero>,
    contact: Uuid,
}

async fn bench() -> Bench {
    bench_with(|_| {}, |_| {}).await
}

async fn bench_with(adjust: impl FnOnce(&mut simulator::Settings), change: impl FnOnce(&mut Settings)) -> Bench {
    let clock = Arc::new(ManualClock::new("2026-11-02T00:00:00Z".parse().unwrap()));
    let mut settings = simulator::Settings::new(clock.clone());
    adjust(&mut settings);
    let sim = simulator::Xero::start(settings).await.unwrap();
    let contact = sim.add_contact(simulator::NewContact { name: "Acme".to_owned(), ..Default::default() });
    let vault = Vault::new("r0");
    let refreshing = sim.settings().refresh_token.is_some();
    let mut settings = Settings {
        api_url: sim.api_url().parse().unwrap(),
        token_url: sim.token_url().parse().unwrap(),
        name: "acme-au".to_owned(),
        authorize_url: sim.authorize_url().parse().unwrap(),
        client_id: sim.settings().client_id.clone(),
        client_secret: Some(sim.settings().client_secret.clone().into()),
        grant: if refreshing { Grant::RefreshToken } else { Grant::ClientCredentials },
        tenant_id: Some(sim.settings().tenant_id),
        timeout: Duration::from_secs(20),
        minute_limit: 60,
    };
    change(&mut settings);
    let xero = Arc::new(Xero::new(settings, vault.clone(), clock.clone()).unwrap());
    Bench { sim, clock, vault, xero, contact }
}

async fn refreshing() -> Bench {
    bench_with(|settings| settings.refresh_token = Some("r0".to_owned()), |_| {}).await
}

impl Bench {
    fn request(&self, number: &str) -> Request {
        self.request_for(&document(DocumentKind::Invoice, number), "k1")
    }

    fn request_for(&self, document: &Balanced, key: &str) -> Request {
        let kind = document.draft().kind;
        Request {
            kind,
            idempotency_key: key.to_owned(),
            body: body(&Document::Invoice(document.clone()), Some(self.contact)),
        }
    }

    async fn create(&self, request: &Request) -> Result<super::Created, super::XeroError> {
        self.xero.create(self.xero.permit().await?, request).await
    }

    /// Requests to the token endpoint so far.
    fn token_requests(&self) -> usize {
        self.sim.server.requests().iter().filter(|request| request.uri.path() == "/connect/token").count()
    }

    fn clock_now(&self) -> jiff::Timestamp {
        crate::clock::Clock::now(self.clock.as_ref())
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn money(text: &str) -> Money {
    Money::new(dec(text)).unwrap()
}

fn line(quantity: &str, price: &str, amount: &str) -> Line {
    Line {
        description: "Work".to_owned(),
        quantity: dec(quantity),
        unit_amount: dec(price),
        amount: money(amount),
        account: "200".to_owned(),
        item: None,
        tax_type: "OUTPUT".to_owned(),
        tax_rate: 10.into(),
        tax_amount: None,
        tracking: Vec::new(),
    }
}

fn draft(kind: DocumentKind, number: &str) -> Draft {
    Draft {
        kind,
        number: number.to_owned(),
        date: "2026-11-01".parse().unwrap(),
        due_date: Some("2026-12-01".parse().unwrap()),
        reference: "PO 7".to_owned(),
        currency: "AUD".to_owned(),
        status: DocumentStatus::Authorised,
        sent: false,
        branding_theme: None,
        lines: vec![line("2", "10.50", "21.00")],
        tax: money("2.10"),
        total: money("23.10"),
        rounding: RoundingPlace { account: Some("860".to_owned()), tax_type: Some("BASEXCLUDED".to_owned()) },
    }
}

fn balanced(draft: Draft) -> Balanced {
    let ceilings = Ceilings { rounding: money("0.10"), adjustment: money("1.00") };
    balance(draft, ceilings).unwrap().value
}

fn document(kind: DocumentKind, number: &str) -> Balanced {
    balanced(draft(kind, number))
}

fn client(id: i64, name: &str) -> Party {
    Party {
        id,
        kind: PartyKind::Company,
        name: name.to_owned(),
        vendor_number: String::new(),
        account_number: String::new(),
        primary_contact: Some(Person { name: "Pat Primary".to_owned(), email: "pat@client.example".to_owned() }),
        billing_contact: Some(Person { name: "Bill".to_owned(), email: "not an address".to_owned() }),
        invoice_email: String::new(),
        phone: String::new(),
        tax_number: String::new(),
        address: Address::default(),
    }
}
