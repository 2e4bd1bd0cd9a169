//! Where in a listing the next pages lie, judged by those that came.
//!
//! A guess looks as far back as ahead: over four pages the last four tell more than the last one, which may end with a
//! folder, and more than the last hundred, which may have been of another kind.

use super::scale::Scale;
use super::trail::Trail;

/// The longest key, in bytes. Source:
/// [object keys](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const LONGEST_KEY: usize = 1024;

/// Pages that an estimate looks back at first, and at the most.
const BACK: [f64; 2] = [4.0, 32.0];

/// A way ahead, of which a key is wanted.
pub(super) struct Way<'a> {
    /// Where something of the way was seen last.
    pub from: &'a str,
    /// How many pages from there.
    pub pages: f64,
    /// The key must be greater than this one,
    pub low: &'a str,
    /// and less than this one.
    pub high: Option<&'a str>,
}

/// What a listing has shown, by which the way ahead is judged.
pub(super) struct Seen<'a> {
    /// Trails, the nearest first.
    pub trails: Vec<&'a Trail>,
    /// Rows of a page.
    pub page: usize,
    /// The length in bytes of the prefix.
    pub floor: usize,
}

impl Seen<'_> {
    /// The nearest trail that is so many pages long, or the longest: keys in order, and the rows between the first and
    /// the last.
    fn back(&self, pages: f64) -> Option<(Vec<&str>, usize)> {
        let rows = pages * self.page as f64;
        let mut best: Option<(&Trail, usize)> = None;
        for trail in &self.trails {
            let length = trail.rows();
            if best.is_none_or(|(_, rows)| length > rows) {
                best = Some((trail, length));
            }
            if length as f64 >= rows {
                break;
            }
        }
        let (keys, rows) = best?.0.back(rows);
        (rows > 0).then_some((keys, rows))
    }

    /// A key about so many pages ahead.
    pub(super) fn key(&self, way: &Way<'_>) -> Option<String> {
        let (mut keys, rows) = self.back(way.pages)?;
        let (base, last) = (*keys.first()?, *keys.last()?);
        keys.extend([way.from, way.low]);
        keys.extend(way.high);
        let scale = Scale::new(&keys, self.floor)?;
        let here = scale.place(way.from);
        let low = scale.place(way.low);
        let high = way.high.map_or(scale.end(), |high| scale.place(high));
        let step = (scale.place(last) - scale.place(base)) as f64 / rows as f64 * self.page as f64;
        let ahead = here.saturating_add((step * way.pages) as u128);
        // The estimate may lie beyond the gap. Its middle tells most.
        let place = if ahead > low && ahead < high {
            ahead
        } else {
            low + high.saturating_sub(low) / 2
        };
        let key = scale.text(place)?;
        let fits = *key > *way.low && way.high.is_none_or(|high| *key < *high);
        (fits && key.len() <= LONGEST_KEY).then_some(key)
    }

    /// How many pages seem to lie between two keys.
    pub(super) fn pages(&self, low: &str, high: &str) -> Option<f64> {
        let mut pages = self.pages_by(BACK[0], low, high)?;
        if pages > BACK[0] {
            pages = self.pages_by(pages.min(BACK[1]), low, high)?;
        }
        Some(pages)
    }

    fn pages_by(&self, back: f64, low: &str, high: &str) -> Option<f64> {
        let (mut keys, rows) = self.back(back)?;
        let (base, last) = (*keys.first()?, *keys.last()?);
        keys.extend([low, high]);
        let scale = Scale::new(&keys, self.floor)?;
        let step = (scale.place(last) - scale.place(base)) as f64 / rows as f64 * self.page as f64;
        let between = scale.place(high).saturating_sub(scale.place(low));
        (step > 0.0).then(|| between as f64 / step)
    }
}
