//! Lists of records with their filter, which is all in the address.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::home::{done_rows, held_rows, waiting_rows, warned_rows};
use super::{Here, Sheet, amount, code, link, text, time};
use crate::domain::delivery::StateName;
use crate::domain::hold::{HoldCode, SkipReason};
use crate::domain::record::RecordKind;
use crate::domain::warning::WarningCode;
use crate::http::Surface;
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::Query;
use crate::http::records::{Wanted, page_of};
use crate::http::view::{PageView, RecordView};
use crate::store::Filter;

/// `GET /status/records`.
pub(super) async fn list(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let wanted = wanted.without_blanks();
    let filter = wanted.clone().filter(surface.parts.clock.now())?;
    let state = filter.state;
    let page = page_of(&surface, filter).await?;
    let body = html! {
        h1 { "Records" }
        (form("/status/records", &wanted, &surface, true))
        (bulk_form(&looker, &wanted, &page))
        (rows(state, &page.records))
        (pager("/status/records", &wanted, &page))
    };
    Ok(Sheet::new("Records", Here::Records).show(&looker, &body))
}

/// `GET /status/warnings`: the inbox of what was posted and nobody has looked at.
pub(super) async fn warnings(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let mut wanted = wanted.without_blanks();
    // What sleeps is shown where it is asked for.
    wanted.snoozed.get_or_insert_with(|| "hide".to_owned());
    wanted.warning.get_or_insert_with(|| "any".to_owned());
    let filter = wanted.clone().filter(surface.parts.clock.now())?;
    let page = page_of(&surface, Filter { ..filter }).await?;
    let body = html! {
        h1 { "Warnings" }
        p.quiet { "Posted, and worth a look. Acknowledge what you have seen; give it to somebody or let it sleep on its own page." }
        (form("/status/warnings", &wanted, &surface, false))
        (bulk_form(&looker, &wanted, &page))
        @if page.records.is_empty() { p.quiet { "Nothing to look at." } } @else { (warned_rows(&page.records)) }
        (pager("/status/warnings", &wanted, &page))
    };
    Ok(Sheet::new("Warnings", Here::Warnings).show(&looker, &body))
}

fn rows(state: Option<StateName>, records: &[RecordView]) -> Markup {
    if records.is_empty() {
        return html! { p.quiet { "No record is so." } };
    }
    match state {
        Some(StateName::Held) => held_rows(records),
        Some(StateName::Queued) => waiting_rows(records),
        Some(StateName::Done) => done_rows(records),
        Some(StateName::Skipped) | None => mixed_rows(records),
    }
}

fn mixed_rows(records: &[RecordView]) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "State" } th { "Changed" } } }
            tbody { @for record in records { tr {
                td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                td { (record.state) @if let Some(reason) = &record.reason { " " (code("reason", &reason.code)) " " (reason.sentence) } }
                td { (time(record.changed)) }
            } } }
        } }
    }
}

/// One choice of a filter.
fn choice(name: &str, label: &str, chosen: Option<&String>, all: &[(&str, &str)]) -> Markup {
    html! {
        label { (label) select name=(name) {
            @for (value, shown) in all {
                option value=(value) selected[chosen.map(String::as_str).unwrap_or_default() == *value] { (shown) }
            }
        } }
    }
}

fn form(address: &str, wanted: &Wanted, surface: &Surface, with_state: bool) -> Markup {
    let parts = surface.parts.current();
    let same = |name: &'static str| (name, name);
    let any = [("", "any")];
    let companies: Vec<(&str, &str)> = any
        .into_iter()
        .chain(parts.companies.iter().map(|company| (company.id.as_str(), company.id.as_str())))
        .collect();
    let kinds: Vec<(&str, &str)> =
        any.into_iter().chain(RecordKind::ALL.iter().map(|kind| (kind.as_str(), kind.plural()))).collect();
    let states: Vec<(&str, &str)> =
        any.into_iter().chain(StateName::ALL.iter().map(|state| same(state.as_str()))).collect();
    let holds = HoldCode::ALL.iter().map(|code| same(code.as_str()));
    let skips = SkipReason::ALL.iter().map(|code| same(code.as_str())).filter(|(skip, _)| *skip != "operator");
    let reasons: Vec<(&str, &str)> = any.into_iter().chain(holds).chain(skips).collect();
    let warnings: Vec<(&str, &str)> = [("", "none"), ("any", "any")]
        .into_iter()
        .chain(WarningCode::ALL.iter().map(|code| same(code.as_str())))
        .filter(|(value, _)| with_state || !value.is_empty())
        .collect();
    html! {
        form.filter method="get" action=(address) role="search" {
            label { "Number, client or key" input type="search" name="q" value=(text(wanted.q.as_ref())) size="18"; }
            @if with_state {
                (choice("state", "State", wanted.state.as_ref(), &states))
                (choice("reason", "Reason", wanted.reason.as_ref(), &reasons))
            }
            (choice("warning", "Warning", wanted.warning.as_ref(), &warnings))
            (choice("kind", "Kind", wanted.kind.as_ref(), &kinds))
            @if parts.companies.len() > 1 { (choice("company", "Company", wanted.company.as_ref(), &companies)) }
            label { "Owner" input name="owner" value=(text(wanted.owner.as_ref())) size="8" list="owners"; }
            datalist #owners { @for operator in surface.names() { option value=(operator) {} } }
            (choice("snoozed", "Snoozed", wanted.snoozed.as_ref(), &[("", "any"), ("hide", "hide"), ("show", "show")]))
            label { "Changed since" input name="since" value=(text(wanted.since.as_ref())) size="12" placeholder="2026-11-01"; }
            @if let Some(issue) = &wanted.issue { input type="hidden" name="issue" value=(issue); }
            button type="submit" { "Filter" }
            a.button href=(address) { "All" }
        }
    }
}

/// One decision about all records of the filter, planned first.
fn bulk_form(looker: &Looker, wanted: &Wanted, page: &PageView) -> Markup {
    let Some(form_key) = looker.form_key().filter(|_| !page.records.is_empty()) else { return html! {} };
    html! {
        form.act method="post" action="/status/bulk" {
            input type="hidden" name="form_key" value=(form_key);
            input type="hidden" name="filter" value=(wanted.query());
            label { "All of these" select name="action" {
                @for action in super::bulk::ACTIONS { option value=(action) { (action) } }
            } }
            label { "Note" input name="note" size="24"; }
            button type="submit" { "Plan" }
        }
    }
}

fn pager(address: &str, wanted: &Wanted, page: &PageView) -> Markup {
    let next = page.next.as_ref().map(|next| Wanted { cursor: Some(next.clone()), ..wanted.clone() }.query());
    html! {
        nav.pager aria-label="Pages of this list" {
            @if wanted.cursor.is_some() {
                a.button href={ (address) "?" (Wanted { cursor: None, ..wanted.clone() }.query()) } { "First page" }
            }
            @if let Some(next) = next { a.button href={ (address) "?" (next) } rel="next" { "Next page" } }
        }
    }
}
