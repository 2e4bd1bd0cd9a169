//! Object bodies, past the SDK: GetObject signed and sent by ourselves, over connections of our own.
//!
//! The SDK spends more time on a request than the rest of the server on the object that it brings. Reads of objects are
//! by far the most frequent requests, so they alone have a way of their own; everything else stays with the SDK, and so
//! does the knowledge of endpoints, regions and credentials: where a bucket lives is asked of it once a bucket
//! ([`place`]).
//!
//! A connection is driven by whoever reads from it: no task of its own, no channel, and no buffer that outlives the
//! read. Bytes are read from the socket into the very blocks that go out to the client, as large as what is still to
//! come and never larger than [`block::BLOCK`], so that memory for a read is what the budget was charged for.
//!
//! A read is a task of its own, and small objects are read by the thousand: what is rarely needed on the way (dialing, the
//! SDK, refusals) lies in boxes, so that the future of a read stays small. Tokio copies it several times.
//!
//! | file | owns |
//! |---|---|
//! | [`place`] | where a bucket's objects are |
//! | [`sign`] | Signature Version 4, pure |
//! | [`request`] | one GetObject as text |
//! | [`pool`] | connections that wait for their next request |
//! | [`wire`] | HTTP/1.1 on one connection |
//! | [`block`] | the memory that bodies are read into |
//! | [`framing`] | where an answer ends, pure |
//! | [`answer`] | an answer's bytes, or the store's refusal |

mod answer;
mod block;
mod framing;
mod place;
mod pool;
mod request;
mod sign;
mod wire;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(super) use answer::{Answer, Body};
pub(super) use request::Asked;

use aws_credential_types::Credentials;

use self::place::{Place, Places};
use self::pool::{Pool, Pooled};
use self::wire::{Head, Line};
use super::dial::{Dialer, TimedOut};
use super::embedded::EmbeddedStore;
use super::error::innermost;
use super::identity::Kept;
use super::{Bucket, StoreErrorKind};
use crate::measure;

/// Reads objects. Clones share connections and credentials.
#[derive(Clone, Debug)]
pub(super) struct Fetcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Places,
    /// None where nothing is signed.
    identity: Option<Kept>,
    way: Way,
    limits: FetchLimits,
}

/// What bounds reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchLimits {
    /// How long a connection may take to open.
    pub(super) connect_timeout: Duration,
    /// How long the store may be silent before an answer.
    pub(super) read_timeout: Duration,
    /// Connections that may wait for their next request.
    pub(super) connections: usize,
}

#[derive(Debug)]
enum Way {
    Network { dialer: Dialer, pool: Pool },
    InProcess(EmbeddedStore),
}

/// How requests travel.
#[derive(Debug)]
pub(super) enum Transport {
    /// Over sockets.
    Network(Dialer),
    /// To the store in this process.
    InProcess(EmbeddedStore),
}

/// How a read is answered.
#[derive(Debug)]
pub(super) enum Fetched {
    Answer(Box<Answer>),
    /// The bucket is of a kind that takes more than a signature: ask the SDK.
    BeyondUs,
}

impl Fetcher {
    /// Reads with these credentials, or unsigned. `client` only says where buckets are, see [`Places::new`].
    pub(super) fn new(
        client: aws_sdk_s3::Client,
        credentials: Option<Kept>,
        transport: Transport,
        limits: FetchLimits,
    ) -> Fetcher {
        let way = match transport {
            Transport::Network(dialer) => Way::Network {
                dialer,
                pool: Pool::new(limits.connections),
            },
            Transport::InProcess(store) => Way::InProcess(store),
        };
        Fetcher(Arc::new(Shared {
            places: Places::new(client),
            identity: credentials,
            way,
            limits,
        }))
    }

    /// Sends one GetObject and waits for the head of its answer. Credentials that the store refuses are fetched anew.
    pub(super) async fn get(
        &self,
        bucket: &Bucket,
        asked: &Asked<'_>,
    ) -> Result<Fetched, StoreErrorKind> {
        let shared = &*self.0;
        let Some(place) = shared.places.of(bucket).await? else {
            return Ok(Fetched::BeyondUs);
        };
        loop {
            let credentials = match &shared.identity {
                Some(identity) => Some(identity.credentials().await.map_err(|error| {
                    StoreErrorKind::NoCredentials {
                        reason: innermost(&error),
                    }
                })?),
                None => None,
            };
            let refused = match self.send(&place, credentials.as_ref(), asked).await {
                Err(refused @ StoreErrorKind::BadCredentials { .. }) => refused,
                sent => return sent.map(Fetched::Answer),
            };
            let (Some(identity), Some(credentials)) = (&shared.identity, &credentials) else {
                return Err(refused);
            };
            if !Box::pin(identity.refused(credentials)).await {
                return Err(refused);
            }
            measure::store_retry("credentials");
            tracing::warn!(%refused, "the credentials are fetched anew");
        }
    }

    /// Sends it once.
    async fn send(
        &self,
        place: &Arc<Place>,
        credentials: Option<&Credentials>,
        asked: &Asked<'_>,
    ) -> Result<Box<Answer>, StoreErrorKind> {
        let shared = &*self.0;
        let signed = asked
            .signed(place, credentials, SystemTime::now())
            .ok_or_else(|| StoreErrorKind::Unexpected {
                status: 0,
                code: None,
                message: "the ETag, version or token has characters that no header may have"
                    .to_owned(),
            })?;
        let (status, headers, body) = match &shared.way {
            Way::InProcess(store) => {
                let request = signed.request(place).map_err(|error| unreachable(&error))?;
                measure::store_read();
                let (head, body) = Box::pin(store.serve(request)).await.into_parts();
                (head.status, head.headers, Body::InProcess(Box::new(body)))
            }
            Way::Network { dialer, pool } => {
                let (head, line) = self.exchange(dialer, pool, place, &signed, asked).await?;
                (head.status, head.headers, Body::Line(Box::new(line)))
            }
        };
        let mut answer = Answer { headers, body };
        if status.is_success() {
            return Ok(Box::new(answer));
        }
        Err(Box::pin(answer.refused(status, shared.limits.read_timeout)).await)
    }

    /// Sends a request over a connection that waits, or over a new one.
    async fn exchange(
        &self,
        dialer: &Dialer,
        pool: &Pool,
        place: &Arc<Place>,
        signed: &request::Signed<'_>,
        asked: &Asked<'_>,
    ) -> Result<(Head, Pooled), StoreErrorKind> {
        let shared = &*self.0;
        while let Some(line) = pool.take(place) {
            // The store may have closed it meanwhile. It shows before the first byte of an answer, or never.
            if let Ok(came) = self.ask(line, signed, asked, place, pool).await? {
                return Ok(came);
            }
        }
        let dialed = Box::pin(dialer.dial(&place.origin, shared.limits.connect_timeout)).await;
        let connection = dialed.map_err(|error| unreachable(&*error))?;
        let line = pool.open(connection);
        match self.ask(line, signed, asked, place, pool).await? {
            Ok(came) => Ok(came),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Asks over this connection. The inner error says that it broke before any answer came.
    async fn ask(
        &self,
        mut line: Line,
        signed: &request::Signed<'_>,
        asked: &Asked<'_>,
        place: &Arc<Place>,
        pool: &Pool,
    ) -> Result<Result<(Head, Pooled), wire::Broken>, StoreErrorKind> {
        let timeout = self.0.limits.read_timeout;
        measure::store_read();
        let text = signed.text(line.forwarded().map(|proxy| (&**place, proxy)));
        let exchanged = tokio::time::timeout(timeout, line.ask(&text, asked.expected())).await;
        match exchanged {
            Ok(Ok(head)) => Ok(Ok((head, Pooled::new(line, place, pool)))),
            Ok(Err(broken)) if broken.unanswered() => Ok(Err(broken)),
            Ok(Err(broken)) => Err(unreachable(&broken)),
            Err(_) => Err(unreachable(&TimedOut::Answer(timeout))),
        }
    }
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> StoreErrorKind {
    StoreErrorKind::Unreachable {
        reason: innermost(error),
    }
}
