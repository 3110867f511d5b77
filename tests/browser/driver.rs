//! A headless Chromium, driven over `WebDriver` as its specification has it: a dozen requests need no library of thirty.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The name under which `WebDriver` answers with an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a browser can be driven here.
pub(crate) fn is_there() -> bool {
    let works = Command::new("chromedriver").arg("--version").stdout(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    assert!(
        works || std::env::var_os("READYPOST_REQUIRE_BROWSER").is_none(),
        "chromedriver is required and is not there"
    );
    if !works {
        println!("skipped: there is no chromedriver");
    }
    works
}

/// A browser with a profile of its own; it ends when this is dropped.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser only when it is asked to; without an answer that is all that can be done.
        let _ = self.end();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    fn end(&self) -> std::io::Result<()> {
        let address = self.session.trim_start_matches("http://");
        let (host, path) = address.split_once('/').unwrap_or_default();
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        // It answers once the browser has ended, and keeps the connection.
        stream.read(&mut [0; 512]).map(drop)
    }

    /// A window of this size; dark or light.
    pub(crate) async fn open(width: u32, height: u32, dark: bool) -> Self {
        let mut command = Command::new("chromedriver");
        let mut driver = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let window = format!("--window-size={width},{height}");
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let mut arguments = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &window,
            &user_data,
        ];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0");
        }
        let mobile =
            (width < 600).then(|| json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0 } }));
        let mut options = json!({ "args": arguments });
        if let (Some(mobile), Some(options)) = (mobile, options.as_object_mut()) {
            options.insert("mobileEmulation".to_owned(), mobile);
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" } } } });
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session"), http, _profile: profile };
        let begun = browser.ask("", &wanted).await;
        browser.session = format!("{}/{}", browser.session, begun["sessionId"].as_str().unwrap());
        browser
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        self.try_ask(path, body).await.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    async fn try_ask(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let answer = self.http.post(format!("{}{path}", self.session)).json(body).send().await.unwrap();
        let (good, mut body) = (answer.status().is_success(), answer.json::<Value>().await.unwrap());
        if good { Ok(body["value"].take()) } else { Err(body["value"].take()) }
    }

    async fn read(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.session)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["value"].take()
    }

    pub(crate) async fn go(&self, url: &str) {
        self.ask("/url", &json!({ "url": url })).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.read("/url").await.as_str().unwrap().to_owned()
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// What a script hands to the function that is its last argument.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        self.ask("/execute/async", &json!({ "script": script, "args": [] })).await
    }

    /// The text that is seen.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// Waits until a text is seen.
    pub(crate) async fn sees(&self, wanted: &str) {
        let begun = Instant::now();
        loop {
            let text = self.text().await;
            if text.contains(wanted) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{wanted:?} is not seen at {}:\n{text}", self.url().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The element that an `XPath` names, as soon as there is one.
    async fn element(&self, path: &str) -> String {
        let begun = Instant::now();
        loop {
            match self.try_ask("/element", &json!({ "using": "xpath", "value": path })).await {
                Ok(found) => return found[ELEMENT].as_str().unwrap().to_owned(),
                Err(error) if begun.elapsed() > PATIENCE => panic!("{path} at {}: {error}", self.url().await),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Clicks the link or button of this name.
    pub(crate) async fn click(&self, name: &str) {
        let path = format!("//*[self::a or self::button or self::summary][normalize-space(.)={name:?}]");
        let element = self.element(&path).await;
        self.ask(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// Types into the field of this name.
    pub(crate) async fn fill(&self, field: &str, text: &str) {
        let element = self.element(&format!("//*[@name={field:?} and not(@type='hidden')]")).await;
        self.ask(&format!("/element/{element}/clear"), &json!({})).await;
        self.ask(&format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    /// Chooses an option of the list of this name.
    pub(crate) async fn choose(&self, field: &str, option: &str) {
        let element = self.element(&format!("//select[@name={field:?}]/option[@value={option:?}]")).await;
        self.ask(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// Presses keys wherever the focus is.
    pub(crate) async fn press(&self, key: &str) {
        let actions = [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        self.ask("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// The whole page as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        use base64::Engine;
        let shot = self
            .ask(
                "/goog/cdp/execute",
                &json!({ "cmd": "Page.captureScreenshot",
            "params": { "captureBeyondViewport": true } }),
            )
            .await;
        base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// Errors and warnings of the console, and requests to anywhere but `home`.
    pub(crate) async fn complaints(&self, home: &str) -> Vec<String> {
        let console = self.ask("/se/log", &json!({ "type": "browser" })).await;
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let mut found: Vec<String> =
            console.as_array().unwrap().iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect();
        let network = self.ask("/se/log", &json!({ "type": "performance" })).await;
        for entry in network.as_array().unwrap() {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let sent = &message["message"]["params"]["request"]["url"];
            // Before anything is asked for, Chromium shows a page of its own.
            let ours = |url: &str| [home, "data:", "chrome:"].iter().any(|begin| url.starts_with(begin));
            if message["message"]["method"] == "Network.requestWillBeSent" && !sent.as_str().is_some_and(ours) {
                found.push(format!("a request to {sent}"));
            }
        }
        found
    }
}
