//! Manual journals.

use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{bench, dec};
use crate::simulator::xero::{JournalStatus, LineAmounts};

fn journal(narration: &str, amounts: &[(&str, &str)]) -> Value {
    let lines: Vec<Value> = amounts
        .iter()
        .map(|(account, amount)| {
            json!({"AccountCode": account, "LineAmount": amount.parse::<serde_json::Number>().unwrap(), "Description": "Laptop 14 inch"})
        })
        .collect();
    json!({"Narration": narration, "Date": "2026-03-01", "Status": "POSTED", "JournalLines": lines})
}

#[tokio::test]
async fn a_journal_that_balances_is_posted_as_often_as_it_is_sent() {
    let bench = bench().await;
    let sent = journal("Cost of INV-1", &[("310", "80.00"), ("620", "-80.00")]);
    for _ in 0..2 {
        let answer = bench.put("/ManualJournals", &sent).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let row = &answer.body["ManualJournals"][0];
        assert_eq!((&row["Status"], &row["LineAmountTypes"]), (&json!("POSTED"), &json!("NoTax")));
        assert_eq!(
            (row["JournalLines"][1]["LineAmount"].to_string(), &row["JournalLines"][1]["TaxType"]),
            ("-80.0".to_owned(), &json!("NONE"))
        );
    }
    let held = bench.xero.journals();
    assert_eq!((held.len(), held[0].sides(), held[0].status), (2, (dec("80"), dec("80")), JournalStatus::Posted));
    assert_ne!(held[0].id, held[1].id);

    let mut taxed = journal("Card fees", &[("429", "10"), ("200", "-10")]);
    taxed["LineAmountTypes"] = json!("Exclusive");
    bench.put("/ManualJournals", &taxed).await;
    let held = bench.xero.journals().pop().unwrap();
    assert_eq!(
        (held.line_amounts, held.lines[0].tax_amount, held.sides().0),
        (LineAmounts::Exclusive, dec("1"), dec("11"))
    );
}

#[tokio::test]
async fn a_journal_is_refused_for_all_that_is_wrong_with_it() {
    let bench = bench().await;
    for (sent, expected) in [
        (
            journal("X", &[("310", "80"), ("620", "-79.99")]),
            "The total debits (80.00) must equal total credits (79.99)",
        ),
        (journal("X", &[("310", "0")]), "A manual journal must have at least two lines"),
        (journal("", &[("310", "1"), ("620", "-1")]), "Narration must be specified"),
        (journal("X", &[("090", "1"), ("620", "-1")]), "Account code '090' is not a valid code for this document."),
        (journal("X", &[("610", "1"), ("620", "-1")]), "Account code '610' is not a valid code for this document."),
        (journal("X", &[("800", "1"), ("620", "-1")]), "Account code '800' is not a valid code for this document."),
        (journal("X", &[("630", "1"), ("620", "-1")]), "Account code '630' is not a valid code for this document."),
        (journal("X", &[("999", "1"), ("620", "-1")]), "Account code '999' is not a valid code for this document."),
        (journal("X", &[("299", "1"), ("620", "-1")]), "Account code '299' has been archived"),
    ] {
        let answer = bench.put("/ManualJournals", &sent).await;
        assert!(answer.status == 400 && answer.message().contains(expected), "{expected} is not in {}", answer.text);
        assert_eq!(answer.body["Elements"][0]["ManualJournalID"], json!(Uuid::nil()));
    }
    bench.xero.set_lock_dates(Some(date(2026, 3, 1)), None);
    let mut sent = journal("X", &[("310", "80"), ("620", "-80")]);
    let locked = bench.put("/ManualJournals", &sent).await.message();
    assert_eq!(locked, "The document date cannot be before the period lock date, currently set at 01-Mar-2026");
    sent["Status"] = json!("DRAFT");
    assert_eq!(bench.put("/ManualJournals", &sent).await.status, 200);
    let both = json!({"ManualJournals": [sent, journal("", &[])]});
    assert_eq!((bench.put("/ManualJournals", &both).await.status.as_u16(), bench.xero.journals().len()), (400, 1));
    assert_eq!(
        (bench.put("/ManualJournals?summarizeErrors=false", &both).await.status.as_u16(), bench.xero.journals().len()),
        (200, 2)
    );
    bench.xero.revoke_scope("accounting.manualjournals");
    assert_eq!(bench.get("/ManualJournals").await.status, 401);
}

#[tokio::test]
async fn journals_are_found_by_narration_and_by_what_changed_since() {
    let bench = bench().await;
    for narration in ["Cost of INV-1", "Cost of INV-2"] {
        bench.put("/ManualJournals", &journal(narration, &[("310", "80"), ("620", "-80")])).await;
    }
    let clause =
        "Narration%3D%3D%22Cost%20of%20INV-2%22%20AND%20Status%3D%3D%22POSTED%22%20AND%20Date%3D%3DDateTime(2026,3,1)";
    let found = bench.get(&format!("/ManualJournals?page=1&where={clause}")).await.body;
    assert_eq!(
        (
            found["pagination"]["itemCount"].clone(),
            found["ManualJournals"][0]["JournalLines"].as_array().unwrap().len()
        ),
        (json!(1), 2)
    );
    let unpaged = bench.get(&format!("/ManualJournals?where={clause}")).await.body;
    assert!(unpaged["ManualJournals"][0].get("JournalLines").is_none());

    bench.clock.advance(SignedDuration::from_mins(1));
    let by_hand = bench.xero.enter_journal(&journal("Stock count", &[("310", "5"), ("620", "-5")])).unwrap();
    let since = bench.since("/ManualJournals?page=1", "2026-03-02T00:01:00").await.body;
    assert_eq!(
        (since["ManualJournals"].as_array().unwrap().len(), &since["ManualJournals"][0]["ManualJournalID"]),
        (1, &json!(by_hand))
    );
    assert!(bench.xero.enter_journal(&journal("Stock count", &[("310", "5")])).unwrap_err().contains("total debits"));

    let path = format!("/ManualJournals/{by_hand}");
    let renamed = bench.post(&path, &json!({"Narration": "Stock count of March"})).await;
    assert_eq!((renamed.status.as_u16(), bench.xero.journals()[2].lines.len()), (200, 2));
    assert_eq!(
        bench.post(&path, &json!({"Status": "DELETED"})).await.message(),
        "Manual Journal not of valid status for modification"
    );
    assert_eq!(bench.post(&path, &json!({"Status": "VOIDED"})).await.body["ManualJournals"][0]["Status"], "VOIDED");
    assert_eq!(
        bench.post(&path, &json!({"Narration": "late"})).await.message(),
        "Manual Journal not of valid status for modification"
    );
    let note = bench.put(&format!("{path}/History"), &json!({"HistoryRecords": [{"Details": "Counted twice"}]})).await;
    assert_eq!((note.status.as_u16(), bench.xero.notes(by_hand)), (200, vec!["Counted twice".to_owned()]));
    bench.xero.void_journal(bench.xero.journals()[0].id);
    assert_eq!(bench.xero.journals()[0].status, JournalStatus::Voided);
    assert_eq!(bench.get(&format!("/ManualJournals/{}", Uuid::new_v4())).await.status, 404);
}
