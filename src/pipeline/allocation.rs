//! Allocates a credit note in Xero to the invoice that its credit memo was applied to in ConnectWise.

use jiff::SignedDuration;

use super::deliver::Ended;
use super::failure::{hold, of_xero};
use super::payment::{Other, Payer};
use crate::domain::delivery::About;
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::payments::{Change, Entry, Item, Link, Made, Origin, allocated};
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome};
use crate::store::{Lease, StoreError};
use crate::xero::{CreditNote, allocation_body};

/// How long to wait for a credit memo that is not in Xero yet, until another look.
const WAIT: SignedDuration = SignedDuration::from_mins(30);

/// What is to be allocated.
pub(super) struct Credit {
    pub(super) entry: Entry,
    /// Number of the credit memo and of its credit note.
    pub(super) number: String,
    pub(super) amount: Money,
    /// What is linked so far.
    pub(super) links: Vec<Link>,
}

impl Payer<'_> {
    /// Looks the credit note up, and allocates it unless that is done.
    pub(super) async fn allocate(
        &self,
        lease: Lease,
        other: Other,
        credit: Credit,
        about: Option<About>,
    ) -> Result<Ended, StoreError> {
        let xero = &self.company.client;
        let ready = async {
            let note = self.note(&other, &credit).await?;
            self.unlocked(&lease, credit.entry.date).await?;
            let permit = xero.permit().await.map_err(|error| of_xero(error, IntentFate::Keep))?;
            Ok::<_, Failure>((note, permit))
        };
        let (note, permit) = match ready.await {
            Ok(ready) => ready,
            Err(failure) => return Ok(Ended { lease, outcome: Outcome::Failed(failure), about }),
        };
        let Credit { entry, number, amount, mut links } = credit;
        let body = allocation_body(self.document.id, amount, entry.date);
        let until = allocated(&self.document, &number) + amount;
        let intent = self.intent(&lease, Change::Allocate { number: number.clone(), until }, &body);
        let key = intent.key.clone();
        let lease = self.arm(lease, intent, body.clone()).await?;
        let outcome = match xero.allocate(permit, note.id, (&key, &body)).await {
            Ok(()) => {
                let (item, date, invoice) = (note.id, entry.date, other.invoice.id);
                // A part of one is found by its sum.
                if amount == entry.amount {
                    links.push(Link { item, amount, date, invoice, payment: entry.id, made: Made::InXero });
                }
                let (origin, reference) = (Origin::CreditNote, String::new());
                let given = self.with_item(Item { id: item, origin, amount, date, number, reference });
                given.after_change(&lease, &other, links, Vec::new())
            }
            Err(error) => Outcome::Failed(of_xero(error, IntentFate::Clear)),
        };
        Ok(Ended { lease, outcome, about })
    }

    /// The credit note, if this much of it can be allocated and is not yet.
    async fn note(&self, other: &Other, credit: &Credit) -> Result<CreditNote, Failure> {
        let Credit { entry, number, amount, .. } = credit;
        let told = format!("The {} from the credit memo {number} on {}", entry.told(), other.invoice.number);
        let later = |wait: SignedDuration, why: &str| Failure::Later {
            not_before: self.later(wait),
            cause: format!("{told} waits: {why}.").into(),
            // It may come tomorrow; till then nothing is wrong with the record.
            blame: Blame::Outage,
            intent: IntentFate::Keep,
        };
        let found = self.company.client.credit_note(number).await;
        let found = found.map_err(|error| of_xero(error, IntentFate::Keep))?;
        let Some(note) = found else { return Err(later(WAIT, "Xero has no credit note of this number yet")) };
        if !matches!(note.status.as_str(), "AUTHORISED" | "PAID") {
            return Err(later(WAIT, &format!("the credit note has the status {} in Xero", note.status)));
        }
        if note.given_to(self.document.id) > allocated(&self.document, number) {
            return Err(later(SignedDuration::from_secs(5), "Xero has just allocated some of it"));
        }
        let remaining = note.remaining.unwrap_or_default();
        if *amount > remaining {
            let sentence = format!("{told} is {amount}, but Xero has {remaining} left of the credit note {number}.");
            return Err(hold(HoldCode::PaymentConflict, sentence));
        }
        Ok(note)
    }
}
