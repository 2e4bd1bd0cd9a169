//! What a listing has shown in each position of its keys, and which characters may stand there.

use super::alphabet::{Alphabet, count};

/// Positions behind the head that are looked at: more have no room on a scale, unless they never change.
const POSITIONS: usize = 64;

/// A position that began anew so often is believed to have no more characters than were seen there.
const WRAPPED: usize = 4;

/// What was seen in each position behind the head.
pub(super) struct Columns(Vec<Column>);

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
    /// What keys have behind their head.
    pub(super) fn read(keys: &[&str], head: &str) -> Columns {
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

    /// Positions in which something was seen.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What may stand in a position.
    pub(super) fn alphabet(&self, position: usize) -> Alphabet {
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
