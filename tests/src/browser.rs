//! A real browser: Chromium, driven by chromedriver over its plain HTTP protocol (W3C WebDriver), with its developer tools.
//!
//! Both are gone when [`Browser`] is dropped. It goes nowhere by itself: whatever it asks for is in [`Browser::requests`].

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{guard::Running, http, scratch::Scratch, wait};

/// What is needed on the PATH.
pub const TOOLS: [&str; 2] = ["chromium", "chromedriver"];

/// One window of one browser.
pub struct Browser {
    driver: SocketAddr,
    session: String,
    _running: Running,
    _home: Scratch,
}

impl Browser {
    /// Starts it, without a window on any screen.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn start() -> Self {
        let home = Scratch::new();
        let mut command = Command::new("chromedriver");
        command.args(["--port=0", "--allowed-ips=127.0.0.1"]).env("HOME", home.path()).stdin(Stdio::null());
        let mut running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let port = port(&mut running);
        let driver = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = format!("--user-data-dir={}", home.path().join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--ignore-certificate-errors",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}});
        let answer = ask(driver, "POST", "/session", &wanted);
        let session = answer["sessionId"].as_str().expect("a session of chromedriver").to_owned();
        Self { driver, session, _running: running, _home: home }
    }

    fn command(&self, what: &str, body: &Value) -> Value {
        ask(self.driver, "POST", &format!("/session/{}/{what}", self.session), body)
    }

    /// Goes to an address, and waits until it is loaded.
    ///
    /// # Panics
    ///
    /// If that fails, as everything here.
    pub fn go(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// What a script returns that runs in the page.
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a command of the developer tools returns.
    pub fn tool(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Makes the window as large as that, on a telephone or not.
    pub fn size(&self, width: u32, height: u32, mobile: bool) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.tool("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Whether its user likes it dark.
    pub fn dark(&self, dark: bool) {
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        self.tool("Emulation.setEmulatedMedia", json!({ "features": [scheme] }));
    }

    /// Presses a key, as WebDriver numbers them.
    pub fn press(&self, key: char) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.command("actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] }));
    }

    /// What was written to its console since this was asked last: errors, warnings, what a policy has forbidden.
    pub fn console(&self) -> Vec<String> {
        self.log("browser").iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The addresses that it has asked for since this was asked last.
    pub fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            sent.then(|| event["message"]["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        events.collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.command("se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    /// What it shows, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let answer = self.tool("Page.captureScreenshot", json!({ "format": "png", "optimizeForSpeed": false }));
        STANDARD.decode(answer["data"].as_str().unwrap_or_default()).expect("a picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session; a driver that is killed would leave it behind.
        let path = format!("/session/{}", self.session);
        let _ = exchange(self.driver, "DELETE", &path, "{}");
    }
}

/// Chromedriver says where it listens.
fn port(running: &mut Running) -> u16 {
    let (said, heard) = std::sync::mpsc::channel();
    let stdout = running.0.stdout.take().expect("a pipe");
    // Read to the end, so that it can go on writing.
    thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(said.send(line))));
    wait::until("chromedriver's port", || {
        let line = heard.try_recv().ok()?;
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    })
}

fn ask(driver: SocketAddr, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = exchange(driver, method, path, &body.to_string())
        .unwrap_or_else(|error| panic!("chromedriver, {path}: {error}"));
    let value: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("chromedriver, {path}: {error}"));
    assert_eq!(status, 200, "chromedriver, {path}: {}", value["value"]);
    value["value"].clone()
}

/// One question and its answer. The browser that a driver has started holds on to its connections: an answer ends where its
/// length says, and not with the connection.
fn exchange(driver: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = http::connect(driver)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {driver}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut stream = BufReader::new(stream);
    let wrong = |line: &str| io::Error::other(format!("an answer that is none: {line:.300}"));
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| wrong(&line))?;
    let mut length = None;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length.ok_or_else(|| wrong("without a length"))?];
    stream.read_exact(&mut body)?;
    String::from_utf8(body).map(|body| (status, body)).map_err(io::Error::other)
}
