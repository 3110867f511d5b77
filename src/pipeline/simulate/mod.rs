//! What posting would do: the same reads, the same decisions and the same bytes as a step, and nothing is written, not
//! to ConnectWise, not to Xero, not to the journal.
//!
//! ConnectWise is asked for the preview by a POST that only reads. What has no preview, because it is in a batch already,
//! cannot be mapped any more; of invoices ConnectWise still says number, date and sums, so these are compared.

mod compare;
mod list;
mod look;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::met::Met;
use super::parts::{Company, Parts};
use crate::domain::delivery::{self, Record};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Invoice, RecordFacts};
use crate::domain::record::{CompanyId, ConnectionId, RecordKey, RecordKind};
use crate::domain::rules::Rules;
use crate::domain::simulation::{Adding, Estimate, Scope, Simulated, Simulation, Verdict};
use crate::domain::statement::{Calls, Month};
use crate::domain::trigger::Trigger;
use crate::remote;
use crate::xero::{Stated, modest};

/// Calls to Xero that the look at one record may take; so many have to be left before it begins.
const CALLS_OF_RECORD: u32 = 6;
/// How often a record is looked at again because the calls of the minute were used meanwhile.
const WAITS_MAX: u32 = 20;

/// How far a simulation is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulationProgress {
    /// What is being done.
    pub step: String,
    /// Records that were looked at.
    pub done: u32,
    /// Records that are to be looked at; 0 while they are being listed.
    pub of: u32,
    /// Calls so far.
    pub calls: Calls,
    /// It waits for the minute's calls until then.
    pub waits_until: Option<Timestamp>,
}

/// A record that is to be looked at.
pub(super) struct Candidate {
    key: RecordKey,
    /// The invoice, where it was listed with all that it says.
    invoice: Option<Invoice>,
}

impl From<RecordKey> for Candidate {
    fn from(key: RecordKey) -> Self {
        Self { key, invoice: None }
    }
}

/// Documents of a month in Xero, by their kind and their number in lower case.
pub(super) type Listed = HashMap<(DocumentKind, String), Vec<Stated>>;

/// A simulation under way.
pub(super) struct Simulating<'parts> {
    parts: &'parts Parts,
    /// The company whose records count; none = any.
    company: Option<&'parts Company>,
    month: Option<Month>,
    /// What Xero has of the month.
    listed: Listed,
    progress: &'parts watch::Sender<SimulationProgress>,
    sent: Arc<remote::Calls>,
    /// Settings of Xero that are older are read anew before a hold is blamed on them: whoever asks may just have
    /// mended something.
    begun: Timestamp,
    met: Met,
}

/// What a look at a record came to.
pub(super) enum Seen {
    /// It is simulated.
    Row(Box<Simulated>),
    /// It is not what was asked for.
    Other,
    /// The calls of the minute are used until then.
    Waits(Timestamp),
}

impl Seen {
    fn row(row: Simulated) -> Self {
        Self::Row(Box::new(row))
    }
}

/// Simulates posting.
///
/// # Errors
/// Why it cannot be done, for an operator; what goes wrong with one record is in its row.
pub async fn simulate(
    scope: &Scope,
    parts: &Parts,
    progress: &watch::Sender<SimulationProgress>,
) -> Result<Simulation, String> {
    let company = match scope {
        Scope::Record { .. } => None,
        Scope::Month { company, .. } | Scope::Unposted { company } => Some(named(company, parts)?),
    };
    let month = if let Scope::Month { month, .. } = scope { Some(*month) } else { None };
    let sent = Arc::new(remote::Calls::default());
    let simulating = Simulating {
        parts,
        company,
        month,
        listed: Listed::new(),
        progress,
        sent: Arc::clone(&sent),
        begun: parts.clock.now(),
        met: Met::default(),
    };
    remote::counted(sent, modest(simulating.run(scope))).await
}

fn named<'parts>(company: &CompanyId, parts: &'parts Parts) -> Result<&'parts Company, String> {
    let found = parts.companies.iter().find(|candidate| candidate.id == *company);
    found.ok_or_else(|| format!("the company '{company}' is not in the configuration"))
}

impl Simulating<'_> {
    async fn run(mut self, scope: &Scope) -> Result<Simulation, String> {
        let (candidates, mut notes) = match scope {
            Scope::Record { key } => (self.of_record(key).await?, Vec::new()),
            Scope::Month { company, month } => self.of_month(named(company, self.parts)?, *month).await?,
            Scope::Unposted { company } => self.unposted(named(company, self.parts)?).await?,
        };
        let of = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        let mut adding = Adding::default();
        for (done, candidate) in (1..).zip(candidates) {
            let row = self.simulated(&candidate).await?;
            if let Some(row) = row {
                adding.add(row);
            }
            self.tell("records", done, of);
        }
        let mut simulation = adding.end(scope.clone(), self.parts.clock.now());
        simulation.spent = self.calls();
        simulation.estimate = self.estimate(simulation.calls.xero);
        if simulation.rows_left_out > 0 {
            notes.push(format!(
                "Only {} records have a row, before all those that need somebody; {} are left out. The sums and the reasons are of all.",
                simulation.rows.len(),
                simulation.rows_left_out
            ));
        }
        simulation.notes = notes;
        Ok(simulation)
    }

    fn estimate(&self, calls: u32) -> Option<Estimate> {
        let companies: Vec<&Company> = match self.company {
            Some(company) => vec![company],
            None => self.parts.companies.iter().collect(),
        };
        let [company] = companies.as_slice() else { return None };
        let view = company.client.budget();
        let today = view.day_remaining.map(|left| left.saturating_sub(view.day_reserve));
        Some(Estimate::of(calls, view.minute_limit, today))
    }

    fn calls(&self) -> Calls {
        Calls { connectwise: self.sent.to("ConnectWise"), xero: self.sent.to("Xero") }
    }

    fn tell(&self, step: &str, done: u32, of: u32) {
        self.progress.send_modify(|progress| {
            step.clone_into(&mut progress.step);
            (progress.done, progress.of) = (done, of);
            progress.calls = self.calls();
            progress.waits_until = None;
        });
    }

    /// Waits until the minute has calls for one more record.
    async fn leave_room(&self, key: &RecordKey) {
        let of_connection = |company: &&Company| company.connection == key.connection;
        let may_take = self.parts.companies.iter().filter(of_connection);
        for company in may_take.filter(|company| self.company.is_none_or(|ours| ours.id == company.id)) {
            while let Some(until) = company.client.spare_at(CALLS_OF_RECORD) {
                self.wait(until).await;
            }
        }
    }

    async fn wait(&self, until: Timestamp) {
        self.progress.send_modify(|progress| {
            progress.calls = self.calls();
            progress.waits_until = Some(until);
        });
        self.parts.clock.sleep_until(until).await;
    }

    /// What would become of one record; none when it is not what was asked for.
    async fn simulated(&self, candidate: &Candidate) -> Result<Option<Simulated>, String> {
        for _ in 0..WAITS_MAX {
            self.leave_room(&candidate.key).await;
            match Box::pin(self.look(candidate)).await? {
                Seen::Row(row) => return Ok(Some(*row)),
                Seen::Other => return Ok(None),
                Seen::Waits(until) => self.wait(until).await,
            }
        }
        let mut row = Simulated::of(candidate.key.clone());
        row.verdict = Verdict::Unread;
        "The calls of the minute were used again and again; simulate this record by itself."
            .clone_into(&mut row.sentence);
        Ok(Some(row))
    }
}

/// The company as if its rules had no `start_date`: whoever looks at a past month wants to see its documents.
fn from_ever(company: &Company) -> Company {
    Company {
        id: company.id.clone(),
        connection: company.connection.clone(),
        locations: company.locations.clone(),
        rules: Rules { start_date: None, ..company.rules.clone() },
        client: Arc::clone(&company.client),
        webhook_key: None,
        since: company.since,
    }
}

/// The record as a step would have it that nobody had asked for before.
fn unheard(key: &RecordKey, now: Timestamp) -> Record {
    delivery::accept(None, key, &Trigger::Listed, 0, now).0
}

/// The record as it is known, or as it would be.
async fn known(key: &RecordKey, parts: &Parts) -> Result<Record, crate::store::StoreError> {
    let known = parts.store.record(key).await?;
    Ok(known.unwrap_or_else(|| unheard(key, parts.clock.now())))
}

fn key(connection: &ConnectionId, kind: RecordKind, source: crate::domain::record::SourceId) -> RecordKey {
    RecordKey { connection: connection.clone(), kind, source }
}

/// What a listed invoice says by itself.
fn facts_of(invoice: &Invoice) -> RecordFacts {
    RecordFacts::from(invoice.clone())
}
