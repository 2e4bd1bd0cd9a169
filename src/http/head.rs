//! The head of a request, held against the [`Limits`]: the length of its URL, and the number and the size of its header
//! fields. Pure.
//!
//! hyper has bounds of its own behind these, for heads that must not even be read to their end; whoever goes over those
//! gets a bare status, and the connection is closed.

use http::Request;

use super::{Limits, Problem};

/// What RFC 9113 §6.5.2 counts for a header field, beside its name and its value.
const OVERHEAD: usize = 32;

/// Whether a head is within the limits.
///
/// # Errors
/// 414 `url-too-long`; 431 `headers-too-large`.
pub fn check<B>(request: &Request<B>, limits: &Limits) -> Result<(), Problem> {
    let url = request.uri().path_and_query();
    let url = url.map_or(0, |url| url.as_str().len());
    if url > limits.max_url {
        return Err(Problem::url_too_long(url, limits.max_url));
    }
    let headers = request.headers();
    if headers.len() > limits.max_headers {
        let (number, most) = (headers.len(), limits.max_headers);
        return Err(Problem::headers_too_large(&format!(
            "the request has {number} header fields; {most} are taken at the most"
        )));
    }
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + OVERHEAD
    };
    let size: usize = headers.iter().map(field).sum();
    if size > limits.max_header_size {
        let most = limits.max_header_size;
        return Err(Problem::headers_too_large(&format!(
            "the request's header fields have {size} bytes, counted with {OVERHEAD} more for each; {most} are taken at the most"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(url: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let limits = Limits {
            max_url: 20,
            max_headers: 3,
            max_header_size: 150,
            ..Limits::default()
        };
        let mut request = Request::builder().uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = check(&request.body(()).unwrap(), &limits);
        checked.err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn heads_are_bounded() {
        assert_eq!(checked("/", &[]), None);
        assert_eq!(checked(&format!("/?{}", "x".repeat(18)), &[]), None);
        assert_eq!(checked(&format!("/?{}", "x".repeat(19)), &[]), Some(414));
        // Only path and query count, whichever form the request has.
        assert_eq!(
            checked("https://a-rather-long-host.example.org/", &[]),
            None
        );
        assert_eq!(checked("/", &[("a", "b"); 3]), None);
        assert_eq!(checked("/", &[("a", "b"); 4]), Some(431));
        let fits = "x".repeat(150 - 32 - 1);
        assert_eq!(checked("/", &[("a", &fits)]), None);
        assert_eq!(checked("/", &[("ab", &fits)]), Some(431));
    }
}
