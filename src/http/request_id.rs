//! The id of a request.

use http::HeaderValue;

/// The id that ties a request's log line to its answer: the client's own `X-Request-Id` where it is sound, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes the client's id: at most 128 letters, digits and `-_.:/+=@`. Anything else could break out of a log line.
    pub fn new(given: Option<&HeaderValue>) -> RequestId {
        let sound = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=128).contains(&bytes.len())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(b))
        };
        RequestId(given.filter(sound).cloned().unwrap_or_else(|| {
            let id = uuid::Uuid::new_v4().hyphenated().to_string();
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
        }))
    }

    /// As the value of a header.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_taken_where_they_are_sound() {
        let given = |text: &str| {
            RequestId::new(Some(&HeaderValue::from_str(text).unwrap()))
                .as_str()
                .to_owned()
        };
        assert_eq!(given("abc-123"), "abc-123");
        for unsound in ["", "a b", "a\"b", "é", &"a".repeat(129)] {
            assert_ne!(given(unsound), unsound);
            assert_eq!(given(unsound).len(), 36);
        }
        assert_ne!(RequestId::new(None).as_str(), RequestId::new(None).as_str());
    }
}
