//! A simulation says what posting then does, to the byte and the code, and writes nothing anywhere.

use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use jiff::civil::date;
use readypost::domain::simulation::{Simulated, Simulation, Verdict};
use readypost::domain::statement::Calls;
use readypost::http::SimulationView;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::connectwise::{Item, NewCompany, NewInvoice, NewLine};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero::NewContact;
use serde_json::{Value, json};

use crate::expenses::Spending;
use crate::harness::{Differently, TOKEN, VIEWER, World, dec, labour};
use crate::purchases::Buying;
use crate::{cost_of_goods, inventory};

const PATH: &str = "/api/v1/simulate";

/// Begins a simulation; its id.
pub(crate) async fn begin(world: &World, asked: &Value) -> u64 {
    let (status, view) = world.post(PATH, asked).await;
    assert_eq!(status, 202, "{view}");
    view["id"].as_u64().unwrap()
}

async fn view(world: &World, id: u64) -> SimulationView {
    serde_json::from_value(world.get(&format!("{PATH}?id={id}&limit=500")).await).unwrap()
}

/// Simulates until it is done.
pub(crate) async fn simulate(world: &World, asked: &Value) -> Simulation {
    let id = begin(world, asked).await;
    for _ in 0..1_000 {
        let view = view(world, id).await;
        match view.state.as_str() {
            "running" => tokio::time::sleep(Duration::from_millis(10)).await,
            "done" => return view.simulation.unwrap(),
            _ => panic!("{view:?}"),
        }
    }
    panic!("the simulation does not end");
}

/// How a simulation ended.
async fn ended_view(world: &World, id: u64) -> SimulationView {
    for _ in 0..1_000 {
        let view = view(world, id).await;
        if view.state != "running" {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the simulation does not end");
}

async fn one(world: &World, key: &str) -> Simulated {
    let simulation = simulate(world, &json!({"record": key})).await;
    assert_eq!(simulation.rows.len(), 1, "{simulation:?}");
    simulation.rows.into_iter().next().unwrap()
}

fn row<'a>(simulation: &'a Simulation, number: &str) -> &'a Simulated {
    simulation
        .rows
        .iter()
        .find(|row| row.number == number)
        .unwrap_or_else(|| panic!("{number} is not in {simulation:?}"))
}

/// Everything that a simulation must leave as it is.
pub(crate) fn untouched(world: &World) -> Vec<String> {
    let requests = world.connectwise.server.requests().into_iter().chain(world.xero.server.requests());
    let writes = requests.filter(|request| {
        // The preview is a POST that reads; a token is asked for by a POST, too.
        let reads = request.uri.path().ends_with("/accounting/export") || request.uri.path().contains("token");
        request.method != Method::GET && !reads
    });
    let writes: Vec<String> = writes.map(|request| format!("{} {}", request.method, request.uri)).collect();
    let head = world.app.parts.store.overview().head;
    vec![
        format!("{head}"),
        format!("{:?}", world.xero.documents()),
        format!("{:?}", world.xero.contacts()),
        format!("{:?}", world.xero.journals()),
        format!("{:?}", world.xero.payments()),
        format!("{:?}", world.connectwise.batches()),
        format!("{:?}", world.connectwise.unposted()),
        format!("{:?}", world.connectwise.callbacks()),
        writes.join("\n"),
    ]
}

/// How a step ended, in the words of the simulation: the verdict, the code, and the warnings.
async fn ended(world: &World, row: &Simulated) -> (&'static str, String, Vec<&'static str>) {
    let key = row.key.to_string();
    let state = world.state_of(&key).await;
    let record = world.app.parts.store.record(&row.key).await.unwrap().unwrap();
    let warnings = record.warnings.iter().map(|open| open.warning.code.as_str()).collect();
    match state.split_once(' ') {
        None if state == "done" => ("post", String::new(), warnings),
        Some(("held", code)) => ("hold", code.to_owned(), Vec::new()),
        Some(("skipped", code)) => ("skip", code.to_owned(), Vec::new()),
        _ => panic!("{key} is {state}"),
    }
}

fn foreseen(row: &Simulated) -> (&'static str, String, Vec<&'static str>) {
    let warnings = row.warnings.iter().map(|warning| warning.code.as_str()).collect();
    let posts = matches!(row.verdict, Verdict::Post | Verdict::Adopt);
    (if posts { "post" } else { row.verdict.as_str() }, row.code.clone(), if posts { warnings } else { Vec::new() })
}

/// Rules under which each failure of the tenant below ends as it does by default, or is held.
pub(crate) const TENANT_RULES: &str =
    "invoice_statuses = [\"Ready to Post\", \"Hold\"]\nlong_item_codes = \"hold\"\nstart_date = 2026-10-01\n";

/// A tenant that has each failure once; the numbers of its invoices and what becomes of each.
pub(crate) fn tenant(world: &World) -> Vec<(&'static str, &'static str)> {
    let (connectwise, xero) = (&world.connectwise, &world.xero);
    let vat = connectwise.add_tax_code("VAT 17.5", "Old VAT", &[("VAT 17.5", dec("0.175"))]);
    xero.add_account("230", "Old revenue", "REVENUE");
    xero.archive_account("230");
    xero.add_currency("USD");
    let mut usual = NewCompany::default();
    connectwise.edit_company(world.client, |company| usual = company.clone()).unwrap();
    let lonely = connectwise.add_company(NewCompany {
        identifier: "LONELY".to_owned(),
        name: "Lonely Ltd".to_owned(),
        account_number: "LONELY".to_owned(),
        primary_contact: false,
        ..usual
    });
    let fresh = world.new_client("FRESH", "Fresh Ltd");
    let on = |account: &str| NewLine { account: account.to_owned(), ..labour("1", "100") };
    let plain = || NewInvoice { lines: vec![labour("1", "100")], ..NewInvoice::default() };
    let long = Item::new(77, &"LONG-".repeat(7));
    let invoices = [
        ("3001", "", plain()),
        ("3002", "unknown_tax", NewInvoice { tax_code: Some(vat), ..plain() }),
        ("3003", "unusable_account", NewInvoice { lines: vec![on("230")], ..plain() }),
        ("3004", "unknown_account", NewInvoice { lines: vec![on("999")], ..plain() }),
        ("3005", "no_gl_account", NewInvoice { lines: vec![on("")], ..plain() }),
        ("3006", "currency_not_enabled", NewInvoice { currency: Some("EUR".to_owned()), ..plain() }),
        (
            "3007",
            "tracking_missing",
            NewInvoice { lines: vec![NewLine { region: "Mars".to_owned(), ..labour("1", "7") }], ..plain() },
        ),
        (
            "3008",
            "item_code_too_long",
            NewInvoice { lines: vec![NewLine { item: Some(long), ..labour("1", "7") }], ..plain() },
        ),
        ("3009", "no_primary_contact", NewInvoice { company: lonely, ..plain() }),
        ("3010", "contact_created", NewInvoice { company: fresh, ..plain() }),
        ("3011", "document_differs", plain()),
        ("3012", "period_locked", NewInvoice { date: date(2026, 10, 5), ..plain() }),
        ("3013", "before_start_date", NewInvoice { date: date(2026, 9, 5), ..plain() }),
        (
            "3014",
            "no_non_product_id",
            NewInvoice { lines: vec![NewLine { non_product_id: String::new(), ..labour("1", "7") }], ..plain() },
        ),
    ];
    let mut expected = Vec::new();
    for (number, code, invoice) in invoices {
        let invoice = world.invoice_like(NewInvoice { number: number.to_owned(), ..invoice });
        world.ready(invoice);
        expected.push((number, code));
    }
    xero.set_lock_dates(Some(date(2026, 10, 31)), None);
    by_hand(world, "3011", "99");
    expected
}

/// An invoice over one line of this price that a person or another product made in Xero.
fn by_hand(world: &World, number: &str, price: &str) {
    let contact = world.xero.contacts().into_iter().find(|contact| contact.name == "Blue Gum Dental").unwrap().id;
    let price: Value = serde_json::from_str(price).unwrap();
    world.xero.enter(&json!({"Type": "ACCREC", "InvoiceNumber": number, "Contact": {"ContactID": contact}, "Date": "2026-11-30",
        "DueDate": "2026-12-20", "Status": "AUTHORISED", "LineItems": [{"Description": "By hand", "Quantity": 1, "UnitAmount": price, "AccountCode": "200", "TaxType": "OUTPUT"}]})).unwrap();
}

#[tokio::test]
async fn what_is_simulated_is_what_posting_does_and_nothing_is_written() {
    let world = World::with(Differently { rules: TENANT_RULES, ..Differently::default() }).await;
    let expected = tenant(&world);
    let open = world.invoice("3015", vec![labour("1", "100")]);
    world.connectwise.set_status(open, "Hold").unwrap();
    let before = untouched(&world);
    let simulation = simulate(&world, &json!({"company": "acme-au", "unposted": true})).await;
    let single = one(&world, &format!("acme/invoice/{open}")).await;
    for (before, after) in before.iter().zip(untouched(&world)) {
        assert_eq!(*before, after, "a simulation writes nothing");
    }
    assert_eq!(simulation.rows.len(), expected.len(), "{:?}", simulation.notes);
    for (number, code) in &expected {
        let row = row(&simulation, number);
        let said: Vec<&str> = row.warnings.iter().map(|warning| warning.code.as_str()).collect();
        assert!(row.code == *code || said.contains(code), "{number} should be {code}: {row:?}");
        assert_eq!(row.cure.is_empty(), row.verdict != Verdict::Hold, "{row:?}");
    }
    assert_eq!((single.verdict, single.code.as_str()), (Verdict::Hold, "status_not_closed"));
    let differs = row(&simulation, "3011");
    let total = differs.differences.iter().find(|unlike| unlike.field == "total").unwrap();
    assert_eq!((total.wanted.as_str(), total.xero.as_str()), ("110.00", "108.90"));
    assert!(differs.differences.iter().any(|unlike| unlike.field == "line 1 price"), "{differs:?}");
    assert_eq!(row(&simulation, "3010").new_contact, "Fresh Ltd");
    assert_eq!(simulation.new_contacts, 1);
    // Posting comes to the same verdicts, codes and warnings.
    world.settle().await;
    for foretold in simulation.rows.iter().chain([&single]) {
        assert_eq!(ended(&world, foretold).await, foreseen(foretold), "{}", foretold.number);
    }
    let sums = |verdict: Verdict| simulation.count(verdict);
    assert_eq!((sums(Verdict::Post), sums(Verdict::Hold), sums(Verdict::Skip)), (3, 10, 1));
}

#[tokio::test]
async fn the_body_and_the_calls_are_those_of_the_posting_that_follows() {
    let world = World::new().await;
    world.ready(world.invoice("1001", vec![labour("1", "100")]));
    world.settle().await;
    let invoice = world.invoice("1002", vec![labour("3", "33.335"), labour("1", "0.07")]);
    world.ready(invoice);
    let simulated = one(&world, &format!("acme/invoice/{invoice}")).await;
    assert_eq!(simulated.verdict, Verdict::Post, "{simulated:?}");
    let before = (world.connectwise.server.requests().len(), world.xero.server.requests().len());
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    let sent = world.xero.server.requests().split_off(before.1);
    let put = sent.iter().find(|request| request.method == Method::PUT).unwrap();
    let request = &simulated.requests[0];
    assert_eq!(std::str::from_utf8(&put.body).unwrap(), request.body);
    assert!(put.uri.to_string().ends_with(&request.path), "{} is not {}", put.uri, request.path);
    let posted = Calls {
        connectwise: u32::try_from(world.connectwise.server.requests().len() - before.0).unwrap(),
        xero: u32::try_from(sent.len()).unwrap(),
    };
    assert_eq!(simulated.calls, posted);
}

#[tokio::test]
async fn a_month_that_another_product_posted_is_compared_to_the_cent() {
    let later = Differently { rules: "start_date = 2026-12-01\n", ..Differently::default() };
    let world = World::with(later).await;
    for (number, in_xero) in [("2001", Some("100")), ("2002", Some("100.01")), ("2003", None)] {
        let invoice = world.invoice(number, vec![labour("1", "100")]);
        world.ready(invoice);
        world.connectwise.manual_batch(&[invoice], &format!("OLD-{number}")).unwrap();
        if let Some(price) = in_xero {
            by_hand(&world, number, price);
        }
    }
    world.ready(world.invoice("2004", vec![labour("1", "50")]));
    let october = NewInvoice {
        number: "2005".to_owned(),
        date: date(2026, 10, 31),
        lines: vec![labour("1", "10")],
        ..NewInvoice::default()
    };
    world.ready(world.invoice_like(october));
    let before = untouched(&world);
    let simulation = simulate(&world, &json!({"company": "acme-au", "month": "2026-11"})).await;
    assert_eq!(before, untouched(&world));
    let verdict = |number: &str| row(&simulation, number).verdict;
    assert_eq!(
        (verdict("2002"), verdict("2003"), verdict("2004")),
        (Verdict::Differs, Verdict::Missing, Verdict::Post)
    );
    assert_eq!(simulation.rows.len(), 4, "October is not November");
    let fields = |number: &str| -> Vec<(String, String, String)> {
        let unlike = row(&simulation, number).differences.iter();
        unlike.map(|unlike| (unlike.field.clone(), unlike.wanted.clone(), unlike.xero.clone())).collect()
    };
    let day = row(&simulation, "2001").date.unwrap().to_string();
    let dated = ("date".to_owned(), day.clone(), "2026-11-30".to_owned());
    let same: Vec<_> = if day == "2026-11-30" { Vec::new() } else { vec![dated.clone()] };
    assert_eq!(fields("2001"), same);
    let total = ("total".to_owned(), "110.00".to_owned(), "110.01".to_owned());
    assert_eq!(fields("2002"), [vec![total], same].concat());
    assert!(simulation.needs_somebody());
    assert!(simulation.notes.iter().any(|note| note.contains("`start_date` is 2026-12-01")), "{:?}", simulation.notes);
    // A token, six settings, the directory, two lists of documents, and a look for each of the two that are not listed.
    assert_eq!(simulation.spent.xero, 12, "{:?}", simulation.spent);
    let url = format!("{}{PATH}?format=csv", world.url);
    let answer = world.http.get(url).bearer_auth(VIEWER).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = answer.text().await.unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.contains("total: 110.00 / 110.01"), "{csv}");
}

#[tokio::test]
async fn what_readypost_posted_is_compared_with_the_list_of_the_month() {
    let world = World::new().await;
    let usual = NewInvoice { date: date(2026, 11, 20), lines: vec![labour("1", "100")], ..NewInvoice::default() };
    let mut invoices = Vec::new();
    for number in ["2101", "2102", "2103"] {
        invoices.push(world.invoice_like(NewInvoice { number: number.to_owned(), ..usual.clone() }));
        world.ready(*invoices.last().unwrap());
    }
    world.settle().await;
    let other = world.xero.add_contact(NewContact { name: "Somebody Else".to_owned(), ..NewContact::default() });
    let wrong = world.documents("2102")[0].id;
    world.xero.edit(wrong, &json!({"Contact": {"ContactID": other}})).unwrap();
    world.xero.void(world.documents("2103")[0].id);
    let simulation = simulate(&world, &json!({"company": "acme-au", "month": "2026-11"})).await;
    assert_eq!(row(&simulation, "2101").verdict, Verdict::Posted, "{simulation:?}");
    let differs = row(&simulation, "2102");
    assert_eq!(differs.verdict, Verdict::Differs);
    let fields: Vec<_> = differs.differences.iter().map(|unlike| (&*unlike.field, &*unlike.xero)).collect();
    assert_eq!(fields, [("contact", "Somebody Else")]);
    assert_eq!(row(&simulation, "2103").verdict, Verdict::Missing);
    // Two lists, and a look for the one that is not in them.
    assert_eq!(simulation.spent.xero, 3, "{:?}", simulation.spent);
}

#[tokio::test]
async fn the_first_record_of_a_client_pays_for_its_contact() {
    let world = World::new().await;
    world.ready(world.invoice("1001", vec![labour("1", "100")]));
    world.settle().await;
    let company = world.new_client("FRESH", "Fresh Ltd");
    for number in ["1002", "1003", "1004"] {
        let lines = vec![labour("1", "100")];
        let invoice = NewInvoice { number: number.to_owned(), company, lines, ..NewInvoice::default() };
        world.ready(world.invoice_like(invoice));
    }
    let simulation = simulate(&world, &json!({"company": "acme-au", "unposted": true})).await;
    let rows = simulation.rows.iter().map(|row| (row.calls.xero, row.new_contact.as_str(), row.warnings.len()));
    assert_eq!(rows.collect::<Vec<_>>(), [(3, "Fresh Ltd", 1), (1, "", 0), (1, "", 0)]);
    // A look for each number, and one into the directory.
    assert_eq!((simulation.spent.xero, simulation.new_contacts), (4, 1));
    let before = world.xero.calls();
    world.settle().await;
    assert_eq!(world.xero.calls() - before, simulation.calls.xero);
    for row in &simulation.rows {
        assert_eq!(ended(&world, row).await, foreseen(row), "{}", row.number);
    }
}

#[tokio::test]
async fn what_was_mended_in_xero_a_moment_ago_is_seen() {
    let world = World::new().await;
    let elsewhere = NewLine { account: "999".to_owned(), ..labour("1", "100") };
    let invoices = [world.invoice("1001", vec![elsewhere.clone()]), world.invoice("1002", vec![elsewhere])];
    for invoice in invoices {
        world.ready(invoice);
    }
    let asked = json!({"company": "acme-au", "unposted": true});
    let before = simulate(&world, &asked).await;
    assert_eq!((before.count(Verdict::Hold), before.reasons[0].code.as_str()), (2, "unknown_account"));
    world.clock.advance(SignedDuration::from_secs(20));
    world.xero.add_account("999", "New revenue", "REVENUE");
    let after = simulate(&world, &asked).await;
    assert_eq!(after.count(Verdict::Post), 2, "{:?}", after.reasons);
    world.settle().await;
    for invoice in invoices {
        assert_eq!(world.state(invoice).await, "done");
    }
}

#[tokio::test]
async fn a_purchase_order_is_simulated_with_its_purchases() {
    let buying = Buying::new().await;
    let order = buying.order(&["10", "2"]);
    buying.close(order, "SLIP 7");
    let before = untouched(&buying.world);
    let bill = one(&buying.world, &format!("acme/purchase_order/{order}")).await;
    assert_eq!(before, untouched(&buying.world));
    assert_eq!((bill.verdict, bill.key.kind.as_str()), (Verdict::Post, "purchase"));
    buying.world.settle().await;
    assert_eq!(ended(&buying.world, &bill).await, foreseen(&bill));
    let put: Vec<_> = buying.world.xero.server.requests();
    let put = put.iter().find(|request| request.method == Method::PUT).unwrap();
    assert_eq!(std::str::from_utf8(&put.body).unwrap(), bill.requests[0].body);
}

#[tokio::test]
async fn it_leaves_a_third_of_the_minute_to_posting_and_can_be_cancelled() {
    let scarce = Differently { xero: |settings| settings.minute_limit = 15, ..Differently::default() };
    let world = World::with(scarce).await;
    for number in 0..12 {
        world.ready(world.invoice(&format!("40{number:02}"), vec![labour("1", "100")]));
    }
    let _ = world.connectwise.take_callbacks();
    let asked = json!({"company": "acme-au", "unposted": true});
    let id = begin(&world, &asked).await;
    let waits = async |id: u64| {
        for _ in 0..500 {
            let view = view(&world, id).await;
            if view.waits_until.is_some() || view.state != "running" {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it neither waits nor ends");
    };
    let waiting = waits(id).await;
    assert!(waiting.waits_until.is_some(), "{waiting:?}");
    assert!(world.xero.calls() <= 10, "{} calls of 15", world.xero.calls());
    assert_eq!(begin(&world, &asked).await, id, "the same is joined");
    let (status, problem) = world.post(PATH, &json!({"company": "acme-au", "month": "2026-11"})).await;
    assert_eq!(status, 409, "one at a time for each company: {problem}");
    let delete = |token: &str| world.http.delete(format!("{}{PATH}?id={id}", world.url)).bearer_auth(token).send();
    assert_eq!(delete(VIEWER).await.unwrap().status().as_u16(), 403);
    assert_eq!(delete(TOKEN).await.unwrap().status().as_u16(), 200);
    for _ in 0..500 {
        if view(&world, id).await.state == "cancelled" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(view(&world, id).await.state, "cancelled");
    // Another one goes on as the minutes pass, and never takes more of one.
    let id = begin(&world, &asked).await;
    for _ in 0..40 {
        let view = waits(id).await;
        if view.state == "done" {
            let simulation = view.simulation.unwrap();
            assert_eq!(simulation.count(Verdict::Post), 12);
            let estimate = simulation.estimate.unwrap();
            assert_eq!((estimate.minute_limit, estimate.minutes), (15, simulation.calls.xero.div_ceil(15)));
            return;
        }
        let before = world.xero.calls();
        world.clock.advance(SignedDuration::from_secs(61));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(world.xero.calls() - before <= 10);
    }
    panic!("it does not end");
}

#[tokio::test]
async fn a_simulation_that_meets_the_end_of_its_share_of_a_day_leaves_posting_going_on() {
    let world = World::new().await;
    for number in 0..90 {
        world.ready(world.invoice(&format!("70{number:02}"), vec![labour("1", "100")]));
    }
    world.xero.set_day_remaining(93);
    let id = begin(&world, &json!({"company": "acme-au", "unposted": true})).await;
    let failed = ended_view(&world, id).await;
    assert_eq!(failed.state, "failed", "{failed:?}");
    let error = failed.error.unwrap();
    assert!(error.contains("only the third is left that is kept for posting"), "{error}");
    // 92 were left after the first call: it took no more than two thirds of them.
    assert_eq!(world.app.parts.current().companies[0].client.budget().day_remaining, Some(30));
    let after = world.invoice("7100", vec![labour("1", "100")]);
    world.ready(after);
    let delivery = world.connectwise.take_callbacks().pop().unwrap();
    world.send(&delivery).await;
    while turn(&world.app.parts).await.unwrap() == Turn::Worked {}
    assert_eq!(world.state(after).await, "done", "the company does not rest");
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused_with_the_reason() {
    let world = World::new().await;
    for (asked, status) in [
        (json!({}), 422),
        (json!({"company": "acme-au"}), 422),
        (json!({"company": "acme-au", "month": "2026-13"}), 400),
        (json!({"company": "acme-au", "month": "2026-11", "unposted": true}), 422),
        (json!({"company": "nobody", "unposted": true}), 404),
        (json!({"record": "acme/invoice"}), 422),
        (json!({"record": "other/invoice/7"}), 404),
    ] {
        let (answered, problem) = world.post(PATH, &asked).await;
        assert_eq!(answered, status, "{asked}: {problem}");
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
    }
    let answer = world.http.post(format!("{}{PATH}", world.url)).bearer_auth(VIEWER).json(&json!({})).send().await;
    assert_eq!(answer.unwrap().status().as_u16(), 403);
    let gone = one(&world, "acme/invoice/987654").await;
    assert_eq!((gone.verdict, gone.code.as_str()), (Verdict::Skip, "deleted"));
}

/// Runs the program against the service.
pub(crate) async fn program(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    let output = command.args(arguments).args(["--url", &world.url, "--token", TOKEN]).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_command_line_prints_tables_json_and_cells() {
    let world = World::with(Differently { rules: TENANT_RULES, ..Differently::default() }).await;
    tenant(&world);
    let asked = ["simulate", "--company", "acme-au", "--unposted"];
    let (code, text, _) = program(&world, &asked).await;
    assert_eq!(code, 1, "{text}");
    for part in ["hold", "unknown_tax", "Nothing was written.", "Posting would cost", "would be created in Xero"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let (_, cells, _) = program(&world, &[&asked[..], &["--csv"]].concat()).await;
    assert_eq!(cells.lines().count(), 15, "{cells}");
    let served = world.http.get(format!("{}{PATH}?format=csv", world.url)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(cells, served.text().await.unwrap(), "byte for byte");
    assert!(cells.contains("\r\n") && !cells.contains(" \r\n"), "{cells:?}");
    let (_, body, _) = program(&world, &[&asked[..], &["--json"]].concat()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["simulation"]["rows"].as_array().unwrap().len(), 14);
    let key = answer["simulation"]["rows"].as_array().unwrap().iter().find(|row| row["number"] == "3001").unwrap();
    let (code, text, _) = program(&world, &["simulate", key["key"].as_str().unwrap()]).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("PUT Invoices?unitdp=4") && text.contains("\"InvoiceNumber\": \"3001\""), "{text}");
    for wrong in
        [&["simulate"][..], &["simulate", "--unposted"], &["simulate", "acme/invoice/7", "--company", "acme-au"]]
    {
        assert_eq!(program(&world, wrong).await.0, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said_of_its_record_alone() {
    let world = World::new().await;
    let (lost, sound) =
        (world.invoice("5001", vec![labour("1", "100")]), world.invoice("5002", vec![labour("1", "9")]));
    world.ready(lost);
    world.ready(sound);
    let broken = Fault::Answer(Canned::new(500, "{\"message\": \"database is busy\"}"));
    world.connectwise.server.faults.add(Rule::every(&format!("/finance/invoices/{lost}"), broken));
    let simulation = simulate(&world, &json!({"company": "acme-au", "unposted": true})).await;
    assert_eq!((row(&simulation, "5002").verdict, simulation.rows.len()), (Verdict::Post, 2));
    let unread = row(&simulation, &lost.to_string());
    assert_eq!(unread.verdict, Verdict::Unread, "{unread:?}");
    assert!(unread.sentence.contains("500"), "{unread:?}");
    assert!(simulation.needs_somebody());
    // Without Xero there is nothing to compare with: all of it fails, with the cure.
    world.connectwise.server.faults.clear();
    world.xero.break_client();
    world.xero.expire_tokens();
    let id = begin(&world, &json!({"company": "acme-au", "unposted": true})).await;
    for _ in 0..500 {
        let view = view(&world, id).await;
        if view.state != "running" {
            assert_eq!(view.state, "failed");
            assert!(view.error.unwrap().contains("client"), "the cause names what to mend");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not end");
}

#[tokio::test]
async fn the_bodies_of_every_kind_are_those_that_are_sent() {
    let rules = "untaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\n\
                 adjustments = \"journal\"\ncost_of_goods = \"journal\"\n";
    let differently = Differently { rules, connectwise: cost_of_goods::of_row, ..Differently::default() };
    let spending = Spending::with(differently).await;
    let world = &spending.world;
    let sold = world.invoice("6001", vec![labour("1", "100"), cost_of_goods::disks("2")]);
    world.ready(sold);
    let memo = NewInvoice {
        number: "6002".to_owned(),
        kind: "CreditMemo".to_owned(),
        lines: vec![labour("1", "50")],
        ..NewInvoice::default()
    };
    world.ready(world.invoice_like(memo));
    let lunch = world.connectwise.add_expense(spending.meals());
    world.connectwise.submit(lunch).unwrap();
    world.connectwise.approve(lunch).unwrap();
    let (_, adjustment) = inventory::closed(world, inventory::loss("Stock take"));
    let before = untouched(world);
    let simulation = simulate(world, &json!({"company": "acme-au", "unposted": true})).await;
    assert_eq!(before, untouched(world));
    assert_eq!(
        (simulation.rows.len(), simulation.count(Verdict::Post)),
        (4, 4),
        "{:?} {:?}",
        simulation.reasons,
        simulation.notes
    );
    assert!(simulation.rows.iter().any(|row| row.key.to_string() == adjustment));
    let mut foreseen: Vec<String> =
        simulation.rows.iter().flat_map(|row| &row.requests).map(|request| request.body.clone()).collect();
    world.settle().await;
    inventory::sweep(world).await;
    world.settle().await;
    let puts = world.xero.server.requests().into_iter().filter(|request| request.method == Method::PUT);
    let mut sent: Vec<String> = puts.map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect();
    foreseen.sort();
    sent.sort();
    assert_eq!(foreseen.len(), 5, "the sale has a journal of its cost");
    assert_eq!(foreseen, sent);
    // Now that all of it is posted, the same look says so, and the month agrees with itself.
    let posted = simulate(world, &json!({"company": "acme-au", "month": "2026-11"})).await;
    let row = row(&posted, "6001");
    assert_eq!((row.verdict, row.differences.len()), (Verdict::Posted, 0), "{row:?}");
}
