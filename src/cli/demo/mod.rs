//! `sheaf demo`: sample files, the embedded store and a server, in one command.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::listen::listen;
use super::serve::Server;
use super::signals::Signals;
use super::{CliError, output};
use crate::config::{LinkKeys, Place, QueueConfig, ServeConfig, StateConfig, StoreConfig};
use crate::http::{ApiKeys, DoorConfig, Limits, Listeners};
use crate::manifest::Watch;
use crate::manifest::publish::{DEFAULT_EXPIRY, DEFAULT_QUEUE};
use crate::read_ahead::DEFAULT_BUDGET;
use crate::store::embedded;
use crate::store::{Bucket, StoreOptions};

pub mod pdf;
pub mod samples;

/// Options of `sheaf demo`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf demo
  sheaf demo --dir ./sheaf-demo

It listens on this machine only, and needs no account and no credentials.")]
pub struct DemoArgs {
    /// Keep the sample files here [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// The port to listen on; where it is taken, any free one
    #[arg(long, value_name = "PORT", default_value = "8080")]
    port: u16,
}

/// Where the demo's things are.
#[derive(Debug)]
struct Premises {
    files: PathBuf,
    state: PathBuf,
    // Removes the folder at the end.
    _temporary: Option<TempDir>,
}

#[derive(Debug, Serialize)]
struct Links<'a> {
    listening: &'a str,
    files: &'a Path,
    zip_url: String,
    manifest_endpoint: String,
}

/// Runs the demo until a signal comes.
///
/// # Errors
/// [`CliError::File`] where the samples cannot be written, [`CliError::Listen`].
pub async fn run(args: DemoArgs) -> Result<(), CliError> {
    let signals = Signals::catch()?;
    let place = Premises::prepare(args.dir)?;
    let count = samples::write(&place.files)?;
    let listener = listen_nearby(args.port).await?;
    let listeners = Listeners {
        clients: listener,
        operators: None,
    };
    let server = Server::open(config(&place)?, listeners).await?;
    let links = Links {
        listening: &server.url,
        files: &place.files,
        zip_url: format!("{}/v1/zip?prefix=reports/&filename=reports.zip", server.url),
        manifest_endpoint: format!("{}/v1/manifests", server.url),
    };
    output::note(&text(&links, count));
    // For whoever runs the demo from a script.
    if !io::stdout().is_terminal() {
        output::result(&links)?;
    }
    server.run(signals).await
}

impl Premises {
    fn prepare(dir: Option<PathBuf>) -> Result<Premises, CliError> {
        let (dir, temporary) = match dir {
            Some(dir) => (dir, None),
            None => {
                let temporary = tempfile::Builder::new().prefix("sheaf-demo-").tempdir();
                let temporary = temporary
                    .map_err(CliError::file("create a folder in", std::env::temp_dir()))?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let files = dir.join("files");
        fs::create_dir_all(&files).map_err(CliError::file("create", &files))?;
        let files = files
            .canonicalize()
            .map_err(CliError::file("read", &files))?;
        Ok(Premises {
            files,
            state: dir.join("state"),
            _temporary: temporary,
        })
    }
}

/// Nothing of the environment counts here: the demo is the same everywhere.
fn config(place: &Premises) -> Result<ServeConfig, CliError> {
    let bucket = Bucket::new(embedded::BUCKET).map_err(crate::config::ConfigError::from)?;
    Ok(ServeConfig {
        listen: Vec::new(),
        public_url: None,
        bucket: Some(bucket),
        prefix: String::new(),
        expires_in: DEFAULT_EXPIRY,
        watch: Watch::default(),
        queue_max: DEFAULT_QUEUE,
        api_keys: ApiKeys::default(),
        door: DoorConfig::default(),
        admin_listen: Vec::new(),
        memory_budget: DEFAULT_BUDGET,
        link_keys: LinkKeys::KeptIn(place.state.clone()),
        limits: Limits::default(),
        queue: QueueConfig::in_folder(&place.state),
        store: StoreConfig {
            place: Place::Local {
                dir: place.files.clone(),
                state_dir: place.state.clone(),
            },
            options: StoreOptions::default(),
            state: StateConfig::default(),
            state_dir: Some(place.state.clone()),
        },
    })
}

async fn listen_nearby(port: u16) -> Result<TcpListener, CliError> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match listen(&[at(port)]) {
        Err(CliError::Listen { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            listen(&[at(0)])
        }
        outcome => outcome,
    }
}

fn text(links: &Links<'_>, count: usize) -> String {
    let Links {
        files,
        zip_url,
        manifest_endpoint,
        ..
    } = links;
    let files = files.display();
    format!(
        "\
sheaf serves {count} sample files as one archive.

In a browser:     {zip_url}
With curl:        curl -fOJ '{zip_url}'
With wget:        wget --content-disposition '{zip_url}'
Presigned URLs:   curl -fsS '{manifest_endpoint}' -H 'content-type: application/json' -d '{{\"prefix\":\"reports/\"}}'

The files are in {files}; what is added there is served at once.
Ctrl-C stops it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_no_obstacle() {
        let first = listen_nearby(0).await.unwrap();
        let taken = first.local_addr().unwrap().port();
        let second = listen_nearby(taken).await.unwrap();
        assert_ne!(second.local_addr().unwrap().port(), taken);
    }

    #[test]
    fn a_temporary_place_is_removed_and_a_chosen_one_stays() {
        let place = Premises::prepare(None).unwrap();
        let files = place.files.clone();
        assert!(files.is_dir());
        drop(place);
        assert!(!files.exists());

        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("demo");
        drop(Premises::prepare(Some(dir.clone())).unwrap());
        assert!(dir.join("files").is_dir());
    }
}
