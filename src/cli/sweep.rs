//! `sheaf sweep`: removing what links leave behind.

use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use super::open::{Opened, open};
use super::{CliError, S3Url, output};
use crate::config::{ConfigError, Environment, StoreArgs};
use crate::job::package::trace::{self, SweptPackages};
use crate::manifest::Library;
use crate::manifest::issue::unix;
use crate::manifest::sweep::Swept;
use crate::read_ahead::MemoryBudget;
use crate::store::{Bucket, embedded};

/// Options of `sheaf sweep`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf sweep --bucket my-bucket
  sheaf sweep --local ./files

What it prints:
  {\"kept\":…,\"expired\":…,\"orphans\":…,\"unknown\":…,\"uploads\":…,\"packages\":…}

Archives that were packaged among sheaf's own objects go with their links, and so do uploads of jobs that nobody goes on \
with. What cannot be taken back is told, the rest is swept, and the command fails. Links are removed a day after they have \
ended. Objects that are not sheaf's are left alone, and so are presigned manifests: a lifecycle rule on manifests/ removes \
those.")]
pub struct SweepArgs {
    /// The bucket of requests that name none: the server keeps its own objects there
    #[arg(
        long,
        value_name = "BUCKET",
        env = "BUCKET_NAME",
        hide_env_values = true
    )]
    bucket: Option<String>,

    #[command(flatten)]
    store: StoreArgs,
}

/// What was found, and what was done.
#[derive(Debug, Serialize)]
struct All {
    #[serde(flatten)]
    links: Swept,
    #[serde(flatten)]
    packages: SweptPackages,
}

/// Sweeps, and prints what was done.
///
/// # Errors
/// As [`Library::sweep`] says; [`CliError::Unswept`] where the rest was swept.
pub async fn run(args: SweepArgs) -> Result<(), CliError> {
    let state = args.store.check(Environment::of_process())?.state;
    let name = match (&args.bucket, &args.store.local) {
        (_, Some(_)) => Some(embedded::BUCKET),
        (named, None) => named.as_deref(),
    };
    let default = name.map(Bucket::new).transpose();
    let default = default.map_err(ConfigError::from)?;
    let space = state.space(default.as_ref()).ok_or(CliError::NoBucket)?;
    let url = S3Url {
        bucket: space.bucket.clone(),
        prefix: String::new(),
    };
    let Opened { store, .. } = open(&args.store, &url).await?;
    let library = Library::new(&store, space.clone(), &MemoryBudget::default());
    let links = library.sweep(unix(SystemTime::now())).await?;
    let mut failed = 0;
    let packages = trace::sweep(&store, &space, |unswept| {
        output::note(&unswept.to_string());
        failed += 1;
    })
    .await;
    output::result(&All { links, packages })?;
    match failed {
        0 => Ok(()),
        failed => Err(CliError::Unswept { failed }),
    }
}
