//! What a listing has passed: keys, with the number of rows between them. The way ahead is guessed from it.

use std::collections::VecDeque;

/// Marks that are kept. A guess looks as far back as ahead, and no window is larger.
const MARKS: usize = 128;

/// Keys that are kept of each page, beside its last.
const SAMPLES: usize = 6;

/// A way without a gap, from its beginning to where the listing is now.
#[derive(Debug, Default)]
pub(super) struct Trail(VecDeque<Mark>);

#[derive(Debug)]
struct Mark {
    /// Keys before `key`, in order.
    samples: Vec<String>,
    key: String,
    /// Rows between the mark before and this one.
    rows: usize,
}

impl Trail {
    /// Notes the keys of a page.
    pub(super) fn page<'a>(&mut self, keys: impl ExactSizeIterator<Item = &'a str> + Clone) {
        let rows = keys.len();
        let (Some(first), Some(last)) = (keys.clone().next(), keys.clone().last()) else {
            return;
        };
        if self.0.is_empty() {
            self.push(Mark {
                samples: Vec::new(),
                key: first.to_owned(),
                rows: 1,
            });
        }
        let step = rows.div_ceil(SAMPLES).max(1);
        let samples = keys
            .take(rows - 1)
            .step_by(step)
            .map(str::to_owned)
            .collect();
        self.push(Mark {
            samples,
            key: last.to_owned(),
            rows,
        });
    }

    /// Puts another trail in front, as far as it does not lie beside this one; of the page where both meet it has `kept`
    /// rows of its own.
    pub(super) fn follow(&mut self, mut before: Trail, kept: usize) {
        let Some(first) = self.0.front_mut() else {
            *self = before;
            return;
        };
        while before.0.back().is_some_and(|mark| mark.key >= first.key) {
            before.0.pop_back();
        }
        first.rows = kept + 1;
        before.0.append(&mut self.0);
        self.0 = before.0;
        while self.0.len() > MARKS {
            self.0.pop_front();
        }
    }

    fn push(&mut self, mark: Mark) {
        if self.0.len() == MARKS {
            self.0.pop_front();
        }
        self.0.push_back(mark);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows between the first key and the last.
    pub(super) fn rows(&self) -> usize {
        self.0.iter().skip(1).map(|mark| mark.rows).sum()
    }

    /// The keys of the last `rows` rows or somewhat more, as far as they are known, in order, and how many rows lie
    /// between the first and the last of them.
    pub(super) fn back(&self, rows: f64) -> (Vec<&str>, usize) {
        let mut passed = 0;
        let mut from = self.0.len().saturating_sub(1);
        while from > 0 && (passed as f64) < rows {
            passed += self.0[from].rows;
            from -= 1;
        }
        let mut keys = Vec::new();
        // Enough to see what is in each position; more would only take time.
        let step = (self.0.len() - from).div_ceil(24).max(1);
        for (at, mark) in self.0.iter().enumerate().skip(from) {
            if at > from && at % step == 0 {
                keys.extend(mark.samples.iter().map(String::as_str));
            }
            if at == from || at % step == 0 || at + 1 == self.0.len() {
                keys.push(&mark.key);
            }
        }
        (keys, passed)
    }
}
