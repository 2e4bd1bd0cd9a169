//! `sheaf serve`: the HTTP server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::hangup::{self, Hangups};
use super::listen::{descriptors, listen};
use super::server_record::{PublishedRecord, ServerRecord};
use super::signals::Signals;
use super::{CliError, output, worker};
use crate::config::{
    ConfigError, Environment, LinkKeys, Place, QueueConfig, ServeArgs, ServeConfig,
};
use crate::http::{self, LinkConfig, Listeners, ServerConfig};
use crate::job::Means;
use crate::job::queue::Queue;
use crate::link::KeyRing;
use crate::manifest::library::TRUSTED_FOR;
use crate::read_ahead::MemoryBudget;
use crate::store::embedded::EmbeddedStore;
use crate::store::{Store, StoreOptions};

/// Options of `sheaf serve`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf serve --local ./files
  sheaf serve --bucket my-bucket --prefix reports/
  SHEAF_API_KEYS=$(openssl rand -hex 24) sheaf serve --listen 0.0.0.0:8080 --bucket my-bucket
  sheaf serve --tls-cert fullchain.pem --tls-key privkey.pem --listen 0.0.0.0:443 --public-url https://files.example.org …

Then:
  curl -fOJ 'http://127.0.0.1:8080/v1/zip?prefix=reports/&filename=reports.zip'

Once it listens it prints {\"listening\":…,\"bucket\":…,\"local\":…} on standard output. SIGTERM and SIGINT stop it after the \
downloads under way, a second signal at once. SIGHUP has the files of --tls-cert and --tls-key read again; without TLS it \
stops a server that was started at a terminal, as SIGTERM does, and is ignored by any other.")]
pub struct ServeCommand {
    #[command(flatten)]
    serve: ServeArgs,
}

/// What is printed once the server listens.
#[derive(Debug, Serialize)]
struct Listening<'a> {
    listening: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    bucket: Option<&'a str>,
    local: Option<&'a std::path::Path>,
}

/// A server that listens, but does not answer yet.
pub(super) struct Server {
    /// Its address, as a client on this machine writes it.
    pub(super) url: String,
    config: ServerConfig,
    listeners: Listeners,
    jobs: QueueConfig,
    _record: Option<PublishedRecord>,
}

/// Serves until a signal comes.
///
/// # Errors
/// [`CliError::Config`] and [`CliError::Listen`] before anything is answered.
pub async fn run(command: ServeCommand) -> Result<(), CliError> {
    let config = command.serve.check(Environment::of_process())?;
    let (signals, hangups) = (Signals::catch()?, Hangups::catch()?);
    let (signals, hangups) = match config.door.tls.is_none() && hangup::attended() {
        true => (signals.and_hangup(hangups), None),
        false => (signals, Some(hangups)),
    };
    descriptors(http::descriptors(&config.limits) + config.store.options.max_connections);
    let listeners = Listeners {
        clients: listen(&config.listen)?,
        operators: match &config.admin_listen[..] {
            [] => None,
            addresses => Some(listen(addresses)?),
        },
    };
    let admin = listeners.operators.as_ref().map(TcpListener::local_addr);
    let admin = admin.transpose().map_err(CliError::Server)?;
    let place = config.store.place.clone();
    let bucket = config.bucket.clone();
    let server = Server::open(config, listeners).await?;
    output::result(&Listening {
        listening: &server.url,
        admin: admin.map(|address| local_url("http", address)),
        bucket: bucket.as_ref().map(|bucket| bucket.as_str()),
        local: match &place {
            Place::Local { dir, .. } => Some(dir),
            Place::Remote => None,
        },
    })?;
    let tls = server.config.door.tls.clone();
    let reloading = async {
        match hangups {
            Some(hangups) => hangups.reload(tls).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = server.run(signals) => served,
        () = reloading => Ok(()),
    }
}

impl Server {
    /// Opens the store; nothing is answered before [`Server::run`].
    pub(super) async fn open(
        config: ServeConfig,
        listeners: Listeners,
    ) -> Result<Server, CliError> {
        let address = listeners.clients.local_addr().map_err(CliError::Server)?;
        let url = local_url(config.door.scheme(), address);
        let public_url = config.public_url.as_ref().map(origin);
        let public_url = public_url.unwrap_or_else(|| url.clone());
        let (store, embedded, record) = match &config.store.place {
            Place::Remote => (Store::connect(&config.store.options).await?, None, None),
            Place::Local { dir, state_dir } => {
                let embedded = EmbeddedStore::open(dir, state_dir)?;
                let named = config.store.options.public_endpoint.clone();
                let public_endpoint = named.unwrap_or_else(|| public_url.clone());
                let options = StoreOptions {
                    public_endpoint: Some(public_endpoint.clone()),
                    ..config.store.options.clone()
                };
                let record = ServerRecord {
                    dir: dir.clone(),
                    url: url.clone(),
                    public_url: public_endpoint,
                    site: public_url.clone(),
                    pid: std::process::id(),
                };
                let published = record
                    .publish(state_dir)
                    .map_err(CliError::file("write to", state_dir))?;
                if published.is_none() {
                    tracing::warn!(dir = %dir.display(), "another server serves this folder already");
                }
                (
                    Store::embedded(&embedded, &options),
                    Some(embedded),
                    published,
                )
            }
        };
        if !address.ip().to_canonical().is_loopback() && config.public_url.is_none() {
            tracing::warn!(%url, "clients elsewhere need another address: set --public-url");
        }
        let queue = match &config.queue.url {
            Some(queue) => {
                let queue = Queue::open(queue, config.queue.terms).await?;
                Some(queue.of_store(&config.queue.store_name(&config.store)))
            }
            None => None,
        };
        if let (Some(public), "https") = (&config.public_url, config.door.scheme())
            && public.scheme() == "http"
        {
            tracing::warn!(%public, "links begin with http://, but this server speaks TLS: set --public-url to an https:// URL");
        }
        let links = LinkConfig {
            keys: link_keys(&config)?,
            space: config.store.state.space(config.bucket.as_ref()),
            state_prefix: config.store.state.prefix.clone(),
            trusted_for: TRUSTED_FOR,
        };
        Ok(Server {
            url,
            config: ServerConfig {
                store,
                embedded,
                default_bucket: config.bucket,
                default_prefix: config.prefix,
                api_keys: config.api_keys,
                door: config.door,
                public_url: config.public_url,
                expires_in: config.expires_in,
                queue_max: config.queue_max,
                watch: config.watch,
                memory: MemoryBudget::new(config.memory_budget),
                links,
                queue,
                limits: config.limits,
            },
            jobs: config.queue,
            listeners,
            _record: record,
        })
    }

    /// Answers in the background, as long as the process lives.
    pub(super) fn spawn(self) {
        tokio::spawn(async move {
            let Server {
                config,
                listeners,
                _record,
                ..
            } = self;
            if let Err(error) = http::run(config, listeners, std::future::pending()).await {
                tracing::error!(%error, "the server has ended");
            }
        });
    }

    /// Answers until a signal comes and the downloads under way are done. Jobs under way are given back.
    pub(super) async fn run(self, signals: Signals) -> Result<(), CliError> {
        let means = Means {
            store: self.config.store.clone(),
            budget: self.config.memory.clone(),
            allowed: self.config.door.allowed_buckets.clone(),
        };
        let queue = self.config.queue.clone();
        let serve = |stop: WaitForCancellationFutureOwned| async move {
            let stopping = CancellationToken::new();
            let working = async {
                let stop = stopping.clone().cancelled_owned();
                if let Some(queue) = queue.filter(|_| self.jobs.slots > 0) {
                    worker::work_on(queue, means, &self.jobs, worker::name(), stop).await;
                }
            };
            let stop = async {
                stop.await;
                stopping.cancel();
            };
            let serving = async {
                let served = http::run(self.config, self.listeners, stop).await;
                stopping.cancel();
                served
            };
            let (served, ()) = tokio::join!(serving, working);
            served
        };
        signals.around(serve).await.map_err(CliError::Server)
    }
}

/// The keys that sign links. Only where there is no place to keep one does it end with the process.
fn link_keys(config: &ServeConfig) -> Result<KeyRing, CliError> {
    if let LinkKeys::Unkept = config.link_keys {
        tracing::warn!("links will end with this process: set SHEAF_LINK_KEYS or --state-dir");
        let keys = KeyRing::parse(&KeyRing::generate());
        let variable = "SHEAF_LINK_KEYS";
        return keys.map_err(|source| ConfigError::LinkKeys { variable, source }.into());
    }
    let (keys, made) = config.link_keys.open()?;
    if let Some(path) = made {
        tracing::info!(path = %path.display(), "made a key for links; servers that answer the same links share it as SHEAF_LINK_KEYS");
    }
    Ok(keys)
}

/// How a client on this machine reaches an address; one that stands for all addresses is reached by loopback.
pub(super) fn local_url(scheme: &str, mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("{scheme}://{address}")
}

fn origin(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_clients_write_them() {
        for (address, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("192.0.2.1:9", "http://192.0.2.1:9"),
        ] {
            assert_eq!(local_url("http", address.parse().unwrap()), url);
        }
    }
}
