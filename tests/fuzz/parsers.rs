//! The parsers that need no server: callbacks, signature headers, webhooks, the configuration, amounts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use readypost::config;
use readypost::domain::callback::{Callback, KeyHost, KeyUrl, Parsed};
use readypost::domain::money::Money;
use readypost::domain::record::{ConnectionId, RecordKey, RecordKind};
use readypost::domain::signature::{Signature, SigningKey, WebhookKey, verify, verify_webhook};
use readypost::domain::webhook::Webhook;
use readypost::simulator::{connectwise, xero};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;

use crate::mutate::{bytes, json};
use crate::{Reached, Run, reach};

const CALLBACK: &[u8] = include_bytes!("../../fixtures/callbacks/vector.json");
const FULL: &str = include_str!("../../fixtures/config/full.toml");
const KEY: &str = "test-signing-key";

fn callbacks() -> Vec<Vec<u8>> {
    let key_url = "https://na.myconnectwise.net/v2025_1//system/callbackkey/index.rails?companyName=Acme&id=1";
    let mut all = vec![CALLBACK.to_vec()];
    for (kind, id) in [("invoice", "7"), ("PurchaseOrder", "\" 0012 \""), ("expense", "9007199254740993")] {
        let text = format!(
            r#"{{"MessageId":"6dd82302-5e46-47c0-8c84-702868125b76","FromUrl":"x","CompanyId":"acme","MemberId":"jo","Action":"updated","Type":"{kind}","ID":{id},"ProductInstanceId":null,"PartnerId":null,"Entity":"{{\"id\":7,\"total\":1.50}}","Metadata":{{"key_url":"{key_url}"}},"CallbackObjectRecId":3}}"#
        );
        all.push(text.into_bytes());
    }
    all
}

#[test]
fn callbacks_are_refused_or_name_one_record() {
    let corpus = callbacks();
    let hosts: Vec<KeyHost> = vec!["na.myconnectwise.net".parse().unwrap()];
    let key = SigningKey::derive(KEY);
    let mut run = Run::new("callbacks_are_refused_or_name_one_record", 4_000);
    let mut reached = Reached::new();
    while let Some(mut execution) = run.next() {
        let random = &mut execution.random;
        let original = random.of(&corpus).clone();
        let body = json(random, &original, &corpus);
        let sent = Signature::parse(Some(connectwise::signature(KEY.as_bytes(), &original).as_bytes())).unwrap();
        assert_eq!(verify(&body, &sent, &key).is_ok(), body == original, "only the very bytes are verified");
        if let Ok(url) = KeyUrl::peek(&body, &hosts, "acme") {
            reach(&mut reached, "key addresses allowed");
            on_allowed_host(url.url().as_str());
        }
        let signature = Signature::parse(Some(connectwise::signature(KEY.as_bytes(), &body).as_bytes())).unwrap();
        match Callback::parse(&verify(&body, &signature, &key).unwrap()) {
            Ok(Parsed::Record(callback)) => {
                reach(&mut reached, "records");
                names_one_record(callback);
            }
            Ok(Parsed::Unhandled(kind)) => {
                reach(&mut reached, "other types");
                assert!(kind.chars().count() <= 40);
            }
            Err(error) => {
                reach(&mut reached, "unreadable");
                assert!(!error.to_string().is_empty() && error.to_string().len() < 2000, "{error}");
            }
        }
        run.ended(&execution);
    }
    run.finish(&reached);
    assert!(reached.len() == 4 || reached.values().sum::<u64>() < 4, "{reached:?}");
}

/// Read by the eye of someone who knows only text.
fn on_allowed_host(url: &str) {
    let rest = url.strip_prefix("https://na.myconnectwise.net/").unwrap_or_else(|| panic!("{url}"));
    let company = rest.to_ascii_lowercase().matches("companyname=").count();
    assert!(company <= 1, "{url}");
    if company == 1 {
        assert!(rest.to_ascii_lowercase().split(['?', '&', '#']).any(|pair| pair == "companyname=acme"), "{url}");
    }
}

fn names_one_record(callback: Callback) {
    let source = callback.source.as_str();
    assert!(source.bytes().all(|byte| byte.is_ascii_digit()) && !source.starts_with('0'), "{source}");
    assert!(source.parse::<i64>().is_ok_and(|id| id >= 1), "{source}");
    assert!(matches!(callback.kind, RecordKind::Invoice | RecordKind::PurchaseOrder | RecordKind::Expense));
    assert!(callback.action.chars().count() <= 20 && callback.member.is_none_or(|member| member.chars().count() <= 60));
    let connection: ConnectionId = "acme".parse().unwrap();
    let key = RecordKey { connection, kind: callback.kind, source: callback.source };
    assert_eq!(key.to_string().parse::<RecordKey>().unwrap(), key);
}

#[test]
fn only_the_right_header_verifies() {
    let right = connectwise::signature(KEY.as_bytes(), CALLBACK);
    let key = SigningKey::derive(KEY);
    let corpus = vec![right.clone().into_bytes(), xero::signature("x", b"y").into_bytes(), b"AAAA".to_vec()];
    let mut run = Run::new("only_the_right_header_verifies", 30_000);
    let mut reached = Reached::new();
    while let Some(mut execution) = run.next() {
        let random = &mut execution.random;
        let original = random.of(&corpus).clone();
        let header = bytes(random, &original, &corpus);
        match Signature::parse(Some(&header)) {
            Ok(signature) => {
                reach(&mut reached, "well-formed");
                assert_eq!(STANDARD.decode(&header).unwrap().len(), 32);
                let verified = verify(CALLBACK, &signature, &key).is_ok();
                assert_eq!(verified, header == right.as_bytes(), "there is one way to write it");
                assert!(verify_webhook(CALLBACK, &signature, &WebhookKey::new(KEY)).is_err());
            }
            Err(_) => reach(&mut reached, "refused"),
        }
        run.ended(&execution);
    }
    run.finish(&reached);
}

#[test]
fn webhooks_are_refused_or_name_events() {
    let id = "7b2c0d5e-35a1-4a37-9d4b-0d1e2f3a4b5c";
    let event = format!(
        r#"{{"resourceUrl":"https://api.xero.com/x","resourceId":"{id}","tenantId":"{id}","tenantType":"ORGANISATION","eventCategory":"INVOICE","eventType":"UPDATE","eventDateUtc":"2026-12-01T00:00:00.000"}}"#
    );
    let body = format!(
        r#"{{"events":[{event},{}],"firstEventSequence":1,"lastEventSequence":2,"entropy":"x"}}"#,
        event.replace("INVOICE", "CREDITNOTE")
    );
    let corpus = vec![body.into_bytes(), CALLBACK.to_vec()];
    let mut run = Run::new("webhooks_are_refused_or_name_events", 4_000);
    let mut reached = Reached::new();
    while let Some(mut execution) = run.next() {
        let random = &mut execution.random;
        let body = json(random, &corpus[0].clone(), &corpus);
        let signature = Signature::parse(Some(xero::signature(KEY, &body).as_bytes())).unwrap();
        match Webhook::parse(&verify_webhook(&body, &signature, &WebhookKey::new(KEY)).unwrap()) {
            Ok(webhook) => {
                reach(&mut reached, if webhook.events.is_empty() { "without events" } else { "with events" });
                for event in webhook.events {
                    let texts = [&event.category, &event.action, &event.at];
                    assert!(texts.iter().all(|text| text.chars().count() <= 40));
                    let _ = event.concern();
                }
            }
            Err(error) => {
                reach(&mut reached, "unreadable");
                assert!(!error.is_empty() && error.len() < 2000, "{error}");
            }
        }
        run.ended(&execution);
    }
    run.finish(&reached);
}

#[test]
fn configurations_are_refused_with_a_place_and_never_show_a_secret() {
    let rules =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/base-rules.toml")).unwrap();
    let corpus: Vec<Vec<u8>> = vec![
        FULL.into(),
        include_bytes!("../../fixtures/config/minimal.toml").to_vec(),
        include_bytes!("../../fixtures/config/wrong.toml").to_vec(),
        format!("{FULL}\n{rules}").into_bytes(),
    ];
    let mut run = Run::new("configurations_are_refused_with_a_place_and_never_show_a_secret", 1_000);
    let mut reached = Reached::new();
    while let Some(mut execution) = run.next() {
        let random = &mut execution.random;
        let original = random.of(&corpus).clone();
        let text = String::from_utf8_lossy(&bytes(random, &original, &corpus)).into_owned();
        match config::parse(&text, &|_| None) {
            Ok(config) => {
                reach(&mut reached, "accepted");
                shows_no_secret(&text, &config);
                usable(&config);
            }
            Err(faults) => {
                reach(&mut reached, "refused");
                assert!(!faults.is_empty());
                for fault in faults {
                    assert!(fault.line <= text.lines().count() + 1, "{fault}");
                    assert!(!fault.message.trim().is_empty() && (fault.line > 0 || !fault.key.is_empty()), "{fault:?}");
                }
            }
        }
        let _ = config::parse_rules(&text);
        run.ended(&execution);
    }
    run.finish(&reached);
}

/// What was taken for a secret is not shown, unless the text has it in another setting as well.
fn shows_no_secret(text: &str, config: &config::Config) {
    let shown = format!("{config:?}");
    let connections = config.connections.iter().map(|connection| &connection.private_key);
    let companies = config.companies.iter().map(|company| &company.xero);
    let optional = companies
        .flat_map(|xero| [xero.client_secret.as_ref(), xero.refresh_token.as_ref(), xero.webhook_key.as_ref()]);
    let optional = optional.chain([config.store.key.as_ref()]).flatten();
    for secret in connections.chain(optional) {
        let secret = secret.expose_secret();
        let once = text.matches(secret).count() == 1;
        assert!(!once || secret.len() < 8 || !shown.contains(secret), "{secret} is shown");
    }
}

/// Whatever was accepted can be worked with.
fn usable(config: &config::Config) {
    assert!(!config.connections.is_empty() && !config.companies.is_empty());
    for connection in &config.connections {
        assert!(!connection.private_key.expose_secret().trim().is_empty() && !connection.company.trim().is_empty());
        assert!(!connection.key_url_hosts.is_empty());
        for host in &connection.key_url_hosts {
            assert_eq!(host.to_string().parse::<KeyHost>().unwrap(), *host);
        }
    }
    for company in &config.companies {
        assert!(config.connections.iter().any(|connection| connection.name == company.connection));
        for url in [&company.xero.api_url, &company.xero.token_url] {
            let host = url.host_str().unwrap_or_default();
            assert!(url.scheme() == "https" || host == "localhost" || host.starts_with("127.") || host == "[::1]");
        }
    }
}

#[test]
fn amounts_keep_every_cent() {
    let corpus: Vec<Vec<u8>> =
        ["182714.10", "-0.005", "1E+2", "999999999999.99", "\"12.50\"", "1e-5", "0.1651", "12e0"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
    let mut run = Run::new("amounts_keep_every_cent", 20_000);
    let mut reached = Reached::new();
    while let Some(mut execution) = run.next() {
        let random = &mut execution.random;
        let original = random.of(&corpus).clone();
        let body = json(random, &original, &corpus);
        let text = String::from_utf8_lossy(&body).into_owned();
        if let Ok(money) = serde_json::from_str::<Money>(&text) {
            reach(&mut reached, "amounts");
            assert!(money.decimal().abs() <= Money::LIMIT);
            assert_eq!(money.to_string().parse::<Decimal>().unwrap(), money.decimal());
            let again: Money = serde_json::from_str(&serde_json::to_string(&money).unwrap()).unwrap();
            assert_eq!(again, money);
            let moved = (money.to_cents().decimal() - money.decimal()).abs();
            assert!(moved <= Decimal::new(5, 3), "{text}");
            assert_eq!(money.to_cents().to_cents(), money.to_cents());
            if let Some(digits) = plain(&text) {
                reach(&mut reached, "compared by their digits");
                assert_eq!(plain(&money.to_string()), Some(digits), "{text}");
            }
        } else {
            reach(&mut reached, "refused");
        }
        run.ended(&execution);
    }
    run.finish(&reached);
}

/// Sign, whole digits and decimals of a plain number of at most 28 digits, without zeros that say nothing.
fn plain(text: &str) -> Option<(bool, String, String)> {
    let text = text.trim().trim_matches('"');
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.len() + decimals.len() <= 28 && !whole.is_empty();
    if !all_digits || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (whole, decimals) = (whole.trim_start_matches('0').to_owned(), decimals.trim_end_matches('0').to_owned());
    Some((is_negative && !(whole.is_empty() && decimals.is_empty()), whole, decimals))
}
