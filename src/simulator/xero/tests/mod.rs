//! Drives the simulator over HTTP, as a client would.

mod bills;
mod journals;
mod payments;
mod sales;
mod webhooks;

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NewContact, Settings, Xero};
use crate::clock::ManualClock;

struct Bench {
    xero: Xero,
    clock: Arc<ManualClock>,
    http: reqwest::Client,
    token: String,
    contact: Uuid,
}

/// One answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
    body: Value,
}

impl Answer {
    fn message(&self) -> String {
        let errors = self.body["Elements"][0]["ValidationErrors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|error| error["Message"].as_str()).collect::<Vec<_>>().join("; ")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn bench() -> Bench {
    bench_with(|_| {}).await
}

async fn bench_with(adjust: impl FnOnce(&mut Settings)) -> Bench {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(ManualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
    let mut settings = Settings::new(clock.clone());
    adjust(&mut settings);
    let xero = Xero::start(settings).await.unwrap();
    let contact = xero.add_contact(NewContact {
        name: "Café Harbour".to_owned(),
        number: Some("CW-1".to_owned()),
        ..NewContact::default()
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut bench = Bench { xero, clock, http, token: String::new(), contact };
    let body = bench.token(&[("grant_type", "client_credentials")]).await.1;
    bench.token = body["access_token"].as_str().unwrap_or_default().to_owned();
    bench
}

impl Bench {
    async fn token(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let settings = self.xero.settings();
        let request = self.http.post(self.xero.token_url()).form(form);
        let response = request.basic_auth(&settings.client_id, Some(&settings.client_secret)).send().await.unwrap();
        (response.status(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>, key: &str) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.xero.api_url()));
        request = request.bearer_auth(&self.token).header("accept", "application/json");
        request = request.header("xero-tenant-id", self.xero.settings().tenant_id.to_string());
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, "").await
    }

    /// GET of what changed since.
    async fn since(&self, path: &str, since: &str) -> Answer {
        let request = self.http.get(format!("{}{path}", self.xero.api_url())).bearer_auth(&self.token);
        let request = request.header("accept", "application/json").header("if-modified-since", since);
        read(request.send().await.unwrap()).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body), "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body), "").await
    }

    fn invoice(&self, number: &str, lines: &Value) -> Value {
        json!({"Type": "ACCREC", "Status": "AUTHORISED", "InvoiceNumber": number,
            "Contact": {"ContactID": self.contact}, "Date": "2026-03-01", "DueDate": "2026-03-31",
            "LineAmountTypes": "Exclusive", "LineItems": lines})
    }
}

async fn read(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, headers, text, body }
}

fn line(quantity: &str, unit: &str) -> Value {
    let number = |text: &str| text.parse::<serde_json::Number>().unwrap();
    json!({"Description": "Work", "Quantity": number(quantity), "UnitAmount": number(unit), "AccountCode": "200"})
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}
