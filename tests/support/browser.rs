//! A real browser: headless Chromium, driven over WebDriver.
//!
//! It has a profile and a folder for downloads of its own, both gone when it is dropped, and so are its processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::tools::tool;
use super::wait::eventually;

/// Chromium refuses to run as root inside its sandbox, and a container may have little shared memory. What it would ask
/// of its maker's servers is no part of a test.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
    "--window-size=1280,900",
];

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    /// What tests tell it to do.
    pub client: Client,
    session: String,
    driver: Driver,
    home: TempDir,
}

impl Browser {
    /// Starts it. `None`, and a line of explanation, where it is not installed.
    pub async fn start() -> Option<Browser> {
        Browser::start_with(&[]).await
    }

    /// Starts it with further arguments (`--lang=pt`).
    pub async fn start_with(arguments: &[&str]) -> Option<Browser> {
        let chromium = tool("chromium")?;
        let chromedriver = tool("chromedriver")?;
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("downloads")).expect("a folder");
        let driver = Driver::start(&chromedriver, home.path());
        let profile = format!("--user-data-dir={}", home.path().join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS
            .into_iter()
            .chain([profile.as_str()])
            .chain(arguments.iter().copied())
            .collect();
        let options = json!({
            "binary": chromium,
            "args": arguments,
            "prefs": {
                "download.default_directory": home.path().join("downloads"),
                "download.prompt_for_download": false,
            },
        });
        let capabilities = Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url())
            .await
            .expect("a session");
        let session = client.session_id().await;
        Some(Browser {
            client,
            session: session.expect("an id").expect("a session"),
            driver,
            home,
        })
    }

    /// Where it puts what it downloads.
    pub fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// Waits until the file of this name, which is not empty, has been downloaded whole. Chromium makes an empty file of
    /// that name just before it moves the whole one there.
    pub async fn downloaded(&self, name: &str) -> PathBuf {
        let path = self.downloads().join(name);
        eventually(&format!("the download of {name}"), || {
            let there = std::fs::metadata(&path).is_ok_and(|file| file.len() > 0);
            there.then(|| path.clone())
        })
        .await
    }

    /// Sends a command of the [DevTools protocol](https://chromedevtools.github.io/devtools-protocol/), for what
    /// WebDriver has no words for: colour schemes, screens, the network.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value, CmdError> {
        let command = DevTools(json!({"cmd": command, "params": parameters}));
        self.client.issue_cmd(command).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session; a driver that is killed leaves it behind.
        self.driver.end(&self.session);
    }
}

/// The program between tests and the browser; killed when it is dropped.
#[derive(Debug)]
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    fn start(program: &Path, home: &Path) -> Driver {
        let mut process = Command::new(program)
            .arg("--port=0")
            .env("HOME", home)
            .env("TMPDIR", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let stdout = process.stdout.take().expect("a piped standard output");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                let (_, port) = line.split_once("successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says where it listens");
        // What else it says goes nowhere, but must not find the pipe closed.
        std::thread::spawn(move || lines.for_each(drop));
        Driver { process, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends a session, and waits until it has ended.
    fn end(&self, session: &str) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return;
        };
        let request = format!(
            "DELETE /session/{session} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n",
            self.port
        );
        if stream.write_all(request.as_bytes()).is_ok() {
            let _ = stream.read(&mut [0; 512]);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}
