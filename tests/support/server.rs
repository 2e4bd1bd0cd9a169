//! The real binary as a server of its own, on a free port, over a folder or over another store.
//!
//! Its state, its log and, with [`Server::local`], its bucket lie in a temporary folder that goes when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use super::client::{self, Answered};
use super::process::Started;
pub use super::sheaf::sheaf;
use super::sheaf::{Sheaf, state_in};
use super::wait::eventually;

/// A running `sheaf serve`.
#[derive(Debug)]
pub struct Server {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    process: Started,
    home: TempDir,
}

impl Server {
    /// Serves an empty folder through the embedded store, without API keys.
    pub fn local() -> Server {
        Server::with(|command, home| {
            command.arg("--local").arg(bucket_in(home));
        })
    }

    /// Serves the bucket `bench` of another store, without API keys.
    pub fn over(endpoint: &str) -> Server {
        Server::over_with(endpoint, &[])
    }

    /// As [`Server::over`], with further arguments.
    pub fn over_with(endpoint: &str, arguments: &[&str]) -> Server {
        Server::with(|command, _| {
            command
                .env("S3_ENDPOINT_URL", endpoint)
                .env("BUCKET_NAME", "bench")
                .args(arguments);
        })
    }

    /// Serves as `change` says, which gets the command and the folder that everything is to lie in. Nothing of the
    /// environment is passed on; credentials for any store that does not look at them are there.
    pub fn with(change: impl FnOnce(&mut Command, &Path)) -> Server {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(bucket_in(home.path())).expect("a folder for the bucket");
        let log = home.path().join("log");
        let mut command = serve(home.path());
        change(&mut command, home.path());
        let process = command.start(&log).unwrap_or_else(|error| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            panic!("{error}\n{log}");
        });
        let line: Value = serde_json::from_str(&process.line).expect("a line of JSON");
        let url = line["listening"]
            .as_str()
            .expect("\"listening\" in the first line")
            .to_owned();
        Server { url, process, home }
    }

    /// The folder that is the bucket `local`.
    pub fn bucket(&self) -> PathBuf {
        bucket_in(self.home.path())
    }

    /// The folder that its state is in.
    pub fn state(&self) -> PathBuf {
        state_in(self.home.path())
    }

    /// Puts a file into the bucket, as somebody with a file manager would.
    pub fn drop_in(&self, key: &str, content: impl AsRef<[u8]>) {
        let path = self.bucket().join(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder in the bucket");
        fs::write(path, content).expect("a file in the bucket");
    }

    /// Sends a GET for a path with its query.
    pub async fn get(&self, target: &str) -> Answered {
        self.send("GET", target, &[]).await
    }

    /// Sends a request without a body.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answered {
        let url = format!("{}{target}", self.url);
        client::fetch(method, &url, headers)
            .await
            .expect("a whole answer")
    }

    /// Sends a POST with JSON as its body.
    pub async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answered {
        let json = [("content-type", "application/json")];
        self.post_with(target, &json, body).await
    }

    /// Sends a POST with these headers and no others.
    pub async fn post_with(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answered {
        let url = format!("{}{target}", self.url);
        client::fetch_with("POST", &url, headers, body)
            .await
            .expect("a whole answer")
    }

    /// All that it said so far, to people and to programs.
    pub fn said(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).expect("the log")
    }

    /// What it logged so far, line by line; what it says to people is left out.
    pub fn log(&self) -> Vec<Value> {
        let log = self.said();
        let written = log.rfind('\n').map_or("", |end| &log[..end]);
        written
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Asks every 50 ms, `tries` times at the most, until these gauges are at zero: connections end a little after their
    /// clients. The lines of those that are not.
    pub async fn held(&self, gauges: &[&str], tries: u32) -> Vec<String> {
        let mut held = Vec::new();
        for _ in 0..tries {
            let answer = self.get("/metrics").await;
            assert_eq!(answer.status, 200, "metrics");
            held = String::from_utf8_lossy(&answer.body)
                .lines()
                .filter(|line| gauges.iter().any(|gauge| line.starts_with(gauge)))
                .filter(|line| !line.ends_with(" 0"))
                .map(str::to_owned)
                .collect();
            if held.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        held
    }

    /// Waits for a line of the log.
    pub async fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually("a line of the log", || self.log().into_iter().find(&wanted)).await
    }

    /// The one line of a request. It is written when the answer ends, which the client may see first.
    pub async fn line(&self, request_id: &str) -> Value {
        let ours = |line: &Value| line["request_id"] == request_id;
        let line = self.logged(ours).await;
        assert_eq!(self.log().into_iter().filter(ours).count(), 1);
        line
    }

    /// Waits until the requests for `path` have ended in `outcomes`, in any order, and returns their lines.
    pub async fn outcomes(&self, path: &str, outcomes: &[&str]) -> Vec<Value> {
        let mut wanted = outcomes.to_vec();
        wanted.sort_unstable();
        let of_path = |line: &Value| line["message"] == "request" && line["path"] == path;
        eventually(&format!("{wanted:?}"), || {
            let lines: Vec<Value> = self.log().into_iter().filter(of_path).collect();
            let mut found: Vec<&str> = lines
                .iter()
                .filter_map(|line| line["outcome"].as_str())
                .collect();
            found.sort_unstable();
            (found == wanted).then_some(lines)
        })
        .await
    }

    /// The process, to be asked for its memory or to be sent a signal.
    pub fn process(&mut self) -> &mut Started {
        &mut self.process
    }

    /// Sends a signal by its name (`TERM`).
    pub fn signal(&mut self, name: &str) {
        let id = self.process.child().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits for the end of the process, while the runtime goes on.
    pub async fn exited(&mut self) -> ExitStatus {
        let child = self.process.child();
        eventually("the end of the process", || {
            child.try_wait().expect("a process of ours")
        })
        .await
    }

    /// Waits for the end of the process.
    pub fn ended(&mut self) -> ExitStatus {
        self.process.child().wait().expect("an exit status")
    }
}

/// Runs a `sheaf serve` that must not come to listen. Returns its exit code and what it says.
pub fn refused(change: impl FnOnce(&mut Command, &Path)) -> (Option<i32>, String) {
    let home = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(bucket_in(home.path())).expect("a folder for the bucket");
    let mut command = serve(home.path());
    change(&mut command, home.path());
    command.stdin(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut listening = String::new();
    let stdout = child.stdout.take().expect("a piped standard output");
    BufReader::new(stdout)
        .read_line(&mut listening)
        .expect("text");
    if !listening.is_empty() {
        drop(child);
        panic!("it listens: {listening}");
    }
    let output = child.wait_with_output().expect("an exit status");
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), said)
}

fn serve(home: &Path) -> Sheaf {
    let mut command = sheaf(home);
    command.arg("serve").env("SHEAF_LISTEN", "127.0.0.1:0");
    command
}

fn bucket_in(home: &Path) -> PathBuf {
    home.join("bucket")
}
