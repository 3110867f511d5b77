//! Alerts over HTTP: what stands, how the channels do, and a test of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Surface;
use super::access::{Decider, Viewer};
use super::error::Problem;
use super::extract::Sent;
use crate::alerts::{ChannelStanding, Tested};
use crate::domain::alert::{Alert, AlertKind};
use crate::store::Overview;

/// Something that stands and that somebody should know of.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// Stable code, such as silent, callbacks or sweep.
    pub code: String,
    /// The ConnectWise system, of an alert that is about one; else empty.
    pub connection: String,
    /// What it is about: a connection, a company, a reason of holds, a part of the store, or a channel.
    #[serde(default)]
    pub subject: String,
    /// What is wrong, and what to check.
    pub sentence: String,
    /// Since when it is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// What stands, and who is told.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertsView {
    /// What stands.
    pub standing: Vec<AlertView>,
    /// The channels of the configuration.
    pub channels: Vec<ChannelView>,
}

/// A channel of alerts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// email, slack, teams or webhook.
    pub channel: String,
    /// The kinds that it is told of; empty = all.
    pub kinds: Vec<AlertKind>,
    /// When it was told something the last time.
    pub last_told: Option<Timestamp>,
    /// How many messages it got.
    pub messages: u64,
    /// Why it cannot be told now.
    pub problem: Option<String>,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
}

/// What a test of a channel came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestView {
    /// The channel.
    pub name: String,
    /// email, slack, teams or webhook.
    pub channel: String,
    /// It took the message.
    pub sent: bool,
    /// What came back, or what went wrong.
    pub said: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = AlertTest)]
pub(super) struct Asked {
    /// Only this channel.
    channel: Option<String>,
}

impl AlertView {
    /// Whether the status says it in a place of its own, too: companies and held records have one.
    #[must_use]
    pub fn has_its_place(&self) -> bool {
        let placed = [AlertKind::Resting, AlertKind::Paused, AlertKind::Held];
        placed.iter().any(|kind| kind.as_str() == self.code)
    }
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        let Alert { key, sentence, since, .. } = alert;
        let connection = if key.kind.is_of_connection() { key.subject.clone() } else { String::new() };
        Self { code: key.kind.as_str().to_owned(), connection, subject: key.subject, sentence, since: Some(since) }
    }
}

impl From<ChannelStanding> for ChannelView {
    fn from(standing: ChannelStanding) -> Self {
        let ChannelStanding { name, channel, kinds, told, messages, failing } = standing;
        let (problem, next_try) = failing.unzip();
        Self { name, channel: channel.to_owned(), kinds, last_told: told, messages, problem, next_try }
    }
}

impl From<Tested> for TestView {
    fn from(tested: Tested) -> Self {
        let Tested { name, channel, outcome, took } = tested;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let sent = outcome.is_ok();
        Self { name, channel: channel.to_owned(), sent, said: outcome.unwrap_or_else(|cause| cause), took_ms }
    }
}

/// Everything that stands.
pub(super) fn standing(surface: &Surface, overview: &Overview) -> Vec<AlertView> {
    surface.alerts.standing(overview).into_iter().map(AlertView::from).collect()
}

/// How many alerts stand, by code.
pub(super) fn counts(alerts: &[AlertView]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for alert in alerts {
        let count: &mut u32 = counts.entry(alert.code.clone()).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

/// What stands, and when each channel was told something.
#[utoipa::path(get, path = "/api/v1/alerts", operation_id = "list_alerts", tag = "alerts", responses((status = 200, description = "What stands now.", body = AlertsView)), security(("token" = ["viewer"])))]
pub(super) async fn list(State(surface): State<Arc<Surface>>, _: Viewer) -> Json<AlertsView> {
    let standing = standing(&surface, &surface.parts.store.overview());
    let channels = surface.alerts.list().into_iter().map(ChannelView::from).collect();
    Json(AlertsView { standing, channels })
}

/// Sends a test through one channel, or through all of them.
#[utoipa::path(post, path = "/api/v1/alerts/test", operation_id = "test_alerts", tag = "alerts", request_body = Asked, responses((status = 200, description = "What became of it, of each channel.", body = [TestView]), (status = 404, description = "There is no such channel.")), security(("token" = ["operator"])))]
pub(super) async fn test(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(Asked { channel }): Sent<Asked>,
) -> Result<Json<Vec<TestView>>, Problem> {
    let known: Vec<String> = surface.alerts.list().into_iter().map(|channel| channel.name).collect();
    if let Some(name) = channel.as_ref().filter(|name| !known.contains(name)) {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!("there is no channel {name:?} in the configuration; there are: {known}");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    tracing::info!(by = operator.name, channel, "an operator had the channels of alerts tested");
    let tested = surface.alerts.test(channel.as_deref()).await;
    Ok(Json(tested.into_iter().map(TestView::from).collect()))
}
