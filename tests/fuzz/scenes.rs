//! Records of every kind in a simulator of ConnectWise, and an organisation of Xero that fits them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use readypost::clock::ManualClock;
use readypost::connectwise::{ConnectWise, Endpoint, Settings};
use readypost::domain::rules::Rules;
use readypost::simulator::connectwise::{
    Item, Mapping, Movement, NewCompany, NewExpense, NewInvoice, NewLine, NewMember, NewMovement, NewPayment,
    NewPurchaseLine, NewPurchaseOrder, NewStock,
};
use readypost::simulator::{connectwise as psa, xero as books};
use readypost::xero::{Connected, Grant, TokenVault, Xero};
use rust_decimal::Decimal;
use secrecy::SecretString;

/// What the rules of these scenes are.
const RULES: &str = "untaxed = \"GST Free Income\"\ntax_names = { GST = \"GST on Income\" }\n\
    untaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\n\
    adjustments = \"journal\"\ntransfers = \"journal\"\n";

pub(crate) fn rules() -> Rules {
    readypost::config::parse_rules(RULES).unwrap_or_else(|faults| panic!("{faults:?}"))
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Both simulators, furnished, and the ids of the records.
pub(crate) struct Scenes {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) psa: psa::ConnectWise,
    pub(crate) books: books::Xero,
    pub(crate) invoice: i64,
    pub(crate) credit: i64,
    pub(crate) order: i64,
    pub(crate) report: String,
    pub(crate) adjustment: i64,
    pub(crate) transfer: i64,
}

impl Scenes {
    pub(crate) async fn set() -> Self {
        let start: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let psa = psa::ConnectWise::start(psa::Settings::new(clock.clone())).await.unwrap();
        let mut settings = books::Settings::new(clock.clone());
        settings.minute_limit = 1_000_000;
        let books = books::Xero::start(settings).await.unwrap();
        let gst = psa.add_tax_code("GST", "GST on Income", &[("GST on Income", dec("0.1"))]);
        let terms = psa.add_terms("Net 20", 20, "20");
        for name in ["Blue Gum Dental", "Harbour Distribution", "Jo Doe"] {
            books.add_contact(books::NewContact { name: name.to_owned(), ..books::NewContact::default() });
        }
        let usual = NewCompany {
            identifier: "BLUEGUM".to_owned(),
            name: "Blue Gum Dental".to_owned(),
            account_number: "BLUEGUM".to_owned(),
            terms: Some(terms),
            tax_code: Some(gst),
            ..NewCompany::default()
        };
        let client = psa.add_company(usual.clone());
        let vendor = psa.add_company(NewCompany {
            identifier: "HARBOUR".to_owned(),
            name: "Harbour Distribution".to_owned(),
            account_number: "HARBOUR".to_owned(),
            is_vendor: true,
            vendor_number: "V-310".to_owned(),
            ..usual
        });
        let invoice = psa.add_invoice(bill(client, "Standard", "INV-1001"));
        let credit = psa.add_invoice(bill(client, "CreditMemo", "CM-1002"));
        for record in [invoice, credit] {
            psa.set_status(record, "Ready to Post").unwrap();
        }
        let amount = dec("20.05");
        let _ = psa.add_payment(NewPayment {
            invoice,
            amount,
            date: jiff::civil::date(2026, 11, 30),
            ..NewPayment::default()
        });
        let order = ordered(&psa, vendor);
        let report = spent(&psa, gst);
        let (adjustment, transfer) = moved(&psa);
        Self { clock, psa, books, invoice, credit, order, report, adjustment, transfer }
    }

    /// A client of ConnectWise at another address.
    pub(crate) fn client(&self, address: &str) -> ConnectWise {
        let api: url::Url = self.psa.api_url().parse().unwrap();
        let settings = Settings {
            endpoint: Endpoint::ApiUrl(format!("{address}{}", api.path()).parse().unwrap()),
            company: "acme".to_owned(),
            public_key: "public-key".to_owned(),
            private_key: "private-key".to_owned().into(),
            client_id: "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11".to_owned(),
            version: "2025.1".to_owned(),
            key_hosts: vec![self.psa.key_host().parse().unwrap()],
            private_key_hosts: false,
            timeout: Duration::from_secs(20),
        };
        ConnectWise::new(settings, self.clock.clone()).unwrap()
    }

    /// A client of Xero at another address.
    pub(crate) fn xero(&self, address: &str) -> Xero {
        let moved = |url: String| -> url::Url {
            let url: url::Url = url.parse().unwrap();
            format!("{address}{}", url.path()).parse().unwrap()
        };
        let settings = self.books.settings();
        let settings = readypost::xero::Settings {
            api_url: moved(self.books.api_url()),
            token_url: moved(self.books.token_url()),
            name: "acme-au".to_owned(),
            authorize_url: moved(self.books.authorize_url()),
            client_id: settings.client_id.clone(),
            client_secret: Some(settings.client_secret.clone().into()),
            grant: Grant::ClientCredentials,
            tenant_id: Some(settings.tenant_id),
            timeout: Duration::from_secs(20),
            minute_limit: 1_000_000,
        };
        Xero::new(settings, Arc::new(NoVault), self.clock.clone()).unwrap()
    }
}

#[derive(Debug)]
struct NoVault;

#[async_trait]
impl TokenVault for NoVault {
    async fn load(&self) -> Option<SecretString> {
        None
    }

    async fn keep(&self, _: SecretString) -> Result<(), String> {
        Ok(())
    }

    async fn connect(&self, _: Connected) -> Result<(), String> {
        Ok(())
    }
}

/// Labour and two disks, with tax, of odd cents.
fn bill(company: i64, kind: &str, number: &str) -> NewInvoice {
    let labour = NewLine {
        description: "Labour".to_owned(),
        quantity: dec("1.75"),
        unit_price: dec("61.33"),
        region: "Sydney".to_owned(),
        department: "Service".to_owned(),
        non_product_id: "LABOUR".to_owned(),
        taxable: true,
        ..NewLine::default()
    };
    let disk = NewLine {
        description: "Disk".to_owned(),
        quantity: dec("3"),
        unit_price: dec("19.995"),
        item: Some(Item::new(741, "SSD1")),
        ..labour.clone()
    };
    let lines = vec![labour, disk];
    NewInvoice { number: number.to_owned(), kind: kind.to_owned(), company, lines, ..NewInvoice::default() }
}

fn ordered(psa: &psa::ConnectWise, vendor: i64) -> i64 {
    let disk = NewPurchaseLine { quantity: dec("3"), unit_cost: dec("33.33"), ..NewPurchaseLine::default() };
    let lines = vec![NewPurchaseLine { quantity: dec("10"), unit_cost: dec("55"), ..disk.clone() }, disk];
    let order = psa.add_purchase_order(NewPurchaseOrder {
        number: "PO-3041".to_owned(),
        vendor,
        vendor_invoice_number: "HD-55012".to_owned(),
        vendor_invoice_date: Some(jiff::civil::date(2026, 11, 28)),
        lines,
        ..NewPurchaseOrder::default()
    });
    psa.receive(order, "SLIP 7").unwrap();
    psa.close_purchase_order(order).unwrap();
    order
}

fn spent(psa: &psa::ConnectWise, gst: i64) -> String {
    let member = psa.add_member(NewMember::default());
    let parking = NewExpense { member, amount: dec("12"), notes: "City".to_owned(), ..NewExpense::default() };
    let meals = NewExpense {
        kind: "Meals".to_owned(),
        amount: dec("33.33"),
        tax: dec("3.03"),
        tax_code: Some(gst),
        ..parking.clone()
    };
    let ids = [psa.add_expense(parking), psa.add_expense(meals)];
    psa.approve(ids[0]).unwrap();
    psa.report_of(ids[0])["id"].to_string()
}

fn moved(psa: &psa::ConnectWise) -> (i64, i64) {
    let stock = NewStock {
        quantity: dec("-2"),
        unit_cost: dec("50.01"),
        inventory_account: "620".to_owned(),
        mapping: Mapping { account: "310".to_owned(), region: "Sydney".to_owned(), ..Mapping::default() },
        ..NewStock::default()
    };
    let adjustment = psa.add_movement(NewMovement::adjustment("ADJ-1", vec![stock]));
    psa.close_adjustment(adjustment).unwrap();
    let mut transfer = NewMovement::transfer("TR-1", dec("3"), dec("50.05"));
    if let Movement::Transfer { stock, .. } = &mut transfer.movement {
        (stock.inventory_account, stock.mapping) = ("620".to_owned(), Mapping::account("710"));
    }
    (adjustment, psa.add_movement(transfer))
}
