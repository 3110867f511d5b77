//! Logs and metrics.

mod lines;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::iter;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::domain::alert::AlertKind;
use crate::domain::delivery::StateName;
use crate::domain::hold::SkipReason;
use crate::domain::record::RecordKind;
use crate::domain::settle::{Failure, Outcome, Paid};
use crate::domain::warning::Warning;
use crate::store::Overview;
use lines::Lines;

/// Starts logging to standard error; does nothing when logging was started before.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(log: &Log) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start, as in a test of several services, keeps the first.
    let _ = match log.format {
        LogFormat::Json => builder.json().event_format(Lines).try_init(),
        LogFormat::Pretty => builder.with_target(false).try_init(),
    };
    Ok(())
}

/// A label value that is known when the program is written, or a configured name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Text(String);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0.as_str(), encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    connection: Text,
    verdict: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    company: Text,
    verdict: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    kind: Text,
    outcome: Text,
    reason: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: Text,
    outcome: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AmountLabels {
    code: Text,
    currency: Text,
}

/// None: of the process as a whole.
type NoLabels = [(&'static str, &'static str); 0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CompanyLabels {
    company: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    connection: Text,
}

/// The name of a gauge, what it says, and its value; none shows nothing.
type ConnectionGauge = (&'static str, &'static str, fn(&ConnectionGauges) -> Option<i64>);

/// What is shown of each connection.
const CONNECTION_GAUGES: [ConnectionGauge; 8] = [
    ("last_callback", "When a callback was last accepted, in seconds since 1970", |known| known.last_callback),
    ("connection_silent", "1 while no callback has come for too many business hours", |known| {
        Some(known.silent.into())
    }),
    ("callbacks_wrong", "1 while callbacks are missing or switched off", |known| Some(known.callbacks_wrong.into())),
    ("sweep_incomplete", "1 while the last sweep could not compare everything", |known| {
        Some(known.sweep_incomplete.into())
    }),
    ("sweep_missed_7_days", "Records of the last seven days that no callback told of", |known| {
        Some(known.missed_week.into())
    }),
    ("sweep_calls", "Calls of the last sweep to both systems", |known| Some(known.sweep_calls.into())),
    ("sweep_began", "When the last sweep began, in seconds since 1970", |known| known.swept),
    ("sweep_completed", "When a sweep last ended that could compare everything, in seconds since 1970", |known| {
        known.completed
    }),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PauseLabels {
    company: Text,
    kind: Text,
}

/// What is known of a company's calls when the metrics are asked for.
#[derive(Clone, Debug)]
pub struct CompanyGauges {
    /// Name of the company.
    pub company: String,
    /// Calls left today, when Xero said so.
    pub day_remaining: Option<u32>,
    /// Calls in the last minute.
    pub minute_used: u32,
    /// When something was posted last, in seconds since 1970.
    pub last_posted: Option<i64>,
    /// Whether nothing can be posted to it for now.
    pub resting: bool,
    /// When Xero forgets its refresh token, in seconds since 1970.
    pub token_ends: Option<i64>,
    /// The kinds that operators paused; none = all.
    pub paused: Vec<Option<String>>,
}

/// What is known of a connection when the metrics are asked for.
#[derive(Clone, Debug)]
pub struct ConnectionGauges {
    /// Name of the connection.
    pub connection: String,
    /// When a callback was last accepted, in seconds since 1970.
    pub last_callback: Option<i64>,
    /// Whether no callback has come for too long.
    pub silent: bool,
    /// Whether callbacks are missing or switched off.
    pub callbacks_wrong: bool,
    /// Whether the last sweep could not compare everything.
    pub sweep_incomplete: bool,
    /// Records of the last seven days that no callback told of.
    pub missed_week: u32,
    /// Calls of the last sweep, to both systems.
    pub sweep_calls: u32,
    /// When the last sweep began, in seconds since 1970; none before the first.
    pub swept: Option<i64>,
    /// When a sweep last ended that could compare everything, in seconds since 1970.
    pub completed: Option<i64>,
}

/// Everything that is counted. Labels are outcomes and configured names, never records or customers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    callbacks: Family<Verdict, Counter>,
    webhook_events: Family<EventLabels, Counter>,
    ack: Histogram,
    steps: Family<StepLabels, Counter>,
    event_to_posted: Histogram,
    raised: Family<CodeLabels, Counter>,
    adjusted: Family<AmountLabels, Counter>,
    depth: Family<StateLabels, Gauge>,
    held: Family<CodeLabels, Gauge>,
    warnings: Family<CodeLabels, Gauge>,
    alerts: Family<CodeLabels, Gauge>,
    alerts_sent: Family<ChannelLabels, Counter>,
    oldest: Gauge,
    entries: Gauge,
    calls_remaining: Family<CompanyLabels, Gauge>,
    minute_calls: Family<CompanyLabels, Gauge>,
    last_posted: Family<CompanyLabels, Gauge>,
    token_ends: Family<CompanyLabels, Gauge>,
    resting: Family<CompanyLabels, Gauge>,
    paused: Family<PauseLabels, Gauge>,
    connections: [Family<ConnectionLabels, Gauge>; 8],
    certificate: Family<NoLabels, Gauge>,
    started: Gauge,
    ready: Gauge<u64, AtomicU64>,
    /// Held while the gauges are brought up to date and shown.
    rendering: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        let ack = Histogram::new([0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0, 5.0]);
        let event_to_posted = Histogram::new([0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 600.0, 3600.0]);
        let mut metrics = Self {
            registry: Registry::with_prefix("readypost"),
            callbacks: Family::default(),
            webhook_events: Family::default(),
            ack,
            steps: Family::default(),
            event_to_posted,
            raised: Family::default(),
            adjusted: Family::default(),
            depth: Family::default(),
            held: Family::default(),
            warnings: Family::default(),
            alerts: Family::default(),
            alerts_sent: Family::default(),
            oldest: Gauge::default(),
            entries: Gauge::default(),
            calls_remaining: Family::default(),
            minute_calls: Family::default(),
            last_posted: Family::default(),
            token_ends: Family::default(),
            resting: Family::default(),
            paused: Family::default(),
            connections: Default::default(),
            certificate: Family::default(),
            started: Gauge::default(),
            ready: Gauge::default(),
            rendering: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "The version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("started", "When the process was started, in seconds since 1970", self.started.clone());
        registry.register("callbacks_received", "Callbacks by what became of them", self.callbacks.clone());
        let help = "Events of Xero's webhooks by what became of them";
        registry.register("webhook_events", help, self.webhook_events.clone());
        let help = "Time from a callback's arrival to its answer";
        registry.register_with_unit("callback_ack", help, Unit::Seconds, self.ack.clone());
        registry.register("steps", "Steps by kind of record and how they ended", self.steps.clone());
        let help = "Time from the first news of a record to its document in Xero";
        registry.register_with_unit("event_to_posted", help, Unit::Seconds, self.event_to_posted.clone());
        registry.register("warnings_raised", "Warnings that were raised, by code", self.raised.clone());
        let help = "What warnings say was made up, in cents, whichever way, by code and currency";
        registry.register("adjusted_cents", help, self.adjusted.clone());
        registry.register("queue_depth", "Records by state", self.depth.clone());
        registry.register("records_held", "Held records by reason", self.held.clone());
        registry.register("warnings_open", "Warnings that nobody has acknowledged, by code", self.warnings.clone());
        registry.register("alerts", "Alerts that stand, by code", self.alerts.clone());
        let help = "Messages to channels of alerts by whether they were taken";
        registry.register("alerts_sent", help, self.alerts_sent.clone());
        let help = "How long the oldest due record waits";
        registry.register_with_unit("oldest_pending_age", help, Unit::Seconds, self.oldest.clone());
        registry.register("journal_entries", "Entries in the journal", self.entries.clone());
        let help = "Calls left today, as Xero said last";
        registry.register("xero_calls_remaining_today", help, self.calls_remaining.clone());
        registry.register("xero_calls_last_minute", "Calls to Xero in the last minute", self.minute_calls.clone());
        let help = "When something was last posted, in seconds since 1970";
        registry.register("last_posted", help, self.last_posted.clone());
        let help = "When Xero forgets the refresh token unless it is used, in seconds since 1970";
        registry.register_with_unit("xero_token_expires", help, Unit::Seconds, self.token_ends.clone());
        registry.register("company_resting", "1 while nothing can be posted to the company", self.resting.clone());
        registry.register("company_paused", "1 while an operator lets nothing be posted", self.paused.clone());
        for (family, (name, help, _)) in self.connections.iter().zip(CONNECTION_GAUGES) {
            registry.register(name, help, family.clone());
        }
        let help = "When the certificate of the door ends, in seconds since 1970";
        registry.register("tls_certificate_expires", help, self.certificate.clone());
        registry.register("ready", "1 while callbacks can be stored", self.ready.clone());
    }

    /// When the process was started, in seconds since 1970.
    pub fn started(&self, at: i64) {
        self.started.set(at);
    }

    /// When the certificate of the door ends, in seconds since 1970.
    pub fn certificate(&self, until: i64) {
        self.certificate.get_or_create(&[]).set(until);
    }

    /// A callback was answered.
    pub fn callback(&self, connection: &str, verdict: &'static str, took: std::time::Duration) {
        let labels = Verdict { connection: Text(connection.to_owned()), verdict: Text(verdict.to_owned()) };
        self.callbacks.get_or_create(&labels).inc();
        self.ack.observe(took.as_secs_f64());
    }

    /// A channel of alerts was told, or could not be.
    pub fn alert_sent(&self, channel: &str, outcome: &'static str) {
        let labels = ChannelLabels { channel: Text(channel.to_owned()), outcome: Text(outcome.to_owned()) };
        self.alerts_sent.get_or_create(&labels).inc();
    }

    /// What stands, by its code; for the next time that the metrics are shown.
    pub fn alerts(&self, standing: &BTreeMap<String, u32>) {
        for kind in AlertKind::ALL {
            let count = standing.get(kind.as_str()).copied().unwrap_or_default();
            self.alerts.get_or_create(&CodeLabels { code: Text(kind.as_str().to_owned()) }).set(i64::from(count));
        }
    }

    /// An event of a webhook was looked at; `company` is empty when it is nobody's.
    pub fn webhook_event(&self, company: &str, verdict: &'static str) {
        let labels = EventLabels { company: Text(company.to_owned()), verdict: Text(verdict.to_owned()) };
        self.webhook_events.get_or_create(&labels).inc();
    }

    /// A step of a record of this kind and currency ended, `since_first_seen` after the first news of it.
    pub fn step(&self, kind: RecordKind, outcome: &Outcome, currency: &str, since_first_seen: SignedDuration) {
        match outcome {
            Outcome::Posted { warnings, .. }
            | Outcome::Marked { warnings, .. }
            | Outcome::Paid(Paid { warnings, .. }) => self.warned(warnings, currency),
            _ => {}
        }
        let (name, reason) = match outcome {
            Outcome::Posted { .. } => ("posted", ""),
            Outcome::Marked { .. } => ("marked", ""),
            Outcome::Undone(part) => ("undone", part.as_str()),
            Outcome::Unposted => ("unposted", ""),
            Outcome::Skipped(reason) => ("skipped", reason.as_str()),
            Outcome::Failed(Failure::Never { reason, .. }) | Outcome::FannedOut { unnamed: Some(reason), .. } => {
                ("held", reason.code.as_str())
            }
            Outcome::FannedOut { .. } if kind == RecordKind::Payment => ("skipped", SkipReason::PaymentsApart.as_str()),
            Outcome::FannedOut { .. } => ("skipped", SkipReason::PurchasesApart.as_str()),
            Outcome::HandedOver { .. } => ("skipped", SkipReason::PostedWithReport.as_str()),
            Outcome::Paid(paid) => ("paid", if paid.more { "more" } else { "" }),
            Outcome::Failed(Failure::Later { .. }) => ("retried", "later"),
            Outcome::Failed(Failure::Everyone { .. }) => ("retried", "company"),
        };
        let [kind, outcome, reason] = [kind.as_str(), name, reason].map(|text| Text(text.to_owned()));
        self.steps.get_or_create(&StepLabels { kind, outcome, reason }).inc();
        if name == "posted" {
            self.event_to_posted.observe(since_first_seen.as_secs_f64());
        }
    }

    fn warned(&self, warnings: &[Warning], currency: &str) {
        for warning in warnings {
            let code = Text(warning.code.as_str().to_owned());
            self.raised.get_or_create(&CodeLabels { code: code.clone() }).inc();
            if let Some(amount) = warning.made_up() {
                let labels = AmountLabels { code, currency: Text(currency.to_owned()) };
                self.adjusted.get_or_create(&labels).inc_by(amount.cents());
            }
        }
    }

    fn of_connections(&self, connections: &[ConnectionGauges]) {
        for (family, (_, _, value)) in self.connections.iter().zip(CONNECTION_GAUGES) {
            family.clear();
            for known in connections {
                let labels = ConnectionLabels { connection: Text(known.connection.clone()) };
                if let Some(value) = value(known) {
                    family.get_or_create(&labels).set(value);
                }
            }
        }
    }

    /// The metrics as text, with the gauges brought up to date.
    #[must_use]
    pub fn render(
        &self,
        overview: &Overview,
        oldest_age: SignedDuration,
        (companies, connections): (&[CompanyGauges], &[ConnectionGauges]),
        ready: bool,
    ) -> String {
        let _rendering = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for state in StateName::ALL {
            let labels = StateLabels { state: Text(state.as_str().to_owned()) };
            self.depth.get_or_create(&labels).set(signed(overview.counts.state(state)));
        }
        for (code, count) in &overview.counts.held {
            self.held.get_or_create(&CodeLabels { code: Text(code.clone()) }).set(signed(*count));
        }
        for (code, count) in &overview.counts.warnings {
            self.warnings.get_or_create(&CodeLabels { code: Text(code.clone()) }).set(signed(*count));
        }
        self.oldest.set(oldest_age.as_secs().max(0));
        self.entries.set(signed(overview.entries));
        // A company that was removed is not shown any more.
        self.resting.clear();
        self.paused.clear();
        self.calls_remaining.clear();
        self.minute_calls.clear();
        self.last_posted.clear();
        self.token_ends.clear();
        for company in companies {
            let labels = CompanyLabels { company: Text(company.company.clone()) };
            self.resting.get_or_create(&labels).set(i64::from(company.resting));
            for kind in iter::once(None).chain(RecordKind::ALL.map(|kind| Some(kind.as_str().to_owned()))) {
                let paused = i64::from(company.paused.contains(&kind));
                let kind = Text(kind.unwrap_or_else(|| "all".to_owned()));
                let labels = PauseLabels { company: Text(company.company.clone()), kind };
                self.paused.get_or_create(&labels).set(paused);
            }
            self.minute_calls.get_or_create(&labels).set(company.minute_used.into());
            if let Some(at) = company.last_posted {
                self.last_posted.get_or_create(&labels).set(at);
            }
            if let Some(at) = company.token_ends {
                self.token_ends.get_or_create(&labels).set(at);
            }
            if let Some(remaining) = company.day_remaining {
                self.calls_remaining.get_or_create(&labels).set(i64::from(remaining));
            }
        }
        self.of_connections(connections);
        self.ready.set(u64::from(ready));
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => format!("# {error}\n"),
        }
    }
}
