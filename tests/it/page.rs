//! The page over HTTP, without a browser: signing in, forms that only their own session may send, issues and bulk.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{TOKEN, VIEWER, World, labour};

/// Somebody with a browser: follows no redirect, keeps the cookie by hand.
pub(crate) struct Visitor<'world> {
    world: &'world World,
    http: reqwest::Client,
    cookie: String,
}

pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) text: String,
}

impl<'world> Visitor<'world> {
    fn new(world: &'world World) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { world, http, cookie: String::new() }
    }

    pub(crate) async fn signed_in(world: &'world World, token: &str) -> Self {
        let mut visitor = Self::new(world);
        let seen = visitor.post("/status/sign-in", &[("token", token), ("next", "/status/issues")]).await;
        assert_eq!((seen.status, seen.location.as_str()), (303, "/status/issues"));
        visitor
    }

    pub(crate) async fn get(&self, path: &str) -> Seen {
        let request = self.http.get(format!("{}{path}", self.world.url)).header("accept", "text/html");
        Self::seen(request.header("cookie", &self.cookie).send().await.unwrap()).await.0
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let request = self.http.post(format!("{}{path}", self.world.url)).header("accept", "text/html").form(fields);
        let (seen, cookie) = Self::seen(request.header("cookie", &self.cookie).send().await.unwrap()).await;
        if let Some(cookie) = cookie {
            assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
            cookie.split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        seen
    }

    async fn seen(answer: reqwest::Response) -> (Seen, Option<String>) {
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, location, cookie) = (answer.status().as_u16(), header("location"), header("set-cookie"));
        let text = answer.text().await.unwrap();
        (Seen { status, location: location.unwrap_or_default(), text }, cookie)
    }

    /// The key in the forms of a page.
    pub(crate) async fn form_key(&self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let (_, behind) = page.text.split_once("name=\"form_key\" value=\"").unwrap();
        behind.split('"').next().unwrap().to_owned()
    }
}

async fn held(world: &World, number: &str, account: &str) -> i64 {
    let mut line = labour("1", "100");
    account.clone_into(&mut line.account);
    let invoice = world.invoice(number, vec![line]);
    world.ready(invoice);
    world.settle().await;
    invoice
}

#[tokio::test]
async fn nobody_sees_a_page_who_has_not_signed_in() {
    let world = World::new().await;
    let mut visitor = Visitor::new(&world);
    for path in [
        "/status",
        "/status/issues",
        "/status/warnings",
        "/status/records?state=held",
        "/status/bulk",
        "/status/checks",
    ] {
        let seen = visitor.get(path).await;
        let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        assert_eq!((seen.status, seen.location), (303, format!("/status/sign-in?next={next}")), "{path}");
    }
    let wrong = visitor.post("/status/sign-in", &[("token", "guess")]).await;
    assert!(wrong.status == 403 && wrong.text.contains("not in the configuration") && visitor.cookie.is_empty());
    // Whatever the address says, nobody is led to another host.
    let mut visitor = Visitor::new(&world);
    let seen = visitor.post("/status/sign-in", &[("token", TOKEN), ("next", "//evil.test/")]).await;
    assert_eq!((seen.status, seen.location.as_str()), (303, "/status"));
    let page = visitor.get("/status").await;
    assert!(page.status == 200 && page.text.contains("Needs you"));
    // A stolen address of the form is worth nothing, and signing out ends it.
    let form_key = visitor.form_key("/status").await;
    assert_eq!(visitor.post("/status/sign-out", &[("form_key", "x")]).await.status, 303);
    assert_eq!(visitor.get("/status").await.status, 303, "the cookie is gone all the same");
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let old = visitor.cookie.clone();
    assert_ne!(visitor.form_key("/status").await, form_key);
    let form_key = visitor.form_key("/status").await;
    visitor.post("/status/sign-out", &[("form_key", &form_key)]).await;
    visitor.cookie = old;
    assert_eq!(visitor.get("/status").await.status, 303, "the session is over");
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours() {
    let world = World::new().await;
    let visitor = Visitor::signed_in(&world, TOKEN).await;
    world.clock.advance(SignedDuration::from_hours(11));
    assert_eq!(visitor.get("/status").await.status, 200);
    world.clock.advance(SignedDuration::from_mins(61));
    assert_eq!(visitor.get("/status").await.status, 303);
}

#[tokio::test]
async fn a_form_decides_only_for_the_session_that_it_was_made_for() {
    let world = World::new().await;
    let invoice = held(&world, "1001", "999").await;
    let path = format!("/status/records/acme/invoice/{invoice}");
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let form_key = visitor.form_key(&path).await;
    // Without the key, with that of another session, without a cookie, as a viewer.
    let other = Visitor::signed_in(&world, TOKEN).await.form_key(&path).await;
    for key in ["", "x", &other] {
        let seen = visitor.post(&format!("{path}/hold"), &[("form_key", key)]).await;
        assert!(seen.status == 403 && seen.text.contains("another session"), "{key}: {}", seen.text);
    }
    assert_eq!(Visitor::new(&world).post(&format!("{path}/hold"), &[("form_key", &form_key)]).await.status, 303);
    let viewer = Visitor::signed_in(&world, VIEWER).await;
    let page = viewer.get(&path).await;
    assert!(page.status == 200 && page.text.contains("(viewer)") && !page.text.contains("formaction"), "{}", page.text);
    let mut viewer = viewer;
    let key = viewer.form_key(&path).await;
    let seen = viewer.post(&format!("{path}/hold"), &[("form_key", &key)]).await;
    assert!(seen.status == 403 && seen.text.contains("a viewer may look"), "{}", seen.text);
    assert_eq!(world.state(invoice).await, "held unknown_account");
    // The cookie alone decides nothing over the API.
    let url = format!("{}/api/v1/records/acme/invoice/{invoice}/hold", world.url);
    let api = visitor.http.post(url).header("cookie", &visitor.cookie).json(&json!({}));
    assert_eq!(api.send().await.unwrap().status(), 401);

    let seen = visitor.post(&format!("{path}/hold"), &[("form_key", &form_key), ("note", "ask <them>")]).await;
    assert_eq!((seen.status, seen.location.as_str()), (303, path.as_str()));
    assert_eq!(world.state(invoice).await, "held operator");
    let page = visitor.get(&path).await;
    assert!(page.text.contains("Held by tester: ask &lt;them&gt;"), "what people write is no markup");
    let seen = visitor.post(&format!("{path}/retry"), &[("form_key", &form_key)]).await;
    assert!(seen.status == 409 && seen.text.contains("release it first"), "{}", seen.text);
}

#[tokio::test]
async fn owners_and_sleep_are_seen_and_change_nothing_else() {
    let world = World::new().await;
    let invoice = held(&world, "1001", "999").await;
    let path = format!("/status/records/acme/invoice/{invoice}");
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let form_key = visitor.form_key(&path).await;
    let before = world.record(invoice).await;
    visitor.post(&format!("{path}/assign"), &[("form_key", &form_key), ("owner", "Ann")]).await;
    visitor.post(&format!("{path}/snooze"), &[("form_key", &form_key), ("days", "3")]).await;
    let after = world.record(invoice).await;
    assert_eq!((after.owner.as_deref(), &after.state, after.changed), (Some("Ann"), &before.state, before.changed));
    let count =
        async |query: &str| world.get(&format!("/api/v1/records?{query}")).await["records"].as_array().unwrap().len();
    assert_eq!((count("owner=Ann").await, count("owner=nobody").await), (1, 0));
    assert_eq!((count("snoozed=hide").await, count("snoozed=show").await, count("").await), (0, 1, 1));
    assert!(!visitor.get("/status").await.text.contains("Held last"), "it sleeps");
    assert!(
        visitor.get("/status").await.text.contains("unknown account: account &#39;999&#39;")
            || visitor.get("/status/issues").await.text.contains("account '999'")
    );
    let bad = visitor.post(&format!("{path}/snooze"), &[("form_key", &form_key), ("days", "soon")]).await;
    assert!(bad.status == 400 && bad.text.contains("no number of days"));
    world.clock.advance(SignedDuration::from_hours(73));
    assert_eq!(count("snoozed=hide").await, 1, "it is awake");
    // News wake it, too.
    let bearer = json!({ "until": "2030-01-01T00:00:00Z", "note": "later" });
    assert_eq!(world.decide(invoice, "snooze", bearer).await, 200);
    assert_eq!(count("snoozed=hide").await, 0);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), count("snoozed=hide").await), ("held unknown_account", 1));
    for (action, body, status) in [
        ("assign", json!({}), 422),
        ("hold", json!({ "owner": "Ann" }), 422),
        ("retry", json!({ "until": "2030-01-01T00:00:00Z" }), 422),
        ("snooze", json!({ "until": "tomorrow" }), 400),
    ] {
        assert_eq!(world.decide(invoice, action, body).await, status, "{action}");
    }
}

#[tokio::test]
async fn an_issue_is_mended_once_and_decided_once_for_all_of_its_records() {
    let world = World::new().await;
    let mut invoices = Vec::new();
    for number in 1001..1006 {
        invoices.push(held(&world, &number.to_string(), "997").await);
    }
    let other = held(&world, "2001", "998").await;
    let issues = world.get("/api/v1/issues").await;
    let titles: Vec<_> = issues["issues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| (issue["title"].clone(), issue["count"].clone()))
        .collect();
    assert_eq!(
        titles,
        [(json!("unknown account: account '997'"), json!(5)), (json!("unknown account: account '998'"), json!(1))]
    );
    assert_eq!(issues["complete"], true);
    let id = issues["issues"][0]["id"].as_str().unwrap().to_owned();

    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let list = format!("/status/records?state=held&issue={id}");
    let form_key = visitor.form_key(&list).await;
    assert_eq!(visitor.get(&list).await.text.matches("/status/records/acme/invoice/").count(), 5);
    let filter = format!("state=held&issue={id}");
    let plan = [("form_key", form_key.as_str()), ("filter", &filter), ("action", "retry"), ("note", "account added")];
    let seen = visitor.post("/status/bulk", &plan).await;
    assert_eq!(seen.status, 303, "{}", seen.text);
    let address = seen.location;
    let page = visitor.get(&address).await;
    assert!(page.text.contains("Nothing is decided yet") && page.text.contains("retry 5 records"), "{}", page.text);
    assert_eq!(world.state(invoices[0]).await, "held unknown_account");
    world.xero.add_account("997", "New Sales", "REVENUE");
    let seen = visitor.post(&format!("{address}/run"), &[("form_key", &form_key)]).await;
    assert_eq!((seen.status, &seen.location), (303, &address));
    let id = address.rsplit('/').next().unwrap();
    let bulk = ended(&world, id).await;
    assert_eq!((&bulk["state"], &bulk["done"], &bulk["refused"]), (&json!("done"), &json!(5), &json!(0)));
    world.pass(SignedDuration::from_mins(2)).await;
    for invoice in invoices {
        assert_eq!(world.state(invoice).await, "done");
    }
    assert_eq!(world.state(other).await, "held unknown_account");
    assert_eq!(visitor.post(&format!("{address}/run"), &[("form_key", &form_key)]).await.status, 409, "once");
    assert!(visitor.get(&address).await.text.contains("5 decided, 0 refused, of 5"));
    let history = world.get(&format!("/api/v1/records/acme/invoice/{}", other - 1)).await["history"].to_string();
    assert!(history.contains("tester: retry. account added, in bulk"), "{history}");
}

/// A bulk decision once it has ended.
async fn ended(world: &World, id: &str) -> Value {
    for _ in 0..500 {
        let bulk = world.get(&format!("/api/v1/bulk/{id}")).await;
        if bulk["ended"] != Value::Null {
            return bulk;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it does not end");
}

#[tokio::test]
async fn a_bulk_decision_is_planned_refused_cancelled_and_void_in_time() {
    let world = World::new().await;
    let one = held(&world, "1001", "999").await;
    let two = held(&world, "1002", "999").await;
    let plan = async |body: Value| world.post("/api/v1/bulk", &body).await;
    for (body, code, said) in [
        (json!({ "action": "unpost" }), 400, "none of"),
        (json!({ "action": "retry", "filter": { "state": "asleep" } }), 400, "none of"),
        (json!({ "action": "assign" }), 422, "owner"),
        (json!({ "action": "retry", "filters": {} }), 400, "unknown field"),
    ] {
        let (status, answer) = plan(body.clone()).await;
        assert!(status == code && answer["detail"].as_str().unwrap().contains(said), "{body}: {answer}");
    }
    let (status, planned) = plan(json!({ "action": "release", "filter": { "state": "held" } })).await;
    assert_eq!((status, &planned["records"], &planned["state"]), (201, &json!(2), &json!("planned")));
    assert_eq!(planned["sample"].as_array().unwrap().len(), 2);
    let id = planned["id"].as_str().unwrap();
    assert_eq!(world.post(&format!("/api/v1/bulk/{id}/explode"), &json!({})).await.0, 404);
    assert_eq!(world.post(&format!("/api/v1/bulk/{id}/run"), &json!({})).await.0, 202);
    let bulk = ended(&world, id).await;
    assert_eq!((&bulk["done"], &bulk["refused"]), (&json!(0), &json!(2)));
    assert!(bulk["causes"][0]["cause"].as_str().unwrap().contains("no operator holds it"), "{bulk}");
    // A plan that is too old is not run, and one that is cancelled decides nothing.
    let (_, old) = plan(json!({ "action": "skip", "filter": { "state": "held" } })).await;
    world.clock.advance(SignedDuration::from_mins(16));
    let path = format!("/api/v1/bulk/{}/run", old["id"].as_str().unwrap());
    let (status, answer) = world.post(&path, &json!({})).await;
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains("plan it anew"), "{answer}");
    let (_, stopped) = plan(json!({ "action": "skip", "filter": { "state": "held" } })).await;
    let path = format!("/api/v1/bulk/{}", stopped["id"].as_str().unwrap());
    assert_eq!(world.post(&format!("{path}/cancel"), &json!({})).await.0, 202);
    world.post(&format!("{path}/run"), &json!({})).await;
    let bulk = ended(&world, stopped["id"].as_str().unwrap()).await;
    assert_eq!((&bulk["state"], &bulk["done"]), (&json!("cancelled"), &json!(0)));
    assert_eq!(
        (world.state(one).await.as_str(), world.state(two).await.as_str()),
        ("held unknown_account", "held unknown_account")
    );
    assert_eq!(world.get("/api/v1/bulk").await.as_array().unwrap().len(), 3);
    assert_eq!(
        world.http.get(format!("{}/api/v1/bulk/x", world.url)).bearer_auth(TOKEN).send().await.unwrap().status(),
        400
    );
}
