//! A purchase order: it becomes nothing itself, and each of its purchases is a record of its own.
//!
//! What is accepted here is accepted once more when the step is repeated, which changes nothing: so a crash
//! between two purchases costs another look, and a packing slip that comes later is found by the next callback.

use super::deliver::{Ended, no_company, verdict};
use super::failure::{hold, of_connectwise};
use super::parts::{Connection, Parts};
use crate::domain::callback::whole_id;
use crate::domain::delivery::{About, Record, State, Trigger};
use crate::domain::facts::PurchaseOrder;
use crate::domain::hold::{HoldCode, HoldReason, SkipReason};
use crate::domain::money::Money;
use crate::domain::plan::of_status;
use crate::domain::record::{KeyError, RecordKey, RecordKind, SourceId};
use crate::domain::settle::Outcome;
use crate::domain::text::shorten;
use crate::store::{Lease, StoreError};

/// Reads the order and hands its purchases to the queue.
pub(super) async fn fan_out(lease: Lease, connection: &Connection, parts: &Parts) -> Result<Ended, StoreError> {
    let now = parts.clock.now();
    let about = lease.record.about.clone();
    let Some(id) = whole_id(lease.record.key.source.as_str()).and_then(|id| id.as_str().parse().ok()) else {
        let outcome = Outcome::Failed(hold(HoldCode::UnreadableField, "The id of the order is no whole number."));
        return Ok(Ended { lease, outcome, about });
    };
    let order = match connection.client.purchase_order(id).await {
        Ok(Some(order)) => order,
        Ok(None) => {
            wake(&lease, id, Wake::All, parts).await?;
            return Ok(Ended { lease, outcome: Outcome::Skipped(SkipReason::Deleted), about });
        }
        Err(error) => return Ok(Ended { lease, outcome: Outcome::Failed(of_connectwise(&error, now)), about }),
    };
    let listed = if order.status.closed { connection.client.unposted_purchases(id).await } else { Ok(Vec::new()) };
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return Ok(Ended { lease, outcome: Outcome::Failed(of_connectwise(&error, now)), about }),
    };
    let location = order.location_id.or_else(|| listed.iter().find_map(|purchase| purchase.location_id));
    let company = parts.company(&lease.record.key, location);
    let about = Some(about_order(&order, company.map(|company| company.id.clone())));
    let Some(company) = company else {
        let outcome = Outcome::Failed(no_company(location));
        return Ok(Ended { lease, outcome, about });
    };
    if let Some(action) = of_status(&order.status, &company.rules.purchase_statuses, "purchases") {
        // What was posted of it has to be looked at: a closed status that does not post is none of ours.
        let which = if order.status.closed { Wake::Unfinished(&[]) } else { Wake::All };
        wake(&lease, id, which, parts).await?;
        return Ok(Ended { lease, outcome: verdict(action), about });
    }
    let (mut purchases, mut unnamed) = (Vec::new(), None);
    for purchase in listed {
        match SourceId::try_from(purchase.id) {
            Ok(source) => {
                accept(&lease.record.key, id, source.clone(), parts).await?;
                purchases.push(source);
            }
            Err(error) => unnamed = Some(nameless(&error)),
        }
    }
    wake(&lease, id, Wake::Unfinished(&purchases), parts).await?;
    let nothing = purchases.is_empty() && unnamed.is_none() && lease.record.purchases.is_empty();
    let outcome =
        if nothing { Outcome::Skipped(SkipReason::NothingUnposted) } else { Outcome::FannedOut { purchases, unnamed } };
    Ok(Ended { lease, outcome, about })
}

fn nameless(error: &KeyError) -> HoldReason {
    let sentence = format!(
        "The field 'packing slip' has characters that cannot be seen, or is too long: {}. The other purchases are posted.",
        shorten(&error.to_string(), 120)
    );
    HoldReason::new(HoldCode::UnreadableField, sentence)
}

fn about_order(order: &PurchaseOrder, company: Option<crate::domain::record::CompanyId>) -> About {
    About {
        company,
        number: shorten(&order.number, 40),
        client: order.vendor_name.as_str().into(),
        total: order.total.unwrap_or(Money::ZERO),
        currency: order.currency.clone().unwrap_or_default(),
        date: None,
        party: order.vendor_id,
    }
}

async fn accept(order: &RecordKey, id: i64, source: SourceId, parts: &Parts) -> Result<(), StoreError> {
    let key = RecordKey { connection: order.connection.clone(), kind: RecordKind::Purchase, source };
    parts.store.accept(&key, Trigger::Order { order: id }, parts.clock.now()).await.map(drop)
}

/// Which of the purchases that the order had are looked at again.
#[derive(Clone, Copy)]
enum Wake<'listed> {
    /// All: the order was opened or deleted, and what was posted may not stand.
    All,
    /// Those that wait for somebody or something and were not accepted just now. What ended is not touched by its
    /// order: where it has to be posted after all, ConnectWise lists it.
    Unfinished(&'listed [SourceId]),
}

async fn wake(lease: &Lease, id: i64, which: Wake<'_>, parts: &Parts) -> Result<(), StoreError> {
    for source in &lease.record.purchases {
        let order = &lease.record.key;
        let key =
            RecordKey { connection: order.connection.clone(), kind: RecordKind::Purchase, source: source.clone() };
        let known = parts.store.record(&key).await?;
        let wanted = |known: Record| match which {
            Wake::All => true,
            Wake::Unfinished(accepted) => {
                !accepted.contains(source) && matches!(known.state, State::Queued { .. } | State::Held { .. })
            }
        };
        if known.is_some_and(wanted) {
            accept(order, id, source.clone(), parts).await?;
        }
    }
    Ok(())
}
