//! Posts a handful of records with a checking proxy before each simulated system; driven by `.ci/contract`.
//!
//! The proxies validate requests and answers against the machine-readable contracts and refuse what does not
//! fit, so a violation is a record that does not end as it should.

#![expect(clippy::print_stdout, reason = "the outcome of each record is what this is for")]

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jiff::SignedDuration;
use readypost::app::App;
use readypost::clock::{Clock, ManualClock, SystemClock};
use readypost::config::{self, Config};
use readypost::domain::delivery::{Record, State};
use readypost::domain::record::{RecordKey, RecordKind, SourceId};
use readypost::simulator::connectwise::{
    self, ConnectWise, Item, NewCompany, NewExpense, NewInvoice, NewLine, NewMember, NewPurchaseLine, NewPurchaseOrder,
};
use readypost::simulator::xero::{self, Xero};
use rust_decimal::Decimal;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The longest wait for a proxy to listen, and for all records to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ports of the simulators, and of the proxies before them.
struct Ports {
    connectwise: u16,
    connectwise_proxy: u16,
    xero: u16,
    xero_proxy: u16,
}

/// A record and how it is to end: its state, then the codes of its warnings.
struct Case {
    name: &'static str,
    new: New,
    end: &'static str,
}

/// What is entered and closed.
enum New {
    Invoice(NewInvoice),
    Order(NewPurchaseOrder),
    Expense(NewExpense),
    /// It comes of something else.
    Nothing,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let ports = ports()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = connectwise::Settings { port: ports.connectwise, ..connectwise::Settings::new(Arc::clone(&clock)) };
    let connectwise = ConnectWise::start(settings).await?;
    let settings = xero::Settings { port: ports.xero, minute_limit: 10_000, ..xero::Settings::new(Arc::clone(&clock)) };
    let xero = Xero::start(settings).await?;
    listening(ports.connectwise_proxy).await?;
    listening(ports.xero_proxy).await?;

    let folder = tempfile::tempdir()?;
    let cases = cases(&connectwise, &xero);
    // The first one is closed before the store is born, so it is looked up before it is created.
    let mut entered = Vec::new();
    let mut cases = cases.into_iter();
    let early = cases.next().context("there are no cases")?;
    entered.push((close(&connectwise, &early)?, early));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // For a while after a store is begun no payment is entered, because a request from before could be under way.
    let begun = ManualClock::new(clock.now().saturating_sub(SignedDuration::from_mins(10))?);
    readypost::store::open(folder.path(), &begun)?.close().await;
    let app = App::build(configuration(&connectwise, &xero, &ports, folder.path())?, &clock)?;
    let listener = app.bind().await?;
    let url = format!("http://{}/callbacks/acme?recordId=", listener.local_addr()?);
    for kind in ["invoice", "purchaseorder", "expense"] {
        connectwise.register_callback(&url, kind, "owner", 1).ok().context("the callback is not registered")?;
    }
    let shutdown = CancellationToken::new();
    let running = app.run(listener, shutdown.clone());
    let driving = async {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        for (key, _) in &entered {
            connectwise.save_invoice(key.source.as_str().parse()?);
        }
        for case in cases {
            entered.push((close(&connectwise, &case)?, case));
        }
        for outcome in connectwise.deliver_all().await {
            ensure!(outcome.is_delivered(), "a callback was answered with {:?}", outcome.status);
        }
        let well =
            report(&app, &entered).await? && report(&app, &[pay(&app, &connectwise, &xero, &entered).await?]).await?;
        shutdown.cancel();
        Ok::<_, anyhow::Error>(well)
    };
    let (ran, all_well) = tokio::join!(running, driving);
    ran?;
    Ok(if all_well? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ports() -> anyhow::Result<Ports> {
    let ports: Result<Vec<u16>, _> = std::env::args().skip(1).map(|port| port.parse()).collect();
    let [connectwise, connectwise_proxy, xero, xero_proxy] = ports?[..] else {
        bail!("four ports are needed: ConnectWise, its proxy, Xero, its proxy");
    };
    Ok(Ports { connectwise, connectwise_proxy, xero, xero_proxy })
}

/// Waits until something listens there.
async fn listening(port: u16) -> anyhow::Result<()> {
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        ensure!(begun.elapsed() < PATIENCE, "no proxy listens on port {port}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Adds a record and closes it.
fn close(connectwise: &ConnectWise, case: &Case) -> anyhow::Result<RecordKey> {
    let refused = || format!("{} cannot be closed", case.name);
    let (kind, source) = match &case.new {
        New::Invoice(invoice) => {
            let id = connectwise.add_invoice(invoice.clone());
            connectwise.set_status(id, "Ready to Post").ok().with_context(refused)?;
            (RecordKind::Invoice, SourceId::from(id))
        }
        New::Order(order) => {
            let id = connectwise.add_purchase_order(order.clone());
            connectwise.receive(id, "").ok().with_context(refused)?;
            connectwise.close_purchase_order(id).ok().with_context(refused)?;
            let purchase = connectwise.purchases(id).into_iter().next().with_context(refused)?;
            (RecordKind::Purchase, SourceId::try_from(purchase.unposted_product_id)?)
        }
        New::Nothing => bail!("{} is not entered by itself", case.name),
        New::Expense(expense) => {
            let id = connectwise.add_expense(expense.clone());
            connectwise.approve(id).ok().with_context(refused)?;
            let report = connectwise.report_of(id).get("id").and_then(serde_json::Value::as_i64);
            (RecordKind::ExpenseReport, SourceId::from(report.with_context(refused)?))
        }
    };
    Ok(RecordKey { connection: "acme".parse()?, kind, source })
}

/// Pays the invoice `PLAIN` in both systems, and lets the sweep find it.
async fn pay(
    app: &App,
    connectwise: &ConnectWise,
    xero: &Xero,
    entered: &[(RecordKey, Case)],
) -> anyhow::Result<(RecordKey, Case)> {
    let (invoice, _) = entered.iter().find(|(_, case)| case.name == "PLAIN").context("there is no invoice to pay")?;
    let document = xero.documents().into_iter().find(|document| document.number == "PLAIN");
    let document = document.context("the invoice to pay is not in Xero")?.id;
    let day = app.parts.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    xero.pay("PLAIN", Decimal::new(40, 0), day).map_err(|cause| anyhow::anyhow!("{cause}"))?;
    let _ = connectwise.pay(invoice.source.as_str().parse()?, Decimal::new(30, 0));
    let source = SourceId::try_from(format!("acme-au/{document}"))?;
    let key = RecordKey { connection: invoice.connection.clone(), kind: RecordKind::Payment, source };
    readypost::pipeline::sweep(&app.parts).await.map_err(|cause| anyhow::anyhow!("{cause}"))?;
    Ok((key, Case { name: "PAID", new: New::Nothing, end: "done" }))
}

/// Prints how every record ended; true when all ended as they should.
async fn report(app: &App, entered: &[(RecordKey, Case)]) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut all_well = true;
    for (key, case) in entered {
        let ended = loop {
            let record = app.parts.store.record(key).await?;
            let queued = record.as_ref().is_none_or(|record| matches!(record.state, State::Queued { .. }));
            match record {
                Some(record) if !queued || begun.elapsed() > PATIENCE => break end(&record),
                None if begun.elapsed() > PATIENCE => break "not known".to_owned(),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let well = match case.end {
            "held" => ended.starts_with("held "),
            end => ended == end,
        };
        all_well &= well;
        let mark = if well { "ok  " } else { "FAIL" };
        let wanted = if well { String::new() } else { format!(" (it should be {})", case.end) };
        println!("{mark} {}: {ended}{wanted}", case.name);
    }
    Ok(all_well)
}

fn end(record: &Record) -> String {
    let state = match &record.state {
        State::Queued { cause, .. } => format!("queued, {cause:?}"),
        State::Done => "done".to_owned(),
        State::Skipped { reason } => format!("skipped {}", reason.as_str()),
        State::Held { reason } => format!("held {}: {}", reason.code.as_str(), reason.sentence),
    };
    let warnings: Vec<&str> = record.warnings.iter().map(|open| open.warning.code.as_str()).collect();
    if warnings.is_empty() { state } else { format!("{state}, {}", warnings.join(" ")) }
}

/// Every shape that goes over the wire; the first one is looked up in Xero before it is created.
fn cases(connectwise: &ConnectWise, xero: &Xero) -> Vec<Case> {
    let tax_code = connectwise.add_tax_code("GST", "GST on Income", &[("GST on Income", Decimal::new(1, 1))]);
    let terms = connectwise.add_terms("Net 20", 20, "20");
    let company = |identifier: &str, name: &str| {
        connectwise.add_company(NewCompany {
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            primary_contact: true,
            billing_contact: true,
            account_number: identifier.to_owned(),
            email: "accounts@example.com".to_owned(),
            phone: "+61 2 5550 0000".to_owned(),
            terms: Some(terms),
            tax_code: Some(tax_code),
            ..NewCompany::default()
        })
    };
    let known = company("BLUEGUM", "Blue Gum Dental");
    xero.add_contact(xero::NewContact { name: "Blue Gum Dental".to_owned(), ..xero::NewContact::default() });
    let stranger = company("WATTLE", "Wattle Street Legal");
    let spent = NewExpense {
        member: connectwise.add_member(NewMember::default()),
        amount: Decimal::new(33, 0),
        tax: Decimal::new(3, 0),
        tax_code: Some(tax_code),
        ..NewExpense::default()
    };
    let invoice = |lines: Vec<NewLine>| NewInvoice {
        kind: "Standard".to_owned(),
        company: known,
        lines,
        ..NewInvoice::default()
    };
    let cents = || vec![line("1", "0.55"), line("1", "0.55"), line("1", "0.55")];
    let product = NewLine { item: Some(Item::new(31, "SSD1")), account: "210".to_owned(), ..line("3", "149.9") };
    // Only items have a price of their own; Xero rounds it to four decimals.
    let uneven = NewLine { item: Some(Item::new(32, "SSD1")), ..line("1000", "0.12346") };
    let case = |name: &'static str, end, invoice: NewInvoice| {
        let invoice = NewInvoice { number: name.to_owned(), ..invoice };
        Case { name, new: New::Invoice(invoice), end }
    };
    let vendor = vendor(connectwise, xero, (terms, tax_code));
    let purchase =
        |name: &'static str, end, quantity| Case { name, new: New::Order(order(vendor, name, quantity)), end };
    vec![
        case("LOOKED-UP", "done", invoice(vec![line("1", "10")])),
        case("PLAIN", "done", invoice(vec![line("2.5", "180"), line("1", "99.95")])),
        case("PRODUCT", "done", invoice(vec![product])),
        case("CREDIT", "done", NewInvoice { kind: "CreditMemo".to_owned(), ..invoice(vec![line("1", "50")]) }),
        case("STRANGER", "done, contact_created", NewInvoice { company: stranger, ..invoice(vec![line("1", "75")]) }),
        case("TAX", "done, tax_rounding", NewInvoice { sales_tax: Some(Decimal::new(17, 2)), ..invoice(cents()) }),
        case("UNEVEN", "done, rounding_line", invoice(vec![uneven])),
        case(
            "ADJUSTED",
            "done, adjustment_line",
            NewInvoice { total: Some(Decimal::new(11040, 2)), ..invoice(vec![line("1", "100")]) },
        ),
        case("NO-ACCOUNT", "held", invoice(vec![NewLine { account: "999".to_owned(), ..line("1", "20") }])),
        purchase("BOUGHT", "done", "10"),
        purchase("RETURNED", "done", "-3"),
        Case { name: "SPENT", new: New::Expense(spent), end: "done, contact_created" },
    ]
}

/// A vendor that both systems know.
fn vendor(connectwise: &ConnectWise, xero: &Xero, (terms, tax_code): (i64, i64)) -> i64 {
    xero.add_contact(xero::NewContact { name: "Harbour Distribution".to_owned(), ..xero::NewContact::default() });
    connectwise.add_company(NewCompany {
        identifier: "HARBOUR".to_owned(),
        name: "Harbour Distribution".to_owned(),
        is_vendor: true,
        vendor_number: "V-310".to_owned(),
        terms: Some(terms),
        tax_code: Some(tax_code),
        ..NewCompany::default()
    })
}

/// An order with freight.
fn order(vendor: i64, number: &str, quantity: &str) -> NewPurchaseOrder {
    NewPurchaseOrder {
        number: number.to_owned(),
        vendor,
        vendor_invoice_number: "HD-55012".to_owned(),
        vendor_invoice_date: Some(jiff::civil::date(2026, 11, 27)),
        freight: Decimal::new(1250, 2),
        freight_taxable: true,
        lines: vec![bought(quantity, "142.10")],
        ..NewPurchaseOrder::default()
    }
}

fn bought(quantity: &str, unit_cost: &str) -> NewPurchaseLine {
    NewPurchaseLine {
        description: "Solid state disk".to_owned(),
        quantity: quantity.parse().unwrap_or_default(),
        unit_cost: unit_cost.parse().unwrap_or_default(),
        item: Some(Item::new(31, "SSD1")),
        ..NewPurchaseLine::default()
    }
}

fn line(quantity: &str, price: &str) -> NewLine {
    NewLine {
        description: "Labour".to_owned(),
        quantity: quantity.parse().unwrap_or_default(),
        unit_price: price.parse().unwrap_or_default(),
        region: "Sydney".to_owned(),
        department: "Service".to_owned(),
        non_product_id: "LABOUR".to_owned(),
        ..NewLine::default()
    }
}

/// A service that reaches both APIs through the proxies; tokens and signing keys are no part of the contracts.
fn configuration(
    connectwise: &ConnectWise,
    xero: &Xero,
    ports: &Ports,
    folder: &std::path::Path,
) -> anyhow::Result<Config> {
    let settings = xero.settings();
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = '{folder}'
[[operator]]
name = "contract"
role = "viewer"
token_sha256 = "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e"
[[connectwise]]
name = "acme"
api_url = "http://127.0.0.1:{connectwise_proxy}"
company = "acme"
public_key = "public-key"
private_key = "private-key"
client_id = "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11"
key_url_hosts = ["{keys}"]
[[company]]
id = "acme-au"
connectwise = "acme"
[company.xero]
api_url = "http://127.0.0.1:{xero_proxy}"
token_url = "{token_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
tenant_id = "{tenant}"
[company.rules]
untaxed = "GST Free Income"
tax_names = {{ GST = "GST on Income" }}
untaxed_purchases = "GST Free Expenses"
purchase_tax_names = {{ GST = "GST on Expenses" }}
payments = "both"
payment_account = "090"
"#,
        folder = folder.display(),
        connectwise_proxy = ports.connectwise_proxy,
        keys = connectwise.key_host(),
        xero_proxy = ports.xero_proxy,
        token_url = xero.token_url(),
        client_id = settings.client_id,
        client_secret = settings.client_secret,
        tenant = settings.tenant_id,
    );
    config::parse(&text, &|_| None).or_else(|faults| bail!("{faults:?}"))
}
