//! The rows of a live archive: the selected objects of a listing in key order, each with its entry name.
//!
//! The listing runs in a task of its own, one page ahead of the one that rows are taken from, so that no page is waited
//! for while there is something to read, and none idles behind a slow client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures::stream::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::packed::Packed;
use super::{DownloadError, MOST_NAMED};
use crate::archive::{EntryName, INLINE_MAX, Method, Namer};
use crate::manifest::Selection;
use crate::read_ahead::{Before, Item, MemoryBudget};
use crate::store::list::Pace;
use crate::store::{Object, Store};

/// Objects on the first page of the listing, and on every one while memory is short. Each further page may have twice as
/// many as the one before: nobody knows whether the client will take what a full page of 1,000 names, and a thousand
/// clients that do not would keep more in memory than what is read ahead for them.
const SHORT_PAGE: i32 = 100;

/// From so many objects on a page's length is left to the store.
const LONG_PAGE: i32 = 1000;

/// The part of the memory budget that listed objects may take while they wait for their turn: one in so many.
const AHEAD: usize = 16;

/// The rows, as items to be read.
pub struct Rows {
    pages: mpsc::Receiver<Result<Packed, DownloadError>>,
    page: Packed,
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
            page: Packed::default(),
            page_bytes: 0,
            namer: Namer::new(selection.prefix()),
            method,
            _listing: AbortOnDropHandle::new(tokio::spawn(listing)),
        };
        if !std::future::poll_fn(|cx| rows.poll_fill(cx)).await? {
            return Err(DownloadError::NothingSelected(selection.sought()));
        }
        Ok(rows)
    }

    /// The bytes that names and listed objects keep on the heap, for a memory budget to count. The page that is still to
    /// come counts as twice the last one, which it may be.
    pub fn heap_bytes(&self) -> usize {
        self.namer.heap_bytes() + 3 * self.page_bytes
    }

    /// Makes the current page non-empty; `false` at the end of the listing.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, DownloadError>> {
        while self.page.is_empty() {
            let Some(page) = ready!(self.pages.poll_recv(cx)).transpose()? else {
                return Poll::Ready(Ok(false));
            };
            self.page_bytes = page.heap_bytes();
            self.page = page;
        }
        Poll::Ready(Ok(true))
    }
}

/// Lists into the channel. The next page is asked for when the one before it is taken out.
async fn list(
    store: Store,
    selection: Selection,
    budget: MemoryBudget,
    sender: mpsc::Sender<Result<Packed, DownloadError>>,
) {
    let taken = Arc::new(AtomicUsize::new(0));
    let passed = taken.clone();
    let pace = move || {
        let most = match budget.is_roomy() {
            true => SHORT_PAGE << passed.load(Ordering::Relaxed).min(4),
            false => SHORT_PAGE,
        };
        Pace {
            page: (most < LONG_PAGE).then_some(most),
            ahead: budget.total() / AHEAD,
        }
    };
    let pages = store.list_at(selection.bucket(), selection.prefix(), pace);
    let mut pages = std::pin::pin!(pages);
    while let Ok(room) = sender.reserve().await {
        let Some(page) = pages.next().await else {
            return;
        };
        taken.fetch_add(1, Ordering::Relaxed);
        room.send(match page {
            Ok(objects) => packed(objects, &selection),
            Err(error) => Err(error.into()),
        });
    }
}

/// What is selected of a page.
fn packed(mut objects: Vec<Object>, selection: &Selection) -> Result<Packed, DownloadError> {
    objects.retain(|object| selection.takes(object));
    let archived = objects.iter().filter(|object| object.archived);
    let keys: Vec<String> = archived
        .map(|object| object.key.clone())
        .take(MOST_NAMED)
        .collect();
    match keys.is_empty() {
        true => Ok(Packed::new(objects)),
        false => Err(DownloadError::Archived { keys }),
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
        let item = this.page.pop().map(|object| {
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
