//! The rows of a live archive: the selected objects of a listing in key order, each with its entry name.
//!
//! The listing runs in a task of its own, one page ahead of the one that rows are taken from, so that no page is waited
//! for while there is something to read, and none idles behind a slow client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{DownloadError, MOST_NAMED};
use crate::archive::{EntryName, INLINE_MAX, Method, Namer};
use crate::manifest::Selection;
use crate::read_ahead::{Before, Item, MemoryBudget};
use crate::store::list::Pace;
use crate::store::{Object, Store, StoreError};

/// What a listed object costs in memory beside its key and ETag, in bytes: the row, and two allocations.
const OBJECT_COST: usize = size_of::<Object>() + 32;

/// Objects on a page of the listing while memory is short. A page of 1,000 takes some 200 kB, which is nothing beside
/// what one download reads ahead, and more than the first reservation of each of a thousand.
const SHORT_PAGE: i32 = 100;

/// The part of the memory budget that listed objects may take while they wait for their turn: one in so many.
const AHEAD: usize = 16;

/// The rows, as items to be read.
pub struct Rows {
    pages: mpsc::Receiver<Result<Vec<Object>, StoreError>>,
    page: VecDeque<Object>,
    page_bytes: usize,
    namer: Namer,
    method: Method,
    _listing: AbortOnDropHandle<()>,
}

/// What an archive needs of a row beside the object's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object's key.
    pub key: String,
    /// Its path in the archive.
    pub name: EntryName,
    /// Its length in bytes.
    pub size: u64,
    /// Last-Modified, Unix seconds.
    pub modified: i64,
    /// Its bytes are deflated on their way.
    pub deflated: bool,
}

impl Rows {
    /// Begins the listing, and waits for the first match or the end.
    ///
    /// # Errors
    /// [`DownloadError::NothingSelected`] where there is no match; else as the rows themselves.
    pub async fn open(
        store: &Store,
        selection: &Selection,
        method: Method,
        budget: &MemoryBudget,
    ) -> Result<Rows, DownloadError> {
        let (sender, pages) = mpsc::channel(1);
        let listing = list(store.clone(), selection.clone(), budget.clone(), sender);
        let mut rows = Rows {
            pages,
            page: VecDeque::new(),
            page_bytes: 0,
            namer: Namer::new(selection.prefix()),
            method,
            _listing: AbortOnDropHandle::new(tokio::spawn(listing)),
        };
        if !std::future::poll_fn(|cx| rows.poll_fill(cx)).await? {
            return Err(DownloadError::NothingSelected);
        }
        Ok(rows)
    }

    /// The bytes that names and listed objects keep on the heap, for a memory budget to count. A page that is still to
    /// come counts like the last one.
    pub fn heap_bytes(&self) -> usize {
        self.namer.heap_bytes() + 2 * self.page_bytes
    }

    /// Makes the current page non-empty; `false` at the end of the listing.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, DownloadError>> {
        while self.page.is_empty() {
            let Some(page) = ready!(self.pages.poll_recv(cx)).transpose()? else {
                return Poll::Ready(Ok(false));
            };
            let archived = page.iter().filter(|object| object.archived);
            let keys: Vec<String> = archived
                .map(|object| object.key.clone())
                .take(MOST_NAMED)
                .collect();
            if !keys.is_empty() {
                return Poll::Ready(Err(DownloadError::Archived { keys }));
            }
            let cost = |object: &Object| object.key.len() + object.etag.len() + OBJECT_COST;
            self.page_bytes = page.iter().map(cost).sum();
            self.page = page.into();
        }
        Poll::Ready(Ok(true))
    }
}

/// Lists into the channel. The next page is asked for when the one before it is taken out.
async fn list(
    store: Store,
    selection: Selection,
    budget: MemoryBudget,
    sender: mpsc::Sender<Result<Vec<Object>, StoreError>>,
) {
    let pace = move || {
        let roomy = budget.is_roomy();
        Pace {
            page: (!roomy).then_some(SHORT_PAGE),
            ahead: budget.total() / AHEAD,
        }
    };
    let pages = store.list_at(selection.bucket(), selection.prefix(), pace);
    let mut pages = std::pin::pin!(pages);
    while let Ok(room) = sender.reserve().await {
        let Some(page) = pages.next().await else {
            return;
        };
        room.send(page.map(|mut page| {
            page.retain(|object| selection.takes(object));
            page.shrink_to_fit();
            page
        }));
    }
}

impl Stream for Rows {
    type Item = Result<Item<Row>, DownloadError>;

    /// Yields [`DownloadError::Archived`] as soon as a page shows a selected object that cannot be read, and
    /// [`DownloadError::Store`] where the listing fails.
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Item<Row>, DownloadError>>> {
        ready!(self.poll_fill(cx))?;
        let this = &mut *self;
        let item = this.page.pop_front().map(|object| {
            let tag = Row {
                key: object.key.clone(),
                name: this.namer.name(&object.key),
                size: object.size,
                modified: object.modified,
                deflated: this.method.deflates(&object.key, object.size),
            };
            let before = Before {
                // A deflated entry has its CRC-32 in a descriptor.
                computed: object.size <= INLINE_MAX && !tag.deflated,
                stored: object.has_crc32,
            };
            Ok(Item {
                range: 0..object.size,
                before,
                tag,
                object,
            })
        });
        Poll::Ready(item)
    }
}
