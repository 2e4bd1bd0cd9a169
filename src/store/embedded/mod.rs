//! An S3 store over a plain folder, in this process.
//!
//! The folder is the bucket [`BUCKET`] and is served in place: nothing is imported. S3's protocol (SigV4, presigned
//! URLs, chunked uploads, XML) is the framework's part; where objects lie, what is known of them and how they are
//! listed is ours.
//!
//! | file | owns |
//! |---|---|
//! | `keys` | which keys are paths in the folder; how others are escaped; pure |
//! | `disk`, `publish` | finding objects' files; putting them in place and away |
//! | `record` | ETags, checksums and headers in sidecars; the stamp that ties them to a file |
//! | `walk`, `index`, `listing` | finding all keys, keeping them in order, telling them page by page |
//! | `object`, `reading`, `get` | conditions and ranges; bytes on their way out |
//! | `incoming`, `put` | bytes on their way in, hashed and checked; copies and deletions |
//! | `uploads`, `multipart`, `multipart_lists` | uploads in parts, on disk and as calls |
//! | `service`, `connector` | the framework's view of the store, and the SDK's |
//! | `refuse` | what the framework does not get to see |
//! | `credentials`, `error` | the store's keys; what can go wrong |
//!
//! In the state folder: `embedded/credentials.json`, and for each served folder
//! `embedded/<hash of its path>/{objects,records,uploads,temp,locks}`. Several processes may share them: files appear
//! and change by renames only.

mod connector;
mod credentials;
mod disk;
mod error;
mod get;
mod incoming;
mod index;
mod keys;
mod listing;
mod multipart;
mod multipart_lists;
mod object;
mod publish;
mod put;
mod reading;
mod record;
mod refuse;
mod service;
#[cfg(test)]
mod tests;
mod uploads;
mod walk;

use std::error::Error;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3ErrorCode};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use connector::InProcess;
use credentials::Credentials;
use disk::Disk;
pub use error::EmbeddedError;
use error::OpError;
use index::Index;
pub use keys::TEMP_PREFIX;
use publish::Condition;
use record::{Record, Sidecars, Stamp};

/// The bucket's name.
pub const BUCKET: &str = "local";

/// A folder, served as an S3 bucket. Clones share everything.
#[derive(Clone)]
pub struct EmbeddedStore {
    service: S3Service,
    credentials: Credentials,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("access_key", &self.credentials.access_key)
            .finish_non_exhaustive()
    }
}

/// The folders and the index, as the calls use them.
#[derive(Debug)]
struct Backend {
    disk: Arc<Disk>,
    index: Index,
}

impl EmbeddedStore {
    /// Opens the folder `dir` as the bucket [`BUCKET`].
    ///
    /// `dir` may be read-only. `state_dir` is made where it is missing; in it are kept the credentials, sheaf's own
    /// objects, objects whose keys are no paths, and what S3 knows beyond a file. It may lie inside `dir`, and is then
    /// never served. Blocks, for a moment only: nothing is walked.
    ///
    /// # Errors
    /// [`EmbeddedError`], where either folder cannot be used.
    pub fn open(dir: &Path, state_dir: &Path) -> Result<EmbeddedStore, EmbeddedError> {
        let folder = |source| EmbeddedError::Folder {
            path: dir.to_owned(),
            source,
        };
        let dir_meta = fs::metadata(dir).map_err(folder)?;
        if !dir_meta.is_dir() {
            return Err(EmbeddedError::NotAFolder {
                path: dir.to_owned(),
            });
        }
        let dir = fs::canonicalize(dir).map_err(folder)?;
        let state = |path: &Path| {
            let path = path.to_owned();
            move |source| EmbeddedError::State { path, source }
        };
        fs::create_dir_all(state_dir).map_err(state(state_dir))?;
        let state_dir = fs::canonicalize(state_dir).map_err(state(state_dir))?;
        if state_dir == dir {
            return Err(EmbeddedError::StateIsFolder { path: dir });
        }
        let shared = state_dir.join("embedded");
        let root = shared.join(hex::encode(
            &Sha256::digest(dir.as_os_str().as_bytes())[..16],
        ));
        let make = |name: &str| {
            let path = root.join(name);
            fs::create_dir_all(&path).map_err(state(&path))?;
            Ok(path)
        };
        let temp = make("temp")?;
        for entry in fs::read_dir(&temp).map_err(state(&temp))?.flatten() {
            disk::remove_abandoned(&entry);
        }
        let owner_only = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&shared, owner_only).map_err(state(&shared))?;
        let credentials = Credentials::open(&shared.join("credentials.json"), &temp)?;
        let temp_meta = fs::metadata(&temp).map_err(state(&temp))?;
        let disk = Arc::new(Disk {
            // A rename needs one file system.
            folder_temp: if disk::same_device(&dir_meta, &temp_meta) {
                temp.clone()
            } else {
                dir.clone()
            },
            hidden: state_dir.starts_with(&dir).then_some(state_dir),
            objects: make("objects")?,
            uploads: make("uploads")?,
            locks: make("locks")?,
            sidecars: Sidecars::new(make("records")?, temp.clone()),
            temp,
            dir,
        });
        let backend = Arc::new(Backend {
            disk,
            index: Index::default(),
        });
        let mut builder = S3ServiceBuilder::new(service::Service(backend));
        builder.set_auth(credentials.clone());
        let mut config = S3Config::default();
        config.normalize_forward_slash_path = false;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Ok(EmbeddedStore {
            service: builder.build(),
            credentials,
        })
    }

    /// The access key that requests are signed with.
    pub fn access_key(&self) -> &str {
        &self.credentials.access_key
    }

    /// The secret key that requests are signed with.
    pub fn secret_key(&self) -> &str {
        &self.credentials.secret_key
    }

    /// Answers one S3 request: path-style (`/local/key`), signed by SigV4 in headers or as a presigned URL, for any
    /// region and for whatever Host the client signed. The request's URI must be as it was sent.
    ///
    /// A body that fails later ends in an error, never short and clean.
    pub async fn serve<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Some(refusal) = refuse::refuse(&request) {
            return answer(refusal);
        }
        let is_head = request.method() == Method::HEAD;
        let request = request.map(|body| Body::http_body_unsync(body.map_err(Into::into)));
        let mut response = match self.service.call(request).await {
            Ok(response) => response,
            Err(error) => {
                let error: Box<dyn Error + Send + Sync> = error.into();
                tracing::error!(%error, "the embedded store cannot write its answer");
                answer(S3Error::new(S3ErrorCode::InternalError))
            }
        };
        // The framework writes an XML body for any error. RFC 9110, sections 9.3.2 and 15.4.5: not here.
        if is_head || response.status() == StatusCode::NOT_MODIFIED {
            *response.body_mut() = Body::empty();
        }
        response
    }

    /// An HTTP client for the SDK whose requests are answered in this process, without a socket. Any endpoint will
    /// do, with path-style addressing.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcess(self.clone()))
    }
}

fn answer(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

impl Backend {
    /// Makes `temp` an object, on disk and in the index.
    async fn commit(
        &self,
        temp: NamedTempFile,
        record: Record,
        condition: Condition,
    ) -> Result<Stamp, OpError> {
        let disk = Arc::clone(&self.disk);
        let key = record.key.clone();
        let stamp = blocking(move || disk.commit(temp, record, &condition)).await?;
        self.index.note(&key, Some(stamp));
        Ok(stamp)
    }

    /// Deletes an object, on disk and in the index.
    async fn delete(&self, key: String, condition: Condition) -> Result<(), OpError> {
        let disk = Arc::clone(&self.disk);
        let deleted = key.clone();
        blocking(move || disk.delete(&deleted, &condition)).await?;
        self.index.note(&key, None);
        Ok(())
    }
}

/// A key to be echoed in an answer, unless XML 1.0 (section 2.2) has no way to spell it. Clients know what they asked
/// for; an answer that they cannot parse would fail the call.
fn xml_text(key: String) -> Option<String> {
    let fits = |character: char| match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        character => character >= ' ',
    };
    key.chars().all(fits).then_some(key)
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpError> + Send + 'static,
) -> Result<T, OpError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(OpError::io("finish the work")(std::io::Error::other(error))),
        },
    }
}
