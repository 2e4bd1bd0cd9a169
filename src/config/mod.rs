//! From raw arguments and environment variables to a checked configuration. Nothing else reads the environment.
//!
//! | file | owns |
//! |---|---|
//! | [`state`] | where sheaf's own objects are |
//! | [`store`] | which store, and how it is reached |
//! | [`switch`] | words that turn a switch on or off |
//! | [`link_keys`] | the keys that sign links |
//! | [`counts`] | numbers that cannot be zero |
//! | [`door`] | buckets, origins and proxies that are let in; TLS |
//! | [`limits`] | bounds on what clients can hold |
//! | [`queue`] | where jobs are kept |
//! | [`runs`] | how long manifests may take |
//! | [`serve`] | the listener, who may come in, and bounds |

pub mod buckets;
pub mod counts;
pub mod door;
pub mod limits;
pub mod link_keys;
pub mod queue;
pub mod runs;
pub mod serve;
pub mod state;
pub mod store;
pub mod switch;

use std::path::PathBuf;

pub use buckets::BucketArgs;
pub use counts::at_least_one;
pub use door::DoorArgs;
pub use limits::LimitArgs;
pub use link_keys::{LinkKeys, LinkKeysError};
pub use queue::{QueueArgs, QueueConfig};
pub use runs::RunArgs;
pub use serve::{ServeArgs, ServeConfig};
pub use state::StateConfig;
pub use store::{Place, StoreArgs, StoreConfig};
pub use switch::Switch;

use crate::http::{InvalidApiKeys, TlsError};
use crate::job::queue::InvalidQueueUrl;
use crate::link::InvalidKeyRing;
use crate::manifest::InvalidSelection;
use crate::read_ahead::LEAST_BUDGET;
use crate::size::ByteSize;
use crate::store::InvalidBucket;

/// Why a configuration cannot be used. All of these are mistakes of usage.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An option that needs a URL has something else.
    #[error("{option}: {text:?} is not a URL of the form http://host:port or https://host")]
    Url {
        /// The option's name.
        option: &'static str,
        /// What it was given.
        text: String,
    },
    /// The embedded store's URLs are signed, path included, so no proxy may move them below a path.
    #[error("--public-url: with --local it cannot have a path, and {url} has one")]
    PublicPath {
        /// The URL.
        url: url::Url,
    },
    /// A bucket name that breaks the naming rules.
    #[error("--bucket: {0}")]
    Bucket(#[from] InvalidBucket),
    /// The embedded store has one bucket.
    #[error("--bucket (BUCKET_NAME): with --local the only bucket is \"local\", not {0:?}")]
    OtherBucket(crate::store::Bucket),
    /// A default prefix that no selection can have.
    #[error("--prefix: {0}")]
    Prefix(InvalidSelection),
    /// URLs cannot live that long.
    #[error("--expires-in (URL_EXPIRY_SECONDS): {0}, but URLs live from 1s to 7d")]
    Expiry(crate::period::Period),
    /// Downloads cannot live on that little.
    #[error("--memory-budget (SHEAF_MEMORY_BUDGET): {0}, but downloads need at least {least}", least = ByteSize::new(LEAST_BUDGET))]
    MemoryBudget(ByteSize),
    /// An address that cannot be listened on.
    #[error("{option}: {text:?} is no address of the form 127.0.0.1:8080 ({reason})")]
    Listen {
        /// The option's name.
        option: &'static str,
        /// What was given.
        text: String,
        /// What the system says.
        reason: String,
    },
    /// Anybody could come in.
    #[error(
        "--listen: {address} can be reached from other machines, and no API keys are set, so anybody could read the buckets: set SHEAF_API_KEYS, listen on 127.0.0.1, or say --allow-anonymous if that is meant"
    )]
    Open {
        /// The address.
        address: std::net::SocketAddr,
    },
    /// Keys that are no good.
    #[error("{variable}: {source}")]
    ApiKeys {
        /// The environment variable that they come from.
        variable: &'static str,
        /// What is wrong.
        source: InvalidApiKeys,
    },
    /// A bucket that no request can name.
    #[error("--allow-bucket: {0}")]
    AllowedBucket(InvalidBucket),
    /// The default bucket could not be asked for.
    #[error("--allow-bucket: the default bucket {0:?} is not among them")]
    DefaultBucket(crate::store::Bucket),
    /// No origin as browsers write it.
    #[error("--cors-origin: {0:?} is no origin of the form https://portal.example.org")]
    Origin(String),
    /// No network.
    #[error("--trusted-proxy: {0:?} is no address and no network of the form 10.0.0.0/8")]
    Proxy(String),
    /// TLS needs both files.
    #[error("--tls-cert and --tls-key belong together: {missing} is missing")]
    HalfTls {
        /// The option that is missing.
        missing: &'static str,
    },
    /// Files that TLS cannot be spoken with.
    #[error("--tls-cert, --tls-key: {0}")]
    Tls(TlsError),
    /// Which of the two would be meant?
    #[error("{variable} and {file} are both set: set one")]
    SecretTwice {
        /// The variable that holds the secret itself.
        variable: &'static str,
        /// The one that names its file.
        file: &'static str,
    },
    /// Keys were wanted, and there are none.
    #[error("SHEAF_API_KEYS_FILE: {path} holds no key")]
    NoKeys {
        /// The file.
        path: PathBuf,
    },
    /// The file of a secret cannot be read.
    #[error("{variable}: cannot read {path}: {source}")]
    SecretFile {
        /// The variable that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Keys for links that are no good.
    #[error("{variable}: {source}")]
    LinkKeys {
        /// The environment variable that they come from.
        variable: &'static str,
        /// What is wrong.
        source: InvalidKeyRing,
    },
    /// A state bucket that breaks the naming rules.
    #[error("--state-bucket: {0}")]
    StateBucket(InvalidBucket),
    /// A state prefix that would hide other keys, or be no prefix of a key.
    #[error(
        "--state-prefix: {0:?} must end with '/', not begin with one, and have at most 512 bytes"
    )]
    StatePrefix(String),
    /// The embedded store keeps sheaf's own objects apart from the folder.
    #[error("--state-bucket, --state-prefix: with --local sheaf's own objects are in --state-dir")]
    LocalState,
    /// The folder to serve is not there.
    #[error("--local: cannot use {dir}: {source}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No queue.
    #[error("{option}: {source}")]
    Queue {
        /// The option's name.
        option: &'static str,
        /// What is wrong.
        source: InvalidQueueUrl,
    },
    /// There is no home to keep state in.
    #[error("no place for state: set --state-dir (neither XDG_STATE_HOME nor HOME is set)")]
    NoStateDir,
}

/// The environment: a function, so that tests have one of their own. Empty variables count as unset.
#[derive(Clone, Copy)]
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Environment<'a> {
    /// An environment of one's own.
    pub fn new(variables: &'a dyn Fn(&str) -> Option<String>) -> Environment<'a> {
        Environment(variables)
    }

    /// The process's own.
    pub fn of_process() -> Environment<'static> {
        Environment(&|name| std::env::var(name).ok())
    }

    /// The value of a variable.
    pub fn get(self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// A secret: what stands in `variable`, or in the file that `file` names; and which of the two it came from.
    ///
    /// # Errors
    /// [`ConfigError::SecretTwice`] where both are set, [`ConfigError::SecretFile`] where the file cannot be read.
    pub fn secret(
        self,
        variable: &'static str,
        file: &'static str,
    ) -> Result<Option<(String, &'static str)>, ConfigError> {
        match (self.get(variable), self.get(file)) {
            (Some(_), Some(_)) => Err(ConfigError::SecretTwice { variable, file }),
            (Some(secret), None) => Ok(Some((secret, variable))),
            (None, _) => Ok(self.secret_file(file)?.map(|secret| (secret, file))),
        }
    }

    /// What the file holds that `variable` names.
    fn secret_file(self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        let path = self.get(variable).map(PathBuf::from);
        let read = path.map(|path| {
            std::fs::read_to_string(&path).map_err(|source| ConfigError::SecretFile {
                variable,
                path,
                source,
            })
        });
        read.transpose()
    }
}

/// An `http` or `https` URL with a host, and without credentials, query and fragment.
pub(crate) fn web_url(option: &'static str, text: &str) -> Result<url::Url, ConfigError> {
    url::Url::parse(text)
        .ok()
        .filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        })
        .ok_or_else(|| ConfigError::Url {
            option,
            text: text.to_owned(),
        })
}
