//! What is paid and credited, from either side.

use anyhow::anyhow;
use jiff::civil::Date;
use uuid::Uuid;

use super::scene::dec;
use super::show;
use super::stage::{Stage, key};
use crate::domain::record::{RecordKey, RecordKind, SourceId};

/// Payments of invoices that were posted before.
pub(super) async fn play(stage: &mut Stage, today: Date) -> anyhow::Result<()> {
    show::heading("Payments: what is paid in one system is paid in the other, once");
    let refused = |cause: String| anyhow!("Xero: {cause}");
    let good = stage.xero.intend_to_receive().await.is_passed;
    show::say(&format!(
        "Xero tries the webhook's address with good and bad signatures: {}",
        if good { "passed" } else { "failed" }
    ));
    let keys = [paid(stage, "1001")?, paid(stage, "1006")?, paid(stage, "1009")?];
    for amount in ["1000", "1519.90"] {
        stage.xero.pay("1001", dec(amount), today).map_err(refused)?;
    }
    show::say("invoice 1001 is paid in Xero, in two parts");
    let credit = document(stage, "CM-18")?;
    let memo = stage.connectwise_id("CM-18")?;
    let _ = stage.connectwise.apply_credit(memo, stage.connectwise_id("1009")?, dec("181.50"));
    show::say("the credit memo CM-18 is applied to invoice 1009 in ConnectWise");
    let _ = stage.connectwise.pay(stage.connectwise_id("1006")?, dec("500"));
    show::say("500.00 of invoice 1006 are paid in ConnectWise's payment portal");
    for key in &keys {
        stage.expect(key, "a payment".to_owned(), "done", &[]);
    }
    stage.send().await;
    stage.watch(&keys).await?;
    // What readypost entered in Xero comes back by Xero's webhook, and is no news.
    stage.send().await;
    stage.watch(&keys).await?;
    let payments = stage.xero.payments().iter().filter(|payment| !payment.is_deleted).count();
    let entered =
        ["1001", "1006"].map(|number| stage.connectwise_id(number).map(|id| stage.connectwise.payments(id).len()));
    let [first, second] = entered;
    show::say(&format!(
        "payments in Xero: {payments}; in ConnectWise: {} of invoice 1001, {} of invoice 1006",
        first?, second?
    ));
    let allocated =
        stage.xero.documents().iter().find(|document| document.id == credit).map(|note| note.amount_credited);
    show::say(&format!("of the credit note CM-18, {:.2} are allocated in Xero", allocated.unwrap_or_default()));
    Ok(())
}

/// The key of the payments of the invoice with this number.
fn paid(stage: &Stage, number: &str) -> anyhow::Result<RecordKey> {
    let source = format!("acme-au/{}", document(stage, number)?);
    key(RecordKind::Payment, SourceId::try_from(source)?)
}

/// Xero's id of the document with this number.
fn document(stage: &Stage, number: &str) -> anyhow::Result<Uuid> {
    let documents = stage.xero.documents();
    let found = documents.iter().find(|document| document.number == number);
    found.map(|document| document.id).ok_or_else(|| anyhow!("{number} is not in Xero"))
}
