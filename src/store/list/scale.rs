//! Keys as numbers: where a key lies between two others, and which key lies at a given place.
//!
//! A scale is made of a few keys of a listing. Each position has the characters that were seen there, completed to the
//! set that they seem to be of (digits, hexadecimal digits, letters, a block of Unicode), and a key is read as a number of
//! that many digits. What a scale says is a guess. That it keeps the order of keys is certain: of two keys, the greater one
//! never has the smaller place.

/// Places are below this, so that they can be added and doubled.
const MOST: u128 = 1 << 120;

/// Positions behind the head that are looked at: more have no room below [`MOST`], unless they never change.
const POSITIONS: usize = 64;

/// Positions before the first difference that a carry may reach.
const CARRY: usize = 6;

/// A position that began anew so often is believed to have no more characters than were seen there.
const WRAPPED: usize = 4;

/// The characters of one position, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alphabet {
    /// A key may end here, which comes before every character.
    ends: bool,
    /// Ranges of characters, both ends included, ascending.
    ranges: Vec<(char, char)>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// What all keys of the scale begin with.
    head: String,
    alphabets: Vec<Alphabet>,
    /// What a step in each position is worth.
    weights: Vec<u128>,
    /// One more than the greatest place.
    end: u128,
}

impl Scale {
    /// A scale on which the keys lie; they must be in order. `floor` is the length in bytes of what all keys of the
    /// listing begin with. `None` where all keys are the same.
    pub(super) fn new(keys: &[&str], floor: usize) -> Option<Scale> {
        let (first, last) = (*keys.first()?, *keys.last()?);
        let differs = first
            .char_indices()
            .zip(last.chars())
            .find(|((_, a), b)| a != b)
            .map_or(first.len().min(last.len()), |((at, _), _)| at);
        if first == last {
            return None;
        }
        let floor = floor.min(differs);
        let carried = last[floor..differs].char_indices().rev().take(CARRY).last();
        let head = &last[..carried.map_or(differs, |(at, _)| floor + at)];
        let columns = Columns::read(keys, head);
        let mut alphabets = Vec::new();
        let mut end = 1_u128;
        for position in 0..columns.0.len() {
            let alphabet = columns.alphabet(position);
            let Some(product) = end
                .checked_mul(alphabet.radix())
                .filter(|product| *product < MOST)
            else {
                break;
            };
            end = product;
            alphabets.push(alphabet);
        }
        let mut weights = vec![1; alphabets.len()];
        for position in (1..alphabets.len()).rev() {
            weights[position - 1] = weights[position] * alphabets[position].radix();
        }
        Some(Scale {
            head: head.to_owned(),
            alphabets,
            weights,
            end,
        })
    }

    /// The place of a key.
    pub(super) fn place(&self, key: &str) -> u128 {
        let Some(rest) = key.strip_prefix(&self.head) else {
            return if *key < *self.head { 0 } else { self.end };
        };
        let mut chars = rest.chars();
        let mut place = 0;
        for (alphabet, weight) in self.alphabets.iter().zip(&self.weights) {
            match alphabet.rank(chars.next()) {
                Rank::Is(rank) => place += rank * weight,
                Rank::Before(rank) => return place + rank * weight,
                Rank::Behind => return place + alphabet.radix() * weight - 1,
            }
        }
        place
    }

    /// The shortest text at a place; `None` beyond the end of the scale.
    pub(super) fn text(&self, place: u128) -> Option<String> {
        if place >= self.end {
            return None;
        }
        let mut rest = place;
        let mut text = self.head.clone();
        for (alphabet, weight) in self.alphabets.iter().zip(&self.weights) {
            if rest == 0 {
                break;
            }
            match alphabet.character(rest / weight) {
                Some(character) => text.push(character),
                None => break,
            }
            rest %= weight;
        }
        Some(text)
    }

    /// One more than the greatest place.
    pub(super) fn end(&self) -> u128 {
        self.end
    }
}

/// Where a character, or the end of a key, stands in an alphabet.
enum Rank {
    Is(u128),
    /// It is not one of them, and this one is the next.
    Before(u128),
    /// It is greater than all.
    Behind,
}

/// What was seen in each position behind the head.
struct Columns(Vec<Column>);

#[derive(Clone, Default)]
struct Column {
    /// The characters of ASCII, a bit each.
    ascii: u128,
    /// The blocks of the others, ascending.
    blocks: Vec<(char, char)>,
    ends: bool,
    keys: usize,
    /// How often the position began anew, because one before it went on.
    wrapped: usize,
}

impl Columns {
    fn read(keys: &[&str], head: &str) -> Columns {
        let mut columns: Vec<Column> = Vec::new();
        let mut before = "";
        for key in keys {
            let rest = key.strip_prefix(head).unwrap_or_default();
            let mut same = true;
            let mut earlier = before.chars();
            let mut length = 0;
            for character in rest.chars().take(POSITIONS) {
                if columns.len() == length {
                    columns.push(Column::default());
                }
                let column = &mut columns[length];
                column.see(character);
                let was = earlier.next();
                column.wrapped += usize::from(!same && was.is_some_and(|was| character < was));
                same &= was == Some(character);
                length += 1;
            }
            if let Some(column) = columns.get_mut(length) {
                column.ends = true;
            }
            before = rest;
        }
        Columns(columns)
    }

    fn alphabet(&self, position: usize) -> Alphabet {
        let column = &self.0[position];
        let whole = self.completed(position);
        let seen = column.ascii.count_ones() as usize;
        // It seems to have shown all that it has.
        let often = column.wrapped >= WRAPPED && column.keys >= 4 * seen;
        let few =
            often && seen > 1 && column.blocks.is_empty() && (2 * seen) as u128 <= count(&whole);
        let ranges = if few {
            ascii(column.ascii)
                .map(|character| (character, character))
                .collect()
        } else {
            whole
        };
        Alphabet {
            ends: column.ends,
            ranges,
        }
    }

    /// The set that the characters of a position seem to be of. Digits among hexadecimal neighbours are hexadecimal.
    fn completed(&self, position: usize) -> Vec<(char, char)> {
        let own = &self.0[position];
        let mut seen = own.ascii;
        if own.is_word() {
            let before = self.0[..position]
                .iter()
                .rev()
                .take_while(|column| column.is_word());
            let after = self.0[position + 1..]
                .iter()
                .take_while(|column| column.is_word());
            let all = before
                .chain(after)
                .fold(seen, |all, column| all | column.ascii);
            if hexadecimal(all) {
                seen = all;
            }
        }
        if own.blocks.is_empty() && hexadecimal(seen) {
            let letters = if seen & LOWER != 0 {
                ('a', 'f')
            } else {
                ('A', 'F')
            };
            return vec![('0', '9'), letters];
        }
        let mut ranges: Vec<(char, char)> = ascii(seen).map(block).collect();
        ranges.dedup();
        ranges.extend(&own.blocks);
        ranges
    }
}

impl Column {
    fn see(&mut self, character: char) {
        self.keys += 1;
        if character.is_ascii() {
            self.ascii |= 1 << u32::from(character);
        } else {
            let block = block(character);
            if let Err(at) = self.blocks.binary_search(&block) {
                self.blocks.insert(at, block);
            }
        }
    }

    fn is_word(&self) -> bool {
        self.blocks.is_empty() && self.ascii & !(DIGITS | LOWER | UPPER) == 0
    }
}

/// A bit for each character of ASCII from one to another.
const fn bits(low: char, high: char) -> u128 {
    (u128::MAX << (low as u32)) & (u128::MAX >> (127 - high as u32))
}

const DIGITS: u128 = bits('0', '9');
const LOWER: u128 = bits('a', 'z');
const UPPER: u128 = bits('A', 'Z');

fn hexadecimal(seen: u128) -> bool {
    let lower = seen & LOWER != 0;
    let upper = seen & UPPER != 0;
    seen & DIGITS != 0 && lower != upper && seen & !(DIGITS | bits('a', 'f') | bits('A', 'F')) == 0
}

/// The characters of a set, ascending.
fn ascii(seen: u128) -> impl Iterator<Item = char> {
    (0..128_u8)
        .filter(move |bit| seen >> bit & 1 == 1)
        .map(char::from)
}

/// The characters that are of a kind with one: its class in ASCII, its block of 256 beyond.
fn block(character: char) -> (char, char) {
    match character {
        '0'..='9' => ('0', '9'),
        'a'..='z' => ('a', 'z'),
        'A'..='Z' => ('A', 'Z'),
        '\0'..='\x7f' => (character, character),
        _ => {
            // Neither end of a block is a surrogate where one of its characters is none.
            let bits = u32::from(character);
            let end = |bits| char::from_u32(bits).unwrap_or(character);
            (end((bits & !0xff).max(0x80)), end(bits | 0xff))
        }
    }
}

fn count(ranges: &[(char, char)]) -> u128 {
    ranges
        .iter()
        .map(|(low, high)| u128::from(u32::from(*high) - u32::from(*low)) + 1)
        .sum()
}

impl Alphabet {
    fn radix(&self) -> u128 {
        u128::from(self.ends) + count(&self.ranges)
    }

    fn rank(&self, character: Option<char>) -> Rank {
        let Some(character) = character else {
            return Rank::Before(0);
        };
        let mut rank = u128::from(self.ends);
        for &(low, high) in &self.ranges {
            if character < low {
                return Rank::Before(rank);
            }
            if character <= high {
                return Rank::Is(rank + u128::from(u32::from(character) - u32::from(low)));
            }
            rank += u128::from(u32::from(high) - u32::from(low)) + 1;
        }
        Rank::Behind
    }

    /// The character of a rank; `None` where the key ends there.
    fn character(&self, rank: u128) -> Option<char> {
        let mut rank = match (rank, self.ends) {
            (0, true) => return None,
            (rank, ends) => rank - u128::from(ends),
        };
        for &(low, high) in &self.ranges {
            let size = u128::from(u32::from(high) - u32::from(low)) + 1;
            if rank < size {
                return char::from_u32(u32::from(low) + rank as u32);
            }
            rank -= size;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key that lies so many times as far behind the last one as that is from the first.
    fn ahead(keys: &[&str], times: f64) -> Option<String> {
        let scale = Scale::new(keys, 0)?;
        let (first, last) = (scale.place(keys[0]), scale.place(keys[keys.len() - 1]));
        scale.text(last + ((last - first) as f64 * times) as u128)
    }

    #[test]
    fn numbers_go_on_as_numbers() {
        let keys: Vec<String> = (0..40).map(|n| format!("a/{:05}.pdf", n * 25)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for (times, low, high) in [(1.0, "a/019", "a/020"), (20.0, "a/20", "a/21")] {
            let key = ahead(&keys, times).unwrap();
            assert!((low..high).contains(&&*key), "{key}");
        }
    }

    #[test]
    fn hashes_go_on_in_sixteens() {
        let keys = ["00ab", "01f7", "02c4", "03d9", "04e8"];
        let key = ahead(&keys, 2.0).unwrap();
        assert!(("0d".."0e").contains(&&*key), "{key}");
    }

    #[test]
    fn letters_beyond_ascii_go_on_in_their_block() {
        let scale = Scale::new(&["報告/a", "報告/b", "書/a"], 0).unwrap();
        let middle = (scale.place("報告/b") + scale.place("書/a")) / 2;
        let key = scale.text(middle).unwrap();
        assert!(*key > *"報告/b" && *key < *"書/a", "{key}");
    }

    #[test]
    fn what_is_the_same_has_no_scale() {
        assert!(Scale::new(&["a", "a"], 0).is_none());
        assert!(Scale::new(&[], 0).is_none());
    }

    proptest! {
        #[test]
        fn order_is_kept(mut keys in prop::collection::vec(".{0,8}", 2..12), mut others in prop::collection::vec(".{0,8}", 2..12)) {
            keys.sort_unstable();
            others.sort_unstable();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            if let Some(scale) = Scale::new(&keys, 0) {
                let places: Vec<u128> = others.iter().map(|key| scale.place(key)).collect();
                prop_assert!(places.is_sorted(), "{:?} {:?}", others, places);
            }
        }

        #[test]
        fn texts_lie_at_their_places(mut keys in prop::collection::vec("[a-f0-9/]{1,8}", 2..12), share in 0.0..1.0) {
            keys.sort_unstable();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            if let Some(scale) = Scale::new(&keys, 0) {
                let place = (scale.end() as f64 * share) as u128;
                if let Some(text) = scale.text(place) {
                    prop_assert!(scale.place(&text) <= place);
                }
            }
        }
    }
}
