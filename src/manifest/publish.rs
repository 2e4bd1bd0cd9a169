//! Making a presigned manifest: listing → queue → signing → upload, all at once, in flat memory.
//!
//! A manifest is whole or it is not there: any failure takes the upload back before the error is returned, and so does
//! whoever drops the future.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, future, pin_mut};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::jsonl::{CONTENT_TYPE, Line};
use super::selection::{MANIFEST_PREFIX, Selection};
use crate::disposition;
use crate::store::list::Pace;
use crate::store::parts::joined;
use crate::store::presign::{self, Signer, Subject};
use crate::store::{Object, PartWriter, Store, StoreError, WriteError};

/// How long the URLs live where nobody says otherwise.
pub const DEFAULT_EXPIRY: Duration = Duration::from_secs(900);

/// Objects between listing and signing where nobody says otherwise: five pages of a listing.
pub const DEFAULT_QUEUE: usize = 5000;

/// How long manifests may take, and what is told about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// How long one page of the listing may take; for ever where absent.
    pub page_limit: Option<Duration>,
    /// How long the whole manifest may take; for ever where absent.
    pub run_limit: Option<Duration>,
    /// Whether a line of CloudWatch's embedded metric format goes to standard error.
    pub emf: bool,
}

/// How a manifest is made.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// How long the URLs live, in whole seconds: 1 s to 7 days.
    pub expires_in: Duration,
    /// The most objects between listing and signing.
    pub queue_max: usize,
    /// From when on the URLs live: the same moment for all, so that a manifest has one end.
    pub now: SystemTime,
    /// How long it may take, and what is told about it.
    pub watch: Watch,
    /// How far the listing may go ahead.
    pub pace: Pace,
}

impl Default for PublishOptions {
    fn default() -> Self {
        PublishOptions {
            expires_in: DEFAULT_EXPIRY,
            queue_max: DEFAULT_QUEUE,
            now: SystemTime::now(),
            watch: Watch::default(),
            pace: Pace {
                ahead: LISTED_AHEAD,
                ..Pace::default()
            },
        }
    }
}

/// How far the listing goes ahead of signing, in bytes. It is several times as fast, so that more would only lie there.
const LISTED_AHEAD: usize = 24 << 20;

/// A manifest that is in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Manifest))]
pub struct Published {
    /// The bucket of the objects and of the manifest.
    pub bucket: String,
    /// The prefix that was listed.
    pub prefix: String,
    /// Lines of the manifest.
    pub count: u64,
    /// Bytes of all objects in it together.
    pub bytes: u64,
    /// `manifests/<uuid>.jsonl`.
    pub manifest_key: String,
    /// S3's own signed URL of the manifest; it ends when those inside do.
    pub manifest_url: String,
    /// When all of these URLs end, at the latest. Written as RFC 3339 has it, in UTC.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(test, schema(value_type = String, format = DateTime))]
    pub expires_at: OffsetDateTime,
    /// What the reader should know before relying on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Why there is no manifest. Nothing is left in the bucket then.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The store refused something: the listing, the credentials, the upload.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More lines than one object holds.
    #[error(
        "the manifest would be larger than {limit} bytes: choose a longer prefix or a narrower pattern"
    )]
    TooLarge {
        /// The most that can be written, in bytes.
        limit: u64,
    },
    /// The store took too long over one page of the listing.
    #[error("a page of the listing did not come within {} s", limit.as_secs_f64())]
    SlowPage {
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// The whole took too long.
    #[error("the manifest was not complete within {} s", limit.as_secs_f64())]
    SlowRun {
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// No presigned URL can live that long, or that short.
    #[error(
        "URLs cannot live for {} s: from 1 s to {} s (7 days) are possible",
        asked.as_secs_f64(),
        presign::LONGEST.as_secs()
    )]
    InvalidExpiry {
        /// What was asked for.
        asked: Duration,
    },
}

impl From<WriteError> for ManifestError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => ManifestError::Store(error),
            WriteError::TooLarge { limit } => ManifestError::TooLarge { limit },
        }
    }
}

/// Lists a selection, signs a URL for each of its objects and stores the lines beside them.
///
/// # Errors
/// [`ManifestError`]; the manifest is not there then, nor any part of it.
pub async fn publish(
    store: &Store,
    selection: &Selection,
    options: &PublishOptions,
) -> Result<Published, ManifestError> {
    let (began, at) = (Instant::now(), SystemTime::now());
    let published = make(store, selection, options).await;
    let (bucket, prefix) = (selection.bucket().as_str(), selection.prefix());
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &published {
        Ok(Published { count, bytes, .. }) => {
            tracing::info!(bucket, prefix, count, bytes, milliseconds, "manifest");
        }
        Err(error) => tracing::warn!(bucket, prefix, milliseconds, %error, "manifest failed"),
    }
    if options.watch.emf {
        let line = super::emf::line(selection, &published, at, began.elapsed());
        // Whoever closed standard error wants no lines.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    published
}

async fn make(
    store: &Store,
    selection: &Selection,
    options: &PublishOptions,
) -> Result<Published, ManifestError> {
    let expires_in = check_expiry(options.expires_in)?;
    let bucket = selection.bucket();
    let signer = store.signer(bucket, options.now, expires_in).await?;
    let manifest_key = format!("{MANIFEST_PREFIX}{}.jsonl", uuid::Uuid::new_v4());

    let (sender, receiver) = mpsc::channel(options.queue_max.max(1));
    let listing = tokio::spawn(list(
        store.clone(),
        selection.clone(),
        options.clone(),
        sender,
    ));
    let listing = AbortOnDropHandle::new(listing);
    let listed = async { joined(listing.await) };

    let mut writer = PartWriter::new(store, bucket, &manifest_key, CONTENT_TYPE).is_new();
    let rows = write_rows(signer, receiver, &mut writer);
    // The first failure of either side ends both: no half that works goes on for one that does not.
    let written = future::try_join(listed, Box::pin(rows));
    let written = match options.watch.run_limit {
        None => written.await,
        Some(limit) => tokio::time::timeout(limit, written)
            .await
            .unwrap_or(Err(ManifestError::SlowRun { limit })),
    };
    let written = match written {
        Ok(((), written)) => written,
        Err(error) => {
            writer.abort().await;
            return Err(error);
        }
    };
    // Signed before the object is there, so that nothing can fail once it is.
    let name = disposition::attachment(&manifest_key);
    let subject = Subject {
        key: &manifest_key,
        version: None,
        disposition: Some(&name),
    };
    let manifest_url = match written.signer.url(&subject).await {
        Ok(url) => url,
        Err(error) => {
            writer.abort().await;
            return Err(error.into());
        }
    };
    writer.finish().await?;

    let asked = whole_second(options.now + expires_in);
    let session = whole_second(written.end.min(written.signer.ends()));
    let (expires_at, warning) = ends(asked, session, SystemTime::now().into());
    Ok(Published {
        bucket: bucket.to_string(),
        prefix: selection.prefix().to_owned(),
        count: written.count,
        bytes: written.bytes,
        manifest_key,
        manifest_url,
        expires_at,
        warning,
    })
}

fn check_expiry(asked: Duration) -> Result<Duration, ManifestError> {
    let whole = Duration::from_secs(asked.as_secs());
    if whole.is_zero() || asked > presign::LONGEST {
        return Err(ManifestError::InvalidExpiry { asked });
    }
    Ok(whole)
}

/// Ends early and without an error where nobody receives any more: then the other side has the error.
async fn list(
    store: Store,
    selection: Selection,
    options: PublishOptions,
    queue: mpsc::Sender<Object>,
) -> Result<(), ManifestError> {
    let pace = options.pace;
    let pages = store.list_at(selection.bucket(), selection.prefix(), move || pace);
    pin_mut!(pages);
    loop {
        let page = match options.watch.page_limit {
            None => pages.next().await,
            Some(limit) => tokio::time::timeout(limit, pages.next())
                .await
                .map_err(|_| ManifestError::SlowPage { limit })?,
        };
        let Some(page) = page else {
            return Ok(());
        };
        for object in page?.into_iter().filter(|object| selection.takes(object)) {
            if queue.send(object).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// After how many URLs it is looked at whether the credentials end soon.
const URLS_PER_LOOK: u64 = 1000;

/// What was written.
struct Written {
    count: u64,
    /// Bytes of the objects together.
    bytes: u64,
    /// When the first of the URLs ends.
    end: SystemTime,
    signer: Signer,
}

async fn write_rows(
    mut signer: Signer,
    mut queue: mpsc::Receiver<Object>,
    writer: &mut PartWriter,
) -> Result<Written, ManifestError> {
    let (mut count, mut bytes, mut end) = (0, 0_u64, signer.ends());
    while let Some(object) = queue.recv().await {
        if count % URLS_PER_LOOK == 0 {
            signer = signer.renewed().await?;
            end = end.min(signer.ends());
        }
        let name = disposition::attachment(&object.key);
        let url = signer
            .url(&Subject {
                key: &object.key,
                version: object.version_id.as_deref(),
                disposition: Some(&name),
            })
            .await?;
        Line::new(&object, &url).write(writer.filling());
        writer.pass_on().await?;
        count += 1;
        bytes = bytes.saturating_add(object.size);
    }
    Ok(Written {
        count,
        bytes,
        end,
        signer,
    })
}

/// S3 dates signatures by the second, and so ends them.
fn whole_second(time: SystemTime) -> OffsetDateTime {
    let time = OffsetDateTime::from(time);
    time.replace_nanosecond(0).unwrap_or(time)
}

/// When the URLs end that were to end at `asked` and were signed by a session that ends at `session`, and what is to be
/// said about it.
fn ends(
    asked: OffsetDateTime,
    session: OffsetDateTime,
    now: OffsetDateTime,
) -> (OffsetDateTime, Option<String>) {
    let expires_at = session.min(asked);
    let mut warnings = Vec::new();
    if expires_at < asked {
        warnings.push(format!(
            "the URLs end at {} instead of {}, together with the temporary credentials that signed them; sign with longer-lived ones for more",
            text(expires_at),
            text(asked)
        ));
    }
    if expires_at <= now {
        warnings.push(
            "the URLs ended before the manifest was complete; ask for a longer life".to_owned(),
        );
    }
    (
        expires_at,
        (!warnings.is_empty()).then(|| warnings.join("; ")),
    )
}

fn text(time: OffsetDateTime) -> String {
    // Only years beyond 9999 have no such form.
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

#[cfg(test)]
mod tests;
