//! From options to a [`Store`]: the AWS chain of credentials, the endpoint, and one bounded connection pool.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::pool::{Client as PooledClient, ConnectionPool};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::Semaphore;

use super::Store;
use super::embedded::EmbeddedStore;

/// How to reach a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Another store than AWS: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// The name under which recipients reach the store, for presigned URLs; the endpoint where absent.
    pub public_endpoint: Option<String>,
    /// The region; the AWS chain's, else `us-east-1`, where absent.
    pub region: Option<String>,
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
            path_style: None,
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(20),
            max_connections: 256,
        }
    }
}

/// The connection pool could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up connections to the store: {reason}")]
pub struct ConnectError {
    reason: String,
}

impl Store {
    /// Connects to AWS or to the endpoint given. Nothing is sent yet.
    ///
    /// Credentials come from the usual chain: environment, profile, web identity, container, instance. They are
    /// refreshed before they expire.
    ///
    /// # Errors
    /// [`ConnectError`] where TLS cannot be set up (no root certificates, for one).
    pub async fn connect(options: &StoreOptions) -> Result<Store, ConnectError> {
        let http = http_client(options)?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let shared = loader.load().await;
        let mut config = aws_sdk_s3::config::Builder::from(&shared);
        if shared.region().is_none() {
            config = config.region(Region::from_static("us-east-1"));
        }
        Ok(Store::build(
            config,
            shared.credentials_provider(),
            http,
            options,
        ))
    }

    /// Opens the embedded store; its requests never leave this process. `public_endpoint` stands in presigned URLs.
    pub fn embedded(store: &EmbeddedStore, options: &StoreOptions) -> Store {
        let options = StoreOptions {
            endpoint: Some("http://sheaf.localhost".to_owned()),
            ..options.clone()
        };
        Store::build_embedded(store, store.http_client(), &options)
    }

    /// Reaches the embedded store of another process at `endpoint`, with the credentials that both share.
    ///
    /// # Errors
    /// [`ConnectError`] where the connection pool cannot be set up.
    pub fn embedded_elsewhere(
        store: &EmbeddedStore,
        endpoint: &str,
        options: &StoreOptions,
    ) -> Result<Store, ConnectError> {
        let options = StoreOptions {
            endpoint: Some(endpoint.to_owned()),
            ..options.clone()
        };
        Ok(Store::build_embedded(
            store,
            http_client(&options)?,
            &options,
        ))
    }

    fn build_embedded(
        store: &EmbeddedStore,
        http: SharedHttpClient,
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
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials.clone());
        Store::build(config, Some(credentials), http, options)
    }

    fn build(
        config: Builder,
        credentials: Option<SharedCredentialsProvider>,
        http: SharedHttpClient,
        options: &StoreOptions,
    ) -> Store {
        let path_style = options.path_style.unwrap_or(options.endpoint.is_some());
        let mut config = config
            .http_client(http)
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
        Store {
            client: aws_sdk_s3::Client::from_conf(config),
            reader: aws_sdk_s3::Client::from_conf(reader.build()),
            presigner: aws_sdk_s3::Client::from_conf(presigner),
            credentials,
            read_timeout: options.read_timeout,
            // An eighth of the connections is left for listings and uploads.
            reads: Arc::new(Semaphore::new(
                options.max_connections - options.max_connections / 8,
            )),
        }
    }
}

fn http_client(options: &StoreOptions) -> Result<SharedHttpClient, ConnectError> {
    let pool = ConnectionPool::builder()
        .max_connections_per_host(options.max_connections)
        .tcp_nodelay(true)
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https()
        .map_err(|error| ConnectError {
            reason: error.to_string(),
        })?;
    let client = PooledClient::new(&pool).map_err(|error| ConnectError {
        reason: error.to_string(),
    })?;
    Ok(SharedHttpClient::new(client))
}
