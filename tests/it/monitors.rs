//! The dashboard and the alert rules ask only for what a running service serves, and the README names all of it.

use std::collections::{BTreeMap, BTreeSet};

use readypost::domain::delivery::StateName;
use readypost::domain::hold::HoldCode;
use readypost::domain::warning::WarningCode;
use readypost::simulator::connectwise::{Forgery, NewInvoice};
use readypost::simulator::xero;
use serde_json::{Value, json};

use crate::harness::{Differently, TOKEN, World, labour};

const DASHBOARD: &str = include_str!("../../deploy/grafana.json");
const RULES: &str = include_str!("../../deploy/alerts.yaml");
const README: &str = include_str!("../../README.md");
const PREFIX: &str = "readypost_";

/// Labels that Prometheus adds to whatever it reads.
const ADDED: [&str; 2] = ["instance", "job"];

/// Of each metric its labels, and of each label the values that were served.
type Served = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A metric as an expression asks for it: its name, and what its labels are compared with.
type Asked = (String, Vec<(String, String)>);

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The labels between two braces: names and quoted values.
fn labels(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once(['=', '!']) {
        let (_, after) = after.split_once('"').unwrap();
        let (value, after) = after.split_once('"').unwrap();
        found.push((name.trim_matches([',', ' ']).to_owned(), value.to_owned()));
        rest = after;
    }
    found
}

/// What the service shows in the text format for monitors.
fn served(text: &str) -> Served {
    let mut served = Served::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let endings: &[&str] = match kind {
                "counter" => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            for ending in endings {
                served.entry(format!("{name}{ending}")).or_default();
            }
        } else if !line.starts_with('#') {
            let end = line.find(|c| !is_name(c)).unwrap();
            let inside =
                line[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
            let known = served.get_mut(&line[..end]).unwrap_or_else(|| panic!("a metric without a type: {line}"));
            for (label, value) in labels(inside) {
                known.entry(label).or_default().insert(value);
            }
        }
    }
    served
}

/// The metrics that an expression asks for.
fn asked(expression: &str) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (at, _) in expression.match_indices(PREFIX) {
        let rest = &expression[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let inside =
            rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        asked.push((rest[..end].to_owned(), labels(inside)));
    }
    asked
}

/// The names after `by` and `on`.
fn grouped(expression: &str) -> Vec<String> {
    let groups = ["by (", "on (", "without ("].iter().flat_map(|word| expression.split(word).skip(1));
    let names = groups.filter_map(|rest| rest.split_once(')')).flat_map(|(names, _)| names.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

/// The labels that a text for people shows, as `{{ $labels.code }}` or `{{code}}`.
fn shown(text: &str) -> Vec<String> {
    let parts = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    let names = parts.map(|(name, _)| name.trim().trim_start_matches("$labels.").to_owned());
    names.filter(|name| !name.starts_with('$')).collect()
}

/// Values of labels that are known when the program is written, though they were not served.
fn is_known(label: &str, value: &str) -> bool {
    match label {
        "state" => StateName::ALL.iter().any(|state| state.as_str() == value),
        "code" => {
            HoldCode::ALL.iter().any(|code| code.as_str() == value)
                || WarningCode::ALL.iter().any(|code| code.as_str() == value)
        }
        _ => false,
    }
}

/// What an expression, with the texts beside it, asks for and the service does not have.
fn missing(expression: &str, texts: &[String], served: &Served) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut possible: BTreeSet<&str> = ADDED.into();
    for (name, labels) in asked(expression) {
        let Some(known) = served.get(&name) else {
            wrong.push(format!("{name} is not served: {expression}"));
            continue;
        };
        possible.extend(known.keys().map(String::as_str));
        for (label, value) in labels {
            if ADDED.contains(&label.as_str()) {
                continue;
            }
            let served = known.get(&label).is_some_and(|values| values.contains(&value));
            let fits = served || (known.contains_key(&label) && is_known(&label, &value));
            if !fits {
                wrong.push(format!("{name} has no {label} of {value:?}: {expression}"));
            }
        }
    }
    let used = grouped(expression).into_iter().chain(texts.iter().flat_map(|text| shown(text)));
    wrong.extend(used.filter(|label| !possible.contains(label.as_str())).map(|label| format!("{label}: {expression}")));
    wrong
}

/// The rules: expressions with what they say.
fn rules() -> Vec<(String, Vec<String>)> {
    let expression = |rule: &str| {
        let line = rule.lines().find_map(|line| line.trim().strip_prefix("expr: ")).unwrap();
        assert!(!line.starts_with(['|', '>']), "an expression stands on one line: {rule}");
        line.to_owned()
    };
    RULES.split("- alert: ").skip(1).map(|rule| (expression(rule), vec![rule.to_owned()])).collect()
}

/// The dashboard: expressions with their legends.
fn targets() -> Vec<(String, Vec<String>)> {
    let board: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| (text(&target["expr"]), vec![text(&target["legendFormat"])])).collect()
}

/// A service that has met everything that has a metric with labels.
async fn lively() -> World {
    let xero: fn(&mut xero::Settings) = |settings| settings.refresh_token = Some("first".to_owned());
    let world = World::with(Differently { xero, ..Differently::default() }).await;
    let client = world.new_client("NEWCO", "Newco Holdings");
    // Three times a tax of 2.506 is 7.53 in Xero, and 7.52 in ConnectWise.
    let lines = vec![labour("1", "25.06"), labour("1", "25.06"), labour("1", "25.06")];
    let (number, company) = ("1001".to_owned(), client);
    let rounded = world.invoice_like(NewInvoice { number, company, lines, ..NewInvoice::default() });
    world.ready(rounded);
    world.settle().await;
    let mut codes: Vec<String> = world.warnings(rounded).await.iter().map(ToString::to_string).collect();
    codes.sort();
    assert_eq!(codes.len(), 2, "{codes:?}");
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let held = world.invoice("1002", vec![line]);
    world.ready(held);
    world.settle().await;
    let (_, sent) = world.closed("1003");
    assert_eq!(world.send(&world.connectwise.forge(&sent, &Forgery::WrongKey)).await, 401);
    let webhook = world.http.post(format!("{}/xero/webhooks", world.url)).body("{}").send().await.unwrap();
    assert_eq!(webhook.status(), 401);
    // This world has no payments and no TLS; tests of their own look at both.
    world.app.parts.metrics.webhook_event("acme-au", "queued");
    world.app.parts.metrics.certificate(world.clock_now().as_second());
    assert_eq!(world.post("/api/v1/companies/acme-au/pause", &json!({ "kind": "expense" })).await.0, 200);
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    world
}

async fn metrics(world: &World) -> String {
    world.http.get(format!("{}/metrics", world.url)).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn dashboard_and_alerts_ask_for_what_is_served() {
    let world = lively().await;
    let text = metrics(&world).await;
    let served = served(&text);
    let (targets, rules) = (targets(), rules());
    assert!(targets.len() > 30 && rules.len() > 15, "{} targets, {} rules", targets.len(), rules.len());
    let wrong: Vec<String> =
        targets.iter().chain(&rules).flat_map(|(expression, texts)| missing(expression, texts, &served)).collect();
    assert!(wrong.is_empty(), "{}\n{text}", wrong.join("\n"));
    // What nobody looks at need not be served.
    let all: BTreeSet<String> =
        targets.iter().chain(&rules).flat_map(|(e, _)| asked(e)).map(|(name, _)| name).collect();
    let stem = |name: &String| ["_bucket", "_count", "_sum"].iter().fold(name.clone(), |n, end| n.replace(end, ""));
    let looked: BTreeSet<String> = all.iter().map(stem).collect();
    let unseen: Vec<String> = served.keys().map(stem).filter(|name| !looked.contains(name)).collect();
    assert_eq!(unseen, [""; 0]);
    // Each is explained where operators look.
    let explained = |name: &String| README.contains(&format!("`{}`", name.trim_start_matches(PREFIX)));
    let unexplained: Vec<&String> = looked.iter().filter(|name| !explained(name)).collect();
    assert!(unexplained.is_empty(), "the README does not name {unexplained:?}");
    println!("{} metrics in {} targets and {} rules", looked.len(), targets.len(), rules.len());
}

#[tokio::test]
async fn what_is_not_served_is_found() {
    let served = served(&metrics(&lively().await).await);
    for (expression, text) in [
        ("readypost_made_up > 0", ""),
        ("readypost_steps > 0", ""),
        ("readypost_steps_total{result=\"posted\"} > 0", ""),
        ("readypost_steps_total{outcome=\"well\"} > 0", ""),
        ("readypost_queue_depth{state=\"dead\"} > 0", ""),
        ("sum by (client) (readypost_steps_total)", ""),
        ("readypost_ready == 0", "{{ $labels.company }} is not ready"),
        ("readypost_ready == 0 and on (company) readypost_started > 0", ""),
    ] {
        assert_eq!(missing(expression, &[text.to_owned()], &served).len(), 1, "{expression} {text}");
    }
    for expression in [
        "sum by (kind, le) (rate(readypost_steps_total{outcome=\"posted\"}[5m]))",
        "readypost_records_held{code=\"attempts_spent\"} > 0",
    ] {
        let wrong = missing(expression, &[], &served);
        assert_eq!(wrong.len(), usize::from(expression.contains("le)")), "{wrong:?}");
    }
}

#[tokio::test]
async fn adjustments_are_counted_to_the_cent_and_nothing_names_a_record_or_a_client() {
    let world = lively().await;
    let text = metrics(&world).await;
    for line in [
        "readypost_warnings_raised_total{code=\"tax_rounding\"} 1",
        "readypost_warnings_raised_total{code=\"contact_created\"} 1",
        "readypost_adjusted_cents_total{code=\"tax_rounding\",currency=\"AUD\"} 1",
        "readypost_queue_depth{state=\"held\"} 1",
        "readypost_company_paused{company=\"acme-au\",kind=\"expense\"} 1",
    ] {
        assert!(text.lines().any(|served| served == line), "{line}: {text}");
    }
    let now = world.clock_now().as_second();
    assert!(text.contains(&format!("readypost_sweep_completed{{connection=\"acme\"}} {now}\n")), "{text}");
    assert!(text.contains(&format!("readypost_last_posted{{company=\"acme-au\"}} {now}\n")), "{text}");
    // Two months after the token was received, which the first call did.
    let ends = now + 60 * 86_400;
    assert!(text.contains(&format!("readypost_xero_token_expires_seconds{{company=\"acme-au\"}} {ends}\n")), "{text}");
    let shown = world.get("/api/v1/companies").await[0]["token_ends"].as_str().unwrap().parse::<jiff::Timestamp>();
    assert_eq!(shown.unwrap().as_second(), ends);
    for private in ["1001", "1002", "Newco", "NEWCO", "Blue Gum", "BLUEGUM"] {
        let named = text.lines().find(|line| line.contains(private) && line.contains('"'));
        assert!(named.is_none_or(|line| !line.contains(&format!("\"{private}"))), "{named:?}");
    }
}
