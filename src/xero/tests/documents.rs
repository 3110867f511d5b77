//! Creation and look-up: exact totals, exact bytes, and no second document whatever happens.

use axum::http::Method;

use super::*;
use crate::domain::facts::Existing;
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::journal::{Heading, Journal, JournalLine};
use crate::simulator::faults::{Canned, Fault, Rule};
use crate::simulator::xero::{HalfCent, Kind};
use crate::xero::{Listing, XeroError};

#[tokio::test]
async fn totals_are_exact_whatever_xero_does_with_half_a_cent() {
    for half_cent in [HalfCent::Up, HalfCent::Even] {
        let bench = bench_with(|settings| settings.half_cent = half_cent, |_| {}).await;
        for kind in [DocumentKind::Invoice, DocumentKind::CreditNote] {
            let mut tricky = draft(kind, "T-1");
            tricky.lines = vec![
                line("0.5", "0.25", "0.13"),
                line("3", "1.33333", "4.00"),
                line("1", "0.25", "0.25"),
                line("7.25", "101.2345", "733.95"),
                line("1", "-12.345", "-12.35"),
            ];
            (tricky.tax, tricky.total) = (money("72.60"), money("798.58"));
            let document = balanced(tricky);
            let created = bench.create(&bench.request_for(&document, &format!("{kind:?}"))).await.unwrap();
            assert_eq!(created.total, money("798.58"), "{half_cent:?}");
            let held = bench.sim.documents().pop().unwrap();
            assert_eq!((held.id, held.total), (created.id, dec("798.58")));
            assert_eq!(Money::new(held.total_tax).unwrap(), document.total_tax());
        }
        let kinds: Vec<Kind> = bench.sim.documents().iter().map(|held| held.kind).collect();
        assert_eq!(kinds, [Kind::Accrec, Kind::AccrecCredit]);
    }
}

fn of(document: Balanced) -> Document {
    Document::Invoice(document)
}

#[test]
fn the_body_is_these_bytes() {
    let mut full = draft(DocumentKind::Invoice, "INV-1");
    full.sent = true;
    full.branding_theme = Some(Uuid::from_u128(2));
    let mut stated = line("1.50", "33.33330", "50.00");
    stated.tax_amount = Some(money("4.99"));
    stated.item = Some("LABOUR".to_owned());
    stated.tracking = vec![("Region".to_owned(), "Sydney".to_owned())];
    full.lines = vec![stated];
    (full.tax, full.total) = (money("4.99"), money("54.99"));
    let document = balanced(full.clone());
    let expected = r#"{"Invoices":[{"Type":"ACCREC","InvoiceNumber":"INV-1","Contact":{"ContactID":"00000000-0000-0000-0000-000000000001"},"Date":"2026-11-01","DueDate":"2026-12-01","Reference":"PO 7","CurrencyCode":"AUD","Status":"AUTHORISED","LineAmountTypes":"Exclusive","SentToContact":true,"BrandingThemeID":"00000000-0000-0000-0000-000000000002","LineItems":[{"Description":"Work","Quantity":1.5,"UnitAmount":33.3333,"ItemCode":"LABOUR","AccountCode":"200","TaxType":"OUTPUT","TaxAmount":4.99,"Tracking":[{"Name":"Region","Option":"Sydney"}]}]}]}"#;
    let contact = Uuid::from_u128(1);
    assert_eq!(body(&of(document.clone()), Some(contact)), expected);
    // Equal documents whose decimals have another scale, as after a restart.
    full.lines[0].quantity = dec("1.5000");
    full.lines[0].unit_amount = dec("33.3333");
    assert_eq!(body(&of(balanced(full.clone())), Some(contact)), expected);
    let restored: Draft = serde_json::from_str(&serde_json::to_string(&full).unwrap()).unwrap();
    assert_eq!(body(&of(balanced(restored)), Some(contact)), expected);

    full.status = DocumentStatus::Draft;
    assert!(!body(&of(balanced(full)), Some(contact)).contains("SentToContact"));
    let mut note = draft(DocumentKind::CreditNote, "CN-1");
    (note.sent, note.reference) = (true, String::new());
    assert_eq!(
        body(&of(balanced(note)), Some(contact)),
        r#"{"CreditNotes":[{"Type":"ACCRECCREDIT","CreditNoteNumber":"CN-1","Contact":{"ContactID":"00000000-0000-0000-0000-000000000001"},"Date":"2026-11-01","CurrencyCode":"AUD","Status":"AUTHORISED","LineAmountTypes":"Exclusive","LineItems":[{"Description":"Work","Quantity":2,"UnitAmount":10.5,"AccountCode":"200","TaxType":"OUTPUT"}]}]}"#
    );
}

#[tokio::test]
async fn a_warm_post_is_one_call() {
    let bench = bench().await;
    bench.create(&bench.request("W-1")).await.unwrap();
    let (calls, tokens) = (bench.sim.calls(), bench.token_requests());
    let second = bench.request_for(&document(DocumentKind::Invoice, "W-2"), "k2");
    bench.create(&second).await.unwrap();
    assert_eq!((bench.sim.calls() - calls, bench.token_requests() - tokens), (1, 0));
    let sent = bench.sim.server.requests().pop().unwrap();
    assert_eq!((sent.method, sent.uri.query()), (Method::PUT, Some("unitdp=4")));
    assert_eq!(sent.headers["idempotency-key"], "k2");
    assert_eq!(bench.xero.budget().calls_total, 2);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_same_request_finds_the_same_document() {
    let bench = bench().await;
    let request = bench.request("LOST");
    for fault in [Fault::DropAfter, Fault::AnswerAfter(Canned::new(504, "")), Fault::AnswerAfter(Canned::new(502, ""))]
    {
        bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", fault));
        assert!(matches!(bench.create(&request).await, Err(XeroError::Unknown { not_before: None, .. })));
    }
    let created = bench.create(&request).await.unwrap();
    assert_eq!(bench.sim.documents().len(), 1);
    assert_eq!(created.id, bench.sim.documents()[0].id);
    // A write is never repeated by the client itself.
    assert_eq!(bench.sim.server.requests().iter().filter(|sent| sent.method == Method::PUT).count(), 4);
}

#[tokio::test]
async fn a_500_after_the_commit_is_found_by_looking() {
    let bench = bench().await;
    bench.sim.fail_next_write_after_commit();
    let request = bench.request("F-1");
    assert!(matches!(bench.create(&request).await, Err(XeroError::ServerError { .. })));
    assert!(matches!(bench.create(&request).await, Err(XeroError::ServerError { .. })), "it is cached under the key");
    let Existing::Found(found) = bench.xero.find(DocumentKind::Invoice, "F-1", None).await.unwrap() else { panic!() };
    assert_eq!((found.total, found.total_tax, found.contact_id), (money("23.10"), money("2.10"), bench.contact));
    assert_eq!((found.status.as_str(), found.currency.as_str()), ("AUTHORISED", "AUD"));
    assert_eq!(found.date, Some("2026-11-01".parse().unwrap()));
    let renewed = Request { idempotency_key: "k2".to_owned(), ..request };
    let taken = bench.create(&renewed).await.unwrap_err();
    assert_eq!(taken, XeroError::NumberTaken { message: "Invoice # must be unique.".to_owned() });
    assert_eq!(bench.sim.documents().len(), 1);
    bench.sim.fail_next_write_before_commit();
    let other = bench.request_for(&document(DocumentKind::Invoice, "F-2"), "k3");
    assert!(matches!(bench.create(&other).await, Err(XeroError::ServerError { .. })));
    assert_eq!(bench.xero.find(DocumentKind::Invoice, "F-2", None).await.unwrap(), Existing::None);
}

#[tokio::test]
async fn a_look_up_is_exact_and_knows_both_kinds() {
    let bench = bench().await;
    let number = r#"A"1, 2"#;
    for (kind, key) in [(DocumentKind::Invoice, "i"), (DocumentKind::CreditNote, "c")] {
        assert_eq!(bench.xero.find(kind, number, None).await.unwrap(), Existing::None);
        let created = bench.create(&bench.request_for(&document(kind, number), key)).await.unwrap();
        let Existing::Found(found) = bench.xero.find(kind, number, None).await.unwrap() else { panic!("{kind:?}") };
        assert_eq!((found.id, found.kind, found.number.as_str()), (created.id, kind, number));
        assert_eq!(bench.xero.document(kind, created.id).await.unwrap(), Some(found));
        let again = bench.create(&bench.request_for(&document(kind, number), &format!("{key}2"))).await;
        assert!(matches!(again, Err(XeroError::NumberTaken { .. })));
        bench.sim.void(created.id);
        assert_eq!(
            bench.xero.find(kind, number, None).await.unwrap(),
            Existing::None,
            "a void document is worth nothing"
        );
    }
    assert_eq!(bench.xero.document(DocumentKind::Invoice, Uuid::new_v4()).await.unwrap(), None);
}

#[tokio::test]
async fn only_a_clear_200_counts() {
    let bench = bench().await;
    let id = Uuid::from_u128(9);
    let row =
        |id: Uuid, more: &str| format!(r#"{{"Invoices":[{{"InvoiceID":"{id}","Type":"ACCREC","Total":1.5{more}}}]}}"#);
    let error = r#","ValidationErrors":[{"Message":"Item Code is invalid."}]"#;
    let taken = r#","HasErrors":true,"ValidationErrors":[{"Message":"Invoice # must be unique."}]"#;
    let doubtful = [
        "<html>".to_owned(),
        "{}".to_owned(),
        r#"{"Invoices":[]}"#.to_owned(),
        row(Uuid::nil(), ""),
        row(id, error),
        row(id, r#","HasErrors":true"#),
        row(id, r#","StatusAttributeString":"ERROR""#),
        row(id, "").replace("\"Total\"", "\"Sum\""),
    ];
    let answered = async |body: String| {
        bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Answer(Canned::new(200, &body))));
        bench.create(&bench.request("X")).await
    };
    for body in doubtful {
        assert!(matches!(answered(body.clone()).await, Err(XeroError::ServerError { .. })), "{body}");
    }
    assert_eq!(answered(row(id, "")).await.unwrap().total, money("1.5"));
    let refused = answered(row(Uuid::nil(), error)).await;
    assert!(matches!(refused, Err(XeroError::Refused(HoldReason { code: HoldCode::RefusedByXero, .. }))));
    assert!(matches!(answered(row(Uuid::nil(), taken)).await, Err(XeroError::NumberTaken { .. })));
}

#[tokio::test]
async fn refusals_name_their_cause() {
    let bench = bench().await;
    let mut lines = draft(DocumentKind::Invoice, "R");
    lines.lines[0].account = "999".to_owned();
    lines.currency = "EUR".to_owned();
    let Err(XeroError::Refused(reason)) = bench.create(&bench.request_for(&balanced(lines), "a")).await else {
        panic!()
    };
    assert_eq!(reason.code, HoldCode::UnknownAccount);
    for words in ["Account code '999' is not a valid code", "Organisation is not subscribed to currency EUR"] {
        assert!(reason.sentence.as_str().contains(words), "{}", reason.sentence);
    }
    bench.sim.set_lock_dates(Some("2026-11-01".parse().unwrap()), None);
    let Err(XeroError::Refused(reason)) = bench.create(&bench.request("R")).await else { panic!() };
    assert_eq!(reason.code, HoldCode::PeriodLocked);
    bench.sim.set_lock_dates(None, None);
    let used = bench.request_for(&document(DocumentKind::Invoice, "R2"), "k1");
    assert!(matches!(bench.create(&used).await, Err(XeroError::ServerError { .. })), "the key is used");
    let stranger = Request {
        body: body(&of(document(DocumentKind::Invoice, "R3")), Some(Uuid::from_u128(77))),
        idempotency_key: "k5".to_owned(),
        ..bench.request("R3")
    };
    assert!(matches!(bench.create(&stranger).await, Err(XeroError::Refused(_))), "404");
    bench.sim.archive_contact(bench.contact);
    let late = bench.request_for(&document(DocumentKind::Invoice, "R4"), "k6");
    let Err(XeroError::Refused(reason)) = bench.create(&late).await else { panic!() };
    assert_eq!(reason.code, HoldCode::ArchivedContact);
    assert!(bench.sim.documents().is_empty());
}

/// A journal of 80.00 with this mark.
fn journal(mark: &str) -> Document {
    let heading = Heading {
        number: "ADJ-1".to_owned(),
        narration: format!("Inventory adjustment ADJ-1 {mark}"),
        date: jiff::civil::date(2026, 11, 1),
        currency: "AUD".to_owned(),
        status: DocumentStatus::Authorised,
    };
    let line = |account: &str, amount: &str| JournalLine {
        description: "Disks".to_owned(),
        account: account.to_owned(),
        amount: money(amount),
        tracking: vec![("Region".to_owned(), "Sydney".to_owned())],
    };
    Document::Journal(Journal::new(heading, vec![line("310", "80.00"), line("620", "-80")]).unwrap())
}

#[tokio::test]
async fn a_journal_is_these_bytes_and_is_found_by_its_mark_alone() {
    let bench = bench().await;
    let marks = ["[ConnectWise acme/adjustment/1-adjustment]", "[ConnectWise acme/adjustment/11-adjustment]"];
    let sent = body(&journal(marks[0]), None);
    assert_eq!(
        sent,
        r#"{"ManualJournals":[{"Narration":"Inventory adjustment ADJ-1 [ConnectWise acme/adjustment/1-adjustment]","Date":"2026-11-01","Status":"POSTED","LineAmountTypes":"NoTax","JournalLines":[{"LineAmount":80,"AccountCode":"310","Description":"Disks","Tracking":[{"Name":"Region","Option":"Sydney"}]},{"LineAmount":-80,"AccountCode":"620","Description":"Disks","Tracking":[{"Name":"Region","Option":"Sydney"}]}]}]}"#
    );
    let kind = DocumentKind::Journal;
    let mut ids = Vec::new();
    for mark in marks {
        let request = Request { kind, idempotency_key: mark.to_owned(), body: body(&journal(mark), None) };
        let created = bench.create(&request).await.unwrap();
        assert_eq!(created.total, money("80"));
        ids.push(created.id);
    }
    let find = async |mark| bench.xero.find(kind, "ADJ-1", Some(mark)).await.unwrap();
    let Existing::Among(found) = find(marks[0]).await else { panic!("a journal is among others") };
    assert_eq!(found.iter().map(|found| (found.id, found.total)).collect::<Vec<_>>(), [(ids[0], money("80"))]);
    assert_eq!(bench.xero.document(kind, ids[0]).await.unwrap().as_ref(), found.first());
    bench.sim.void_journal(ids[0]);
    assert_eq!(find(marks[0]).await, Existing::Among(Vec::new()), "what is void is worth nothing");
    assert_eq!(bench.xero.document(kind, ids[0]).await.unwrap().unwrap().status, "VOIDED");
    assert_eq!(bench.xero.document(kind, Uuid::new_v4()).await.unwrap(), None);
    assert!(bench.xero.find(kind, "ADJ-1", None).await.is_err(), "without a mark nothing can be said");
}

#[tokio::test]
async fn a_list_whose_lines_cannot_be_read_is_not_one_of_empty_documents() {
    let bench = bench().await;
    bench.create(&bench.request("L-1")).await.unwrap();
    let [invoices, _] = Listing::between("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap(), false);
    let (stated, _) = bench.xero.stated_of(invoices, 1).await.unwrap();
    assert_eq!(stated.iter().map(|one| one.content.lines.len()).collect::<Vec<_>>(), [1]);
    let body = format!(
        r#"{{"Invoices":[{{"InvoiceID":"{}","Type":"ACCREC","InvoiceNumber":"L-1","Status":"AUTHORISED","Total":23.10,"TotalTax":2.10,"CurrencyCode":"AUD","LineItems":[{{"Description":"Work","Quantity":{{}}}}]}}]}}"#,
        stated[0].document.id
    );
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Invoices", Fault::Answer(Canned::new(200, &body))).times(2));
    // What it says of sums and numbers can be read.
    assert_eq!(bench.xero.documents_of(invoices, 1).await.unwrap().0.len(), 1);
    let outcome = bench.xero.stated_of(invoices, 1).await;
    assert!(
        matches!(&outcome, Err(XeroError::Malformed { cause }) if cause.contains("list of documents")),
        "{outcome:?}"
    );
}
