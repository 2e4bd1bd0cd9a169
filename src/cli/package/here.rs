//! The job of a package: the one that can be gone on with or a new one, worked on here until it has ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::PackageArgs;
use crate::cli::output::{self, Progress};
use crate::cli::{CliError, worker};
use crate::job::queue::{Job, NewJob, Queue, work};
use crate::job::run::{Ask, PACKAGE, Packager, Told};
use crate::job::{Means, Order, Target};
use crate::manifest::issue::unix;
use crate::manifest::library::StateKey;
use crate::manifest::{Library, Open, StateSpace};

/// Between two looks at the job.
const LOOK: Duration = Duration::from_millis(200);

/// Jobs that are looked through for one that can be gone on with.
const LOOKED_THROUGH: u32 = 100;

/// Where the job is, and who does it.
pub(super) struct Here {
    pub(super) queue: Queue,
    pub(super) means: Means,
    pub(super) library: Library,
    pub(super) space: StateSpace,
    pub(super) share_from: u64,
}

impl Here {
    /// The job that packages a manifest: an open one of the same archive for the same target, or a new one.
    pub(super) async fn entered(
        &self,
        manifest: Uuid,
        args: &PackageArgs,
    ) -> Result<String, CliError> {
        let open = self.library.open(manifest).await?;
        let header = open.frozen.header();
        let own = |id: Uuid| Target {
            bucket: self.space.bucket.clone(),
            key: self.space.key(StateKey::Package(id)),
        };
        let target = |id: Uuid| match &args.to {
            Some(to) => Target {
                bucket: to.bucket.clone(),
                key: to.prefix.clone(),
            },
            None => own(id),
        };
        for job in self.queue.jobs_of("", LOOKED_THROUGH).await? {
            let Ok(ask) = serde_json::from_str::<Ask>(&job.request) else {
                continue;
            };
            let id = ask.order.manifest;
            let same = !job.state.is_end()
                && !job.cancelled
                && ask.order.target == target(id)
                && ask.order.state == self.space
                && ask.filename == header.filename;
            if !same {
                continue;
            }
            let its = self.library.open(id).await;
            if its.is_ok_and(|its| are_same(&its, &open)) {
                output::note(&format!("going on with the job {}", job.id));
                let revoked = self.library.revoke(manifest).await;
                revoked.map_err(|error| CliError::Link(error.into()))?;
                return Ok(job.id);
            }
        }
        let ask = Ask {
            order: Order {
                manifest,
                state: self.space.clone(),
                target: target(manifest),
                method: args.method,
                verify: args.verify,
                replace: args.replace,
            },
            expires: header.expires,
            filename: header.filename.clone(),
            entries: header.count as u64,
            bytes: header.archive_len,
        };
        let left = header.expires.saturating_sub(unix(SystemTime::now()));
        let new = NewJob {
            id: Uuid::new_v4().to_string(),
            kind: PACKAGE,
            owner: String::new(),
            request: serde_json::to_string(&ask).unwrap_or_default(),
            subject: manifest.to_string(),
            size: header.archive_len,
            keep: Duration::from_secs(left),
        };
        self.queue.enter(&new).await?;
        Ok(new.id)
    }

    /// Works on the job, and on no other, until it has ended, by this process or another one.
    pub(super) async fn until_ended(
        &self,
        id: &str,
        stop: impl Future<Output = ()>,
    ) -> Result<Job, CliError> {
        let stopping = CancellationToken::new();
        let runner = Arc::new(Packager {
            means: self.means.clone(),
            queue: self.queue.clone(),
            share_from: self.share_from,
        });
        let working = work(
            self.queue.only(id),
            runner,
            1,
            worker::name(),
            stopping.clone(),
        );
        let watching = async {
            let outcome = tokio::select! {
                ended = self.watch(id) => ended,
                () = stop => Err(CliError::Left { job: id.to_owned() }),
            };
            stopping.cancel();
            outcome
        };
        let ((), outcome) = tokio::join!(working, watching);
        if matches!(outcome, Err(CliError::Left { .. }))
            && let Some(job) = self.queue.job(id).await?
            && job.state.is_end()
        {
            // It had come so far that nothing was left to go on with.
            return Ok(job);
        }
        outcome
    }

    async fn watch(&self, id: &str) -> Result<Job, CliError> {
        let (mut progress, mut shown) = (None, 0);
        loop {
            let job = self.queue.job(id).await?;
            let job = job.ok_or_else(|| CliError::NoSuchJob { job: id.to_owned() })?;
            if job.state.is_end() {
                return Ok(job);
            }
            if let Ok(Told { shown: now, .. }) = serde_json::from_str(&job.progress)
                && now.bytes_total > 0
            {
                let bar = progress.get_or_insert_with(|| Progress::towards(now.bytes_total));
                bar.advance(now.bytes.saturating_sub(shown));
                bar.count(now.parts, "parts");
                shown = shown.max(now.bytes);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether two manifests have the same objects. That the store has a checksum of one by now makes no other of it.
fn are_same(one: &Open, other: &Open) -> bool {
    let objects = |open: &Open| {
        let header = open.frozen.header();
        (header.bucket.clone(), header.prefix.clone(), header.count)
    };
    objects(one) == objects(other)
        && one
            .frozen
            .rows(0)
            .zip(other.frozen.rows(0))
            .all(|(a, b)| (a.key, a.size, a.etag, a.version) == (b.key, b.size, b.etag, b.version))
}
