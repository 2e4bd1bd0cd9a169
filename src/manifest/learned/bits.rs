//! A set of rows, as one bit each.

/// Rows of one manifest. It takes no memory before the first is put in.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    /// No word before this one has a bit.
    first: usize,
}

impl Bits {
    /// The bytes that a set of `count` rows takes at the most.
    pub(super) fn heap_bytes(count: usize) -> usize {
        count.div_ceil(64) * 8
    }

    pub(super) fn has(&self, row: usize) -> bool {
        let word = self.words.get(row / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Puts a row below `count` in.
    pub(super) fn put(&mut self, row: usize, count: usize) {
        if self.words.is_empty() {
            self.words = vec![0; count.div_ceil(64)];
        }
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
            self.first = self.first.min(row / 64);
        }
    }

    pub(super) fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    /// Takes the lowest row out.
    pub(super) fn pop_first(&mut self) -> Option<usize> {
        let rest = self.words.get_mut(self.first..)?;
        let Some(at) = rest.iter().position(|word| *word != 0) else {
            self.first = self.words.len();
            return None;
        };
        let word = &mut rest[at];
        let bit = word.trailing_zeros();
        *word &= *word - 1;
        self.first += at;
        Some(self.first * 64 + bit as usize)
    }

    pub(super) fn is_empty(&self) -> bool {
        let rest = self.words.get(self.first..).unwrap_or_default();
        rest.iter().all(|word| *word == 0)
    }

    pub(super) fn clear(&mut self) {
        *self = Bits::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0..4_u8, 0..300_usize), 0..200)) {
            let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
            for (step, row) in steps {
                match step {
                    0 | 1 => {
                        bits.put(row, 300);
                        set.insert(row);
                    }
                    2 => {
                        bits.remove(row);
                        set.remove(&row);
                    }
                    _ => prop_assert_eq!(bits.pop_first(), set.pop_first()),
                }
                prop_assert_eq!(bits.is_empty(), set.is_empty());
                prop_assert_eq!(bits.has(row), set.contains(&row));
            }
        }
    }
}
