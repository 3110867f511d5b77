//! The real program on a real terminal: what fits, what is coloured, and that nothing from outside steers it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};

use crate::harness::{TOKEN, World, labour};

/// How long a program may take to show something.
const PATIENCE: Duration = Duration::from_secs(30);
/// What draws over what was there.
const HOME: &str = "\u{1b}[H";

/// What the program's outputs are.
pub(crate) enum Looks {
    /// A terminal of so many columns; both outputs go there.
    Terminal(u16),
    /// Pipes.
    Piped,
}

/// A program that runs.
pub(crate) struct Program {
    child: std::process::Child,
    output: std::sync::mpsc::Receiver<Vec<u8>>,
    seen: String,
    /// What somebody types, if the program reads it.
    keys: Option<File>,
}

impl Program {
    /// Starts it on a terminal at which nobody sits.
    pub(crate) fn on_terminal(columns: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (master, terminal) = terminal(columns);
        let mut command = plain(arguments, variables);
        command.stdin(Stdio::null()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let child = command.spawn().unwrap();
        // The other end of the terminal must not stay open here, or its end is never seen.
        drop(command);
        Self { child, output: reader(master), seen: String::new(), keys: None }
    }

    /// Starts it on a terminal at which somebody sits.
    pub(crate) fn attended(columns: u16, arguments: &[&str]) -> Self {
        let (master, terminal) = terminal(columns);
        let keys = Some(File::from(master.try_clone().unwrap()));
        let mut command = plain(arguments, &[]);
        let stdin = terminal.try_clone().unwrap();
        command.stdin(stdin).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let child = command.spawn().unwrap();
        drop(command);
        Self { child, output: reader(master), seen: String::new(), keys }
    }

    /// Types.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Starts it with its standard output in a pipe; what it says besides is thrown away.
    fn piped(arguments: &[&str]) -> Self {
        let mut command = plain(arguments, &[]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = OwnedFd::from(child.stdout.take().unwrap());
        Self { child, output: reader(stdout), seen: String::new(), keys: None }
    }

    /// Waits until what was seen fits.
    pub(crate) async fn until(&mut self, fits: impl Fn(&str) -> bool) -> &str {
        let begun = Instant::now();
        while !fits(&self.seen) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.seen);
            self.take();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        &self.seen
    }

    fn take(&mut self) {
        for part in self.output.try_iter() {
            self.seen.push_str(&String::from_utf8_lossy(&part));
        }
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Its exit code and all that was seen.
    pub(crate) async fn ended(mut self) -> (i32, String) {
        let begun = Instant::now();
        let status = loop {
            self.take();
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(begun.elapsed() < PATIENCE, "{:?}", self.seen),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        for part in &self.output {
            self.seen.push_str(&String::from_utf8_lossy(&part));
        }
        (status.code().unwrap(), self.seen)
    }
}

/// Both ends of a terminal of so many columns: whoever sits there, and the program.
fn terminal(columns: u16) -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let size = Winsize { ws_row: 60, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).unwrap();
    (master, File::options().read(true).write(true).open(name).unwrap())
}

fn plain(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_readypost"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "COLUMNS"] {
        command.env_remove(name);
    }
    command.args(arguments).env("TERM", "xterm-256color").envs(variables.iter().copied());
    command
}

/// What comes from the other end, until it is closed.
fn reader(end: OwnedFd) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut end, mut buffer) = (File::from(end), vec![0; 65536]);
        while let Ok(read @ 1..) = end.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Runs a command against the service, to its end.
pub(crate) async fn shown(url: &str, looks: Looks, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let arguments = [arguments, &["--url", url, "--token", TOKEN]].concat();
    match looks {
        Looks::Terminal(columns) => {
            let (code, text) = Program::on_terminal(columns, &arguments, variables).ended().await;
            (code, text.replace("\r\n", "\n"))
        }
        Looks::Piped => {
            let output = tokio::process::Command::from(plain(&arguments, variables)).output().await.unwrap();
            (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
        }
    }
}

async fn held(world: &World, number: &str) -> i64 {
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let invoice = world.invoice(number, vec![line]);
    world.ready(invoice);
    world.settle().await;
    invoice
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_fit_the_terminal_and_colours_are_on_terminals_only() {
    let world = World::new().await;
    held(&world, "1001").await;
    let list = ["records", "list"];
    let (_, wide) = shown(&world.url, Looks::Terminal(160), &list, &[]).await;
    let (_, narrow) = shown(&world.url, Looks::Terminal(80), &list, &[("NO_COLOR", "1")]).await;
    assert!(wide.contains("\u{1b}[31mheld\u{1b}[0m"), "{wide:?}");
    let rows = |text: &str| text.lines().filter(|line| line.contains("unknown_account")).count();
    assert_eq!((rows(&wide), rows(&narrow)), (1, 1), "{wide}\n{narrow}");
    let row = |text: &str| text.lines().find(|line| line.contains("acme/invoice/")).unwrap().to_owned();
    assert!(row(&wide).contains("unknown_account") && !row(&narrow).contains("unknown_account"), "{wide}\n{narrow}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    assert!(!narrow.contains('\u{1b}'), "{narrow:?}");
    let (_, piped) = shown(&world.url, Looks::Piped, &list, &[]).await;
    let whole = "unknown_account: Line 1: there is no account with the code '999' in Xero.\n";
    assert!(piped.contains(whole) && !piped.contains('\u{1b}'), "{piped:?}");
    for (looks, arguments, variables, coloured) in [
        (Looks::Piped, &[][..], &[("CLICOLOR_FORCE", "1")][..], true),
        (Looks::Piped, &["--color", "always"], &[], true),
        (Looks::Piped, &["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (Looks::Terminal(80), &["--color", "never"], &[], false),
        (Looks::Terminal(80), &["--color", "always"], &[("NO_COLOR", "1")], true),
        (Looks::Terminal(80), &[], &[("TERM", "dumb")], false),
    ] {
        let (_, text) = shown(&world.url, looks, &[&list[..], arguments].concat(), variables).await;
        assert_eq!(text.contains("\u{1b}[31m"), coloured, "{arguments:?} {variables:?} {text:?}");
    }
    let (code, text) = shown(&world.url, Looks::Piped, &["records", "list", "--color", "red"], &[]).await;
    assert_eq!(code, 2, "{text}");
}

/// A service that answers every request like this.
async fn impostor(status: StatusCode, body: Value) -> String {
    let answer = move |_: Request| {
        let body = body.clone();
        async move { (status, axum::Json(body)) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_and_no_error_steers_the_terminal() {
    let evil = "Evil\u{1b}]0;owned\u{7}\u{9b}31m\u{8}\u{7f}\u{202e}Pty\u{1b}[2J";
    let record = json!({
        "key": format!("acme/invoice/{evil}"), "state": evil, "company": evil, "number": evil, "client": evil,
        "total": evil, "currency": evil, "owner": evil, "waiting": null, "document": null, "outcome_unknown": false,
        "reason": { "code": evil, "sentence": evil, "cure": evil, "place": null, "retry_helps": false },
        "warnings": [{
            "code": evil, "sentence": evil, "meaning": evil, "parts": [[evil, evil]], "at": "2026-11-30T09:00:00Z",
            "acknowledged_by": evil,
        }],
        "first_seen": "2026-11-30T09:00:00Z", "changed": "2026-11-30T09:00:00Z",
    });
    let entry = json!({ "at": "2026-11-30T09:00:00Z", "event": evil, "sentence": evil, "body": null });
    let page = json!({ "records": [record.clone()], "next": evil });
    let one = json!({ "record": record, "history": [entry] });
    let steers = |letter: char| {
        letter.is_control() && letter != '\n' || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let problem = json!({ "detail": evil });
    for (status, body, arguments) in [
        (StatusCode::OK, &page, &["records", "list"][..]),
        (StatusCode::OK, &one, &["records", "show", "acme/invoice/1"]),
        (StatusCode::CONFLICT, &problem, &["records", "retry", "acme/invoice/1"]),
        (StatusCode::BAD_REQUEST, &problem, &["records", "list"]),
    ] {
        let url = impostor(status, body.clone()).await;
        for looks in [Looks::Terminal(80), Looks::Terminal(200), Looks::Piped] {
            let (_, text) = shown(&url, looks, &[arguments, &["--color", "never"]].concat(), &[]).await;
            assert!(text.contains("Evil"), "{arguments:?} {text:?}");
            assert!(!text.contains(steers), "{arguments:?} {text:?}");
        }
        if status == StatusCode::OK {
            let (_, text) = shown(&url, Looks::Piped, &[arguments, &["--json"]].concat(), &[]).await;
            assert!(!text.contains(steers), "{text:?}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), *body, "it means the same");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_draws_anew_or_writes_each_change_and_ends_well() {
    let world = World::new().await;
    held(&world, "1001").await;
    let service = ["--url", &world.url, "--token", TOKEN];
    let status = [&["status", "--watch", "1"], &service[..]].concat();
    let mut terminal = Program::on_terminal(80, &status, &[]);
    terminal.until(|seen| seen.matches(HOME).count() > 1 && seen.contains("1 held")).await;
    let list = [&["records", "list", "--state", "held", "--watch", "1", "--json"], &service[..]].concat();
    let mut lines = Program::piped(&list);
    lines.until(|seen| seen.lines().count() == 1).await;
    // Nothing has changed, so nothing is written.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    held(&world, "1002").await;
    let counted = |line: &str| serde_json::from_str::<Value>(line).unwrap()["records"].as_array().unwrap().len();
    let seen = lines.until(|seen| seen.ends_with('\n') && seen.lines().count() > 1).await;
    assert_eq!(seen.lines().map(counted).collect::<Vec<_>>(), [1, 2], "{seen}");
    terminal.until(|seen| seen.contains("2 held")).await;
    // A service that is gone for a while is waited for; what was seen last stays.
    world.shutdown.cancel();
    terminal.until(|seen| seen.contains("did not answer") && seen.contains("asked again")).await;
    for program in [terminal, lines] {
        program.interrupt();
        assert_eq!(program.ended().await.0, 0);
    }
    let refused = [&["status", "--watch", "1"], &service[..]].concat();
    let (code, text) = Program::on_terminal(80, &refused, &[]).ended().await;
    assert_eq!((code, text.contains("readypost serve")), (1, true), "what never answered is not waited for: {text}");
    let (code, text) = shown(&world.url, Looks::Piped, &["issues", "--watch", "0"], &[]).await;
    assert_eq!(code, 2, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watch_of_a_run_ends_with_it_and_progress_is_shown_on_terminals_only() {
    let world = World::new().await;
    held(&world, "1001").await;
    let (code, text) =
        shown(&world.url, Looks::Terminal(80), &["bulk", "plan", "hold", "--state", "held", "--run"], &[]).await;
    assert!(code == 0 && text.contains("1 of 1") && text.contains("records decided"), "{text:?}");
    let list = shown(&world.url, Looks::Piped, &["bulk", "list", "--json"], &[]).await.1;
    let list: Value = serde_json::from_str(&list).unwrap();
    let id = list[0]["id"].as_str().unwrap();
    let (code, text) = shown(&world.url, Looks::Piped, &["bulk", "show", id, "--watch"], &[]).await;
    assert!(code == 0 && text.contains("done"), "it ends by itself: {text}");
    let (_, text) = shown(&world.url, Looks::Terminal(80), &["map", "check"], &[]).await;
    assert!(text.contains("comparing the names of acme-au"), "{text:?}");
    let verify = ["history", "verify", "--path", world.folder().to_str().unwrap()];
    let (code, text) = Program::on_terminal(80, &verify, &[]).ended().await;
    assert!(code == 0 && text.contains("verifying the history"), "{text:?}");
    let output = plain(&["map", "check", "--url", &world.url, "--token", TOKEN], &[]).output();
    let output = tokio::task::block_in_place(|| output.unwrap());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "nothing of it is in a log");
    assert!(!output.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_waiting_for_a_run_is_told_that_it_goes_on() {
    let id = "6dd82302-5e46-47c0-8c84-702868125b76";
    let running = json!({
        "id": id, "state": "running", "by": "tester", "action": "retry", "note": "", "filter": "state=held",
        "planned": "2026-11-30T09:00:00Z", "records": 5, "complete": true, "sample": [],
        "began": "2026-11-30T09:00:01Z", "ended": null, "done": 2, "refused": 1, "causes": [], "failed": null,
    });
    let url = impostor(StatusCode::OK, running).await;
    let mut program = Program::on_terminal(80, &["bulk", "run", id, "--url", &url], &[]);
    program.until(|seen| seen.contains("3 of 5")).await;
    program.interrupt();
    let (code, text) = program.ended().await;
    assert_eq!(code, 1, "{text}");
    for part in ["goes on", &format!("readypost bulk show {id} --watch"), &format!("readypost bulk cancel {id}")] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
