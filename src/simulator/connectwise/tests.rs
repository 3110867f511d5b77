//! The traps of the fact sheet, met over HTTP as the product will meet them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::decimal;
use super::conditions::Condition;
use super::{
    ConnectWise, DateStyle, DuplicateBatches, Forgery, Item, KeyMode, NewCompany, NewInvoice, NewLine, Refusal,
    SegmentKind, Settings, Sign, StatusAfterBatch, StrayIds, Throttle, signature,
};
use crate::clock::ManualClock;
use crate::simulator::Server;
use crate::simulator::faults::{Canned, Fault, Rule};

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

#[test]
fn signature_matches_the_vector() {
    let body = r#"{"MessageId":"6dd82302-5e46-47c0-8c84-702868125b76","FromUrl":"na.myconnectwise.net","CompanyId":"acme","MemberId":"jdoe","Action":"updated","Type":"invoice","ID":123,"ProductInstanceId":null,"PartnerId":null,"Entity":"{\"id\":123}","Metadata":{"key_url":"https://na.myconnectwise.net/v2025_1//system/callbackkey/index.rails?companyName=acme&id=e17e6674-42f6-4105-9cff-4cd6cb4e62e8"},"CallbackObjectRecId":26604}"#;
    assert_eq!(body.len(), 412);
    assert_eq!(signature(b"test-signing-key", body.as_bytes()), "rqGiZc1S6gd1zbnDRkLr9aMxxMXlNyQFLZxDgthdLzw=");
}

#[test]
fn conditions_mean_what_they_say() {
    let row = json!({"id": 5, "name": "Closed Won", "status": {"id": 3, "name": "Closed"}, "flag": true,
        "total": 12.5, "date": "2026-11-30T00:00:00Z", "_info": {"lastUpdated": "2026-11-30T10:00:00Z"}});
    for (text, holds) in [
        ("id=5", true),
        ("id != 5 or status/name='closed'", true),
        ("id in (4, 5) and total >= 12.50", true),
        ("not id in (4,5)", false),
        ("id not in (1)", true),
        ("name contains \"won\" AND flag = True", true),
        ("name like 'clo%' and name=\"*won\"", true),
        ("name like 'won%'", false),
        ("date > [2026-11-29] and lastUpdated>=[2026-11-30T10:00:00Z]", true),
        ("(id=1 or id=2) and flag=true", false),
        ("missing = null and name != null", true),
    ] {
        assert_eq!(Condition::parse(text).unwrap().holds(&row), holds, "{text}");
    }
    for text in ["name = Closed", "id in 5", "id 5", "name = \"open", "(id=1", "id=1 id=2"] {
        assert!(Condition::parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn closing_makes_entries_and_an_unposted_row_and_opening_removes_them() {
    let rig = rig(|_| ()).await;
    let id = rig.invoice("Standard");
    assert_eq!(rig.get(&format!("/finance/invoices/{id}/glEntries/")).await, json!([]));
    rig.cw.set_status(id, "Ready to Post").unwrap();
    let entries = rig.get(&format!("/finance/invoices/{id}/glEntries")).await;
    let kinds: Vec<&str> = entries.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["AR", "R", "RP", "ST"]);
    let sum: Decimal = entries.as_array().unwrap().iter().map(|entry| decimal(&entry["amount"]).unwrap()).sum();
    assert_eq!(sum, Decimal::ZERO);
    let row = &rig.get("/finance/accounting/unpostedinvoices?conditions=invoiceNumber=\"1001\"").await[0];
    assert_eq!((row["billingLogId"].as_i64(), &row["dateClosed"]), (Some(id), &json!("2026-11-30T10:00:00Z")));
    assert_ne!(row["id"], row["billingLogId"]);
    assert_eq!((&row["total"], &row["dueDays"], &row["stateTaxAmount"]), (&json!(110.0), &json!("20"), &json!(10.0)));
    rig.cw.set_status(id, "Hold").unwrap();
    assert_eq!(rig.get("/finance/accounting/unpostedinvoices/count").await, json!({"count": 0}));
    rig.cw.edit_company(rig.company, |company| company.account_number.clear()).unwrap();
    assert_eq!(rig.cw.set_status(id, "Closed"), Err(Refusal::NoAccountNumber));
}

#[tokio::test]
async fn an_export_has_the_signs_types_and_ids_of_the_trap_list() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let export = rig.export(&[id]).await;
    let header = &export["transactions"][0];
    assert_eq!((&header["documentType"], &header["total"]), (&json!("INVOICE"), &json!(110.0)));
    assert_eq!((&header["dueDate"], &header["billingTermsXref"]), (&json!("2026-12-20T00:00:00Z"), &json!("NET20")));
    assert_eq!(header["glClass"], "::");
    let (labour, disk, tax) = (&header["detail"][0], &header["detail"][1], &header["detail"][2]);
    assert_eq!(
        (&labour["glTypeId"], &labour["total"], &labour["glClass"]),
        (&json!("R"), &json!(-60.0), &json!("North::LABOUR"))
    );
    assert_eq!((&disk["glTypeId"], &disk["quantity"], &disk["itemPrice"]), (&json!("RP"), &json!(-2.0), &json!(20.0)));
    assert_eq!(disk["item"], json!({"id": 741, "identifier": "SSD1"}));
    assert_eq!(
        (&tax["glTypeId"], &tax["total"], &tax["taxCodeXref"]),
        (&json!("ST"), &json!(-10.0), &json!("GST on Income"))
    );
    assert_eq!(header["glEntryIds"], format!("{},{}", header["id"], tax["id"]));
    assert_eq!(header["taxLevels"][0]["taxableAmount"], json!(100.0));
    assert_eq!(export, rig.export(&[id]).await, "a preview changes nothing");
    let unposted = rig.cw.unposted()[0]["id"].as_i64().unwrap();
    assert_eq!(rig.export(&[unposted]).await["transactions"], json!([]));
    assert_eq!(rig.export(&entry_ids(header)).await["transactions"], json!([]));
}

#[tokio::test]
async fn segments_join_with_colons_and_a_missing_mapping_is_blank() {
    let rig = rig(|_| ()).await;
    rig.cw.set_captions(&[
        ("Account", SegmentKind::Account),
        ("Region", SegmentKind::Class),
        ("Sub", SegmentKind::Account),
    ]);
    let line = NewLine { other_segments: vec![("Sub".to_owned(), "01".to_owned())], ..NewLine::default() };
    let blank = NewLine { account: String::new(), ..NewLine::default() };
    let company = rig.company;
    let id = rig.cw.add_invoice(NewInvoice { company, lines: vec![line, blank], ..NewInvoice::default() });
    rig.cw.set_status(id, "Closed").unwrap();
    let export = rig.export(&[id]).await;
    let detail = &export["transactions"][0]["detail"];
    assert_eq!((&detail[0]["accountNumber"], &detail[1]["accountNumber"]), (&json!("200:01"), &json!(":")));
    assert_eq!(rig.get("/finance/glCaptions").await[0]["segment3type"], "Account");
}

#[tokio::test]
async fn a_credit_memo_flips_its_detail_and_its_header_by_choice() {
    for (sign, total) in [(Sign::Positive, json!(110.0)), (Sign::Negative, json!(-110.0))] {
        let rig = rig(|settings| settings.credit_memo_header = sign).await;
        let id = rig.closed("CreditMemo");
        let header = &rig.export(&[id]).await["transactions"][0];
        assert_eq!((&header["documentType"], &header["total"]), (&json!("CREDIT MEMO"), &total));
        assert_eq!((&header["detail"][1]["total"], &header["detail"][1]["quantity"]), (&json!(40.0), &json!(2.0)));
        assert_eq!(rig.cw.invoice(id)["total"], total);
    }
}

#[tokio::test]
async fn an_invoice_stays_unposted_until_its_last_entry_is_in_a_batch() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let ids = entry_ids(&rig.export(&[id]).await["transactions"][0]);
    let (last, most) = ids.split_last().unwrap();
    let (status, body) = rig.batch("X-1", most).await;
    assert_eq!((status, body["transactions"].as_array().map(Vec::len)), (201, Some(1)));
    assert!(!rig.cw.is_batched(id) && rig.cw.unposted().len() == 1);
    assert_eq!(entry_ids(&rig.export(&[id]).await["transactions"][0]), [*last]);
    assert_eq!(rig.batch("X-2", &[*last]).await.0, 201);
    assert_eq!(rig.get(&format!("/finance/invoices/{id}")).await["glBatch"]["name"], "X-2");
    assert!(rig.cw.unposted().is_empty());
    assert_eq!(rig.cw.set_status(id, "Hold"), Err(Refusal::Batched));
    let batch = rig.get("/finance/accounting/batches?conditions=batchIdentifier=\"x-1\"").await[0]["id"].clone();
    let (status, ..) = rig.call(reqwest::Method::DELETE, &format!("/finance/accounting/batches/{batch}"), None).await;
    assert_eq!((status, rig.cw.unposted().len()), (204, 1));
    assert_eq!(rig.cw.invoice(id)["unbatchedBatch"]["name"], "X-1");
}

#[tokio::test]
async fn a_batch_is_checked_and_strays_and_duplicates_are_switches() {
    let rig1 = rig(|_| ()).await;
    let id = rig1.closed("Standard");
    let ids = entry_ids(&rig1.export(&[id]).await["transactions"][0]);
    let (status, body) = rig1.post("/finance/accounting/batches", json!({})).await;
    assert_eq!((status, body["errors"].as_array().map(Vec::len)), (400, Some(3)));
    assert_eq!(rig1.batch(&"x".repeat(51), &ids).await.1["errors"][0]["code"], "MaxLengthField");
    assert_eq!(rig1.batch("X", &[id]).await.1["errors"][0]["code"], "NotFound");
    assert_eq!(rig1.batch("X", &ids).await.0, 201);
    let codes = rig1.batch("X", &ids).await.1;
    assert_eq!(
        (&codes["errors"][0]["code"], &codes["errors"][1]["code"]),
        (&json!("ObjectExists"), &json!("NotFound"))
    );
    let rig2 = rig(|settings| {
        settings.stray_ids = StrayIds::Ignore;
        settings.duplicate_batches = DuplicateBatches::Accept;
    })
    .await;
    assert_eq!(rig2.batch("X", &[1]).await.1["transactions"], json!([]));
    assert_eq!((rig2.batch("X", &[1]).await.0, rig2.cw.batches().len()), (201, 2));
}

#[tokio::test]
async fn the_screen_can_batch_unbatch_and_rebatch_behind_our_back() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let batch = rig.cw.manual_batch(&[id], "M-1").unwrap();
    assert_eq!(rig.cw.batches()[0].invoice_ids, [id]);
    rig.cw.unbatch(id).unwrap();
    rig.cw.set_status(id, "Hold").unwrap();
    rig.cw.edit_invoice(id, |invoice| invoice.lines.truncate(1)).unwrap();
    rig.cw.set_status(id, "Closed").unwrap();
    assert_eq!(rig.cw.unposted()[0]["total"], json!(66.0));
    rig.cw.rebatch(id).unwrap();
    assert!(rig.cw.is_batched(id) && rig.cw.batches()[0].id == batch);
    let entries = rig.get(&format!("/finance/accounting/batches/{batch}/entries")).await;
    assert_eq!(entries.as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn registration_has_its_quirks() {
    let rig = rig(|_| ()).await;
    let entry = json!({"id": 0, "url": "https://test.example/cw?recordId=", "objectId": 0, "type": "Invoice", "level": "owner"});
    let (status, body) = rig.post("/system/callbacks", entry.clone()).await;
    assert_eq!((status, &body["objectId"], &body["inactiveFlag"]), (201, &json!(1), &json!(false)));
    let (status, again) = rig.post("/system/callbacks", entry).await;
    assert_eq!((status, &again["errors"][0]["code"]), (400, &json!("ObjectExists")));
    let wrong = json!({"url": "test", "objectId": 1, "type": "expense", "level": "Status"});
    let (_, wrong) = rig.post("/system/callbacks", wrong).await;
    assert_eq!(wrong["errors"][0]["message"], "Invalid URL");
    assert_eq!(wrong["errors"][1]["field"], "level");
    let disable = json!([{"op": "replace", "path": "inactiveFlag", "value": true}]);
    let path = format!("/system/callbacks/{}", body["id"]);
    let (status, _, patched) = rig.call(reqwest::Method::PATCH, &path, Some(disable)).await;
    assert_eq!((status, &patched["inactiveFlag"]), (200, &json!(true)));
    rig.invoice("Standard");
    assert!(rig.cw.take_callbacks().is_empty());
    assert_eq!(
        rig.get("/system/callbacks?conditions=url contains \"TEST.example\"").await.as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(rig.call(reqwest::Method::DELETE, &path, None).await.0, 204);
}

#[tokio::test]
async fn a_message_verifies_with_the_key_behind_its_double_slash() {
    let rig = rig(|_| ()).await;
    rig.cw.register_callback("https://test.example/cw?recordId=", "invoice", "Status", 3).unwrap();
    let id = rig.closed("Standard");
    let sent = rig.cw.take_callbacks();
    assert_eq!(sent.len(), 1, "the new invoice was in no status that is listened to");
    assert_eq!(sent[0].url, format!("https://test.example/cw?recordId={id}&action=updated"));
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    let key_url = body["Metadata"]["key_url"].as_str().unwrap().to_owned();
    assert!(key_url.starts_with(&format!("http://{}/v2026_1//system/callbackkey/index.rails?", rig.cw.key_host())));
    let entity: Value = serde_json::from_str(body["Entity"].as_str().unwrap()).unwrap();
    assert_eq!((&entity["id"], &entity["status"]["isClosed"]), (&json!(id), &json!(true)));
    let key: Value = rig.http.get(&key_url).send().await.unwrap().json().await.unwrap();
    let key = key["signing_key"].as_str().unwrap().as_bytes();
    assert_eq!(sent[0].signature.as_deref(), Some(signature(key, &sent[0].body).as_str()));
    let garbled = rig.cw.forge(&sent[0], &Forgery::InvalidUtf8);
    assert!(std::str::from_utf8(&garbled.body).is_err());
    assert_eq!(garbled.signature.as_deref(), Some(signature(key, &garbled.body).as_str()));
    for (mode, status) in [(KeyMode::Redirect, 302), (KeyMode::Missing, 404), (KeyMode::Oversized, 200)] {
        rig.cw.set_key_mode(mode);
        assert_eq!(rig.http.get(&key_url).send().await.unwrap().status(), status);
    }
    rig.cw.set_key_mode(KeyMode::Good);
    rig.cw.rotate_key();
    assert_eq!(rig.http.get(&key_url).send().await.unwrap().status(), 404);
    rig.cw.delete_invoice(id).unwrap();
    let deleted: Value = serde_json::from_slice(&rig.cw.take_callbacks()[0].body).unwrap();
    assert_eq!((&deleted["Action"], &deleted["Entity"]), (&json!("deleted"), &Value::Null));
}

#[tokio::test]
async fn only_four_answers_are_retried_and_three_failing_days_disable() {
    let rig = rig(|_| ()).await;
    let answer = || async { axum::http::StatusCode::NO_CONTENT };
    let receiver = Server::start(0, axum::Router::new().fallback(answer)).await.unwrap();
    let url = format!("http://{}/cw?recordId=", receiver.address());
    rig.cw.register_callback(&url, "invoice", "owner", 1).unwrap();
    let id = rig.invoice("Standard");
    let busy = |status| Fault::Answer(Canned::new(status, ""));
    receiver.faults.add(Rule::every("/cw", busy(429)).times(2));
    let outcomes = rig.cw.deliver_all().await;
    assert_eq!((outcomes[0].status, outcomes[0].attempts), (Some(204), 3));
    assert_eq!(receiver.requests()[0].body, receiver.requests()[2].body);
    for day in 1..=3 {
        receiver.faults.add(Rule::every("/cw", busy(503)).times(1));
        rig.cw.save_invoice(id);
        let outcomes = rig.cw.deliver_all().await;
        assert_eq!((outcomes[0].status, outcomes[0].attempts), (Some(503), 1));
        assert_eq!(rig.cw.callbacks()[0]["inactiveFlag"], day == 3);
        rig.clock.advance(SignedDuration::from_hours(24));
    }
    rig.cw.save_invoice(id);
    assert!(rig.cw.take_callbacks().is_empty());
}

#[tokio::test]
async fn batching_echoes_unless_switched_off_or_self_suppressed() {
    for (echo, suppressed, messages) in [(true, false, 1), (false, false, 0), (true, true, 0)] {
        let rig = rig(|settings| settings.batch_callbacks = echo).await;
        let id = rig.closed("Standard");
        let entry = json!({"url": "https://test.example/?recordId=", "objectId": 1, "type": "invoice", "level": "Owner",
            "isSelfSuppressedFlag": suppressed});
        rig.post("/system/callbacks", entry).await;
        let ids = entry_ids(&rig.export(&[id]).await["transactions"][0]);
        rig.batch("X", &ids).await;
        assert_eq!(rig.cw.take_callbacks().len(), messages);
    }
}

#[tokio::test]
async fn lists_page_both_ways_and_clip_large_pages() {
    let rig = rig(|_| ()).await;
    for _ in 0..30 {
        rig.invoice("Standard");
    }
    let (_, headers, first) = rig.call(reqwest::Method::GET, "/finance/invoices?fields=id", None).await;
    assert_eq!(first.as_array().map(Vec::len), Some(25));
    let link = headers["link"].to_str().unwrap();
    assert!(
        link.contains("page=2>; rel=\"next\"") && link.contains("rel=\"last\"") && !link.contains("prev"),
        "{link}"
    );
    assert_eq!(first[0].as_object().map(serde_json::Map::len), Some(1));
    let all = rig.get("/finance/invoices?pageSize=5000&orderBy=id desc").await;
    assert_eq!((all.as_array().map(Vec::len), all[0]["id"].as_i64()), (Some(30), Some(5030)));
    let plain = STANDARD.encode("acme+public-key:private-key");
    let forward = rig
        .http
        .get(format!("{}/finance/invoices?pageSize=10&pageId=5010", rig.cw.api_url()))
        .header("authorization", format!("Basic {plain}"))
        .header("clientId", "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11")
        .header("pagination-type", "forward-only");
    let response = forward.send().await.unwrap();
    assert!(response.headers()["link"].to_str().unwrap().contains("pageId=5020>; rel=\"next\""));
    let page: Value = response.json().await.unwrap();
    assert_eq!(page[0]["id"], 5011);
}

#[tokio::test]
async fn errors_are_worded_as_on_the_service() {
    let rig = rig(|_| ()).await;
    let (status, _, body) = rig.call(reqwest::Method::GET, "/finance/invoices/7", None).await;
    assert_eq!((status, &body["message"]), (404, &json!("Invoice 7 not found")));
    let (status, _, body) = rig.call(reqwest::Method::GET, "/finance/nothing", None).await;
    assert_eq!((status, &body["message"]), (404, &json!("The endpoint does not exist.")));
    let anonymous = rig.http.get(format!("{}/system/info", rig.cw.api_url())).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    rig.cw.throttle(1, 30, Throttle::Error);
    let (status, headers, body) = rig.call(reqwest::Method::GET, "/system/info", None).await;
    assert_eq!(
        (status, &headers["retry-after"], &body["error"]),
        (429, &"30".parse().unwrap(), &json!("ConnectWiseAPI"))
    );
    rig.cw.time_out_once();
    assert_eq!(rig.call(reqwest::Method::GET, "/system/info", None).await.0, 500);
    rig.get("/system/info").await;
    rig.cw.break_credentials();
    let (status, _, body) = rig.call(reqwest::Method::GET, "/system/info", None).await;
    assert_eq!((status, &body["code"]), (401, &json!("Unauthorized")));
}

#[tokio::test]
async fn a_new_release_moves_the_api() {
    let rig = rig(|_| ()).await;
    rig.cw.set_codebase("v2026_2/");
    let site = rig.cw.site_url();
    let info: Value =
        rig.http.get(format!("{site}/login/companyinfo/acme")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&info["Codebase"], &info["IsCloud"]), (&json!("v2026_2/"), &json!("True")));
    let nobody = rig.http.get(format!("{site}/login/companyinfo/other")).send().await.unwrap();
    assert_eq!((nobody.status().as_u16(), nobody.text().await.unwrap().as_str()), (200, "null"));
    for (release, status) in [("v2026_1", 404), ("v2026_2", 401)] {
        let response = rig.http.get(format!("{site}/{release}/apis/3.0/system/info")).send().await.unwrap();
        assert_eq!(response.status(), status);
    }
    rig.get("/system/info").await;
    rig.cw.set_legacy_path(false);
    assert_eq!(rig.call(reqwest::Method::GET, "/system/info", None).await.0, 404);
}

#[tokio::test]
async fn a_closed_invoice_takes_a_status_but_not_a_nested_path() {
    for (allowed, code) in [(StatusAfterBatch::Allow, 200), (StatusAfterBatch::Refuse, 400)] {
        let rig = rig(|settings| {
            settings.status_after_batch = allowed;
            settings.date_style = DateStyle::DateOnly;
        })
        .await;
        let id = rig.closed("Standard");
        assert_eq!(rig.cw.unposted()[0]["dateClosed"], "2026-11-30");
        rig.cw.manual_batch(&[id], "M-1").unwrap();
        let path = format!("/finance/closedInvoices/{id}");
        let change = |path: &str, value: Value| Some(json!([{"op": "replace", "path": path, "value": value}]));
        let (status, _, body) = rig.call(reqwest::Method::PATCH, &path, change("status/id", json!(5))).await;
        assert_eq!((status, &body["status"]["name"]), (200, &json!("Ready to Post")));
        let (status, ..) = rig.call(reqwest::Method::PATCH, &path, change("status", json!({"id": 5}))).await;
        assert_eq!(status, code);
        let name = if code == 200 { "Posted to Xero" } else { "Ready to Post" };
        assert_eq!(rig.cw.invoice(id)["status"]["name"], name);
    }
}

#[tokio::test]
async fn payments_reduce_the_balance() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let path = format!("/finance/invoices/{id}/payments");
    let (status, body) = rig.post(&path, json!({"type": "P", "amount": 60.25, "invoice": {"id": id}})).await;
    assert_eq!((status, &body["amount"]), (201, &json!(60.25)));
    assert_eq!(rig.get(&path).await.as_array().map(Vec::len), Some(1));
    assert_eq!(rig.cw.invoice(id)["balance"], json!(49.75));
}
