//! Answers that have not changed are not sent twice: `ETag` and `If-None-Match`, see RFC 9110.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::error::Problem;
use crate::domain::text::hex;

/// Bytes of the hash that a tag is.
const TAG_BYTES: usize = 16;

/// Gives JSON that was asked for a tag, and answers 304 to whom has it already.
pub(super) async fn tagged(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let known: Vec<HeaderValue> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let response = next.run(request).await;
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if response.status() != StatusCode::OK || !is_json {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // It was made in memory, so it can be read to its end.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made").into_response();
    };
    let hash = Sha256::digest(&body);
    let tag = format!("\"{}\"", hex(hash.get(..TAG_BYTES).unwrap_or_default()));
    let has_it = known.iter().any(|known| known.to_str().is_ok_and(|known| names(known, &tag)));
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if has_it {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    head.headers.extend(headers);
    Response::from_parts(head, Body::from(body))
}

/// Whether a list of tags has this one; whether they are weak is the same for reading.
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_a_list_weak_ones_too() {
        for list in ["\"a1\"", "\"b2\", \"a1\"", "W/\"a1\"", "*"] {
            assert!(names(list, "\"a1\""), "{list}");
        }
        for list in ["", "a1", "\"a1", "\"b2\"", "w/\"a1\""] {
            assert!(!names(list, "\"a1\""), "{list}");
        }
    }
}
