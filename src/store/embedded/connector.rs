//! The SDK's way to the store without a socket: a connector that hands requests to [`EmbeddedStore::serve`].

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::header::{HOST, HeaderValue};
use http::uri::Scheme;
use http::{Request, Uri};

use super::EmbeddedStore;

/// An SDK client's connection to the store in this process.
#[derive(Debug, Clone)]
pub(super) struct InProcess(pub(super) EmbeddedStore);

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let store = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let response = store.serve(with_host(request)?).await;
            let response = response.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Adds the Host header as an HTTP/1.1 client would: it is part of what was signed.
fn with_host(mut request: Request<SdkBody>) -> Result<Request<SdkBody>, ConnectorError> {
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::try_from(host(request.uri()))
            .map_err(|error| ConnectorError::user(error.into()))?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(request)
}

fn host(uri: &Uri) -> String {
    let name = uri.host().unwrap_or_default();
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    match uri.port_u16() {
        Some(port) if port != usual => format!("{name}:{port}"),
        _ => name.to_owned(),
    }
}
