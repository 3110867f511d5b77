//! `readypost callbacks check` and `sync`: the real binary shows what is there and what is needed, asks, and does it.

use axum::http::Method;
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Differently, TOKEN, World};
use crate::sweep::{PUBLIC, by_hand, off};
use crate::terminal::{Looks, Program, shown};

const ADDRESS: &str = "https://hooks.example.com/callbacks/acme";
/// Somebody else's, with secrets wherever an address can have one.
const FOREIGN: &str = "https://me:planted@elsewhere.example.com/planted?code=planted";

/// What a person has to look at.
struct Scene {
    world: World,
    /// Switched off.
    off: i64,
    /// Right.
    right: i64,
    /// Of a type that nobody needs.
    ticket: i64,
    /// Leads elsewhere, and is switched off.
    foreign: i64,
}

/// The invoice callback is switched off, the one of orders is right, and the one of expenses is missing.
async fn scene() -> Scene {
    let world = World::with(Differently { server: PUBLIC, ..Differently::default() }).await;
    let register = |url: &str, kind: &str| world.connectwise.register_callback(url, kind, "owner", 1).unwrap();
    let ours = format!("{ADDRESS}?recordId=");
    let (invoice, right, ticket) =
        (register(&ours, "invoice"), register(&ours, "purchaseorder"), register(&ours, "ticket"));
    let foreign = register(FOREIGN, "invoice");
    for id in [invoice, foreign] {
        by_hand(&world, Method::PATCH, id, off()).await;
    }
    Scene { world, off: invoice, right, ticket, foreign }
}

impl Scene {
    /// Starts `callbacks sync` before somebody who types too early, and waits for its question.
    async fn asked(&self) -> Program {
        let arguments = ["callbacks", "sync", "--url", &self.world.url, "--token", TOKEN, "--color", "never"];
        let mut program = Program::attended(120, &arguments);
        program.types("y\n");
        program.until(|seen| seen.ends_with("Go on? [y/N] ")).await;
        program
    }

    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let (code, text) = shown(&self.world.url, Looks::Piped, &[&["callbacks"], arguments].concat(), &[]).await;
        assert!(!text.contains("planted"), "{arguments:?}: {text}");
        (code, text)
    }

    fn registered(&self) -> Vec<Value> {
        self.world.connectwise.callbacks()
    }

    /// What the diff says, row by row, without what makes columns of it.
    fn diff(&self) -> [String; 5] {
        let Self { off, right, ticket, foreign, .. } = self;
        [
            format!("~ {off} invoice owner to be switched on again: inactiveFlag true -> false"),
            format!("= {right} purchaseorder owner right"),
            "+ expense owner to be registered: none of this type leads here".to_owned(),
            format!("= {ticket} ticket owner leads here, and no company needs it: left alone"),
            format!("= {foreign} invoice owner leads elsewhere, to https://elsewhere.example.com/…: left alone"),
        ]
    }
}

/// The lines, without what makes columns of them.
fn rows(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[track_caller]
fn has(text: &str, expected: &[String]) {
    let rows = rows(text);
    for row in expected {
        assert!(rows.contains(row), "{row} is missing in\n{text}");
    }
}

/// Type and whether it is off, of all that lead to the public address.
fn ours(registered: &[Value]) -> Vec<(String, bool)> {
    let ours = registered.iter().filter(|row| row["url"] == format!("{ADDRESS}?recordId="));
    let mut ours: Vec<_> =
        ours.map(|row| (row["type"].as_str().unwrap().to_owned(), row["inactiveFlag"] == true)).collect();
    ours.sort();
    ours
}

fn all_right() -> Vec<(String, bool)> {
    ["expense", "invoice", "purchaseorder", "ticket"].map(|kind| (kind.to_owned(), false)).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_yes_has_seen_the_diff_and_changed_nothing() {
    let scene = scene().await;
    let before = scene.registered();
    // Enter, a no, another word, and the end of what is typed.
    for keys in ["\n", "n\n", "yellow\n", "\u{4}"] {
        let mut program = scene.asked().await;
        program.types(keys);
        let (code, text) = program.ended().await;
        has(&text, &scene.diff());
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(&format!("acme: callbacks have to lead to {ADDRESS}")), "{text}");
        assert!(text.contains("Nothing was changed.") && !text.contains("planted"), "{text}");
        assert_eq!(scene.registered(), before, "{keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_yes_what_is_needed_then_is_done_and_shown() {
    let scene = scene().await;
    let mut program = scene.asked().await;
    // Meanwhile somebody registers what is missing, and deletes what is right.
    let url = format!("{ADDRESS}?recordId=");
    scene.world.connectwise.register_callback(&url, "expense", "owner", 1).unwrap();
    by_hand(&scene.world, Method::DELETE, scene.right, json!({})).await;
    program.types("y\n");
    let (code, text) = program.ended().await;
    assert_eq!(code, 0, "{text}");
    has(&text, &scene.diff());
    let (_, done) = text.split_once("[y/N]").unwrap();
    let switched = format!("~ {} invoice owner switched on again: inactiveFlag true -> false", scene.off);
    has(done, &["acme: 2 of 2 done".to_owned(), switched, "+ purchaseorder owner registered".to_owned()]);
    assert!(!done.contains("expense") && !done.contains("elsewhere"), "{done}");
    assert_eq!(ours(&scene.registered()), all_right());
    // Now nothing is to be done, and nobody is asked.
    let arguments = ["callbacks", "sync", "--url", &scene.world.url, "--token", TOKEN];
    let (code, text) = Program::attended(80, &arguments).ended().await;
    assert!(code == 0 && text.contains("all callbacks are registered and switched on"), "{text}");
    assert!(!text.contains("y/N"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_done_meanwhile_is_not_done_again() {
    let scene = scene().await;
    let mut program = scene.asked().await;
    let (code, _) = scene.run(&["sync", "--yes"]).await;
    assert_eq!(code, 0);
    let before = scene.registered();
    program.types("YES\n");
    let (code, text) = program.ended().await;
    assert!(code == 0 && text.contains("acme: nothing was left to be done"), "{text}");
    assert_eq!(scene.registered(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_sits_only_a_yes_beforehand_changes_something() {
    let scene = scene().await;
    let before = scene.registered();
    // In a pipe, and on a terminal at which nobody can type.
    let (code, text) = scene.run(&["sync"]).await;
    assert_eq!(code, 2, "{text}");
    has(&text, &scene.diff());
    assert!(text.contains("nothing was changed") && text.contains("readypost callbacks sync --yes"), "{text}");
    let (code, text) = shown(&scene.world.url, Looks::Terminal(80), &["callbacks", "sync"], &[("NO_COLOR", "1")]).await;
    assert!(code == 2 && text.contains("nothing was changed") && !text.contains("y/N"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let (code, text) = scene.run(&["sync", "--yes", "--dry-run"]).await;
    assert!(code == 2 && text.contains("cannot be used with"), "{text}");
    let (code, shown) = scene.run(&["sync", "--dry-run"]).await;
    assert_eq!(code, 1, "{shown}");
    has(&shown, &scene.diff());
    assert_eq!(scene.run(&["check"]).await, (1, shown), "it is the same diff");
    assert_eq!(scene.registered(), before);
    let (code, text) = scene.run(&["sync", "--yes"]).await;
    assert_eq!(code, 0, "{text}");
    has(&text, &scene.diff());
    has(&text, &["acme: 2 of 2 done".to_owned(), "+ expense owner registered".to_owned()]);
    let after = scene.registered();
    assert_eq!(ours(&after), all_right());
    let foreign = |rows: &[Value]| rows.iter().find(|row| row["id"] == scene.foreign).cloned().unwrap();
    assert_eq!(foreign(&after), foreign(&before), "it is left alone");
    for arguments in [&["sync", "--dry-run"][..], &["check"], &["sync", "--yes"]] {
        let (code, text) = scene.run(arguments).await;
        assert!(code == 0 && text.contains("all callbacks are registered and switched on"), "{text}");
    }
    assert_eq!(scene.registered(), after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_get_the_same_rows() {
    let scene = scene().await;
    let before = scene.registered();
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (code, text) = scene.run(&["check", "--json"]).await;
    let (status, answer) = scene.world.post("/api/v1/callbacks", &json!({ "dry_run": true })).await;
    assert_eq!((code, status, parsed(&text)), (1, 200, answer.clone()));
    let row = |row: &Value| (row["standing"].as_str().unwrap().to_owned(), row["id"].as_i64());
    let rows = |answer: &Value| answer[0]["rows"].as_array().unwrap().iter().map(row).collect::<Vec<_>>();
    let row = |standing: &str, id| (standing.to_owned(), id);
    let found = rows(&answer);
    // The harness has one of its own, which leads elsewhere, too.
    assert_eq!(found.len(), 6, "{answer}");
    let expected = [
        row("switch_on", Some(scene.off)),
        row("right", Some(scene.right)),
        row("register", None),
        row("unneeded", Some(scene.ticket)),
    ];
    assert_eq!(found[..4], expected);
    assert!(found.contains(&row("foreign", Some(scene.foreign))), "{answer}");
    let fields = json!([{ "field": "inactiveFlag", "from": "true", "to": "false" }]);
    assert_eq!(answer[0]["rows"][0]["fields"], fields);
    // A program is not asked.
    let (code, text) = scene.run(&["sync", "--json"]).await;
    assert!(code == 2 && text.contains("\"switch_on\"") && text.contains("nothing was changed"), "{text}");
    assert_eq!(scene.run(&["sync", "--json", "--dry-run"]).await.0, 1);
    assert_eq!(scene.registered(), before);
    let (code, text) = scene.run(&["sync", "--json", "--yes"]).await;
    let done = parsed(&text);
    assert_eq!((code, rows(&done)), (0, found), "{done}");
    let flags = done[0]["rows"].as_array().unwrap().iter().map(|row| row["done"].as_bool().unwrap());
    assert_eq!(flags.collect::<Vec<_>>(), [true, false, true, false, false, false]);
    assert_eq!(ours(&scene.registered()), all_right());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_its_end_is_repaired_and_what_cannot_be_done_says_why() {
    let scene = scene().await;
    by_hand(&scene.world, Method::DELETE, scene.right, json!({})).await;
    let bare = scene.world.connectwise.register_callback(ADDRESS, "purchaseorder", "owner", 1).unwrap();
    let faults = &scene.world.connectwise.server.faults;
    let denied = Fault::Answer(Canned::new(403, r#"{"code":"Security","message":"no right"}"#));
    faults.add(Rule::next(Method::PATCH, &format!("/system/callbacks/{}", scene.off), denied).times(9));
    let (code, text) = scene.run(&["sync", "--yes"]).await;
    assert_eq!(code, 1, "{text}");
    let url = format!("url {ADDRESS} -> {ADDRESS}?recordId=");
    let (shown, done) = text.split_once("acme: 2 of 3 done").unwrap();
    has(shown, &[format!("~ {bare} purchaseorder owner to be repaired: {url}")]);
    has(done, &[format!("~ {bare} purchaseorder owner repaired: {url}")]);
    let refused = format!("~ {} invoice owner it cannot be mended: ", scene.off);
    assert!(rows(done).iter().any(|row| row.starts_with(&refused) && row.contains("no right")), "{done}");
    let expected = [("expense", false), ("invoice", true), ("purchaseorder", false), ("ticket", false)];
    assert_eq!(ours(&scene.registered()), expected.map(|(kind, off)| (kind.to_owned(), off)));
    faults.clear();
    // A version that knows no PATCH: it is deleted and registered anew.
    let id = scene.registered().iter().find(|row| row["type"] == "expense").unwrap()["id"].as_i64().unwrap();
    by_hand(&scene.world, Method::DELETE, id, json!({})).await;
    scene.world.connectwise.register_callback(&format!("{ADDRESS}/"), "expense", "owner", 1).unwrap();
    let unknown = Fault::Answer(Canned::new(400, "{}"));
    scene.world.connectwise.server.faults.add(Rule::next(Method::PATCH, "/system/callbacks", unknown).times(9));
    let (code, text) = scene.run(&["sync", "--yes"]).await;
    assert!(code == 0 && text.contains("acme: 2 of 2 done"), "{text}");
    assert_eq!(ours(&scene.registered()), all_right());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_compared_is_said_and_nobody_is_asked() {
    let world = World::new().await;
    let arguments = ["callbacks", "sync", "--url", &world.url, "--token", TOKEN];
    let (code, text) = Program::attended(200, &arguments).ended().await;
    assert!(code == 1 && text.contains("`public_url` is not set") && !text.contains("y/N"), "{text}");
    let scene = scene().await;
    let denied = Fault::Answer(Canned::new(403, r#"{"code":"Security","message":"no right"}"#));
    scene.world.connectwise.server.faults.add(Rule::next(Method::GET, "/system/callbacks", denied).times(9));
    for arguments in [&["check"][..], &["sync", "--yes"]] {
        let (code, text) = scene.run(arguments).await;
        assert!(code == 1 && text.contains("acme: ") && text.contains("no right"), "{text}");
    }
}
