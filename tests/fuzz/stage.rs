//! A server between a client and a simulator: it learns good answers, then plays them with one of them changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer as it was learnt.
#[derive(Clone, Debug)]
pub(crate) struct Learnt {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Play {
    learnt: BTreeMap<String, Learnt>,
    /// The simulator, while answers are learnt.
    from: Option<String>,
    changed: Option<(String, Learnt)>,
    asked: Vec<String>,
}

/// The server; it ends with its runtime.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) address: String,
    play: Arc<Mutex<Play>>,
}

impl Stage {
    /// Learns from the server at `from`, an address without a path.
    pub(crate) async fn learning(from: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let play = Arc::new(Mutex::new(Play { from: Some(from.to_owned()), ..Play::default() }));
        let shared = Arc::clone(&play);
        // None is kept: the door may close an idle connection at the moment of the next request.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared), http.clone()));
            }
        });
        Self { address, play }
    }

    /// From now on nothing is learnt any more.
    pub(crate) fn play(&self) {
        self.play.lock().unwrap().from = None;
    }

    /// What was learnt, by question.
    pub(crate) fn learnt(&self) -> BTreeMap<String, Learnt> {
        self.play.lock().unwrap().learnt.clone()
    }

    /// Answers this question otherwise until the next change, and forgets what was asked.
    pub(crate) fn change(&self, question: &str, answer: Learnt) {
        let mut play = self.play.lock().unwrap();
        play.changed = Some((question.to_owned(), answer));
        play.asked.clear();
    }

    /// The questions since the last change.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.play.lock().unwrap().asked)
    }
}

/// Reads one request: its head and its body.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let all = end + 4 + length.unwrap_or_default();
            if buffer.len() >= all {
                let body = buffer[end + 4..all].to_vec();
                buffer.drain(..all);
                return Some((head, body));
            }
        }
        buffer.reserve(16 << 10);
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

async fn serve(mut stream: TcpStream, play: Arc<Mutex<Play>>, http: reqwest::Client) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut buffer).await {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let question = format!("{method} {target} {}", String::from_utf8_lossy(&body));
        let from = play.lock().unwrap().from.clone();
        let answer = match from {
            Some(from) => {
                let answer = forward(&http, &head, (method, &format!("{from}{target}")), body).await;
                play.lock().unwrap().learnt.insert(question, answer.clone());
                answer
            }
            None => known(&mut play.lock().unwrap(), question),
        };
        let head = format!(
            "HTTP/1.1 {} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.status,
            answer.body.len()
        );
        if stream.write_all(&[head.as_bytes(), &answer.body].concat()).await.is_err() {
            return;
        }
    }
}

/// The answer to a question: the changed one, the learnt one, or that of the question most like it.
fn known(play: &mut Play, question: String) -> Learnt {
    let changed = play.changed.as_ref().filter(|(changed, _)| *changed == question).map(|(_, answer)| answer.clone());
    let alike = |one: &str, other: &str| {
        let path = |text: &str| text.split([' ', '?']).take(2).collect::<Vec<_>>().join(" ");
        path(one) == path(other)
    };
    let learnt = || play.learnt.get(&question).cloned();
    let like = || play.learnt.iter().find(|(known, _)| alike(known, &question)).map(|(_, answer)| answer.clone());
    let none = || Learnt { status: 404, body: br#"{"code":"NotFound","message":"not found"}"#.to_vec() };
    let answer = changed.or_else(learnt).or_else(like).unwrap_or_else(none);
    play.asked.push(question);
    answer
}

async fn forward(http: &reqwest::Client, head: &str, (method, url): (&str, &str), body: Vec<u8>) -> Learnt {
    let mut request = http.request(method.parse().unwrap(), url).body(body);
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        if !["host", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    Learnt { status: answer.status().as_u16(), body: answer.bytes().await.unwrap().to_vec() }
}
