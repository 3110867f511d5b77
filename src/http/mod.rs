//! The outer surface: the door for callbacks, and what operators and monitors ask.

mod access;
mod alerts;
mod body;
mod bulk;
mod callbacks;
mod companies;
mod connect;
mod error;
mod health;
mod history;
mod issues;
mod mapcheck;
mod pace;
mod page;
mod patience;
mod reconcile;
mod records;
mod reload;
mod serve;
mod session;
mod sides;
mod simulate;
mod status;
mod sweep;
mod tls;
mod view;
mod xero;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::routing::{get, post};
use jiff::Timestamp;
use tokio::sync::mpsc;

pub(crate) use access::same;
pub use alerts::{AlertView, AlertsView, ChannelView, TestView};
pub use bulk::{BulkView, Bulks, RefusedView};
pub use companies::CompanyView;
pub use connect::{AttemptView, ConnectedView, Connects};
pub use history::HistoryView;
pub use issues::{IssueView, IssuesView};
pub use mapcheck::{MapCheckView, MapChecks};
pub use pace::Pace;
pub use reconcile::{StatementView, Statements};
pub use reload::Reload;
pub use serve::{Limits, serve};
pub use session::Sessions;
pub use sides::{SideView, SidesView};
pub use simulate::{SimulationView, Simulations};
pub use sweep::{CallbacksView, ConnectionView, FoundView, ReportView, SweepView};
pub use tls::Shown;
pub use view::{HourView, PageView, RecordView, StatusView};

use crate::alerts::Alerts;
use crate::config::{Operator, Role};
use crate::pipeline::Live;

/// What the handlers share.
#[derive(Debug)]
pub struct Surface {
    /// Store, clock, metrics, and the companies as they are now.
    pub parts: Arc<Live>,
    /// Who may look and decide.
    pub operators: RwLock<Vec<Operator>>,
    /// How many requests each of them still has.
    pub pace: Pace,
    /// Where reloads are asked for.
    pub reloads: mpsc::Sender<Reload>,
    /// The largest callback, in bytes.
    pub body_bytes_max: usize,
    /// Bounds how many callbacks are verified at the same time.
    pub verifying: tokio::sync::Semaphore,
    /// Bounds the bytes of callbacks that are held before they are verified, in KiB.
    pub bodies: tokio::sync::Semaphore,
    /// When the process was started.
    pub started: Timestamp,
    /// What stands, and who is told.
    pub alerts: Arc<Alerts>,
    /// The months that were stated.
    pub statements: Statements,
    /// Who is signed in on the page.
    pub sessions: Sessions,
    /// Attempts to connect an organisation.
    pub connects: Connects,
    /// Decisions about many records.
    pub bulks: Bulks,
    /// The simulations that were asked for.
    pub simulations: Simulations,
    /// The last map check of each company.
    pub map_checks: MapChecks,
}

impl Surface {
    /// The names of all who may decide.
    fn names(&self) -> Vec<String> {
        let operators = self.operators.read().unwrap_or_else(PoisonError::into_inner);
        let operators = operators.iter().filter(|operator| operator.role == Role::Operator);
        operators.map(|operator| operator.name.clone()).collect()
    }
}

/// All routes.
pub fn router(surface: Arc<Surface>) -> Router {
    let record = "/api/v1/records/{connection}/{kind}/{source}";
    Router::new()
        .route("/callbacks/{connection}", post(callbacks::receive))
        .route("/xero/webhooks", post(xero::receive))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/status", get(status::show))
        .route("/api/v1/companies", get(companies::list))
        .route("/api/v1/companies/{company}/{action}", post(companies::decide))
        .route("/api/v1/companies/{company}/connect", post(connect::begin))
        .route("/api/v1/companies/{company}/connect/answer", post(connect::answer))
        .route("/api/v1/map-check", get(mapcheck::show).post(mapcheck::begin))
        .route("/api/v1/reload", post(reload::reload))
        .route("/api/v1/reconcile", get(reconcile::show).post(reconcile::begin))
        .route("/api/v1/simulate", get(simulate::show).post(simulate::begin).delete(simulate::cancel))
        .route("/api/v1/sweep", get(sweep::show).post(sweep::begin))
        .route("/api/v1/alerts", get(alerts::list))
        .route("/api/v1/alerts/test", post(alerts::test))
        .route("/api/v1/callbacks", post(sweep::callbacks))
        .route("/api/v1/issues", get(issues::list))
        .route("/api/v1/bulk", get(bulk::list).post(bulk::begin))
        .route("/api/v1/bulk/{id}", get(bulk::show))
        .route("/api/v1/bulk/{id}/{action}", post(bulk::act))
        .route("/api/v1/records", get(records::list))
        .route("/api/v1/warnings", get(records::warnings))
        .route(record, get(records::show))
        .route(&format!("{record}/exchanges"), get(records::exchanges))
        .route(&format!("{record}/{{action}}"), post(records::decide))
        .merge(page::routes())
        .fallback(error::not_found)
        .with_state(surface)
}
