//! The client against the simulator, over HTTP and through its bad days.

mod expenses;
mod facts;
mod keys;
mod marking;
mod weather;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{ConnectWise, Endpoint, Marked, Posting, Settings};
use crate::clock::ManualClock;
use crate::domain::facts::{Invoice, InvoiceFacts, RecordFacts};
use crate::remote::RemoteError;
use crate::simulator::connectwise::{self as simulator, Item, NewCompany, NewInvoice, NewLine};

struct Rig {
    tenant: simulator::ConnectWise,
    clock: Arc<ManualClock>,
    client: Arc<ConnectWise>,
    company: i64,
}

async fn rig(change: impl FnOnce(&mut simulator::Settings)) -> Rig {
    let clock = Arc::new(ManualClock::new("2026-11-30T10:00:00Z".parse::<Timestamp>().unwrap()));
    let mut settings = simulator::Settings::new(clock.clone());
    change(&mut settings);
    let tenant = simulator::ConnectWise::start(settings).await.unwrap();
    let terms = tenant.add_terms("Net 20", 20, "M+1:D20");
    let tax = tenant.add_tax_code("GST", "Goods and services tax", &[("GST on Income", Decimal::new(1, 1))]);
    let company = tenant.add_company(NewCompany { terms: Some(terms), tax_code: Some(tax), ..NewCompany::default() });
    let settings = settings_for(&tenant, Endpoint::ApiUrl(tenant.api_url().parse().unwrap()));
    let client = Arc::new(ConnectWise::new(settings, clock.clone()).unwrap());
    Rig { tenant, clock, client, company }
}

fn settings_for(tenant: &simulator::ConnectWise, endpoint: Endpoint) -> Settings {
    Settings {
        endpoint,
        company: "acme".to_owned(),
        public_key: "public-key".to_owned(),
        private_key: "private-key".to_owned().into(),
        client_id: "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11".to_owned(),
        version: "2025.1".to_owned(),
        key_hosts: vec![tenant.key_host().parse().unwrap()],
        private_key_hosts: false,
        timeout: Duration::from_secs(30),
    }
}

impl Rig {
    /// An invoice over 60.00 labour and two items at 20.00, plus 10 % tax.
    fn new_invoice(&self, kind: &str) -> NewInvoice {
        let labour = NewLine {
            unit_price: Decimal::from(60),
            region: "North".to_owned(),
            non_product_id: "LABOUR".to_owned(),
            ..NewLine::default()
        };
        let disk = NewLine {
            description: "Disk".to_owned(),
            quantity: Decimal::TWO,
            unit_price: Decimal::from(20),
            item: Some(Item::new(741, "SSD1")),
            account: "210".to_owned(),
            taxable: true,
            ..NewLine::default()
        };
        NewInvoice { kind: kind.to_owned(), company: self.company, lines: vec![labour, disk], ..NewInvoice::default() }
    }

    fn closed(&self, invoice: NewInvoice) -> i64 {
        let id = self.tenant.add_invoice(invoice);
        self.tenant.set_status(id, "Ready to Post").unwrap();
        id
    }

    async fn invoice(&self, id: i64) -> Invoice {
        self.client.invoice(&id.to_string()).await.unwrap().unwrap()
    }

    /// A closed standard invoice, read.
    async fn ready(&self) -> Invoice {
        let id = self.closed(self.new_invoice("Standard"));
        self.invoice(id).await
    }

    /// What posting an invoice needs, with what is the invoice's own.
    async fn posting(&self, invoice: &Invoice) -> Result<(Posting, InvoiceFacts), RemoteError> {
        let posting = self.client.posting(&invoice.clone().into()).await?;
        let RecordFacts::Invoice(facts) = &posting.record else { panic!("an invoice was asked for") };
        let facts = facts.as_ref().clone();
        Ok((posting, facts))
    }

    async fn mark(&self, invoice: &Invoice, name: &str) -> Result<Marked, RemoteError> {
        self.client.mark(&invoice.clone().into(), name).await
    }

    /// Requests so far whose path contains `path`.
    fn requests(&self, method: &str, path: &str) -> usize {
        let requests = self.tenant.server.requests();
        requests.iter().filter(|request| request.method == method && request.uri.path().contains(path)).count()
    }
}
