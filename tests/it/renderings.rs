//! One view, three renderings: what HTTP answers, what the page shows and what the command line prints say the same.
//! All three are the real ones, of one scene; their snapshots are in `fixtures/renderings`. After a change that is
//! meant, `INSTA_UPDATE=always cargo test --test it renderings` writes them anew: read what it wrote.

use jiff::SignedDuration;
use readypost::simulator::connectwise::NewInvoice;
use serde_json::{Value, json};

use crate::harness::{TOKEN, World, dec, labour};
use crate::terminal::{Looks, shown};

/// What is shown, in all three renderings.
struct Rendered {
    json: Value,
    page: String,
    text: String,
}

/// An invoice that is posted, two that wait for one account, one of a type that nobody knows, one with two warnings;
/// one of them has an owner and sleeps, and purchases are paused.
async fn scene() -> (World, [i64; 5]) {
    let world = World::new().await;
    let account = |code: &str| {
        let mut line = labour("1", "100");
        code.clone_into(&mut line.account);
        vec![line]
    };
    let company = world.new_client("MÜLLER", "Müller & Söhne <Sydney>");
    let invoice = |number: &str, lines| NewInvoice { number: number.to_owned(), lines, ..NewInvoice::default() };
    let cents = NewInvoice { total: Some(dec("110.40")), ..invoice("1005", vec![labour("1", "100")]) };
    let of_another = NewInvoice { company, ..cents };
    let retainer = NewInvoice { kind: "Retainer".to_owned(), ..invoice("1004", vec![labour("2", "1234.50")]) };
    let all = [
        invoice("1001", vec![labour("1", "100")]),
        invoice("1002", account("999")),
        invoice("1003", account("999")),
        retainer,
        of_another,
    ];
    let mut ids = Vec::new();
    for new in all {
        let id = world.invoice_like(new);
        world.ready(id);
        world.settle().await;
        world.clock.advance(SignedDuration::from_secs(61));
        ids.push(id);
    }
    let ids: [i64; 5] = ids.try_into().unwrap();
    assert_eq!(world.decide(ids[2], "assign", json!({ "owner": "tester" })).await, 200);
    let snoozed = json!({ "until": "2026-12-05T09:00:00Z", "note": "the bank is asked" });
    assert_eq!(world.decide(ids[2], "snooze", snoozed).await, 200);
    let pause = json!({ "kind": "purchase", "note": "stock-taking" });
    assert_eq!(world.post("/api/v1/companies/acme-au/pause", &pause).await.0, 200);
    (world, ids)
}

/// The same in every run: letters of ids and hashes are `x`, ports and the version are named. An issue has the same id
/// for ever.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let is_id =
            word.len() >= 8 && word.len() != 16 && word.chars().all(|letter| matches!(letter, '0'..='9' | 'a'..='f'));
        if steady.ends_with("127.0.0.1:") {
            steady.push_str("PORT");
        } else if is_id {
            steady.push_str(&"x".repeat(word.len()));
        } else {
            steady.push_str(word);
        }
        let next = behind.chars().next().map_or(0, char::len_utf8);
        steady.push_str(&behind[..next]);
        rest = &behind[next..];
    }
    // The parts of an id between its dashes.
    let mut pieces = steady.split("xxxxxxxx-");
    let first = pieces.next().unwrap().to_owned();
    let ids = pieces.map(|piece| match piece.char_indices().nth(14) {
        Some((end, _)) if piece[end..].starts_with("-xxxxxxxxxxxx") => format!("xxxx-xxxx-xxxx{}", &piece[end..]),
        _ => piece.to_owned(),
    });
    let version = format!("readypost {}", env!("CARGO_PKG_VERSION"));
    let named = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    std::iter::once(first)
        .chain(ids)
        .collect::<Vec<_>>()
        .join("xxxxxxxx-")
        .replace(&version, "readypost VERSION")
        .replace(&named, "\"version\": \"VERSION\"")
}

/// What somebody reads of a page.
fn read(page: &str) -> String {
    let (_, body) = page.split_once("<main").unwrap();
    let mut text = String::new();
    for part in body.split('<') {
        let (tag, shown) = part.split_once('>').unwrap_or(("", part));
        // A link says where it leads, which is a fact, too.
        if let Some((_, address)) = tag.split_once("href=\"") {
            text.push_str(address.split('"').next().unwrap());
        }
        text.push(' ');
        text.push_str(shown);
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    words(&text)
}

/// The same on one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn page(world: &World, path: &str) -> String {
    let request = world.http.get(format!("{}{path}", world.url)).header("accept", "text/html");
    let answer = request.basic_auth("tester", Some(TOKEN)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.text().await.unwrap()
}

async fn rendered(world: &World, path: &str, page_path: &str, arguments: &[&str]) -> Rendered {
    let (_, text) = shown(&world.url, Looks::Piped, arguments, &[]).await;
    Rendered { json: world.get(path).await, page: read(&page(world, page_path).await), text: words(&text) }
}

/// The time as both people's renderings write it.
fn time(at: &Value) -> String {
    let at: jiff::Timestamp = at.as_str().unwrap().parse().unwrap();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Rendered {
    /// Asserts that a fact is on the page and on the command line; in the JSON it was found.
    fn both(&self, fact: &str) {
        let fact = words(fact);
        assert!(!fact.is_empty() && fact != "null", "that is no fact");
        assert!(self.page.contains(&fact), "the page does not say {fact:?}:\n{}", self.page);
        assert!(self.text.contains(&fact), "the command line does not say {fact:?}:\n{}", self.text);
    }

    fn members(&self, value: &Value, members: &[&str]) {
        members
            .iter()
            .map(|member| &value[*member])
            .filter(|value| !value.is_null())
            .for_each(|value| self.both(&text(value)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fact_of_the_whole_is_in_all_three() {
    let (world, _) = scene().await;
    let status = rendered(&world, "/status", "/status", &["status"]).await;
    let counts = [("done", "posted"), ("held", "held"), ("skipped", "skipped")];
    for (state, said) in counts {
        let count = &status.json["records"][state];
        assert!(status.text.contains(&format!("{count} {said}")), "{}", status.text);
    }
    assert!(status.page.contains("3 need you") && status.page.contains("2 warnings"), "{}", status.page);
    assert!(
        status.page.contains("2 posted and 0 skipped in all") && status.text.contains("2 warnings"),
        "{}",
        status.text
    );
    status.members(&status.json, &["version"]);
    for code in ["held", "warnings"].iter().flat_map(|kind| status.json[*kind].as_object().unwrap().keys()) {
        status.both(code);
    }
    for company in status.json["companies"].as_array().unwrap() {
        status.members(company, &["id", "calls_remaining_today"]);
        status.both(&time(&company["last_posted"]));
        status.both(&format!("{} of {}", company["calls_last_minute"], company["calls_per_minute"]));
        let pause = &company["paused"][0];
        status.members(pause, &["kind", "by", "note"]);
        status.both(&time(&pause["since"]));
    }
    for connection in status.json["connections"].as_array().unwrap() {
        status.members(connection, &["name", "missed_in_7_days", "missed_per_week"]);
        status.both(&time(&connection["last_callback"]));
    }
    let issues = rendered(&world, "/api/v1/issues", "/status/issues", &["issues"]).await;
    let all = issues.json["issues"].as_array().unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    for issue in all {
        issues.members(issue, &["id", "company", "code", "cause", "cure"]);
        let (count, id) = (&issue["count"], issue["id"].as_str().unwrap());
        assert!(issues.page.contains(&format!("{count} record")), "{}", issues.page);
        assert!(issues.text.contains(&format!("{count} {id}")), "{}", issues.text);
        issues.both(&time(&issue["since"]));
        if issue["cause"].is_null() {
            issues.members(issue, &["sentence"]);
        }
    }
    let list = rendered(&world, "/api/v1/records", "/status/records", &["records", "list"]).await;
    for record in list.json["records"].as_array().unwrap() {
        list.members(record, &["state", "number", "client", "total", "currency", "owner"]);
        if !record["reason"].is_null() {
            list.members(&record["reason"], &["code", "sentence"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fact_of_a_record_is_in_all_three() {
    let (world, ids) = scene().await;
    let (mut owners, mut sleeping, mut parts, mut documents) = (0, 0, 0, 0);
    for id in ids {
        let (key, path) = (format!("acme/invoice/{id}"), format!("/status/records/acme/invoice/{id}"));
        let one = rendered(&world, &format!("/api/v1/records/{key}"), &path, &["records", "show", &key]).await;
        let record = &one.json["record"];
        one.members(record, &["key", "state", "number", "client", "total", "currency", "owner", "issue"]);
        owners += usize::from(!record["owner"].is_null());
        if !record["snoozed_until"].is_null() {
            one.both(&time(&record["snoozed_until"]));
            sleeping += 1;
        }
        one.members(&record["reason"], &["code", "sentence", "cure"]);
        for warning in record["warnings"].as_array().unwrap() {
            one.members(warning, &["code", "sentence", "meaning"]);
            for part in warning["parts"].as_array().unwrap() {
                part.as_array().unwrap().iter().for_each(|part| one.both(&text(part)));
                parts += 1;
            }
        }
        if record["document"].is_object() {
            one.members(&record["document"], &["number", "total", "xero_total", "batch", "link"]);
            one.both(&time(&record["document"]["posted"]));
            documents += 1;
        }
        for entry in one.json["history"].as_array().unwrap() {
            one.members(entry, &["event", "sentence"]);
            one.both(&time(&entry["at"]));
        }
    }
    assert!((owners, sleeping, documents) == (1, 1, 2) && parts > 2, "the scene has what is looked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_three_renderings_are_as_they_were() {
    let (world, ids) = scene().await;
    let (held, warned) = (format!("acme/invoice/{}", ids[2]), format!("acme/invoice/{}", ids[4]));
    let views: [(&str, String, &str, &[&str]); 4] = [
        ("status", "/status".to_owned(), "/status", &["status"]),
        ("issues", "/api/v1/issues".to_owned(), "", &["issues"]),
        ("records", "/api/v1/records".to_owned(), "", &["records", "list"]),
        (
            "record",
            format!("/api/v1/records/{warned}"),
            &format!("/status/records/{warned}"),
            &["records", "show", &warned],
        ),
    ];
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../fixtures/renderings");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for (name, path, page_path, arguments) in views {
        let json = serde_json::to_string_pretty(&world.get(&path).await).unwrap();
        insta::assert_snapshot!(format!("{name}.json"), steady(&json));
        if !page_path.is_empty() {
            let html = page(&world, page_path).await.replace("><", ">\n<");
            insta::assert_snapshot!(format!("{name}.html"), steady(&html));
        }
        for (looks, of, variables) in [
            (Looks::Terminal(80), "80", &[("NO_COLOR", "1")][..]),
            (Looks::Terminal(140), "140", &[("NO_COLOR", "1")]),
            (Looks::Terminal(80), "80_coloured", &[]),
            (Looks::Terminal(140), "140_coloured", &[]),
            (Looks::Piped, "piped", &[]),
        ] {
            let (_, text) = shown(&world.url, looks, arguments, variables).await;
            // So that the colours can be read.
            let text = text.replace("\u{1b}[", "␛[");
            insta::assert_snapshot!(format!("{name}_{of}"), steady(&text));
        }
    }
    let (_, text) = shown(&world.url, Looks::Terminal(80), &["records", "show", &held], &[("NO_COLOR", "1")]).await;
    insta::assert_snapshot!("held_80", steady(&text));
}
