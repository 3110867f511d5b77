//! Xero's wire rules: envelopes, errors, dates and numbers.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::query::Query;

/// One request, taken apart.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Path below the API base, such as `/Invoices`.
    pub(super) path: String,
    /// Path and query as sent.
    pub(super) uri: String,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now: Timestamp,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn is_write(&self) -> bool {
        self.method == Method::PUT || self.method == Method::POST
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: Option<&'static str>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// Both sides are answers; the second one ends the work early.
pub(super) type Answer = Result<Reply, Reply>;

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let content_type = Some("application/json; charset=utf-8");
        Self { status, content_type, headers: Vec::new(), body: body.to_string() }
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: Some("text/plain"), headers: Vec::new(), body: body.to_owned() }
    }

    /// The recorded 404 is an empty page.
    pub(super) fn not_found() -> Self {
        Self { status: 404, content_type: Some("text/html"), headers: Vec::new(), body: String::new() }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = self.content_type.map(|value| ("content-type", value.to_owned()));
        for (name, value) in self.headers.into_iter().chain(content_type) {
            if let Ok(value) = HeaderValue::try_from(value)
                && let Ok(name) = HeaderName::try_from(name)
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// 200 with a collection; `pagination` is there only when the caller paged.
pub(super) fn envelope(now: Timestamp, collection: &str, rows: Vec<Value>, pagination: Option<Value>) -> Reply {
    let mut body = Map::new();
    body.insert("Id".to_owned(), json!(Uuid::new_v4()));
    body.insert("Status".to_owned(), json!("OK"));
    body.insert("ProviderName".to_owned(), json!("readypost"));
    body.insert("DateTimeUTC".to_owned(), json!(format!("/Date({})/", now.as_millisecond())));
    if let Some(pagination) = pagination {
        body.insert("pagination".to_owned(), pagination);
    }
    body.insert(collection.to_owned(), Value::Array(rows));
    Reply::json(200, &Value::Object(body))
}

/// 400 for elements that were understood but refused.
pub(super) fn validation_exception(elements: &[Value]) -> Reply {
    let message = "A validation exception occurred";
    let body = json!({"ErrorNumber": 10, "Type": "ValidationException", "Message": message, "Elements": elements});
    Reply::json(400, &body)
}

/// 400 about the request as a whole.
pub(super) fn bad_request(number: u32, kind: &str, message: &str) -> Reply {
    Reply::json(400, &json!({"ErrorNumber": number, "Type": kind, "Message": message}))
}

/// 400 for a body that cannot be read.
pub(super) fn unreadable(message: &str) -> Reply {
    bad_request(14, "PostDataInvalidException", message)
}

/// 500 in the shape of Xero's other errors.
pub(super) fn internal_error() -> Reply {
    let message = "An unhandled error with the Xero API occurred. Contact the Xero API team if problems persist.";
    Reply::json(500, &json!({"ErrorNumber": 500, "Type": "InternalServerException", "Message": message}))
}

/// The gateway's own answers about tokens and tenants.
pub(super) fn problem(status: u16, title: &str, detail: &str) -> Reply {
    let body = json!({"Type": null, "Title": title, "Status": status, "Detail": detail,
        "Instance": Uuid::new_v4(), "Extensions": {}});
    Reply::json(status, &body)
}

/// `[{"Message": ..}]`.
pub(super) fn messages(texts: &[String]) -> Value {
    texts.iter().map(|text| json!({"Message": text})).collect()
}

/// A JSON number as .NET writes decimals: at least one place, no trailing zeros.
pub(super) fn number(amount: Decimal) -> Value {
    let mut text = if amount.is_zero() { "0".to_owned() } else { amount.normalize().to_string() };
    if !text.contains('.') {
        text.push_str(".0");
    }
    text.parse().map_or(Value::Null, Value::Number)
}

/// `/Date(ms+0000)/` of a day.
pub(super) fn day(date: Date) -> Value {
    let midnight = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0));
    json!(format!("/Date({}+0000)/", midnight.map_or(0, Timestamp::as_millisecond)))
}

/// `2026-03-01T00:00:00`.
pub(super) fn day_string(date: Date) -> Value {
    json!(format!("{date}T00:00:00"))
}

/// `/Date(ms+0000)/` of an instant.
pub(super) fn instant(at: Timestamp) -> Value {
    json!(format!("/Date({}+0000)/", at.as_millisecond()))
}

/// Reads `2026-03-01`, with or without a time, or `/Date(ms+0000)/`.
pub(super) fn parse_day(text: &str) -> Option<Date> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = inner.split('+').next().unwrap_or(inner);
        let at = Timestamp::from_millisecond(digits.parse().ok()?).ok()?;
        return Some(at.to_zoned(TimeZone::UTC).date());
    }
    text.split('T').next().unwrap_or(text).parse().ok()
}

/// The text under `key`; null and empty count as absent.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The id under `key`; malformed and all-zero ids count as absent.
pub(super) fn guid(value: &Value, key: &str) -> Option<Uuid> {
    value.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok()).filter(|id: &Uuid| !id.is_nil())
}

/// The number under `key`.
pub(super) fn decimal(value: &Value, key: &str) -> Result<Option<Decimal>, Reply> {
    let raw = match value.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => return Err(unconvertible(other, "Decimal", key)),
    };
    let parsed = raw.parse().or_else(|_| Decimal::from_scientific(&raw));
    // The bound keeps products within Decimal; Xero's own limit on a line is lower.
    match parsed {
        Ok(amount) if amount.abs() < Decimal::from(10_000_000_000_000_u64) => Ok(Some(amount)),
        _ => Err(unconvertible(&json!(raw), "Decimal", key)),
    }
}

/// The day under `key`.
pub(super) fn date(value: &Value, key: &str) -> Result<Option<Date>, Reply> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(raw) => match raw.as_str().and_then(parse_day) {
            Some(day) => Ok(Some(day)),
            None => Err(unconvertible(raw, "DateTime", key)),
        },
    }
}

/// 400 for a value of the wrong type.
pub(super) fn unconvertible(value: &Value, kind: &str, path: &str) -> Reply {
    unreadable(&format!("Error converting value {value} to type '{kind}'. Path '{path}'."))
}

/// The elements of a write: `{"Invoices":[..]}` or one bare object.
pub(super) fn elements(call: &Call, collection: &str, noun: &str) -> Result<Vec<Value>, Reply> {
    let nothing = || {
        let message = format!(
            "No data has been processed for this endpoint. This endpoint is expecting {noun} data to be specifed in the request body."
        );
        bad_request(13, "NoDataProcessedException", &message)
    };
    if call.body.is_empty() {
        return Err(nothing());
    }
    let body: Value = serde_json::from_slice(&call.body)
        .map_err(|error| unreadable(&format!("JSON request body could not be read, Error {error}")))?;
    let rows = match body {
        Value::Array(rows) => rows,
        Value::Object(mut fields) => match fields.remove(collection) {
            Some(Value::Array(rows)) => rows,
            Some(other) => return Err(unconvertible(&other, "List", collection)),
            None => vec![Value::Object(fields)],
        },
        _ => return Err(nothing()),
    };
    let useful = rows.iter().all(|row| row.as_object().is_some_and(|fields| !fields.is_empty()));
    if rows.is_empty() || !useful { Err(nothing()) } else { Ok(rows) }
}
