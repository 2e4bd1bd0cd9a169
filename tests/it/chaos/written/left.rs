//! What must be there in the end, and what must not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::bench::{Bench, State};
use super::maker::{Made, TARGET};
use super::plan::{By, Event, Kind, Plan};
use crate::chaos::bench::gauges_are_at_zero;
use crate::support::client;
use crate::support::wire::What;

/// URLs of a manifest that are tried, at the most.
const TRIED: usize = 15;

/// What was given up is taken back a little later, by tasks that nobody can wait for.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

impl Bench {
    /// Success is told exactly where it is true.
    pub async fn is_right(&self, plan: &Plan, made: &Made) -> Result<(), String> {
        if !made.success || made.told.is_null() {
            return Ok(());
        }
        match plan.kind {
            Kind::Package { .. } => {
                let target = target(made);
                if target.is_empty() {
                    return Err(format!("success, and nobody says where: {}", made.told));
                }
                let Some(package) = self.place.get(&target).await else {
                    return Err(format!("success without {target:?}"));
                };
                let archives = self
                    .states
                    .iter()
                    .filter_map(|state| state.archive.as_ref());
                match archives.into_iter().any(|archive| *archive == package) {
                    true => Ok(()),
                    false => Err(format!(
                        "success with {} bytes that are no archive of the bucket",
                        package.len()
                    )),
                }
            }
            Kind::Manifest => {
                let url = made.told["manifest_url"].as_str().expect("a URL");
                let answer = client::fetch("GET", url, &[]).await;
                let answer = answer.map_err(|error| error.to_string())?;
                if answer.status != 200 {
                    return Err(format!("success, and its URL answers {}", answer.status));
                }
                self.is_manifest(&answer.body)?;
                self.gives_the_objects(&answer.body).await
            }
        }
    }

    /// Each key of one state, with what is told of it.
    fn is_manifest(&self, lines: &[u8]) -> Result<(), String> {
        let row = |line: Value| {
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            Some((text("key")?, (line["size"].as_u64()?, text("etag")?)))
        };
        let rows: Option<BTreeMap<_, _>> = parsed(lines)?.into_iter().map(row).collect();
        let rows = rows.ok_or("a line lacks something")?;
        match self.states.iter().any(|state: &State| state.rows == rows) {
            true => Ok(()),
            false => Err(format!(
                "a manifest of {} lines is of no state of the bucket",
                rows.len()
            )),
        }
    }

    /// Each URL gives what the object has now.
    async fn gives_the_objects(&self, lines: &[u8]) -> Result<(), String> {
        let lines = parsed(lines)?;
        let step = lines.len().div_ceil(TRIED).max(1);
        for line in lines.iter().step_by(step) {
            let (key, url) = (line["key"].as_str(), line["url"].as_str());
            let (key, url) = key.zip(url).ok_or("a line lacks something")?;
            let answer = client::fetch("GET", url, &[]).await;
            let answer = answer.map_err(|error| error.to_string())?;
            let right = match self.place.get(key).await {
                Some(content) => answer.status == 200 && answer.body == content,
                None => answer.status == 404,
            };
            if !right {
                return Err(format!("the URL of {key:?} answers {}", answer.status));
            }
        }
        Ok(())
    }

    /// Nothing is held, and nothing lies around.
    pub async fn nothing_is_left(&self, plan: &Plan, made: &Made) -> Result<(), String> {
        if let Some(server) = self.maker.server() {
            gauges_are_at_zero(server).await?;
        }
        let mut left = Ok(());
        for _ in 0..LOOKS {
            left = self.is_tidy(plan, made).await;
            if left.is_ok() {
                return left;
            }
            tokio::time::sleep(PAUSE).await;
        }
        left
    }

    async fn is_tidy(&self, plan: &Plan, made: &Made) -> Result<(), String> {
        let event = plan.event.as_ref().map(|(event, _)| *event);
        // Nobody takes back what a process had under way that was killed, unless somebody goes on with it.
        let killed = event == Some(Event::Kill);
        let goes_on = matches!(plan.kind, Kind::Package { .. });
        let probe = format!("{TARGET}.sheaf-probe");
        if goes_on || !killed {
            self.place.nothing_is_open(&[TARGET, &probe]).await?;
        }
        let mut links = BTreeSet::new();
        let mut stray = Vec::new();
        for key in self.place.keys("").await? {
            let is_object = key.ends_with(".pdf");
            let flips = || plan.harms.iter().any(|h| matches!(h.what, What::Flip(_)));
            let is_wanted = made.success && key == target(made);
            if is_object || is_wanted || key.starts_with(".sheaf/distrusted/") && flips() {
                continue;
            }
            match key.strip_prefix(".sheaf/links/") {
                Some(link) if goes_on => {
                    links.insert(link.split('.').next().unwrap_or_default().to_owned());
                }
                _ => stray.push(key),
            }
        }
        // Whoever had asked a server that stops has gone away, which it may see after it has answered.
        let answered = event == Some(Event::Stop) && plan.by == By::Server;
        if (killed || answered) && plan.kind == Kind::Manifest && stray.len() == 1 {
            // The one that nobody was told of is whole all the same.
            let unknown = self.place.get(&stray[0]).await.unwrap_or_default();
            self.is_manifest(&unknown)?;
            stray.clear();
        }
        if !stray.is_empty() {
            return Err(format!("objects are left: {stray:?}"));
        }
        let known = match plan.by {
            By::Command => usize::from(made.success),
            By::Server => self.jobs().await?,
        };
        // A process that ended in between did not tell of its link, which ends by itself.
        let untold = usize::from(matches!(
            event,
            Some(Event::Kill | Event::Stop | Event::CallOff)
        ));
        if links.len() > known + untold {
            return Err(format!("{} links are left: {links:?}", links.len()));
        }
        Ok(())
    }

    /// Jobs that the server knows, all of which have ended.
    async fn jobs(&self) -> Result<usize, String> {
        let Some(server) = self.maker.server() else {
            return Ok(0);
        };
        let answer = server.get("/v1/jobs").await;
        let told: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
        let jobs = told["jobs"].as_array().map_or(&[][..], Vec::as_slice);
        match jobs.iter().all(|job| job["ended_at"].is_string()) {
            true => Ok(jobs.len()),
            false => Err(format!("jobs have not ended: {told}")),
        }
    }
}

fn parsed(lines: &[u8]) -> Result<Vec<Value>, String> {
    let lines = lines.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice(line).map_err(|error| error.to_string()));
    lines.collect()
}

/// The key of what was made, as it was told.
fn target(made: &Made) -> String {
    let told = &made.told;
    let key = told["manifest_key"].as_str().or(told["to"]["key"].as_str());
    let to = told["to"].as_str().and_then(|to| to.strip_prefix("s3://"));
    let to = to.and_then(|to| Some(to.split_once('/')?.1));
    key.or(to).unwrap_or_default().to_owned()
}
