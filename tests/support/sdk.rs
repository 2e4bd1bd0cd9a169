//! An S3 client of the SDK: static credentials, path style, no retries, no stall protection, so that every answer of a
//! store is seen once and as it is.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, SharedHttpClient, StalledStreamProtectionConfig,
};

/// A client for the store at `endpoint` that asks for no particular credentials.
pub fn client(endpoint: &str) -> Client {
    client_with(endpoint, credentials("test", "test"), over_http())
}

/// A client for the store at `endpoint`, with these credentials and by this way.
pub fn client_with(endpoint: &str, credentials: Credentials, by: SharedHttpClient) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(by)
        .build();
    Client::from_conf(config)
}

/// A pair of keys, without a session.
pub fn credentials(access_key: &str, secret_key: &str) -> Credentials {
    Credentials::new(access_key, secret_key, None, None, "static")
}

/// Plain HTTP over TCP.
pub fn over_http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}
