//! Dates in keys: which positions say the month, the day, the hour.
//!
//! Of two digits that count months only twelve values ever come. Read as two characters, the end of a year would seem to be
//! far away from the beginning of the next one, and what is guessed across it would fall short.

use super::alphabet::Rank;

/// What may follow a year, in this order, and its least and greatest values.
const UNITS: [(u32, u32); 5] = [(1, 12), (1, 31), (0, 23), (0, 59), (0, 59)];

/// Characters between two parts of a date at the most: `/`, `-`, `/month=`.
const BETWEEN: usize = 8;

/// Two positions that hold a number of two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Characters before it, counted from the beginning of the key.
    pub(super) at: usize,
    low: u32,
    high: u32,
}

impl Field {
    /// The characters of one.
    pub(super) const WIDTH: usize = 2;

    pub(super) fn radix(self) -> u128 {
        u128::from(self.high - self.low) + 1
    }

    /// Where two characters stand among the field's values; `None` is the end of the key.
    pub(super) fn rank(self, pair: [Option<char>; 2]) -> Rank {
        let values = self.low..=self.high;
        let less = values.clone().take_while(|value| digits(*value) < pair);
        let rank = less.count() as u128;
        match values.map(digits).nth(rank as usize) {
            None => Rank::Behind,
            Some(next) if next == pair => Rank::Is(rank),
            Some(_) => Rank::Before(rank),
        }
    }

    /// The characters of a rank.
    pub(super) fn text(self, rank: u128) -> impl Iterator<Item = char> {
        digits(self.low + rank.min(self.radix() - 1) as u32)
            .into_iter()
            .flatten()
    }

    /// Whether a key has one of its values there, or ends before.
    fn holds_in(self, key: &str) -> bool {
        let mut there = key.chars().skip(self.at);
        let pair = [there.next(), there.next()];
        pair[1].is_none() || matches!(self.rank(pair), Rank::Is(_))
    }
}

fn digits(value: u32) -> [Option<char>; 2] {
    [value / 10, value % 10].map(|digit| char::from_digit(digit, 10))
}

/// The fields of the date that all keys have in the same place; none where there is no such date.
pub(super) fn fields(keys: &[&str]) -> Vec<Field> {
    let Some(first) = keys.first() else {
        return Vec::new();
    };
    let characters: Vec<char> = first.chars().collect();
    let dates = (0..characters.len()).filter(|&at| is_year(&characters, at));
    let all = dates.map(|at| {
        let fields = behind(&characters, at).into_iter();
        fields
            .take_while(|field| keys.iter().all(|key| field.holds_in(key)))
            .collect()
    });
    let mut dates = all.filter(|fields: &Vec<Field>| !fields.is_empty());
    dates.next().unwrap_or_default()
}

/// The fields that may be behind a year: whole runs of digits, two for each.
fn behind(characters: &[char], year: usize) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut units = UNITS.iter();
    let (mut run, mut at) = (year, year + 4);
    loop {
        let length = run_of(characters, run, true);
        let count = (run + length).saturating_sub(at) / Field::WIDTH;
        if !length.is_multiple_of(2) || count > units.len() {
            return fields;
        }
        for &(low, high) in units.by_ref().take(count) {
            fields.push(Field { at, low, high });
            at += Field::WIDTH;
        }
        let between = run_of(characters, at, false);
        if between > BETWEEN || at + between == characters.len() || units.len() == 0 {
            return fields;
        }
        at += between;
        run = at;
    }
}

/// How many digits, or other characters, come from there on.
fn run_of(characters: &[char], at: usize, digits: bool) -> usize {
    let rest = characters.iter().skip(at);
    rest.take_while(|character| character.is_ascii_digit() == digits)
        .count()
}

/// Whether a run of digits begins here with the years 1900 to 2099.
fn is_year(characters: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| characters[before]);
    before.is_none_or(|before| !before.is_ascii_digit())
        && run_of(characters, at, true) >= 4
        && matches!(characters[at..at + 2], ['1', '9'] | ['2', '0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[&str]) -> Vec<(usize, u32)> {
        fields(keys)
            .iter()
            .map(|field| (field.at, field.high))
            .collect()
    }

    #[test]
    fn dates_are_found_however_they_are_written() {
        let (month, day, hour) = (12, 31, 23);
        assert_eq!(of(&["a/2015/03/17/0020412.pdf"]), [(7, month), (10, day)]);
        assert_eq!(of(&["20150317T05.pdf"]), [(4, month), (6, day), (9, hour)]);
        assert_eq!(
            of(&["year=2015/month=03/day=17/x"]),
            [(16, month), (23, day)]
        );
        assert_eq!(
            of(&["7/report 2015-03-17 05:06:07"]),
            [(14, month), (17, day), (20, hour), (23, 59), (26, 59)]
        );
    }

    #[test]
    fn what_is_no_date_in_every_key_has_no_fields() {
        assert_eq!(of(&["2015/03/17", "2015/13/01"]), []);
        assert_eq!(of(&["2015/03/17", "2015/04/32"]), [(5, 12)]);
        assert_eq!(of(&["12015/03/17", "invoice-00020412.pdf", "2015"]), []);
        assert_eq!(of(&["2015/3/17"]), []);
        assert_eq!(of(&[]), []);
        // A guess ends where it likes.
        assert_eq!(of(&["2015/03/17", "2015/0"]), [(5, 12), (8, 31)]);
    }

    #[test]
    fn ranks_are_in_the_order_of_the_texts() {
        let month = Field {
            at: 0,
            low: 1,
            high: 12,
        };
        let mut last = 0;
        for text in [
            "", "0", "00", "01", "011", "02", "09", "0x", "1", "10", "12", "13", "x",
        ] {
            let mut rest = text.chars();
            let rank = match month.rank([rest.next(), rest.next()]) {
                Rank::Is(rank) => 2 * rank + 1,
                Rank::Before(rank) => 2 * rank,
                Rank::Behind => 2 * month.radix(),
            };
            assert!(rank >= last, "{text}");
            last = rank;
        }
        let texts: Vec<String> = (0..13).map(|rank| month.text(rank).collect()).collect();
        assert_eq!(texts.first().map(String::as_str), Some("01"));
        assert_eq!(texts[11..], ["12", "12"], "and never beyond the last");
    }
}
