//! When two names are the same to a file system: canonical caseless matching (Unicode Standard, D145).
//!
//! Paths are compared by a hash of their folded form, which is kept instead of the path. Two paths that match
//! always have the same hash. Two that do not match may share one, about once in 4·10¹⁹ pairs: a file is then
//! renamed without need, and nothing else happens.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// The hash of a path as far as it is folded: FNV-1a with 64 bits, the same in every process and every version.
///
/// It is kept as a state that can be carried on, so a folder is hashed once for all that is asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Folded(u64);

impl Folded {
    /// The folder that everything is in.
    pub(super) const ROOT: Self = Self(0xCBF2_9CE4_8422_2325);

    /// The path of a file called `segment` in this folder.
    pub(super) fn file(self, segment: &str) -> Self {
        if segment.is_ascii() {
            return self.bytes(segment.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        let decomposed: String = segment.nfd().collect();
        let folded = UniCase::unicode(decomposed).to_folded_case();
        // Decomposed again, as folding can compose: equal here exactly if equal when composed.
        let mut utf8 = [0; 4];
        folded
            .nfd()
            .fold(self, |hash, c| hash.bytes(c.encode_utf8(&mut utf8).bytes()))
    }

    /// The folder with the path that this file has.
    pub(super) fn folder(self) -> Self {
        self.bytes([b'/'])
    }

    fn bytes(self, bytes: impl IntoIterator<Item = u8>) -> Self {
        const PRIME: u64 = 0x0000_0100_0000_01B3;
        let hash = bytes.into_iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        });
        Self(hash)
    }
}
