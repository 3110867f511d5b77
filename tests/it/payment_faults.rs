//! Wherever the process dies on the way of a payment, and its store is lost with it: each payment once.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::Server;
use readypost::simulator::faults::{Fault, Rule};
use uuid::Uuid;

use crate::credits;
use crate::harness::{Differently, dec};
use crate::payments::{FROM, Paying, TO, enter, in_xero};

/// What happens to the payments of an invoice. There are two equal ones, so that one more or less is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// They are entered in Xero.
    FromXero,
    /// They are entered in ConnectWise.
    ToXero,
    /// They are parts of a credit memo, applied in ConnectWise.
    Credits,
}

struct Scene {
    paying: Paying,
    way: Way,
    invoice: i64,
    document: Uuid,
    memo: i64,
}

impl Scene {
    async fn new(way: Way) -> Self {
        let rules = match way {
            Way::ToXero => TO,
            Way::Credits => credits::CREDITS,
            Way::FromXero => FROM,
        };
        let paying = Paying::with(Differently { rules, ..Differently::default() }).await;
        let (invoice, document) = paying.posted("INV-1").await;
        let mut memo = 0;
        if way == Way::Credits {
            memo = credits::memo(&paying, "CM-1");
            paying.world.ready(memo);
            paying.world.settle().await;
            let _ = paying.world.xero.take_webhooks();
        }
        Self { paying, way, invoice, document, memo }
    }

    fn server(&self, xero: bool) -> &Server {
        if xero { &self.paying.world.xero.server } else { &self.paying.world.connectwise.server }
    }

    /// Lets it happen and lets the service hear of it.
    async fn begin(&self) {
        match self.way {
            Way::FromXero => {
                self.paying.pay("INV-1", "20");
                self.paying.pay("INV-1", "20");
            }
            Way::ToXero => {
                enter(&self.paying.world, self.invoice, "20");
                enter(&self.paying.world, self.invoice, "20");
                readypost::pipeline::sweep(&self.paying.world.app.parts).await.unwrap();
            }
            Way::Credits => {
                for _ in 0..2 {
                    let _ = self.paying.world.connectwise.apply_credit(self.memo, self.invoice, dec("20"));
                }
                readypost::pipeline::sweep(&self.paying.world.app.parts).await.unwrap();
            }
        }
        for reception in self.paying.world.xero.deliver_webhooks().await {
            assert!(reception.is_accepted());
        }
    }

    /// Lets time pass until all is done, and checks that it is done once.
    async fn check(&self, label: &str) {
        let key = crate::payments::key(self.document).parse().unwrap();
        for _ in 0..24 {
            let known = self.paying.world.app.parts.store.record(&key);
            if known.await.unwrap().is_some() && self.paying.state(self.document).await == "done" {
                break;
            }
            self.paying.world.pass(SignedDuration::from_mins(10)).await;
        }
        assert_eq!(self.paying.state(self.document).await, "done", "{label}");
        let wanted = vec![dec("20"); 2];
        assert_eq!(self.paying.amounts(self.invoice), wanted, "{label}");
        if self.way == Way::Credits {
            assert_eq!(credits::credited(&self.paying, self.document), dec("40"), "{label}");
            return;
        }
        let standing: Vec<_> = in_xero(&self.paying).into_iter().map(|(amount, ..)| amount).collect();
        assert_eq!(standing, wanted, "{label}");
    }
}

/// Calls of all steps together; more are tried than there are.
const CALLS_MAX: u32 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_dies_with_its_store_during_any_call_carries_each_payment_once() {
    // What was entered is known as ours by the store alone, so with that lost nothing of it is deleted.
    for way in [Way::FromXero, Way::ToXero, Way::Credits] {
        let mut points = [0, 0];
        for (xero, points) in [false, true].into_iter().zip(&mut points) {
            for after in 0..CALLS_MAX {
                if !dies_during(way, xero, after).await {
                    break;
                }
                *points += 1;
            }
        }
        println!("{way:?}, store lost: {points:?} points, during calls to ConnectWise and to Xero");
        assert!(points[0] >= 4 && points[1] >= 2 && points[0] < CALLS_MAX, "{way:?}: {points:?}");
    }
}

/// Lets the process die during one call; says whether there was such a call.
async fn dies_during(way: Way, xero: bool, after: u32) -> bool {
    let mut scene = Scene::new(way).await;
    scene.begin().await;
    scene.server(xero).clear_requests();
    // The call is under way when the process dies, and is handled all the same.
    let slow = Fault::Delay(Duration::from_millis(60));
    scene.server(xero).faults.add(Rule::every("/", slow).after(after).times(1));
    let parts = Arc::clone(&scene.paying.world.app.parts);
    let working = tokio::spawn(async move { while turn(&parts).await == Ok(Turn::Worked) {} });
    let wanted = usize::try_from(after).unwrap() + 1;
    while scene.server(xero).requests().len() < wanted && !working.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if working.is_finished() {
        return false;
    }
    scene.paying.world.lose_store().await;
    assert_eq!(scene.paying.retry(scene.document).await, 200);
    working.await.unwrap();
    scene.paying.world.settle().await;
    scene.check(&format!("{way:?}: dead during call {after}, to Xero: {xero}")).await;
    true
}

#[tokio::test]
async fn a_payment_is_not_sent_anew_while_the_first_request_may_be_under_way() {
    for way in [Way::FromXero, Way::ToXero] {
        let scene = Scene::new(way).await;
        scene.begin().await;
        let xero = way == Way::ToXero;
        let (method, path) = if xero { (Method::PUT, "/Payments") } else { (Method::POST, "/payments") };
        scene.server(xero).clear_requests();
        scene.server(xero).faults.add(Rule::next(method.clone(), path, Fault::DropBefore));
        let sent = || {
            let requests = scene.server(xero).requests();
            requests.iter().filter(|request| request.method == method && request.uri.path().ends_with(path)).count()
        };
        scene.paying.world.settle().await;
        scene.paying.world.pass(SignedDuration::from_mins(4)).await;
        assert_eq!(sent(), 1, "{way:?}: looked for, not found, and not believed yet");
        scene.paying.world.pass(SignedDuration::from_mins(3)).await;
        assert_eq!(sent(), 3, "{way:?}");
        scene.check("afterwards").await;
    }
}
