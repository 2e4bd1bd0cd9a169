//! Which store, and how it is reached: options that all commands share.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use super::{ConfigError, Environment, StateConfig, Switch, at_least_one, web_url};
use crate::period::Period;
use crate::store::{Identity, StoreOptions};

/// Raw options of the store.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Serve this folder as the bucket `local` instead of using an S3 store
    ///
    /// The folder itself is the bucket: its files are the objects, nothing is imported. It may be read-only. `local` is
    /// then also the default bucket.
    #[arg(long, value_name = "DIR", env = "SHEAF_LOCAL", hide_env_values = true)]
    pub local: Option<PathBuf>,

    /// Where state is kept [default: $XDG_STATE_HOME/sheaf, or ~/.local/state/sheaf]
    ///
    /// With --local: the embedded store's credentials, and the objects that sheaf itself writes. The default has a
    /// sub-folder for every folder that is served.
    #[arg(
        long,
        value_name = "DIR",
        env = "SHEAF_STATE_DIR",
        hide_env_values = true
    )]
    pub state_dir: Option<PathBuf>,

    /// The bucket where sheaf keeps its own objects, links for one [default: the bucket of requests that name none]
    ///
    /// All servers that answer the same links need the same.
    #[arg(
        long,
        value_name = "BUCKET",
        env = "SHEAF_STATE_BUCKET",
        hide_env_values = true
    )]
    pub state_bucket: Option<String>,

    /// What the keys of sheaf's own objects begin with [default: .sheaf/]
    ///
    /// Nothing below it is ever part of an archive or a manifest.
    #[arg(
        long,
        value_name = "PREFIX",
        env = "SHEAF_STATE_PREFIX",
        hide_env_values = true
    )]
    pub state_prefix: Option<String>,

    /// Use another S3 store than AWS: `http://127.0.0.1:9000`
    ///
    /// Also taken from AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL. Credentials come from the usual AWS chain: environment,
    /// profile, web identity, container, instance.
    #[arg(
        long,
        value_name = "URL",
        env = "S3_ENDPOINT_URL",
        hide_env_values = true
    )]
    pub endpoint_url: Option<String>,

    /// The name under which recipients reach the store, for presigned URLs [default: the endpoint]
    #[arg(
        long,
        value_name = "URL",
        env = "S3_PUBLIC_ENDPOINT_URL",
        hide_env_values = true
    )]
    pub public_endpoint: Option<String>,

    /// The store's region [default: the AWS chain's (AWS_DEFAULT_REGION, profile), else us-east-1]
    #[arg(
        long,
        value_name = "REGION",
        env = "AWS_REGION",
        hide_env_values = true
    )]
    pub region: Option<String>,

    /// Take credentials and region from this profile of the AWS configuration files
    ///
    /// Goes before keys in the environment. AWS_PROFILE names a profile too, but comes after them, as everywhere.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Do not sign requests, for public buckets; manifests cannot be made then
    #[arg(
        long,
        env = "S3_ANONYMOUS",
        value_parser = Switch,
        hide_env_values = true
    )]
    pub anonymous: bool,

    /// Pay for requests and traffic, where the bucket wants its requesters to
    #[arg(
        long,
        env = "S3_REQUESTER_PAYS",
        value_parser = Switch,
        hide_env_values = true
    )]
    pub requester_pays: bool,

    /// Trust these root certificates (PEM) too, beside the system's
    #[arg(
        long,
        value_name = "FILE",
        env = "AWS_CA_BUNDLE",
        hide_env_values = true
    )]
    pub ca_file: Option<PathBuf>,

    /// Ask for `https://host/bucket/key`; the default with an endpoint of its own
    #[arg(long, conflicts_with = "virtual_hosted")]
    pub path_style: bool,

    /// Ask for `https://bucket.host/key`; the default for AWS
    #[arg(long)]
    pub virtual_hosted: bool,

    /// Both of the above, for the environment
    #[arg(
        long,
        value_enum,
        value_name = "STYLE",
        default_value_t,
        env = "S3_ADDRESSING_STYLE",
        hide_env_values = true
    )]
    pub addressing_style: AddressingStyle,

    /// How long a connection to the store may take to open
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive, env = "SHEAF_CONNECT_TIMEOUT", hide_env_values = true)]
    pub connect_timeout: Option<Period>,

    /// How long the store may be silent before a read is given up
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = positive, env = "SHEAF_READ_TIMEOUT", hide_env_values = true)]
    pub read_timeout: Option<Period>,

    /// Connections to the store at the most
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "256",
        env = "SHEAF_MAX_STORE_CONNECTIONS",
        hide_env_values = true
    )]
    pub max_store_connections: Option<NonZeroUsize>,
}

/// How a bucket is named in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AddressingStyle {
    /// Path style with an endpoint of its own, else virtual-hosted.
    #[default]
    Auto,
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    Virtual,
}

/// A checked store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Which store.
    pub place: Place,
    /// How it is reached.
    pub options: StoreOptions,
    /// Where sheaf keeps its own objects.
    pub state: StateConfig,
    /// A folder for what only this machine needs to know; `None` where there is no home to keep it in.
    pub state_dir: Option<PathBuf>,
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// AWS, or the endpoint in the options.
    Remote,
    /// A folder, served by this program.
    Local {
        /// The folder, canonical.
        dir: PathBuf,
        /// Where its state is kept.
        state_dir: PathBuf,
    },
}

impl StoreArgs {
    /// Checks the options. `--local` goes before any endpoint.
    ///
    /// # Errors
    /// [`ConfigError`] says which option is wrong.
    pub fn check(&self, environment: Environment<'_>) -> Result<StoreConfig, ConfigError> {
        let place = match &self.local {
            Some(dir) => self.local(dir, environment)?,
            None => Place::Remote,
        };
        let endpoint = self.endpoint_url.clone().or_else(|| from_aws(environment));
        let endpoint = endpoint.filter(|_| place == Place::Remote);
        let named = |option, text: Option<String>| {
            text.map(|text| web_url(option, &text).map(|_| text))
                .transpose()
        };
        let defaults = StoreOptions::default();
        let seconds =
            |period: Option<Period>, otherwise| period.map_or(otherwise, Period::duration);
        let options = StoreOptions {
            endpoint: named("--endpoint-url (S3_ENDPOINT_URL)", endpoint)?,
            public_endpoint: named(
                "--public-endpoint (S3_PUBLIC_ENDPOINT_URL)",
                self.public_endpoint.clone(),
            )?,
            region: self.region.clone(),
            identity: match (&self.profile, self.anonymous) {
                (_, true) => Identity::Anonymous,
                (Some(name), false) => Identity::Profile(name.clone()),
                (None, false) => Identity::Chain,
            },
            requester_pays: self.requester_pays,
            ca_file: self.ca_file.clone(),
            path_style: match (self.path_style, self.virtual_hosted, self.addressing_style) {
                (true, ..) => Some(true),
                (_, true, _) => Some(false),
                (.., AddressingStyle::Auto) => None,
                (.., style) => Some(style == AddressingStyle::Path),
            },
            connect_timeout: seconds(self.connect_timeout, defaults.connect_timeout),
            read_timeout: seconds(self.read_timeout, defaults.read_timeout),
            max_connections: self
                .max_store_connections
                .map_or(defaults.max_connections, NonZeroUsize::get),
        };
        let state_dir = match &place {
            Place::Local { state_dir, .. } => Some(state_dir.clone()),
            Place::Remote => match &self.state_dir {
                Some(state_dir) => Some(state_dir.clone()),
                None => default_state_dir(environment).ok(),
            },
        };
        Ok(StoreConfig {
            state: StateConfig::check(self, &place)?,
            state_dir,
            place,
            options,
        })
    }

    fn local(&self, dir: &Path, environment: Environment<'_>) -> Result<Place, ConfigError> {
        let unusable = |source| ConfigError::Folder {
            dir: dir.to_owned(),
            source,
        };
        let canonical = dir.canonicalize().map_err(unusable)?;
        if !canonical.is_dir() {
            return Err(unusable(std::io::ErrorKind::NotADirectory.into()));
        }
        let state_dir = match &self.state_dir {
            Some(state_dir) => state_dir.clone(),
            None => default_state_dir(environment)?
                .join("local")
                .join(folder_id(&canonical)),
        };
        Ok(Place::Local {
            dir: canonical,
            state_dir,
        })
    }
}

/// Parses a length of time that is not zero.
pub(super) fn positive(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|error| format!("{error}"))?;
    if period.duration().is_zero() {
        return Err("it must be longer than nothing".to_owned());
    }
    Ok(period)
}

/// Source: [service-specific endpoints](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
fn from_aws(environment: Environment<'_>) -> Option<String> {
    let ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if ignored.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    environment
        .get("AWS_ENDPOINT_URL_S3")
        .or_else(|| environment.get("AWS_ENDPOINT_URL"))
}

/// Source: [XDG base directories](https://specifications.freedesktop.org/basedir-spec/latest/): relative paths are to
/// be ignored.
fn default_state_dir(environment: Environment<'_>) -> Result<PathBuf, ConfigError> {
    let absolute = |name| {
        let path = environment.get(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("sheaf"))
        .ok_or(ConfigError::NoStateDir)
}

/// What is kept about one folder must not be taken for another's.
fn folder_id(canonical: &Path) -> String {
    let digest = Sha256::digest(canonical.as_os_str().as_encoded_bytes());
    hex::encode(&digest[..8])
}

#[cfg(test)]
mod tests;
