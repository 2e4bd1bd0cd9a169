//! Upload bodies that end early without an error, as after a proxy that hides it.

use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use super::super::connector::InProcess;
use super::*;

/// Passes on what stands before the first `mark` of every body, or half of it where there is none.
#[derive(Debug, Clone)]
struct Cutting {
    store: EmbeddedStore,
    mark: &'static [u8],
}

impl HttpClient for Cutting {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Cutting {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let Cutting { store, mark } = self.clone();
        HttpConnectorFuture::new(async move {
            let body = std::mem::replace(request.body_mut(), SdkBody::empty());
            let whole = body
                .collect()
                .await
                .map_err(ConnectorError::user)?
                .to_bytes();
            let cut = whole.windows(mark.len()).position(|window| window == mark);
            *request.body_mut() = SdkBody::from(whole.slice(..cut.unwrap_or(whole.len() / 2)));
            InProcess(store).call(request).await
        })
    }
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_the_old_object() {
    let fixture = Fixture::new();
    fixture.put("k", "old").await;
    // In the middle; before the last chunk, when all the data is there; before the checksum behind it.
    for mark in [
        &b"absent"[..],
        b"\r\n0\r\n",
        b"0\r\nx-amz-checksum",
        b"x-amz-checksum-crc32:",
    ] {
        let store = fixture.store.clone();
        let config = fixture
            .s3
            .config()
            .to_builder()
            .http_client(Cutting { store, mark })
            .build();
        let put = Client::from_conf(config)
            .put_object()
            .bucket(BUCKET)
            .key("k");
        let put = put.body(ByteStream::from(vec![b'y'; 100_000]));
        let told = code(put.send().await);
        assert!(
            ["IncompleteBody", "BadDigest"].contains(&&*told),
            "{mark:?}: {told}"
        );
        assert_eq!(fixture.read("k").await, b"old");
    }
    assert_eq!(fixture.count_state("temp"), 0);
}
