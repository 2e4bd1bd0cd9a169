//! `POST /v1/jobs` and `POST /v1/manifests`, and the servers that do what they are asked to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{LEASE, Made, Wanted};
use crate::chaos::written::plan::Kind;
use crate::jobs::json_of;
use crate::support::client;
use crate::support::server::Server;

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(100);

/// A server, and those that were there before it.
pub struct Asked {
    wanted: Wanted,
    home: PathBuf,
    server: Server,
    gone: String,
    /// The job, once its id is known.
    job: Option<String>,
}

impl Asked {
    pub(super) fn new(wanted: Wanted, home: &Path) -> Asked {
        Asked {
            server: replica(&wanted, home),
            home: home.to_owned(),
            wanted,
            gone: String::new(),
            job: None,
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn said(&self) -> String {
        format!("{}{}", self.gone, self.server.said())
    }

    /// Asks, unless there is a job already, which is waited for.
    pub(super) async fn make(&mut self) -> Made {
        if self.job.is_none()
            && let Some(ended) = self.ask().await
        {
            return ended;
        }
        self.job_ended().await
    }

    /// A manifest, or why there is no job.
    async fn ask(&mut self) -> Option<Made> {
        let (path, body) = match self.wanted.kind {
            Kind::Manifest => ("/v1/manifests", json!({})),
            Kind::Package { copies, full, .. } => {
                let mut body = json!({
                    "method": if copies { "copy" } else { "auto" },
                    "verify": if full { "full" } else { "sample" },
                });
                if let Some(to) = self.wanted.to() {
                    body["to"] = to.into();
                }
                ("/v1/jobs", body)
            }
        };
        let url = format!("{}{path}", self.server.url);
        let answered = match client::post(&url, &body).await {
            Ok(answered) => answered,
            Err(error) => return Some(failed(error.to_string())),
        };
        let told = json_of(&answered);
        if answered.status == 202 {
            self.job = Some(told["id"].as_str().expect("an id").to_owned());
            return None;
        }
        Some(Made {
            success: answered.status == 201,
            told,
            said: answered.status.to_string(),
        })
    }

    async fn job_ended(&self) -> Made {
        let path = format!("/v1/jobs/{}", self.job.as_deref().expect("a job"));
        loop {
            let answered = client::fetch("GET", &format!("{}{path}", self.server.url), &[]).await;
            // A connection that breaks says nothing of the job.
            let job = answered.map_or(Value::Null, |answered| json_of(&answered));
            if job["ended_at"].is_string() {
                break Made {
                    success: job["state"] == "done",
                    told: job,
                    said: String::new(),
                };
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Another one takes its place, with the same queue.
    pub(super) fn kill(&mut self) {
        self.server.signal("KILL");
        self.server.ended();
        self.succeed();
    }

    pub(super) async fn stop(&mut self, signalled: impl FnOnce()) {
        self.server.signal("TERM");
        signalled();
        let ended = self.server.exited().await;
        assert!(ended.success(), "{ended}");
        self.succeed();
    }

    fn succeed(&mut self) {
        self.gone.push_str(&self.server.said());
        self.server = replica(&self.wanted, &self.home);
    }

    /// Cancels a job, or goes away. The server notices that while it waits, and says so in the request's line.
    pub(super) async fn call_off(&mut self, called: impl FnOnce()) -> Made {
        let line = match self.job {
            Some(_) => Value::Null,
            None => {
                let of_it = |line: &Value| line["message"] == "request" && line["method"] == "POST";
                self.server.logged(of_it).await
            }
        };
        if self.job.is_none() {
            self.job = self.newest().await;
        }
        if let Some(job) = &self.job {
            let path = format!("/v1/jobs/{job}");
            let answered = self.server.send("DELETE", &path, &[]).await;
            assert!(answered.status.is_success(), "{answered:?}");
            called();
            return self.job_ended().await;
        }
        called();
        failed(line.to_string())
    }

    /// The id of a job whose client did not wait for it.
    async fn newest(&self) -> Option<String> {
        let told = json_of(&self.server.get("/v1/jobs").await);
        Some(told["jobs"][0]["id"].as_str()?.to_owned())
    }
}

fn failed(why: String) -> Made {
    Made {
        success: false,
        told: Value::Null,
        said: why,
    }
}

fn replica(wanted: &Wanted, home: &Path) -> Server {
    Server::with(|command, _| {
        wanted.put_on(command);
        command
            .env(
                "SHEAF_QUEUE",
                format!("sqlite:{}", home.join("jobs").display()),
            )
            .env("SHEAF_JOB_LEASE", LEASE)
            .args(["--store-name", "chaos"]);
    })
}
