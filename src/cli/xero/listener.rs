//! Where Xero sends the browser back to: a port of this machine, open for one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Answer, say};

/// How long the browser may take to read the page, once all is over.
const READING_MAX: Duration = Duration::from_secs(2);

/// The port, before anybody is asked anything.
#[derive(Debug)]
pub(super) struct Listener {
    sockets: Vec<TcpListener>,
    path: String,
}

/// The port while a person is asked, and until their answer was dealt with.
pub(super) struct Serving {
    answered: mpsc::UnboundedReceiver<Answer>,
    tasks: JoinSet<std::io::Result<()>>,
    over: CancellationToken,
}

/// What the requests share.
struct Waiting {
    /// What the answer has to carry.
    state: String,
    taken: AtomicBool,
    answers: mpsc::UnboundedSender<Answer>,
}

impl Listener {
    /// Takes the port of a redirect, on this machine only.
    ///
    /// # Errors
    /// A sentence, when the redirect leads elsewhere or the port is taken.
    pub(super) async fn open(redirect: &str) -> Result<Self, String> {
        let url: Option<Url> = redirect.parse().ok();
        let url = url.filter(|url| url.scheme() == "http" && url.host_str() == Some("localhost"));
        let url = url.ok_or_else(|| {
            format!(
                "{redirect} does not lead to this machine, as http://localhost:8484/callback does. Use --paste with it."
            )
        })?;
        let port = url.port_or_known_default().unwrap_or_default();
        let taken = |error| {
            format!(
                "the port {port} cannot be had: {error}. End what uses it, give another --redirect that is registered in the app, or use --paste."
            )
        };
        let mut sockets = vec![TcpListener::bind(("127.0.0.1", port)).await.map_err(taken)?];
        // A browser may take localhost for either; a machine without IPv6 has only one.
        sockets.extend(TcpListener::bind(("::1", port)).await);
        Ok(Self { sockets, path: url.path().to_owned() })
    }

    /// Takes requests from now on.
    pub(super) fn serve(self, state: &str) -> Serving {
        let (answers, answered) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting { state: state.to_owned(), taken: AtomicBool::new(false), answers });
        let router = Router::new().route(&self.path, get(receive)).fallback(nothing).with_state(waiting);
        let (mut tasks, over) = (JoinSet::new(), CancellationToken::new());
        for socket in self.sockets {
            let (router, over) = (router.clone(), over.clone());
            tasks.spawn(async move {
                axum::serve(socket, router).with_graceful_shutdown(async move { over.cancelled().await }).await
            });
        }
        Serving { answered, tasks, over }
    }
}

impl Serving {
    /// The first answer that belongs to the attempt; none when the time is over.
    pub(super) async fn answer(&mut self, timeout: Duration) -> Option<Answer> {
        tokio::time::timeout(timeout, self.answered.recv()).await.ok().flatten()
    }

    /// Gives the port back, once the browser has its page.
    pub(super) async fn close(mut self) {
        self.over.cancel();
        let _ = tokio::time::timeout(READING_MAX, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

async fn receive(State(waiting): State<Arc<Waiting>>, uri: Uri) -> Response {
    let address = format!("http://localhost{uri}").parse();
    let answer = address.map(|address| Answer::of(&address)).unwrap_or_default();
    if !answer.belongs(&waiting.state) {
        say("An answer with another state came and was not taken: it belongs to another attempt. Still waiting …");
        let text =
            "This is not the answer that readypost waits for. Open the address that the command has printed last.";
        return page(StatusCode::BAD_REQUEST, "Not taken", text);
    }
    if waiting.taken.swap(true, Ordering::SeqCst) {
        let text = "readypost has an answer already. Go back to the command line: it says what became of it.";
        return page(StatusCode::CONFLICT, "Answered before", text);
    }
    let denied = answer.error.is_some();
    // Nobody waits any more if this fails, and the command has said so.
    let _ = waiting.answers.send(answer);
    if denied {
        let text = "Xero did not let readypost in. Go back to the command line: it says why, and what to do.";
        return page(StatusCode::OK, "No access", text);
    }
    let text = "readypost has Xero's answer. Close this page and go back to the command line: it says whether the \
                organisation is connected.";
    page(StatusCode::OK, "Go back to the command line", text)
}

async fn nothing() -> Response {
    page(StatusCode::NOT_FOUND, "Nothing here", "readypost waits for Xero's answer at another address.")
}

/// A page in plain words. The address that it is shown under has a code, so it is kept nowhere.
fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} - readypost</title></head><body><h1>{title}</h1><p>{text}</p></body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONNECTION, "close"),
    ];
    (status, headers, body).into_response()
}
