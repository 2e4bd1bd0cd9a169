//! ListObjectsV2 in the order of the keys' bytes, many pages at once where a consumer waits for them.
//!
//! | file | owns |
//! |---|---|
//! | `page` | one page, checked and decoded |
//! | `document` | what the answer says, read from its XML; pure |
//! | `answer` | how that comes to be read instead of by the SDK |
//! | `plan` | which pages to ask for; pure |
//! | `segment` | a part of a listing that is read page by page |
//! | `guess` | where the next pages lie |
//! | `trail` | the keys that were passed, by which that is judged |
//! | `scale` | keys as numbers |
//! | `drive` | the requests of a plan, as many at once as consumer, memory and store allow |

mod answer;
mod document;
mod drive;
mod guess;
mod page;
mod plan;
mod scale;
mod segment;
mod trail;

use futures::stream::{self, Stream};

use super::{Bucket, Object, Store, StoreError};
use drive::Listing;
use page::Place;
pub(super) use page::{decode, may_be_archived};
use segment::Keyed;

/// How a listing may go ahead of its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Objects on a page at the most; as many as the store likes where absent. Where present, one page is asked for
    /// after the other, each when it is wanted.
    pub page: Option<i32>,
    /// Bytes of objects that may wait for their turn. Where there is no room for some pages, one is asked for after the
    /// other.
    pub ahead: usize,
}

impl Default for Pace {
    /// Some 240,000 objects with keys of usual length.
    fn default() -> Self {
        Pace {
            page: None,
            ahead: 48 << 20,
        }
    }
}

impl Store {
    /// The objects under a prefix in the order of their keys' bytes, some at a time. Nothing is asked for before the
    /// stream is polled; a consumer that waits for the listing, and not the other way round, gets many pages at once
    /// after the first few.
    ///
    /// Every stream fails at most once, and then ends. Source:
    /// [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::BadListing`](super::StoreErrorKind::BadListing) where the keys are not in byte order or a page
    /// repeats; else as the store says.
    pub fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
    ) -> impl Stream<Item = Result<Vec<Object>, StoreError>> + Send + 'static + use<> {
        self.list_at(bucket, prefix, Pace::default)
    }

    /// The same, where `pace` says each time how far it may go ahead.
    pub fn list_at<F>(
        &self,
        bucket: &Bucket,
        prefix: &str,
        pace: F,
    ) -> impl Stream<Item = Result<Vec<Object>, StoreError>> + Send + 'static + use<F>
    where
        F: Fn() -> Pace + Send + Sync + 'static,
    {
        let place = Place {
            store: self.clone(),
            bucket: bucket.clone(),
            prefix: prefix.to_owned(),
        };
        stream::try_unfold(Listing::new(place, pace), |mut listing| async move {
            let objects = listing.next().await?;
            Ok(objects.map(|objects| (objects, listing)))
        })
    }
}

impl Keyed for Object {
    fn key(&self) -> &str {
        &self.key
    }
}
