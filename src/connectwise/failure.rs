//! What an answer that is not a success means: who has to act, and whether waiting helps.
//!
//! Bodies as captured from the service: developer guide and the tests of pyconnectwise, amp-labs, xyte.

use std::time::Duration;

use super::client::SYSTEM;
use super::wire;
use crate::domain::text::{printable, shorten};
use crate::remote::{Answer, RemoteError};

/// A refusal that some callers expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// 404 of a record.
    NoRecord(String),
    /// 404 of a path, which can also mean wrong credentials.
    NoEndpoint(String),
    /// 403, which is also answered for sub-paths that do not exist.
    Forbidden(String),
}

impl From<Denied> for RemoteError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NoEndpoint(cause) => {
                let cause = format!("{cause}; check the address of the API and the keys");
                Self::Unauthorized { system: SYSTEM, cause }
            }
            // The rights of the API member may lack for this record only, so the others go on.
            Denied::NoRecord(cause) | Denied::Forbidden(cause) => Self::Refused { system: SYSTEM, cause },
        }
    }
}

/// Sorts one answer; `path` is named in the error.
pub(super) fn sort(answer: Answer, path: &str) -> Result<Result<Answer, Denied>, RemoteError> {
    if answer.status.is_success() {
        return Ok(Ok(answer));
    }
    let failure = wire::Failure::read(&answer.body);
    let said = if failure.text.is_empty() { answer.excerpt() } else { printable(&shorten(&failure.text, 300)) };
    let status = answer.status.as_u16();
    let request = answer.header("x-cw-request-id").map(|id| format!(" (request {})", shorten(id, 60)));
    let cause = format!("{status} at {path}: {said}{}", request.unwrap_or_default());
    if said.to_ascii_lowercase().contains("ssl is required") {
        let cause = format!("{cause}; use https and, in ConnectWise's cloud, the host with 'api-' before it");
        return Err(RemoteError::Unauthorized { system: SYSTEM, cause });
    }
    match status {
        401 => Err(RemoteError::Unauthorized { system: SYSTEM, cause }),
        403 => Ok(Err(Denied::Forbidden(cause))),
        404 if failure.code.eq_ignore_ascii_case("NotFound") => Ok(Err(Denied::NoRecord(cause))),
        404 => Ok(Err(Denied::NoEndpoint(cause))),
        429 => {
            let wait = answer.retry_after().or_else(|| wait_in(&said));
            Err(RemoteError::Throttled { system: SYSTEM, cause, wait })
        }
        503 if answer.retry_after().is_some() => {
            Err(RemoteError::Throttled { system: SYSTEM, cause, wait: answer.retry_after() })
        }
        // An unreadable request is answered with 500, and would be again.
        500 if said.contains("Error converting value") => Err(RemoteError::Refused { system: SYSTEM, cause }),
        // Redirects are to pages for people, during maintenance for example; 408 and 409 ("possibly in
        // use") pass.
        300..=399 | 408 | 409 | 500..=599 => Err(RemoteError::Failed { system: SYSTEM, cause }),
        _ => Err(RemoteError::Refused { system: SYSTEM, cause }),
    }
}

/// The wait in "Please try again in 30 seconds."
fn wait_in(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let of_triple = |triple: &[&str]| match triple {
        ["in", number, unit] if unit.starts_with("second") => number.parse().ok().map(Duration::from_secs),
        _ => None,
    };
    words.windows(3).find_map(of_triple)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn sorted(status: u16, body: &str) -> Result<Result<Answer, Denied>, RemoteError> {
        let status = StatusCode::from_u16(status).unwrap();
        sort(Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }, "finance/invoices")
    }

    #[test]
    fn captured_bodies_mean_what_they_say() {
        let not_found = sorted(404, r#"{"code":"NotFound","message":"Contact 57919 not found"}"#).unwrap();
        assert!(matches!(not_found, Err(Denied::NoRecord(_))));
        let no_path = sorted(404, r#"{"code":"ConnectWiseApi","message":"The endpoint does not exist."}"#).unwrap();
        assert!(matches!(no_path, Err(Denied::NoEndpoint(_))));
        assert!(matches!(sorted(404, "<html>").unwrap(), Err(Denied::NoEndpoint(_))));
        assert!(matches!(sorted(403, r#"{"code":"Security"}"#).unwrap(), Err(Denied::Forbidden(_))));
        let ssl = sorted(403, r#"{"code":"Security","message":"SSL is required.","errors":null}"#).unwrap_err();
        assert!(matches!(&ssl, RemoteError::Unauthorized { cause, .. } if cause.contains("api-")), "{ssl}");
        let slow = "{ \"code\": \"ConnectWiseApi\",\r\n \"message\": \"A timeout has occured. Please try again.\"}";
        assert!(matches!(sorted(500, slow), Err(RemoteError::Failed { .. })));
        let bad = r#"{"message":"Error converting value \"x\" to type 'System.Int32'. Path '', line 1."}"#;
        assert!(matches!(sorted(500, bad), Err(RemoteError::Refused { .. })));
        for status in [302, 409, 502, 503] {
            assert!(sorted(status, "").unwrap_err().is_passing(), "{status}");
        }
    }

    #[test]
    fn a_throttle_says_how_long_in_either_shape() {
        for key in ["error", "code"] {
            let body = format!(
                r#"{{"{key}":"ConnectWiseAPI","message":"Too many requests. Please try again in 30 seconds."}}"#
            );
            let Err(RemoteError::Throttled { wait, .. }) = sorted(429, &body) else { panic!("{body}") };
            assert_eq!(wait, Some(Duration::from_secs(30)));
        }
    }

    #[test]
    fn the_fields_of_a_refusal_are_named() {
        let body = r#"{"code":"InvalidObject","message":"contact object is invalid","errors":[
            {"code":"MissingRequiredField","message":"The firstName field is required.","resource":"contact","field":"firstName"}]}"#;
        let error = sorted(400, body).unwrap_err().to_string();
        assert!(error.contains("contact object is invalid: The firstName field is required."), "{error}");
    }
}
