//! Calls as they arrive and replies as ConnectWise words them.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

/// One call to the REST API.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Path below the API root, without slashes at the ends.
    pub(super) path: String,
    /// Scheme, host and path, for links.
    pub(super) address: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Call {
    /// The value of a query parameter, whose name is not case-sensitive.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The JSON body.
    pub(super) fn json(&self) -> Result<Value, Reply> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let text = format!("Error converting value. Path '', line {}, position {}.", error.line(), error.column());
            Reply::error(500, "ConnectWiseApi", &text)
        })
    }
}

/// One field that is wrong in a request.
#[derive(Debug)]
pub(super) struct FieldError {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) field: &'static str,
}

impl FieldError {
    /// The field has to be given.
    pub(super) fn required(field: &'static str) -> Self {
        Self { code: "MissingRequiredField", message: format!("The {field} field is required."), field }
    }

    /// The field has a bad value.
    pub(super) fn invalid(field: &'static str, message: &str) -> Self {
        Self { code: "InvalidField", message: message.to_owned(), field }
    }

    /// The field's text is too long.
    pub(super) fn too_long(field: &'static str, length_max: usize) -> Self {
        let message = format!("The {field} field exceeds the maximum length of {length_max}.");
        Self { code: "MaxLengthField", message, field }
    }
}

/// The answer to a call.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
}

impl Reply {
    /// A JSON answer.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body.to_string()) }
    }

    /// 200 with a JSON body.
    pub(super) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    /// An error with a code and a message.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"code": code, "message": message, "errors": null}))
    }

    /// 404 of a record.
    pub(super) fn no_record(noun: &str, id: &str) -> Self {
        Self::json(404, &json!({"code": "NotFound", "message": format!("{noun} {id} not found")}))
    }

    /// 404 of a path.
    pub(super) fn no_endpoint() -> Self {
        Self::json(404, &json!({"code": "ConnectWiseApi", "message": "The endpoint does not exist."}))
    }

    /// 400 with the fields that are wrong.
    pub(super) fn invalid(resource: &str, errors: &[FieldError]) -> Self {
        let errors: Vec<Value> = errors
            .iter()
            .map(|error| {
                json!({"code": error.code, "message": error.message, "resource": resource, "field": error.field})
            })
            .collect();
        let message = format!("{resource} object is invalid");
        Self::json(400, &json!({"code": "InvalidObject", "message": message, "errors": errors}))
    }

    /// The same answer with one more header.
    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The HTTP form.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body.map_or_else(Body::empty, Body::from));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The value without nulls, which the service leaves out of records.
pub(super) fn pruned(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, field)| !field.is_null()).map(|(k, v)| (k, pruned(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(pruned).collect()),
        other => other,
    }
}

/// The fields of both objects.
pub(super) fn merged(mut row: Value, more: Value) -> Value {
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        row.extend(more);
    }
    row
}
