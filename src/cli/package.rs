//! `sheaf package`: the archive of a prefix, written into a bucket.

use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;

use self::here::Here;
use super::open::{Opened, open};
use super::output;
use super::signals::Signals;
use super::{CliError, S3Url, link};
use crate::config::{Environment, LinkKeys, QueueArgs, StoreArgs, web_url};
use crate::disposition;
use crate::job::queue::{Job, Queue, State};
use crate::job::run::Ask;
use crate::job::{Means, Method, Packaged, Target, Verify};
use crate::manifest::issue::{at, segment, unix};
use crate::manifest::{Chosen, Library, Selection, Wish, issue};
use crate::period::Period;
use crate::read_ahead::MemoryBudget;
use crate::store::AllowedBuckets;

mod here;

/// The memory that bytes under way may take: with all the rest it stays below 128 MiB.
const MEMORY: usize = 64 << 20;

/// How long the presigned URL of the result lives, at the most.
const URL_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Options of `sheaf package`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf package s3://my-bucket/reports/2024/
  sheaf package s3://my-bucket/reports/2024/ --to s3://archives/2024.zip --verify full

What it prints:
  {\"job\":…,\"link\":…,\"to\":\"s3://…\",\"bytes\":…,\"entries\":…,\"etag\":…,\"method\":…,\"verified\":…,\"url\":…,…}

The archive is byte for byte the one of the link that is made for it. Objects that are larger than 10 MiB and have a CRC-32 \
that the store tells are copied within the store, where it can do that.

The job is kept in a queue, where a server or a worker may go on with it. Interrupted by Ctrl-C, SIGTERM or worse, the same \
command goes on from the parts that are uploaded; --cancel JOB takes them back.")]
pub struct PackageArgs {
    /// What to archive
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    url: S3Url,

    /// Where to; among sheaf's own objects it goes when its link ends [default: there]
    #[arg(long, value_name = "s3://BUCKET/KEY")]
    to: Option<S3Url>,

    /// Replace what stands there
    #[arg(long, requires = "to")]
    replace: bool,

    /// Take only keys that match, below the prefix; may be repeated [default: *.pdf]
    ///
    /// `*` stands for any characters, slashes too; case does not matter. `--include '*'` takes everything.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,

    /// The name under which the archive is saved [default: the last folder of the prefix]
    #[arg(long, value_name = "NAME")]
    filename: Option<String>,

    /// How the bytes get into the archive
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto")]
    method: Method,

    /// How much of the archive is read back
    #[arg(long, value_enum, value_name = "HOW", default_value = "sample")]
    verify: Verify,

    /// How long its link lives: seconds, or 15m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d")]
    expires_in: Period,

    /// Take back a job that was interrupted, and what of it is in the bucket
    #[arg(long, value_name = "JOB", conflicts_with_all = ["to", "include", "filename"])]
    cancel: Option<String>,

    /// The URL under which clients reach the server, for the link's URLs
    #[arg(
        long,
        value_name = "URL",
        env = "SHEAF_PUBLIC_URL",
        hide_env_values = true
    )]
    public_url: Option<String>,

    /// The bucket of requests that name none: the server keeps its own objects there [default: that of the prefix]
    #[arg(
        long,
        value_name = "BUCKET",
        env = "BUCKET_NAME",
        hide_env_values = true
    )]
    bucket: Option<String>,

    /// Where the job is kept.
    #[command(flatten)]
    queue: QueueArgs,

    #[command(flatten)]
    store: StoreArgs,
}

/// What is printed in the end.
#[derive(Debug, Serialize)]
struct Summary {
    job: String,
    link: String,
    to: String,
    bytes: u64,
    entries: u64,
    etag: String,
    method: Method,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    copied: u64,
    verified: u64,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip_url: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: time::OffsetDateTime,
}

/// Packages, and prints where the archive is.
///
/// # Errors
/// [`CliError::Job`] where the job fails; nothing is left of it then. [`CliError::Left`] where it can be gone on with.
pub async fn run(args: PackageArgs) -> Result<(), CliError> {
    let signals = Signals::catch()?;
    let environment = Environment::of_process();
    let config = args.store.check(environment)?;
    let expires_in = link::life(args.expires_in)?;
    if args.to.as_ref().is_some_and(|to| to.prefix.is_empty()) {
        return Err(CliError::NoTargetKey);
    }
    let named = args.public_url.as_deref();
    let named = named.map(|url| web_url("--public-url", url)).transpose()?;
    let selection = Selection::new(args.url.bucket.clone(), &args.url.prefix, &args.include)?
        .apart_from(&config.state.prefix);
    let bucket = link::state_bucket(args.bucket.as_deref(), &args.store, &args.url)?;
    let space = config.state.space_in(&bucket);
    let keys = LinkKeys::of(environment, config.state_dir.as_deref())?;
    let queue = args
        .queue
        .check(environment, config.state_dir.as_deref(), 1)?;
    let url = queue.url.as_ref().ok_or(CliError::NoQueue)?;
    let Opened { store, site, .. } = open(&args.store, &args.url).await?;
    let base = named.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let here = Here {
        queue: Queue::open(url, queue.terms)
            .await?
            .of_store(&queue.store_name(&config)),
        means: Means {
            store: store.clone(),
            budget: MemoryBudget::new(MEMORY),
            // Whoever calls the command names the buckets.
            allowed: AllowedBuckets::default(),
        },
        library: Library::new(&store, space.clone(), &MemoryBudget::new(MEMORY)),
        space,
        share_from: queue.share_from,
    };
    signals
        .quietly(|stop| async move {
            let (keys, _) = keys.open()?;
            let mut made = None;
            let job = match &args.cancel {
                Some(id) => {
                    here.queue.cancel(id).await?;
                    id.clone()
                }
                None => {
                    let wish = Wish {
                        chosen: Chosen::Selection(selection),
                        filename: args.filename.clone(),
                        expires_in,
                        scan: None,
                        passphrase: None,
                        max_downloads: None,
                        base: String::new(),
                    };
                    let issued = issue(&store, &here.library, &keys, wish, SystemTime::now());
                    let issued = issued.await?.id;
                    made = Some(issued);
                    here.entered(issued, &args).await?
                }
            };
            let ended = here.until_ended(&job, stop).await;
            here.queue.close().await;
            let ended = ended?;
            if args.cancel.is_some() {
                return cancelled(&ended);
            }
            let asked = ask(&ended)?;
            let packaged = match result(&ended) {
                Ok(packaged) => packaged,
                Err(error) => {
                    // Nobody has heard of the link. If it cannot be taken away, it ends by itself.
                    if made == Some(asked.order.manifest) {
                        let _ = here.library.revoke(asked.order.manifest).await;
                    }
                    return Err(error);
                }
            };
            let now = SystemTime::now();
            let rest = Duration::from_secs(asked.expires.saturating_sub(unix(now)).max(1));
            let Target { bucket, key } = &packaged.target;
            let name = Some(disposition::attachment(&asked.filename));
            let signed = store.presign_get(bucket, key, None, now, URL_LIFE.min(rest), name);
            let token = keys.sign(asked.order.manifest, asked.expires);
            let page_url = base.or(site).map(|base| format!("{base}/d/{token}"));
            output::result(&Summary {
                job: ended.id.clone(),
                link: asked.order.manifest.to_string(),
                to: format!("s3://{bucket}/{key}"),
                url: signed.await.map_err(|error| CliError::Link(error.into()))?,
                bytes: packaged.bytes,
                entries: packaged.entries,
                etag: packaged.etag,
                method: packaged.method,
                note: packaged.note,
                copied: packaged.copied,
                verified: packaged.verified,
                zip_url: page_url
                    .as_ref()
                    .map(|page| format!("{page}/{}", segment(&asked.filename))),
                page_url,
                expires_at: at(asked.expires),
            })
        })
        .await
}

fn cancelled(job: &Job) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Ended<'a> {
        job: &'a str,
        state: State,
    }
    output::result(&Ended {
        job: &job.id,
        state: job.state,
    })
}

/// What a job was about.
fn ask(job: &Job) -> Result<Ask, CliError> {
    serde_json::from_str(&job.request).map_err(|error| failed(job, error.to_string()))
}

/// What a job came to.
fn result(job: &Job) -> Result<Packaged, CliError> {
    match job.state {
        State::Done => {
            serde_json::from_str(&job.result).map_err(|error| failed(job, error.to_string()))
        }
        State::Cancelled => Err(failed(job, "it was cancelled".to_owned())),
        _ => Err(failed(job, job.error.clone())),
    }
}

fn failed(job: &Job, reason: String) -> CliError {
    CliError::Job {
        job: job.id.clone(),
        reason,
    }
}
