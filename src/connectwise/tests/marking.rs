//! Batches: once, whatever happens to the answers.

use serde_json::json;

use super::super::Marked;
use super::{Rig, rig};
use crate::domain::facts::Invoice;
use crate::remote::RemoteError;
use crate::simulator::connectwise::{DuplicateBatches, StrayIds};
use crate::simulator::faults::{Canned, Fault, Rule};

const NAME: &str = "RP-I-5001-0a1b2c3d";
const BATCHES: &str = "accounting/batches";

fn all_batched() -> Marked {
    Marked::Batched { leftover: Vec::new() }
}

impl Rig {
    fn batch_names(&self) -> Vec<String> {
        self.tenant.batches().into_iter().map(|batch| batch.identifier).collect()
    }

    /// Puts all but the last GL entry into the batch, as if an id had been forgotten.
    async fn batch_most(&self, invoice: &Invoice) -> i64 {
        let mut ids = self.posting(invoice).await.unwrap().1.transaction.unwrap().processed_ids();
        let last = ids.pop().unwrap();
        let body = json!({"batchIdentifier": NAME, "exportInvoicesFlag": true, "processedRecordIds": ids});
        let call = super::super::client::Call::post("finance/accounting/batches", body);
        self.client.once(&call).await.unwrap().unwrap();
        last
    }

    fn fault(&self, method: reqwest::Method, path: &str, fault: Fault) {
        self.tenant.server.faults.add(Rule::next(method, path, fault));
    }
}

#[tokio::test]
async fn an_invoice_is_marked_once() {
    let rig = rig(|settings| settings.billing_log_offset = 40_000).await;
    let invoice = rig.ready().await;
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(all_batched()));
    assert!(rig.tenant.is_batched(invoice.id) && rig.tenant.unposted().is_empty());
    assert_eq!(rig.tenant.batches()[0].entry_ids.len(), 4);
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(all_batched()));
    assert_eq!((rig.batch_names(), rig.requests("POST", BATCHES)), (vec![NAME.to_owned()], 1));
    assert_eq!(rig.invoice(invoice.id).await.batch.as_deref(), Some(NAME));
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_batch() {
    for fault in [
        Fault::DropAfter,
        Fault::AnswerAfter(Canned::new(500, r#"{"code":"ConnectWiseApi","message":"A timeout has occured."}"#)),
    ] {
        for duplicates in [DuplicateBatches::Refuse, DuplicateBatches::Accept] {
            let rig = rig(|settings| settings.duplicate_batches = duplicates).await;
            let invoice = rig.ready().await;
            rig.fault(reqwest::Method::POST, BATCHES, fault.clone());
            assert!(rig.mark(&invoice, NAME).await.unwrap_err().is_passing());
            assert_eq!(rig.requests("POST", BATCHES), 1, "never sent again blindly");
            assert_eq!(rig.mark(&invoice, NAME).await, Ok(all_batched()));
            assert_eq!((rig.batch_names().len(), rig.requests("POST", BATCHES)), (1, 1));
        }
    }
}

#[tokio::test]
async fn an_answer_lost_before_it_was_handled_is_made_up_for() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    rig.fault(reqwest::Method::POST, BATCHES, Fault::DropBefore);
    assert!(matches!(rig.mark(&invoice, NAME).await, Err(RemoteError::Transport { .. })));
    assert!(rig.batch_names().is_empty());
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(all_batched()));
    assert_eq!(rig.batch_names(), [NAME]);
}

#[tokio::test]
async fn what_stays_unposted_is_told() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    let last = rig.batch_most(&invoice).await;
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(Marked::Batched { leftover: vec![last] }));
    assert_eq!(rig.batch_names(), [NAME]);
}

#[tokio::test]
async fn a_duplicate_that_was_not_seen_is_looked_up_again() {
    for (duplicates, batches) in [(DuplicateBatches::Refuse, 1), (DuplicateBatches::Accept, 2)] {
        let rig = rig(|settings| settings.duplicate_batches = duplicates).await;
        let invoice = rig.ready().await;
        let last = rig.batch_most(&invoice).await;
        rig.fault(reqwest::Method::GET, BATCHES, Fault::Answer(Canned::new(200, "[]")));
        let leftover = if batches == 1 { vec![last] } else { Vec::new() };
        assert_eq!(rig.mark(&invoice, NAME).await, Ok(Marked::Batched { leftover }));
        assert_eq!(rig.batch_names().len(), batches);
    }
}

#[tokio::test]
async fn the_batches_of_others_are_left_alone() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    rig.tenant.manual_batch(&[invoice.id], "M-1").unwrap();
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(Marked::Elsewhere { batch: "M-1".to_owned() }));
    assert_eq!((rig.batch_names(), rig.requests("POST", BATCHES)), (vec!["M-1".to_owned()], 0));
}

#[tokio::test]
async fn somebody_may_be_faster_between_the_look_and_the_batch() {
    let rig = rig(|settings| settings.stray_ids = StrayIds::Refuse).await;
    let invoice = rig.ready().await;
    // The list still shows the row, as it was before the other batch.
    let row = serde_json::to_string(&rig.tenant.unposted()).unwrap();
    let preview = rig.posting(&invoice).await.unwrap().1.transaction.unwrap();
    let ids: Vec<String> = preview.processed_ids().iter().map(i64::to_string).collect();
    let export = json!({"transactions": [{"documentNumber": "1001", "total": 110, "glEntryIds": ids.join(",")}]});
    rig.tenant.manual_batch(&[invoice.id], "M-1").unwrap();
    rig.fault(reqwest::Method::GET, "unpostedinvoices", Fault::Answer(Canned::new(200, &row)));
    rig.fault(reqwest::Method::POST, "accounting/export", Fault::Answer(Canned::new(200, &export.to_string())));
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(Marked::Elsewhere { batch: "M-1".to_owned() }));
    assert_eq!(rig.batch_names(), ["M-1"]);
}

#[tokio::test]
async fn a_reopened_or_deleted_invoice_is_not_unposted() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    rig.tenant.set_status(invoice.id, "Hold").unwrap();
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(Marked::NotUnposted));
    rig.tenant.delete_invoice(invoice.id).unwrap();
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(Marked::NotUnposted));
}

#[tokio::test]
async fn a_refusal_without_a_batch_stays_a_refusal() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    let body = r#"{"code":"InvalidObject","message":"accountingBatch object is invalid","errors":[{"message":"No."}]}"#;
    rig.fault(reqwest::Method::POST, BATCHES, Fault::Answer(Canned::new(400, body)));
    let error = rig.mark(&invoice, NAME).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Refused { cause, .. } if cause.contains("invalid: No.")), "{error}");
    rig.tenant.forbid(BATCHES);
    assert!(matches!(rig.mark(&invoice, NAME).await, Err(RemoteError::Refused { .. })));
}

#[tokio::test]
async fn a_record_of_the_same_number_is_not_marked_in_its_place() {
    let rig = rig(|settings| settings.billing_log_offset = 40_000).await;
    let invoice = rig.ready().await;
    rig.tenant.manual_batch(&[invoice.id], "M-1").unwrap();
    let mut other = rig.new_invoice("Standard");
    other.lines.truncate(1);
    rig.closed(other);
    assert!(matches!(rig.mark(&invoice, NAME).await, Err(RemoteError::Malformed { .. })));
    assert_eq!(rig.batch_names(), ["M-1"]);
    rig.tenant.unbatch(invoice.id).unwrap();
    assert_eq!(rig.mark(&invoice, NAME).await, Ok(all_batched()));
    assert!(rig.tenant.is_batched(invoice.id) && rig.tenant.unposted().len() == 1, "the other is not a leftover");
}
