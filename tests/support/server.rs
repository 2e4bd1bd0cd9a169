//! The real binary as a server of its own, on a free port, over a folder or over another store.
//!
//! Its state, its log and, with [`Server::local`], its bucket lie in a temporary folder that goes when it is dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{self, Answered};
use super::process::Started;

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
        Server::with(|command, _| {
            command
                .env("S3_ENDPOINT_URL", endpoint)
                .env("BUCKET_NAME", "bench");
        })
    }

    /// Serves as `change` says, which gets the command and the folder that everything is to lie in. Nothing of the
    /// environment is passed on; credentials for any store that does not look at them are there.
    pub fn with(change: impl FnOnce(&mut Command, &Path)) -> Server {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(bucket_in(home.path())).expect("a folder for the bucket");
        let log = File::create(home.path().join("log")).expect("a file for the log");
        let mut command = sheaf(home.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stderr(log);
        change(&mut command, home.path());
        let process = Started::new(&mut command).unwrap_or_else(|error| {
            let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
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

    /// The folder that holds its state.
    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
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

    /// What it logged so far, line by line.
    pub fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.home.path().join("log")).expect("the log");
        log.lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
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

    /// Waits for the end of the process.
    pub fn ended(&mut self) -> ExitStatus {
        self.process.child().wait().expect("an exit status")
    }
}

/// The binary, with a home of its own and nothing else of the environment but the search path.
pub fn sheaf(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sheaf"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("SHEAF_STATE_DIR", home.join("state"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1");
    command
}

fn bucket_in(home: &Path) -> PathBuf {
    home.join("bucket")
}
