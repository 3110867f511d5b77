//! The log as JSON, of the real binary: each line that is about a record names it in `record.key`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use readypost::clock::SystemClock;
use readypost::simulator::connectwise::{ConnectWise, NewInvoice, NewLine};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::{connectwise, xero};
use serde_json::{Map, Value};

use crate::harness::{RULES, TOKEN, configuration_text, furnish, labour};
use crate::process::Service;

/// A line of the log.
type Line = Map<String, Value>;

/// Both systems, and what goes through the service between them.
struct Stage {
    psa: ConnectWise,
    books: xero::Xero,
    client: i64,
    service: Service,
    http: reqwest::Client,
}

impl Stage {
    async fn new(folder: &Path) -> Self {
        let clock = Arc::new(SystemClock);
        let psa = ConnectWise::start(connectwise::Settings::new(clock.clone())).await.unwrap();
        let books = xero::Xero::start(xero::Settings::new(clock)).await.unwrap();
        let client = furnish(&psa, &books);
        let text = configuration_text(&psa, &books, &folder.join("store"), (RULES, ""));
        let log = "\n[log]\nformat = \"json\"\nfilter = \"info,readypost=debug\"\n";
        std::fs::write(folder.join("readypost.toml"), text + log).unwrap();
        let service = Service::start(&[], &folder.join("readypost.toml"), &folder.join("log")).await.unwrap();
        let url = format!("{}/callbacks/acme?recordId=", service.url);
        psa.register_callback(&url, "invoice", "owner", 1).unwrap();
        // None is kept: the door may close an idle connection at the moment of the next request.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        Self { psa, books, client, service, http }
    }

    /// Closes a new invoice, sends its callbacks and waits until its record is in this state; its id.
    async fn closed(&self, number: &str, line: NewLine, state: &str) -> i64 {
        let invoice = self.psa.add_invoice(NewInvoice {
            number: number.to_owned(),
            company: self.client,
            lines: vec![line],
            ..NewInvoice::default()
        });
        let _ = self.psa.take_callbacks();
        self.psa.set_status(invoice, "Ready to Post").unwrap();
        for delivery in self.psa.take_callbacks() {
            assert_eq!(self.psa.send(&delivery).await.status, Some(200));
        }
        for _ in 0..500 {
            let url = format!("{}/api/v1/records/acme/invoice/{invoice}", self.service.url);
            let shown = self.http.get(url).bearer_auth(TOKEN).send().await.unwrap().json::<Value>().await.unwrap();
            if shown["record"]["state"] == state {
                return invoice;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("invoice {number} did not become {state}");
    }
}

fn text<'line>(line: &'line Line, name: &str) -> &'line str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What is said about a record: messages, with the system that they are of.
fn said(lines: &[Line], invoice: i64) -> Vec<String> {
    let key = format!("acme/invoice/{invoice}");
    let of_record = lines.iter().filter(|line| text(line, "record.key") == key);
    of_record.map(|line| format!("{} {}", text(line, "message"), text(line, "system")).trim().to_owned()).collect()
}

fn count(said: &[String], message: &str) -> usize {
    said.iter().filter(|said| *said == message).count()
}

#[tokio::test]
async fn each_line_about_a_record_has_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new(folder.path()).await;
    let posted = stage.closed("LOG-POSTED", labour("1", "100"), "done").await;
    let mut wrong = labour("1", "100");
    "999".clone_into(&mut wrong.account);
    let held = stage.closed("LOG-HELD", wrong, "held").await;
    let busy = Fault::Answer(Canned::new(503, "busy"));
    stage.books.server.faults.add(Rule::next(Method::PUT, "/Invoices", busy));
    let retried = stage.closed("LOG-RETRIED", labour("1", "100"), "done").await;
    let retry = format!("{}/api/v1/records/acme/invoice/{held}/retry", stage.service.url);
    let body = serde_json::json!({ "note": "again" });
    assert_eq!(stage.http.post(retry).bearer_auth(TOKEN).json(&body).send().await.unwrap().status(), 200);
    assert_eq!(stage.service.terminate().await, Some(0));

    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<Line> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    for (line, raw) in lines.iter().zip(log.lines()) {
        assert!(raw.starts_with("{\"timestamp\":\"20"), "{raw}");
        for name in ["timestamp", "level", "target", "message"] {
            assert!(!text(line, name).is_empty(), "{name} is missing: {raw}");
        }
        // Whoever names a record in any other way names its key, too.
        for (number, invoice) in [("LOG-POSTED", posted), ("LOG-HELD", held), ("LOG-RETRIED", retried)] {
            let ids = [format!("invoice/{invoice}"), format!("invoices/{invoice}"), number.to_owned()];
            if ids.iter().any(|id| raw.contains(id.as_str())) {
                assert_eq!(text(line, "record.key"), format!("acme/invoice/{invoice}"), "{raw}");
            }
        }
        // What took time says how long.
        let took = matches!(text(line, "message"), "answered" | "posted to Xero" | "marked in ConnectWise" | "held");
        assert_eq!(took, line.get("duration_ms").is_some_and(Value::is_u64) && took, "{raw}");
    }
    let said: BTreeMap<i64, Vec<String>> =
        [posted, held, retried].map(|invoice| (invoice, said(&lines, invoice))).into();
    for (invoice, messages) in [
        (
            posted,
            ["callback stored", "answered ConnectWise", "answered Xero", "posted to Xero", "marked in ConnectWise"]
                .as_slice(),
        ),
        (held, &["callback stored", "answered ConnectWise", "answered Xero", "held", "an operator decided"]),
        (retried, &["callback stored", "will be tried again", "posted to Xero", "marked in ConnectWise"]),
    ] {
        for message in messages {
            assert!(count(&said[&invoice], message) > 0, "{invoice} lacks {message}: {:?}", said[&invoice]);
        }
    }
    assert_eq!(count(&said[&posted], "posted to Xero"), 1);
    assert_eq!(count(&said[&held], "posted to Xero"), 0);
    assert_eq!(count(&said[&retried], "will be tried again"), 1);
    // A record that is tried again says which attempt it is.
    let attempts = lines.iter().filter(|line| text(line, "record.key") == format!("acme/invoice/{retried}"));
    let attempts: std::collections::BTreeSet<u64> = attempts.filter_map(|line| line.get("attempt")?.as_u64()).collect();
    assert!(attempts.len() > 1, "{attempts:?}");
    println!("{} lines, {} of them about three records", lines.len(), said.values().map(Vec::len).sum::<usize>());
}
