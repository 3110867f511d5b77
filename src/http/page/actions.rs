//! Decisions about one record by a form.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use maud::html;
use serde::Deserialize;

use super::{Here, Sheet};
use crate::http::Surface;
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::{Form, Path};
use crate::http::records::{self, ActionPath, Because, RecordPath};

/// What the forms of a record send; what is left blank is not said.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    form_key: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    document: String,
    #[serde(default)]
    owner: String,
    /// Days to sleep; 0 = awake.
    #[serde(default)]
    days: String,
}

impl Sent {
    fn because(&self, action: &str, now: Timestamp) -> Result<Because, Problem> {
        let bad = |detail: String| Problem::new(axum::http::StatusCode::BAD_REQUEST, detail);
        let mut because = Because { note: self.note.clone(), ..Because::default() };
        match action {
            "adopt" => {
                let id = self.document.trim();
                let document = id.parse().map_err(|_| {
                    bad(format!("{id:?} is no id of Xero: it is at the end of the document's address there"))
                })?;
                because.document = Some(document);
            }
            "assign" => because.owner = Some(self.owner.clone()),
            "snooze" => {
                let days = self.days.trim();
                let days: i64 = days.parse().map_err(|_| bad(format!("{days:?} is no number of days")))?;
                let until = (1..=366)
                    .contains(&days)
                    .then(|| now.saturating_add(SignedDuration::from_hours(days.saturating_mul(24))));
                because.until = until.and_then(Result::ok);
            }
            _ => {}
        }
        Ok(because)
    }
}

/// `POST /status/records/{connection}/{kind}/{source}/{action}`.
pub(super) async fn decide(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path(path): Path<RecordPath>,
    Path(ActionPath { action }): Path<ActionPath>,
    Form(sent): Form<Sent>,
) -> Response {
    let decided = async {
        let operator = looker.decides_by(&sent.form_key)?;
        let key = path.key()?;
        let because = sent.because(&action, surface.parts.clock.now())?;
        records::carry_out(&surface, operator.clone(), &key, (&action, because)).await?;
        Ok::<_, Problem>(format!("/status/records/{}", key.path()))
    };
    match decided.await {
        Ok(address) => Redirect::to(&address).into_response(),
        Err(problem) => refused(&looker, &problem, "/status/records"),
    }
}

/// Says on a page why something was not done.
pub(super) fn refused(looker: &Looker, problem: &Problem, back: &str) -> Response {
    let body = html! {
        h1 { "Not done" }
        p.banner role="alert" { (problem.detail()) }
        p { a href=(back) { "Back" } }
    };
    (problem.status(), Sheet::new("Not done", Here::Below).show(looker, &body)).into_response()
}
