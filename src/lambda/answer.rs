//! What a function does with an event.

use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::OnceCell;

use super::event::{Created, Event, InvalidEvent, Wanted};
use super::relay::{NoServer, Relay, Reply};
use crate::disposition;
use crate::manifest::fan_out::{MOST, publish_each};
use crate::manifest::{InvalidSelection, ManifestError, PublishOptions, Selection, publish};
use crate::store::presign::Subject;
use crate::store::{Bucket, InvalidBucket, Store, StoreError};

/// What is left of the function's time when a manifest is given up, so that nothing is left of it.
const RESERVE: Duration = Duration::from_secs(2);

/// A function: its store, and what holds where an event says nothing.
pub struct Function {
    /// Where the objects are.
    pub store: Store,
    /// The bucket of events that name none.
    pub bucket: Option<Bucket>,
    /// The prefix of events that name none; where it is empty, they must name one.
    pub prefix: String,
    /// How manifests are made.
    pub options: PublishOptions,
    /// What answers requests over HTTP.
    pub site: Site,
}

/// Starts the server with the first request over HTTP: other events never need it.
pub struct Site {
    started: OnceCell<Relay>,
    start: Box<dyn Fn() -> BoxFuture<'static, Result<Relay, String>> + Send + Sync>,
}

impl Site {
    /// A server that `start` starts.
    pub fn new(
        start: impl Fn() -> BoxFuture<'static, Result<Relay, String>> + Send + Sync + 'static,
    ) -> Site {
        Site {
            started: OnceCell::new(),
            start: Box::new(start),
        }
    }

    async fn relay(&self) -> Result<&Relay, Failed> {
        let start = || (self.start)();
        let started = self.started.get_or_try_init(start).await;
        started.map_err(|reason| Failed::Site { reason })
    }
}

/// What a function says to an event.
pub enum Answer {
    /// A result.
    Result(Value),
    /// An answer over HTTP.
    Http(Reply),
}

/// Why an event has no answer. Its name tells a state machine what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The event means nothing here.
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    /// It names no bucket, and there is none by default.
    #[error("the event names no bucket: add \"bucket\", or set BUCKET_NAME")]
    NoBucket,
    /// It names no prefix, and there is none by default: fields of others are let be, and a misspelled `prefix` looks like
    /// one. What it would hand out is the whole bucket.
    #[error(
        "the event names no prefix: add \"prefix\" (\"\" is the whole bucket) or \"prefixes\", or set PREFIX"
    )]
    NoPrefix,
    /// Its bucket is none.
    #[error(transparent)]
    Bucket(#[from] InvalidBucket),
    /// Its prefix or a pattern is wrong.
    #[error(transparent)]
    Selection(#[from] InvalidSelection),
    /// It is a request over HTTP, and there is no server to answer it.
    #[error("requests over HTTP are not answered: {reason}")]
    Site {
        /// Why there is none.
        reason: String,
    },
    /// The server in this process does not answer.
    #[error(transparent)]
    NoServer(#[from] NoServer),
    /// Too many prefixes.
    #[error("the event has {count} prefixes; at most {MOST} are taken")]
    ManyPrefixes {
        /// How many there are.
        count: usize,
    },
    /// No manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No URL.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failed {
    /// The name of the error, stable.
    pub fn name(&self) -> &'static str {
        match self {
            Failed::Event(_) => "InvalidEvent",
            Failed::NoBucket => "NoBucket",
            Failed::NoPrefix => "NoPrefix",
            Failed::Site { .. } | Failed::NoServer(_) => "NoServer",
            Failed::Bucket(_) | Failed::Selection(_) | Failed::ManyPrefixes { .. } => {
                "InvalidSelection"
            }
            Failed::Manifest(ManifestError::InvalidExpiry { .. }) => "InvalidExpiry",
            Failed::Manifest(ManifestError::TooLarge { .. }) => "TooLarge",
            Failed::Manifest(ManifestError::SlowPage { .. } | ManifestError::SlowRun { .. }) => {
                "TooSlow"
            }
            Failed::Manifest(ManifestError::Store(error)) | Failed::Store(error)
                if error.kind.can_pass() =>
            {
                "StoreBusy"
            }
            Failed::Manifest(ManifestError::Store(_)) | Failed::Store(_) => "StoreError",
        }
    }
}

impl Function {
    /// Answers an event within the time that is left.
    ///
    /// # Errors
    /// [`Failed`]; nothing is left in the bucket then.
    pub async fn answer(&self, event: &Value, left: Option<Duration>) -> Result<Answer, Failed> {
        let result = match Event::parse(event)? {
            Event::Http(request) => {
                let left = left.map(|left| left.saturating_sub(RESERVE));
                let reply = self.site.relay().await?.answer(*request, left).await?;
                return Ok(Answer::Http(reply));
            }
            Event::Manifest(wanted) => {
                let selection = self.selection(&wanted, None)?;
                let published =
                    publish(&self.store, &selection, &self.options(&wanted, left)).await?;
                reply(200, &json!(published))
            }
            Event::Manifests(wanted, prefixes) => self.manifests(&wanted, &prefixes, left).await?,
            Event::Objects(objects) => self.sign(&objects).await?,
        };
        Ok(Answer::Result(result))
    }

    async fn manifests(
        &self,
        wanted: &Wanted,
        prefixes: &[String],
        left: Option<Duration>,
    ) -> Result<Value, Failed> {
        if prefixes.len() > MOST {
            return Err(Failed::ManyPrefixes {
                count: prefixes.len(),
            });
        }
        let selections = prefixes
            .iter()
            .map(|prefix| self.selection(wanted, Some(prefix)));
        let selections: Vec<Selection> = selections.collect::<Result<_, _>>()?;
        let published = publish_each(&self.store, selections, &self.options(wanted, left)).await;
        let whole = published.iter().all(Result::is_ok);
        let results: Vec<Value> = published
            .into_iter()
            .zip(prefixes)
            .map(|(published, prefix)| match published {
                Ok(published) => json!(published),
                Err(error) => {
                    let error = Failed::from(error);
                    json!({"prefix": prefix, "error": error.name(), "detail": error.to_string()})
                }
            })
            .collect();
        Ok(reply(
            if whole { 200 } else { 207 },
            &json!({ "results": results }),
        ))
    }

    async fn sign(&self, objects: &[Created]) -> Result<Value, Failed> {
        let now = SystemTime::now();
        let mut urls = Vec::new();
        for Created {
            bucket,
            key,
            version,
        } in objects
        {
            let signer = self
                .store
                .signer(&Bucket::new(bucket)?, now, self.options.expires_in)
                .await?;
            let name = disposition::attachment(key);
            let subject = Subject {
                key,
                version: version.as_deref(),
                disposition: Some(&name),
            };
            let url = signer.url(&subject).await?;
            let end = OffsetDateTime::from(signer.ends()).format(&Rfc3339).ok();
            urls.push(json!({"bucket": bucket, "key": key, "url": url, "expires_at": end}));
        }
        Ok(reply(200, &json!({ "urls": urls })))
    }

    fn selection(&self, wanted: &Wanted, prefix: Option<&str>) -> Result<Selection, Failed> {
        let bucket = match wanted.bucket.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => Bucket::new(name)?,
            None => self.bucket.clone().ok_or(Failed::NoBucket)?,
        };
        let default = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let prefix = prefix.or(wanted.prefix.as_deref()).or(default);
        let prefix = prefix.ok_or(Failed::NoPrefix)?;
        Ok(Selection::new(bucket, prefix, &wanted.include)?)
    }

    fn options(&self, wanted: &Wanted, left: Option<Duration>) -> PublishOptions {
        let mut options = self.options.clone();
        options.now = SystemTime::now();
        if let Some(seconds) = wanted.expires_in {
            options.expires_in = Duration::from_secs(seconds);
        }
        let left = left.map(|left| left.saturating_sub(RESERVE));
        let limits = options.watch.run_limit.into_iter().chain(left);
        options.watch.run_limit = limits.min();
        options
    }
}

/// What callers of functions are used to.
fn reply(status: u16, body: &Value) -> Value {
    json!({"statusCode": status, "body": body.to_string()})
}
