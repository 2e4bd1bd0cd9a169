//! What every handler can reach: the checked configuration, the door, the links.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::caller::Caller;
use super::door::Door;
use super::links::Links;
use super::query::Query;
use super::record::Details;
use super::tally::Tally;
use super::{Problem, ServerConfig};
use crate::job::Target;
use crate::job::queue::Queue;
use crate::manifest::Selection;
use crate::store::Bucket;

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The checked configuration.
    pub config: Arc<ServerConfig>,
    pub(super) door: Arc<Door>,
    links: Option<Links>,
    /// Downloads that reached their end.
    pub tally: Arc<Tally>,
    /// Cancelled once this server begins to stop.
    pub stopping: CancellationToken,
}

impl App {
    /// What handlers of a server that listens on `address` can reach.
    pub fn new(config: ServerConfig, address: SocketAddr) -> App {
        let door = Door::new(
            config.api_keys.clone(),
            config.door.scheme(),
            address,
            config.public_url.as_ref(),
        );
        App {
            links: Links::new(&config),
            tally: Arc::default(),
            stopping: CancellationToken::new(),
            config: Arc::new(config),
            door: Arc::new(door),
        }
    }

    /// The selection that a request means, with the server's defaults where it says nothing.
    ///
    /// # Errors
    /// 400 `malformed-selection`; 403 `out-of-scope` and `bucket-not-allowed`.
    pub fn selection(
        &self,
        caller: &Caller,
        bucket: Option<&str>,
        prefix: Option<&str>,
        include: &[String],
    ) -> Result<Selection, Problem> {
        let bucket = self.bucket(bucket)?;
        let prefix = prefix.unwrap_or(&self.config.default_prefix);
        caller.may(bucket.as_str(), prefix)?;
        let patterns = &self.config.limits.patterns;
        let selection = Selection::within(patterns, bucket, prefix, include)?;
        Ok(selection.apart_from(&self.config.links.state_prefix))
    }

    /// The selection that a query names, as `bucket`, `prefix` and `include`; the log tells it.
    ///
    /// # Errors
    /// 400 `malformed-query`; else as [`App::selection`].
    pub fn selection_of(
        &self,
        caller: &Caller,
        query: &Query,
        details: &Details,
    ) -> Result<Selection, Problem> {
        let include: Vec<String> = query.all("include").map(str::to_owned).collect();
        let (bucket, prefix) = (query.one("bucket")?, query.one("prefix")?);
        let selection = self.selection(caller, bucket, prefix, &include)?;
        details.selection(selection.bucket().as_str(), selection.prefix());
        Ok(selection)
    }

    /// The bucket that a request means.
    ///
    /// # Errors
    /// 400 `malformed-selection`; 403 `bucket-not-allowed`.
    pub fn bucket(&self, name: Option<&str>) -> Result<Bucket, Problem> {
        let bucket = match name.filter(|name| !name.is_empty()) {
            Some(name) => Bucket::new(name)?,
            None => {
                let default = self.config.default_bucket.clone();
                default.ok_or_else(Problem::no_bucket)?
            }
        };
        self.config.door.allowed_buckets.check(&bucket)?;
        Ok(bucket)
    }

    /// Whether the archive of a link may be handed out from there.
    ///
    /// # Errors
    /// 403 `bucket-not-allowed`.
    pub fn may_hand_out(&self, target: &Target, link: Uuid) -> Result<(), Problem> {
        let (space, door) = (self.config.links.space.as_ref(), &self.config.door);
        Ok(target.check(link, space, &door.allowed_buckets)?)
    }

    /// The server's links.
    ///
    /// # Errors
    /// 409 `no-state-bucket`.
    pub fn links(&self) -> Result<&Links, Problem> {
        self.links.as_ref().ok_or_else(Problem::no_state_bucket)
    }

    /// The server's jobs.
    ///
    /// # Errors
    /// 409 `no-queue`.
    pub fn queue(&self) -> Result<&Queue, Problem> {
        self.config.queue.as_ref().ok_or_else(Problem::no_queue)
    }

    /// What URLs of this server begin with, if it is known: the public URL, or on loopback what the client calls it.
    pub fn base_url(&self, headers: &HeaderMap) -> Option<String> {
        match &self.config.public_url {
            Some(url) => Some(url.as_str().trim_end_matches('/').to_owned()),
            None => self.door.loopback_url(headers),
        }
    }
}
