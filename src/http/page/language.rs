//! The languages that pages are written in, and which of them a reader wants (RFC 9110 §12.5.4).

use http::{HeaderMap, header};

use crate::http::accept::weighed;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, also for those who want none of these.
    English,
    /// Portuguese.
    Portuguese,
}

impl Language {
    /// The one that the reader likes best: the greatest weight, and of equals the first.
    pub fn of(headers: &HeaderMap) -> Language {
        let mut best = (0, Language::English);
        for (range, weight) in weighed(headers, &header::ACCEPT_LANGUAGE) {
            let language = match range.split('-').next() {
                Some("en" | "*") => Language::English,
                Some("pt") => Language::Portuguese,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// As HTML and HTTP name it (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Portuguese => "pt",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn readers_are_answered_in_the_language_that_they_like_best() {
        for (asked, language) in [
            ("pt-BR,pt;q=0.9,en;q=0.8", Language::Portuguese),
            ("de, pt;q=0.5", Language::Portuguese),
            ("en;q=0.4, PT-pt;q=0.5", Language::Portuguese),
            ("pt;q=0.4, en-GB;q=0.5", Language::English),
            ("pt;q=0", Language::English),
            ("pt, en", Language::Portuguese),
            ("en, pt", Language::English),
            ("de", Language::English),
            ("*, pt;q=0.1", Language::English),
            ("", Language::English),
        ] {
            let value = HeaderValue::from_str(asked).unwrap();
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, value)]);
            assert_eq!(Language::of(&headers), language, "{asked}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }
}
