//! Serving with limits: header, body and idle time-outs, and a bound on connections.
//!
//! `axum::serve` has none of them: a client that sends nothing would stay connected for ever.

use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{BoxError, Router};
use futures_util::FutureExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::error::Problem;
use super::patience::Patient;

/// The longest time for a request's headers, and for the next request on a kept connection.
///
/// Also the longest time for agreeing on TLS before that.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The longest time for handling one request, its body included.
///
/// Also the longest time for which a client may leave an answer unread.
const REQUEST_TIME: Duration = Duration::from_mins(1);
/// After so long the next answer on a connection is its last, so that none keeps its slot for ever.
const CONNECTION_TIME: Duration = Duration::from_mins(10);
/// The longest wait for requests that are under way when the door closes.
const DRAIN_TIME: Duration = Duration::from_secs(15);
/// The longest time for telling a connection too many to come back.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Refusals at the same time; more connections are closed without a word.
const REFUSALS_MAX: usize = 256;
/// What a connection too many is told; ConnectWise tries again after a 429.
const FULL: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How much is served at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections.
    pub connections_max: usize,
}

/// Serves until `shutdown`, then lets requests under way finish; with `tls` it speaks nothing else.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tls: Option<Arc<ServerConfig>>,
    shutdown: CancellationToken,
) {
    let tls = tls.map(TlsAcceptor::from);
    let (slots, connections) = (Arc::new(Semaphore::new(limits.connections_max)), TaskTracker::new());
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles: a moment lets others close.
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            if let Ok(refusal) = Arc::clone(&refusals).try_acquire_owned() {
                let tls = tls.clone();
                tokio::spawn(async move {
                    // The client may be gone; then there is nobody to tell.
                    let _ = tokio::time::timeout(REFUSAL_TIME, turn_away(stream, tls)).await;
                    drop(refusal);
                });
            }
            continue;
        };
        let (router, tls, shutdown) = (router.clone(), tls.clone(), shutdown.clone());
        connections.spawn(async move {
            connection(stream, tls, router, shutdown).await;
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_TIME, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were cut off at shutdown");
    }
}

/// Tells a connection too many to come back, in TLS where that is spoken: else the client would see a broken one.
async fn turn_away(stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<()> {
    match tls {
        Some(tls) => refuse(tls.accept(stream).await?).await,
        None => refuse(stream).await,
    }
}

/// Refuses whatever is asked.
///
/// It is heard first and read to its end, without being kept: an answer before the request, or a close with
/// bytes unread, is a broken connection to the sender, which ConnectWise does not retry as it does a 429.
async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let (mut forgotten, mut last) = ([0; 4096], [0; 4]);
    while last != *b"\r\n\r\n" {
        let count = stream.read(&mut forgotten).await?;
        if count == 0 {
            return Ok(());
        }
        for byte in forgotten.iter().take(count) {
            if last != *b"\r\n\r\n" {
                last.rotate_left(1);
                last[3] = *byte;
            }
        }
    }
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    while stream.read(&mut forgotten).await? > 0 {}
    Ok(())
}

async fn handle(
    router: Router,
    request: Request<impl HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static>,
) -> Response<Body> {
    let door = Door::of(request.uri().path());
    let answer = AssertUnwindSafe(router.oneshot(request.map(Body::new))).catch_unwind();
    match tokio::time::timeout(REQUEST_TIME, answer).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_)) => {
            tracing::error!(?door, "a request was not answered because of a fault in readypost");
            let detail = "a fault inside readypost: what was begun may go on, so look before you ask again";
            unanswered(door, StatusCode::INTERNAL_SERVER_ERROR, detail.to_owned())
        }
        Err(_) => {
            let seconds = REQUEST_TIME.as_secs();
            let detail =
                format!("it took more than {seconds} s: what was begun may go on, so look before you ask again");
            unanswered(door, StatusCode::REQUEST_TIMEOUT, detail)
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Door {
    ConnectWise,
    Xero,
    Operators,
}

impl Door {
    fn of(path: &str) -> Self {
        if path.starts_with("/callbacks/") {
            Self::ConnectWise
        } else if path.starts_with("/xero/webhooks") {
            Self::Xero
        } else {
            Self::Operators
        }
    }
}

/// The answer where the handler has given none: ConnectWise tries again after a 429, but neither after a 408 nor after
/// a 500, and Xero takes a body for a failure.
fn unanswered(door: Door, status: StatusCode, detail: String) -> Response<Body> {
    let mut response = match door {
        Door::ConnectWise => {
            let mut response = StatusCode::TOO_MANY_REQUESTS.into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            response
        }
        Door::Xero => status.into_response(),
        Door::Operators => Problem::new(status, detail).into_response(),
    };
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, shutdown: CancellationToken) {
    // Answers are small and must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, REQUEST_TIME);
    let Some(tls) = tls else { return requests(stream, router, shutdown, CONNECTION_TIME).await };
    let agreed = tokio::select! {
        () = shutdown.cancelled() => return,
        agreed = tokio::time::timeout(HEADER_TIME, tls.accept(stream)) => agreed,
    };
    match agreed {
        Ok(Ok(stream)) => requests(stream, router, shutdown, CONNECTION_TIME).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client and the door do not agree on TLS"),
        Err(_) => tracing::debug!("a client was too slow to agree on TLS"),
    }
}

/// Answers one request after the other; after `lifetime` the next answer is the last.
async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    shutdown: CancellationToken,
    lifetime: Duration,
) {
    let begun = Instant::now();
    let service = service_fn(move |request| {
        let router = router.clone();
        async move {
            let mut response = handle(router, request).await;
            if begun.elapsed() >= lifetime {
                // The client hears of the end, so that no request of it is on its way then.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(64 << 10).keep_alive(true);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let outcome = tokio::select! {
        outcome = serving.as_mut() => Ok(outcome),
        () = shutdown.cancelled() => {
            // The request under way gets its answer, then the connection ends.
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(REQUEST_TIME, serving).await
        }
    };
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        Err(_) => tracing::debug!("a connection was cut off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(response: &Response<Body>) -> (u16, Option<&str>) {
        assert_eq!(response.headers()[header::CONNECTION], "close");
        let kind = response.headers().get(header::CONTENT_TYPE);
        (response.status().as_u16(), kind.map(|kind| kind.to_str().unwrap()))
    }

    const PROBLEM: Option<&str> = Some("application/problem+json");

    #[test]
    fn what_takes_too_long_is_answered_as_whoever_asks_understands_it() {
        let answer = |path| unanswered(Door::of(path), StatusCode::REQUEST_TIMEOUT, "too long".to_owned());
        assert_eq!(told(&answer("/callbacks/acme")), (429, None));
        assert_eq!(told(&answer("/xero/webhooks")), (408, None));
        assert_eq!(told(&answer("/api/v1/records")), (408, PROBLEM));
    }

    #[tokio::test]
    async fn the_last_answer_of_an_old_connection_says_so() {
        for (lifetime, is_last) in [(Duration::ZERO, true), (CONNECTION_TIME, false)] {
            let router = Router::new().fallback(async || "here");
            let (mut client, door) = tokio::io::duplex(1_024);
            tokio::spawn(requests(door, router, CancellationToken::new(), lifetime));
            client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            while !answer.ends_with("here") {
                answer.push(char::from(client.read_u8().await.unwrap()));
            }
            assert_eq!(answer.contains("connection: close"), is_last, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        async fn faulty() {
            panic!("boom")
        }
        let router = Router::new().fallback(faulty);
        for (path, answer) in
            [("/callbacks/acme", (429, None)), ("/xero/webhooks", (500, None)), ("/status", (500, PROBLEM))]
        {
            let request = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(told(&handle(router.clone(), request).await), answer, "{path}");
        }
    }
}
