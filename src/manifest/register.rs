//! The links that there are, newest first, as their stored manifests tell.

use std::cmp::Reverse;

use futures::stream::{self, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::library::Library;
use super::stored::Header;
use crate::store::{Object, StoreError, StoreErrorKind};

/// Headers that are read at once.
const AT_ONCE: usize = 8;

/// A link that was made and not taken back.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its id.
    pub id: Uuid,
    /// What its stored manifest says about itself.
    pub header: Header,
}

impl Library {
    /// The newest `most` links. All names are looked at, but of those manifests only are the headers read.
    ///
    /// # Errors
    /// As the store says.
    pub async fn newest(&self, most: usize) -> Result<Vec<Registered>, StoreError> {
        let folder = self.links_prefix();
        let pages = self.store().list(self.bucket(), &folder);
        futures::pin_mut!(pages);
        let mut newest: Vec<(Uuid, Object)> = Vec::new();
        let thin_out = |newest: &mut Vec<(Uuid, Object)>| {
            newest.sort_by_key(|(id, object)| Reverse((object.modified, *id)));
            newest.truncate(most);
        };
        while let Some(page) = pages.try_next().await? {
            for object in page {
                let name = object.key.strip_prefix(&folder).unwrap_or_default();
                if let Ok(id) = Uuid::try_parse(name) {
                    newest.push((id, object));
                }
            }
            thin_out(&mut newest);
        }
        let headers = stream::iter(newest).map(|(id, object)| async move {
            match self.header(&object).await {
                Ok(header) => Ok(header.map(|header| Registered { id, header })),
                // It was taken back in between.
                Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let found: Vec<Option<Registered>> = headers.buffered(AT_ONCE).try_collect().await?;
        let mut found: Vec<Registered> = found.into_iter().flatten().collect();
        found.sort_by_key(|link| Reverse((link.header.created, link.id)));
        Ok(found)
    }
}
