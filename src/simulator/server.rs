//! Serves a simulator's router on a loopback port, applying its faults and keeping its request log.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::faults::{Canned, Fault, Faults};

/// One request as it arrived, with the status that was answered (0 = the connection was dropped).
#[derive(Clone, Debug)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Request headers.
    pub headers: HeaderMap,
    /// Request body.
    pub body: Bytes,
    /// Status of the answer; 0 when none was sent.
    pub status: u16,
}

/// A running simulator; it stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// The faults to come.
    pub faults: Arc<Faults>,
    log: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds a loopback port (0 = any) and serves `router` on it.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(port: u16, router: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let faults = Arc::new(Faults::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(accept(listener, router, Arc::clone(&faults), Arc::clone(&log)));
        Ok(Self { address, faults, log, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("connection dropped by a fault")]
struct Dropped;

async fn accept(listener: TcpListener, router: Router, faults: Arc<Faults>, log: Arc<Mutex<Vec<Request>>>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (router, faults, log) = (router.clone(), Arc::clone(&faults), Arc::clone(&log));
        connections.spawn(async move {
            let service =
                service_fn(move |request| answer(request, router.clone(), Arc::clone(&faults), Arc::clone(&log)));
            // A dropped connection is the simulated outcome, not a failure of the simulator.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    router: Router,
    faults: Arc<Faults>,
    log: Arc<Mutex<Vec<Request>>>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let fault = faults.take(&parts.method, parts.uri.path());
    let Some(Fault::Hold(gate)) = fault else { return handle(parts, body, router, fault, &log).await };
    // What was received is handled, also when the client has gone: then nobody polls this connection any more.
    let handling = tokio::spawn(async move {
        let then = gate.wait_to_pass().await;
        let response = handle(parts, body, router, then, &log).await;
        gate.wait_to_answer().await;
        response
    });
    handling.await.unwrap_or(Err(Dropped))
}

async fn handle(
    parts: axum::http::request::Parts,
    body: Bytes,
    router: Router,
    fault: Option<Fault>,
    log: &Mutex<Vec<Request>>,
) -> Result<Response<Body>, Dropped> {
    let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
    let handle = |body: Bytes| async {
        let request = axum::http::Request::from_parts(parts, Body::from(body));
        router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
    };
    let response = match fault {
        // A gate behind a gate is an open one.
        None | Some(Fault::Hold(_)) => Ok(handle(body.clone()).await),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            Ok(handle(body.clone()).await)
        }
        Some(Fault::DropBefore) => Err(Dropped),
        Some(Fault::DropAfter) => {
            handle(body.clone()).await;
            Err(Dropped)
        }
        Some(Fault::Answer(canned)) => Ok(canned_response(&canned)),
        Some(Fault::AnswerAfter(canned)) => {
            handle(body.clone()).await;
            Ok(canned_response(&canned))
        }
        Some(Fault::Halve(field)) => Ok(handle(halved(&body, &field)).await),
    };
    let status = response.as_ref().map_or(0, |response| response.status().as_u16());
    let entry = Request { method, uri, headers, body, status };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    response
}

/// A JSON body with the first half of the list in a field, and at least one of it.
fn halved(body: &Bytes, field: &str) -> Bytes {
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(body) else { return body.clone() };
    if let Some(list) = json.get_mut(field).and_then(serde_json::Value::as_array_mut) {
        list.truncate(list.len().div_ceil(2));
    }
    serde_json::to_vec(&json).map_or_else(|_| body.clone(), Bytes::from)
}

fn canned_response(canned: &Canned) -> Response<Body> {
    let mut response = Response::new(Body::from(canned.body.clone()));
    *response.status_mut() = StatusCode::from_u16(canned.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &canned.headers {
        let name = axum::http::HeaderName::try_from(name.as_str());
        let value = axum::http::HeaderValue::try_from(value.as_str());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
