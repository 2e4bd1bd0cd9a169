//! Amounts of memory as people write them: bytes, or `64MiB`, `1GiB`. Pure.

use std::fmt;
use std::str::FromStr;

/// An amount of memory in bytes, with a textual form: `1048576`, `1024KiB`, `1MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

/// Why a text is no amount of memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an amount of memory: write bytes, or a whole number with KiB, MiB or GiB, such as 268435456 or 256MiB"
)]
pub struct InvalidByteSize {
    /// The text that was given.
    pub text: String,
}

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl ByteSize {
    /// A number of bytes.
    pub const fn new(bytes: usize) -> ByteSize {
        ByteSize(bytes)
    }

    /// As a number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<ByteSize, InvalidByteSize> {
        let invalid = || InvalidByteSize {
            text: text.to_owned(),
        };
        let trimmed = text.trim();
        let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = match trimmed[digits.len()..].trim() {
            "" | "B" => 1,
            name => {
                let known = |(unit, _): &&(&str, usize)| {
                    // `64M` and `64m` mean nothing else either.
                    unit.eq_ignore_ascii_case(name) || unit[..1].eq_ignore_ascii_case(name)
                };
                UNITS.iter().find(known).ok_or_else(invalid)?.1
            }
        };
        // The number parser would take a plus sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let count: usize = digits.parse().map_err(|_| invalid())?;
        count.checked_mul(unit).map(ByteSize).ok_or_else(invalid)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit));
        match whole {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1000000", 1_000_000),
            ("10B", 10),
            ("8KiB", 8 << 10),
            ("256MiB", 256 << 20),
            ("256 mib", 256 << 20),
            ("1GiB", 1 << 30),
            ("64M", 64 << 20),
            (" 2g ", 2 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::new(bytes)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "+1MiB",
            "1.5GiB",
            "1TiB",
            "64MB",
            "99999999999999999999",
            "99999999999999999GiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_textual_form_is_read_back() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (3 << 20, "3MiB"),
            (1 << 30, "1GiB"),
        ] {
            let size = ByteSize::new(bytes);
            assert_eq!(size.to_string(), text);
            assert_eq!(text.parse(), Ok(size));
        }
    }
}
