//! `sheaf worker`: runs the jobs of a queue, beside a server or on another machine.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tokio::net::TcpListener;
use tracing::info;

use super::listen::listen;
use super::open::{Opened, open};
use super::signals::Signals;
use super::{CliError, S3Url, output, serve};
use crate::config::serve::resolve;
use crate::config::{BucketArgs, Environment, QueueArgs, QueueConfig, StoreArgs};
use crate::http::operators::{self, Operated};
use crate::job::Means;
use crate::job::queue::{Queue, work};
use crate::job::run::Packager;
use crate::measure;
use crate::read_ahead::{DEFAULT_BUDGET, MemoryBudget};
use crate::size::ByteSize;
use crate::store::{Bucket, embedded};

/// Options of `sheaf worker`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  SHEAF_QUEUE=postgres://sheaf:PASSWORD@db/sheaf sheaf worker
  sheaf worker --queue postgres://sheaf@db/sheaf --slots 2

Once it works it prints {\"worker\":…,\"queue\":…,\"slots\":…} on standard output, and \"admin\" with --admin-listen. SIGTERM and SIGINT stop it: what it has under \
way is given back, and goes on elsewhere from where it is.")]
pub struct WorkerArgs {
    /// The memory that its jobs may fill with bytes under way: bytes, or 64MiB, 1GiB
    #[arg(
        long,
        value_name = "SIZE",
        default_value_t = ByteSize::new(DEFAULT_BUDGET),
        env = "SHEAF_MEMORY_BUDGET",
        hide_env_values = true
    )]
    memory_budget: ByteSize,

    /// An address for /metrics, /healthz and /readyz, without a key [default: none]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "SHEAF_ADMIN_LISTEN",
        hide_env_values = true
    )]
    admin_listen: Option<String>,

    /// The buckets that jobs may name.
    #[command(flatten)]
    buckets: BucketArgs,

    /// Where the jobs are.
    #[command(flatten)]
    queue: QueueArgs,

    /// Where the objects are.
    #[command(flatten)]
    store: StoreArgs,
}

/// What is printed once it works.
#[derive(Debug, Serialize)]
struct Working<'a> {
    worker: &'a str,
    queue: String,
    slots: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
}

/// Works until a signal comes.
///
/// # Errors
/// [`CliError::Config`], [`CliError::Queue`], [`CliError::NoQueue`], [`CliError::Listen`].
pub async fn run(args: WorkerArgs) -> Result<(), CliError> {
    let signals = Signals::catch()?;
    let environment = Environment::of_process();
    let place = args.store.check(environment)?;
    let config = args
        .queue
        .check(environment, place.state_dir.as_deref(), 1)?;
    let memory = crate::config::serve::memory_budget(args.memory_budget)?;
    let url = config.url.as_ref().ok_or(CliError::NoQueue)?;
    let queue = Queue::open(url, config.terms).await?;
    let queue = queue.of_store(&config.store_name(&place));
    let local = S3Url {
        // Without a folder the store is the same for all buckets.
        bucket: Bucket::new(embedded::BUCKET).map_err(crate::config::ConfigError::from)?,
        prefix: String::new(),
    };
    let Opened { store, .. } = open(&args.store, &local).await?;
    let means = Means {
        store,
        budget: MemoryBudget::new(memory),
        allowed: args.buckets.check()?,
    };
    let operators = match &args.admin_listen {
        Some(text) => Some(listen(&resolve("--admin-listen", text)?)?),
        None => None,
    };
    let admin = operators.as_ref().map(TcpListener::local_addr);
    let admin = admin.transpose().map_err(CliError::Server)?;
    let name = name();
    output::result(&Working {
        worker: &name,
        queue: url.to_string(),
        slots: config.slots,
        admin: admin.map(|address| serve::local_url("http", address)),
    })?;
    let told = Operated {
        queue: queue.clone(),
        memory: means.budget.clone(),
    };
    let telling = async {
        match operators {
            Some(listener) => {
                measure::install();
                operators::answer(listener, told).await
            }
            None => std::future::pending().await,
        }
    };
    let working = |stop| async {
        tokio::select! {
            () = work_on(queue, means, &config, name, stop) => {}
            never = telling => match never {},
        }
    };
    signals.around(working).await;
    Ok(())
}

/// Runs jobs until `stop`, then gives back what is under way.
pub(super) async fn work_on(
    queue: Queue,
    means: Means,
    config: &QueueConfig,
    name: String,
    stop: impl Future<Output = ()>,
) {
    let stopping = tokio_util::sync::CancellationToken::new();
    let runner = Arc::new(Packager {
        means,
        queue: queue.clone(),
        share_from: config.share_from,
    });
    let working = work(queue.clone(), runner, config.slots, name, stopping.clone());
    let told = async {
        stop.await;
        info!("jobs under way are given back");
        stopping.cancel();
    };
    tokio::join!(working, told);
    queue.close().await;
}

/// What logs call this process.
pub(super) fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = host.unwrap_or_default();
    match host.trim() {
        "" => std::process::id().to_string(),
        host => format!("{host}/{}", std::process::id()),
    }
}
