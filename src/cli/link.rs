//! `sheaf link`: a signed link to the archive of a prefix.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use url::Url;

use super::open::{Opened, open};
use super::{CliError, S3Url, output};
use crate::config::{
    ConfigError, Environment, LinkKeys, StoreArgs, StoreConfig, at_least_one, web_url,
};
use crate::manifest::issue::LONGEST_LIFE;
use crate::manifest::{Chosen, Library, Selection, Wish, issue};
use crate::period::Period;
use crate::read_ahead::MemoryBudget;
use crate::store::Bucket;

mod given;

/// Options of `sheaf link`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf link s3://my-bucket/reports/2024/ --public-url https://files.example.org
  sheaf link s3://local/reports/ --local ./files --include '*.pdf' --include '*.csv' --expires-in 30d

  jq -c 'select(.size < 1000000)' manifest.jsonl | sheaf link s3://my-bucket/reports/ --from -
  sheaf link s3://my-bucket/reports/ --passphrase-file secret.txt --max-downloads 3 --crc scan

What it prints:
  {\"id\":…,\"page_url\":…,\"zip_url\":…,\"manifest_url\":…,\"count\":…,\"bytes\":…,\"etag\":…,\"expires_at\":…}

A server answers the link that has the same bucket for its own objects (--state-bucket, else --bucket) and the same \
keys (SHEAF_LINK_KEYS, else the file link-keys in --state-dir). Whoever has zip_url can download, and resume:
  wget -c \"$ZIP_URL\"")]
pub struct LinkArgs {
    /// What to link to
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    url: S3Url,

    /// Take only keys that match, below the prefix; may be repeated [default: *.pdf]
    ///
    /// `*` stands for any characters, slashes too; case does not matter. `--include '*'` takes everything.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,

    /// The name under which the archive is saved [default: the last folder of the prefix]
    #[arg(long, value_name = "NAME")]
    filename: Option<String>,

    /// How long the link lives: seconds, or 15m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d")]
    expires_in: Period,

    /// Take the keys from a manifest, a JSON object with a "key" on each line, instead of a listing; - is standard input
    ///
    /// It may be one that was made earlier and filtered. Where a line has a size or an etag, the object must have the
    /// same. All keys must begin with the prefix, which the names in the archive lose.
    #[arg(long, value_name = "FILE", conflicts_with = "include")]
    from: Option<PathBuf>,

    /// Where checksums come from: from the store alone, or what it lacks is read once and hashed, so that the archive
    /// opens in every reader and no range ever waits
    #[arg(long, value_enum, value_name = "HOW", default_value = "stored")]
    crc: Crc,

    /// Ask recipients for the passphrase in the first line of this file [default: that in SHEAF_LINK_PASSPHRASE, if set]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// End the link when its archive was downloaded whole so many times
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one::<NonZeroU32>)]
    max_downloads: Option<NonZeroU32>,

    /// The URL under which clients reach the server [default: with --local, that of the running server]
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

    #[command(flatten)]
    store: StoreArgs,
}

/// Where rows have their CRC-32 from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Crc {
    /// From the store alone
    Stored,
    /// What the store does not tell is read and hashed
    Scan,
}

/// The life of a link.
///
/// # Errors
/// [`CliError::LinkLife`] where there is no such life.
pub(super) fn life(expires_in: Period) -> Result<Duration, CliError> {
    let life = expires_in.duration();
    if life.is_zero() || life > LONGEST_LIFE {
        return Err(CliError::LinkLife(expires_in));
    }
    Ok(life)
}

/// Where sheaf's own objects are: in the bucket of requests that name none, else in that of the prefix.
///
/// # Errors
/// [`ConfigError`] where the name is none of a bucket.
pub(super) fn state_bucket(
    named: Option<&str>,
    store: &StoreArgs,
    url: &S3Url,
) -> Result<Bucket, CliError> {
    match (named, &store.local) {
        (Some(name), None) => Ok(Bucket::new(name).map_err(ConfigError::from)?),
        _ => Ok(url.bucket.clone()),
    }
}

/// Makes the link and prints it.
///
/// # Errors
/// As [`issue()`] says; nothing is left in the bucket then.
pub async fn run(args: LinkArgs) -> Result<(), CliError> {
    let environment = Environment::of_process();
    let StoreConfig {
        state, state_dir, ..
    } = args.store.check(environment)?;
    let keys = LinkKeys::of(environment, state_dir.as_deref())?;
    let bucket = state_bucket(args.bucket.as_deref(), &args.store, &args.url)?;
    let named = args.public_url.as_deref();
    let named = named.map(|url| web_url("--public-url", url)).transpose()?;
    let selection = Selection::new(args.url.bucket.clone(), &args.url.prefix, &args.include)?
        .apart_from(&state.prefix);
    let chosen = match &args.from {
        Some(from) => Chosen::Keys {
            bucket: args.url.bucket.clone(),
            prefix: args.url.prefix.clone(),
            wanted: given::wanted(from)?,
            state_prefix: state.prefix.clone(),
        },
        None => Chosen::Selection(selection),
    };
    let passphrase = given::passphrase(args.passphrase_file, environment)?;
    let expires_in = life(args.expires_in)?;
    let Opened { store, site, .. } = open(&args.store, &args.url).await?;
    let base = named.map(|url: Url| url.as_str().trim_end_matches('/').to_owned());
    let base = base.or(site).ok_or(CliError::NoPublicUrl)?;
    let (keys, made) = keys.open()?;
    if let Some(path) = made {
        output::note(&format!(
            "made a key for links in {}; servers answer them that have it too",
            path.display()
        ));
    }
    let space = state.space_in(&bucket);
    let library = Library::new(&store, space, &MemoryBudget::default());
    let wish = Wish {
        chosen,
        filename: args.filename,
        expires_in,
        scan: (args.crc == Crc::Scan).then(given::scan),
        passphrase,
        max_downloads: args.max_downloads,
        base,
    };
    let issued = issue(&store, &library, &keys, wish, SystemTime::now()).await?;
    output::result(&issued)
}
