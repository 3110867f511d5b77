//! The outer surface: the door for callbacks, and what operators and monitors ask.

mod access;
mod alerts;
mod body;
mod bulk;
mod callbacks;
mod companies;
mod connect;
mod error;
mod etag;
mod extract;
mod health;
mod history;
mod issues;
mod mapcheck;
mod openapi;
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

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use axum::Router;
use axum::middleware::from_fn;
use jiff::Timestamp;
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use alerts::{AlertView, AlertsView, ChannelView, TestView};
pub use bulk::{BulkView, Bulks, RefusedView};
pub use companies::CompanyView;
pub use connect::{AttemptView, ConnectedView};
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
pub use sweep::{CallbackView, CallbacksView, ConnectionView, FoundView, ReportView, SweepView};
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
    pub connects: crate::pipeline::connect::Connects,
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

/// The interface for machines: every address with its description.
fn interface() -> OpenApiRouter<Arc<Surface>> {
    OpenApiRouter::with_openapi(openapi::begun())
        .routes(routes!(callbacks::receive))
        .routes(routes!(xero::receive))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(openapi::show))
        .routes(routes!(status::show))
        .routes(routes!(records::list))
        .routes(routes!(records::warnings))
        .routes(routes!(records::show))
        .routes(routes!(records::exchanges))
        .routes(routes!(records::decide))
        .routes(routes!(issues::list))
        .routes(routes!(bulk::list, bulk::begin))
        .routes(routes!(bulk::show))
        .routes(routes!(bulk::act))
        .routes(routes!(companies::list))
        .routes(routes!(companies::decide))
        .routes(routes!(connect::begin))
        .routes(routes!(connect::answer))
        .routes(routes!(simulate::show, simulate::begin, simulate::cancel))
        .routes(routes!(mapcheck::show, mapcheck::begin))
        .routes(routes!(reconcile::show, reconcile::begin))
        .routes(routes!(sweep::show, sweep::begin))
        .routes(routes!(sweep::callbacks))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::test))
        .routes(routes!(reload::reload))
}

/// What the interface is, as `OpenAPI` 3.1.
#[must_use]
pub fn openapi() -> &'static serde_json::Value {
    static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(|| openapi::completed(interface().get_openapi()));
    &DOCUMENT
}

/// All routes.
pub fn router(surface: Arc<Surface>) -> Router {
    let (interface, _) = interface().split_for_parts();
    interface
        .layer(from_fn(etag::tagged))
        .merge(page::routes())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::not_allowed)
        .layer(from_fn(page::told))
        .with_state(surface)
}
