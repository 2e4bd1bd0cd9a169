//! `sheaf zip`: the archive of a prefix, into a file or a pipe.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use self::target::Target;
use super::open::open;
use super::output::{self, Progress};
use super::{CliError, S3Url};
use crate::archive::Method;
use crate::config::StoreArgs;
use crate::download::LiveArchive;
use crate::manifest::Selection;
use crate::read_ahead::MemoryBudget;

pub mod target;

/// Options of `sheaf zip`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf zip s3://my-bucket/reports/2024/ -o reports.zip
  sheaf zip s3://my-bucket/photos/ --include '*.jpg' --include '*.png' -o photos.zip
  sheaf zip s3://my-bucket/exports/ --include '*' --method deflate -o exports.zip
  sheaf zip s3://my-bucket/reports/ -o - | ssh host 'cat > reports.zip'

The file appears when it is complete, or not at all.")]
pub struct ZipArgs {
    /// What to archive
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    url: S3Url,

    /// The archive's file; - is standard output
    #[arg(short, long, value_name = "FILE|-")]
    output: PathBuf,

    /// Take only keys that match, below the prefix; may be repeated [default: *.pdf]
    ///
    /// `*` stands for any characters, slashes too; case does not matter. `--include '*'` takes everything.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,

    /// How files stand in the archive
    #[arg(long, value_enum, value_name = "HOW", default_value = "store")]
    method: Method,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    file: Option<&'a std::path::Path>,
    entries: usize,
    bytes: u64,
}

/// Writes the archive and prints what it holds.
///
/// # Errors
/// No file is written or replaced then.
pub async fn run(args: ZipArgs) -> Result<(), CliError> {
    let selection = Selection::new(args.url.bucket.clone(), &args.url.prefix, &args.include)?;
    let piped = args.output.as_os_str() == "-";
    if piped && io::stdout().is_terminal() {
        return Err(CliError::Terminal);
    }
    let target = if piped {
        Target::Output
    } else {
        Target::file(&args.output)?
    };
    let opened = open(&args.store, &args.url).await?;
    let mut archive = LiveArchive::open(
        &opened.store,
        &MemoryBudget::default(),
        &selection,
        args.method,
    )
    .await?;
    let mut writing = target.start()?;
    let progress = Progress::open_ended();
    let mut entries = 0;
    while let Some(frame) = archive.next().await? {
        progress.advance(frame.len() as u64);
        if entries != archive.entries() {
            entries = archive.entries();
            progress.count(entries as u64, "files");
        }
        writing.write(frame).await?;
    }
    writing.finish().await?;
    drop(progress);
    let summary = Summary {
        file: (!piped).then_some(args.output.as_path()),
        entries: archive.entries(),
        bytes: archive.bytes(),
    };
    if piped {
        output::result_aside(&summary);
        return Ok(());
    }
    output::result(&summary)
}
