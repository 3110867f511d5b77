//! The description of the HTTP interface is true: roles, errors, tags of answers, and what it says of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{TOKEN, VIEWER, World, labour};

const README: &str = include_str!("../../README.md");

/// Every operation: method, path, and its description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().clone();
        methods
            .into_iter()
            .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// An address that fits a path: of what exists where that matters to who may ask.
fn address(path: &str) -> String {
    let filled = path
        .replace("{connection}", "acme")
        .replace("{kind}", "invoice")
        .replace("{source}", "1")
        .replace("{id}", "00000000-0000-0000-0000-000000000000")
        .replace("{company}", "nobody");
    filled.replace("{action}", if path.contains("/bulk/") { "run" } else { "hold" })
}

async fn ask(world: &World, (method, path): (&str, &str), token: Option<&str>) -> reqwest::Response {
    let mut request = world.http.request(method.parse().unwrap(), format!("{}{}", world.url, address(path)));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    // Nothing that a body could begin: the token is looked at first.
    request.header("content-type", "application/json").body("[]").send().await.unwrap()
}

#[tokio::test]
async fn who_may_ask_is_what_is_described() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await;
    let operations = operations(&document);
    assert!(operations.len() > 30, "{}", operations.len());
    let mut open = BTreeSet::new();
    for (method, path, operation) in &operations {
        let asked = (method.as_str(), path.as_str());
        let Some(role) = operation["security"][0]["token"][0].as_str() else {
            open.insert(path.as_str());
            continue;
        };
        for wrong in [None, Some("no-token")] {
            let answer = ask(&world, asked, wrong).await;
            assert_eq!(answer.status(), 401, "{asked:?}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{asked:?}");
        }
        let status = ask(&world, asked, Some(VIEWER)).await.status().as_u16();
        assert_eq!(status == 403, role == "operator", "{asked:?}: {status}");
        let known = |status: u16| operation["responses"].get(status.to_string()).is_some();
        assert!(known(status), "{asked:?}: {status} is not described");
        let status = ask(&world, asked, Some(TOKEN)).await.status().as_u16();
        assert!(known(status), "{asked:?}: {status} is not described");
    }
    assert_eq!(open, BTreeSet::from(["/callbacks/{connection}", "/xero/webhooks", "/healthz", "/readyz"]));
}

#[tokio::test]
async fn everything_is_described_and_nothing_is_described_twice() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let (mut ids, mut references) = (BTreeSet::new(), BTreeSet::new());
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
        }
        // What the README calls the parts of an address is its own; the words between them are not.
        let plain = |text: &str| {
            text.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }.to_owned()).collect::<Vec<_>>()
        };
        let told = README.split('`').map(|code| code.split_once(' ').map_or(code, |(_, path)| path));
        assert!(told.into_iter().any(|told| plain(told) == plain(&path)), "the README does not know {path}");
    }
}

fn collect<'document>(value: &'document Value, references: &mut BTreeSet<&'document str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn whatever_is_asked_wrongly_is_answered_with_a_problem() {
    let world = World::new().await;
    let invoice = world.invoice("2001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    let record = format!("/api/v1/records/acme/invoice/{invoice}");
    let json = "application/json";
    let large = format!("{{\"note\": \"{}\"}}", "x".repeat(3 << 20));
    let cases = [
        ("GET", "/api/v1/nothing", json, "", 404, "no such address"),
        ("PATCH", "/api/v1/bulk", json, "", 405, "cannot be done"),
        ("DELETE", "/status", json, "", 405, "cannot be done"),
        ("GET", "/api/v1/bulk/7", json, "", 400, "UUID"),
        ("GET", "/api/v1/records/acme/invoice/%ff", json, "", 400, "UTF-8"),
        ("GET", "/api/v1/records/acme/time/1", json, "", 404, "does not name a record"),
        ("GET", "/api/v1/records?colour=red", json, "", 400, "unknown field `colour`"),
        ("GET", "/api/v1/records?state=lost", json, "", 400, "is none of: queued, held, done, skipped"),
        ("GET", "/api/v1/records?state=", json, "", 400, "is none of"),
        ("GET", "/api/v1/records?limit=501", json, "", 400, "from 1 to 500"),
        ("GET", "/api/v1/records?limit=0", json, "", 400, "from 1 to 500"),
        ("GET", "/api/v1/records?cursor=held~1~acme", json, "", 422, "cursor"),
        ("GET", "/api/v1/simulate?id=-1", json, "", 400, "id"),
        ("POST", &format!("{record}/hold"), json, "{", 400, "not readable"),
        ("POST", &format!("{record}/hold"), json, "[\"note\"]", 400, "no JSON object"),
        ("POST", "/api/v1/sweep", json, "[]", 400, "no JSON object"),
        ("POST", "/api/v1/bulk", json, "{\"action\": \"skip\", \"filter\": []}", 400, "not readable"),
        ("POST", &format!("{record}/hold"), json, "{\"not\": 1}", 400, "unknown field `not`"),
        ("POST", &format!("{record}/hold"), "text/plain", "{}", 415, "application/json"),
        ("POST", &format!("{record}/hold"), json, &large, 413, "length limit"),
        ("POST", &format!("{record}/burn"), json, "{}", 404, "is none of"),
        ("POST", &format!("{record}/adopt"), json, "{}", 422, "adopt needs"),
        ("POST", &format!("{record}/release"), json, "{}", 409, ""),
    ];
    for (method, path, kind, body, status, words) in cases {
        let request = world.http.request(method.parse().unwrap(), format!("{}{path}", world.url)).bearer_auth(TOKEN);
        let answer = request.header("content-type", kind).body(body.to_owned()).send().await.unwrap();
        let asked = format!("{method} {path} {}", body.get(..40).unwrap_or(body));
        assert_eq!(answer.status(), status, "{asked}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{asked}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status, "{asked}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{asked}: {problem}");
    }
    assert_eq!(world.state(invoice).await, "done");
    // Nobody's list was taken for a wish: no plan was made, and no sweep was begun.
    assert_eq!(world.get("/api/v1/bulk").await, json!([]));
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let world = World::new().await;
    let invoice = world.invoice("2001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    let path = format!("{}/api/v1/records/acme/invoice/{invoice}", world.url);
    let ask = async |known: &str| {
        let request = world.http.get(&path).bearer_auth(TOKEN).header("if-none-match", known);
        request.send().await.unwrap()
    };
    let first = ask("\"unknown\"").await;
    assert_eq!(
        (first.status().as_u16(), &first.headers()["cache-control"]),
        (200, &"private, no-cache".parse().unwrap())
    );
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let again = ask(&format!("\"other\", W/{tag}")).await;
    assert_eq!((again.status().as_u16(), again.headers()["etag"].to_str().unwrap()), (304, tag.as_str()));
    assert_eq!(again.bytes().await.unwrap().len(), 0);
    assert_eq!(world.decide(invoice, "assign", json!({ "owner": "maria" })).await, 200);
    let changed = ask(&tag).await;
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.headers()["etag"].to_str().unwrap(), tag);
    // Who may not look is not told that nothing has changed.
    let stranger = world.http.get(&path).header("if-none-match", "*").send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}
