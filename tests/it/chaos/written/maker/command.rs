//! `sheaf package` and `sheaf manifest`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tokio::task::JoinHandle;

use super::{LEASE, Made, Wanted};
use crate::chaos::written::plan::Kind;
use crate::support::sheaf::sheaf;

/// Commands of one home, one after the other.
pub struct Commands {
    wanted: Wanted,
    home: PathBuf,
    running: Option<(u32, JoinHandle<Output>)>,
    /// What those that have ended said.
    pub said: String,
}

impl Commands {
    pub(super) fn new(wanted: Wanted, home: &Path) -> Commands {
        Commands {
            wanted,
            home: home.join("commands"),
            running: None,
            said: String::new(),
        }
    }

    pub(super) async fn make(&mut self) -> Made {
        self.start(&self.arguments());
        self.ended().await
    }

    /// Sends a signal to the one that runs, and waits for its end.
    pub(super) async fn signal(&mut self, name: &str, signalled: impl FnOnce()) -> Made {
        let (id, _) = self.running.as_ref().expect("one that runs");
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &id.to_string()]);
        kill.status().expect("a program that runs");
        signalled();
        self.ended().await
    }

    /// Interrupts it, and takes a job back.
    pub(super) async fn call_off(&mut self, called: impl FnOnce()) -> Made {
        let interrupted = self.signal("INT", called).await;
        let left = interrupted.said.split_once("goes on with the job ");
        let job = left.and_then(|(_, rest)| rest.split_whitespace().next());
        let Some(job) = job.map(str::to_owned) else {
            return interrupted;
        };
        let from = format!("s3://{}/", self.wanted.bucket);
        self.start(&["package".to_owned(), from, "--cancel".to_owned(), job]);
        let cancelled = self.ended().await;
        assert!(cancelled.success, "{}", cancelled.said);
        Made {
            success: cancelled.told["state"] == "done",
            ..cancelled
        }
    }

    fn arguments(&self) -> Vec<String> {
        let from = format!("s3://{}/", self.wanted.bucket);
        let Kind::Package { copies, full, .. } = self.wanted.kind else {
            return vec!["manifest".to_owned(), from];
        };
        let mut arguments = vec!["package".to_owned(), from];
        let mut add = |name: &str, value: &str| {
            arguments.extend([name.to_owned(), value.to_owned()]);
        };
        add("--method", if copies { "copy" } else { "auto" });
        add("--verify", if full { "full" } else { "sample" });
        if let Some(to) = self.wanted.to() {
            add("--to", &to);
        }
        arguments
    }

    fn start(&mut self, arguments: &[String]) {
        let mut command = sheaf(&self.home);
        command.args(arguments);
        if arguments[0] == "package" {
            command.env("SHEAF_JOB_LEASE", LEASE);
        }
        self.wanted.put_on(&mut command);
        let running = command.spawn().expect("a process");
        let id = running.id();
        let ended = tokio::task::spawn_blocking(|| running.wait_with_output().expect("an end"));
        self.running = Some((id, ended));
    }

    async fn ended(&mut self) -> Made {
        let (_, ended) = self.running.as_mut().expect("one that runs");
        let output = ended.await.expect("no panic");
        self.running = None;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        self.said.push_str(&said);
        Made {
            success: output.status.success(),
            told: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
            said,
        }
    }
}
