//! Answers of Xero, changed: a document is believed to be made only when the answer leaves no doubt.

use readypost::domain::draft::DocumentKind;
use readypost::domain::facts::Existing;
use readypost::xero::{Request, Xero, XeroError};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::mutate::json as changed;
use crate::scenes::Scenes;
use crate::stage::{Learnt, Stage};
use crate::{Reached, Run, reach};

/// Everything that the service reads of Xero, once.
async fn look(xero: &Xero, (invoice, credit): (Uuid, Uuid), reached: &mut Reached) {
    let mut told = |what: &str, error: Option<XeroError>| {
        reach(reached, format!("{what} {}", if error.is_some() { "refused" } else { "read" }));
        if let Some(error) = error {
            let text = error.to_string();
            assert!((4..=2000).contains(&text.chars().count()), "{text}");
        }
    };
    told("settings", xero.refresh_organisation(jiff::SignedDuration::ZERO).await.err());
    told("contacts", xero.directory().await.err());
    let found = xero.find(DocumentKind::Invoice, "INV-1001", None).await;
    if let Ok(Existing::Found(document)) = &found {
        assert!(document.number.eq_ignore_ascii_case("INV-1001") && document.kind == DocumentKind::Invoice);
        assert!(!["VOIDED", "DELETED"].contains(&document.status.as_str()));
    }
    told("look-up", found.err());
    let one = xero.document(DocumentKind::Invoice, invoice).await;
    assert!(one.as_ref().is_ok_and(|one| one.as_ref().is_none_or(|one| one.id == invoice)) || one.is_err());
    told("document", one.err());
    let paid = xero.paid_document(invoice).await;
    assert!(paid.as_ref().is_ok_and(|one| one.as_ref().is_none_or(|one| one.id == invoice)) || paid.is_err());
    told("paid", paid.err());
    told("past payments", xero.past_payments(invoice).await.err());
    told("allocations", xero.allocated_to(readypost::domain::payments::Family::CreditNotes, credit).await.err());
    told("changes", xero.changed_invoices("2026-11-01T00:00:00Z".parse().unwrap(), 1).await.err());
}

fn document(contact: Uuid, kind: &str, number: (&str, &str)) -> Value {
    json!({"Type": kind, number.0: number.1, "Contact": {"ContactID": contact}, "Date": "2026-11-30",
        "DueDate": "2026-12-20", "LineAmountTypes": "Exclusive", "Status": "AUTHORISED", "CurrencyCode": "AUD",
        "LineItems": [{"Description": "Labour", "Quantity": 1.75, "UnitAmount": 61.33, "AccountCode": "200",
            "TaxType": "OUTPUT"}]})
}

#[test]
fn answers_of_xero_are_read_or_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scenes = Scenes::set().await;
        let contact = scenes.books.contacts()[0].id;
        let invoice = scenes.books.enter(&document(contact, "ACCREC", ("InvoiceNumber", "INV-1001"))).unwrap();
        let credit = scenes.books.enter(&document(contact, "ACCRECCREDIT", ("CreditNoteNumber", "CM-1"))).unwrap();
        scenes.books.pay("INV-1001", "20.05".parse().unwrap(), jiff::civil::date(2026, 12, 1)).unwrap();
        scenes.books.allocate(credit, invoice, "7.5".parse().unwrap()).unwrap();
        let stage = Stage::learning(&format!("http://{}", scenes.books.server.address())).await;
        let mut first = Reached::new();
        look(&scenes.xero(&stage.address), (invoice, credit), &mut first).await;
        assert!(first.keys().all(|what| what.ends_with(" read")), "{first:?}");
        stage.play();
        let questions: Vec<(String, Learnt)> = stage.learnt().into_iter().collect();
        let corpus: Vec<Vec<u8>> = questions.iter().map(|(_, answer)| answer.body.clone()).collect();
        let (mut run, mut reached) = (Run::new("answers_of_xero_are_read_or_refused", 200), Reached::new());
        while let Some(mut execution) = run.next() {
            let random = &mut execution.random;
            let (question, good) = random.of(&questions);
            let body = changed(random, &good.body, &corpus);
            let status = if random.one_in(40) { *random.of(&[304, 400, 401, 403, 404, 412]) } else { good.status };
            stage.change(question, Learnt { status, body });
            // A new client each time: it has no token, no settings and no contacts yet.
            look(&scenes.xero(&stage.address), (invoice, credit), &mut reached).await;
            run.ended(&execution);
        }
        run.finish(&reached);
    });
}

#[test]
fn a_document_is_made_only_when_the_answer_leaves_no_doubt() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scenes = Scenes::set().await;
        let stage = Stage::learning(&format!("http://{}", scenes.books.server.address())).await;
        let contact = scenes.books.contacts()[0].id;
        let xero = scenes.xero(&stage.address);
        let body = json!({"Invoices": [document(contact, "ACCREC", ("InvoiceNumber", "INV-1001"))]}).to_string();
        let request = Request { kind: DocumentKind::Invoice, idempotency_key: "k".to_owned(), body };
        let made = xero.create(xero.permit().await.unwrap(), &request).await.unwrap();
        let other = request.body.replace("Labour", "Other labour");
        let refused = Request { idempotency_key: "l".to_owned(), body: other, ..request.clone() };
        let taken = xero.create(xero.permit().await.unwrap(), &refused).await;
        assert!(matches!(taken, Err(XeroError::NumberTaken { .. })), "{taken:?}");
        stage.play();
        let answers: Vec<Learnt> =
            stage.learnt().into_iter().filter(|(key, _)| key.starts_with("PUT")).map(|(_, a)| a).collect();
        let question = stage.learnt().into_keys().find(|key| key.contains("\"Labour\"")).unwrap();
        let corpus: Vec<Vec<u8>> = answers.iter().map(|answer| answer.body.clone()).collect();
        let (mut run, mut reached) =
            (Run::new("a_document_is_made_only_when_the_answer_leaves_no_doubt", 1_500), Reached::new());
        while let Some(mut execution) = run.next() {
            let random = &mut execution.random;
            let good = random.of(&answers);
            let body = changed(random, &good.body, &corpus);
            let status =
                if random.one_in(10) { *random.of(&[200, 201, 204, 302, 400, 404, 409, 503]) } else { good.status };
            stage.change(&question, Learnt { status, body: body.clone() });
            let outcome = xero.create(xero.permit().await.unwrap(), &request).await;
            match outcome {
                Ok(created) => {
                    reach(&mut reached, "made");
                    assert!((200..300).contains(&status));
                    assert!(!created.id.is_nil());
                    // What is too deep for this reader is ignored by the client where it is none of its fields.
                    if let Ok(said) = serde_json::from_slice::<Value>(&body) {
                        without_doubt(&said);
                    }
                    if created.id == made.id && created.total != made.total {
                        reach(&mut reached, "made, of another total");
                    }
                }
                Err(XeroError::Unknown { .. } | XeroError::ServerError { .. }) => reach(&mut reached, "in doubt"),
                Err(XeroError::NumberTaken { .. }) => reach(&mut reached, "taken"),
                Err(error) => {
                    reach(&mut reached, "refused");
                    // Only an answer that says so is a refusal.
                    assert!(
                        !(200..300).contains(&status) || String::from_utf8_lossy(&body).contains("rror"),
                        "{error}"
                    );
                }
            }
            run.ended(&execution);
        }
        run.finish(&reached);
    });
}

/// One document, and nothing against it.
fn without_doubt(said: &Value) {
    let rows = said["Invoices"].as_array().or_else(|| said["CreditNotes"].as_array()).unwrap();
    assert_eq!(rows.len(), 1, "{said}");
    let errors = rows[0].get("ValidationErrors").and_then(Value::as_array);
    assert!(errors.is_none_or(Vec::is_empty) && rows[0].get("HasErrors") != Some(&json!(true)), "{said}");
}
