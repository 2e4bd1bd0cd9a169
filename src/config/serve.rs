//! The server's options: the listener, who may come in, defaults of requests, and bounds.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use url::Url;

use super::{
    ConfigError, DoorArgs, Environment, LimitArgs, LinkKeys, Place, QueueArgs, QueueConfig,
    RunArgs, StoreArgs, StoreConfig, Switch, web_url,
};
use crate::http::{ApiKeys, DoorConfig, Limits};
use crate::manifest::{Selection, Watch};
use crate::period::Period;
use crate::read_ahead::{DEFAULT_BUDGET, LEAST_BUDGET};
use crate::size::ByteSize;
use crate::store::embedded;
use crate::store::{Bucket, presign};

/// Raw options of the server.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The address to listen on; port 0 takes any free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080",
        env = "SHEAF_LISTEN",
        hide_env_values = true
    )]
    pub listen: String,

    /// The URL under which clients reach this server, where that is not the address above: `https://files.example.org`
    #[arg(
        long,
        value_name = "URL",
        env = "SHEAF_PUBLIC_URL",
        hide_env_values = true
    )]
    pub public_url: Option<String>,

    /// The bucket of requests that name none [default: none, or `local` with --local]
    #[arg(
        long,
        value_name = "BUCKET",
        env = "BUCKET_NAME",
        hide_env_values = true
    )]
    pub bucket: Option<String>,

    /// The prefix of requests that name none
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true,
        env = "PREFIX",
        hide_env_values = true
    )]
    pub prefix: String,

    /// How long presigned URLs live where a request does not say: seconds, or 15m, 12h, 7d
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15m",
        env = "URL_EXPIRY_SECONDS",
        hide_env_values = true
    )]
    pub expires_in: Period,

    /// How long manifests may take.
    #[command(flatten)]
    pub runs: RunArgs,

    /// Let everybody use the API who reaches the address
    ///
    /// Without it, and without API keys, sheaf listens on loopback addresses only. Keys are set in SHEAF_API_KEYS
    /// (separated by commas) or in the file that SHEAF_API_KEYS_FILE names (one a line); clients send them as
    /// `Authorization: Bearer KEY`.
    #[arg(long, env = "SHEAF_ALLOW_ANONYMOUS", hide_env_values = true, value_parser = Switch)]
    pub allow_anonymous: bool,

    /// A second address, for /metrics, /healthz and /readyz alone, without a key [default: on the first, behind the key]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "SHEAF_ADMIN_LISTEN",
        hide_env_values = true
    )]
    pub admin_listen: Option<String>,

    /// The memory that all downloads together may fill with bytes under way: bytes, or 64MiB, 1GiB
    ///
    /// More of it hides more of the store's latency. A download that finds no room is refused with 503.
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "SIZE",
        default_value_t = ByteSize::new(DEFAULT_BUDGET),
        env = "SHEAF_MEMORY_BUDGET",
        hide_env_values = true
    )]
    pub memory_budget: ByteSize,

    /// How long downloads may go on after the signal to stop
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        env = "SHEAF_DRAIN",
        hide_env_values = true
    )]
    pub drain: Period,

    /// What else is let in.
    #[command(flatten)]
    pub door: DoorArgs,

    /// What clients can hold.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Where jobs are kept.
    #[command(flatten)]
    pub queue: QueueArgs,

    /// Where the objects are.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// A checked server.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The addresses to try, in order.
    pub listen: Vec<SocketAddr>,
    /// The URL under which clients reach the server.
    pub public_url: Option<Url>,
    /// The bucket of requests that name none.
    pub bucket: Option<Bucket>,
    /// The prefix of requests that name none.
    pub prefix: String,
    /// How long presigned URLs live where a request does not say.
    pub expires_in: Duration,
    /// Objects that may wait between listing and signing.
    pub queue_max: usize,
    /// How long manifests may take.
    pub watch: Watch,
    /// Who may use the API.
    pub api_keys: ApiKeys,
    /// What the door goes by, apart from keys.
    pub door: DoorConfig,
    /// Where operators are answered, to be tried in turn; with clients where empty.
    pub admin_listen: Vec<SocketAddr>,
    /// The bytes that all downloads together may hold in memory.
    pub memory_budget: usize,
    /// What signs links.
    pub link_keys: LinkKeys,
    /// Bounds on what clients can hold.
    pub limits: Limits,
    /// Where jobs are kept.
    pub queue: QueueConfig,
    /// Where the objects are.
    pub store: StoreConfig,
}

impl ServeArgs {
    /// Checks the options, reads the API keys, and looks the address up.
    ///
    /// # Errors
    /// [`ConfigError`] says which option is wrong.
    pub fn check(&self, environment: Environment<'_>) -> Result<ServeConfig, ConfigError> {
        let store = self.store.check(environment)?;
        let is_local = store.place != Place::Remote;
        let public_url = self.public_url.as_deref();
        let public_url = public_url
            .map(|text| web_url("--public-url", text))
            .transpose()?;
        if let Some(url) = public_url
            .as_ref()
            .filter(|url| is_local && url.path() != "/")
        {
            return Err(ConfigError::PublicPath { url: url.clone() });
        }
        let bucket = match self.bucket.as_deref() {
            Some(name) => Some(name),
            None => is_local.then_some(embedded::BUCKET),
        };
        let bucket = bucket.map(Bucket::new).transpose()?;
        if let Some(bucket) = &bucket {
            if is_local && bucket.as_str() != embedded::BUCKET {
                return Err(ConfigError::OtherBucket(bucket.clone()));
            }
            Selection::new(bucket.clone(), &self.prefix, &[]).map_err(ConfigError::Prefix)?;
        }
        let api_keys = api_keys(environment)?;
        let listen = resolve("--listen", &self.listen)?;
        if api_keys.is_empty() && !self.allow_anonymous {
            let open = listen
                .iter()
                .find(|address| !address.ip().to_canonical().is_loopback());
            if let Some(&address) = open {
                return Err(ConfigError::Open { address });
            }
        }
        Ok(ServeConfig {
            listen,
            public_url,
            prefix: self.prefix.clone(),
            expires_in: expiry(self.expires_in)?,
            queue_max: self.runs.queue_max.get(),
            watch: self.runs.watch(),
            api_keys,
            door: self.door.check(bucket.as_ref())?,
            admin_listen: match &self.admin_listen {
                Some(text) => resolve("--admin-listen", text)?,
                None => Vec::new(),
            },
            memory_budget: memory_budget(self.memory_budget)?,
            bucket,
            queue: self
                .queue
                .check(environment, store.state_dir.as_deref(), 0)?,
            link_keys: LinkKeys::of(environment, store.state_dir.as_deref())?,
            limits: self.limits.limits(self.drain.duration()),
            store,
        })
    }
}

/// The life of presigned URLs, which S3 bounds.
///
/// # Errors
/// [`ConfigError::Expiry`] outside of 1 s to 7 days.
pub fn expiry(period: Period) -> Result<Duration, ConfigError> {
    let duration = period.duration();
    if duration.is_zero() || duration > presign::LONGEST {
        return Err(ConfigError::Expiry(period));
    }
    Ok(duration)
}

/// A budget that a download can live on.
///
/// # Errors
/// [`ConfigError::MemoryBudget`].
pub fn memory_budget(size: ByteSize) -> Result<usize, ConfigError> {
    if size.bytes() < LEAST_BUDGET {
        return Err(ConfigError::MemoryBudget(size));
    }
    Ok(size.bytes())
}

/// The addresses that a text stands for, to be tried in turn.
///
/// # Errors
/// [`ConfigError::Listen`].
pub fn resolve(option: &'static str, text: &str) -> Result<Vec<SocketAddr>, ConfigError> {
    let fails = |reason: String| ConfigError::Listen {
        option,
        text: text.to_owned(),
        reason,
    };
    let addresses: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| fails(error.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(fails("the name has no address".to_owned()));
    }
    Ok(addresses)
}

/// Secrets have no option: everybody on the machine sees a command line.
fn api_keys(environment: Environment<'_>) -> Result<ApiKeys, ConfigError> {
    const FILE: &str = "SHEAF_API_KEYS_FILE";
    let Some((list, variable)) = environment.secret("SHEAF_API_KEYS", FILE)? else {
        return Ok(ApiKeys::default());
    };
    let keys = ApiKeys::parse(&list);
    let keys = keys.map_err(|source| ConfigError::ApiKeys { variable, source })?;
    match environment.get(FILE) {
        // Whoever names a file does not mean that everybody may come in.
        Some(path) if keys.is_empty() => Err(ConfigError::NoKeys { path: path.into() }),
        _ => Ok(keys),
    }
}

#[cfg(test)]
mod tests;
