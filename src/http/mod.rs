//! The HTTP surface: one listener, our own accept loop on hyper, routes by axum.
//!
//! | file | owns |
//! |---|---|
//! | [`serve`] | accepting, draining |
//! | [`limits`] | bounds on what clients can hold |
//! | [`excess`] | what went over a limit, counted and told |
//! | [`places`] | places for connections, in all and by address |
//! | `aside.rs` | those who find none, for as long as it takes to tell them |
//! | `connection.rs` | one connection: its protocol, its bounds, its end |
//! | [`socket`] | a connection that can end in a reset |
//! | [`activity`] | what a connection is doing, and since when |
//! | [`encrypted`] | the same under TLS |
//! | [`tls`] | the certificate that is shown |
//! | [`service`] | what every answer has in common; the embedded store's mount |
//! | [`head`] | bounds on URLs and header fields |
//! | [`paced`], [`json`] | bodies of requests: in time, and in JSON |
//! | [`routes`] | which path goes where |
//! | [`app`] | what every handler can reach |
//! | [`request_id`] | the id of a request |
//! | [`record`] | one log line a request, and how its body ended |
//! | [`api`] | the description of the API, made from the code, and a page to read it |
//! | [`door`] | who may come in |
//! | [`operators`] | health and metrics of a process that serves no clients |
//! | [`keys`] | API keys, their scopes |
//! | [`allowance`] | how much a key may ask for |
//! | [`caller`] | who asks, and what they may touch |
//! | [`proxies`] | who the client is behind proxies |
//! | [`cors`] | pages of other origins |
//! | [`query`] | query strings, checked |
//! | [`jobs`] | `/v1/jobs`, and packaged archives for recipients |
//! | [`links`] | `POST /v1/links`, and the tokens of links |
//! | [`access`] | who may have what a link stands for: passphrases, numbers of downloads |
//! | [`tries`] | which passphrases were right, and how often they were wrong |
//! | [`taken`] | answers that a client has taken whole |
//! | [`archive`] | `GET /d/{link}/{filename}.zip`: the frozen archive |
//! | [`handout`] | presigned URLs of a link's files |
//! | [`page`] | pages for people: `GET /d/{link}`, and problems in a browser |
//! | [`owner`] | the owner's page, and what it asks for |
//! | [`tally`] | who downloaded what to the end |
//! | [`accept`] | what a request prefers |
//! | [`conditional`] | conditional requests |
//! | [`range`] | the Range header |
//! | `frames.rs` | the frames of an archive as a stream |
//! | [`exact`] | bodies of known length |
//! | [`zip`] | `GET /v1/zip`: the live archive |
//! | [`manifests`] | `POST /v1/manifests` |
//! | [`problem`] | every error as problem details, in one table |

pub mod accept;
pub mod access;
pub mod activity;
pub mod allowance;
pub mod api;
pub mod app;
pub mod archive;
mod aside;
pub mod caller;
pub mod conditional;
mod connection;
pub mod cors;
pub mod door;
pub mod encrypted;
pub mod exact;
pub mod excess;
mod frames;
pub mod handout;
pub mod head;
pub mod jobs;
pub mod json;
pub mod keys;
pub mod limits;
pub mod links;
pub mod manifests;
pub mod operators;
pub mod owner;
pub mod paced;
pub mod page;
pub mod places;
pub mod problem;
pub mod proxies;
pub mod query;
pub mod range;
pub mod record;
pub mod request_id;
pub mod routes;
pub mod serve;
pub mod service;
pub mod socket;
pub mod taken;
pub mod tally;
pub mod tls;
pub mod tries;
pub mod zip;

use std::time::Duration;

pub use cors::Origins;
pub use keys::{ApiKeys, InvalidApiKeys};
pub use limits::Limits;
pub use links::LinkConfig;
pub use problem::Problem;
pub use proxies::TrustedProxies;
pub use serve::{Listeners, descriptors, run};
pub use tls::{Tls, TlsError};

use crate::job::queue::Queue;
use crate::manifest::Watch;
use crate::read_ahead::MemoryBudget;
use crate::store::embedded::EmbeddedStore;
use crate::store::{AllowedBuckets, Bucket, Store};

/// What a server needs to know; all of it checked.
#[derive(Clone)]
pub struct ServerConfig {
    /// The store that requests are answered from.
    pub store: Store,
    /// The embedded store, to be mounted at `/local/`.
    pub embedded: Option<EmbeddedStore>,
    /// Taken where a request names no bucket.
    pub default_bucket: Option<Bucket>,
    /// Taken where a request names no prefix.
    pub default_prefix: String,
    /// Who may use the API; nobody in particular where empty.
    pub api_keys: ApiKeys,
    /// What else the door goes by.
    pub door: DoorConfig,
    /// The name under which clients reach this server, where it is not the address that it listens on.
    pub public_url: Option<url::Url>,
    /// Life of a manifest's URLs, where a request asks for none.
    pub expires_in: Duration,
    /// Objects that may wait between listing and signing.
    pub queue_max: usize,
    /// How long manifests may take, and what is told about them.
    pub watch: Watch,
    /// The memory that all downloads together may fill.
    pub memory: MemoryBudget,
    /// What links need.
    pub links: LinkConfig,
    /// Where jobs are kept, if they are.
    pub queue: Option<Queue>,
    /// Bounds on what clients can hold.
    pub limits: Limits,
}

/// What the door goes by, apart from keys.
#[derive(Clone, Debug)]
pub struct DoorConfig {
    /// The buckets that requests, stored manifests and jobs may name.
    pub allowed_buckets: AllowedBuckets,
    /// The origins whose pages may read answers.
    pub origins: Origins,
    /// The proxies whose word about the client is taken.
    pub proxies: TrustedProxies,
    /// Whether logs have the addresses of clients.
    pub log_addresses: bool,
    /// What clients are shown; without it they are talked to in clear.
    pub tls: Option<Tls>,
}

impl DoorConfig {
    /// The scheme of this server's own URLs, where no proxy stands before it.
    pub fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

impl Default for DoorConfig {
    fn default() -> Self {
        DoorConfig {
            allowed_buckets: AllowedBuckets::default(),
            origins: Origins::default(),
            proxies: TrustedProxies::default(),
            log_addresses: true,
            tls: None,
        }
    }
}
