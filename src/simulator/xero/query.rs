//! Query parameters, paging and ordering of lists.

use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use uuid::Uuid;

use super::filter::{self, Operand, Term};
use super::wire::{Call, Reply, bad_request};

/// The decoded query; names are compared without case.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(raw: &str) -> Self {
        Self(url::form_urlencoded::parse(raw.as_bytes()).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let split = |value: &str| value.split(',').map(|part| part.trim().trim_matches('"').to_lowercase()).collect();
        self.get(name).map(split)
    }

    pub(super) fn ids(&self, name: &str) -> Result<Option<Vec<Uuid>>, Reply> {
        let Some(list) = self.list(name) else { return Ok(None) };
        let ids: Result<Vec<Uuid>, _> = list.iter().map(|text| text.parse()).collect();
        ids.map(Some).map_err(|_| bad_request(16, "QueryParseException", &format!("Invalid GUID in {name}")))
    }

    /// Decimal places of prices: 4 only when asked for.
    pub(super) fn unit_places(&self) -> u32 {
        if self.get("unitdp") == Some("4") { 4 } else { 2 }
    }

    pub(super) fn summarizes_errors(&self) -> bool {
        self.get("summarizeErrors").is_none_or(|value| !value.eq_ignore_ascii_case("false"))
    }

    /// The page wanted and its size, if the caller pages.
    pub(super) fn page(&self) -> Result<Option<(usize, usize)>, Reply> {
        if self.get("page").is_none() && self.get("pageSize").is_none() {
            return Ok(None);
        }
        let number = |name: &str, fallback: usize| self.get(name).map_or(Some(fallback), |text| text.parse().ok());
        match (number("page", 1), number("pageSize", 100)) {
            (Some(page @ 1..), Some(size @ 1..=1000)) => Ok(Some((page, size))),
            _ => Err(bad_request(16, "QueryParseException", "Invalid page or pageSize")),
        }
    }
}

/// A row's value of a named field: unknown field, or known and possibly empty.
pub(super) type FieldOf<'a, Row> = &'a dyn Fn(&Row, &str) -> Result<Option<Operand>, String>;

/// Applies `where`, `order` and `If-Modified-Since` as the call asks.
pub(super) fn select<Row: Clone>(call: &Call, rows: Vec<Row>, field: FieldOf<'_, Row>) -> Result<Vec<Row>, Reply> {
    let wrong = |message: String| bad_request(16, "QueryParseException", &message);
    let terms: Vec<Term> = call.query.get("where").map_or(Ok(Vec::new()), filter::parse).map_err(wrong)?;
    let since = match call.header("if-modified-since") {
        Some(text) => Some(instant(text).map(Operand::Date).ok_or_else(|| {
            // Strict, because a time that is not understood would list everything again.
            wrong(format!("If-Modified-Since '{text}' is not a date and time"))
        })?),
        None => None,
    };
    let mut kept = Vec::new();
    for row in rows {
        let mut keep = true;
        for term in &terms {
            let value = field(&row, &term.field).map_err(wrong)?;
            keep &= term.holds(value.as_ref()).map_err(wrong)?;
        }
        if let Some(since) = &since {
            keep &= field(&row, "UpdatedDateUTC").map_err(wrong)?.is_none_or(|updated| updated >= *since);
        }
        if keep {
            kept.push(row);
        }
    }
    let Some(order) = call.query.get("order") else { return Ok(kept) };
    let mut words = order.split_whitespace();
    let name = words.next().unwrap_or_default();
    let descending = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
    let mut keyed = Vec::new();
    for row in kept {
        keyed.push((field(&row, name).map_err(wrong)?, row));
    }
    keyed.sort_by(|(left, _), (right, _)| {
        let order = left.partial_cmp(right).unwrap_or(std::cmp::Ordering::Equal);
        if descending { order.reverse() } else { order }
    });
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

/// A time in UTC as `2026-03-02T00:00:00` or as HTTP writes it.
fn instant(text: &str) -> Option<DateTime> {
    let http = || rfc2822::parse(text).ok().map(|zoned| zoned.with_time_zone(TimeZone::UTC).datetime());
    text.trim_end_matches('Z').parse().ok().or_else(http)
}

/// The rows of the page asked for, and the pagination object.
pub(super) fn paged<Row>(call: &Call, rows: Vec<Row>) -> Result<(Vec<Row>, Option<Value>), Reply> {
    let Some((page, size)) = call.query.page()? else { return Ok((rows, None)) };
    let count = rows.len();
    let pagination = json!({"page": page, "pageSize": size, "pageCount": count.div_ceil(size), "itemCount": count});
    let skipped = page.saturating_sub(1).saturating_mul(size);
    Ok((rows.into_iter().skip(skipped).take(size).collect(), Some(pagination)))
}
