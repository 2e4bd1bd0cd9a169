//! `sheaf manifest`: a presigned manifest of a prefix.

use clap::Args;

use super::error::hint;
use super::open::open;
use super::{CliError, S3Url, output};
use crate::config::{RunArgs, StoreArgs, serve};
use crate::manifest::{PublishOptions, Selection, publish};
use crate::period::Period;

/// Options of `sheaf manifest`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf manifest s3://my-bucket/reports/2024/
  sheaf manifest s3://my-bucket/reports/ --include '*.pdf' --include '*.csv' --expires-in 12h

What it prints:
  {\"bucket\":…,\"prefix\":…,\"count\":…,\"bytes\":…,\"manifest_key\":…,\"manifest_url\":…,\"expires_at\":…}

Whoever has manifest_url can fetch all of the files, without credentials:
  curl -fsS \"$MANIFEST_URL\" | jq -r .url | wget --content-disposition -i -")]
pub struct ManifestArgs {
    /// What to list
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    url: S3Url,

    /// Take only keys that match, below the prefix; may be repeated [default: *.pdf]
    ///
    /// `*` stands for any characters, slashes too; case does not matter. `--include '*'` takes everything.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,

    /// How long the URLs live: seconds, or 15m, 12h, 7d (the longest)
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15m",
        env = "URL_EXPIRY_SECONDS",
        hide_env_values = true
    )]
    expires_in: Period,

    #[command(flatten)]
    runs: RunArgs,

    #[command(flatten)]
    store: StoreArgs,
}

/// Makes the manifest and prints where it is.
///
/// # Errors
/// As [`publish()`] says; nothing is left in the bucket then.
pub async fn run(args: ManifestArgs) -> Result<(), CliError> {
    let expires_in = serve::expiry(args.expires_in)?;
    let selection = Selection::new(args.url.bucket.clone(), &args.url.prefix, &args.include)?;
    let opened = open(&args.store, &args.url).await?;
    let options = PublishOptions {
        expires_in,
        queue_max: args.runs.queue_max.get(),
        watch: args.runs.watch(),
        ..PublishOptions::default()
    };
    let published = publish(&opened.store, &selection, &options).await?;
    if published.count == 0 {
        let sought = selection.sought();
        output::note(&format!("the manifest is empty: {sought}{}", hint(&sought)));
    }
    if let Some(warning) = &published.warning {
        output::note(&format!("warning: {warning}"));
    }
    if let Some(warning) = &opened.warning {
        output::note(warning);
    }
    output::result(&published)
}
