//! Who downloaded what to the end, since this server began: for owners who want to know.
//!
//! It is bounded and lost with the process; the log has it all.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// Links that are remembered.
const LINKS: usize = 10_000;

/// Downloads of one link that are remembered one by one.
const LAST: usize = 20;

/// The downloads of one link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Downloads {
    /// How many reached the end of the archive.
    pub count: u64,
    /// The last of them, the newest first.
    #[cfg_attr(test, schema(value_type = Vec<Download>))]
    pub last: VecDeque<Download>,
}

/// A download that reached the end of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Download {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(test, schema(value_type = String, format = DateTime))]
    pub at: OffsetDateTime,
    /// From where, unless addresses are not logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = Option<String>))]
    pub client: Option<IpAddr>,
}

/// The downloads of all links.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<Uuid, Downloads>>);

impl Tally {
    /// A download of this link has reached its end.
    pub fn downloaded(&self, link: Uuid, at: SystemTime, client: Option<IpAddr>) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= LINKS && !links.contains_key(&link) {
            let oldest = links
                .iter()
                .min_by_key(|(_, known)| known.last.front().map(|last| last.at));
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|id| links.remove(&id));
        }
        let known = links.entry(link).or_default();
        known.count += 1;
        known.last.push_front(Download {
            at: at.into(),
            client,
        });
        known.last.truncate(LAST);
    }

    /// What is known of a link.
    pub fn of(&self, link: Uuid) -> Downloads {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(&link).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_downloads_are_known_and_all_are_counted() {
        let tally = Tally::default();
        let link = Uuid::new_v4();
        for _ in 0..30 {
            tally.downloaded(link, SystemTime::UNIX_EPOCH, None);
        }
        tally.downloaded(link, SystemTime::now(), Some([192, 0, 2, 1].into()));
        let known = tally.of(link);
        assert_eq!((known.count, known.last.len()), (31, LAST));
        assert_eq!(known.last[0].client, Some([192, 0, 2, 1].into()));
        assert_eq!(tally.of(Uuid::new_v4()), Downloads::default());
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let tally = Tally::default();
        let first = Uuid::new_v4();
        tally.downloaded(first, SystemTime::UNIX_EPOCH, None);
        for _ in 0..LINKS {
            tally.downloaded(Uuid::new_v4(), SystemTime::now(), None);
        }
        assert_eq!(tally.of(first).count, 0);
        assert_eq!(tally.0.lock().unwrap().len(), LINKS);
    }
}
