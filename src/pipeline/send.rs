//! Enters a payment of ConnectWise in Xero, after it was looked for among all that the invoice ever had there.

use jiff::SignedDuration;
use jiff::civil::Date;

use super::deliver::Ended;
use super::failure::{hold, of_xero};
use super::payment::{Other, Payer};
use crate::domain::delivery::About;
use crate::domain::hold::HoldCode;
use crate::domain::payments::{Change, Entry, Item, Link, Made, Origin, mark, marked};
use crate::domain::plan::dated_after_locks;
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome};
use crate::store::{Lease, StoreError};
use crate::xero::payment_body;

/// Lock dates older than this are read anew before a payment is held for them.
const LOCKS_FRESH_FOR: SignedDuration = SignedDuration::from_mins(1);

impl Payer<'_> {
    /// Enters a payment in Xero.
    pub(super) async fn send(
        &self,
        lease: Lease,
        other: Other,
        (mut links, entry): (Vec<Link>, Entry),
        about: Option<About>,
    ) -> Result<Ended, StoreError> {
        let xero = &self.company.client;
        let ready = async {
            self.never_sent(&lease, &other, &entry).await?;
            self.unlocked(&lease, entry.date).await?;
            xero.permit().await.map_err(|error| of_xero(error, IntentFate::Keep))
        };
        let ready = ready.await;
        // The permit comes before the intent, so that our own budget never leaves an armed request unsent.
        let permit = match ready {
            Ok(permit) => permit,
            Err(failure) => return Ok(Ended { lease, outcome: Outcome::Failed(failure), about }),
        };
        let (document, account) = (self.document.id, self.company.rules.payment_account.trim());
        let Entry { id: payment, amount, date, .. } = entry;
        let body = payment_body(document, account, (amount, date), &mark(payment));
        let intent = self.intent(&lease, Change::Send { payment }, &body);
        let key = intent.key.clone();
        let lease = self.arm(lease, intent, body.clone()).await?;
        let outcome = match xero.enter_payment(permit, &key, &body).await {
            Ok(item) => {
                links.push(Link { item, amount, date, invoice: other.invoice.id, payment, made: Made::InXero });
                let (origin, number, reference) = (Origin::Payment, String::new(), mark(payment));
                let sent = self.with_item(Item { id: item, origin, amount, date, number, reference });
                sent.after_change(&lease, &other, links, Vec::new())
            }
            Err(error) => Outcome::Failed(of_xero(error, IntentFate::Clear)),
        };
        Ok(Ended { lease, outcome, about })
    }

    /// Nothing is entered into a locked period of Xero, even where an adviser's connection could.
    pub(super) async fn unlocked(&self, lease: &Lease, date: Date) -> Result<(), Failure> {
        let (xero, failed) = (&self.company.client, |error| of_xero(error, IntentFate::Keep));
        let organisation = xero.organisation().await.map_err(failed)?;
        let Err(reason) = dated_after_locks("payment", date, &organisation) else { return Ok(()) };
        // The date may have been moved since; by whoever asks for another look, just now.
        let stale_after = if lease.record.asked.is_some() { SignedDuration::ZERO } else { LOCKS_FRESH_FOR };
        xero.refresh_organisation(stale_after).await.map_err(failed)?;
        let organisation = xero.organisation().await.map_err(failed)?;
        let again = dated_after_locks("payment", date, &organisation);
        again.map_err(|_| Failure::Never { reason, intent: IntentFate::Keep })
    }

    /// Looks for the payment among all that the invoice ever had in Xero: one that was entered or deleted there before must
    /// not come back.
    async fn never_sent(&self, lease: &Lease, other: &Other, entry: &Entry) -> Result<(), Failure> {
        let past = self.company.client.past_payments(self.document.id).await;
        let past = past.map_err(|error| of_xero(error, IntentFate::Keep))?;
        let number = &other.invoice.number;
        if let Some(ours) = past.iter().find(|past| marked(&past.reference) == Some(entry.id)) {
            if !ours.is_deleted {
                let cause =
                    format!("Xero has a payment for the {} of {number}, but not on its invoice yet.", entry.told());
                let cause = cause.into();
                return Err(Failure::Later { not_before: None, cause, blame: Blame::Record, intent: IntentFate::Keep });
            }
            if lease.record.asked.is_none() {
                let sentence =
                    format!("The {} of {number} was entered in Xero before, and deleted there.", entry.told());
                return Err(hold(HoldCode::PaymentChanged, sentence));
            }
        }
        let copied = past.iter().find(|past| {
            past.is_deleted
                && marked(&past.reference).is_none()
                && past.amount == Some(entry.amount)
                && past.date == Some(entry.date)
        });
        match copied {
            None => Ok(()),
            Some(gone) => {
                let sentence = format!(
                    "The {} of {number} in ConnectWise equals a payment that was deleted in Xero ({}): it may be its copy.",
                    entry.told(),
                    gone.id
                );
                Err(hold(HoldCode::AmbiguousPayment, sentence))
            }
        }
    }
}
