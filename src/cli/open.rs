//! Opening the store for one command: AWS, another store, or a folder, through its server where one runs.

use super::server_record::ServerRecord;
use super::{CliError, S3Url};
use crate::config::{Environment, Place, StoreArgs, StoreConfig};
use crate::store::embedded::{self, EmbeddedStore};
use crate::store::{Store, StoreOptions};

/// Where `sheaf serve` listens unless told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// A store for one command.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Presigned URLs work only once a server serves the folder.
    pub needs_server: bool,
    /// Under which name clients reach the server of the folder.
    pub site: Option<String>,
}

/// Opens the store that `url` is in.
///
/// # Errors
/// [`CliError::Config`] and [`CliError::OtherBucket`] are mistakes of usage.
pub async fn open(args: &StoreArgs, url: &S3Url) -> Result<Opened, CliError> {
    let StoreConfig { place, options, .. } = args.check(Environment::of_process())?;
    let Place::Local { dir, state_dir } = place else {
        let store = Store::connect(&options).await?;
        return Ok(Opened {
            store,
            needs_server: false,
            site: None,
        });
    };
    if url.bucket.as_str() != embedded::BUCKET {
        return Err(CliError::OtherBucket {
            prefix: url.prefix.clone(),
        });
    }
    let folder = EmbeddedStore::open(&dir, &state_dir)?;
    let named = |name: &str| StoreOptions {
        public_endpoint: Some(options.public_endpoint.clone().unwrap_or(name.to_owned())),
        ..options.clone()
    };
    Ok(match ServerRecord::find(&state_dir, &dir) {
        // Its certificate is for the name that clients know, and not for this machine's.
        Some(server) if server.url.starts_with("https://") => Opened {
            store: Store::embedded(&folder, &named(&server.public_url)),
            needs_server: false,
            site: Some(server.site),
        },
        Some(server) => Opened {
            store: Store::embedded_elsewhere(&folder, &server.url, &named(&server.public_url))?,
            needs_server: false,
            site: Some(server.site),
        },
        None => Opened {
            store: Store::embedded(&folder, &named(DEFAULT_URL)),
            needs_server: true,
            site: None,
        },
    })
}
