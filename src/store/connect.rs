//! From options to a [`Store`]: the AWS chain of credentials, the endpoint, and one bounded connection pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{
    Builder, Credentials, IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_sdk_s3::types::RequestPayer;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::Semaphore;

use super::Store;
use super::dial::Dialer;
use super::embedded::EmbeddedStore;
use super::fetch::{FetchLimits, Fetcher, Transport};
use super::identity::Kept;
use super::network::Network;
use crate::measure;

/// Where neither the options nor the AWS chain name a region.
const DEFAULT_REGION: Region = Region::from_static("us-east-1");

/// How to reach a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Another store than AWS: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// The name under which recipients reach the store, for presigned URLs; the endpoint where absent.
    pub public_endpoint: Option<String>,
    /// The region; the AWS chain's, else `us-east-1`, where absent.
    pub region: Option<String>,
    /// Who asks.
    pub identity: Identity,
    /// Whoever asks pays for requests and traffic, as buckets with "requester pays" want it.
    pub requester_pays: bool,
    /// Further root certificates (PEM), beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`; with an endpoint of its own by default.
    pub path_style: Option<bool>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the store may be silent, before an answer or within a body.
    pub read_timeout: Duration,
    /// Connections to one host at the most.
    pub max_connections: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            endpoint: None,
            public_endpoint: None,
            region: None,
            identity: Identity::Chain,
            requester_pays: false,
            ca_file: None,
            path_style: None,
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(20),
            max_connections: 256,
        }
    }
}

/// Who asks the store.
#[derive(Clone, Debug, Default)]
pub enum Identity {
    /// Whoever the usual AWS chain finds: environment, profile, web identity, container, instance.
    #[default]
    Chain,
    /// A profile of the shared configuration files, even where the environment has keys.
    Profile(String),
    /// Whoever has these keys.
    Keys(Credentials),
    /// Nobody: requests are not signed. For public buckets; nothing can be presigned then.
    Anonymous,
}

/// Why a store cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of root certificates cannot be read, or holds none.
    #[error("no root certificates (PEM) can be read from {path}: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Store {
    /// Connects to AWS or to the endpoint given. Nothing is sent yet.
    ///
    /// Credentials are refreshed before they expire.
    ///
    /// # Errors
    /// [`ConnectError`] where the file of root certificates is of no use.
    pub async fn connect(options: &StoreOptions) -> Result<Store, ConnectError> {
        let (http, transport) = over_sockets(options)?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        let mut profile_region = ProfileFileRegionProvider::builder();
        if let Identity::Profile(name) = &options.identity {
            profile_region = profile_region.profile_name(name);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        } else if options.endpoint.is_some() {
            // A store elsewhere has no use for the region of the machine that asks.
            loader = loader.region(
                RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                    .or_else(profile_region.build())
                    .or_else(DEFAULT_REGION),
            );
        }
        match &options.identity {
            Identity::Chain => {}
            Identity::Profile(name) => {
                let provider = ProfileFileCredentialsProvider::builder()
                    .profile_name(name)
                    .configure(&ProviderConfig::default().with_http_client(http.clone()))
                    .build();
                loader = loader.profile_name(name).credentials_provider(provider);
            }
            Identity::Keys(keys) => loader = loader.credentials_provider(keys.clone()),
            Identity::Anonymous => loader = loader.no_credentials(),
        }
        let shared = loader.load().await;
        let mut config = Builder::from(&shared);
        if shared.region().is_none() {
            config = config.region(DEFAULT_REGION);
        }
        if matches!(options.identity, Identity::Anonymous) {
            config = config.allow_no_auth();
        }
        Ok(Store::build(
            config,
            shared.credentials_provider(),
            http,
            transport,
            options,
        ))
    }

    /// Opens the embedded store; its requests never leave this process. `public_endpoint` stands in presigned URLs.
    pub fn embedded(store: &EmbeddedStore, options: &StoreOptions) -> Store {
        let options = StoreOptions {
            endpoint: Some("http://sheaf.localhost".to_owned()),
            ..options.clone()
        };
        let transport = Transport::InProcess(store.clone());
        Store::build_embedded(store, store.http_client(), transport, &options)
    }

    /// Reaches the embedded store of another process at `endpoint`, with the credentials that both share.
    ///
    /// # Errors
    /// [`ConnectError`] where the file of root certificates is of no use.
    pub fn embedded_elsewhere(
        store: &EmbeddedStore,
        endpoint: &str,
        options: &StoreOptions,
    ) -> Result<Store, ConnectError> {
        let options = StoreOptions {
            endpoint: Some(endpoint.to_owned()),
            ..options.clone()
        };
        let (http, transport) = over_sockets(&options)?;
        Ok(Store::build_embedded(store, http, transport, &options))
    }

    fn build_embedded(
        store: &EmbeddedStore,
        http: SharedHttpClient,
        transport: Transport,
        options: &StoreOptions,
    ) -> Store {
        let keys = Credentials::new(
            store.access_key(),
            store.secret_key(),
            None,
            None,
            "embedded",
        );
        let credentials = SharedCredentialsProvider::new(keys);
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(DEFAULT_REGION)
            .credentials_provider(credentials.clone());
        Store::build(config, Some(credentials), http, transport, options)
    }

    fn build(
        config: Builder,
        credentials: Option<SharedCredentialsProvider>,
        http: SharedHttpClient,
        transport: Transport,
        options: &StoreOptions,
    ) -> Store {
        let path_style = options.path_style.unwrap_or(options.endpoint.is_some());
        let credentials = credentials.map(Kept::new);
        let mut config = match &credentials {
            // They are kept there, and nowhere else.
            Some(kept) => config
                .credentials_provider(kept.clone())
                .identity_cache(IdentityCache::no_cache()),
            None => config,
        };
        config = config
            .http_client(http)
            .interceptor(Counting)
            .force_path_style(path_style)
            // Bodies are hashed as they pass and compared with the row's own claim, so the SDK need not do it again.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
            // It would cut a body off after six seconds of silence; the read timeout below is ours.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(options.connect_timeout)
                    .read_timeout(options.read_timeout)
                    .build(),
            );
        if let Some(endpoint) = &options.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let config = config.build();
        let presigner = match &options.public_endpoint {
            Some(endpoint) => config.to_builder().endpoint_url(endpoint).build(),
            None => config.clone(),
        };
        let reader = config.to_builder().retry_config(RetryConfig::disabled());
        let sender = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(options.connect_timeout)
                    .disable_read_timeout()
                    .build(),
            );
        // An eighth of the connections is left for listings and uploads.
        let reads = options.max_connections - options.max_connections / 8;
        let fetcher = Fetcher::new(
            aws_sdk_s3::Client::from_conf(
                config
                    .to_builder()
                    .credentials_provider(Credentials::new(
                        "nobody", "nothing", None, None, "sheaf",
                    ))
                    .build(),
            ),
            credentials.clone(),
            transport,
            FetchLimits {
                connect_timeout: options.connect_timeout,
                read_timeout: options.read_timeout,
                connections: reads,
            },
        );
        Store {
            fetcher,
            client: aws_sdk_s3::Client::from_conf(config),
            reader: aws_sdk_s3::Client::from_conf(reader.build()),
            sender: aws_sdk_s3::Client::from_conf(sender.build()),
            presigner: aws_sdk_s3::Client::from_conf(presigner),
            credentials,
            payer: options.requester_pays.then_some(RequestPayer::Requester),
            read_timeout: options.read_timeout,
            reads: Arc::new(Semaphore::new(reads)),
            lists_in_sequence: Arc::default(),
        }
    }
}

/// The SDK's way to the store, and that of reads.
fn over_sockets(options: &StoreOptions) -> Result<(SharedHttpClient, Transport), ConnectError> {
    let dialer = Dialer::new(options.ca_file.as_deref())?;
    let network = Network::new(dialer.clone(), options.max_connections);
    Ok((SharedHttpClient::new(network), Transport::Network(dialer)))
}

/// Counts what goes out, each try by itself.
#[derive(Debug)]
struct Counting;

#[dyn_dispatch_hint]
impl Intercept for Counting {
    fn name(&self) -> &'static str {
        "Counting"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("unknown", Metadata::name);
        measure::store_request(operation);
        if config
            .load::<RequestAttempts>()
            .is_some_and(|tries| tries.attempts() > 1)
        {
            measure::store_retry("request");
        }
        Ok(())
    }
}
