//! `POST /v1/links` and `DELETE /v1/links/{id}`, and what everything below `/d/` begins with: checking the token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use uuid::Uuid;

use super::access::Passphrases;
use super::caller::Caller;
use super::json::Bounds;
use super::keys::Scope;
use super::record::Details;
use super::routes::App;
use super::{Problem, ServerConfig};
use crate::download::Scanner;
use crate::link::{Grant, KeyRing};
use crate::manifest::freeze::Scan;
use crate::manifest::issue::{DEFAULT_LIFE, unix};
use crate::manifest::stored::Row;
use crate::manifest::{
    Chosen, Downloads, Issued, Library, LibraryError, Open, StateSpace, Wish, issue,
};

pub mod request;

use request::Asked;

/// What a server needs for links.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// What signs them.
    pub keys: KeyRing,
    /// Where stored manifests are; `None` where the server has no bucket for them.
    pub space: Option<StateSpace>,
    /// What sheaf's own keys begin with.
    pub state_prefix: String,
    /// How long a stored manifest is taken for current before it is asked for again.
    pub trusted_for: Duration,
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
    /// The links in the server's place for them, if it has one.
    pub fn new(server: &ServerConfig) -> Option<Links> {
        let (store, config) = (&server.store, &server.links);
        let space = config.space.clone()?;
        let library = Library::new(store, space.clone(), &server.memory)
            .trusting(config.trusted_for)
            .reading_only(&server.door.allowed_buckets);
        Some(Links {
            downloads: Downloads::new(store, space, config.trusted_for),
            passphrases: Passphrases::default(),
            keys: config.keys.clone(),
            scanner: Scanner::new(&library),
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

    /// The id of a link by what people have of it: its URL, its token, or the id itself.
    ///
    /// # Errors
    /// 403 `invalid-link`, 410 `link-expired`.
    pub(super) fn named(&self, text: &str) -> Result<Uuid, Problem> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(id);
        }
        let (_, below) = text.rsplit_once("/d/").unwrap_or(("", text));
        let token = below.split(['/', '?', '#']).next().unwrap_or_default();
        Ok(self.keys.verify(token, unix(SystemTime::now()))?.id)
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

impl Links {
    /// Whether the caller may take a link back: all of it must be in their scope. What is not there any more, anybody
    /// may.
    async fn may_revoke(&self, caller: &Caller, id: Uuid) -> Result<(), Problem> {
        match self.library.open(id).await {
            Ok(open) => Links::may(caller, &open),
            Err(LibraryError::Revoked) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether all of a link is in the caller's scope.
    ///
    /// # Errors
    /// 403 `out-of-scope`.
    pub(super) fn may(caller: &Caller, open: &Open) -> Result<(), Problem> {
        // Rows are in the order of their keys' bytes, so what the first and the last begin with, all begin with.
        let last = open.frozen.header().count.saturating_sub(1);
        let ends = [open.frozen.row(0), open.frozen.row(last)];
        let within = |scope: &Scope| {
            let holds = |row: &Row| scope.holds(open.bucket.as_str(), &row.key);
            ends.iter().all(|row| row.as_ref().is_some_and(holds))
        };
        let scopes = caller.scopes();
        match scopes.is_empty() || scopes.iter().any(within) {
            true => Ok(()),
            false => Err(Problem::out_of_scope(
                open.bucket.as_str(),
                &open.frozen.header().prefix,
            )),
        }
    }
}

/// Freezes a selection or a list of keys, and answers 201 with the link's URLs.
///
/// However long that takes, the request waits; a client that goes away ends it, and nothing is left.
///
/// # Errors
/// See [`Problem`]; nothing is left in the bucket then.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = "/v1/links",
        operation_id = "createLink",
        tag = "links",
        summary = "Freezes a selection, a list of keys or an earlier manifest, and signs a link for it",
        description = "The request waits until the link is made: with `crc=scan` that can take as long as reading everything once. A client that goes away ends it, and nothing is left then. All parameters but `crc` are for a manifest as the body; with JSON they stand there.",
        params(
            ("crc" = Option<request::Crc>, Query, description = "As in the body."),
            ("bucket" = Option<String>, Query, description = "With a manifest: the bucket; the server's default one where absent."),
            ("prefix" = Option<String>, Query, description = "With a manifest: all keys must begin with this; names in the archive lose it up to its last `/`."),
            ("filename" = Option<String>, Query, description = "With a manifest: the name under which the archive is saved."),
            ("expires_in" = Option<u64>, Query, minimum = 1, description = "With a manifest: seconds that the link lives."),
            ("max_downloads" = Option<u32>, Query, minimum = 1, description = "With a manifest: how often the archive may be downloaded whole."),
            ("Sheaf-Passphrase" = Option<String>, Header, min_length = 8, description = "With a manifest: the passphrase of the link."),
        ),
        request_body(
            description = "A JSON object, or a manifest: an object a line, of which `key` is needed; `size` and `etag`, where they are there, must be those of the object. At most 1,000,000 keys, 64 KiB a line, 128 MiB of keys; it is read as it comes.",
            content(
                (request::LinkRequest = "application/json", example = json!({"prefix": "reports/2025/", "expires_in": 604800})),
                (String = "application/x-ndjson", example = json!("{\"key\":\"reports/2025/Q1.pdf\",\"size\":84213}\n")),
            ),
        ),
        responses((status = 201, description = "The link. Its URLs are credentials.", body = Issued)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "QUERY", "BODY", "SELECTION", "NOTHING", "KEYS", "STORE", "OBJECTS", "BOUNDS", "LINKS", "NAME"]))),
    )
)]
pub async fn create(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let bounds = Bounds::of(&app.config.limits);
    let asked = Asked::read(query.as_deref(), &headers, body, bounds).await?;
    let base = app.base_url(&headers).ok_or_else(Problem::no_public_url)?;
    let issued = make(&app, &details, &caller, asked, base).await?;
    let body =
        serde_json::to_vec(&issued).map_err(|error| Problem::malformed_body(&error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// Freezes what is asked for, within what the caller may touch.
///
/// # Errors
/// See [`Problem`]; nothing is left in the bucket then.
pub(super) async fn make(
    app: &App,
    details: &Details,
    caller: &Caller,
    asked: Asked,
    base: String,
) -> Result<Issued, Problem> {
    let links = app.links()?;
    let chosen = match asked.wanted {
        Some(wanted) => Chosen::Keys {
            bucket: app.bucket(asked.bucket.as_deref())?,
            prefix: asked.prefix.unwrap_or_default(),
            wanted,
            state_prefix: app.config.links.state_prefix.clone(),
        },
        None => Chosen::Selection(app.selection(
            caller,
            asked.bucket.as_deref(),
            asked.prefix.as_deref(),
            &asked.include,
        )?),
    };
    match &chosen {
        Chosen::Selection(selection) => {
            details.selection(selection.bucket().as_str(), selection.prefix());
        }
        Chosen::Keys {
            bucket,
            prefix,
            wanted,
            ..
        } => {
            for wanted in wanted {
                caller.may(bucket.as_str(), &wanted.key)?;
            }
            details.selection(bucket.as_str(), prefix);
        }
    }
    let scan = asked.scan.then(|| Scan {
        budget: app.config.memory.clone(),
        told: None,
    });
    let wish = Wish {
        chosen,
        filename: asked.filename,
        expires_in: asked.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs),
        scan,
        passphrase: asked.passphrase,
        max_downloads: asked.max_downloads,
        base,
    };
    let store = &app.config.store;
    let issued = issue(store, &links.library, &links.keys, wish, SystemTime::now()).await?;
    details.link(issued.id);
    details.entries(issued.count as u64);
    Ok(issued)
}

/// Takes a link back: 204, whether it was there or not.
///
/// # Errors
/// 404 where the id is none; 403 `out-of-scope`; else as the store says.
#[cfg_attr(
    test,
    utoipa::path(
        delete,
        path = "/v1/links/{id}",
        operation_id = "revokeLink",
        tag = "links",
        summary = "Takes a link back, everywhere within 30 s",
        params(("id" = Uuid, Path, description = "The id that the link was created with, not its token.", example = "4f1c0c1e-7a52-4f3e-9c55-0d8f6a1f2b3c")),
        responses((status = 204, description = "There is no such link any more.")),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "FOUND", "STORE", "LINKS", "LINK"]))),
    )
)]
pub async fn revoke(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let links = app.links()?;
    let id = Uuid::try_parse(&id).map_err(|_| Problem::no_such_link())?;
    details.link(id);
    if !caller.scopes().is_empty() {
        links.may_revoke(&caller, id).await?;
    }
    links.library.revoke(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
