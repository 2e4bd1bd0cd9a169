//! The Content-Range of an answer (RFC 9110, section 14.4).

use http::HeaderMap;
use http::header::CONTENT_RANGE;

/// What an answer says of its range, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// The body is this part.
    Part {
        /// Its first byte.
        start: u64,
        /// Its last byte.
        end: u64,
        /// The length of the whole, unless it is unknown.
        total: Option<u64>,
    },
    /// What was asked for lies outside.
    Outside {
        /// The length of the whole.
        total: u64,
    },
}

impl ContentRange {
    /// The header's value, if it is there once and makes sense.
    pub(super) fn of(headers: &HeaderMap) -> Option<ContentRange> {
        let mut all = headers.get_all(CONTENT_RANGE).iter();
        let only = all.next()?;
        if all.next().is_some() {
            return None;
        }
        Self::parse(only.to_str().ok()?)
    }

    fn parse(value: &str) -> Option<ContentRange> {
        let (unit, rest) = value.split_once(' ')?;
        let (range, total) = rest.split_once('/')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        if range == "*" {
            return Some(ContentRange::Outside { total: total? });
        }
        let (start, end) = range.split_once('-')?;
        let (start, end) = (number(start)?, number(end)?);
        let fits = start <= end && total.is_none_or(|total| end < total);
        fits.then_some(ContentRange::Part { start, end, total })
    }
}

/// Digits only: `str::parse` takes a sign as well.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::ContentRange;

    #[test]
    fn content_ranges_are_parsed() {
        let part = |start, end, total| Some(ContentRange::Part { start, end, total });
        assert_eq!(ContentRange::parse("bytes 0-0/12"), part(0, 0, Some(12)));
        assert_eq!(ContentRange::parse("Bytes 3-11/*"), part(3, 11, None));
        assert_eq!(
            ContentRange::parse("bytes */0"),
            Some(ContentRange::Outside { total: 0 })
        );
        for nonsense in [
            "",
            "bytes",
            "bytes 0-0",
            "rows 0-0/1",
            "bytes 0-1/1",
            "bytes 2-1/5",
            "bytes +0-0/1",
            "bytes -1/5",
            "bytes */*",
            "bytes 0-0/99999999999999999999",
        ] {
            assert_eq!(ContentRange::parse(nonsense), None, "{nonsense}");
        }
    }
}
