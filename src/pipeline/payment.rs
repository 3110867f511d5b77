//! The payments of one invoice: read both systems, make one change, and read again before the next.
//!
//! The intent is durable before each change. After an unknown outcome the payments are read again: what is there then
//! and was not before is what the request made, and "it is not there" is believed only when the system can no longer
//! be at work on it.

use jiff::SignedDuration;

use super::allocation::Credit;
use super::deliver::Ended;
use super::failure::{hold, of_connectwise, of_xero};
use super::lanes::enter;
use super::parts::{Company, Connection, Parts};
use super::post::hash;
use super::relations;
use super::slots::Slot;
use super::unknown::UNSETTLED_IN_XERO_FOR;
use crate::domain::delivery::{About, Intent, Purpose};
use crate::domain::draft::DocumentKind;
use crate::domain::hold::{HoldCode, HoldReason, SkipReason};
use crate::domain::money::Money;
use crate::domain::payments::{
    Books, Change, Entry, Item, Link, Made, Next, Origin, PaidDocument, PaidInvoice, Subject, Verdict, allocated,
    choose, found_after, marked, memo, numbers, weigh,
};
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome, Paid};
use crate::domain::text::shorten;
use crate::domain::warning::{Warning, WarningCode};
use crate::remote::RemoteError;
use crate::store::{ArmRequest, Lane, Lease, StoreError};

/// ConnectWise may still be at work on a request this long after it was sent; ours are given up after half a minute.
const UNSETTLED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Does what a record of payments is for.
pub(super) async fn deliver(
    lease: Lease,
    slot: &mut Slot,
    connection: &Connection,
    parts: &Parts,
) -> Result<Ended, StoreError> {
    let key = &lease.record.key;
    let company = match Subject::parse(&key.source) {
        None => Err(hold(HoldCode::UnreadableField, "The id of the record names no invoice.")),
        Some(Subject::ConnectWise(invoice)) => {
            return relations::of_connectwise(lease, invoice, connection, parts).await;
        }
        Some(subject @ (Subject::Invoice(..) | Subject::Credit(..))) => company(&lease, subject, parts),
    };
    let (company, subject) = match company {
        Ok(found) => found,
        Err(failure) => return Ok(ended(lease, Outcome::Failed(failure))),
    };
    // From here on a failure is this company's alone, whatever else is known.
    let known = Some(of_company(&lease, company));
    if !company.rules.carries_payments() {
        return Ok(Ended { lease, outcome: Outcome::Skipped(SkipReason::PaymentsOff), about: known });
    }
    if let Some(lane) = Lane::of(&lease.record)
        && let Err(cause) = enter(slot, company, &lane, parts)
    {
        let not_before = Some(parts.clock.now());
        let failure = Failure::Later { not_before, cause, blame: Blame::Outage, intent: IntentFate::Keep };
        return Ok(Ended { lease, outcome: Outcome::Failed(failure), about: known });
    }
    match subject {
        Subject::Credit(_, family, id) => {
            let outcome = relations::of_credit(&lease, (family, id), company, parts).await?;
            Ok(Ended { lease, outcome, about: known })
        }
        Subject::Invoice(_, id) => {
            let document = match company.client.paid_document(id).await {
                Ok(document) => document,
                Err(error) => {
                    let outcome = Outcome::Failed(of_xero(error, IntentFate::Keep));
                    return Ok(Ended { lease, outcome, about: known });
                }
            };
            let about = document.as_ref().map(|document| about(document, company)).or(known);
            let Some(document) = document.filter(|document| document.is_sale) else {
                return Ok(Ended { lease, outcome: Outcome::Skipped(SkipReason::NotASale), about });
            };
            Box::pin(carry(lease, Payer { document, company, connection, parts }, about)).await
        }
        Subject::ConnectWise(_) => Ok(ended(lease, Outcome::Skipped(SkipReason::NotASale))),
    }
}

fn company<'parts>(
    lease: &Lease,
    subject: Subject,
    parts: &'parts Parts,
) -> Result<(&'parts Company, Subject), Failure> {
    let (Subject::Invoice(id, _) | Subject::Credit(id, ..)) = &subject else {
        return Err(hold(HoldCode::UnreadableField, "The id of the record names no company."));
    };
    let ours = |company: &&Company| company.id == *id && company.connection == lease.record.key.connection;
    let missing = || format!("The company '{id}' of these payments is not in the configuration.");
    let found = parts.companies.iter().find(ours).ok_or_else(|| hold(HoldCode::NoCompany, missing()))?;
    Ok((found, subject))
}

/// The end of a step that learned nothing new about its record.
fn ended(lease: Lease, outcome: Outcome) -> Ended {
    let about = lease.record.about.clone();
    Ended { lease, outcome, about }
}

/// What is known of a record before it was read: at least whose it is.
pub(super) fn of_company(lease: &Lease, company: &Company) -> About {
    let nothing = || About {
        company: None,
        number: String::new(),
        client: "".into(),
        total: Money::ZERO,
        currency: String::new(),
        date: None,
        party: None,
    };
    About { company: Some(company.id.clone()), ..lease.record.about.clone().unwrap_or_else(nothing) }
}

fn about(document: &PaidDocument, company: &Company) -> About {
    About {
        company: Some(company.id.clone()),
        number: shorten(&document.number, 40),
        client: document.client.as_str().into(),
        total: document.paid(),
        currency: document.currency.clone(),
        date: None,
        party: None,
    }
}

/// An invoice whose payments are carried.
pub(super) struct Payer<'parts> {
    pub(super) document: PaidDocument,
    pub(super) company: &'parts Company,
    connection: &'parts Connection,
    parts: &'parts Parts,
}

/// The other side, read after the invoice in Xero.
pub(super) struct Other {
    pub(super) invoice: PaidInvoice,
    /// Everything that was found by number, credit memos among it.
    rows: Vec<PaidInvoice>,
    entries: Vec<Entry>,
}

/// Why a step ends before anything is changed.
type Stop = Box<Outcome>;

fn stop(failure: Failure) -> Stop {
    Box::new(Outcome::Failed(failure))
}

async fn carry(lease: Lease, payer: Payer<'_>, about: Option<About>) -> Result<Ended, StoreError> {
    let (other, verdict) = match payer.weigh(&lease).await {
        Ok(weighed) => weighed,
        Err(outcome) => return Ok(Ended { lease, outcome: *outcome, about }),
    };
    let changes = matches!(verdict.next, Next::Enter(_) | Next::Send(_) | Next::Allocate(..));
    if changes && let Some(failure) = payer.newborn() {
        return Ok(Ended { lease, outcome: Outcome::Failed(failure), about });
    }
    let outcome = match verdict.next {
        Next::Nothing => payer.nothing(&lease, verdict.links),
        Next::Hold(reason) => Outcome::Failed(Failure::Never { reason, intent: IntentFate::Keep }),
        Next::Enter(item) => return payer.enter(lease, other, (verdict.links, item), about).await,
        Next::Remove(payment) => return payer.remove(lease, other, (verdict.links, payment), about).await,
        Next::Send(entry) => return Box::pin(payer.send(lease, other, (verdict.links, entry), about)).await,
        Next::Allocate(entry, number, amount) => {
            let credit = Credit { entry, number, amount, links: verdict.links };
            return Box::pin(payer.allocate(lease, other, credit, about)).await;
        }
    };
    Ok(Ended { lease, outcome, about })
}

impl Payer<'_> {
    /// Reads ConnectWise and decides what to do.
    async fn weigh(&self, lease: &Lease) -> Result<(Other, Verdict), Stop> {
        let (record, document) = (&lease.record, &self.document);
        if let Some(field) = document.unreadable.first() {
            let sentence = format!("Xero gives no readable {field}, of the invoice {}.", document.number);
            return Err(stop(hold(HoldCode::UnreadableField, sentence)));
        }
        let idle = document.items.is_empty() && record.links.is_empty() && record.intent.is_none();
        if idle && !self.company.rules.tells_xero() {
            return Err(Box::new(Outcome::Skipped(SkipReason::NothingPaid)));
        }
        let other = self.other(lease).await?;
        if let Some(intent) = &record.intent {
            self.after_unknown(lease, intent, &other.entries)?;
        }
        let verdict = weigh(&self.books(lease, &other, &record.links));
        Ok((other, verdict))
    }

    fn books<'a>(&'a self, lease: &Lease, other: &'a Other, links: &'a [Link]) -> Books<'a> {
        Books {
            document: &self.document,
            invoice: &other.invoice,
            entries: &other.entries,
            links,
            way: self.company.rules.payments,
            credits: self.company.rules.credits,
            start: self.company.rules.start_date,
            asked: lease.record.asked.is_some(),
        }
    }

    /// The invoice in ConnectWise and its payments.
    async fn other(&self, lease: &Lease) -> Result<Other, Stop> {
        let (client, document, now) = (&self.connection.client, &self.document, self.parts.clock.now());
        let failed = |error: RemoteError| stop(of_connectwise(&error, now));
        let conversion = self.company.rules.conversion_date;
        let references: Vec<&str> = conversion.map(|_| document.number.trim()).into_iter().collect();
        let mut rows = client.invoices_numbered(&numbers(document), &references).await.map_err(failed)?;
        // Another company may have an invoice of the same number.
        let key = &lease.record.key;
        rows.retain(|row| self.parts.company(key, row.location_id).is_some_and(|taker| taker.id == self.company.id));
        let chosen = choose(document, &rows, conversion);
        let held = |reason: HoldReason| stop(Failure::Never { reason, intent: IntentFate::Keep });
        let Some(invoice) = chosen.map_err(held)?.cloned() else { return Err(self.no_invoice(lease)) };
        let (entries, unreadable) = client.invoice_payments(invoice.id).await.map_err(failed)?;
        if let Some(field) = unreadable.first() {
            let sentence = format!("ConnectWise gives no readable {field}, of the invoice {}.", invoice.number);
            return Err(stop(hold(HoldCode::UnreadableField, sentence)));
        }
        Ok(Other { invoice, rows, entries })
    }

    /// ConnectWise has no invoice of this number: fine, unless something was entered on one.
    fn no_invoice(&self, lease: &Lease) -> Stop {
        let number = &self.document.number;
        if let Some(link) = lease.record.links.first() {
            let sentence = format!(
                "ConnectWise has no invoice {number} any more, but its payment {} of {} was entered there (invoice id {}).",
                link.payment, link.amount, link.invoice
            );
            return stop(hold(HoldCode::PaymentChanged, sentence));
        }
        match &lease.record.intent {
            Some(intent) => match self.unsettled(intent, UNSETTLED_FOR) {
                Some(failure) => stop(failure),
                None => Box::new(Outcome::Skipped(SkipReason::NoInvoice)),
            },
            None => Box::new(Outcome::Skipped(SkipReason::NoInvoice)),
        }
    }

    /// What a request of unknown outcome came to; an error ends the step.
    fn after_unknown(&self, lease: &Lease, intent: &Intent, entries: &[Entry]) -> Result<(), Stop> {
        let links = &lease.record.links;
        let unsettled = match &intent.change {
            Some(change @ Change::Enter { .. }) => {
                if let Some(found) = found_after(change, entries, links) {
                    let links = links.iter().cloned().chain([found]).collect();
                    // Remembered before anything else, because by then it is known as ours.
                    return Err(Box::new(self.paid(links, true, Vec::new())));
                }
                self.unsettled(intent, UNSETTLED_FOR)
            }
            Some(Change::Send { payment }) => {
                let is_there = self.document.items.iter().any(|item| marked(&item.reference) == Some(*payment));
                if is_there { None } else { self.unsettled(intent, UNSETTLED_IN_XERO_FOR) }
            }
            Some(Change::Allocate { number, until }) => {
                let is_there = allocated(&self.document, number) >= *until;
                if is_there { None } else { self.unsettled(intent, UNSETTLED_IN_XERO_FOR) }
            }
            // To delete twice is to delete once.
            Some(Change::Remove { .. }) | None => None,
        };
        unsettled.map_or(Ok(()), |failure| Err(stop(failure)))
    }

    /// To wait, while a system may still be at work on a request.
    fn unsettled(&self, intent: &Intent, time: SignedDuration) -> Option<Failure> {
        let until = intent.at.saturating_add(time).unwrap_or(jiff::Timestamp::MAX);
        let cause = "A payment was about to be entered and is not there; the request may still be under way.".into();
        let later =
            Failure::Later { not_before: Some(until), cause, blame: Blame::Outage, intent: IntentFate::LookFirst };
        (self.parts.clock.now() < until).then_some(later)
    }

    /// To wait, while a request that a lost store knew of may still be under way.
    fn newborn(&self) -> Option<Failure> {
        let until = self.parts.store.trusted_since().saturating_add(UNSETTLED_IN_XERO_FOR);
        let until = until.unwrap_or(jiff::Timestamp::MAX);
        let cause = "The store is new: payments are entered once no request from before it can be under way.".into();
        let later = Failure::Later { not_before: Some(until), cause, blame: Blame::Outage, intent: IntentFate::Keep };
        (self.parts.clock.now() < until).then_some(later)
    }

    /// So long from now.
    pub(super) fn later(&self, by: SignedDuration) -> Option<jiff::Timestamp> {
        self.parts.clock.now().checked_add(by).ok()
    }

    fn paid(&self, links: Vec<Link>, more: bool, warnings: Vec<Warning>) -> Outcome {
        Outcome::Paid(Paid { links, looked: self.document.updated, more, warnings })
    }

    fn nothing(&self, lease: &Lease, links: Vec<Link>) -> Outcome {
        let record = &lease.record;
        if !links.is_empty() || !record.links.is_empty() || record.intent.is_some() {
            return self.paid(links, false, Vec::new());
        }
        let none = self.document.items.is_empty();
        Outcome::Skipped(if none { SkipReason::NothingPaid } else { SkipReason::BeforeStartDate })
    }

    /// A change that is about to be asked for; `body` is what Xero gets, empty for ConnectWise.
    pub(super) fn intent(&self, lease: &Lease, change: Change, body: &str) -> Intent {
        let body_hash = hash(body);
        let short = body_hash.get(..32).unwrap_or_default();
        // After a store was lost its numbers begin anew, so the body is a part of the key.
        let key = format!("rp:{}:{}:{short}", lease.record.key, lease.record.generation);
        Intent {
            // Xero takes 128 characters; a longer key is hashed as a whole.
            key: if key.len() > 128 { format!("rp:{}", hash(&key)) } else { key },
            body_hash,
            company: self.company.id.clone(),
            kind: DocumentKind::Invoice,
            number: self.document.number.clone(),
            at: self.parts.clock.now(),
            resend: false,
            change: Some(change),
            purpose: Purpose::Create,
        }
    }

    /// Makes the change durable before it is asked for.
    pub(super) async fn arm(&self, lease: Lease, intent: Intent, body: String) -> Result<Lease, StoreError> {
        let about = about(&self.document, self.company);
        let armed = self.parts.store.arm(lease, ArmRequest { intent, about, body }, self.parts.clock.now()).await?;
        Ok(armed.into_lease())
    }

    /// Enters a payment in ConnectWise.
    async fn enter(
        &self,
        lease: Lease,
        mut other: Other,
        (mut links, item): (Vec<Link>, Item),
        about: Option<About>,
    ) -> Result<Ended, StoreError> {
        let Item { id, amount, date, .. } = item;
        let invoice = other.invoice.id;
        let link = Link { item: id, amount, date, invoice, payment: 0, made: Made::InConnectwise };
        let before = other.entries.iter().map(|entry| entry.id).collect();
        let intent = self.intent(&lease, Change::Enter { link: link.clone(), before }, "");
        let lease = self.arm(lease, intent, String::new()).await?;
        let memo = (item.origin == Origin::CreditNote).then(|| memo(&other.rows, &item.number)).flatten();
        let outcome = match self.connection.client.enter_payment(invoice, (amount, date), memo).await {
            Ok(entered) => {
                links.push(Link { payment: entered.id, ..link });
                let credit = entered.is_credit.then(|| item.number.clone());
                let as_payment = item.origin == Origin::CreditNote && credit.is_none();
                let warnings = as_payment.then(|| credit_warning(&item, entered.id)).into_iter().collect();
                other.entries.push(Entry { id: entered.id, amount, date, credit });
                self.after_change(&lease, &other, links, warnings)
            }
            Err(error) => Outcome::Failed(self.failed(&error)),
        };
        Ok(Ended { lease, outcome, about })
    }

    /// Deletes a payment of ours in ConnectWise.
    async fn remove(
        &self,
        lease: Lease,
        mut other: Other,
        (mut links, payment): (Vec<Link>, i64),
        about: Option<About>,
    ) -> Result<Ended, StoreError> {
        let invoice = other.invoice.id;
        let intent = self.intent(&lease, Change::Remove { invoice, payment }, "");
        let lease = self.arm(lease, intent, String::new()).await?;
        let outcome = match self.connection.client.delete_payment(invoice, payment).await {
            Ok(()) => {
                other.entries.retain(|entry| entry.id != payment);
                links.retain(|link| link.payment != payment);
                self.after_change(&lease, &other, links, Vec::new())
            }
            Err(error) => Outcome::Failed(self.failed(&error)),
        };
        Ok(Ended { lease, outcome, about })
    }

    /// The invoice in Xero as it is with one more payment.
    pub(super) fn with_item(&self, item: Item) -> Self {
        let mut document = self.document.clone();
        document.due = document.due.map(|due| due - item.amount);
        document.items.push(item);
        // It has changed by that, so the next sweep looks once more.
        document.updated = None;
        Self { document, ..*self }
    }

    /// The end of a step that changed something: done, if nothing is left.
    pub(super) fn after_change(
        &self,
        lease: &Lease,
        other: &Other,
        links: Vec<Link>,
        warnings: Vec<Warning>,
    ) -> Outcome {
        let left = weigh(&self.books(lease, other, &links)).next;
        self.paid(links, left != Next::Nothing, warnings)
    }

    /// A change was asked of ConnectWise, and it did not confirm it.
    fn failed(&self, error: &RemoteError) -> Failure {
        let failure = of_connectwise(error, self.parts.clock.now());
        match (error, failure) {
            // It says that it did nothing.
            (RemoteError::Throttled { .. }, Failure::Later { not_before, cause, blame, .. }) => {
                Failure::Later { not_before, cause, blame, intent: IntentFate::Clear }
            }
            (RemoteError::Refused { .. }, Failure::Never { reason, .. }) => {
                Failure::Never { reason, intent: IntentFate::Clear }
            }
            (_, failure) => failure,
        }
    }
}

fn credit_warning(item: &Item, payment: i64) -> Warning {
    let sentence = format!(
        "The credit note {} of {} in Xero is the payment {payment} in ConnectWise, not its credit memo.",
        item.number, item.amount
    );
    Warning::new(WarningCode::CreditAsPayment, sentence)
}
