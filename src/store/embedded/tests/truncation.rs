//! Upload bodies that end early without an error, as after a proxy that hides it.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use super::super::connector::InProcess;
use super::objects::stream;
use super::*;

/// Passes on what stands before the last `mark` of every body, or its first half.
#[derive(Debug, Clone)]
struct Cutting {
    store: EmbeddedStore,
    mark: Option<&'static [u8]>,
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
            let cut = mark.map_or(whole.len() / 2, |mark| {
                let found = whole.windows(mark.len()).rposition(|window| window == mark);
                found.expect("the mark stands in the body")
            });
            *request.body_mut() = SdkBody::from(whole.slice(..cut));
            InProcess(store).call(request).await
        })
    }
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_the_old_object() {
    let fixture = Fixture::new();
    fixture.put("k", "old").await;
    // Before and behind the line break that stands before the last, empty chunk; before the checksum that follows it,
    // and before that one's signature; in the middle.
    let marks = [
        &b"\r\n0;chunk-signature"[..],
        b"0;chunk-signature",
        b"x-amz-checksum-crc32:",
        b"x-amz-trailer-signature",
    ];
    for mark in marks.map(Some).into_iter().chain([None]) {
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
        let put = put
            .content_length(100_000)
            .body(stream(vec![b'y'; 100_000], false));
        let told = code(put.send().await);
        assert!(
            ["IncompleteBody", "BadDigest"].contains(&&*told),
            "{mark:?}: {told}"
        );
        assert_eq!(fixture.read("k").await, b"old");
    }
    assert_eq!(fixture.count_state("temp"), 0);
}
