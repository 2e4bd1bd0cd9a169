//! Which URLs may be asked, and where a redirect may lead.

use http::HeaderValue;
use url::Url;

use super::RemoteError;

/// Can this URL be asked at all?
pub(super) fn check(url: &Url) -> Result<(), &'static str> {
    match url.scheme() {
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
            Err("it has a user name or password")
        }
        "http" | "https" if url.has_host() => Ok(()),
        "http" | "https" => Err("it has no host"),
        _ => Err("it is neither http nor https"),
    }
}

/// Where a redirect leads, unless that is a place that an answer must not send anybody to.
pub(super) fn redirect(from: &Url, location: Option<&HeaderValue>) -> Result<Url, RemoteError> {
    let bad = |reason| RemoteError::BadRedirect {
        host: host(from),
        reason,
    };
    let location = location
        .and_then(|location| location.to_str().ok())
        .ok_or_else(|| bad("no Location"))?;
    let mut to = from
        .join(location)
        .map_err(|_| bad("a malformed Location"))?;
    to.set_fragment(None);
    check(&to).map_err(bad)?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(bad("from https to http"));
    }
    Ok(to)
}

/// The host of a URL, for messages.
pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{check, redirect};
    use http::HeaderValue;
    use url::Url;

    fn to(from: &str, location: &'static str) -> Option<String> {
        let from = Url::parse(from).unwrap();
        redirect(&from, Some(&HeaderValue::from_static(location)))
            .ok()
            .map(String::from)
    }

    #[test]
    fn redirects_never_leave_tls() {
        assert_eq!(to("http://a/x?y", "/z"), Some("http://a/z".to_owned()));
        assert_eq!(
            to("http://a/x", "https://b/z#f"),
            Some("https://b/z".to_owned())
        );
        assert_eq!(
            to("https://a/x", "https://b/z"),
            Some("https://b/z".to_owned())
        );
        assert_eq!(to("https://a/x", "http://a/x"), None);
        assert_eq!(to("http://a/x", "file:///etc/passwd"), None);
        assert!(redirect(&Url::parse("http://a/").unwrap(), None).is_err());
    }

    #[test]
    fn urls_with_passwords_are_refused() {
        assert!(check(&Url::parse("https://a/b").unwrap()).is_ok());
        for url in ["https://u:p@a/b", "https://u@a/b", "ftp://a/b", "s3://a/b"] {
            assert!(check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
    }
}
