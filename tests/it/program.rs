//! The `sheaf` program itself, run with nothing of this environment but what a test gives it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::sheaf::{self, Sheaf};

/// A place to run in: a working directory, a home, and variables.
#[derive(Clone, Debug)]
pub struct Place {
    dir: Arc<TempDir>,
    variables: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Place {
    /// An empty one, with credentials that no store refuses to read.
    pub fn new() -> Place {
        let place = Place {
            dir: Arc::new(tempfile::tempdir().unwrap()),
            variables: Vec::new(),
        };
        std::fs::create_dir(place.path("home")).unwrap();
        place
            .set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .set("AWS_SECRET_ACCESS_KEY", sheaf::SECRET_KEY)
            .set("AWS_REGION", "us-east-1")
            .set("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// With one variable more, or another value for it.
    pub fn set(mut self, name: &str, value: &str) -> Place {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a variable.
    pub fn unset(mut self, name: &str) -> Place {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// A path below the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and the folders that lead to it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Sheaf {
        let mut command = Sheaf::bare();
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.dir.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end, off the test's own threads, on which its servers answer.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output());
        Ended::from(output.await.unwrap().unwrap())
    }

    /// Starts a run that goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().unwrap();
        Running {
            stdout: child.stdout.take().map(BufReader::new),
            child,
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// The result of a run that did what it was asked to.
    pub fn result(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// The message of a run that failed with this code and printed no result.
    pub fn failure(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stdout.is_empty(), "a failure is no result");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        &self.stderr
    }
}

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: sheaf::Running,
    stdout: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    /// The next line of its standard output, as JSON.
    pub async fn line(&mut self) -> Value {
        let mut stdout = self.stdout.take().unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (stdout, line))
        });
        let (stdout, line) = read.await.unwrap().unwrap();
        self.stdout = Some(stdout);
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> Ended {
        let waiting = tokio::task::spawn_blocking(move || {
            let mut stdout = Vec::new();
            if let Some(mut from) = self.stdout.take() {
                from.read_to_end(&mut stdout).unwrap();
            }
            let output = self.child.wait_with_output().unwrap();
            Ended::from(Output { stdout, ..output })
        });
        waiting.await.unwrap()
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
