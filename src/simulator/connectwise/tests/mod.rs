//! The traps of the fact sheet, met over HTTP as the product will meet them.

mod api;
mod callbacks;
mod expenses;
mod inventory;
mod payments;
mod posting;
mod purchases;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{ConnectWise, Item, NewCompany, NewInvoice, NewLine, Settings};
use crate::clock::ManualClock;

struct Rig {
    cw: ConnectWise,
    clock: Arc<ManualClock>,
    http: reqwest::Client,
    company: i64,
}

async fn rig(change: impl FnOnce(&mut Settings)) -> Rig {
    let clock = Arc::new(ManualClock::new("2026-11-30T10:00:00Z".parse::<Timestamp>().unwrap()));
    let mut settings = Settings::new(clock.clone());
    settings.retry_unit = Duration::from_millis(40);
    change(&mut settings);
    let cw = ConnectWise::start(settings).await.unwrap();
    let terms = cw.add_terms("Net 20", 20, "NET20");
    let tax = cw.add_tax_code("GST", "Goods and services tax", &[("GST on Income", Decimal::new(1, 1))]);
    let company = cw.add_company(NewCompany { terms: Some(terms), tax_code: Some(tax), ..NewCompany::default() });
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Rig { cw, clock, http, company }
}

impl Rig {
    /// An invoice over 60.00 labour and two items at 20.00, plus 10 % tax.
    fn invoice(&self, kind: &str) -> i64 {
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
            ..NewLine::default()
        };
        let (kind, lines) = (kind.to_owned(), vec![labour, disk]);
        self.cw.add_invoice(NewInvoice { kind, company: self.company, lines, ..NewInvoice::default() })
    }

    fn closed(&self, kind: &str) -> i64 {
        let id = self.invoice(kind);
        self.cw.set_status(id, "Ready to Post").unwrap();
        id
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, HeaderMap, Value) {
        let plain = STANDARD.encode("acme+public-key:private-key");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.cw.api_url()))
            .header("authorization", format!("Basic {plain}"))
            .header("clientId", "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, headers, body) = self.call(reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(headers.contains_key("x-cw-request-id"));
        body
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, _, body) = self.call(reqwest::Method::POST, path, Some(body)).await;
        (status, body)
    }

    async fn export(&self, ids: &[i64]) -> Value {
        let request = json!({"batchIdentifier": "0", "exportInvoicesFlag": true, "includedInvoiceIds": ids});
        let (status, body) = self.post("/finance/accounting/export", request).await;
        assert_eq!(status, 200);
        body
    }

    async fn batch(&self, identifier: &str, ids: &[i64]) -> (u16, Value) {
        let request = json!({"batchIdentifier": identifier, "exportInvoicesFlag": true, "processedRecordIds": ids});
        self.post("/finance/accounting/batches", request).await
    }
}

/// Every id that a transaction names.
fn entry_ids(transaction: &Value) -> Vec<i64> {
    let header = transaction["glEntryIds"].as_str().unwrap().split(',').map(|id| id.parse().unwrap());
    let detail = transaction["detail"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap());
    let mut ids: Vec<i64> = header.chain(detail).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
