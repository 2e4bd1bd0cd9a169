//! What `POST /v1/links` asks for: a selection or a list of keys in JSON, or a manifest that was made earlier, line by
//! line, with everything else in the query.

use std::num::NonZeroU32;

use axum::body::Body;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;

use super::super::Problem;
use super::super::json::{self, Bounds, read};
use super::super::query::Query;
use crate::manifest::jsonl::CONTENT_TYPE;
use crate::manifest::list::{ListReader, Wanted};
use crate::manifest::one_or_many;
use crate::manifest::passphrase::Passphrase;

/// Where the passphrase stands if the body is a manifest: what is in a query gets into the logs of proxies.
const PASSPHRASE: HeaderName = HeaderName::from_static("sheaf-passphrase");

/// What is asked for, whichever way it came.
#[derive(Debug)]
pub struct Asked {
    /// The bucket, if it is named.
    pub bucket: Option<String>,
    /// The prefix, if it is named.
    pub prefix: Option<String>,
    /// The keys, where they are listed.
    pub wanted: Option<Vec<Wanted>>,
    /// Patterns.
    pub include: Vec<String>,
    /// The name of the archive.
    pub filename: Option<String>,
    /// Seconds.
    pub expires_in: Option<u64>,
    /// What has no CRC-32 is to be hashed.
    pub scan: bool,
    /// The passphrase of the link.
    pub passphrase: Option<Passphrase>,
    /// How often the archive may be downloaded whole.
    pub max_downloads: Option<NonZeroU32>,
}

/// The body in JSON; every field may be left out.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// The server's default bucket where absent.
    bucket: Option<String>,
    /// Keys begin with this. With `keys`, all of them must; names in the archive lose it up to its last `/`.
    prefix: Option<String>,
    /// These objects instead of a prefix and patterns; each once.
    keys: Option<Vec<String>>,
    /// A glob on the key below the prefix, or a list of them; `*.pdf` where absent.
    #[serde(default, deserialize_with = "one_or_many")]
    #[cfg_attr(test, schema(required = false, value_type = crate::http::manifests::OneOrMany))]
    include: Vec<String>,
    /// The name under which the archive is saved; after the prefix where absent.
    filename: Option<String>,
    /// Life of the link in seconds; seven days where absent.
    #[cfg_attr(test, schema(minimum = 1, maximum = 315_619_200))]
    expires_in: Option<u64>,
    /// `scan` reads what the store has no CRC-32 of once, so that the archive has no data descriptors and no range ever waits.
    crc: Option<Crc>,
    /// Recipients must give it as the password of HTTP Basic. Kept as a salted, slow hash only.
    #[cfg_attr(test, schema(min_length = 8, max_length = 1024))]
    passphrase: Option<String>,
    /// How often the archive may be downloaded whole: an answer counts that carried its last byte to a client that took it.
    #[cfg_attr(test, schema(value_type = Option<u32>, minimum = 1))]
    max_downloads: Option<NonZeroU32>,
    /// Of jobs and of live archives: not of links.
    #[cfg_attr(test, schema(ignore))]
    method: Option<serde_json::Value>,
}

/// What is said to whoever wants a frozen archive deflated.
pub(in crate::http) const STORED_ONLY: &str = "method: the archives of links and jobs are stored, so that their \
     lengths and ranges are known beforehand; GET /v1/zip?method=deflate deflates on the way";

/// Where rows have their CRC-32 from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Crc {
    /// From the store alone.
    Stored,
    /// What the store does not tell is read and hashed.
    Scan,
}

impl Asked {
    /// Reads a request. A manifest is read as it comes, and only what is needed of it is kept.
    ///
    /// # Errors
    /// 400 `malformed-body` and `malformed-query`, 413, 415.
    pub async fn read(
        query: Option<&str>,
        headers: &HeaderMap,
        body: Body,
        bounds: Bounds,
    ) -> Result<Asked, Problem> {
        match is_manifest(headers) {
            true => manifest(query, headers, body).await,
            false => fields(query, headers, body, bounds).await,
        }
    }
}

async fn fields(
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
) -> Result<Asked, Problem> {
    let query = Query::parse(query, &["crc"])?;
    let in_query = crc(&query)?;
    let fields: LinkRequest = read(headers, body, bounds).await?;
    Asked::of(fields, in_query)
}

impl Asked {
    /// What the fields of a body mean.
    ///
    /// # Errors
    /// 400 `malformed-body`.
    fn of(fields: LinkRequest, in_query: Option<Crc>) -> Result<Asked, Problem> {
        if fields.keys.is_some() && !fields.include.is_empty() {
            return Err(Problem::malformed_body("name either keys or patterns"));
        }
        if fields.method.is_some() {
            return Err(Problem::malformed_body(STORED_ONLY));
        }
        let wanted = fields.keys.map(|keys| keys.into_iter().map(Wanted::from));
        Ok(Asked {
            bucket: fields.bucket,
            prefix: fields.prefix,
            wanted: wanted.map(Iterator::collect),
            include: fields.include,
            filename: fields.filename,
            expires_in: fields.expires_in,
            scan: fields.crc.or(in_query) == Some(Crc::Scan),
            passphrase: passphrase(fields.passphrase.as_deref())?,
            max_downloads: fields.max_downloads,
        })
    }

    /// The same of a body that was read already.
    ///
    /// # Errors
    /// 400 `malformed-body`.
    pub fn of_json(fields: serde_json::Value) -> Result<Asked, Problem> {
        let fields = serde_json::from_value(fields);
        Asked::of(
            fields.map_err(|error| Problem::malformed_body(&error.to_string()))?,
            None,
        )
    }
}

async fn manifest(query: Option<&str>, headers: &HeaderMap, body: Body) -> Result<Asked, Problem> {
    const KNOWN: [&str; 6] = [
        "bucket",
        "prefix",
        "filename",
        "expires_in",
        "crc",
        "max_downloads",
    ];
    let query = Query::parse(query, &KNOWN)?;
    let text = |name| Ok::<_, Problem>(query.one(name)?.map(str::to_owned));
    let given = headers.get(PASSPHRASE).map(|value| value.as_bytes());
    let given = given.map(|bytes| str::from_utf8(bytes).unwrap_or_default());
    let asked = Asked {
        bucket: text("bucket")?,
        prefix: text("prefix")?,
        wanted: None,
        include: Vec::new(),
        filename: text("filename")?,
        expires_in: number(&query, "expires_in")?,
        scan: crc(&query)? == Some(Crc::Scan),
        passphrase: passphrase(given)?,
        max_downloads: number(&query, "max_downloads")?,
    };
    let (mut reader, mut chunks) = (ListReader::default(), body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| json::unread(&error))?;
        reader.feed(&chunk)?;
    }
    Ok(Asked {
        wanted: Some(reader.finish()?),
        ..asked
    })
}

fn is_manifest(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE))
}

fn crc(query: &Query) -> Result<Option<Crc>, Problem> {
    match query.one("crc")? {
        None => Ok(None),
        Some("stored") => Ok(Some(Crc::Stored)),
        Some("scan") => Ok(Some(Crc::Scan)),
        Some(other) => Err(Problem::malformed_query(&format!(
            "crc={other:?} is not known; there are: stored, scan"
        ))),
    }
}

fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, Problem> {
    let text = query.one(name)?;
    let number = text.map(|text| {
        let malformed = |_| Problem::malformed_query(&format!("{name}={text:?} is no such number"));
        text.parse().map_err(malformed)
    });
    number.transpose()
}

fn passphrase(given: Option<&str>) -> Result<Option<Passphrase>, Problem> {
    let checked = given.map(Passphrase::new).transpose();
    checked.map_err(|error| Problem::malformed_body(&error.to_string()))
}
