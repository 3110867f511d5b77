//! A change of the inventory is in Xero as one journal, or one bill, to the cent, and marked in ConnectWise.

use jiff::SignedDuration;
use readypost::domain::delivery::State;
use readypost::pipeline::accept_movements;
use readypost::simulator::connectwise::{
    DateStyle, Mapping, Movement, NewMovement, NewStock, Oddities, Settings, View,
};
use readypost::simulator::xero;
use serde_json::{Value, json};

use crate::harness::{Differently, TOKEN, World, dec};

/// Rules that post adjustments.
const RULES: &str = "adjustments = \"journal\"\n";

/// A world whose inventory is posted.
pub(crate) async fn stocked() -> World {
    World::with(Differently { rules: RULES, ..Differently::default() }).await
}

/// Two disks of 50.00 that are missing; Xero's books have the stock on account 620.
pub(crate) fn missing() -> NewStock {
    NewStock {
        quantity: dec("-2"),
        unit_cost: dec("50"),
        inventory_account: "620".to_owned(),
        mapping: Mapping { account: "310".to_owned(), region: "Sydney".to_owned(), ..Mapping::default() },
        ..NewStock::default()
    }
}

/// A stock take that misses them.
pub(crate) fn loss(name: &str) -> NewMovement {
    NewMovement::adjustment(name, vec![missing()])
}

/// Takes in what is listed as unposted, as the sweep does.
pub(crate) async fn sweep(world: &World) -> usize {
    let parts = world.app.parts.current();
    accept_movements(&"acme".parse().unwrap(), &parts).await.unwrap()
}

/// The journals that are worth something.
pub(crate) fn journals(world: &World) -> Vec<xero::Journal> {
    let alive =
        |journal: &xero::Journal| !matches!(journal.status, xero::JournalStatus::Voided | xero::JournalStatus::Deleted);
    world.xero.journals().into_iter().filter(alive).collect()
}

/// Adds a closed adjustment; its key comes with it.
pub(crate) fn closed(world: &World, movement: NewMovement) -> (i64, String) {
    let id = world.connectwise.add_movement(movement);
    world.connectwise.close_adjustment(id).unwrap();
    (id, format!("acme/adjustment/{id}-adjustment"))
}

/// Adds a closed adjustment, takes it in and settles.
async fn posted(world: &World, movement: NewMovement) -> (i64, String) {
    let (id, key) = closed(world, movement);
    sweep(world).await;
    world.settle().await;
    (id, key)
}

async fn sentence(world: &World, key: &str) -> String {
    let record = world.app.parts.store.record(&key.parse().unwrap()).await.unwrap().unwrap();
    match record.state {
        State::Held { reason } => reason.sentence.to_string(),
        other => format!("{other:?}"),
    }
}

async fn decide(world: &World, key: &str, action: &str, body: Value) -> u16 {
    let url = format!("{}/api/v1/records/{key}/{action}", world.url);
    world.http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_adjustment_becomes_one_journal_and_is_marked() {
    let world = stocked().await;
    let (id, key) = posted(&world, loss("ADJ-1")).await;
    assert_eq!(world.state_of(&key).await, "done");
    let journals = journals(&world);
    assert_eq!(journals.len(), 1);
    let journal = &journals[0];
    assert_eq!(journal.narration, format!("Inventory adjustment ADJ-1 [ConnectWise acme/adjustment/{id}-adjustment]"));
    assert_eq!((journal.status, journal.date), (xero::JournalStatus::Posted, jiff::civil::date(2026, 11, 30)));
    let lines: Vec<_> = journal.lines.iter().map(|line| (line.account_code.as_str(), line.line_amount)).collect();
    assert_eq!(lines, [("620", dec("-100")), ("310", dec("100"))]);
    assert!(journal.lines.iter().all(|line| line.tracking.len() == 1), "both sides are tracked");
    assert!(world.connectwise.inventory_batch(id).is_some() && world.connectwise.unposted_procurement().is_empty());
    let shown = world.get(&format!("/api/v1/records/{key}")).await;
    let document = &shown["record"]["document"];
    assert_eq!((&document["kind"], &document["number"]), (&json!("journal"), &json!("ADJ-1")));
    assert!(document["batch"].as_str().unwrap().starts_with(&format!("RP-S-{id}-adjustment-")), "{document}");
    assert!(document["link"].as_str().unwrap().contains("/Journal/"));
    assert_eq!(shown["record"]["total"], "-100.00", "what a bookkeeper calls it");
    let events: Vec<&str> =
        shown["history"].as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["listed", "request", "posted", "marked"]);
}

#[tokio::test]
async fn a_warm_journal_costs_a_look_and_a_call() {
    let world = stocked().await;
    posted(&world, loss("ADJ-0")).await;
    let before = world.xero.calls();
    for number in 1..=5 {
        closed(&world, loss(&format!("ADJ-{number}")));
    }
    assert_eq!(sweep(&world).await, 5);
    world.settle().await;
    let made = world.xero.calls_by(&axum::http::Method::PUT, "/ManualJournals");
    // Nothing but the look tells a journal that an earlier life of the store has made.
    assert_eq!((world.xero.calls() - before, made, journals(&world).len()), (10, 6, 6));
    // So it is with a transfer.
    let text = world.configuration().replace("untaxed =", "transfers = \"journal\"\nuntaxed =");
    assert_eq!(world.reload(&text).await.0, 200);
    let before = world.xero.calls();
    let _ = world.connectwise.add_movement(shift());
    assert_eq!(sweep(&world).await, 1);
    world.settle().await;
    assert_eq!((world.xero.calls() - before, journals(&world).len()), (2, 7));
}

/// Three disks of 50.00 that move to another warehouse, whose stock is on another account.
pub(crate) fn shift() -> NewMovement {
    let mut transfer = NewMovement::transfer("TR-1", dec("3"), dec("50"));
    let Movement::Transfer { stock, .. } = &mut transfer.movement else { unreachable!() };
    (stock.inventory_account, stock.mapping) = ("620".to_owned(), Mapping::account("710"));
    transfer
}

#[tokio::test]
async fn a_transfer_is_left_alone_unless_the_rules_post_it() {
    let world = stocked().await;
    let id = world.connectwise.add_movement(shift());
    let key = format!("acme/transfer/{id}-transfer");
    assert_eq!(sweep(&world).await, 1);
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "skipped by_rule");
    assert_eq!(sweep(&world).await, 0, "it is not looked at each time");
    assert!(world.connectwise.inventory_batch(id).is_none() && journals(&world).is_empty());
    // Once the rules say otherwise, what was skipped is posted.
    let text = world.configuration().replace("untaxed =", "transfers = \"journal\"\nuntaxed =");
    assert_eq!(world.reload(&text).await.0, 200);
    assert_eq!(sweep(&world).await, 1);
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "done");
    let lines: Vec<_> =
        journals(&world)[0].lines.iter().map(|line| (line.account_code.clone(), line.line_amount)).collect();
    assert_eq!(lines, [("710".to_owned(), dec("150")), ("620".to_owned(), dec("-150"))]);
    assert!(world.connectwise.inventory_batch(id).is_some());
}

#[tokio::test]
async fn an_adjustment_becomes_a_bill_of_nothing_where_the_rules_want_one() {
    let rules = "adjustments = \"bill\"\nadjustment_contact = \"Stock Adjustments\"\n";
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    let (id, key) = posted(&world, loss("ADJ-1")).await;
    assert_eq!(world.state_of(&key).await, "held new_contact", "{}", sentence(&world, &key).await);
    world.xero.add_contact(xero::NewContact { name: "Stock Adjustments".to_owned(), ..xero::NewContact::default() });
    assert_eq!(decide(&world, &key, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "done", "{}", sentence(&world, &key).await);
    let bills = world.documents("ADJ-1");
    assert_eq!((bills.len(), bills[0].kind.name(), bills[0].total), (1, "ACCPAY", dec("0")));
    let lines: Vec<_> =
        bills[0].lines.iter().map(|line| (line.account_code.as_deref().unwrap(), line.unit_amount)).collect();
    assert_eq!(lines, [("620", dec("-100")), ("310", dec("100"))]);
    assert!(journals(&world).is_empty() && world.connectwise.inventory_batch(id).is_some());
    assert_eq!(sweep(&world).await, 0);
}

#[tokio::test]
async fn an_operator_can_name_a_change_that_nobody_had_heard_of() {
    let world = stocked().await;
    let (id, key) = closed(&world, loss("ADJ-1"));
    assert_eq!(decide(&world, &key, "retry", json!({ "note": "count of November" })).await, 200);
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
    assert!(world.connectwise.inventory_batch(id).is_some());
    // One that ConnectWise does not list is named, and no more than that.
    assert_eq!(decide(&world, "acme/transfer/77-transfer", "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state_of("acme/transfer/77-transfer").await, "skipped by_rule");
    assert_eq!(decide(&world, "acme/adjustment/77-adjustment", "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state_of("acme/adjustment/77-adjustment").await, "skipped not_listed");
}

#[tokio::test]
async fn an_empty_store_finds_its_journals_by_their_marks() {
    let mut world = stocked().await;
    let fault = readypost::simulator::faults::Fault::DropBefore;
    let batches = readypost::simulator::faults::Rule::next(axum::http::Method::POST, "/accounting/batches", fault);
    world.connectwise.server.faults.add(batches.times(50));
    let (id, key) = posted(&world, loss("ADJ-1")).await;
    assert_eq!((journals(&world).len(), world.connectwise.inventory_batch(id)), (1, None));
    world.lose_store().await;
    world.connectwise.server.faults.clear();
    let (other, _) = closed(&world, loss("ADJ-1"));
    sweep(&world).await;
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "done");
    assert_eq!(journals(&world).len(), 2, "one was adopted and its twin made");
    assert!([id, other].iter().all(|id| world.connectwise.inventory_batch(*id).is_some()));
}

#[tokio::test]
async fn what_was_marked_and_comes_back_is_not_posted_twice() {
    let world = stocked().await;
    let (id, key) = posted(&world, loss("ADJ-1")).await;
    let unbatch = || world.connectwise.delete_batch(world.connectwise.inventory_batch(id).unwrap()).unwrap();
    // Taken out of its batch alone: marked again.
    unbatch();
    assert_eq!(sweep(&world).await, 1);
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
    assert!(world.connectwise.inventory_batch(id).is_some());
    // With its journal void: posted anew.
    unbatch();
    world.xero.void_journal(journals(&world)[0].id);
    sweep(&world).await;
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
    // Opened: a person has to look, and is told so when somebody asks.
    unbatch();
    world.connectwise.reopen_adjustment(id).unwrap();
    assert_eq!(sweep(&world).await, 0);
    assert_eq!(decide(&world, &key, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "held edited_after_post");
    assert!(sentence(&world, &key).await.contains("neither as unposted"), "{}", sentence(&world, &key).await);
    // Closed again later, as it was: marked.
    world.clock.advance(SignedDuration::from_hours(1));
    world.connectwise.close_adjustment(id).unwrap();
    assert_eq!(sweep(&world).await, 1);
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
}

#[tokio::test]
async fn what_somebody_else_batched_is_left_alone() {
    let world = stocked().await;
    let (id, key) = closed(&world, loss("ADJ-1"));
    sweep(&world).await;
    world.connectwise.manual_inventory_batch(id, "M-1").unwrap();
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("skipped not_listed", 0));
}

#[tokio::test]
async fn a_hold_is_looked_at_again_once_it_was_closed_anew_and_not_before() {
    let world = stocked().await;
    let mut movement = loss("ADJ-1");
    movement.oddities =
        Oddities::default().field(View::Export, "/adjustmentDetail/0/inventoryAccountNumber", json!(""));
    let (id, key) = posted(&world, movement).await;
    assert_eq!(world.state_of(&key).await, "held no_gl_account");
    let calls = world.xero.calls();
    assert_eq!(sweep(&world).await, 0);
    world.clock.advance(SignedDuration::from_mins(5));
    world.connectwise.reopen_adjustment(id).unwrap();
    world.connectwise.close_adjustment(id).unwrap();
    assert_eq!(sweep(&world).await, 1);
    world.settle().await;
    assert_eq!(world.xero.calls(), calls + 1, "a hold of the preview costs Xero a look");
}

/// What is odd, how it comes about, and what becomes of the adjustment.
type Odd = (&'static str, fn(&mut NewMovement), &'static str);

#[tokio::test]
async fn odd_input_is_read_or_held_by_the_name_of_its_field() {
    fn odd(view: View, pointer: &str, value: Value) -> Oddities {
        Oddities::default().field(view, pointer, value)
    }
    let rows: [Odd; 14] = [
        ("amounts as text", |new| new.oddities.amounts_as_text = true, "done"),
        ("days alone", |new| new.oddities.dates = Some(DateStyle::DateOnly), "done"),
        ("no zone", |new| new.oddities.dates = Some(DateStyle::Bare), "done"),
        (
            "American dates",
            |new| new.oddities = odd(View::Export, "/documentDate", json!("11/30/2026 12:00:00 AM")),
            "done",
        ),
        (
            "a date that is none",
            |new| new.oddities = odd(View::Export, "/documentDate", json!("soon")),
            "held unreadable_field soon",
        ),
        (
            "a quantity as text",
            |new| new.oddities = odd(View::Export, "/adjustmentDetail/0/quantity", json!("-2")),
            "done",
        ),
        (
            "a quantity that is none",
            |new| new.oddities = odd(View::Export, "/adjustmentDetail/0/quantity", json!("two")),
            "held unreadable_field quantity of line 1 ('two')",
        ),
        (
            "no total",
            |new| new.oddities = odd(View::Export, "/adjustmentDetail/0/total", Value::Null),
            "held unreadable_field total of line 1",
        ),
        (
            "a location that is none",
            |new| new.oddities = odd(View::Unposted, "/locationId", json!("eleven")),
            "held unreadable_field location ('eleven')",
        ),
        (
            "another total in the list",
            |new| new.oddities = odd(View::Unposted, "/total", json!(-90)),
            "held out_of_balance 90.00",
        ),
        (
            "an account of tracked inventory",
            |new| new.oddities = odd(View::Export, "/adjustmentDetail/0/inventoryAccountNumber", json!("630")),
            "held unusable_account 630",
        ),
        (
            "no rows",
            |new| new.oddities = odd(View::Export, "/adjustmentDetail", json!([])),
            "held unreadable_field no lines",
        ),
        ("an enumeration that is new", |new| new.oddities = odd(View::Export, "/glTypeID", json!("XX")), "done"),
        ("no description", |new| new.oddities = odd(View::Unposted, "/description", Value::Null), "done"),
    ];
    for (name, change, expected) in rows {
        let world = stocked().await;
        let mut movement = loss("ADJ-1");
        change(&mut movement);
        let (id, key) = posted(&world, movement).await;
        // A second one is never hidden by the first.
        let (plain, _) = posted(&world, loss("ADJ-2")).await;
        assert!(world.connectwise.inventory_batch(plain).is_some(), "{name}");
        let (state, told) = (world.state_of(&key).await, sentence(&world, &key).await);
        assert!(expected.starts_with(&state), "{name}: {state} {told}");
        let named = expected.splitn(3, ' ').nth(2).unwrap_or_default();
        assert!(told.contains(named), "{name}: {told}");
        assert_eq!(world.connectwise.inventory_batch(id).is_some(), expected == "done", "{name}");
        assert_eq!(journals(&world).len(), 1 + usize::from(expected == "done"), "{name}");
    }
}

#[tokio::test]
async fn readings_of_connectwise_that_are_not_documented_come_to_the_same_books() {
    let styles: [fn(&mut Settings); 3] = [
        |settings| settings.date_style = DateStyle::Bare,
        |settings| settings.date_style = DateStyle::DateOnly,
        |settings| settings.stray_ids = readypost::simulator::connectwise::StrayIds::Ignore,
    ];
    for connectwise in styles {
        let world = World::with(Differently { rules: RULES, connectwise, ..Differently::default() }).await;
        let (id, key) = posted(&world, loss("ADJ-1")).await;
        assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
        assert!(world.connectwise.inventory_batch(id).is_some());
    }
    // Which account is the inventory's, and which sign a total has.
    for (pointer, value) in [("accountNumber", json!("620")), ("total", json!(100.0))] {
        let world = stocked().await;
        let mut movement = loss("ADJ-1");
        movement.oddities = Oddities::default().field(View::Export, &format!("/adjustmentDetail/0/{pointer}"), value);
        posted(&world, movement).await;
        let lines: Vec<_> =
            journals(&world)[0].lines.iter().map(|line| (line.account_code.clone(), line.line_amount)).collect();
        assert_eq!(lines, [("620".to_owned(), dec("-100")), ("310".to_owned(), dec("100"))], "{pointer}");
    }
}

#[tokio::test]
async fn an_app_without_the_right_to_journals_holds_those_and_posts_all_else() {
    let world = stocked().await;
    world.xero.revoke_scope("accounting.manualjournals");
    let (_, key) = posted(&world, loss("ADJ-1")).await;
    assert_eq!(world.state_of(&key).await, "held refused_by_xero");
    assert!(sentence(&world, &key).await.contains("accounting.manualjournals"));
    let invoice = world.invoice("1001", vec![crate::harness::labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    world.xero.restore_scopes();
    assert_eq!(decide(&world, &key, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
}

#[tokio::test]
async fn a_journal_that_was_entered_by_hand_can_be_adopted_if_it_is_worth_the_same() {
    let world = stocked().await;
    let stock = NewStock { mapping: Mapping::account("777"), ..missing() };
    let (id, key) = posted(&world, NewMovement::adjustment("ADJ-1", vec![stock])).await;
    assert_eq!(world.state_of(&key).await, "held unknown_account");
    world.xero.add_account("311", "Stock differences", "DIRECTCOSTS");
    let by_hand = |amount: i32| {
        world
            .xero
            .enter_journal(
                &json!({"Narration": "Stock take", "Date": "2026-11-30", "Status": "POSTED", "JournalLines": [
                {"AccountCode": "620", "LineAmount": -amount}, {"AccountCode": "311", "LineAmount": amount}]}),
            )
            .unwrap()
    };
    let (wrong, right) = (by_hand(90), by_hand(100));
    world.xero.add_account("777", "Differences of counts", "DIRECTCOSTS");
    assert_eq!(decide(&world, &key, "adopt", json!({ "document": wrong })).await, 200);
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "held document_differs", "{}", sentence(&world, &key).await);
    assert_eq!(decide(&world, &key, "adopt", json!({ "document": right })).await, 200);
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 2));
    assert!(world.connectwise.inventory_batch(id).is_some());
}

#[tokio::test]
async fn the_sweep_finds_what_no_callback_announces_and_only_where_the_rules_post_it() {
    let world = stocked().await;
    let (_, key) = closed(&world, loss("ADJ-1"));
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    world.settle().await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
    let world = World::new().await;
    let (_, key) = closed(&world, loss("ADJ-1"));
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    world.settle().await;
    assert!(world.app.parts.store.record(&key.parse().unwrap()).await.unwrap().is_none());
    let listed = |request: &readypost::simulator::Request| {
        let uri = request.uri.to_string();
        uri.contains("unpostedprocurement") && !uri.contains("Purchase")
    };
    assert!(!world.connectwise.server.requests().iter().any(listed), "nor is anything asked for");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_does_not_keep_payments_from_being_found() {
    let rules = "adjustments = \"journal\"\npayments = \"to_xero\"\npayment_account = \"090\"\n";
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    // No request of a lost store can be under way any more.
    world.clock.advance(SignedDuration::from_mins(10));
    let invoice = world.invoice("INV-1", vec![crate::harness::labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    let denied = readypost::simulator::faults::Canned::new(403, r#"{"code":"Security","message":"no right"}"#);
    let fault = readypost::simulator::faults::Fault::Answer(denied);
    let lists = readypost::simulator::faults::Rule::every("/unpostedprocurement", fault);
    world.connectwise.server.faults.add(lists);
    let _ = world.connectwise.pay(invoice, dec("20"));
    let failed = readypost::pipeline::sweep(&world.app.parts).await.unwrap_err();
    assert!(failed.contains("changes of the inventory"), "{failed}");
    world.settle().await;
    assert_eq!(world.xero.payments().len(), 1);
}

#[tokio::test]
async fn a_journal_stays_with_its_company_when_connectwise_does_not_say_its_location_any_more() {
    let world = stocked().await;
    // Another organisation takes what has no location of the first.
    let first = world.configuration().replace("id = \"acme-au\"", "id = \"acme-au\"\nlocations = [11]");
    assert!(first.contains("locations = [11]"), "{first}");
    let other = xero::Xero::start(xero::Settings::new(world.clock.clone())).await.unwrap();
    let text = first + &crate::harness::company_text("acme-nz", "acme", "[]", &other);
    assert_eq!(world.reload(&text).await.0, 200);
    let (_, key) = posted(&world, loss("ADJ-1")).await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("done", 1));
    assert_eq!(decide(&world, &key, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "done", "it is not taken for the other one's");
    assert_eq!(world.get(&format!("/api/v1/records/{key}")).await["record"]["company"], "acme-au");
}
