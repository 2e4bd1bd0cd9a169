//! What `POST /v1/jobs` asks for: a selection as for a link, or a link that there is; and where the archive goes.

use axum::body::Body;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::http::Problem;
use crate::http::caller::Caller;
use crate::http::json::{Bounds, read};
use crate::http::links::request::{Asked, STORED_ONLY};
use crate::http::routes::App;
use crate::job::{Method, Target, Verify};
use crate::manifest::selection::is_own;

/// The longest key of an object, in bytes.
/// Source: [object keys](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const LONGEST_KEY: usize = 1024;

/// The fields that are not those of a link.
const OWN: [&str; 5] = ["link", "to", "method", "verify", "replace"];

/// What is to be done.
#[derive(Debug)]
pub struct JobRequest {
    /// What is to be packaged.
    pub source: Source,
    /// How, and where to.
    pub options: Options,
}

/// What is to be packaged.
#[derive(Debug)]
pub enum Source {
    /// A link: its URL, its token or its id.
    Link(String),
    /// A selection, to be frozen.
    Selection(Box<Asked>),
}

/// How it is to be packaged; every field may be left out.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Options {
    /// A link that there is, by its URL, its token or its id; in the place of a selection.
    link: Option<String>,
    /// The object that the archive becomes; among sheaf's own objects where absent.
    to: Option<To>,
    /// How the bytes get into the archive.
    #[serde(default)]
    pub method: Method,
    /// How much of it is read back.
    #[serde(default)]
    pub verify: Verify,
    /// Whether what stands at the target may be replaced.
    #[serde(default)]
    pub replace: bool,
}

/// Where the archive goes.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(untagged)]
enum To {
    /// `s3://bucket/key`.
    Url(String),
    /// The same in parts; the bucket may be the default one.
    Place { bucket: Option<String>, key: String },
}

impl JobRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// 400 `malformed-body`, 413, 415.
    pub async fn read(
        headers: &HeaderMap,
        body: Body,
        bounds: Bounds,
    ) -> Result<JobRequest, Problem> {
        let mut selection: Map<String, Value> = read(headers, body, bounds).await?;
        let mut own = Map::new();
        for name in OWN {
            own.extend(selection.remove_entry(name));
        }
        if own.get("method").is_some_and(|method| method == "deflate") {
            return Err(Problem::malformed_body(STORED_ONLY));
        }
        let options: Options = serde_json::from_value(Value::Object(own))
            .map_err(|error| Problem::malformed_body(&error.to_string()))?;
        let source = match (&options.link, selection.keys().next()) {
            (Some(link), None) => Source::Link(link.clone()),
            (Some(_), Some(other)) => {
                return Err(Problem::malformed_body(&format!(
                    "a link is what it is: {other:?} cannot be said of it as well"
                )));
            }
            (None, _) => {
                let asked = Asked::of_json(Value::Object(selection))?;
                Source::Selection(Box::new(asked))
            }
        };
        Ok(JobRequest { source, options })
    }
}

impl Options {
    /// Where the archive goes; `None` where that is left to the server.
    ///
    /// # Errors
    /// 400 `malformed-body` and `malformed-selection`; 403 `out-of-scope` and `bucket-not-allowed`.
    pub fn target(&self, app: &App, caller: &Caller) -> Result<Option<Target>, Problem> {
        let (bucket, key) = match &self.to {
            None => return Ok(None),
            Some(To::Place { bucket, key }) => (app.bucket(bucket.as_deref())?, key.clone()),
            Some(To::Url(url)) => {
                let parts = url
                    .strip_prefix("s3://")
                    .and_then(|rest| rest.split_once('/'));
                let (bucket, key) = parts.ok_or_else(|| {
                    Problem::malformed_body("to: it must have the form s3://bucket/archive.zip")
                })?;
                (app.bucket(Some(bucket))?, key.to_owned())
            }
        };
        if key.is_empty() || key.len() > LONGEST_KEY || key.ends_with('/') {
            return Err(Problem::malformed_body(
                "to: name the object that the archive becomes: s3://bucket/archive.zip",
            ));
        }
        if is_own(&key, &app.config.links.state_prefix) {
            return Err(Problem::malformed_body(&format!(
                "to: {key:?} is among sheaf's own objects"
            )));
        }
        caller.may(bucket.as_str(), &key)?;
        Ok(Some(Target { bucket, key }))
    }
}

/// For the description of the API: the fields of a link, and those of a job.
#[cfg(test)]
mod described {
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{JobRequest, Options};
    use crate::http::links::request::LinkRequest;

    impl PartialSchema for JobRequest {
        fn schema() -> RefOr<Schema> {
            let mut all = LinkRequest::schema();
            if let (RefOr::T(Schema::Object(all)), RefOr::T(Schema::Object(own))) =
                (&mut all, Options::schema())
            {
                all.properties.extend(own.properties);
                all.description = Some(
                    "A selection as for a link, or a link that there is; and where the archive goes."
                        .to_owned(),
                );
            }
            all
        }
    }

    impl ToSchema for JobRequest {
        fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            LinkRequest::schemas(schemas);
            Options::schemas(schemas);
        }
    }
}
