//! Controls the Chromium of Debian through chromedriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The timeout of one request. Starting a browser on a busy machine is slow.
const PATIENCE: Duration = Duration::from_mins(2);

/// Attempts to start chromedriver.
const STARTS_MAX: usize = 5;

/// Only the pages cause traffic. The sandbox is off because it does not work for root.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A browser with one window. It ends on drop.
pub(crate) struct Browser {
    driver: Child,
    http: Client,
    base: String,
    /// The profile. Each browser has a new one.
    profile: TempDir,
}

impl Browser {
    /// Starts a browser that resolves these names to this machine.
    pub(crate) async fn start(names: &str) -> Self {
        Self::with_text_of(16, names).await
    }

    /// Starts a browser whose reader chose this size of text, in pixels.
    pub(crate) async fn with_text_of(size: u32, names: &str) -> Self {
        let (driver, port) = started();
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            driver,
            http: client(),
            base: format!("http://127.0.0.1:{port}/session"),
            profile,
        };
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        let profile = browser.profile.path().display();
        flags.push(format!("--user-data-dir={profile}"));
        flags.push(format!("--host-resolver-rules=MAP {names} 127.0.0.1"));
        let text = json!({"default_font_size": size, "default_fixed_font_size": size * 13 / 16});
        let prefs = json!({"webkit": {"webprefs": text}});
        let options = json!({"goog:chromeOptions": {"args": flags, "prefs": prefs}});
        let wanted = json!({"capabilities": {"alwaysMatch": options}});
        let session = browser.call(Method::POST, "", &wanted).await;
        let id = session["sessionId"].as_str().unwrap().to_owned();
        browser.base = format!("{}/{id}", browser.base);
        browser
    }

    /// Opens a page.
    pub(crate) async fn open(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({"url": url})).await;
    }

    /// Runs a script in the page. Returns the value that the script passes to its last argument.
    pub(crate) async fn run(&self, script: &str, argument: &str) -> Value {
        let call = json!({"script": script, "args": [argument]});
        self.call(Method::POST, "/execute/async", &call).await
    }

    /// Runs a script in the page. None if the page was left meanwhile.
    pub(crate) async fn attempt(&self, script: &str) -> Option<Value> {
        let url = format!("{}/execute/async", self.base);
        let call = json!({"script": script, "args": [""]});
        let answer = self.http.post(url).body(call.to_string()).send().await;
        let answer = answer.unwrap();
        if !answer.status().is_success() {
            return None;
        }
        let mut answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        Some(answer["value"].take())
    }

    /// The HTML of the page, or of its frame with this index.
    pub(crate) async fn text(&self, frame: Option<u32>) -> String {
        self.call(Method::POST, "/frame", &json!({"id": frame}))
            .await;
        let script = json!({"script": "return document.documentElement.outerHTML", "args": []});
        let text = self.call(Method::POST, "/execute/sync", &script).await;
        self.call(Method::POST, "/frame", &json!({"id": null}))
            .await;
        text.as_str().unwrap().to_owned()
    }

    /// Opens an empty window next to the others and goes to it. Returns its name for [`Browser::go_to`].
    pub(crate) async fn new_window(&self) -> String {
        let new = json!({"type": "window"});
        let new = self.call(Method::POST, "/window/new", &new).await;
        let name = new["handle"].as_str().unwrap().to_owned();
        self.go_to(&name).await;
        name
    }

    /// Goes to a window: the next calls are about its page.
    pub(crate) async fn go_to(&self, window: &str) {
        self.call(Method::POST, "/window", &json!({"handle": window}))
            .await;
    }

    /// Sends a command of the protocol of the developer tools.
    pub(crate) async fn command(&self, name: &str, params: Value) -> Value {
        let call = json!({"cmd": name, "params": params});
        self.call(Method::POST, "/goog/cdp/execute", &call).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A DELETE request makes chromedriver end its browser. A signal would leave the browser running.
        let (http, url) = (self.http.clone(), self.base.clone());
        let asked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            // Inside of the runtime, because the time limit of the request needs its clock.
            let _ended = runtime.block_on(async { http.delete(url).send().await });
        });
        let _asked = asked.join();
        let _ended = self.driver.kill();
        let _ended = self.driver.wait();
    }
}

/// A client that trusts nobody and uses no proxy.
pub(crate) fn client() -> Client {
    let _in_place = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().tls_certs_only([]);
    client.timeout(PATIENCE).build().unwrap()
}

/// A running chromedriver and its port. It chooses a port and then listens, so another program can take the port first. Then
/// it ends, and the next one chooses another port.
fn started() -> (Child, u16) {
    let mut starts = (0..STARTS_MAX).filter_map(|_| {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: install Debian's chromium and chromium-driver");
        let port = port(&mut driver);
        if port.is_none() {
            driver.wait().unwrap();
        }
        Some((driver, port?))
    });
    starts.next().expect("chromedriver listens")
}

/// The port of chromedriver, from its output. None if it ended.
fn port(driver: &mut Child) -> Option<u16> {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let said = lines.find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // Reads the rest, so that the pipe does not fill up.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    said
}
