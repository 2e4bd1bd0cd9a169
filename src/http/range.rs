//! The Range header (RFC 9110 §14.1.2 and §14.2). Pure.

use std::ops::Range;

use http::{HeaderMap, header};

/// What a Range header means for a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All of it: there is no Range header, or one that is to be ignored.
    Whole,
    /// These bytes; never none.
    Part(Range<u64>),
    /// None of the bytes that were asked for is there.
    Beyond,
}

/// Reads the Range header of a request for a representation of `length` bytes.
///
/// A header that does not parse, has another unit, or asks for several ranges is ignored, as the RFC permits: the answer
/// is the whole then.
pub fn asked(headers: &HeaderMap, length: u64) -> Asked {
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(|text| one(text, length))
            .unwrap_or(Asked::Whole),
        _ => Asked::Whole,
    }
}

/// `None` where the header is to be ignored.
fn one(text: &str, length: u64) -> Option<Asked> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Empty list elements are to be taken for nothing (RFC 9110 §5.6.1.2).
    let mut specs = set
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else {
        return None;
    };
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?.min(length);
        return Some(match suffix {
            0 => Asked::Beyond,
            suffix => Asked::Part(length - suffix..length),
        });
    }
    let first = number(first)?;
    let end = match last {
        "" => length,
        last => {
            let last = number(last)?;
            if last < first {
                return None;
            }
            last.saturating_add(1).min(length)
        }
    };
    Some(if first < end {
        Asked::Part(first..end)
    } else {
        Asked::Beyond
    })
}

/// Digits and nothing else; what no 64 bits hold is as good as the largest number.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, length: u64) -> Asked {
        let value = HeaderValue::from_str(text).unwrap();
        asked(&HeaderMap::from_iter([(header::RANGE, value)]), length)
    }

    #[test]
    fn one_range() {
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..100),
            ("bytes=99-", 99..100),
            ("bytes=10-19", 10..20),
            ("bytes=10-1000", 10..100),
            ("bytes=-1", 99..100),
            ("bytes=-100", 0..100),
            ("bytes=-1000", 0..100),
            ("BYTES=5-7", 5..8),
            ("bytes= 5-7 ", 5..8),
            ("bytes=,5-7,", 5..8),
            ("bytes=5-99999999999999999999999", 5..100),
            ("bytes=-99999999999999999999999", 0..100),
        ] {
            assert_eq!(of(text, 100), Asked::Part(part), "{text}");
        }
    }

    #[test]
    fn nothing_there() {
        for text in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of(text, 100), Asked::Beyond, "{text}");
        }
    }

    #[test]
    fn the_rest_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5",
            "bytes=7-5",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=1--2",
            "items=0-5",
            "bytes=0-1,5-6",
            "bytes=0-1, -1",
            "bytes=1-2;x",
        ] {
            assert_eq!(of(text, 100), Asked::Whole, "{text}");
        }
        assert_eq!(asked(&HeaderMap::new(), 100), Asked::Whole);
        let mut twice = HeaderMap::new();
        twice.append(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        twice.append(header::RANGE, HeaderValue::from_static("bytes=5-6"));
        assert_eq!(asked(&twice, 100), Asked::Whole);
    }

    proptest! {
        #[test]
        fn parts_lie_within(text in "[bytes=0-9, -]{0,30}|bytes=[0-9]{0,22}-[0-9]{0,22}", length in 1..u64::MAX) {
            if let Asked::Part(range) = of(&text, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
