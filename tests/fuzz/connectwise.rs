//! Answers of ConnectWise, changed, through the client into facts, and through the whole plan into a document.

use std::sync::Arc;

use readypost::connectwise::ConnectWise;
use readypost::domain::balance::{line_amount, line_tax};
use readypost::domain::document::Document;
use readypost::domain::facts::{Existing, Facts, MovementKind, Organisation, RecordFacts, cost_mark, mark};
use readypost::domain::hold::HoldReason;
use readypost::domain::map::worth;
use readypost::domain::money::Money;
use readypost::domain::plan::{Action, plan};
use readypost::domain::record::RecordKey;
use readypost::domain::rules::Rules;
use readypost::domain::{contact, money};
use readypost::remote::RemoteError;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::mutate::json;
use crate::scenes::{Scenes, rules};
use crate::stage::{Learnt, Stage};
use crate::{Reached, Run, reach};

/// How a record is read.
#[derive(Clone, Debug)]
enum Reading {
    Invoice(i64),
    Purchase(i64),
    Report(String),
    Movement(i64, MovementKind),
}

impl Reading {
    fn key(&self) -> RecordKey {
        let text = match self {
            Self::Invoice(id) => format!("acme/invoice/{id}"),
            Self::Purchase(order) => format!("acme/purchase/{order}-SLIP 7-purchase"),
            Self::Report(id) => format!("acme/expense_report/{id}"),
            Self::Movement(id, MovementKind::Adjustment) => format!("acme/adjustment/{id}-adjustment"),
            Self::Movement(id, MovementKind::Transfer) => format!("acme/transfer/{id}-transfer"),
        };
        text.parse().unwrap()
    }

    async fn record(&self, client: &ConnectWise) -> Result<Option<RecordFacts>, RemoteError> {
        let key = self.key();
        let source = key.source.as_str();
        match self {
            Self::Invoice(_) => Ok(client.invoice(source).await?.map(RecordFacts::from)),
            Self::Purchase(order) => {
                let found = client.purchase(source, Some(*order)).await?;
                Ok(found.map(|purchase| RecordFacts::Purchase(Box::new(purchase))))
            }
            Self::Report(_) => match client.expense_report(source).await? {
                Some(expense) => Ok(Some(RecordFacts::Expense(Box::new(client.listed(expense).await?)))),
                None => Ok(None),
            },
            Self::Movement(_, kind) => Ok(Some(RecordFacts::Movement(Box::new(client.movement(source, *kind).await?)))),
        }
    }

    /// The facts, as the pipeline gathers them for a record that was never posted.
    async fn facts(&self, client: &ConnectWise, books: &Books) -> Result<Option<Facts>, RemoteError> {
        client.forget_tables().await;
        let Some(record) = self.record(client).await? else { return Ok(None) };
        let posting = client.posting(&record).await?;
        let contact = posting.party.as_ref().map(|party| contact::find(party, &books.contacts));
        Ok(Some(Facts {
            record: posting.record,
            captions: posting.captions,
            party: posting.party,
            organisation: books.organisation.clone(),
            contact,
            mark: mark(&self.key()),
            cost_mark: cost_mark(&self.key()),
            existing: Existing::NotLookedUp,
        }))
    }
}

/// What is known of Xero.
struct Books {
    organisation: Organisation,
    contacts: Arc<Vec<contact::Contact>>,
}

/// Changes any answer that reading one record asks for.
fn hold_or_balance(name: &'static str, count: u64, pick: fn(&Scenes) -> Reading) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scenes = Scenes::set().await;
        let xero = scenes.xero(scenes.books.api_url().split("/api").next().unwrap());
        let organisation = xero.organisation().await.unwrap().as_ref().clone();
        let books = Books { organisation, contacts: xero.directory().await.unwrap() };
        let site = format!("http://{}", scenes.psa.server.address());
        let stage = Stage::learning(&site).await;
        let (reading, rules) = (pick(&scenes), rules());
        let client = scenes.client(&stage.address);
        let unchanged = reading.facts(&client, &books).await.unwrap().unwrap();
        let action = plan(&unchanged, &rules).action;
        assert!(matches!(action, Action::Create { .. }), "{name}: {action:?}");
        stage.play();
        let questions: Vec<(String, Learnt)> = stage.learnt().into_iter().collect();
        let corpus: Vec<Vec<u8>> = questions.iter().map(|(_, answer)| answer.body.clone()).collect();
        let mut run = Run::new(name, count);
        let mut reached = Reached::new();
        while let Some(mut execution) = run.next() {
            let random = &mut execution.random;
            let (question, good) = random.of(&questions);
            let body = json(random, &good.body, &corpus);
            // Statuses that are tried again would only take time.
            let status = if random.one_in(40) { *random.of(&[302, 400, 401, 403, 404, 418]) } else { good.status };
            stage.change(question, Learnt { status: if status == 302 { 304 } else { status }, body: body.clone() });
            match reading.facts(&client, &books).await {
                Err(error) => {
                    reach(&mut reached, "refused as it was read");
                    says_something(&error.to_string());
                }
                Ok(None) => reach(&mut reached, "gone"),
                Ok(Some(facts)) => reach(&mut reached, lawful(&facts, &rules, stated(question, &body, &reading))),
            }
            assert!(stage.asked().len() <= 80, "asks on and on");
            run.ended(&execution);
        }
        run.finish(&reached);
    });
}

/// The total that the invoice itself states, read without the client.
fn stated(question: &str, body: &[u8], reading: &Reading) -> Option<Decimal> {
    let Reading::Invoice(id) = reading else { return None };
    if !question.contains(&format!("/finance/invoices/{id} ")) {
        return None;
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("total")?.to_string().trim_matches('"').trim().parse().ok()
}

/// What the plan came to; a document is worth what ConnectWise says, to the cent, in every way of adding it up.
fn lawful(facts: &Facts, rules: &Rules, stated: Option<Decimal>) -> String {
    let plan = plan(facts, rules);
    match plan.action {
        Action::Create { document, cost, .. } => {
            assert_eq!(document.total(), worth(&facts.record, rules), "{:?}", facts.record);
            if let Some(stated) = stated {
                assert_eq!(document.total().decimal(), money::round(stated.abs(), 2), "the invoice says so itself");
            }
            adds_up(&document);
            if let Some(cost) = cost {
                adds_up(&Document::Journal(*cost));
            }
            "documents".to_owned()
        }
        Action::Adopt(_) => panic!("nothing was looked up"),
        Action::Skip(reason) => format!("skip {}", reason.as_str()),
        Action::Hold(HoldReason { code, sentence, .. }) => {
            says_something(sentence.as_str());
            format!("hold {}", code.as_str())
        }
    }
}

/// The bytes that Xero would get come to the same total.
fn adds_up(document: &Document) {
    let body = readypost::xero::body(document, Some(uuid::Uuid::from_u128(7)));
    let sent: Value = serde_json::from_str(&body).unwrap();
    let row = ["Invoices", "CreditNotes", "ManualJournals"].iter().find_map(|name| sent.get(name)?.get(0)).unwrap();
    let number = |value: &Value| -> Decimal { value.to_string().parse().unwrap() };
    match document {
        Document::Invoice(balanced) => {
            let lines = row["LineItems"].as_array().unwrap();
            let net: Decimal =
                lines.iter().map(|line| money::round(number(&line["Quantity"]) * number(&line["UnitAmount"]), 2)).sum();
            assert_eq!(net, balanced.sub_total().decimal());
            let all: Money = balanced.draft().lines.iter().map(|line| line_amount(line) + line_tax(line)).sum();
            assert_eq!(all, balanced.total());
            assert!(all.decimal().normalize().scale() <= 2);
        }
        Document::Journal(journal) => {
            let lines = row["JournalLines"].as_array().unwrap();
            assert_eq!(lines.iter().map(|line| number(&line["LineAmount"])).sum::<Decimal>(), Decimal::ZERO);
            let size: Decimal = lines.iter().map(|line| number(&line["LineAmount"]).abs()).sum();
            assert_eq!(size, journal.total().decimal() * Decimal::TWO);
        }
    }
}

/// A sentence for people: something, and not everything.
fn says_something(sentence: &str) {
    let length = sentence.chars().count();
    assert!((8..=1200).contains(&length), "{length} characters: {sentence}");
    assert!(!sentence.contains('\0'), "{sentence}");
}

#[test]
fn invoices_balance_or_are_held() {
    hold_or_balance("invoices_balance_or_are_held", 400, |scenes| Reading::Invoice(scenes.invoice));
}

#[test]
fn credit_memos_balance_or_are_held() {
    hold_or_balance("credit_memos_balance_or_are_held", 300, |scenes| Reading::Invoice(scenes.credit));
}

#[test]
fn purchases_balance_or_are_held() {
    hold_or_balance("purchases_balance_or_are_held", 300, |scenes| Reading::Purchase(scenes.order));
}

#[test]
fn expenses_balance_or_are_held() {
    hold_or_balance("expenses_balance_or_are_held", 300, |scenes| Reading::Report(scenes.report.clone()));
}

#[test]
fn adjustments_balance_or_are_held() {
    hold_or_balance("adjustments_balance_or_are_held", 300, |scenes| {
        Reading::Movement(scenes.adjustment, MovementKind::Adjustment)
    });
}

#[test]
fn transfers_balance_or_are_held() {
    hold_or_balance("transfers_balance_or_are_held", 300, |scenes| {
        Reading::Movement(scenes.transfer, MovementKind::Transfer)
    });
}

#[test]
fn payments_of_connectwise_are_read_or_refused() {
    let name = "payments_of_connectwise_are_read_or_refused";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scenes = Scenes::set().await;
        let stage = Stage::learning(&format!("http://{}", scenes.psa.server.address())).await;
        let client = scenes.client(&stage.address);
        let read = async || {
            let entered =
                client.invoice_payments(scenes.invoice).await.map(|(rows, unreadable)| (rows.len(), unreadable));
            let unposted = client.unposted_payments(0).await.map(|rows| rows.len());
            let moved = client.unposted_movements(MovementKind::Adjustment).await.map(|lists| lists.rows.len());
            (entered, unposted, moved)
        };
        assert!(matches!(read().await, (Ok((1, _)), Ok(1), Ok(_))));
        stage.play();
        let questions: Vec<(String, Learnt)> = stage.learnt().into_iter().collect();
        let corpus: Vec<Vec<u8>> = questions.iter().map(|(_, answer)| answer.body.clone()).collect();
        let (mut run, mut reached) = (Run::new(name, 300), Reached::new());
        while let Some(mut execution) = run.next() {
            let (question, good) = execution.random.of(&questions);
            let body = json(&mut execution.random, &good.body, &corpus);
            stage.change(question, Learnt { status: good.status, body });
            let (entered, unposted, moved) = read().await;
            for (what, error) in [("entered", entered.err()), ("unposted", unposted.err()), ("moved", moved.err())] {
                reach(&mut reached, format!("{what} {}", if error.is_some() { "refused" } else { "read" }));
                if let Some(error) = error {
                    says_something(&error.to_string());
                }
            }
            run.ended(&execution);
        }
        run.finish(&reached);
    });
}
