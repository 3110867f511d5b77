//! Who is told of alerts in tests: a mail server and addresses that take webhooks, on real ports.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What came to an address.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// Method and path.
    pub(crate) asked: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// How an address answers.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// A status and a body.
    Status(u16, &'static str),
    /// 429, and to come again after so many seconds.
    Busy(&'static str),
    /// A status, with all that was asked as its body.
    Echo(u16),
    /// Nothing, for ever.
    Hangs,
}

/// An address that takes webhooks.
pub(crate) struct Hook {
    pub(crate) address: String,
    got: Arc<Mutex<Vec<Got>>>,
    says: Arc<Mutex<VecDeque<Says>>>,
}

type Shared = (Arc<Mutex<Vec<Got>>>, Arc<Mutex<VecDeque<Says>>>);

impl Hook {
    /// Takes everything.
    pub(crate) async fn start() -> Self {
        let (got, says): Shared = (Arc::default(), Arc::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer).with_state((Arc::clone(&got), Arc::clone(&says)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, got, says }
    }

    /// Says this to the next requests; the last one to all that follow.
    pub(crate) fn says(&self, says: impl IntoIterator<Item = Says>) {
        *self.says.lock().unwrap() = says.into_iter().collect();
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// What came since this was asked the last time.
    pub(crate) fn take(&self) -> Vec<Got> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

async fn answer(State((got, says)): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let asked = format!("{} {:?} {}", parts.uri, parts.headers, String::from_utf8_lossy(&body));
    let line = format!("{} {}", parts.method, parts.uri);
    got.lock().unwrap().push(Got { asked: line, headers: parts.headers, body });
    let next = {
        let mut says = says.lock().unwrap();
        if says.len() > 1 { says.pop_front() } else { says.front().cloned() }
    };
    let status = |code: u16| StatusCode::from_u16(code).unwrap();
    match next.unwrap_or(Says::Status(200, "ok")) {
        Says::Status(code, body) => (status(code), body).into_response(),
        Says::Busy(seconds) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds)], "slow down").into_response(),
        Says::Echo(code) => (status(code), asked).into_response(),
        Says::Hangs => std::future::pending().await,
    }
}

/// A certificate for this machine, and the file of whoever issued it.
pub(crate) struct Certificate {
    config: Arc<ServerConfig>,
    /// What a client has to trust.
    pub(crate) issuer: PathBuf,
    _folder: tempfile::TempDir,
}

impl Certificate {
    /// For these names, by an issuer that nobody trusts by itself.
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let issuer = folder.path().join("issuer.pem");
        std::fs::write(&issuer, root.pem()).unwrap();
        Self { config: Arc::new(config), issuer, _folder: folder }
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes everything without TLS.
    Plain,
    /// Offers STARTTLS.
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// Says nothing.
    Hangs,
    /// Refuses every user, for ever or for now in turn, and repeats what was said.
    RefusesUsers,
}

/// A mail server.
pub(crate) struct Smtp {
    pub(crate) port: u16,
    /// All that clients said, one conversation after the other, without what TLS hides.
    said: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Smtp {
    pub(crate) async fn start(manner: Manner, certificate: Option<&Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (said, mails) = (Arc::default(), Arc::default());
        let server = Self { port, said: Arc::clone(&said), mails: Arc::clone(&mails) };
        let acceptor = certificate.map(Certificate::acceptor);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let talk = Talk { said: Arc::clone(&said), mails: Arc::clone(&mails), manner };
                tokio::spawn(talk.with(stream, acceptor.clone()));
            }
        });
        server
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

struct Talk {
    said: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
    manner: Manner,
}

impl Talk {
    async fn with(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        match (self.manner, acceptor) {
            (Manner::Hangs, _) => {
                tokio::time::sleep(Duration::from_mins(2)).await;
                drop(stream);
            }
            (Manner::Tls, Some(acceptor)) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = self.talk(&mut BufReader::new(stream), false).await;
                }
            }
            (_, acceptor) => {
                let mut stream = BufReader::new(stream);
                let wants_tls = self.talk(&mut stream, false).await.unwrap_or(false);
                if let (true, Some(acceptor)) = (wants_tls, acceptor)
                    && let Ok(stream) = acceptor.accept(stream.into_inner()).await
                {
                    let _ = self.talk(&mut BufReader::new(stream), true).await;
                }
            }
        }
    }

    /// Answers until the client goes, or wants TLS.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        greeted: bool,
    ) -> std::io::Result<bool> {
        if !greeted {
            stream.write_all(b"220 mail.test ESMTP\r\n").await?;
        }
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            self.said.lock().unwrap().push(line.trim_end().to_owned());
            let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            let answer = match word.as_str() {
                "EHLO" if self.manner == Manner::Starttls && !greeted => {
                    "250-mail.test\r\n250-AUTH PLAIN\r\n250 STARTTLS".to_owned()
                }
                "EHLO" => "250-mail.test\r\n250 AUTH PLAIN".to_owned(),
                "AUTH" if self.manner == Manner::RefusesUsers => {
                    let turn = self.said.lock().unwrap().iter().filter(|line| line.starts_with("AUTH")).count();
                    let code = if turn.is_multiple_of(2) { "454 4.7.0 not now" } else { "535 5.7.8 no such user" };
                    format!("{code}: {}", line.trim_end())
                }
                "AUTH" => "235 2.7.0 welcome".to_owned(),
                "STARTTLS" => {
                    stream.write_all(b"220 go ahead\r\n").await?;
                    return Ok(true);
                }
                "DATA" => {
                    stream.write_all(b"354 go ahead\r\n").await?;
                    self.take(stream).await?
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 2.1.0 ok".to_owned(),
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }

    async fn take<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>) -> std::io::Result<String> {
        let mut mail = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(String::new());
            }
            if line == ".\r\n" {
                break;
            }
            mail.push_str(&line);
        }
        self.mails.lock().unwrap().push(mail);
        Ok("250 2.0.0 queued as 1".to_owned())
    }
}
