//! `sheaf verify`: reads an archive back, wherever it is, and says whether it is sound.

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use self::target::Target;
use super::CliError;
use super::open::open;
use super::output::{self, Progress};
use crate::config::StoreArgs;
use crate::verify::{Source, check};

pub mod target;

/// Options of `sheaf verify`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf verify reports.zip
  sheaf verify https://files.example.com/d/AbC123/reports.zip
  sheaf verify s3://my-bucket/archives/reports.zip

Checks archives of stored and deflated entries, as sheaf makes them: every CRC-32 and every size, that both headers of an entry \
agree, that entries do not overlap, that nothing is left over, and that no name leads out of the folder that the \
archive is extracted into.

Prints {\"ok\":true,…}, or {\"ok\":false,…,\"fault\":{\"entry\":…,\"offset\":…,\"kind\":…,\"detail\":…}} with the first \
fault and exit code 1.")]
pub struct VerifyArgs {
    /// The archive: a file, a URL whose server answers ranges, or an object
    #[arg(value_name = "FILE|URL|s3://BUCKET/KEY", value_parser = OsStringValueParser::new().try_map(Target::parse))]
    archive: Target,

    #[command(flatten)]
    store: StoreArgs,
}

/// Reads the archive and prints what was found.
///
/// # Errors
/// [`CliError::Unsound`] after the report of a faulty archive; [`CliError::Source`] where it cannot be read.
pub async fn run(args: VerifyArgs) -> Result<(), CliError> {
    let name = args.archive.to_string();
    let source = match args.archive {
        Target::File(path) => Source::file(&path).await?,
        Target::Url(url) => Source::url(url, args.store.ca_file.as_deref()).await?,
        Target::Object(object) => {
            let store = open(&args.store, &object).await?.store;
            Source::object(&store, &object.bucket, &object.prefix).await?
        }
    };
    let progress = Progress::towards(source.len());
    let mut shown = 0;
    let mut advance = |at: u64| {
        progress.advance(at.saturating_sub(shown));
        shown = shown.max(at);
    };
    let report = check(source, &name, &mut advance).await?;
    drop(progress);
    output::result(&report)?;
    match report.fault {
        None => Ok(()),
        Some(fault) => Err(CliError::Unsound {
            source_name: name,
            fault: Box::new(fault),
        }),
    }
}
