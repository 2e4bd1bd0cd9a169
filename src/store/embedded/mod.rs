//! An S3 store over a plain folder, in this process.
use aws_smithy_runtime_api::client::http::SharedHttpClient;
/// x
pub const BUCKET: &str = "local";
/// x
#[derive(Clone, Debug)]
pub struct EmbeddedStore {}
#[derive(Debug, thiserror::Error)]
#[error("x")]
/// x
pub struct EmbeddedError;
impl EmbeddedStore {
    /// x
    pub fn open(
        _dir: &std::path::Path,
        _state_dir: &std::path::Path,
    ) -> Result<EmbeddedStore, EmbeddedError> {
        unimplemented!()
    }
    /// x
    pub fn access_key(&self) -> &str {
        unimplemented!()
    }
    /// x
    pub fn secret_key(&self) -> &str {
        unimplemented!()
    }
    /// x
    pub fn http_client(&self) -> SharedHttpClient {
        unimplemented!()
    }
    /// x
    pub async fn serve<B>(&self, _req: http::Request<B>) -> http::Response<s3s::Body> {
        unimplemented!()
    }
}
