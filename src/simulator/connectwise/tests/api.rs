//! Conditions, paging, errors and releases.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::rig;
use crate::simulator::connectwise::Throttle;
use crate::simulator::connectwise::conditions::Condition;

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
