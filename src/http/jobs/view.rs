//! A job as it is shown: nothing of what a worker keeps for itself, and URLs that work now.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde::Serialize;
use time::OffsetDateTime;

use crate::disposition;
use crate::http::Problem;
use crate::http::routes::App;
use crate::job::queue::{Job, State};
use crate::job::run::{Ask, Told};
use crate::job::{Method, Packaged, Phase, Target};
use crate::manifest::issue::{segment, unix};

/// A job as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Job))]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    pub state: State,
    /// Whether it was cancelled, and has still to be put down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// The id of the link that it packages.
    #[cfg_attr(test, schema(value_type = uuid::Uuid))]
    pub link: String,
    /// The name of the archive.
    pub filename: String,
    /// Where the archive goes.
    pub to: Target,
    /// Files in it.
    pub count: u64,
    /// What it is at; absent unless it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Parts that stand.
    pub parts: u64,
    /// Parts in all; 0 before they are planned.
    pub parts_total: u64,
    /// Bytes of the archive that stand or are on their way.
    pub bytes: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// Those of the bytes that the store copied by itself.
    pub copied: u64,
    /// Bytes per second, lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// When it will be done, at this rate.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, schema(value_type = Option<String>, format = DateTime))]
    pub estimated_end: Option<OffsetDateTime>,
    /// Why nothing is copied within the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it failed; or of a job that is tried again, why the last try did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(test, schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
    /// When it was first begun.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, schema(value_type = Option<String>, format = DateTime))]
    pub ended_at: Option<OffsetDateTime>,
    /// The page of the link; absent where the server does not know its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
    /// The same archive, streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip_url: Option<String>,
    /// What leads recipients to the packaged archive, as long as the link lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packaged_url: Option<String>,
    /// The packaged archive in its bucket, presigned just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The entity tag that the store gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// How it was made in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Entries that were read back and hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<u64>,
}

impl JobView {
    /// Shows a job.
    ///
    /// # Errors
    /// 503 `queue-unavailable`; as the store says where a URL cannot be signed.
    pub async fn of(app: &App, headers: &HeaderMap, job: &Job) -> Result<JobView, Problem> {
        let ask: Ask = serde_json::from_str(&job.request)
            .map_err(|error| Problem::unreadable_job(&error.to_string()))?;
        let told = told(app, job).await?;
        let packaged: Option<Packaged> = serde_json::from_str(&job.result).ok();
        let packaged = packaged.filter(|_| job.state == State::Done);
        let runs = matches!(job.state, State::Running | State::Waiting);
        let whole = packaged.as_ref().map(|packaged| packaged.bytes);
        let total = whole.unwrap_or(ask.bytes);
        let uploads = told.shown.phase == Phase::Uploading;
        let left = total.saturating_sub(told.shown.bytes) as f64 / told.rate.max(1.0);
        let estimated = (runs && uploads && told.rate >= 1.0).then(|| {
            let left = time::Duration::seconds_f64(left.min(1e9));
            OffsetDateTime::now_utc()
                .replace_nanosecond(0)
                .unwrap_or(job.created)
                + left
        });
        let now = SystemTime::now();
        let link = ask.order.manifest;
        let is_alive = ask.expires > unix(now);
        let page = app.links().ok().filter(|_| is_alive).and_then(|links| {
            let base = app.base_url(headers)?;
            Some(format!("{base}/d/{}", links.keys.sign(link, ask.expires)))
        });
        let at = packaged.as_ref().map(|packaged| &packaged.target);
        let url = match at.filter(|at| app.may_hand_out(at, link).is_ok()) {
            None => None,
            Some(at) => Some(
                app.config
                    .store
                    .presign_get(
                        &at.bucket,
                        &at.key,
                        None,
                        now,
                        app.config.expires_in.max(Duration::from_secs(1)),
                        Some(disposition::attachment(&ask.filename)),
                    )
                    .await?,
            ),
        };
        Ok(JobView {
            id: job.id.clone(),
            state: match job.state {
                State::Waiting => State::Running,
                state => state,
            },
            cancelling: job.cancelled && !job.state.is_end(),
            link: link.to_string(),
            to: ask.order.target,
            count: ask.entries,
            phase: runs.then_some(told.shown.phase),
            parts: told.shown.parts,
            parts_total: told.shown.parts_total,
            bytes: whole.unwrap_or(told.shown.bytes.min(total)),
            bytes_total: total,
            copied: packaged
                .as_ref()
                .map_or(told.shown.copied, |packaged| packaged.copied),
            rate: (runs && told.rate >= 1.0).then_some(told.rate as u64),
            estimated_end: estimated,
            note: told.shown.note,
            error: Some(job.error.clone())
                .filter(|error| !error.is_empty() && job.state != State::Done),
            created_at: job.created,
            started_at: job.started,
            ended_at: job.ended,
            zip_url: page
                .as_ref()
                .map(|page| format!("{page}/{}", segment(&ask.filename))),
            packaged_url: page
                .as_ref()
                .filter(|_| packaged.is_some())
                .map(|page| format!("{page}/packaged")),
            page_url: page,
            filename: ask.filename,
            url,
            etag: packaged.as_ref().map(|packaged| packaged.etag.clone()),
            method: packaged.as_ref().map(|packaged| packaged.method),
            verified: packaged.as_ref().map(|packaged| packaged.verified),
        })
    }
}

/// How far a job is; while it waits for its parts, how far these are.
async fn told(app: &App, job: &Job) -> Result<Told, Problem> {
    let read = |job: &Job| serde_json::from_str::<Told>(&job.progress).unwrap_or_default();
    let mut told = read(job);
    if job.state == State::Waiting {
        let parts = app.queue()?.parts_of(&job.id).await?;
        told.shown.phase = Phase::Uploading;
        for part in &parts {
            let own = read(part);
            told.shown.parts += own.shown.parts;
            told.shown.bytes += own.shown.bytes;
            told.shown.copied += own.shown.copied;
            if part.state == State::Running {
                told.rate += own.rate;
            }
        }
    }
    Ok(told)
}
