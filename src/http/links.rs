//! `POST /v1/links` and `DELETE /v1/links/{id}`, and what everything below `/d/` begins with: checking the token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;

use super::Problem;
use super::access::Passphrases;
use super::manifests::{json, one_or_many};
use super::record::Details;
use super::routes::App;
use crate::download::Scanner;
use crate::link::{Grant, KeyRing};
use crate::manifest::issue::{DEFAULT_LIFE, unix};
use crate::manifest::{Chosen, Downloads, Library, Open, StateSpace, Wish, issue};
use crate::store::Store;

/// The largest request body, in bytes: a list of keys may be long.
const BODY_LIMIT: usize = 32 << 20;

/// What a server needs for links.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// What signs them.
    pub keys: KeyRing,
    /// Where stored manifests are; `None` where the server has no bucket for them.
    pub space: Option<StateSpace>,
    /// What sheaf's own keys begin with.
    pub state_prefix: String,
}

/// The links of a server.
#[derive(Clone, Debug)]
pub struct Links {
    pub(super) keys: KeyRing,
    pub(super) library: Library,
    pub(super) scanner: Scanner,
    pub(super) downloads: Downloads,
    pub(super) passphrases: Passphrases,
}

impl Links {
    /// The links in `config`'s place, if it has one.
    pub fn new(store: &Store, config: &LinkConfig) -> Option<Links> {
        let space = config.space.clone()?;
        let library = Library::new(store, space.clone());
        Some(Links {
            downloads: Downloads::new(store, space),
            passphrases: Passphrases::default(),
            keys: config.keys.clone(),
            scanner: Scanner::new(store, &library),
            library,
        })
    }

    /// What a token grants. No store is asked.
    ///
    /// # Errors
    /// 403 `invalid-link`, 410 `link-expired`.
    pub fn grant(&self, token: &str, details: &Details) -> Result<Grant, Problem> {
        let now = unix(SystemTime::now());
        let grant = self.keys.verify(token, now)?;
        details.link(grant.id);
        Ok(grant)
    }

    /// The manifest that was granted.
    ///
    /// # Errors
    /// 410 `link-revoked` and `link-broken`; else as the store says.
    pub async fn open(&self, grant: Grant, details: &Details) -> Result<Arc<Open>, Problem> {
        let open = self.library.open(grant.id).await?;
        let header = open.frozen.header();
        details.selection(&header.bucket, &header.prefix);
        details.entries(header.count as u64);
        Ok(open)
    }
}

/// The body of the request; every field may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    bucket: Option<String>,
    prefix: Option<String>,
    keys: Option<Vec<String>>,
    #[serde(default, deserialize_with = "one_or_many")]
    include: Vec<String>,
    filename: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
}

/// Freezes a selection or a list of keys, and answers 201 with the link's URLs.
///
/// # Errors
/// See [`Problem`]; nothing is left in the bucket then.
pub async fn create(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let request: Request = json(&headers, body, BODY_LIMIT).await?;
    let links = app.links()?;
    let base = app.base_url(&headers).ok_or_else(Problem::no_public_url)?;
    let chosen = match request.keys {
        Some(_) if request.prefix.is_some() || !request.include.is_empty() => {
            return Err(Problem::malformed_body(
                "name either keys, or a prefix and patterns",
            ));
        }
        Some(keys) => Chosen::Keys {
            bucket: app.bucket(request.bucket.as_deref())?,
            keys,
            state_prefix: app.config.links.state_prefix.clone(),
        },
        None => Chosen::Selection(app.selection(
            request.bucket.as_deref(),
            request.prefix.as_deref(),
            &request.include,
        )?),
    };
    if let Chosen::Selection(selection) = &chosen {
        details.selection(selection.bucket().as_str(), selection.prefix());
    }
    let wish = Wish {
        chosen,
        filename: request.filename,
        expires_in: request.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs),
        base,
    };
    let store = &app.config.store;
    let issued = issue(store, &links.library, &links.keys, wish, SystemTime::now()).await?;
    details.link(issued.id);
    details.entries(issued.count as u64);
    let body =
        serde_json::to_vec(&issued).map_err(|error| Problem::malformed_body(&error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// Takes a link back: 204, whether it was there or not.
///
/// # Errors
/// 404 where the id is none; else as the store says.
pub async fn revoke(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let links = app.links()?;
    let id = Uuid::try_parse(&id).map_err(|_| Problem::no_such_link())?;
    details.link(id);
    links.library.revoke(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
