//! Tells people what stands: it looks at intervals, and each channel is told what it does not know yet.
//!
//! What is told when is decided in [`alert`](crate::domain::alert). A channel is told by a task of its own, so that one
//! that hangs keeps no other one waiting. What was told is remembered in a file, after it was told: whoever loses it,
//! or dies in between, tells it once more.

mod channel;
mod email;
mod hook;
mod letter;
mod line;
mod memory;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::domain::alert::{Alert, AlertKind, Due, Message, Told};
use crate::domain::delivery::StateName;
use crate::pipeline::{self, Live};
use crate::store::{Filter, Health, Overview};
use channel::{Channel, Giving};
use letter::Letter;
use memory::Memory;

/// The longest time between two looks.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// Held records that are named for each reason, where details are wanted.
const NAMED_MAX: usize = 5;

/// All channels, and what they were told.
#[derive(Debug)]
pub struct Alerts {
    live: Arc<Live>,
    channels: RwLock<Vec<Arc<Channel>>>,
    memory: Mutex<Memory>,
    /// One writer of the file at a time, so that an older one never wins.
    saving: tokio::sync::Mutex<()>,
    exchanged: Notify,
}

/// All channels of a configuration, ready to be used.
#[derive(Debug)]
pub struct Channels(Vec<Arc<Channel>>);

/// A channel as operators see it.
#[derive(Clone, Debug)]
pub struct ChannelStanding {
    /// Its name.
    pub name: String,
    /// email, slack, teams or webhook.
    pub channel: &'static str,
    /// The kinds that it wants; empty = all.
    pub kinds: Vec<AlertKind>,
    /// When it was told something the last time.
    pub told: Option<Timestamp>,
    /// How many messages it got.
    pub messages: u64,
    /// Why it cannot be told, and when it is tried again.
    pub failing: Option<(String, Timestamp)>,
}

/// What a test of a channel came to.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The channel.
    pub name: String,
    /// email, slack, teams or webhook.
    pub channel: &'static str,
    /// What came back, or why it cannot be told.
    pub outcome: Result<String, String>,
    /// How long it took.
    pub took: Duration,
}

impl Alerts {
    /// Channels that begin with what is remembered in the store's folder.
    #[must_use]
    pub fn new(live: Arc<Live>, folder: &Path, channels: Channels) -> Self {
        Self {
            live,
            channels: RwLock::new(channels.0),
            memory: Mutex::new(Memory::read(folder)),
            saving: tokio::sync::Mutex::default(),
            exchanged: Notify::new(),
        }
    }

    /// The channels of a configuration; those that `keep` names go on as they are.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be read.
    pub fn channels(&self, wanted: &[config::Alert], keep: impl Fn(&str) -> bool) -> anyhow::Result<Channels> {
        let running = self.running();
        let kept = |name: &str| running.iter().find(|channel| channel.name == name && keep(name)).map(Arc::clone);
        let channels = wanted.iter().map(|alert| match kept(&alert.name) {
            Some(channel) => Ok(channel),
            None => Channel::new(alert).map(Arc::new),
        });
        Ok(Channels(channels.collect::<anyhow::Result<_>>()?))
    }

    /// Exchanges the channels at once.
    pub fn exchange(&self, channels: Channels) {
        *self.channels.write().unwrap_or_else(PoisonError::into_inner) = channels.0;
        self.exchanged.notify_one();
    }

    /// Everything that stands, channels that cannot be told included; with since when it is known.
    #[must_use]
    pub fn standing(&self, overview: &Overview) -> Vec<Alert> {
        let mut alerts = pipeline::standing(&self.live, overview);
        alerts.extend(self.running().iter().filter_map(|channel| channel.alert()));
        self.memory().date(&mut alerts);
        alerts
    }

    /// The channels, and when each was told something.
    #[must_use]
    pub fn list(&self) -> Vec<ChannelStanding> {
        let memory = self.memory();
        let view = |channel: &Arc<Channel>| {
            let told = memory.of(&channel.name);
            ChannelStanding {
                name: channel.name.clone(),
                channel: channel.line.name(),
                kinds: channel.rule.kinds.iter().copied().collect(),
                told: told.and_then(Told::last),
                messages: told.map_or(0, Told::messages),
                failing: channel.failing().as_ref().map(|failing| (failing.cause.clone(), failing.until)),
            }
        };
        self.running().iter().map(view).collect()
    }

    /// Sends a test through one channel, or through all of them at the same time.
    pub async fn test(&self, name: Option<&str>) -> Vec<Tested> {
        let now = self.live.clock.now();
        let chosen = self.running().into_iter().filter(|channel| name.is_none_or(|name| channel.name == name));
        let tests: Vec<_> = chosen
            .map(|channel| {
                let live = Arc::clone(&self.live);
                let test = async move {
                    let began = tokio::time::Instant::now();
                    let outcome = channel.send(&Letter::test(&channel.name, now), &*live.clock).await;
                    let (name, kind) = (channel.name.clone(), channel.line.name());
                    Tested { name, channel: kind, outcome: outcome.map_err(|error| error.cause), took: began.elapsed() }
                };
                tokio::spawn(test)
            })
            .collect();
        let mut tested = Vec::new();
        for test in tests {
            tested.extend(test.await);
        }
        tested
    }

    /// Looks once, and tells every channel what it is to be told now.
    pub async fn look(self: &Arc<Self>) {
        for telling in self.begin().await {
            let _ = telling.await;
        }
    }

    /// Looks once, and begins to tell.
    async fn begin(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let (now, overview) = (self.live.clock.now(), self.live.store.overview());
        let standing = self.standing(&overview);
        let (mut changed, mut tellings) = (self.memory().remember(&standing), Vec::new());
        for channel in self.running() {
            if channel.rests(now) || !channel.take() {
                continue;
            }
            // A channel is not told of itself: what it could not be told, it is told when it can be.
            let itself = |alert: &&Alert| alert.key.kind == AlertKind::Delivery && alert.key.subject == channel.name;
            let standing: Vec<Alert> = standing.iter().filter(|alert| !itself(alert)).cloned().collect();
            let due = {
                let mut memory = self.memory();
                let told = memory.told(&channel.name);
                changed |= told.notice(&standing, &channel.rule, now);
                told.due(&standing, &channel.rule, now)
            };
            match due {
                Due::Now(message) => {
                    let this = Arc::clone(self);
                    tellings.push(tokio::spawn(async move { this.tell(&channel, *message).await }));
                }
                Due::At(_) | Due::Nothing => channel.give(),
            }
        }
        if changed {
            self.save().await;
        }
        tellings
    }

    /// Tells a channel, which was taken for it.
    async fn tell(&self, channel: &Channel, mut message: Message) {
        let _given = Giving(channel);
        if channel.details {
            message.details = self.details(&message).await;
        }
        let number = self.memory().told(&channel.name).messages();
        let letter = Letter::new(&channel.name, number, &message);
        let outcome = channel.send(&letter, &*self.live.clock).await;
        let now = self.live.clock.now();
        self.live.metrics.alert_sent(&channel.name, if outcome.is_ok() { "sent" } else { "failed" });
        match outcome {
            Ok(said) => {
                *channel.failing() = None;
                self.memory().told(&channel.name).got(&message, now);
                self.save().await;
                let (new, over) = (message.news.len(), message.over.len());
                tracing::info!(channel = channel.name, new, over, said, "a channel of alerts was told");
            }
            Err(refusal) => channel.failed(refusal, now),
        }
    }

    /// Numbers and clients of the records whose hold is news.
    async fn details(&self, message: &Message) -> Vec<String> {
        let mut details = Vec::new();
        for alert in message.news.iter().filter(|alert| alert.key.kind == AlertKind::Held) {
            let reason = Some(alert.key.subject.clone());
            let filter = Filter { state: Some(StateName::Held), reason, limit: NAMED_MAX, ..Filter::default() };
            // Without them the alert is as good as any other.
            let Ok(page) = self.live.store.records(filter).await else { continue };
            details.extend(page.records.iter().map(|record| {
                let about = record.about.as_ref();
                let (number, client) =
                    about.map(|about| (about.number.as_str(), about.client.as_str())).unwrap_or_default();
                format!("{}: {} {number} {client}", alert.key.subject, record.key)
            }));
        }
        details
    }

    async fn save(&self) {
        let _one = self.saving.lock().await;
        // Where nobody is told, there is nothing that a restart would tell again.
        if self.running().is_empty() {
            return;
        }
        let names: Vec<String> = self.running().iter().map(|channel| channel.name.clone()).collect();
        let kept = self.memory().kept(&names);
        let saved = tokio::task::spawn_blocking(move || kept.write()).await;
        if let Err(error) = saved.map_err(std::io::Error::other).and_then(|saved| saved) {
            tracing::warn!(%error, "what alerts were told is not on disk: a restart tells them again");
        }
    }

    fn running(&self) -> Vec<Arc<Channel>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels {
    /// The channels of a configuration.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be read.
    pub fn new(wanted: &[config::Alert]) -> anyhow::Result<Self> {
        Ok(Self(wanted.iter().map(|alert| Channel::new(alert).map(Arc::new)).collect::<anyhow::Result<_>>()?))
    }

    /// Connects to each channel and greets it; nobody is told anything.
    pub async fn greet(&self) -> Vec<Tested> {
        let mut tested = Vec::new();
        for channel in &self.0 {
            let began = tokio::time::Instant::now();
            let outcome = channel.greet().await.map_err(|refusal| refusal.cause);
            let (name, kind) = (channel.name.clone(), channel.line.name());
            tested.push(Tested { name, channel: kind, outcome, took: began.elapsed() });
        }
        tested
    }
}

/// Looks at intervals, when the store fails and when the channels are exchanged, until `shutdown`.
pub async fn run(alerts: Arc<Alerts>, shutdown: CancellationToken) {
    let mut health = alerts.live.store.health();
    let mut tellings: Vec<JoinHandle<()>> = Vec::new();
    while !shutdown.is_cancelled() {
        tellings.retain(|telling| !telling.is_finished());
        tellings.extend(alerts.begin().await);
        let next = alerts.live.clock.now().saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        let failed = async {
            if *health.borrow_and_update() != Health::Good || health.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = failed => {}
            () = alerts.exchanged.notified() => {}
            () = alerts.live.clock.sleep_until(next) => {}
        }
    }
    // What is cut off here is told at the next start.
    let ends = async {
        for telling in tellings {
            let _ = telling.await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), ends).await;
}
