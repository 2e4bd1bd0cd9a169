//! Making a link: freeze what was chosen, store it, sign for it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use uuid::Uuid;

use super::freeze::{Chosen, FreezeError, Scan, freeze, scanned};
use super::library::Library;
use super::passphrase::Passphrase;
use super::stored::Terms;
use crate::disposition;
use crate::link::KeyRing;
use crate::store::parts::joined;
use crate::store::{Store, StoreError, StoreErrorKind, WriteError};

/// How long a link lives where nobody says otherwise: 7 days.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The longest life of a link: ten years.
pub const LONGEST_LIFE: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// What may stand in a path segment (RFC 3986 §3.3) and means nothing to a shell: unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A link that is to be made.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What it is for.
    pub chosen: Chosen,
    /// The name under which the archive is saved; after the prefix where absent.
    pub filename: Option<String>,
    /// How long it lives, in whole seconds.
    pub expires_in: Duration,
    /// What the objects without a CRC-32 are hashed with beforehand, if they are to be.
    pub scan: Option<Scan>,
    /// What whoever has the link must know as well.
    pub passphrase: Option<Passphrase>,
    /// How often the archive may be downloaded whole.
    pub max_downloads: Option<NonZeroU32>,
    /// What its URLs begin with: the name under which clients reach the server, without a slash at the end.
    pub base: String,
}

/// A link that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Link))]
pub struct Issued {
    /// The id of the link, which logs name and revocation takes; no credential.
    #[serde(serialize_with = "text")]
    #[cfg_attr(test, schema(value_type = Uuid))]
    pub id: Uuid,
    /// The page for people.
    pub page_url: String,
    /// The archive.
    pub zip_url: String,
    /// Fresh presigned URLs of its files.
    pub manifest_url: String,
    /// Files in it.
    pub count: usize,
    /// The exact length of the archive in bytes.
    pub bytes: u64,
    /// The entity tag of the archive, in quotes.
    pub etag: String,
    /// Whether it asks for a passphrase.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schema(required = false))]
    pub passphrase: bool,
    /// How often its archive may be downloaded whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = Option<u32>))]
    pub max_downloads: Option<NonZeroU32>,
    /// When the link ends.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(test, schema(value_type = String, format = DateTime))]
    pub expires_at: OffsetDateTime,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// What was chosen cannot be frozen.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// The store failed, or refused the stored manifest.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// More rows than a link holds.
    #[error(
        "the stored manifest would be larger than {limit} bytes: choose a longer prefix or a narrower pattern"
    )]
    TooLarge {
        /// The most that can be stored, in bytes.
        limit: u64,
    },
    /// No link lives that long, or that short.
    #[error("links cannot live for {} s: from 1 s to {} s are possible", asked.as_secs(), LONGEST_LIFE.as_secs())]
    InvalidExpiry {
        /// What was asked for.
        asked: Duration,
    },
}

impl From<StoreError> for IssueError {
    fn from(error: StoreError) -> IssueError {
        IssueError::Store(Box::new(error))
    }
}

impl From<WriteError> for IssueError {
    fn from(error: WriteError) -> IssueError {
        match error {
            WriteError::Store(error) => error.into(),
            WriteError::TooLarge { limit } => IssueError::TooLarge { limit },
        }
    }
}

/// Makes a link.
///
/// # Errors
/// [`IssueError`]; nothing is stored then.
pub async fn issue(
    store: &Store,
    library: &Library,
    keys: &KeyRing,
    wish: Wish,
    now: SystemTime,
) -> Result<Issued, IssueError> {
    let asked = wish.expires_in;
    if asked.as_secs() == 0 || asked > LONGEST_LIFE {
        return Err(IssueError::InvalidExpiry { asked });
    }
    let created = unix(now);
    let expires = created + asked.as_secs();
    let (bucket, prefix) = match &wish.chosen {
        Chosen::Selection(selection) => (selection.bucket().clone(), selection.prefix().to_owned()),
        Chosen::Keys { bucket, prefix, .. } => (bucket.clone(), prefix.clone()),
    };
    let name = disposition::zip_name(wish.filename.as_deref(), bucket.as_str(), &prefix);
    let filename = disposition::last_segment(&name);
    let distrusted = match library.distrusted().await {
        // Who may write there may not be allowed to read what is not there.
        Err(error) if matches!(error.kind, StoreErrorKind::AccessDenied { .. }) => {
            Default::default()
        }
        known => known?,
    };
    let freezer = freeze(store, wish.chosen, &distrusted).await?;
    let created = i64::try_from(created).unwrap_or(i64::MAX);
    let freezer = match &wish.scan {
        Some(scan) => {
            let unhashed = Arc::new(freezer.finish(&filename, created, expires));
            scanned(store, &bucket, unhashed, scan).await?
        }
        None => freezer,
    };
    let terms = Terms {
        passphrase: match wish.passphrase {
            // It takes long on purpose, and nothing else is to wait for that.
            Some(passphrase) => {
                let hashing = tokio::task::spawn_blocking(move || passphrase.hash());
                Some(joined(hashing.await))
            }
            None => None,
        },
        max_downloads: wish.max_downloads,
    };
    let frozen = freezer.finish_with(&filename, created, expires, terms);
    let limit = super::stored::LARGEST;
    if frozen.file().len() > limit {
        let limit = limit as u64;
        return Err(IssueError::TooLarge { limit });
    }
    let id = library.put(&frozen).await?;
    let page_url = format!("{}/d/{}", wish.base, keys.sign(id, expires));
    Ok(Issued {
        id,
        zip_url: format!("{page_url}/{}", segment(&filename)),
        manifest_url: format!("{page_url}/manifest.jsonl"),
        page_url,
        count: frozen.header().count,
        bytes: frozen.layout().len(),
        etag: frozen.header().etag.clone(),
        passphrase: frozen.header().passphrase.is_some(),
        max_downloads: frozen.header().max_downloads,
        expires_at: at(expires),
    })
}

fn text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// Whole seconds since 1970.
pub fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment as people write it.
pub fn at(unix: u64) -> OffsetDateTime {
    let seconds = i64::try_from(unix).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A file name as the last segment of a URL.
pub fn segment(filename: &str) -> String {
    utf8_percent_encode(filename, SEGMENT).to_string()
}
