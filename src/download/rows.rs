//! The rows of a live archive: the selected objects of a listing in key order, each with its entry name.

use std::collections::VecDeque;

use futures::stream::{BoxStream, StreamExt};

use super::{DownloadError, MOST_NAMED};
use crate::archive::{EntryName, Namer};
use crate::manifest::Selection;
use crate::store::{Object, Store, StoreError};

/// Takes pages from the listing as rows are taken from it: never more than one page is held.
pub struct Rows {
    pages: BoxStream<'static, Result<Vec<Object>, StoreError>>,
    page: VecDeque<Object>,
    selection: Selection,
    namer: Namer,
}

impl Rows {
    /// Begins the listing, and waits for the first match or the end.
    ///
    /// # Errors
    /// [`DownloadError::NothingSelected`] where there is no match; else as [`Rows::next`].
    pub async fn open(store: &Store, selection: &Selection) -> Result<Rows, DownloadError> {
        let mut rows = Rows {
            pages: store.list(selection.bucket(), selection.prefix()).boxed(),
            page: VecDeque::new(),
            namer: Namer::new(selection.prefix()),
            selection: selection.clone(),
        };
        if !rows.fill().await? {
            return Err(DownloadError::NothingSelected);
        }
        Ok(rows)
    }

    /// The next row, or `None` after the last.
    ///
    /// # Errors
    /// [`DownloadError::Archived`] as soon as a page shows a selected object that cannot be read;
    /// [`DownloadError::Store`] where the listing fails.
    pub async fn next(&mut self) -> Result<Option<(Object, EntryName)>, DownloadError> {
        self.fill().await?;
        Ok(self.page.pop_front().map(|object| {
            let name = self.namer.name(&object.key);
            (object, name)
        }))
    }

    /// Makes the current page non-empty; `false` at the end of the listing.
    async fn fill(&mut self) -> Result<bool, DownloadError> {
        while self.page.is_empty() {
            let Some(page) = self.pages.next().await.transpose()? else {
                return Ok(false);
            };
            self.page = page
                .into_iter()
                .filter(|object| self.selection.takes(object))
                .collect();
            let archived = self.page.iter().filter(|object| object.archived);
            let keys: Vec<String> = archived
                .map(|object| object.key.clone())
                .take(MOST_NAMED)
                .collect();
            if !keys.is_empty() {
                return Err(DownloadError::Archived { keys });
            }
        }
        Ok(true)
    }
}
