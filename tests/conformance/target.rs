//! A store under test: sheaf's own handle on it, the bare SDK, and bare HTTP.

use std::path::Path;
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sheaf::store::embedded::{self, EmbeddedStore};
use sheaf::store::{Bucket, Identity, Object, Store, StoreError, StoreOptions};
use tokio::net::TcpStream;

use crate::gaps::Kind;
use crate::support::sdk;
use crate::support::server::Server;
use crate::support::stores::{self, ExternalStore, Software};

/// A store under test, as one behaviour sees it.
#[derive(Clone, Debug)]
pub struct Target {
    pub kind: Kind,
    /// The SDK, bare: what the store itself does.
    pub s3: Client,
    /// What sheaf makes of it.
    pub store: Store,
    pub bucket: Bucket,
    pub credentials: Credentials,
    /// Where it listens, or would.
    pub endpoint: String,
    way: Way,
    prefix: String,
}

/// How requests get there.
#[derive(Clone, Debug)]
enum Way {
    Tcp,
    InProcess(EmbeddedStore),
}

/// A whole answer to a bare request.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Target {
    /// The embedded store in this process.
    pub fn in_process(dir: &Path, state: &Path) -> Target {
        let embedded = EmbeddedStore::open(dir, state).expect("an embedded store");
        let endpoint = "http://sheaf.localhost".to_owned();
        let credentials = sdk::credentials(embedded.access_key(), embedded.secret_key());
        let by = embedded.http_client();
        Target {
            kind: Kind::Embedded,
            s3: sdk::client_with(&endpoint, credentials.clone(), by),
            store: Store::embedded(&embedded, &StoreOptions::default()),
            bucket: Bucket::new(embedded::BUCKET).expect("a bucket"),
            credentials,
            endpoint,
            way: Way::InProcess(embedded),
            prefix: String::new(),
        }
    }

    /// The embedded store on the listener of the real binary.
    pub async fn served(server: &Server) -> Target {
        let embedded =
            EmbeddedStore::open(&server.bucket(), &server.state()).expect("the server's store");
        let credentials = sdk::credentials(embedded.access_key(), embedded.secret_key());
        Target::over_tcp(Kind::Embedded, &server.url, credentials, embedded::BUCKET).await
    }

    /// Another store.
    pub async fn external(software: Software, store: &ExternalStore) -> Target {
        let kind = match software {
            Software::Garage => Kind::Garage,
            Software::Ministack => Kind::Ministack,
            Software::Minio => Kind::Minio,
        };
        let credentials = store.credentials.clone();
        Target::over_tcp(kind, &store.endpoint, credentials, stores::BUCKET).await
    }

    async fn over_tcp(
        kind: Kind,
        endpoint: &str,
        credentials: Credentials,
        bucket: &str,
    ) -> Target {
        Target {
            kind,
            s3: sdk::client_with(endpoint, credentials.clone(), sdk::over_http()),
            store: connect(endpoint, credentials.clone()).await,
            bucket: Bucket::new(bucket).expect("a bucket"),
            credentials,
            endpoint: endpoint.to_owned(),
            way: Way::Tcp,
            prefix: String::new(),
        }
    }

    /// The same store, with keys of its own for one behaviour.
    pub fn below(&self, name: &str) -> Target {
        Target {
            prefix: format!("{name}/"),
            ..self.clone()
        }
    }

    /// What all keys of this behaviour begin with; ends with a slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key of this behaviour.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The same store over TCP, with other keys.
    pub async fn with_keys(&self, credentials: Credentials) -> Target {
        assert!(
            matches!(self.way, Way::Tcp),
            "in process there are no others"
        );
        Target {
            s3: sdk::client_with(&self.endpoint, credentials.clone(), sdk::over_http()),
            store: connect(&self.endpoint, credentials.clone()).await,
            credentials,
            ..self.clone()
        }
    }

    /// The SDK with other keys.
    pub fn s3_with(&self, credentials: Credentials) -> Client {
        let by = match &self.way {
            Way::Tcp => sdk::over_http(),
            Way::InProcess(embedded) => embedded.http_client(),
        };
        sdk::client_with(&self.endpoint, credentials, by)
    }

    /// Writes an object as sheaf does.
    pub async fn put(&self, name: &str, content: impl Into<Bytes>) {
        let key = self.key(name);
        self.store
            .put(&self.bucket, &key, "application/pdf", content.into())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Lists as sheaf does: all objects below a prefix.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.store.list(&self.bucket, prefix).try_concat().await
    }

    /// The names of this behaviour's keys, in the order of the listing.
    pub async fn names(&self) -> Vec<String> {
        let objects = self.list(&self.prefix).await;
        let objects = objects.unwrap_or_else(|error| panic!("{error}"));
        let name = |object: Object| object.key[self.prefix.len()..].to_owned();
        objects.into_iter().map(name).collect()
    }

    /// The row of one object.
    pub async fn row(&self, name: &str) -> Object {
        let key = self.key(name);
        let listed = self.list(&key).await;
        let listed = listed.unwrap_or_else(|error| panic!("{error}"));
        let row = listed.into_iter().find(|object| object.key == key);
        row.unwrap_or_else(|| panic!("{key:?} is not listed"))
    }

    /// Writes an object and lists it.
    pub async fn row_of(&self, name: &str, content: impl Into<Bytes>) -> Object {
        self.put(name, content).await;
        self.row(name).await
    }

    /// Reads a row as sheaf does, whole.
    pub async fn read(&self, row: &Object) -> Result<Vec<u8>, StoreError> {
        self.read_range(row, 0..row.size).await
    }

    /// Reads a range of a row as sheaf does.
    pub async fn read_range(
        &self,
        row: &Object,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut body = self.store.get(&self.bucket, row, range, false).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// A presigned URL, as sheaf signs it.
    pub async fn presign(&self, name: &str) -> String {
        self.presign_at(name, SystemTime::now()).await
    }

    /// A presigned URL that lives for an hour from `now` on.
    pub async fn presign_at(&self, name: &str, now: SystemTime) -> String {
        let an_hour = std::time::Duration::from_secs(3600);
        let disposition = Some("attachment; filename=\"saved.pdf\"".to_owned());
        self.store
            .presign_get(
                &self.bucket,
                &self.key(name),
                None,
                now,
                an_hour,
                disposition,
            )
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A bare request, its URL sent exactly as it is spelled.
    pub async fn fetch(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Answered {
        let rest = url.strip_prefix("http://").expect("a plain URL");
        let (authority, target) = rest.split_at(rest.find('/').expect("a path"));
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        match &self.way {
            Way::Tcp => {
                let stream = TcpStream::connect(authority).await.expect("a connection");
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
                    .await
                    .expect("HTTP/1.1");
                tokio::spawn(connection);
                whole(sender.send_request(request).await.expect("an answer")).await
            }
            Way::InProcess(embedded) => whole(embedded.serve(request).await).await,
        }
    }
}

async fn whole<B>(response: Response<B>) -> Answered
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (head, body) = response.into_parts();
    Answered {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.expect("a whole body").to_bytes(),
    }
}

async fn connect(endpoint: &str, credentials: Credentials) -> Store {
    let options = StoreOptions {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        identity: Identity::Keys(credentials),
        ..StoreOptions::default()
    };
    Store::connect(&options).await.expect("a connection pool")
}

/// The status and code of a refused call.
pub fn refusal<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> (u16, String)
where
    T: std::fmt::Debug,
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let error = result.expect_err("the call should be refused");
    let status = error
        .raw_response()
        .unwrap_or_else(|| panic!("no answer: {error:?}"))
        .status()
        .as_u16();
    let code = error.as_service_error().and_then(|error| error.code());
    (status, code.unwrap_or_default().to_owned())
}

/// A body that the SDK sends in one piece.
pub fn body(content: impl Into<Vec<u8>>) -> ByteStream {
    ByteStream::from(content.into())
}
