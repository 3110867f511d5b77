//! What goes wrong on the command line names the next command, as the real program says it.

use serde_json::json;

use crate::harness::{TOKEN, VIEWER, World, labour};
use crate::terminal::{Looks, shown};

/// Arguments, the exit code, and what is said.
type Row<'row> = (&'row [&'row str], i32, &'row [&'row str]);

async fn check(url: &str, rows: &[Row<'_>]) {
    for (arguments, code, parts) in rows {
        let said = shown(url, Looks::Piped, arguments, &[]).await;
        assert_eq!(said.0, *code, "{arguments:?}: {}", said.1);
        for part in *parts {
            assert!(said.1.contains(part), "{arguments:?}: {part} is missing in\n{}", said.1);
        }
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_or_is_another_one_names_how_to_find_it() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = ["did not answer", "`readypost serve`", "--url"];
    check(
        &format!("http://{gone}"),
        &[
            (&["status"], 1, &start),
            (&["health"], 1, &start),
            (&["records", "list"], 1, &start),
            (&["bulk", "list", "--json"], 1, &start),
        ],
    )
    .await;
    let world = World::new().await;
    // ConnectWise's simulator answers, and is no readypost.
    check(&world.connectwise.site_url(), &[(&["issues"], 1, &["is not a readypost service", "READYPOST_URL"])]).await;
    for url in ["nonsense", "ftp://127.0.0.1/"] {
        check(url, &[(&["status"], 2, &["is not the address of a service", "http://127.0.0.1:8080"])]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_what_helps() {
    let world = World::new().await;
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let held = world.invoice("1001", vec![line]);
    let done = world.invoice("1002", vec![labour("1", "100")]);
    for invoice in [held, done] {
        world.ready(invoice);
    }
    world.settle().await;
    assert_eq!(world.decide(held, "hold", json!({ "note": "ask" })).await, 200);
    let (held, done) = (format!("acme/invoice/{held}"), format!("acme/invoice/{done}"));
    let show = format!("readypost records show {held}");
    let plan = "6dd82302-5e46-47c0-8c84-702868125b76";
    let find = ["there is no record acme/invoice/1 ", "HTTP 404", "readypost records list --query"];
    let companies = ["there is no company \"nobody\"", "readypost companies list"];
    let document = ["records", "adopt", &held, "--document", "nonsense"];
    check(
        &world.url,
        &[
            (&["records", "show", "acme/invoice/1"], 1, &find),
            (&["records", "show", "acme/invoice/1", "--raw"], 1, &find),
            (&["records", "skip", "acme/invoice/1"], 1, &["there is no such record", find[2]]),
            (&["records", "retry", &held], 1, &["release it first", "HTTP 409", &show]),
            (&["records", "release", &done], 1, &["HTTP 409", &format!("readypost records show {done}")]),
            (&document, 2, &["--document"]),
            (&["records", "show", "nonsense"], 2, &["nonsense"]),
            (&["records", "list", "--state", "lost"], 2, &["is none of: queued, held, done, skipped"]),
            (&["records", "list", "--since", "yesterday"], 2, &["since"]),
            (&["reconcile", "nobody", "2026-11"], 1, &companies),
            (&["simulate", "--company", "nobody", "--unposted"], 1, &companies),
            (&["map", "check", "--company", "nobody"], 1, &companies),
            (&["companies", "pause", "nobody"], 1, &companies),
            (&["companies", "resume", "acme-au"], 1, &["HTTP 409", "readypost companies list"]),
            (&["bulk", "run", plan], 1, &["plan it anew", "readypost bulk list", "readypost bulk plan"]),
            (&["bulk", "plan", "retry", "--kind", "nonsense"], 2, &["nonsense"]),
            (&["callbacks", "check"], 1, &["public_url"]),
        ],
    )
    .await;
    let as_whom = |token: &'static str| {
        let url = world.url.clone();
        async move {
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
            command.args(["records", "skip", "acme/invoice/1", "--url", &url]).env("READYPOST_TOKEN", token);
            let output = command.output().await.unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        }
    };
    for (token, parts) in [
        ("", ["HTTP 401", "READYPOST_TOKEN", "`readypost token`"]),
        ("wrong", ["HTTP 401", "--token", "`readypost token`"]),
        (VIEWER, ["HTTP 403", "a viewer may look, but not decide", "`readypost token --role operator`"]),
        (TOKEN, ["HTTP 404", "there is no such record", "readypost records list"]),
    ] {
        let (code, text) = as_whom(token).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_names_where_to_look_and_stays_out_of_standard_output() {
    let world = World::new().await;
    check(&world.url, &[(&["issues"], 0, &["Nothing is held."]), (&["status"], 0, &["0 held"])]).await;
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let held = world.invoice("1001", vec![line]);
    let company = world.new_client("NEWCO", "Newco Holdings");
    let warned = world.invoice_like(readypost::simulator::connectwise::NewInvoice {
        number: "1002".to_owned(),
        company,
        lines: vec![labour("1", "100")],
        ..Default::default()
    });
    for invoice in [held, warned] {
        world.ready(invoice);
    }
    world.settle().await;
    let (held, warned) = (format!("acme/invoice/{held}"), format!("acme/invoice/{warned}"));
    let show = format!("readypost records show {held}");
    let rows: &[Row<'_>] = &[
        (&["status"], 1, &["readypost issues", "readypost records list --warning any"]),
        (&["issues"], 1, &["readypost bulk plan retry --issue ", &show]),
        (&["records", "list"], 0, &[&show]),
        (&["records", "list", "--limit", "1"], 0, &["--cursor"]),
        (&["records", "show", &held], 0, &[&format!("readypost records retry {held}")]),
        (&["records", "show", &warned], 0, &[&format!("readypost records acknowledge {warned}")]),
        (&["bulk", "plan", "retry", "--state", "held"], 0, &["readypost bulk run "]),
        (&["records", "retry", &held], 0, &["See how it ends", &show]),
    ];
    check(&world.url, rows).await;
    for (arguments, _, _) in rows.iter().filter(|(arguments, ..)| arguments[0] != "issues") {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
        let output = command.args(*arguments).args(["--url", &world.url, "--token", TOKEN]).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty() && !text.contains("readypost records"), "{arguments:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_has_json_that_is_what_http_answers() {
    let world = World::new().await;
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let held = world.invoice("1001", vec![line]);
    world.ready(held);
    world.settle().await;
    let key = format!("acme/invoice/{held}");
    let record = format!("/api/v1/records/{key}");
    let json = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
        let url = ["--url", &world.url, "--token", TOKEN, "--json"];
        let output = command.args(arguments).args(url).output().await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<serde_json::Value>(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    };
    for (arguments, path) in [
        (&["status"][..], "/status"),
        (&["issues"], "/api/v1/issues"),
        (&["records", "list"], "/api/v1/records"),
        (&["records", "list", "--state", "held"], "/api/v1/records?state=held"),
        (&["records", "show", &key], &record),
        (&["companies", "list"], "/api/v1/companies"),
        (&["alerts", "list"], "/api/v1/alerts"),
        (&["bulk", "list"], "/api/v1/bulk"),
        (&["health"], "/readyz"),
    ] {
        assert_eq!(json(arguments).await, world.get(path).await, "{arguments:?}");
    }
    assert_eq!(json(&["records", "skip", &key, "--dry-run"]).await, world.get(&record).await["record"]);
    for (arguments, member) in [
        (&["sweep", "--dry-run"][..], "reports"),
        (&["reconcile", "acme-au", "2026-11"], "statement"),
        (&["simulate", &key], "simulation"),
        (&["reload", "--dry-run"], "companies"),
        (&["bulk", "plan", "retry", "--state", "held"], "sample"),
        (&["companies", "pause", "acme-au"], "paused"),
        (&["companies", "resume", "acme-au"], "paused"),
        (&["records", "hold", &key], "state"),
    ] {
        let answer = json(arguments).await;
        assert!(answer.get(member).is_some(), "{arguments:?}: {answer}");
    }
    assert!(json(&["map", "check"]).await[0]["check"].is_object());
    let alone = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
        let output = command.args(arguments).arg("--json").output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<serde_json::Value>(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    };
    let file = world.file().to_str().unwrap().to_owned();
    let doctor = alone(&["doctor", "--config", &file]).await;
    let findings = doctor["findings"].as_array().unwrap();
    let wrong = findings.iter().filter(|finding| finding["mark"] == "wrong").count();
    assert!(findings.len() > 5 && doctor["wrong"] == wrong, "{doctor}");
    let token = alone(&["token", "--role", "viewer"]).await;
    assert!(token["token"].as_str().unwrap().starts_with("rp_") && token["role"] == "viewer", "{token}");
    let folder = world.folder().to_str().unwrap();
    let verdict = alone(&["history", "verify", "--path", folder]).await;
    assert!(verdict["entries"].as_u64().unwrap() > 3 && verdict["findings"] == json!([]), "{verdict}");
}
