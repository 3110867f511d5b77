//! Windows in which a record could become two documents, none, or another amount.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use readypost::domain::delivery::{About, Actor, Decision, Intent, Purpose};
use readypost::domain::draft::DocumentKind;
use readypost::domain::money::Money;
use readypost::pipeline::turn;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero::Status;
use readypost::store::{ArmRequest, StoreError};
use serde_json::json;

use axum::http::Method;

use crate::harness::{World, dec, labour};

/// A world that has posted once, so that its caches are warm.
async fn warm() -> World {
    let world = World::new().await;
    let first = world.invoice("1000", vec![labour("1", "100")]);
    world.ready(first);
    world.settle().await;
    assert_eq!(world.state(first).await, "done");
    world
}

/// The answer of the next PUT of an invoice is lost.
fn lose_answer(world: &World) {
    world.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropAfter));
}

fn documents_of(world: &World, numbers: &[&str]) -> usize {
    numbers.iter().map(|number| world.documents(number).len()).sum()
}

#[tokio::test]
async fn an_invoice_that_is_renumbered_after_a_lost_answer_is_not_posted_twice() {
    let world = warm().await;
    lose_answer(&world);
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.documents("1001").len(), 1, "it is in Xero, and nobody knows");
    world.connectwise.edit_invoice(invoice, |invoice| "1001A".clone_into(&mut invoice.number)).unwrap();
    world.pass(SignedDuration::from_mins(30)).await;
    assert_eq!(documents_of(&world, &["1001", "1001A"]), 1, "{}", world.state(invoice).await);
    assert!(world.state(invoice).await.starts_with("held"), "{}", world.state(invoice).await);
}

#[tokio::test]
async fn an_invoice_that_turns_into_a_credit_after_a_lost_answer_is_not_posted_twice() {
    let world = warm().await;
    lose_answer(&world);
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    let credit = |invoice: &mut NewInvoice| "CreditMemo".clone_into(&mut invoice.kind);
    world.connectwise.edit_invoice(invoice, credit).unwrap();
    world.pass(SignedDuration::from_mins(30)).await;
    assert_eq!(world.documents("1001").len(), 1, "{}", world.state(invoice).await);
    assert!(world.state(invoice).await.starts_with("held"), "{}", world.state(invoice).await);
}

#[tokio::test]
async fn an_amount_that_changes_after_a_lost_answer_is_held() {
    let world = warm().await;
    lose_answer(&world);
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    world.connectwise.set_status(invoice, "New").ok();
    world.connectwise.edit_invoice(invoice, |invoice| invoice.lines = vec![labour("2", "100")]).unwrap();
    world.ready(invoice);
    world.pass(SignedDuration::from_mins(30)).await;
    assert_eq!(world.documents("1001").len(), 1);
    assert_eq!(world.documents("1001")[0].total, dec("110"));
    assert!(world.state(invoice).await.starts_with("held"), "{}", world.state(invoice).await);
}

#[tokio::test]
async fn an_invoice_that_is_reopened_or_deleted_after_a_lost_answer_is_held() {
    for delete in [false, true] {
        let world = warm().await;
        lose_answer(&world);
        let invoice = world.invoice("1001", vec![labour("1", "100")]);
        world.ready(invoice);
        world.settle().await;
        if delete {
            world.connectwise.delete_invoice(invoice).unwrap();
        } else {
            let open = world.connectwise.add_billing_status("Reopened", false);
            assert!(open > 0);
            world.connectwise.set_status(invoice, "Reopened").unwrap();
        }
        world.pass(SignedDuration::from_mins(30)).await;
        assert_eq!(world.state(invoice).await, "held edited_after_post", "deleted: {delete}");
        assert_eq!(world.documents("1001").len(), 1);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_second_document() {
    // Both ways, and just across the life of the idempotency key.
    for seconds in [-86_400_i64, -3_600, -1, 299, 301, 361, 86_400] {
        let world = warm().await;
        lose_answer(&world);
        let invoice = world.invoice("1001", vec![labour("1", "100")]);
        world.ready(invoice);
        world.settle().await;
        world.clock.advance(SignedDuration::from_secs(seconds));
        assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
        world.settle().await;
        world.pass(SignedDuration::from_hours(1)).await;
        assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1), "{seconds} s");
    }
}

#[tokio::test]
async fn a_worker_that_was_overtaken_makes_no_second_document() {
    // Its request is under way while the lease runs out and another worker takes the record.
    let world = std::sync::Arc::new(warm().await);
    let slow = Fault::Delay(Duration::from_millis(400));
    world.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", slow));
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.callbacks().await;
    let first = {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move { turn(&world.app.parts).await })
    };
    while world.record(invoice).await.intent.is_none() {
        tokio::task::yield_now().await;
    }
    world.clock.advance(SignedDuration::from_mins(6));
    turn(&world.app.parts).await.unwrap();
    assert_eq!(first.await.unwrap(), Err(StoreError::LeaseLost));
    world.settle().await;
    world.pass(SignedDuration::from_mins(30)).await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    assert_eq!(world.connectwise.batches().len(), 2);
}

fn arm_request(now: Timestamp) -> ArmRequest {
    ArmRequest {
        intent: Intent {
            key: "k".to_owned(),
            body_hash: "h".to_owned(),
            company: "acme-au".parse().unwrap(),
            kind: DocumentKind::Invoice,
            number: "1001".to_owned(),
            at: now,
            resend: true,
            change: None,
            purpose: Purpose::Create,
        },
        about: About {
            company: Some("acme-au".parse().unwrap()),
            number: "1001".to_owned(),
            client: "Blue Gum Dental".into(),
            total: Money::CENT,
            currency: "AUD".to_owned(),
            date: None,
            party: None,
        },
        body: "{}".to_owned(),
    }
}

#[tokio::test]
async fn nothing_is_sent_after_an_operator_said_stop_during_the_step() {
    for decision in [Decision::Hold, Decision::Skip] {
        let world = warm().await;
        let invoice = world.invoice("1001", vec![labour("1", "100")]);
        world.ready(invoice);
        world.callbacks().await;
        let (store, now) = (&world.app.parts.store, || world.clock_now());
        let lease = store.lease(now(), now() + SignedDuration::from_mins(5)).unwrap().unwrap();
        let key = lease.record.key.clone();
        let actor = Actor { by: "finance-desk".to_owned(), note: "wrong customer".into(), bulk: None };
        store.resolve(&key, decision.clone(), actor, now()).await.unwrap();
        let armed = store.arm(lease, arm_request(now()), now()).await;
        assert!(armed.is_err(), "{decision:?}: a request was armed after the operator stopped it");
    }
}

#[tokio::test]
async fn an_operators_stop_during_a_slow_step_is_kept() {
    for (action, state) in [("hold", "held operator"), ("skip", "skipped operator")] {
        let world = std::sync::Arc::new(warm().await);
        let slow = Fault::Delay(Duration::from_millis(400));
        world.connectwise.server.faults.add(Rule::next(Method::GET, "/glEntries", slow));
        let invoice = world.invoice("1001", vec![labour("1", "100")]);
        world.ready(invoice);
        world.callbacks().await;
        let step = {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { turn(&world.app.parts).await })
        };
        while world.app.parts.store.overview().leased == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.decide(invoice, action, json!({"note": "wrong customer"})).await, 200);
        let _ = step.await.unwrap();
        world.settle().await;
        world.pass(SignedDuration::from_hours(1)).await;
        assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), (state, 0));
    }
}

#[tokio::test]
async fn a_skip_is_kept_when_the_step_under_way_fails() {
    let world = std::sync::Arc::new(warm().await);
    let slow = Fault::Delay(Duration::from_millis(300));
    let faults = &world.connectwise.server.faults;
    faults.add(Rule::next(Method::GET, "/glEntries", slow));
    faults.add(Rule::next(Method::POST, "/accounting/export", Fault::Answer(Canned::new(400, "{}"))));
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.callbacks().await;
    let step = {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move { turn(&world.app.parts).await })
    };
    while world.app.parts.store.overview().leased == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.decide(invoice, "skip", json!({"note": "ours"})).await, 200);
    let _ = step.await.unwrap();
    world.settle().await;
    world.pass(SignedDuration::from_hours(1)).await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("skipped operator", 0));
}

#[tokio::test]
async fn a_lost_store_ends_in_the_same_books() {
    // Lost after posting and before marking, and lost after both.
    for marked in [false, true] {
        let mut world = warm().await;
        let invoice = world.invoice("1001", vec![labour("1", "99.99")]);
        world.ready(invoice);
        world.callbacks().await;
        turn(&world.app.parts).await.unwrap();
        assert_eq!(world.documents("1001").len(), 1);
        if marked {
            world.settle().await;
        }
        let books = world.xero.documents();
        world.clock.advance(SignedDuration::from_mins(1));
        world.lose_store().await;
        assert!(!world.knows(invoice).await);
        world.connectwise.save_invoice(invoice);
        world.settle().await;
        let (state, warnings) = if marked { ("skipped posted_before", vec![]) } else { ("done", vec!["adopted"]) };
        assert_eq!(world.state(invoice).await, state);
        assert_eq!(world.warnings(invoice).await, warnings);
        assert_eq!(world.xero.documents(), books, "the books did not change");
        assert_eq!(world.connectwise.batches().len(), 2);
    }
}

#[tokio::test]
async fn a_number_taken_by_another_document_is_held_and_adopted_only_if_equal() {
    let world = warm().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    // Another record of the same number, but another amount, was first.
    let foreign = world.invoice("1001", vec![labour("7", "100")]);
    world.ready(foreign);
    world.settle().await;
    let other = world.documents("1001").remove(0);
    world.ready(invoice);
    world.settle().await;
    world.pass(SignedDuration::from_mins(10)).await;
    assert_eq!(world.state(invoice).await, "held document_differs");
    assert_eq!(world.documents("1001").len(), 1);
    // It cannot be adopted as long as it differs, and a document that is not there never.
    assert_eq!(world.decide(invoice, "adopt", json!({"document": other.id})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held document_differs");
    assert_eq!(world.decide(invoice, "adopt", json!({"document": uuid::Uuid::new_v4()})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held document_differs");
    assert_eq!(world.decide(invoice, "skip", json!({"note": "posted by hand"})).await, 409, "an outcome is unknown");
}

#[tokio::test]
async fn an_edit_after_the_posting_is_held_and_changes_nothing_in_xero() {
    let world = warm().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    world.connectwise.delete_batch(world.connectwise.batches().last().unwrap().id).unwrap();
    let edit = |invoice: &mut NewInvoice| "PO 77".clone_into(&mut invoice.customer_po);
    world.connectwise.edit_invoice(invoice, edit).unwrap();
    let (books, calls) = (world.xero.documents(), world.xero.calls());
    world.pass(SignedDuration::from_mins(10)).await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
    assert_eq!(
        (world.xero.documents(), world.xero.calls()),
        (books, calls + 1),
        "one look, whether it was voided there"
    );
}

#[tokio::test]
async fn echoes_of_our_own_batch_cost_xero_nothing() {
    let world = warm().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    let calls = world.xero.calls();
    for _ in 0..5 {
        world.connectwise.save_invoice(invoice);
        world.settle().await;
        world.clock.advance(SignedDuration::from_secs(40));
    }
    assert_eq!((world.state(invoice).await.as_str(), world.xero.calls()), ("done", calls));
    // A document that was voided since is not made anew either.
    world.xero.void(world.documents("1001")[0].id);
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    let all = world.xero.documents().into_iter().filter(|document| document.number == "1001");
    assert_eq!(all.map(|document| document.status).collect::<Vec<_>>(), vec![Status::Voided]);
}

#[tokio::test]
async fn a_refused_document_is_mended_and_posted_once_under_a_new_key() {
    let world = warm().await;
    let mut line = labour("1", "100");
    "777".clone_into(&mut line.account);
    let invoice = world.invoice("1001", vec![line]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unknown_account");
    world.xero.add_account("777", "Projects", "REVENUE");
    world.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(world.decide(invoice, "retry", json!({"note": "account added"})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    // The same, refused by Xero itself.
    let refusal = r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":[{"ValidationErrors":[{"Message":"Account code '200' is not a valid code for this document."}]}]}"#;
    let refusal = Canned::new(400, refusal).header("content-type", "application/json");
    world.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Answer(refusal)));
    let invoice = world.invoice("1002", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    let state = world.state(invoice).await;
    assert!(state.starts_with("held un"), "{state}");
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1002").len()), ("done", 1));
    let puts =
        world.xero.server.requests().into_iter().filter(|request| {
            request.method == Method::PUT && String::from_utf8_lossy(&request.body).contains("\"1002\"")
        });
    let keys: Vec<String> =
        puts.map(|request| request.headers["idempotency-key"].to_str().unwrap().to_owned()).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}
