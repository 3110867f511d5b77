//! What lists cost when there is much to list: every filter over HTTP, as a page or an integrator asks for it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use readypost::app::App;
use readypost::domain::delivery::{About, Posted, Trigger};
use readypost::domain::draft::DocumentKind;
use readypost::domain::facts::ContentHash;
use readypost::domain::hold::{HoldCode, HoldReason, SkipReason};
use readypost::domain::money::Money;
use readypost::domain::record::RecordKey;
use readypost::domain::settle::{IntentFate, Settlement};
use readypost::domain::warning::{Warning, WarningCode};
use readypost::store::Store;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::load::percentile;
use crate::ms;
use crate::world::{TOKEN, World};

/// Records that are queued at the same time while the store is filled.
const CHUNK: u64 = 20_000;
/// How many are stored and settled at the same time.
const TOGETHER: u64 = 256;
/// How often each list is asked for.
const ASKED: usize = 30;
/// The lists: a name, and the address, where `{id}` is a record in the middle.
const LISTS: [(&str, &str); 15] = [
    ("the status", "/status"),
    ("records, first page", "/api/v1/records"),
    ("held", "/api/v1/records?state=held"),
    ("one code of holds", "/api/v1/records?reason=new_contact"),
    ("all issues", "/api/v1/issues"),
    ("warnings inbox", "/api/v1/warnings?snoozed=hide"),
    ("one code of warnings, 1 in 10,000", "/api/v1/warnings?warning=adjustment_line"),
    ("done of one company", "/api/v1/records?state=done&company=acme-nz"),
    ("skipped purchase orders", "/api/v1/records?state=skipped&kind=purchase_order"),
    ("a number", "/api/v1/records?q=INV-{id}"),
    ("beginning of a number", "/api/v1/records?q=INV-77"),
    ("part of a client's name", "/api/v1/records?q=client%20777"),
    ("a number and its company", "/api/v1/records?q=INV-{id}&company=acme-au"),
    ("of an owner whom nothing is given to", "/api/v1/records?state=held&owner=ann"),
    ("one record with its history", "/api/v1/records/acme/invoice/{id}"),
];

/// Fills a store with so many records, and prints how long lists of them take.
///
/// # Errors
/// When the service or its store fails.
pub(crate) async fn run(folder: &Path, records: u64) -> anyhow::Result<()> {
    let world = World::start(folder, Duration::ZERO).await?;
    let begun = Instant::now();
    let app = App::build(world.config()?, &world.clock)?;
    let store = Arc::clone(&app.parts.store);
    for first in (1..=records).step_by(usize::try_from(CHUNK)?) {
        fill(&store, first..(first + CHUNK).min(records + 1), world.clock.now()).await?;
    }
    println!("lists of {records} records, over HTTP on a kept connection, 50 to a page");
    println!("  filling the store took {} s", begun.elapsed().as_secs());
    store.close().await;
    drop((store, app));

    let begun = Instant::now();
    let app = App::build(world.config()?, &world.clock)?;
    println!("  opening it took {} ms", ms(begun.elapsed()));
    let (stop, listener) = (CancellationToken::new(), app.bind().await?);
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(app.serve_only(listener, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build()?;
    println!("  {:<38}{:>9}{:>10}{:>10}", "list", "records", "p50 ms", "p99 ms");
    let middle = ((records / 9 * 7) | 1).to_string();
    for (name, path) in LISTS {
        let path = path.replace("{id}", &middle);
        let mut times = Vec::with_capacity(ASKED);
        let mut found = 0;
        for _ in 0..ASKED {
            let begun = Instant::now();
            let answer = ask(&client, &format!("{url}{path}")).await?;
            times.push(begun.elapsed());
            found = count(&answer);
        }
        row(name, found, times);
    }
    let (mut times, mut found, mut address) = (Vec::new(), 0, format!("{url}/api/v1/records?state=done&limit=500"));
    for _ in 0..200 {
        let begun = Instant::now();
        let answer = ask(&client, &address).await?;
        times.push(begun.elapsed());
        found += count(&answer);
        let next = answer.get("next").and_then(Value::as_str).context("the pages end too soon")?;
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        address = format!("{url}/api/v1/records?state=done&limit=500&cursor={next}");
    }
    row("200 pages of 500, one after another", found, times);
    stop.cancel();
    serving.await?;
    println!();
    Ok(())
}

fn row(name: &str, found: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!("  {name:<38}{found:>9}{:>10}{:>10}", ms(percentile(&times, 50)), ms(percentile(&times, 99)));
}

async fn ask(client: &reqwest::Client, address: &str) -> anyhow::Result<Value> {
    let answer = client.get(address).bearer_auth(TOKEN).send().await?;
    ensure!(answer.status().is_success(), "{address} was answered with {}", answer.status());
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

fn count(answer: &Value) -> usize {
    let list = answer.get("records").or_else(|| answer.get("issues")).or_else(|| answer.get("history"));
    list.and_then(Value::as_array).map_or(1, Vec::len)
}

/// Takes records in and brings each to where it stays.
async fn fill(store: &Arc<dyn Store>, ids: std::ops::Range<u64>, now: Timestamp) -> anyhow::Result<()> {
    let mut accepting = JoinSet::new();
    for part in 0..TOGETHER {
        let (store, ids) = (Arc::clone(store), ids.clone());
        accepting.spawn(async move {
            for id in ids.filter(|id| id % TOGETHER == part) {
                let message = Some(Uuid::from_u128(u128::from(id)));
                let trigger = Trigger::Callback { message, action: "updated".to_owned(), member: None };
                store.accept(&key(id)?, trigger, now).await?;
            }
            anyhow::Ok(())
        });
    }
    finish(accepting).await?;
    let mut settling = JoinSet::new();
    for _ in 0..TOGETHER {
        let store = Arc::clone(store);
        settling.spawn(async move {
            while let Some(lease) = store.lease(now, now.saturating_add(SignedDuration::from_mins(10))?)? {
                let id = lease.record.key.source.as_str().parse()?;
                let (settlement, about) = if lease.record.posted.is_some() {
                    (Settlement::Done { batch: None, warnings: Vec::new() }, None)
                } else {
                    (settlement(id, now)?, Some(about(id)?))
                };
                store.settle(lease, settlement, about, now).await?;
            }
            anyhow::Ok(())
        });
    }
    finish(settling).await
}

async fn finish(mut working: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    Ok(())
}

fn key(id: u64) -> anyhow::Result<RecordKey> {
    let kind = if id.is_multiple_of(40) { "purchase_order" } else { "invoice" };
    Ok(format!("acme/{kind}/{id}").parse()?)
}

fn company(id: u64) -> &'static str {
    if id.is_multiple_of(3) { "acme-nz" } else { "acme-au" }
}

fn about(id: u64) -> anyhow::Result<About> {
    Ok(About {
        company: Some(company(id).parse()?),
        number: format!("INV-{id}"),
        client: format!("Client {} Pty Ltd", id % 4000).into(),
        total: Money::CENT * 11_000.into(),
        currency: "AUD".to_owned(),
        date: None,
        party: None,
    })
}

/// One in 500 is held, one in 40 skipped, one in 100 has a warning.
fn settlement(id: u64, now: Timestamp) -> anyhow::Result<Settlement> {
    if id.is_multiple_of(500) {
        let (code, cause) = match id % 1500 {
            0 => (HoldCode::NewContact, format!("Client {}", id % 4000)),
            _ => (HoldCode::UnknownTax, "tax code 'GST10'".to_owned()),
        };
        let reason = HoldReason::new(code, "It is held.").caused_by(cause);
        return Ok(Settlement::Hold { reason, posted: None, intent: IntentFate::Keep, warnings: Vec::new() });
    }
    if id.is_multiple_of(40) {
        return Ok(Settlement::Skip { reason: SkipReason::StatusOpen });
    }
    let warnings = match id {
        id if id % 10_000 == 1 => vec![Warning::new(WarningCode::AdjustmentLine, "A line of 0.01 was added.")],
        id if id % 100 == 1 => vec![Warning::new(WarningCode::ContactCreated, "A contact was created.")],
        _ => Vec::new(),
    };
    let posted = Posted {
        id: Uuid::from_u128(u128::from(id)),
        company: company(id).parse()?,
        kind: DocumentKind::Invoice,
        number: format!("INV-{id}"),
        total: Money::CENT * 11_000.into(),
        xero_total: Money::CENT * 11_000.into(),
        at: now,
        content: ContentHash("c".to_owned()),
        lines: None,
        batch: None,
        journal: None,
    };
    Ok(Settlement::Mark { posted, content: None, warnings })
}
