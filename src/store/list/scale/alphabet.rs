//! The characters that may stand in one position of a key, as digits.

/// The characters of one position, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alphabet {
    /// A key may end here, which comes before every character.
    pub(super) ends: bool,
    /// Ranges of characters, both ends included, ascending.
    pub(super) ranges: Vec<(char, char)>,
}

/// Where a character, or the end of a key, stands in an alphabet.
pub(super) enum Rank {
    Is(u128),
    /// It is not one of them, and this one is the next.
    Before(u128),
    /// It is greater than all.
    Behind,
}

impl Alphabet {
    pub(super) fn radix(&self) -> u128 {
        u128::from(self.ends) + count(&self.ranges)
    }

    pub(super) fn rank(&self, character: Option<char>) -> Rank {
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
    pub(super) fn character(&self, rank: u128) -> Option<char> {
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

/// The characters of all ranges together.
pub(super) fn count(ranges: &[(char, char)]) -> u128 {
    ranges
        .iter()
        .map(|(low, high)| u128::from(u32::from(*high) - u32::from(*low)) + 1)
        .sum()
}
