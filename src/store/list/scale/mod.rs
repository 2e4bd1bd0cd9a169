//! Keys as numbers: where a key lies between two others, and which key lies at a given place.
//!
//! A scale is made of a few keys of a listing. Each position has the characters that were seen there, completed to the
//! set that they seem to be of (digits, hexadecimal digits, letters, a block of Unicode), and a key is read as a number of
//! that many digits. The months, days and hours of a date are one digit each, with the values that a calendar has. What a
//! scale says is a guess. That it keeps the order of keys is certain: of two keys, the greater one never has the smaller
//! place.

mod alphabet;
mod calendar;
mod columns;

use alphabet::{Alphabet, Rank};
use calendar::Field;
use columns::Columns;

/// Places are below this, so that they can be added and doubled.
const MOST: u128 = 1 << 120;

/// Positions before the first difference that a carry may reach.
const CARRY: usize = 6;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// What all keys of the scale begin with.
    head: String,
    digits: Vec<Digit>,
    /// What a step in each of them is worth.
    weights: Vec<u128>,
    /// One more than the greatest place.
    end: u128,
}

/// What one or two positions of a key say.
#[derive(Clone, Debug)]
enum Digit {
    Character(Alphabet),
    Field(Field),
}

impl Digit {
    fn radix(&self) -> u128 {
        match self {
            Digit::Character(alphabet) => alphabet.radix(),
            Digit::Field(field) => field.radix(),
        }
    }

    /// Where the next characters of a key stand.
    fn rank(&self, rest: &mut impl Iterator<Item = char>) -> Rank {
        match self {
            Digit::Character(alphabet) => alphabet.rank(rest.next()),
            Digit::Field(field) => field.rank([rest.next(), rest.next()]),
        }
    }
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
        let fields = calendar::fields(keys);
        let head = whole_fields(head, floor, &fields);
        let before = head.chars().count();
        let columns = Columns::read(keys, head);
        let mut digits = Vec::new();
        let (mut position, mut end) = (0, 1_u128);
        while position < columns.count() {
            let field = fields.iter().find(|field| field.at == before + position);
            let digit = match field {
                Some(field) => Digit::Field(*field),
                None => Digit::Character(columns.alphabet(position)),
            };
            let product = end.checked_mul(digit.radix());
            let Some(product) = product.filter(|product| *product < MOST) else {
                break;
            };
            end = product;
            position += if field.is_some() { Field::WIDTH } else { 1 };
            digits.push(digit);
        }
        let mut weights = vec![1; digits.len()];
        for index in (1..digits.len()).rev() {
            weights[index - 1] = weights[index] * digits[index].radix();
        }
        Some(Scale {
            head: head.to_owned(),
            digits,
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
        for (digit, weight) in self.digits.iter().zip(&self.weights) {
            match digit.rank(&mut chars) {
                Rank::Is(rank) => place += rank * weight,
                Rank::Before(rank) => return place + rank * weight,
                Rank::Behind => return place + digit.radix() * weight - 1,
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
        for (digit, weight) in self.digits.iter().zip(&self.weights) {
            if rest == 0 {
                break;
            }
            let rank = rest / weight;
            match digit {
                Digit::Character(alphabet) => match alphabet.character(rank) {
                    Some(character) => text.push(character),
                    None => break,
                },
                Digit::Field(field) => text.extend(field.text(rank)),
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

/// The head, cut before a field that it ends in the middle of.
fn whole_fields<'a>(head: &'a str, floor: usize, fields: &[Field]) -> &'a str {
    let length = head.chars().count();
    let cut = fields
        .iter()
        .find(|field| field.at < length && length < field.at + Field::WIDTH);
    let start = cut.and_then(|field| head.char_indices().nth(field.at));
    match start {
        Some((start, _)) if start >= floor => &head[..start],
        _ => head,
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
    fn dates_go_on_across_months_and_years() {
        let day = |month, day| format!("a/2015/{month:02}/{day:02}/{:07}.pdf", day * 274);
        let days: Vec<String> = (10..=30).map(|d| day(1, d)).collect();
        let days: Vec<&str> = days.iter().map(String::as_str).collect();
        let key = ahead(&days, 1.0).unwrap();
        assert!(("a/2015/02/17".."a/2015/02/22").contains(&&*key), "{key}");
        let months: Vec<String> = (6..=12).map(|month| day(month, 15)).collect();
        let months: Vec<&str> = months.iter().map(String::as_str).collect();
        let key = ahead(&months, 0.5).unwrap();
        assert!(("a/2016/03/10".."a/2016/03/20").contains(&&*key), "{key}");
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

    /// A scale of these keys keeps the order of the others.
    fn keeps_order(mut keys: Vec<String>, mut others: Vec<String>) -> Result<(), TestCaseError> {
        keys.sort_unstable();
        others.sort_unstable();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if let Some(scale) = Scale::new(&keys, 0) {
            let places: Vec<u128> = others.iter().map(|key| scale.place(key)).collect();
            prop_assert!(places.is_sorted(), "{:?} {:?}", others, places);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn order_is_kept(keys in prop::collection::vec(".{0,8}", 2..12), others in prop::collection::vec(".{0,8}", 2..12)) {
            keeps_order(keys, others)?;
        }

        #[test]
        fn order_is_kept_in_dates(
            keys in prop::collection::vec("2015/[01][0-9]/[0-3][0-9]/[ab]{0,2}", 2..6),
            others in prop::collection::vec("(2015|2016)[/0-9x]{0,8}", 2..12),
        ) {
            keeps_order(keys, others)?;
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
