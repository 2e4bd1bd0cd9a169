//! Lengths of time as people write them: seconds, or `15m`, `12h`, `7d`. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time in whole seconds, with a textual form: `900`, `900s`, `15m`, `12h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a length of time: write seconds, or a whole number with s, m, h or d, such as 900, 15m, 12h or 7d"
)]
pub struct InvalidPeriod {
    /// The text that was given.
    pub text: String,
}

impl Period {
    /// A number of seconds.
    pub const fn from_secs(seconds: u64) -> Period {
        Period(Duration::from_secs(seconds))
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Period, InvalidPeriod> {
        let invalid = || InvalidPeriod {
            text: text.to_owned(),
        };
        let trimmed = text.trim();
        let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &trimmed[digits.len()..] {
            "" | "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(invalid()),
        };
        // The number parser would take a plus sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let count: u64 = digits.parse().map_err(|_| invalid())?;
        let seconds = count.checked_mul(unit).ok_or_else(invalid)?;
        Ok(Period::from_secs(seconds))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm'), (1, 's')];
        let whole = units
            .into_iter()
            .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
        let (unit, letter) = whole.unwrap_or((1, 's'));
        write!(f, "{}{letter}", seconds / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_units() {
        for (text, seconds) in [
            ("0", 0),
            ("900", 900),
            ("900s", 900),
            ("15m", 900),
            ("12h", 43_200),
            ("7d", 604_800),
            (" 90 ", 90),
        ] {
            assert_eq!(text.parse(), Ok(Period::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "m",
            "-1",
            "+1",
            "1.5h",
            "1w",
            "1h30m",
            "15 m",
            "1M",
            "１５m",
            "18446744073709551616",
            "18446744073709551615d",
        ] {
            let error = text.parse::<Period>().unwrap_err();
            assert_eq!(error.text, text);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (900, "15m"),
            (7200, "2h"),
            (5400, "90m"),
            (604_800, "7d"),
        ] {
            let period = Period::from_secs(seconds);
            assert_eq!(period.to_string(), text);
            assert_eq!(text.parse(), Ok(period));
        }
    }
}
