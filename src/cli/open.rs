//! Opening the store for one command: AWS, another store, or a folder, through its server where one runs.

use super::server_record::ServerRecord;
use super::{CliError, S3Url};
use crate::config::{Environment, Place, StoreArgs, StoreConfig};
use crate::store::embedded::{self, EmbeddedStore};
use crate::store::{Store, StoreOptions};

/// Where `sheaf serve` listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// A store for one command.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Why presigned URLs do not work yet: no server serves the folder.
    pub warning: Option<String>,
    /// Under which name clients reach the server of the folder.
    pub site: Option<String>,
}

/// Opens the store that `url` is in.
///
/// # Errors
/// [`CliError::Config`] and [`CliError::OtherBucket`] are mistakes of usage.
pub async fn open(args: &StoreArgs, url: &S3Url) -> Result<Opened, CliError> {
    let StoreConfig { place, options, .. } = args.check(Environment::of_process())?;
    if matches!(place, Place::Local { .. }) && url.bucket.as_str() != embedded::BUCKET {
        return Err(CliError::OtherBucket {
            prefix: url.prefix.clone(),
        });
    }
    open_place(&place, &options).await
}

/// Opens the store of a place.
///
/// # Errors
/// [`CliError`] says why there is none.
pub async fn open_place(place: &Place, options: &StoreOptions) -> Result<Opened, CliError> {
    let Place::Local { dir, state_dir } = place else {
        let store = Store::connect(options).await?;
        return Ok(Opened {
            store,
            warning: None,
            site: None,
        });
    };
    let folder = EmbeddedStore::open(dir, state_dir)?;
    let server = ServerRecord::find(state_dir, dir);
    let known = server.as_ref().map_or(DEFAULT_URL, |it| &it.public_url);
    let at = options.public_endpoint.as_deref().unwrap_or(known);
    let options = StoreOptions {
        public_endpoint: Some(at.to_owned()),
        ..options.clone()
    };
    let Some(server) = &server else {
        let warning = format!(
            "no server of this folder is running: the URLs work only while `sheaf serve --local {}` does, reachable as {at}",
            dir.display()
        );
        return Ok(Opened {
            store: Store::embedded(&folder, &options),
            warning: Some(warning),
            site: None,
        });
    };
    // Its certificate is for the name that clients know, and not for this machine's.
    let store = if server.url.starts_with("https://") {
        Store::embedded(&folder, &options)
    } else {
        Store::embedded_elsewhere(&folder, &server.url, &options)?
    };
    Ok(Opened {
        store,
        warning: None,
        site: Some(server.site.clone()),
    })
}
