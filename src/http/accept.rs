//! What a request prefers, by weight (RFC 9110 §12.4 and §12.5).

use http::{HeaderMap, HeaderName, header};

/// Weights are told in thousandths.
const FULL: u16 = 1000;

/// Ranges that are looked at in one header; the rest of a longer one is ignored.
const MOST: usize = 64;

/// The ranges of a header in the order of the request, in lower case, each with its weight. What does not parse weighs
/// nothing.
pub fn weighed(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .take(MOST)
        .filter_map(|element| {
            let mut parts = element.split(';').map(str::trim);
            let range = parts.next().filter(|range| !range.is_empty())?;
            let weight = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("q")
                    .then(|| weight(value.trim()))
            });
            Some((range.to_ascii_lowercase(), weight.unwrap_or(FULL)))
        })
        .collect()
}

/// Whether somebody reads the answer: HTML is asked for by name, and weighs more than JSON does. `*/*` alone, as
/// programs send it, asks for no HTML.
pub fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges = weighed(headers, &header::ACCEPT);
    let of = |names: &[&str]| {
        let named = |name: &&str| ranges.iter().find(|(range, _)| range == name);
        names
            .iter()
            .find_map(named)
            .map_or(0, |(_, weight)| *weight)
    };
    let problem = of(&["application/problem+json", "application/*", "*/*"]);
    let json = of(&["application/json", "application/*", "*/*"]);
    of(&["text/html", "text/*"]) > problem.max(json)
}

/// A weight: 0 to 1 with at most three decimals.
fn weight(text: &str) -> u16 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.bytes().all(|byte| byte.is_ascii_digit()) && decimals.len() <= 3;
    match (whole, digits) {
        ("1", true) => FULL,
        ("0", true) => format!("{decimals:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepting(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(text).unwrap())])
    }

    #[test]
    fn weights_are_read() {
        let weights = weighed(
            &accepting("a/b;q=0.5, C/D ; x=1 ; Q=0.25,e/f;q=0,g/h;q=2, ,i/j;q=1.000,k/l"),
            &header::ACCEPT,
        );
        let expected = [
            ("a/b", 500),
            ("c/d", 250),
            ("e/f", 0),
            ("g/h", 0),
            ("i/j", 1000),
            ("k/l", 1000),
        ];
        assert_eq!(
            weights,
            expected.map(|(range, weight)| (range.to_owned(), weight))
        );
    }

    #[test]
    fn browsers_get_pages_and_programs_do_not() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for accept in [
            browser,
            "text/html",
            "text/*",
            "application/json;q=0.1, text/html;q=0.2",
        ] {
            assert!(prefers_html(&accepting(accept)), "{accept}");
        }
        for accept in [
            "*/*",
            "application/json",
            "text/html;q=0",
            "text/html, application/problem+json",
            "application/json, text/html;q=0.9",
            "text/plain",
            "",
        ] {
            assert!(!prefers_html(&accepting(accept)), "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
