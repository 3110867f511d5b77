//! A map check finds tomorrow's holds and warnings today, under the codes that records then have.

use readypost::domain::mapcheck::{MapCheck, Severity};
use readypost::http::MapCheckView;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Differently, VIEWER, World, labour};
use crate::simulate::{TENANT_RULES, program, simulate, tenant, untouched};

const PATH: &str = "/api/v1/map-check";

async fn check(world: &World) -> MapCheck {
    let (status, answer) = world.post(PATH, &json!({"company": "acme-au"})).await;
    assert_eq!(status, 202, "{answer}");
    for _ in 0..500 {
        let view: MapCheckView = serde_json::from_value(world.get(&format!("{PATH}?company=acme-au")).await).unwrap();
        match view.state.as_str() {
            "running" => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            _ => return view.check.unwrap_or_else(|| panic!("{:?}", view.error)),
        }
    }
    panic!("the check does not end");
}

/// The set-up behind the failures of the tenant: each is in the tables of ConnectWise, too.
fn set_up(world: &World) {
    let connectwise = &world.connectwise;
    for (record, segments) in [
        ("Consulting", ["230", "Sydney", "Service", "LABOUR"]),
        ("Projects", ["999", "Sydney", "Service", "LABOUR"]),
        ("Travel", ["", "Sydney", "Service", "LABOUR"]),
        ("Field", ["200", "Mars", "Service", "LABOUR"]),
        ("Kits", ["200", "Sydney", "Service", &"LONG-".repeat(7)]),
    ] {
        connectwise.add_gl_account("R", record, &segments);
    }
    connectwise.add_currency("EUR");
}

#[tokio::test]
async fn what_is_found_is_what_posting_then_says() {
    let world = World::with(Differently { rules: TENANT_RULES, ..Differently::default() }).await;
    tenant(&world);
    set_up(&world);
    let odd = world.connectwise.add_terms("Some day", 20, "whenever");
    let terms = NewInvoice {
        number: "3016".to_owned(),
        terms: Some(odd),
        lines: vec![labour("1", "9")],
        ..NewInvoice::default()
    };
    world.ready(world.invoice_like(terms));
    let open = world.invoice("3015", vec![labour("1", "100")]);
    world.connectwise.set_status(open, "Hold").unwrap();
    let before = untouched(&world);
    let found = check(&world).await;
    assert_eq!(before, untouched(&world), "a map check writes nothing");
    let simulation = simulate(&world, &json!({"company": "acme-au", "unposted": true})).await;
    world.settle().await;
    // What is found, and the record that meets it.
    let expected = [
        ("unknown_tax", "3002", Severity::WouldHold, "tax code VAT 17.5"),
        ("unusable_account", "3003", Severity::WouldHold, "R Consulting"),
        ("unknown_account", "3004", Severity::WouldHold, "R Projects"),
        ("no_gl_account", "3005", Severity::WouldHold, "R Travel"),
        ("currency_not_enabled", "3006", Severity::WouldHold, "currency EUR"),
        ("tracking_missing", "3007", Severity::WouldWarn, "R Field"),
        ("item_code_too_long", "3008", Severity::WouldHold, "R Kits"),
        ("terms_unreadable", "3016", Severity::WouldWarn, "terms Some day"),
        ("status_not_closed", "3015", Severity::WouldHold, "`invoice_statuses`"),
    ];
    for (code, number, severity, place) in expected {
        let finding = found.findings.iter().find(|finding| finding.code == code);
        let finding = finding.unwrap_or_else(|| panic!("{code} is missing in {:?}", found.findings));
        assert_eq!((finding.severity, finding.found_at[0].as_str(), finding.rows), (severity, place, 1), "{finding:?}");
        assert!(!finding.cure.is_empty() && finding.sentence.ends_with('.'), "{finding:?}");
        let key = match simulation.rows.iter().find(|row| row.number == number) {
            Some(row) => {
                let foretold = row.code == code || row.warnings.iter().any(|warning| warning.code.as_str() == code);
                assert!(foretold, "the simulation of {number} says {row:?}");
                row.key.clone()
            }
            None => format!("acme/invoice/{open}").parse().unwrap(),
        };
        let record = world.app.parts.store.record(&key).await.unwrap().unwrap();
        let state = world.state_of(&key.to_string()).await;
        let warned = record.warnings.iter().any(|open| open.warning.code.as_str() == code);
        assert!(state == format!("held {code}") || warned, "{number}: {code} was found, and it is {state}");
    }
    let codes: Vec<&str> = found.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes.len(), expected.len(), "nothing else is found: {codes:?}");
    assert!(found.needs_somebody());
}

#[tokio::test]
async fn a_check_that_gets_no_calls_ends_with_the_cause() {
    let world = World::new().await;
    let busy = Canned::new(429, "").header("x-rate-limit-problem", "minute").header("retry-after", "50");
    world.xero.server.faults.add(Rule::every("/Organisation", Fault::Answer(busy)));
    let (status, answer) = world.post(PATH, &json!({"company": "acme-au"})).await;
    assert_eq!(status, 202, "{answer}");
    let path = format!("{PATH}?company=acme-au");
    let mut waited = 0;
    let ended = loop {
        let view: MapCheckView = serde_json::from_value(world.get(&path).await).unwrap();
        if view.state != "running" {
            break view;
        }
        assert!(waited < 400, "the check does not end");
        waited += 10;
        world.clock.advance(jiff::SignedDuration::from_secs(10));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(ended.state, "failed");
    let error = ended.error.unwrap();
    assert!(error.contains("within 5 minutes: the calls of this minute are used; check again"), "{error}");
    let requests = world.xero.server.requests();
    let asked = requests.iter().filter(|request| request.uri.path().ends_with("/Organisation")).count();
    // One at the beginning, and one whenever 50 of the 300 seconds are over.
    assert!((2..=7).contains(&asked), "{asked} calls");
    world.xero.server.faults.clear();
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    assert_eq!(check(&world).await.findings, []);
}

#[tokio::test]
async fn a_set_up_that_is_the_same_on_both_sides_has_no_finding() {
    let world = World::new().await;
    world.connectwise.add_gl_account("R", "Labour", &["200", "Sydney", "Service", "LABOUR"]);
    let found = check(&world).await;
    assert_eq!(found.findings, [], "{found:?}");
    assert!(
        found
            .looked_at
            .iter()
            .any(|looked| looked.list == "GL mapping" && looked.rows == looked.fine && looked.rows > 1)
    );
    assert!(found.calls.xero <= 7 && found.calls.connectwise <= 8, "{:?}", found.calls);
    let (code, text, _) = program(&world, &["map", "check"]).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Every name that was compared is the same on both sides."), "{text}");
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_what_the_rules_name_is_checked() {
    let rules = "untaxed_purchases = \"GST Free Income\"\npurchase_tax_names = { GST = \"GST on Exports\" }\n\
                 rounding_account = \"998\"\ndrop_ship_account = \"997\"\npurchase_statuses = [\"Sent\"]\ntracking_missing = \"hold\"\n";
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    set_up(&world);
    world.connectwise.forbid("/finance/taxCodes");
    let found = check(&world).await;
    let by = |code: &str, place: &str| {
        found.findings.iter().any(|finding| finding.code == code && finding.found_at.iter().any(|at| at == place))
    };
    assert!(by("unusable_tax", "`untaxed_purchases`"), "{found:?}");
    assert!(by("unknown_account", "`drop_ship_account`"), "{found:?}");
    assert!(by("out_of_balance", "`rounding_account`"), "{found:?}");
    assert!(by("status_not_wanted", "`purchase_statuses`"), "{found:?}");
    assert!(by("unknown_tracking", "R Field"), "the rule says hold: {found:?}");
    assert!(found.not_looked_at.iter().any(|text| text.starts_with("Tax codes could not be read")), "{found:?}");
    let (code, text, _) = program(&world, &["map", "check", "--company", "acme-au"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("not looked at: Tax codes could not be read") && text.contains("mended in Xero"), "{text}");
    let (_, body, _) = program(&world, &["map", "check", "--json"]).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer[0]["check"]["findings"].as_array().unwrap().len(), found.findings.len());
    assert_eq!(world.post(PATH, &json!({"company": "nobody"})).await.0, 404);
    let answer =
        world.http.post(format!("{}{PATH}", world.url)).bearer_auth(VIEWER).json(&json!({"company": "acme-au"}));
    assert_eq!(answer.send().await.unwrap().status().as_u16(), 403);
}
