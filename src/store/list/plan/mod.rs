//! Which pages to ask for, so that a listing comes in order and many of its pages at once. No I/O, no clock.
//!
//! The listing is a row of segments, each read page by page. The first one is where the consumer is; it advances
//! whatever happens. The others begin behind *guessed* keys ([`super::guess`]). A segment that reaches the next one is
//! closed; what both have is compared, and taken once. So a guess can cost a request, but it can never lose or repeat
//! a key: whatever was guessed, the rows that come out are those of one page after the other.
//!
//! Three bounds hold. Requests under way: `limit`. Pages that came before their turn, by number and by their estimated
//! distance from the consumer: `window`, and half as many again where they lie nearer than was thought. And requests in vain: a guess is made only while all open guesses together,
//! should every one prove useless, leave the number of requests within one and a half times those of a listing that
//! guesses nothing.
//!
//! A store that does not begin behind the key that it is told shows that in its first answer, and one whose answers
//! differ from those of its own sequence shows that where segments meet; either ends the guessing.

use super::guess;
use super::segment::{From, Frontier, Keyed, Segment};

/// Pages of a segment, as far as they can be guessed. Each segment costs half a request on the average, where it meets
/// the next; short ones arrive together.
const LENGTH: f64 = 4.0;

/// Before that many pages have come, nothing is guessed: most listings end before.
const KNOWN: f64 = 2.0;

/// Segments that did not agree with the one before, after which a store is not trusted with guesses any more.
const DISAGREEMENTS: usize = 2;

/// A page to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub id: u64,
    pub from: From,
}

/// A page that came.
#[derive(Debug)]
pub(super) struct Page<R> {
    pub rows: Vec<R>,
    /// The token of the next one, where there is one.
    pub next: Option<String>,
}

/// The keys of a page of the sequence do not follow those before them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disorder;

/// See the module.
#[derive(Debug)]
pub(super) struct Planner<R> {
    segments: Vec<Segment<R>>,
    /// The length in bytes of the prefix.
    floor: usize,
    ids: u64,
    answered: usize,
    /// Rows that came, each once.
    rows: usize,
    /// Rows of a full page.
    page: usize,
    guesses: bool,
    disagreements: usize,
    distrusted: bool,
}

impl<R: Keyed> Planner<R> {
    /// A listing under a prefix of this length in bytes, that may guess.
    pub(super) fn new(floor: usize, guesses: bool) -> Planner<R> {
        let head = Segment::new(String::new(), Frontier::Idle(From::Beginning), None);
        Planner {
            segments: vec![head],
            floor,
            ids: 0,
            answered: 0,
            rows: 0,
            page: 1,
            guesses,
            disagreements: 0,
            distrusted: false,
        }
    }

    /// Whether the store has answered guesses wrongly.
    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted
    }

    /// Whether everything was taken.
    pub(super) fn is_done(&self) -> bool {
        self.segments.len() == 1
            && self.segments[0].is_closed()
            && self.segments[0].pages.is_empty()
    }

    /// Whether [`Planner::take`] would give rows.
    pub(super) fn is_ready(&self) -> bool {
        for segment in &self.segments {
            if !segment.pages.is_empty() {
                return true;
            }
            if !segment.is_closed() {
                return false;
            }
        }
        false
    }

    /// The next rows of the listing; `None` where they have not come yet, or there are none.
    pub(super) fn take(&mut self) -> Option<Vec<R>> {
        loop {
            // What was asked for behind a key that is to be given out now comes too late.
            while self.is_late(0) {
                self.drop_segment(1);
                self.meet(0);
            }
            if let Some(page) = self.segments[0].pages.pop_front() {
                return Some(page);
            }
            if self.segments.len() == 1 || !self.segments[0].is_closed() {
                return None;
            }
            self.segments.remove(0);
        }
    }

    /// The next page to ask for, while fewer than `limit` are under way and those that came fit into `window` pages.
    pub(super) fn next(&mut self, limit: usize, window: usize) -> Option<Ask> {
        let under_way = self
            .segments
            .iter()
            .filter(|segment| segment.is_asked())
            .count();
        if under_way >= limit {
            return None;
        }
        let held: usize = self.segments.iter().map(Segment::count).sum();
        let room = held / self.page + under_way < window + window / 2 && limit > 1;
        let mut distance = 0.0;
        for index in 0..self.segments.len() {
            let may = index == 0 || (room && distance < window as f64);
            if !may {
                break;
            }
            let first = index == 0;
            let late = self.is_late(index);
            let segment = &mut self.segments[index];
            match &segment.frontier {
                Frontier::Idle(from) if !late => {
                    let from = from.clone();
                    return Some(self.ask(index, from));
                }
                Frontier::Last(from) if first => {
                    let from = from.clone();
                    return Some(self.ask(index, from));
                }
                _ => {}
            }
            distance += self.pages(index) + self.gap(index);
        }
        if room && self.guesses {
            self.guess(window)
        } else {
            None
        }
    }

    /// A page came.
    ///
    /// # Errors
    /// [`Disorder`] where the sequence itself is not in the order of the keys' bytes.
    pub(super) fn arrived(&mut self, id: u64, page: Page<R>) -> Result<(), Disorder> {
        let Some(index) = self.find(id) else {
            return Ok(());
        };
        let segment = &self.segments[index];
        let begins = segment.landed || index > 0;
        let mut last = begins.then_some(&*segment.upto);
        for row in &page.rows {
            if last.is_some_and(|last| last >= row.key()) {
                return self.disorder(index, id);
            }
            last = Some(row.key());
        }
        self.answered += 1;
        self.rows += page.rows.len();
        self.page = self.page.max(page.rows.len());
        let segment = &mut self.segments[index];
        segment.landed = true;
        segment.received += 1;
        segment.gap = None;
        segment.whole = false;
        if self.guesses {
            segment.trail.page(page.rows.iter().map(Keyed::key));
        }
        if let Some(row) = page.rows.last() {
            segment.upto = row.key().to_owned();
            segment.pages.push_back(page.rows);
        }
        match page.next {
            Some(token) => segment.frontier = Frontier::Idle(From::Token(token)),
            None => {
                segment.ended = true;
                segment.frontier = Frontier::Closed;
            }
        }
        self.meet(index);
        if index > 0 {
            self.segments[index - 1].gap = None;
            self.meet(index - 1);
        }
        Ok(())
    }

    /// A page could not be had. Where asking again is of no use (`hard`), it is asked for again only when it is the next
    /// that the consumer needs: the store may refuse guesses and nothing else.
    pub(super) fn failed(&mut self, id: u64, hard: bool) {
        let Some(index) = self.find(id) else {
            return;
        };
        if hard && index > 0 {
            self.guesses = false;
        }
        let joined = index == 0 || self.segments[index - 1].is_closed();
        if !joined && !self.segments[index].landed {
            self.drop_segment(index);
            self.meet(index - 1);
            return;
        }
        let segment = &mut self.segments[index];
        let asked = std::mem::replace(&mut segment.frontier, Frontier::Closed);
        if let Frontier::Asked { from, .. } = asked {
            segment.frontier = if hard {
                Frontier::Last(from)
            } else {
                Frontier::Idle(from)
            };
        }
    }

    /// Whether a page is the next that the consumer needs.
    pub(super) fn is_first(&self, id: u64) -> bool {
        self.find(id) == Some(0)
    }

    fn find(&self, id: u64) -> Option<usize> {
        let asked = |segment: &Segment<R>| matches!(segment.frontier, Frontier::Asked { id: asked, .. } if asked == id);
        self.segments.iter().position(asked)
    }

    fn ask(&mut self, index: usize, from: From) -> Ask {
        self.ids += 1;
        self.segments[index].frontier = Frontier::Asked {
            id: self.ids,
            from: from.clone(),
        };
        Ask { id: self.ids, from }
    }

    /// Whether a segment has passed the beginning of the next before the next's first page came.
    fn is_late(&self, index: usize) -> bool {
        let next = self.segments.get(index + 1);
        next.is_some_and(|next| {
            !next.landed
                && !self.segments[index].is_closed()
                && self.segments[index].reaches(&next.after)
        })
    }

    /// Pages that a segment holds.
    fn pages(&self, index: usize) -> f64 {
        self.segments[index].count() as f64 / self.page as f64
    }

    /// How many pages seem to be missing between a segment and the next.
    fn gap(&mut self, index: usize) -> f64 {
        let segment = &self.segments[index];
        if segment.is_closed() {
            return 0.0;
        }
        let Some(next) = self.segments.get(index + 1) else {
            return f64::INFINITY;
        };
        if segment.reaches(&next.after) {
            return 0.0;
        }
        if let Some(gap) = segment.gap {
            return gap;
        }
        // A segment that is longer than it was thought to be may be much longer.
        let longer = (segment.received as f64 - 2.0 * LENGTH).max(0.0) / 2.0;
        let gap = self.seen(index).pages(&segment.upto, &next.after);
        let gap = gap.unwrap_or(longer).max(longer);
        self.segments[index].gap = Some(gap);
        gap
    }

    /// Begins a segment in the first gap that is worth it.
    fn guess(&mut self, window: usize) -> Option<Ask> {
        let known = self.rows as f64 / self.page as f64;
        let pairs = self.segments.windows(2);
        let open = pairs.filter(|pair| !pair[0].is_closed());
        let (open, landed) = open.fold((0.0, 0.0), |(open, landed), pair| {
            (open + 1.0, landed + f64::from(u8::from(pair[1].landed)))
        });
        let in_vain = self.answered as f64 - known + open;
        // Of each segment that came and was not met yet, a page may prove to be the same as one of its neighbour's.
        let least = known - landed;
        let ended = self.segments.iter().any(|segment| segment.ended);
        let certain = if ended { least } else { least.floor() + 1.0 };
        if known < KNOWN || in_vain + 1.0 > 0.5 * certain {
            return None;
        }
        let length = (known / 2.0).clamp(2.0, LENGTH);
        let mut distance = 0.0;
        for index in 0..self.segments.len() {
            distance += self.pages(index);
            if distance + length > window as f64 {
                return None;
            }
            let gap = self.gap(index);
            if gap >= 2.0 * length && !self.segments[index].whole {
                match self.split(index, gap, length) {
                    Some(after) => return Some(self.begin(index, after, gap, length)),
                    None => self.segments[index].whole = true,
                }
            }
            distance += gap;
        }
        None
    }

    fn split(&self, index: usize, gap: f64, length: f64) -> Option<String> {
        // The nearest segment before the gap that has shown something of the way.
        let last = (0..=index).rev().find(|&last| self.segments[last].landed)?;
        let between: f64 = self.segments[last..index]
            .iter()
            .filter_map(|segment| segment.gap)
            .sum();
        let cut = if gap < 3.0 * length {
            gap / 2.0
        } else {
            length
        };
        let next = self.segments.get(index + 1);
        self.seen(last).key(&guess::Way {
            from: &self.segments[last].upto,
            pages: between + cut,
            low: &self.segments[index].upto,
            high: next.map(|next| &*next.after),
        })
    }

    fn seen(&self, index: usize) -> guess::Seen<'_> {
        let trails = self.segments[..=index]
            .iter()
            .rev()
            .map(|segment| &segment.trail);
        guess::Seen {
            trails: trails.filter(|trail| !trail.is_empty()).collect(),
            page: self.page,
            floor: self.floor,
        }
    }

    fn begin(&mut self, index: usize, after: String, gap: f64, length: f64) -> Ask {
        let rest = if gap.is_finite() { gap - length } else { gap };
        self.segments[index].gap = Some(length);
        let segment = Segment::new(after.clone(), Frontier::Closed, Some(rest));
        self.segments.insert(index + 1, segment);
        self.ask(index + 1, From::After(after))
    }

    /// Closes a segment where it reaches those behind it.
    fn meet(&mut self, index: usize) {
        while let Some(next) = self.segments.get(index + 1) {
            let segment = &self.segments[index];
            if (segment.is_closed() && !segment.ended) || !segment.reaches(&next.after) {
                return;
            }
            if !next.landed && !segment.ended {
                if segment.upto == next.after {
                    self.segments[index].frontier = Frontier::Closed;
                }
                return;
            }
            // A segment that has more than the next one goes on in its place.
            if segment.ended || (!next.ended && segment.upto > next.upto) {
                self.drop_segment(index + 1);
                continue;
            }
            let twice = segment.behind(&next.after);
            let ours = segment.rows().rev().take(twice).map(Keyed::key);
            let theirs: Vec<&str> = next.rows().take(twice).map(Keyed::key).collect();
            let agrees = ours.eq(theirs.into_iter().rev());
            if !agrees {
                self.disagreements += 1;
                self.drop_segment(index + 1);
                if self.disagreements >= DISAGREEMENTS {
                    self.distrust();
                }
                continue;
            }
            self.join(index, twice);
            return;
        }
    }

    /// Closes a segment, of whose last rows `twice` are those of the next as well.
    fn join(&mut self, index: usize, twice: usize) {
        self.rows -= twice;
        let (before, behind) = self.segments.split_at_mut(index + 1);
        let (segment, next) = (&mut before[index], &mut behind[0]);
        let kept = segment.cut(twice);
        next.trail.follow(std::mem::take(&mut segment.trail), kept);
        segment.upto.clone_from(&next.after);
        segment.frontier = Frontier::Closed;
        // Nothing lies between the beginnings of the two.
        if index > 0 && segment.pages.is_empty() {
            next.after = std::mem::take(&mut segment.after);
            self.segments.remove(index);
        }
    }

    /// Forgets a segment to which the one before is not joined.
    fn drop_segment(&mut self, index: usize) {
        let gone = self.segments.remove(index);
        self.rows -= gone.count();
        if gone.is_asked() {
            self.answered += 1;
        }
        let before = &mut self.segments[index - 1];
        before.gap = None;
        before.whole = false;
    }

    /// Guesses no more, and forgets what rests on guesses that were not confirmed.
    fn distrust(&mut self) {
        self.guesses = false;
        self.distrusted = true;
        let open = self
            .segments
            .iter()
            .position(|segment| !segment.is_closed());
        let kept = open.map_or(self.segments.len(), |open| open + 1);
        while self.segments.len() > kept {
            self.drop_segment(self.segments.len() - 1);
        }
    }

    fn disorder(&mut self, index: usize, id: u64) -> Result<(), Disorder> {
        if index == 0 {
            return Err(Disorder);
        }
        self.answered += 1;
        self.failed(id, true);
        self.distrust();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
