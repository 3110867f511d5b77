//! Registrations of callbacks, with the checks and quirks of `/system/callbacks`.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::reply::{Call, FieldError, Reply};
use super::state::{Series, State};

/// A registration.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub(super) id: i64,
    pub(super) url: String,
    pub(super) kind: String,
    pub(super) level: String,
    pub(super) object_id: i64,
    pub(super) inactive: bool,
    pub(super) self_suppressed: bool,
    description: String,
    payload_version: String,
    connectwise_id: String,
    updated: Timestamp,
    failing: Option<FailingDays>,
}

/// Consecutive days with failures.
#[derive(Clone, Copy, Debug)]
struct FailingDays {
    last: Date,
    days: u32,
}

/// After this many consecutive days with failures a callback is disabled.
const FAILING_DAYS_MAX: u32 = 3;
const DESCRIPTION_LENGTH_MAX: usize = 100;

const LEVELS: [(&str, &[&str]); 15] = [
    ("invoice", &["owner", "status", "company", "invoice"]),
    ("purchaseorder", &["owner", "status", "vendor", "company", "purchaseorder"]),
    ("expense", &["owner", "chargetotype", "type", "class", "company", "expense"]),
    ("agreement", &["owner", "type", "company", "agreement"]),
    ("company", &["owner", "status", "type", "territory", "company", "integratortag"]),
    ("contact", &["owner", "type", "territory", "company", "contact"]),
    ("productcatalog", &["owner"]),
    ("project", &["owner", "status", "board", "project"]),
    ("time", &["owner", "company", "time"]),
    ("activity", &["owner", "status"]),
    ("configuration", &["owner", "status"]),
    ("member", &["owner"]),
    ("opportunity", &["owner", "status"]),
    ("schedule", &["owner"]),
    ("ticket", &["owner", "status", "board"]),
];

impl Callback {
    fn row(&self, member: &str) -> Value {
        json!({"id": self.id, "description": self.description, "url": self.url, "objectId": self.object_id,
            "type": self.kind, "level": self.level, "memberId": 243, "payloadVersion": self.payload_version,
            "inactiveFlag": self.inactive, "isSoapCallbackFlag": false,
            "isSelfSuppressedFlag": self.self_suppressed, "connectWiseID": self.connectwise_id,
            "_info": {"lastUpdated": self.updated.to_string(), "updatedBy": member}})
    }
}

impl State {
    pub(super) fn callback_rows(&self) -> Vec<Value> {
        self.callbacks.values().map(|callback| callback.row(&self.settings.api_member)).collect()
    }

    /// Registers a callback; the id is of the new entry.
    pub(super) fn register(&mut self, body: &Value) -> Result<i64, Vec<FieldError>> {
        let callback = self.checked(body, None)?;
        let id = self.next_id(Series::Callback);
        self.callbacks.insert(id, Callback { id, ..callback });
        Ok(id)
    }

    /// POST, PUT, PATCH and DELETE of registrations; `rest` is the path below `/system/callbacks`.
    pub(super) fn write_callback(&mut self, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
        let id = match rest {
            [] if call.method == "POST" => {
                let body = call.json()?;
                let id = self.register(&body).map_err(|errors| Reply::invalid("callbackEntry", &errors))?;
                return Ok(self.callback_reply(201, id));
            }
            [id] => *id,
            _ => return Err(Reply::no_endpoint()),
        };
        let missing = || Reply::no_record("CallbackEntry", id);
        let key: i64 = id.parse().map_err(|_| missing())?;
        let current = self.callbacks.get(&key).ok_or_else(missing)?;
        let body = match call.method.as_str() {
            "DELETE" => {
                self.callbacks.remove(&key);
                return Ok(Reply::no_content());
            }
            "PUT" => call.json()?,
            "PATCH" => patched(current.row(""), &call.json()?),
            _ => return Err(Reply::no_endpoint()),
        };
        let (guid, was_inactive, failing) = (current.connectwise_id.clone(), current.inactive, current.failing);
        let changed = self.checked(&body, Some(key)).map_err(|errors| Reply::invalid("callbackEntry", &errors))?;
        let failing = if was_inactive && !changed.inactive { None } else { failing };
        self.callbacks.insert(key, Callback { id: key, connectwise_id: guid, failing, ..changed });
        Ok(self.callback_reply(200, key))
    }

    fn callback_reply(&self, status: u16, id: i64) -> Reply {
        let row = self.callbacks.get(&id).map(|callback| callback.row(&self.settings.api_member));
        Reply::json(status, &row.unwrap_or_default())
    }

    /// The registration that `body` asks for, `own` being the one it replaces.
    fn checked(&self, body: &Value, own: Option<i64>) -> Result<Callback, Vec<FieldError>> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
        let (url, kind, level, description) = (text("url"), text("type"), text("level"), text("description"));
        let mut errors: Vec<FieldError> = [("url", &url), ("type", &kind), ("level", &level)]
            .into_iter()
            .filter(|(_, value)| value.is_empty())
            .map(|(field, _)| FieldError::required(field))
            .collect();
        let object_id = body.get("objectId").and_then(Value::as_i64);
        if object_id.is_none() {
            errors.push(FieldError::required("objectId"));
        }
        if !url.is_empty() && !Url::parse(&url).is_ok_and(|url| url.has_host() && url.scheme().starts_with("http")) {
            errors.push(FieldError::invalid("url", "Invalid URL"));
        }
        if description.chars().count() > DESCRIPTION_LENGTH_MAX {
            errors.push(FieldError::too_long("description", DESCRIPTION_LENGTH_MAX));
        }
        errors.extend(wrong_level(&kind, &level));
        // "Owner" means the whole tenant, which is object 1 whatever was asked for.
        let object_id = if level.eq_ignore_ascii_case("owner") { 1 } else { object_id.unwrap_or_default() };
        let matches = |other: &&Callback| {
            other.kind.eq_ignore_ascii_case(&kind)
                && other.level.eq_ignore_ascii_case(&level)
                && (other.object_id, &other.url) == (object_id, &url)
        };
        if self.callbacks.values().filter(|other| Some(other.id) != own).any(|other| matches(&other)) {
            let message = "A matching callback entry already exists".to_owned();
            errors.push(FieldError { code: "ObjectExists", message, field: "objectId" });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Callback {
            id: 0,
            url,
            kind,
            level,
            object_id,
            inactive: flag("inactiveFlag"),
            self_suppressed: flag("isSelfSuppressedFlag"),
            description,
            payload_version: "3.0.0".to_owned(),
            connectwise_id: Uuid::new_v4().to_string(),
            updated: self.now(),
            failing: None,
        })
    }

    /// Counts a day with a failure, and disables the callback after three in a row.
    pub(super) fn count_failure(&mut self, callback: i64) {
        let today = jiff::tz::TimeZone::UTC.to_datetime(self.now()).date();
        let Some(callback) = self.callbacks.get_mut(&callback) else { return };
        let days = match callback.failing {
            Some(failing) if failing.last == today => failing.days,
            Some(failing) if failing.last.tomorrow().is_ok_and(|next| next == today) => failing.days + 1,
            _ => 1,
        };
        callback.failing = Some(FailingDays { last: today, days });
        callback.inactive |= days >= FAILING_DAYS_MAX;
    }
}

fn wrong_level(kind: &str, level: &str) -> Option<FieldError> {
    if kind.is_empty() || level.is_empty() {
        return None;
    }
    let (kind, level) = (kind.to_ascii_lowercase(), level.to_ascii_lowercase());
    let Some((_, levels)) = LEVELS.iter().find(|(known, _)| *known == kind) else {
        return Some(FieldError::invalid("type", "Unrecognized type"));
    };
    let message = "Unrecognized level for type, see documentation for supported levels for each type".to_owned();
    (!levels.contains(&level.as_str())).then_some(FieldError { code: "InvalidObject", message, field: "level" })
}

/// `row` with the operations of a PATCH body applied to its top-level fields.
///
/// A nested path is silently without effect, as on the service.
fn patched(mut row: Value, operations: &Value) -> Value {
    for operation in operations.as_array().into_iter().flatten() {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default().trim_start_matches('/');
        let value = match operation.get("op").and_then(Value::as_str) {
            Some("remove") => Value::Null,
            _ => operation.get("value").cloned().unwrap_or_default(),
        };
        if let Some(field) = row.get_mut(path) {
            *field = value;
        }
    }
    row
}
