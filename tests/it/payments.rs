//! What is paid in one system is paid in the other, once and to the cent.

use jiff::SignedDuration;
use jiff::civil::{Date, date};
use readypost::domain::delivery::State;
use readypost::simulator::connectwise::{NewInvoice, NewPayment};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero::{self, Kind, Subscription};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Differently, WEBHOOK_KEY, World, dec, labour};

pub(crate) const FROM: &str = "payments = \"from_xero\"\n";
pub(crate) const DAY: Date = date(2026, 12, 1);

/// A world in which invoices are posted and Xero tells of its changes.
pub(crate) struct Paying {
    pub(crate) world: World,
}

impl Paying {
    pub(crate) async fn new() -> Self {
        Self::with(Differently { rules: FROM, ..Differently::default() }).await
    }

    pub(crate) async fn with(differently: Differently) -> Self {
        let paying = Self { world: World::with(differently).await };
        // From now on no request from before its store can be under way.
        paying.world.clock.advance(SignedDuration::from_mins(4));
        paying.subscribe().await;
        paying
    }

    /// Points Xero's webhooks at the service as it is now.
    pub(crate) async fn subscribe(&self) {
        self.world.xero.subscribe(&format!("{}/xero/webhooks", self.world.url), WEBHOOK_KEY);
        assert!(self.world.xero.intend_to_receive().await.is_passed);
    }

    /// An invoice over 110.00 that is in both systems; its ids in ConnectWise and in Xero.
    pub(crate) async fn posted(&self, number: &str) -> (i64, Uuid) {
        let invoice = self.world.invoice(number, vec![labour("1", "100")]);
        self.world.ready(invoice);
        self.world.settle().await;
        let _ = self.world.xero.take_webhooks();
        (invoice, self.world.documents(number)[0].id)
    }

    /// Lets Xero tell of everything, and both sides come to rest.
    pub(crate) async fn settle(&self) {
        for reception in self.world.xero.deliver_webhooks().await {
            assert!(reception.is_accepted(), "{reception:?}");
        }
        self.world.settle().await;
    }

    pub(crate) fn pay(&self, number: &str, amount: &str) -> Uuid {
        self.world.xero.pay(number, dec(amount), DAY).unwrap()
    }

    /// Amount and day of every payment of an invoice in ConnectWise.
    pub(crate) fn entered(&self, invoice: i64) -> Vec<(Decimal, String)> {
        let row = |row: &Value| {
            (dec(&row["amount"].to_string()).normalize(), row["paymentDate"].as_str().unwrap()[..10].to_owned())
        };
        let mut rows: Vec<_> = self.world.connectwise.payments(invoice).iter().map(row).collect();
        rows.sort();
        rows
    }

    pub(crate) fn amounts(&self, invoice: i64) -> Vec<Decimal> {
        self.entered(invoice).into_iter().map(|(amount, _)| amount).collect()
    }

    pub(crate) async fn state(&self, document: Uuid) -> String {
        self.world.state_of(&key(document)).await
    }

    /// The sentence of a hold.
    pub(crate) async fn held(&self, document: Uuid) -> String {
        let record = self.world.app.parts.store.record(&key(document).parse().unwrap()).await.unwrap().unwrap();
        match record.state {
            State::Held { reason } => format!("{}: {}", reason.code.as_str(), reason.sentence),
            other => panic!("not held: {other:?}"),
        }
    }

    pub(crate) async fn retry(&self, document: Uuid) -> u16 {
        let path = key(document).parse::<readypost::domain::record::RecordKey>().unwrap().path();
        self.world.post(&format!("/api/v1/records/{path}/retry"), &json!({})).await.0
    }

    async fn warnings(&self, document: Uuid) -> Vec<&'static str> {
        let record = self.world.app.parts.store.record(&key(document).parse().unwrap()).await.unwrap().unwrap();
        record.warnings.iter().map(|open| open.warning.code.as_str()).collect()
    }
}

pub(crate) fn key(document: Uuid) -> String {
    format!("acme/payment/acme-au/{document}")
}

fn day(text: &str) -> (Decimal, String) {
    (dec(text), DAY.to_string())
}

#[tokio::test]
async fn a_payment_in_xero_is_entered_in_connectwise_once() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    paying.pay("INV-1", "110");
    paying.settle().await;
    assert_eq!(paying.entered(invoice), [day("110")]);
    assert_eq!(paying.state(document).await, "done");
    assert_eq!(paying.world.connectwise.invoice(invoice)["balance"], json!(0.0));
    let path = key(document).parse::<readypost::domain::record::RecordKey>().unwrap().path();
    let shown = paying.world.get(&format!("/api/v1/records/{path}")).await;
    let events: Vec<&str> =
        shown["history"].as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["webhook", "request", "paid"]);
    assert_eq!((&shown["record"]["number"], &shown["record"]["total"]), (&json!("INV-1"), &json!("110.00")));
    // Whatever is told again changes nothing.
    let again = paying.world.post(&format!("/api/v1/records/{path}/retry"), &json!({})).await;
    assert_eq!(again.0, 200);
    paying.settle().await;
    assert_eq!((paying.entered(invoice), paying.state(document).await.as_str()), (vec![day("110")], "done"));
}

#[tokio::test]
async fn parts_and_equal_payments_of_one_day_are_as_many_as_in_xero() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    for amount in ["20", "20", "30.33"] {
        paying.pay("INV-1", amount);
    }
    paying.settle().await;
    assert_eq!(paying.entered(invoice), [day("20"), day("20"), day("30.33")]);
    paying.world.xero.pay("INV-1", dec("20"), date(2026, 12, 2)).unwrap();
    paying.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("20"), dec("20"), dec("20"), dec("30.33")]);
    assert_eq!(paying.state(document).await, "done");
}

#[tokio::test]
async fn a_batch_deposit_is_a_payment_of_each_invoice() {
    let paying = Paying::new().await;
    let (one, two) = (paying.posted("INV-1").await, paying.posted("INV-2").await);
    paying.world.xero.deposit(&[(one.1, dec("110")), (two.1, dec("10"))], DAY, "Deposit 7").unwrap();
    paying.settle().await;
    assert_eq!((paying.amounts(one.0), paying.amounts(two.0)), (vec![dec("110")], vec![dec("10")]));
}

#[tokio::test]
async fn a_payment_that_is_deleted_or_moved_in_xero_is_so_in_connectwise() {
    let paying = Paying::new().await;
    let (one, two) = (paying.posted("INV-1").await, paying.posted("INV-2").await);
    let payment = paying.pay("INV-1", "60");
    paying.pay("INV-1", "50");
    paying.settle().await;
    assert_eq!(paying.amounts(one.0), [dec("50"), dec("60")]);
    // Moved: deleted here and entered there.
    paying.world.xero.delete_payment(payment).unwrap();
    paying.pay("INV-2", "60");
    paying.settle().await;
    assert_eq!((paying.amounts(one.0), paying.amounts(two.0)), (vec![dec("50")], vec![dec("60")]));
    assert_eq!((paying.state(one.1).await, paying.state(two.1).await), ("done".to_owned(), "done".to_owned()));
    // Deleted and entered again as it was: the same payment in ConnectWise goes on.
    let before = paying.world.connectwise.payments(two.0)[0]["id"].clone();
    let payment = paying.world.xero.payments().last().unwrap().id;
    paying.world.xero.delete_payment(payment).unwrap();
    paying.pay("INV-2", "60");
    paying.settle().await;
    assert_eq!(paying.world.connectwise.payments(two.0)[0]["id"], before);
}

#[tokio::test]
async fn a_credit_note_is_applied_as_its_memo_or_as_a_payment_with_a_warning() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    let memo = paying.world.invoice_like(NewInvoice {
        number: "CM-1".to_owned(),
        kind: "CreditMemo".to_owned(),
        lines: vec![labour("1", "40")],
        ..NewInvoice::default()
    });
    paying.world.ready(memo);
    paying.world.settle().await;
    let note = paying.world.documents("CM-1")[0].id;
    let allocation = paying.world.xero.allocate(note, document, dec("44")).unwrap();
    paying.settle().await;
    let rows = paying.world.connectwise.payments(invoice);
    assert_eq!((rows.len(), &rows[0]["credit"]["id"], &rows[0]["amount"]), (1, &json!(memo), &json!(44.0)));
    assert!(paying.warnings(document).await.is_empty());
    assert!(paying.world.xero.delete_allocation(allocation));
    paying.settle().await;
    assert!(paying.world.connectwise.payments(invoice).is_empty());
    // One that ConnectWise does not have.
    let contact = paying.world.xero.contacts()[0].id;
    let by_hand = json!({"Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-9", "Contact": {"ContactID": contact},
        "Date": "2026-12-01", "LineAmountTypes": "NoTax", "Status": "AUTHORISED",
        "LineItems": [{"Description": "Sorry", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200"}]});
    let note = paying.world.xero.enter(&by_hand).unwrap();
    paying.world.xero.allocate(note, document, dec("10")).unwrap();
    paying.settle().await;
    assert_eq!(
        (paying.amounts(invoice), paying.warnings(document).await),
        (vec![dec("10")], vec!["credit_as_payment"])
    );
    assert_eq!(paying.state(document).await, "done");
}

#[tokio::test]
async fn a_credit_that_a_person_applied_in_both_systems_is_one() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    let memo = paying.world.invoice_like(NewInvoice {
        number: "CM-1".to_owned(),
        kind: "CreditMemo".to_owned(),
        lines: vec![labour("1", "40")],
        ..NewInvoice::default()
    });
    paying.world.ready(memo);
    paying.world.settle().await;
    // On another day than in Xero.
    let _ = paying.world.connectwise.apply_credit(memo, invoice, dec("44"));
    let note = paying.world.documents("CM-1")[0].id;
    paying.world.clock.advance(SignedDuration::from_hours(24 * 9));
    paying.world.xero.allocate(note, document, dec("44")).unwrap();
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("44")], "done"));
}

#[tokio::test]
async fn of_overpayments_and_prepayments_only_what_was_applied_counts() {
    let paying = Paying::new().await;
    let (one, two) = (paying.posted("INV-1").await, paying.posted("INV-2").await);
    let rest = paying.world.xero.overpay("INV-1", dec("150"), DAY).unwrap();
    paying.settle().await;
    assert_eq!((paying.amounts(one.0), paying.amounts(two.0)), (vec![dec("110")], vec![]));
    let contact = paying.world.xero.contacts()[0].id;
    let down = paying.world.xero.prepay(Kind::ReceivePrepayment, contact, dec("60"), DAY);
    let part = paying.world.xero.allocate(rest, two.1, dec("15")).unwrap();
    paying.world.xero.allocate(down, two.1, dec("60")).unwrap();
    paying.settle().await;
    assert_eq!(paying.amounts(two.0), [dec("15"), dec("60")]);
    assert!(paying.world.xero.delete_allocation(part));
    paying.settle().await;
    assert_eq!(paying.amounts(two.0), [dec("60")]);
    assert_eq!((paying.state(one.1).await, paying.state(two.1).await), ("done".to_owned(), "done".to_owned()));
}

#[tokio::test]
async fn what_a_person_entered_is_found_and_never_touched() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    let own = paying.world.connectwise.add_payment(NewPayment {
        invoice,
        amount: dec("60"),
        date: DAY,
        ..NewPayment::default()
    });
    let payment = paying.pay("INV-1", "60");
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("60")], "done"));
    paying.world.xero.delete_payment(payment).unwrap();
    paying.settle().await;
    assert_eq!(paying.world.connectwise.payments(invoice)[0]["id"], json!(own), "it was a person's");
    // The same amount on another day may be the same payment.
    paying.world.xero.pay("INV-1", dec("60"), date(2026, 12, 3)).unwrap();
    paying.settle().await;
    let held = paying.held(document).await;
    assert!(
        held.starts_with("ambiguous_payment") && held.contains("2026-12-03") && held.contains("2026-12-01"),
        "{held}"
    );
    assert_eq!(paying.amounts(invoice), [dec("60")]);
    paying.world.connectwise.edit_payment(own, |payment| payment.date = date(2026, 12, 3)).unwrap();
    assert_eq!(paying.retry(document).await, 200);
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("60")], "done"));
    // And what would pay too much is held with both sums.
    let other = paying.world.connectwise.pay(invoice, dec("45"));
    paying.pay("INV-1", "50");
    paying.settle().await;
    let held = paying.held(document).await;
    assert!(held.starts_with("payment_conflict") && held.contains("105.00") && held.contains("110.00"), "{held}");
    paying.world.connectwise.delete_payment(other).unwrap();
    assert_eq!(paying.retry(document).await, 200);
    paying.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("50"), dec("60")]);
}

#[tokio::test]
async fn what_a_person_did_to_a_payment_of_ours_is_held() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    let payment = paying.pay("INV-1", "60");
    paying.settle().await;
    let ours = paying.world.connectwise.payments(invoice)[0]["id"].as_i64().unwrap();
    paying.world.connectwise.edit_payment(ours, |payment| payment.amount = dec("55")).unwrap();
    assert_eq!(paying.retry(document).await, 200);
    paying.settle().await;
    let held = paying.held(document).await;
    assert!(held.starts_with("payment_changed") && held.contains("55.00") && held.contains("60.00"), "{held}");
    paying.world.connectwise.delete_payment(ours).unwrap();
    paying.pay("INV-1", "5");
    paying.settle().await;
    assert!(paying.held(document).await.contains("was deleted in ConnectWise"));
    assert!(paying.amounts(invoice).is_empty());
    // An operator who wants it there asks for it.
    assert_eq!(paying.retry(document).await, 200);
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("5"), dec("60")], "done"));
    // Deleted in both: nothing is left to say.
    let ours =
        paying.world.connectwise.payments(invoice).iter().find(|row| row["amount"] == json!(60.0)).unwrap()["id"]
            .clone();
    paying.world.connectwise.delete_payment(ours.as_i64().unwrap()).unwrap();
    paying.world.xero.delete_payment(payment).unwrap();
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("5")], "done"));
}

#[tokio::test]
async fn ambiguous_numbers_are_held_and_unknown_ones_skipped() {
    let paying = Paying::new().await;
    let contact = paying.world.xero.contacts()[0].id;
    let by_hand = |number: &str, reference: &str, price: i32| {
        let sent = json!({"Type": "ACCREC", "InvoiceNumber": number, "Reference": reference,
            "Contact": {"ContactID": contact}, "Date": "2026-12-01", "DueDate": "2026-12-20",
            "LineAmountTypes": "NoTax", "Status": "AUTHORISED",
            "LineItems": [{"Description": "Labour", "Quantity": 1, "UnitAmount": price, "AccountCode": "200"}]});
        paying.world.xero.enter(&sent).unwrap()
    };
    // Entered by hand under the numbers of two invoices of the same total.
    let (one, two) =
        (paying.world.invoice("A-1", vec![labour("1", "100")]), paying.world.invoice("A-2", vec![labour("1", "100")]));
    let both = by_hand("A-1", "A-2", 110);
    paying.pay("A-1", "10");
    let stranger = by_hand("X-9", "", 110);
    paying.pay("X-9", "10");
    let other = paying.world.invoice("A-3", vec![labour("1", "50")]);
    let differs = by_hand("A-3", "", 110);
    paying.pay("A-3", "10");
    paying.settle().await;
    let held = paying.held(both).await;
    assert!(held.starts_with("ambiguous_payment") && held.contains("A-1") && held.contains("A-2"), "{held}");
    assert_eq!(paying.state(stranger).await, "skipped no_invoice");
    let held = paying.held(differs).await;
    assert!(held.contains("110.00") && held.contains("55.00"), "{held}");
    for invoice in [one, two, other] {
        assert!(paying.amounts(invoice).is_empty());
    }
    // Renamed in Xero, it is as good as any.
    paying.world.xero.edit(both, &json!({"Reference": "none"})).unwrap();
    paying.settle().await;
    assert_eq!((paying.amounts(one), paying.state(both).await.as_str()), (vec![dec("10")], "done"));
}

#[tokio::test]
async fn a_migrated_invoice_is_found_by_its_reference() {
    let rules = "payments = \"from_xero\"\nconversion_date = 2026-07-01\n";
    let paying = Paying::with(Differently { rules, ..Differently::default() }).await;
    let invoice = paying.world.invoice_like(NewInvoice {
        number: "INV-7".to_owned(),
        reference: "OLD-7".to_owned(),
        date: date(2026, 5, 1),
        lines: vec![labour("1", "100")],
        ..NewInvoice::default()
    });
    paying.world.ready(invoice);
    paying.world.settle().await;
    let document = paying.world.documents("OLD-7")[0].id;
    paying.pay("OLD-7", "110");
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("110")], "done"));
}

#[tokio::test]
async fn a_warm_payment_costs_one_call_to_xero_and_three_to_connectwise() {
    let paying = Paying::new().await;
    let (invoice, _) = paying.posted("INV-1").await;
    paying.pay("INV-1", "10");
    paying.settle().await;
    let calls = || (paying.world.xero.calls(), paying.world.connectwise.server.requests().len());
    let before = calls();
    paying.pay("INV-1", "20");
    paying.settle().await;
    let after = calls();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 3));
    assert_eq!(paying.amounts(invoice), [dec("10"), dec("20")]);
}

/// Signs and sends a body as Xero would.
fn send(paying: &Paying, body: &str, key: &str) -> xero::Webhook {
    let signature = Some(xero::signature(key, body.as_bytes()));
    let url = format!("{}/xero/webhooks", paying.world.url);
    xero::Webhook { url, body: body.as_bytes().to_vec(), signature }
}

#[tokio::test]
async fn the_door_tells_good_signatures_from_bad_ones() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    assert_eq!(paying.world.xero.subscription(), Some(Subscription::Sending));
    paying.pay("INV-1", "10");
    let message = paying.world.xero.take_webhooks().remove(0);
    let status = async |webhook: &xero::Webhook| paying.world.xero.send_webhook(webhook).await;
    for change in [
        |webhook: &mut xero::Webhook| webhook.signature = None,
        |webhook: &mut xero::Webhook| webhook.signature = Some("AAAA".to_owned()),
        |webhook: &mut xero::Webhook| webhook.body[20] ^= 1,
        |webhook: &mut xero::Webhook| webhook.signature = Some(xero::signature("another", &webhook.body)),
    ] {
        let mut forged = message.clone();
        change(&mut forged);
        let reception = status(&forged).await;
        assert_eq!((reception.status, reception.objection), (Some(401), None));
    }
    paying.world.settle().await;
    assert!(paying.amounts(invoice).is_empty());
    // Sent three times, it is one payment.
    for _ in 0..3 {
        assert!(status(&message).await.is_accepted());
    }
    paying.world.settle().await;
    assert!(status(&message).await.is_accepted());
    paying.world.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("10")], "done"));
    for (body, expected) in
        [("nonsense", 400), (r#"{"events":null}"#, 200), (r#"{"events":[{"odd":1}],"entropy":"x"}"#, 200)]
    {
        let reception = status(&send(&paying, body, WEBHOOK_KEY)).await;
        assert_eq!((reception.status, reception.objection), (Some(expected), None), "{body}");
    }
    let large = format!("{{\"entropy\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(status(&send(&paying, &large, WEBHOOK_KEY)).await.status, Some(413));
}

#[tokio::test]
async fn events_of_other_tenants_and_other_things_are_passed_over() {
    let paying = Paying::new().await;
    let (_, document) = paying.posted("INV-1").await;
    let event = |tenant: Uuid, category: &str, action: &str, id: Uuid| {
        json!({"resourceUrl": "http://127.0.0.1:1/evil", "resourceId": id, "tenantId": tenant, "tenantType": "ORGANISATION",
            "eventCategory": category, "eventType": action, "eventDateUtc": "2026-12-01T00:00:00.000"})
    };
    let tenant = paying.world.xero.settings().tenant_id;
    let ids = [(); 5].map(|()| Uuid::new_v4());
    let body = json!({"events": [
        event(Uuid::new_v4(), "INVOICE", "UPDATE", ids[0]),
        event(tenant, "CONTACT", "UPDATE", ids[1]),
        event(tenant, "INVOICE", "CREATE", ids[2]),
        event(tenant, "INVOICE", "UPDATE", ids[3]),
        event(tenant, "PREPAYMENT", "CREATE", ids[4]),
    ], "firstEventSequence": 1, "lastEventSequence": 5, "entropy": "x"});
    let webhook = send(&paying, &body.to_string(), WEBHOOK_KEY);
    assert!(paying.world.xero.send_webhook(&webhook).await.is_accepted());
    let known = paying.world.get("/api/v1/records?kind=payment").await;
    let mut keys: Vec<&str> =
        known["records"].as_array().unwrap().iter().map(|record| record["key"].as_str().unwrap()).collect();
    keys.sort_unstable();
    let mut expected = [key(ids[3]), format!("acme/payment/acme-au/Prepayments/{}", ids[4])];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    // Ids that lead nowhere are skipped, and nothing that the message names is called.
    paying.world.settle().await;
    assert_eq!(paying.state(ids[3]).await, "skipped not_a_sale");
    assert_eq!(paying.world.state_of(&expected[usize::from(expected[0] == key(ids[3]))]).await, "skipped nothing_paid");
    assert!(paying.world.app.parts.store.record(&key(document).parse().unwrap()).await.unwrap().is_none());
    let metrics = paying.world.http.get(format!("{}/metrics", paying.world.url)).bearer_auth(crate::harness::TOKEN);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("webhook_events_total{company=\"\",verdict=\"foreign_tenant\"} 1"), "{metrics}");
    assert!(metrics.contains("webhook_events_total{company=\"acme-au\",verdict=\"unhandled\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_store_that_fails_makes_xero_send_again() {
    let mut paying = Paying::new().await;
    let (invoice, _) = paying.posted("INV-1").await;
    paying.pay("INV-1", "10");
    paying.world.app.parts.store.close().await;
    let reception = paying.world.xero.deliver_webhooks().await.remove(0);
    assert_eq!((reception.status, reception.objection), (Some(503), None));
    paying.world.restart().await;
    paying.subscribe().await;
    paying.world.clock.advance(SignedDuration::from_mins(1));
    // Xero points to the new address only for what it sends from now on.
    paying.world.xero.deliver_webhooks().await;
    paying.world.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("10")]);
}

#[tokio::test]
async fn without_the_rule_nothing_is_carried() {
    let paying = Paying::with(Differently::default()).await;
    let (invoice, document) = paying.posted("INV-1").await;
    paying.pay("INV-1", "10");
    let before = paying.world.xero.calls();
    paying.settle().await;
    assert!(paying.amounts(invoice).is_empty());
    assert!(paying.world.app.parts.store.record(&key(document).parse().unwrap()).await.unwrap().is_none());
    assert_eq!(paying.world.xero.calls(), before);
}

#[tokio::test]
async fn a_throttled_payment_waits_and_is_entered_once() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    let throttled = Canned::new(429, "").header("retry-after", "30");
    let rule = Rule::next(axum::http::Method::POST, "/payments", Fault::Answer(throttled));
    paying.world.connectwise.server.faults.add(rule);
    paying.pay("INV-1", "10");
    paying.settle().await;
    assert!(paying.amounts(invoice).is_empty());
    paying.world.clock.advance(SignedDuration::from_secs(31));
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("10")], "done"));
}

/// Asks both systems for what changed, and both sides come to rest; webhooks are lost.
pub(crate) async fn sweep(paying: &Paying) {
    let _ = paying.world.xero.take_webhooks();
    readypost::pipeline::sweep(&paying.world.app.parts).await.unwrap();
    paying.world.settle().await;
}

#[tokio::test]
async fn the_sweep_finds_what_no_webhook_told() {
    let paying = Paying::new().await;
    let (one, two) = (paying.posted("INV-1").await, paying.posted("INV-2").await);
    let calls = || paying.world.xero.calls();
    let before = calls();
    sweep(&paying).await;
    assert_eq!(calls() - before, 1, "what was posted and not paid costs no more than the list");
    let payment = paying.pay("INV-1", "60");
    paying.world.clock.advance(SignedDuration::from_mins(15));
    let before = calls();
    sweep(&paying).await;
    assert_eq!((paying.amounts(one.0), paying.amounts(two.0)), (vec![dec("60")], vec![]));
    assert_eq!(calls() - before, 2);
    for _ in 0..3 {
        paying.world.clock.advance(SignedDuration::from_mins(15));
        let before = calls();
        sweep(&paying).await;
        assert_eq!(calls() - before, 1, "what was looked at is not looked at again");
    }
    // Deleted, after which nothing is paid any more, and moved.
    paying.world.xero.delete_payment(payment).unwrap();
    paying.pay("INV-2", "60");
    paying.world.clock.advance(SignedDuration::from_mins(15));
    sweep(&paying).await;
    assert_eq!((paying.amounts(one.0), paying.amounts(two.0)), (vec![], vec![dec("60")]));
    // What a webhook told of is not looked at again either.
    paying.pay("INV-2", "10");
    paying.settle().await;
    let before = calls();
    sweep(&paying).await;
    assert_eq!((calls() - before, paying.amounts(two.0)), (1, vec![dec("10"), dec("60")]));
    let companies = paying.world.get("/api/v1/companies").await;
    assert!(companies.to_string().contains("payments_swept\":\"2026"), "{companies}");
}

#[tokio::test]
async fn a_sweep_goes_on_where_the_one_before_ended_and_passes_over_nothing() {
    let paying = Paying::new().await;
    let contact = paying.world.xero.contacts()[0].id;
    // More than a page in one second, and more than a sweep takes.
    let mut documents = Vec::new();
    for number in 0..420 {
        let sent = json!({"Type": "ACCREC", "InvoiceNumber": format!("X-{number}"), "Contact": {"ContactID": contact},
            "Date": "2026-12-01", "DueDate": "2026-12-20", "LineAmountTypes": "NoTax", "Status": "AUTHORISED",
            "LineItems": [{"Description": "Labour", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200"}]});
        documents.push(paying.world.xero.enter(&sent).unwrap());
        paying.world.xero.pay(&format!("X-{number}"), dec("10"), DAY).unwrap();
        if number > 150 {
            paying.world.clock.advance(SignedDuration::from_secs(1));
        }
    }
    let known = async || {
        let mut count = 0;
        for document in &documents {
            let key = key(*document).parse().unwrap();
            count += usize::from(paying.world.app.parts.store.record(&key).await.unwrap().is_some());
        }
        count
    };
    readypost::pipeline::sweep(&paying.world.app.parts).await.unwrap();
    let first = known().await;
    assert!((100..=350).contains(&first), "{first}");
    for _ in 0..3 {
        readypost::pipeline::sweep(&paying.world.app.parts).await.unwrap();
    }
    assert_eq!(known().await, documents.len());
}

#[tokio::test]
async fn a_sweep_that_fails_or_is_cut_off_is_repeated() {
    let mut paying = Paying::new().await;
    let (invoice, _) = paying.posted("INV-1").await;
    paying.pay("INV-1", "60");
    for fault in [Fault::Answer(Canned::new(503, "offline")), Fault::Answer(Canned::new(200, "{}"))] {
        paying.world.xero.server.faults.add(Rule::every("/Invoices", fault));
        assert!(readypost::pipeline::sweep(&paying.world.app.parts).await.is_err());
        paying.world.xero.server.faults.clear();
    }
    // Stored, and the process ends before it is worked on.
    readypost::pipeline::sweep(&paying.world.app.parts).await.unwrap();
    paying.world.restart().await;
    paying.world.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("60")]);
    // The whole store is lost: what was entered is found.
    paying.world.lose_store().await;
    paying.world.clock.advance(SignedDuration::from_mins(1));
    paying.pay("INV-1", "10");
    sweep(&paying).await;
    // What the lost store knew of may still be under way for a while.
    assert_eq!(paying.amounts(invoice), [dec("60")]);
    paying.world.clock.advance(SignedDuration::from_mins(6));
    paying.world.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("10"), dec("60")]);
}

#[tokio::test]
async fn nothing_from_before_the_start_is_carried() {
    let rules = "payments = \"from_xero\"\nstart_date = 2026-11-30\n";
    let paying = Paying::with(Differently { rules, ..Differently::default() }).await;
    let (invoice, document) = paying.posted("INV-1").await;
    paying.world.xero.pay("INV-1", dec("10"), date(2026, 11, 29)).unwrap();
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![], "skipped before_start_date"));
    paying.pay("INV-1", "20");
    paying.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("20")], "done"));
}

pub(crate) const TO: &str = "payments = \"to_xero\"\npayment_account = \"090\"\n";
pub(crate) const BOTH: &str = "payments = \"both\"\npayment_account = \"090\"\n";

/// The standing payments in Xero: amount, day and reference.
pub(crate) fn in_xero(paying: &Paying) -> Vec<(Decimal, Date, String)> {
    let standing = paying.world.xero.payments().into_iter().filter(|payment| !payment.is_deleted);
    let mut rows: Vec<_> =
        standing.map(|payment| (payment.amount.normalize(), payment.date, payment.reference)).collect();
    rows.sort();
    rows
}

/// A payment that a person enters in ConnectWise.
pub(crate) fn enter(world: &World, invoice: i64, amount: &str) -> i64 {
    world.connectwise.add_payment(NewPayment { invoice, amount: dec(amount), date: DAY, ..NewPayment::default() })
}

#[tokio::test]
async fn a_payment_in_connectwise_is_entered_in_xero_once() {
    for tells in [true, false] {
        let connectwise: fn(&mut readypost::simulator::connectwise::Settings) =
            if tells { |settings| settings.payment_callbacks = true } else { |_| {} };
        let paying = Paying::with(Differently { rules: TO, connectwise, ..Differently::default() }).await;
        let (invoice, document) = paying.posted("INV-1").await;
        sweep(&paying).await;
        let (one, two) = (enter(&paying.world, invoice, "20"), enter(&paying.world, invoice, "20"));
        if tells {
            paying.world.settle().await;
        } else {
            sweep(&paying).await;
        }
        let expected = [one, two].map(|id| (dec("20"), DAY, format!("CW payment {id}")));
        assert_eq!(in_xero(&paying), expected, "{tells}");
        assert_eq!(paying.state(document).await, "done");
        sweep(&paying).await;
        let calls = paying.world.xero.calls();
        sweep(&paying).await;
        paying.settle().await;
        assert_eq!((in_xero(&paying).len(), paying.world.xero.calls()), (2, calls), "{tells}");
        // Money that was entered in Xero stays there.
        paying.pay("INV-1", "5");
        paying.settle().await;
        assert_eq!(paying.amounts(invoice), [dec("20"), dec("20")]);
        assert_eq!(paying.world.xero.payments()[0].account, "090");
    }
}

#[tokio::test]
async fn a_payment_that_waits_for_its_invoice_goes_with_it() {
    let paying = Paying::with(Differently { rules: TO, ..Differently::default() }).await;
    let invoice = paying.world.invoice("INV-1", vec![labour("1", "100")]);
    enter(&paying.world, invoice, "20");
    sweep(&paying).await;
    assert_eq!(paying.world.state_of(&format!("acme/payment/{invoice}")).await, "skipped no_invoice");
    paying.world.ready(invoice);
    paying.world.settle().await;
    assert_eq!(in_xero(&paying).len(), 1);
}

#[tokio::test]
async fn a_warm_payment_to_xero_costs_three_calls() {
    let paying = Paying::with(Differently { rules: TO, ..Differently::default() }).await;
    let (invoice, _) = paying.posted("INV-1").await;
    enter(&paying.world, invoice, "10");
    sweep(&paying).await;
    enter(&paying.world, invoice, "20");
    let before = paying.world.xero.calls();
    sweep(&paying).await;
    // The invoice, all payments it ever had, and the new one.
    assert_eq!((paying.world.xero.calls() - before, in_xero(&paying).len()), (3, 2));
}

#[tokio::test]
async fn what_cannot_go_to_xero_is_held() {
    let rules = "payments = \"to_xero\"\npayment_account = \"090\"\ndocument_status = \"DRAFT\"\n";
    let paying = Paying::with(Differently { rules, ..Differently::default() }).await;
    let (invoice, document) = paying.posted("INV-1").await;
    enter(&paying.world, invoice, "20");
    sweep(&paying).await;
    assert!(paying.held(document).await.starts_with("invoice_not_approved"));
    paying.world.xero.edit(document, &json!({"Status": "AUTHORISED"})).unwrap();
    paying.settle().await;
    assert_eq!((in_xero(&paying).len(), paying.state(document).await.as_str()), (1, "done"), "its approval wakes it");
    enter(&paying.world, invoice, "90.01");
    sweep(&paying).await;
    let held = paying.held(document).await;
    assert!(held.starts_with("payment_conflict") && held.contains("90.01") && held.contains("90.00 more"), "{held}");
    assert_eq!(in_xero(&paying).len(), 1);

    let rules = "payments = \"to_xero\"\npayment_account = \"200\"\n";
    let paying = Paying::with(Differently { rules, ..Differently::default() }).await;
    let (invoice, document) = paying.posted("INV-1").await;
    enter(&paying.world, invoice, "20");
    sweep(&paying).await;
    assert!(paying.held(document).await.starts_with("unusable_account"));
}

#[tokio::test]
async fn neither_payment_echoes_where_both_go() {
    for hidden in [false, true] {
        let connectwise: fn(&mut readypost::simulator::connectwise::Settings) = if hidden {
            |settings| settings.api_payments = readypost::simulator::connectwise::ApiPayments::Hidden
        } else {
            |settings| {
                settings.payment_callbacks = true;
                settings.unposted_payment_offset = 5_000;
            }
        };
        let mut paying = Paying::with(Differently { rules: BOTH, connectwise, ..Differently::default() }).await;
        let (invoice, document) = paying.posted("INV-1").await;
        sweep(&paying).await;
        // One of each, equal but for where they were entered, and another one.
        let ours = enter(&paying.world, invoice, "20");
        paying.pay("INV-1", "30");
        paying.settle().await;
        sweep(&paying).await;
        let own = (dec("20"), DAY, format!("CW payment {ours}"));
        let expected = ([own, (dec("30"), DAY, String::new())], vec![dec("20"), dec("30")]);
        let books = |paying: &Paying| (in_xero(paying), paying.amounts(invoice));
        let check = |paying: &Paying| assert_eq!(books(paying), (expected.0.to_vec(), expected.1.clone()), "{hidden}");
        check(&paying);
        for _ in 0..3 {
            paying.world.clock.advance(SignedDuration::from_mins(15));
            sweep(&paying).await;
            paying.settle().await;
            check(&paying);
        }
        // The store is lost, and everything is told anew.
        paying.world.lose_store().await;
        paying.subscribe().await;
        paying.world.xero.edit(document, &json!({"Reference": "told anew"})).unwrap();
        let (status, _) = paying.world.post(&format!("/api/v1/records/acme/payment/{invoice}/retry"), &json!({})).await;
        assert_eq!(status, 200);
        paying.settle().await;
        sweep(&paying).await;
        check(&paying);
        paying.world.pass(SignedDuration::from_mins(8)).await;
        check(&paying);
        assert_eq!(paying.state(document).await, "done");
        // What is deleted in Xero after that does not come back from its copy.
        let copied = paying.world.xero.payments().iter().find(|payment| payment.reference.is_empty()).unwrap().id;
        paying.world.xero.delete_payment(copied).unwrap();
        paying.settle().await;
        assert!(paying.held(document).await.starts_with("ambiguous_payment"));
        assert_eq!(in_xero(&paying).len(), 1);
        // Nor what had come from ConnectWise.
        let sent = paying.world.xero.payments().iter().find(|payment| !payment.is_deleted).unwrap().id;
        paying.world.xero.delete_payment(sent).unwrap();
        paying.settle().await;
        assert!(in_xero(&paying).is_empty());
        assert!(paying.held(document).await.starts_with("payment_changed"));
    }
}

#[tokio::test]
async fn a_payment_of_ours_that_a_person_deletes_does_not_come_back_by_itself() {
    let paying = Paying::with(Differently { rules: BOTH, ..Differently::default() }).await;
    let (invoice, document) = paying.posted("INV-1").await;
    let ours = enter(&paying.world, invoice, "20");
    sweep(&paying).await;
    assert_eq!(in_xero(&paying).len(), 1);
    paying.world.connectwise.delete_payment(ours).unwrap();
    assert_eq!(paying.retry(document).await, 200);
    paying.settle().await;
    assert!(paying.held(document).await.starts_with("payment_changed"));
    assert_eq!((in_xero(&paying).len(), paying.amounts(invoice)), (1, vec![]));
    let sent = paying.world.xero.payments()[0].id;
    paying.world.xero.delete_payment(sent).unwrap();
    paying.settle().await;
    assert_eq!((in_xero(&paying).len(), paying.amounts(invoice)), (0, vec![]));
    assert_eq!(paying.state(document).await, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_service_sweeps_at_its_start_and_at_intervals() {
    let paying =
        Paying::with(Differently { rules: "payments = \"from_xero\"\nsweep_minutes = 7\n", ..Differently::default() })
            .await;
    let (one, two) = (paying.posted("INV-1").await, paying.posted("INV-2").await);
    paying.pay("INV-1", "10");
    let shutdown = tokio_util::sync::CancellationToken::new();
    let running = readypost::pipeline::run_sweeps(std::sync::Arc::clone(&paying.world.app.parts), shutdown.clone());
    let running = tokio::spawn(running);
    let known = async |document: Uuid| {
        let key = key(document).parse().unwrap();
        for _ in 0..100 {
            if paying.world.app.parts.store.record(&key).await.unwrap().is_some() {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        false
    };
    assert!(known(one.1).await);
    paying.pay("INV-2", "10");
    for _ in 0..6 {
        paying.world.clock.advance(SignedDuration::from_mins(1));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let key = key(two.1).parse().unwrap();
    assert!(paying.world.app.parts.store.record(&key).await.unwrap().is_none(), "its time has not come");
    paying.world.clock.advance(SignedDuration::from_mins(1));
    assert!(known(two.1).await);
    shutdown.cancel();
    running.await.unwrap();
    paying.world.settle().await;
    assert_eq!((paying.amounts(one.0), paying.amounts(two.0)), (vec![dec("10")], vec![dec("10")]));
}

#[tokio::test]
async fn nothing_is_entered_into_a_locked_period_of_xero() {
    let paying = Paying::with(Differently { rules: TO, ..Differently::default() }).await;
    let (invoice, document) = paying.posted("INV-1").await;
    sweep(&paying).await;
    paying.world.xero.set_lock_dates(Some(DAY), None);
    paying.world.clock.advance(SignedDuration::from_mins(31));
    let _ = paying.world.connectwise.add_payment(NewPayment {
        invoice,
        amount: dec("20"),
        date: DAY,
        ..NewPayment::default()
    });
    sweep(&paying).await;
    let held = paying.held(document).await;
    assert!(held.starts_with("period_locked") && held.contains("2026-12-01"), "{held}");
    assert!(in_xero(&paying).is_empty());
    // The bookkeeper moves the lock date, and asks for another look.
    paying.world.xero.set_lock_dates(None, None);
    assert_eq!(paying.retry(document).await, 200);
    paying.world.settle().await;
    assert_eq!((paying.state(document).await.as_str(), in_xero(&paying).len()), ("done", 1));
}
