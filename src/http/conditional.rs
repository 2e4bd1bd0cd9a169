//! Conditional requests (RFC 9110 §13) for a representation that never changes. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What is known of a representation: both are strong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The entity tag, in quotes, strong.
    pub etag: String,
    /// Last-Modified, in Unix seconds.
    pub modified: i64,
}

/// What the conditions of a request come to (§13.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 412.
    Failed,
    /// 304.
    NotModified,
    /// The request is to be answered; `ranges` tells whether its Range header counts.
    Proceed {
        /// False where If-Range says that the client has something else.
        ranges: bool,
    },
}

impl Validators {
    /// The value of Last-Modified. Times before 1970 have no such form and are told as 1970.
    pub fn last_modified(&self) -> HeaderValue {
        let text = httpdate::fmt_http_date(self.time());
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }

    fn time(&self) -> SystemTime {
        // The last second that an HTTP date can tell.
        const LAST: u64 = 253_402_300_799;
        let seconds = u64::try_from(self.modified).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))
    }

    /// Decides over a GET or HEAD, in the order of §13.2.2.
    pub fn decide(&self, headers: &HeaderMap) -> Decision {
        if headers.contains_key(header::IF_MATCH) {
            if !self.is_named(headers, header::IF_MATCH, Comparison::Strong) {
                return Decision::Failed;
            }
        } else if date(headers, header::IF_UNMODIFIED_SINCE).is_some_and(|date| date < self.time())
        {
            return Decision::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if self.is_named(headers, header::IF_NONE_MATCH, Comparison::Weak) {
                return Decision::NotModified;
            }
        } else if date(headers, header::IF_MODIFIED_SINCE).is_some_and(|date| date >= self.time()) {
            return Decision::NotModified;
        }
        Decision::Proceed {
            ranges: self.is_same(headers),
        }
    }

    /// If-Range (§13.1.5): an entity tag is compared strongly, a date exactly.
    fn is_same(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::IF_RANGE).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return true,
            (Some(value), None) => value.to_str().unwrap_or_default().trim(),
            _ => return false,
        };
        if value.starts_with('"') || value.starts_with("W/") {
            value == self.etag
        } else {
            httpdate::parse_http_date(value).is_ok_and(|date| date == self.time())
        }
    }

    fn is_named(&self, headers: &HeaderMap, name: HeaderName, comparison: Comparison) -> bool {
        let lists = headers.get_all(name).iter();
        lists.filter_map(|list| list.to_str().ok()).any(|list| {
            list.trim() == "*" || tags(list).any(|tag| comparison.holds(tag, &self.etag))
        })
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

impl Comparison {
    /// §8.8.3.2; `ours` is strong.
    fn holds(self, theirs: &str, ours: &str) -> bool {
        match self {
            Comparison::Strong => theirs == ours,
            Comparison::Weak => theirs.strip_prefix("W/").unwrap_or(theirs) == ours,
        }
    }
}

/// The entity tags of a list, with their `W/` and quotes. What is no entity tag ends the list.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let quote = if rest.starts_with("W/") { 2 } else { 0 };
        let inside = rest.get(quote..)?.strip_prefix('"')?;
        let end = quote + 1 + inside.find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

/// A header that holds one date. Anything else is to be ignored (§13.1.3, §13.1.4).
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => httpdate::parse_http_date(value.to_str().ok()?.trim()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"0123\"";
    const SAME: &str = "Mon, 06 May 2024 07:08:10 GMT";
    const BEFORE: &str = "Mon, 06 May 2024 07:08:09 GMT";
    const AFTER: &str = "Mon, 06 May 2024 07:08:11 GMT";
    const YES: Decision = Decision::Proceed { ranges: true };
    const WHOLE: Decision = Decision::Proceed { ranges: false };

    fn validators() -> Validators {
        Validators {
            etag: ETAG.to_owned(),
            modified: 1_714_979_290,
        }
    }

    fn decide(headers: &[(HeaderName, &str)]) -> Decision {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        validators().decide(&map)
    }

    #[test]
    fn dates_are_told_as_http_has_them() {
        assert_eq!(validators().last_modified(), SAME);
        let odd = |modified| Validators {
            modified,
            ..validators()
        };
        assert_eq!(odd(-5).last_modified(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(
            odd(i64::MAX).last_modified(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }

    #[test]
    fn if_match_compares_strongly() {
        let check = |value| decide(&[(header::IF_MATCH, value)]);
        for matching in [
            "*",
            ETAG,
            "\"x\", \"0123\"",
            "\"a,b\",\"0123\"",
            "W/\"0123\" , \"0123\"",
        ] {
            assert_eq!(check(matching), YES, "{matching}");
        }
        for other in ["\"x\"", "W/\"0123\"", "0123", "", "\"0123"] {
            assert_eq!(check(other), Decision::Failed, "{other}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let check = |value| decide(&[(header::IF_NONE_MATCH, value)]);
        for matching in ["*", ETAG, "W/\"0123\"", "\"x\", W/\"0123\""] {
            assert_eq!(check(matching), Decision::NotModified, "{matching}");
        }
        for other in ["\"x\"", "0123", "W/ \"0123\""] {
            assert_eq!(check(other), YES, "{other}");
        }
    }

    #[test]
    fn dates_count_by_the_second() {
        let since = |value| decide(&[(header::IF_MODIFIED_SINCE, value)]);
        assert_eq!(since(SAME), Decision::NotModified);
        assert_eq!(since(AFTER), Decision::NotModified);
        assert_eq!(since(BEFORE), YES);
        assert_eq!(since("yesterday"), YES);
        let unless = |value| decide(&[(header::IF_UNMODIFIED_SINCE, value)]);
        assert_eq!(unless(SAME), YES);
        assert_eq!(unless(BEFORE), Decision::Failed);
        assert_eq!(unless("yesterday"), YES);
    }

    #[test]
    fn if_range_takes_etags_and_dates() {
        let check = |value| decide(&[(header::IF_RANGE, value)]);
        assert_eq!(check(ETAG), YES);
        assert_eq!(check(SAME), YES);
        for other in ["\"x\"", "W/\"0123\"", BEFORE, AFTER, "0123", ""] {
            assert_eq!(check(other), WHOLE, "{other}");
        }
    }

    #[test]
    fn precedence_is_that_of_the_rfc() {
        // If-Match makes If-Unmodified-Since be ignored, and If-None-Match If-Modified-Since.
        let both = [
            (header::IF_MATCH, ETAG),
            (header::IF_UNMODIFIED_SINCE, BEFORE),
        ];
        assert_eq!(decide(&both), YES);
        let both = [
            (header::IF_NONE_MATCH, "\"x\""),
            (header::IF_MODIFIED_SINCE, AFTER),
        ];
        assert_eq!(decide(&both), YES);
        // What fails goes before what is not modified, and both before ranges.
        let both = [(header::IF_MATCH, "\"x\""), (header::IF_NONE_MATCH, ETAG)];
        assert_eq!(decide(&both), Decision::Failed);
        let both = [(header::IF_NONE_MATCH, ETAG), (header::IF_RANGE, "\"x\"")];
        assert_eq!(decide(&both), Decision::NotModified);
        let all = [
            (header::IF_MATCH, ETAG),
            (header::IF_NONE_MATCH, "\"x\""),
            (header::IF_RANGE, "\"y\""),
        ];
        assert_eq!(decide(&all), WHOLE);
    }

    #[test]
    fn a_list_may_come_in_several_headers() {
        let several = [
            (header::IF_NONE_MATCH, "\"a\""),
            (header::IF_NONE_MATCH, ETAG),
        ];
        assert_eq!(decide(&several), Decision::NotModified);
    }

    proptest! {
        #[test]
        fn any_header_is_decided_on(value in "[ -~]{0,40}", which in 0..5_usize) {
            let names = [
                header::IF_MATCH, header::IF_NONE_MATCH, header::IF_RANGE,
                header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE,
            ];
            decide(&[(names[which].clone(), &value)]);
        }
    }
}
