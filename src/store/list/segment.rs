//! A part of a listing that is read page by page: from the key behind which it begins up to where it meets the next.

use std::collections::VecDeque;

use super::trail::Trail;

/// Something with a key.
pub(super) trait Keyed {
    /// The key, whose bytes give the order.
    fn key(&self) -> &str;
}

/// From where a page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The first page under the prefix.
    Beginning,
    /// The page behind another one.
    Token(String),
    /// The first page behind a key, wherever that lies.
    After(String),
}

/// What a segment does next.
#[derive(Debug)]
pub(super) enum Frontier {
    /// Its next page is under way.
    Asked { id: u64, from: From },
    /// Its next page can be asked for.
    Idle(From),
    /// The same, but only once everything before it has been taken: asking failed already.
    Last(From),
    /// It has met the next segment, or the end of the listing.
    Closed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Segment<R> {
    /// All of its keys are greater.
    pub after: String,
    pub frontier: Frontier,
    /// Rows that came and were not taken yet.
    pub pages: VecDeque<Vec<R>>,
    /// Everything between `after` and this key, inclusive, has come.
    pub upto: String,
    /// Everything behind `after` has come.
    pub ended: bool,
    /// Its first page has come.
    pub landed: bool,
    /// Pages that came.
    pub received: usize,
    pub trail: Trail,
    /// How many pages seem to be missing up to the next segment; `None` where that is to be guessed anew.
    pub gap: Option<f64>,
    /// There is no key to be thought of between this segment and the next.
    pub whole: bool,
}

impl<R: Keyed> Segment<R> {
    pub(super) fn new(after: String, frontier: Frontier, gap: Option<f64>) -> Segment<R> {
        Segment {
            upto: after.clone(),
            after,
            frontier,
            pages: VecDeque::new(),
            ended: false,
            landed: false,
            received: 0,
            trail: Trail::default(),
            gap,
            whole: false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.frontier, Frontier::Closed)
    }

    pub(super) fn is_asked(&self) -> bool {
        matches!(self.frontier, Frontier::Asked { .. })
    }

    /// Whether its rows reach the key behind which another segment begins.
    pub(super) fn reaches(&self, after: &str) -> bool {
        self.landed && (self.ended || *self.upto >= *after)
    }

    /// Rows that came and were not taken yet.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = &R> {
        self.pages.iter().flatten()
    }

    pub(super) fn count(&self) -> usize {
        self.pages.iter().map(Vec::len).sum()
    }

    /// How many of its rows come behind a key.
    pub(super) fn behind(&self, after: &str) -> usize {
        self.rows()
            .rev()
            .take_while(|row| row.key() > after)
            .count()
    }

    /// Gives the last rows away. Returns how many are left of the page that was cut.
    pub(super) fn cut(&mut self, mut rows: usize) -> usize {
        let mut left = 0;
        while rows > 0
            && let Some(page) = self.pages.back_mut()
        {
            let gone = rows.min(page.len());
            page.truncate(page.len() - gone);
            rows -= gone;
            left = page.len();
            if page.is_empty() {
                self.pages.pop_back();
            }
        }
        left
    }
}
