//! A scripted S3 server: real HTTP on loopback, path style, signatures not checked.
//!
//! Objects are functions of key and offset ([`content`]), so that an archive of any size can be made without memory or
//! disk, and checked by CRC without a second read. Which request goes wrong, and how, stands in a table ([`faults`]);
//! what was asked is kept in a record ([`requests`]). Clients may also write; what they write stays in memory.
//!
//! The server ends with the value that [`Synthetic::start`] returns: its port is closed and its connections are cut.

mod answer;
mod body;
pub mod content;
pub mod faults;
pub mod object;
mod reads;
pub mod requests;
pub mod versions;
mod writes;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use answer::Answer;
use body::ScriptedBody;
use faults::{Failure, Fault, Faults};
use object::SyntheticObject;
use reads::Objects;
use requests::{Operation, Request, Requests};
use versions::Versions;
use writes::Uploads;

use super::cut::{self, Cut};

/// How the server answers.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one bucket there is.
    pub bucket: String,
    /// Added before every answer, as a far store would.
    pub latency: Duration,
    /// The most keys on a page of a listing.
    pub page_size: usize,
    /// Listings heed `start-after`, as they do on AWS.
    pub starts_after: bool,
    /// The bucket keeps versions.
    pub versioned: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bucket: "bench".to_owned(),
            latency: Duration::ZERO,
            page_size: 1000,
            starts_after: true,
            versioned: false,
        }
    }
}

/// A request that has not come by then will never come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running server.
#[derive(Debug)]
pub struct Synthetic {
    address: SocketAddr,
    store: Arc<Store>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Store {
    options: Options,
    objects: RwLock<Objects>,
    /// Where the bucket keeps them.
    versions: Option<Mutex<Versions>>,
    uploads: Mutex<Uploads>,
    faults: Faults,
    requests: Arc<Requests>,
    /// How many requests have taken effect.
    answered: watch::Sender<u64>,
}

impl Synthetic {
    /// Listens on a free port of 127.0.0.1, on the runtime of the caller.
    pub async fn start(
        objects: impl IntoIterator<Item = SyntheticObject>,
        options: Options,
    ) -> Self {
        let objects: Objects = objects
            .into_iter()
            .map(|object| (object.key.clone(), Arc::new(object)))
            .collect();
        let versions = options.versioned.then(|| Versions::of(&objects));
        let store = Arc::new(Store {
            options,
            objects: RwLock::new(objects),
            versions: versions.map(Mutex::new),
            uploads: Mutex::default(),
            faults: Faults::default(),
            requests: Arc::default(),
            answered: watch::Sender::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let behind = store.clone();
        let answer = move |request, cut| respond(behind.clone(), cut, request);
        let accepting = tokio::spawn(cut::serve(listener, answer)).abort_handle();
        Synthetic {
            address,
            store,
            accepting,
        }
    }

    /// The URL for `S3_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds an object, or replaces the one of this key.
    pub fn put(&self, object: SyntheticObject) {
        self.store
            .insert(&mut self.store.objects.write().unwrap(), object);
    }

    /// Deletes an object.
    pub fn remove(&self, key: &str) {
        self.store.remove(key);
    }

    /// The object of this key, as it is now.
    pub fn object(&self, key: &str) -> Option<Arc<SyntheticObject>> {
        self.store.objects.read().unwrap().get(key).cloned()
    }

    /// All keys, in order.
    pub fn keys(&self) -> Vec<String> {
        self.store.objects.read().unwrap().keys().cloned().collect()
    }

    /// The keys of the multipart uploads that were neither completed nor aborted.
    pub fn open_uploads(&self) -> Vec<String> {
        self.store
            .uploads
            .lock()
            .unwrap()
            .values()
            .map(|upload| upload.key.clone())
            .collect()
    }

    /// Waits until `condition` holds; it is looked at again after every request that has taken effect.
    pub async fn until(&self, condition: impl Fn(&Synthetic) -> bool) {
        let mut answered = self.store.answered.subscribe();
        let met = answered.wait_for(|_| condition(self));
        let met = tokio::time::timeout(PATIENCE, met).await;
        assert!(met.is_ok(), "it never came to that");
    }

    /// The fault table.
    pub fn faults(&self) -> &Faults {
        &self.store.faults
    }

    /// The record of requests.
    pub fn requests(&self) -> &Requests {
        &self.store.requests
    }
}

impl Drop for Synthetic {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn respond(
    store: Arc<Store>,
    cut: Arc<Cut>,
    request: http::Request<Incoming>,
) -> Result<http::Response<ScriptedBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let request = Request::parse(&parts);
    let in_flight = store.requests.arrived(&request);
    // A body that breaks off ends the connection; what is answered then reaches nobody.
    let body = body
        .collect()
        .await
        .map(|whole| whole.to_bytes())
        .unwrap_or_default();
    if !store.options.latency.is_zero() {
        tokio::time::sleep(store.options.latency).await;
    }
    let is_read = matches!(
        request.operation,
        Operation::List
            | Operation::HeadBucket
            | Operation::GetObject
            | Operation::HeadObject
            | Operation::GetAttributes
            | Operation::GetVersioning
            | Operation::ListVersions
            | Operation::ListParts
    );
    // A write must fail before it takes effect, so its fault is drawn first.
    let mut answer = if is_read {
        store.answer(&request, body.clone())
    } else {
        Answer::empty(200)
    };
    let (mut mishap, mut announced) = (None, true);
    match store.faults.strike(&request, &answer.range) {
        Some(Fault::Answer(failure)) => answer = Answer::failure(failure),
        Some(Fault::Instead(document)) => answer = Answer::document(document),
        Some(Fault::Unranged) => {
            answer.status = 200;
            answer.headers.remove("content-range");
            answer.range = 0..answer.content.size();
            announced = false;
        }
        fault => {
            if let Some(Fault::Delay(delay)) = fault {
                tokio::time::sleep(delay).await;
            }
            if let Some(Fault::Body { at, mishap: what }) = fault {
                mishap = Some((at, what));
            }
            if !is_read {
                answer = store.answer(&request, body);
            }
        }
    }
    if parts.method == http::Method::HEAD && !answer.range.is_empty() {
        answer = answer.without_body();
    }
    let mut scripted = ScriptedBody::new(
        answer.content,
        answer.range,
        mishap,
        cut,
        store.requests.clone(),
    );
    if !announced {
        scripted = scripted.unannounced();
    }
    if let Some(in_flight) = in_flight {
        scripted = scripted.counted(in_flight);
    }
    let mut response = http::Response::new(scripted);
    *response.status_mut() = http::StatusCode::from_u16(answer.status).expect("a status");
    *response.headers_mut() = answer.headers;
    store.answered.send_modify(|answers| *answers += 1);
    Ok(response)
}

impl Store {
    /// The true answer.
    fn answer(&self, request: &Request, body: Bytes) -> Answer {
        self.try_answer(request, body)
            .unwrap_or_else(Answer::failure)
    }

    fn try_answer(&self, request: &Request, body: Bytes) -> Result<Answer, Failure> {
        if request.bucket != self.options.bucket {
            return Err(Failure::NO_SUCH_BUCKET);
        }
        match request.operation {
            Operation::HeadBucket => Ok(Answer::empty(200)),
            Operation::List => reads::list(&self.objects.read().unwrap(), request, &self.options),
            Operation::GetObject | Operation::HeadObject => {
                let answer = reads::object(&*self.named(request)?, request)?;
                Ok(match &self.versions {
                    Some(_) => {
                        answer.header("x-amz-version-id", versions::id(&*self.named(request)?))
                    }
                    None => answer,
                })
            }
            Operation::GetAttributes => reads::attributes(&*self.named(request)?, request),
            Operation::GetVersioning => {
                let status = match self.versions {
                    Some(_) => "<Status>Enabled</Status>",
                    None => "",
                };
                Ok(Answer::xml("VersioningConfiguration", status))
            }
            Operation::ListVersions => match &self.versions {
                Some(versions) => {
                    let versions = versions.lock().unwrap();
                    Ok(versions.list(request, self.options.page_size))
                }
                None => Err(Failure::INVALID_REQUEST),
            },
            Operation::PutObject => self.put_object(request, writes::payload(request, body)?),
            Operation::DeleteObject => {
                self.remove(&request.key);
                Ok(Answer::empty(204))
            }
            Operation::CreateUpload => {
                let id = format!("upload-{}", uuid::Uuid::new_v4());
                Ok(writes::create(
                    &mut self.uploads.lock().unwrap(),
                    request,
                    id,
                ))
            }
            Operation::UploadPart => {
                let payload = writes::payload(request, body)?;
                writes::upload_part(&mut self.uploads.lock().unwrap(), request, payload)
            }
            Operation::ListParts => writes::list_parts(&self.uploads.lock().unwrap(), request),
            Operation::CompleteUpload => {
                let (answer, object) =
                    writes::complete(&mut self.uploads.lock().unwrap(), request)?;
                self.insert(&mut self.objects.write().unwrap(), object);
                Ok(answer)
            }
            Operation::AbortUpload => writes::abort(&mut self.uploads.lock().unwrap(), request),
            Operation::Unknown => Err(Failure::INVALID_REQUEST),
        }
    }

    fn put_object(&self, request: &Request, payload: Bytes) -> Result<Answer, Failure> {
        let mut objects = self.objects.write().unwrap();
        if request.header("if-none-match") == Some("*") && objects.contains_key(&request.key) {
            return Err(Failure::PRECONDITION_FAILED);
        }
        let object = writes::written(request, payload);
        let answer = Answer::empty(200).header("etag", format!("\"{}\"", object.etag));
        self.insert(&mut objects, object);
        Ok(answer)
    }

    /// The object that a request is about, in the version that it names.
    fn named(&self, request: &Request) -> Result<Arc<SyntheticObject>, Failure> {
        match (&self.versions, request.parameter("versionId")) {
            (Some(versions), Some(id)) => versions.lock().unwrap().named(&request.key, id),
            (None, Some(_)) => Err(Failure::INVALID_REQUEST),
            (_, None) => {
                let objects = self.objects.read().unwrap();
                objects
                    .get(&request.key)
                    .cloned()
                    .ok_or(Failure::NO_SUCH_KEY)
            }
        }
    }

    fn insert(&self, objects: &mut Objects, object: SyntheticObject) {
        let object = Arc::new(object);
        if let Some(versions) = &self.versions {
            versions
                .lock()
                .unwrap()
                .note(&object.key, Some(object.clone()));
        }
        objects.insert(object.key.clone(), object);
    }

    fn remove(&self, key: &str) {
        self.objects.write().unwrap().remove(key);
        if let Some(versions) = &self.versions {
            versions.lock().unwrap().note(key, None);
        }
    }
}
