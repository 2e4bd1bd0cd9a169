//! Which events a function understands.
//!
//! `{"bucket": …, "prefix": …}` asks for a manifest, `{"prefixes": […]}` for one each, and the notification of an S3 event
//! (`Records`) for a presigned URL of each object; a request over HTTP is the server's. Source:
//! [event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

use super::request::HttpEvent;
use crate::manifest::one_or_many;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One manifest.
    Manifest(Wanted),
    /// A manifest of each prefix.
    Manifests(Wanted, Vec<String>),
    /// A presigned URL of each object.
    Objects(Vec<Created>),
    /// An answer of the server.
    Http(Box<HttpEvent>),
}

/// A manifest, with defaults for what is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Wanted {
    /// The bucket.
    pub bucket: Option<String>,
    /// The prefix.
    pub prefix: Option<String>,
    /// Patterns.
    #[serde(default, deserialize_with = "one_or_many")]
    pub include: Vec<String>,
    /// How long the URLs live, in seconds.
    pub expires_in: Option<u64>,
}

/// An object that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its bucket.
    pub bucket: String,
    /// Its key, decoded.
    pub key: String,
    /// Its version, in a bucket that has versions.
    pub version: Option<String>,
}

/// Why an event means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// It has fields that are not understood.
    #[error("the event is malformed: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// [`InvalidEvent`] says what is wrong with it.
    pub fn parse(event: &Value) -> Result<Event, InvalidEvent> {
        if HttpEvent::is(event) {
            return HttpEvent::parse(event).map(Box::new).map(Event::Http);
        }
        if event.get("Records").is_some() {
            let notification: Notification = read(event)?;
            return notification
                .records
                .into_iter()
                .map(Record::object)
                .collect::<Result<_, _>>()
                .map(Event::Objects);
        }
        // Fields of others are let be: a state machine passes its own on. So no field that matters may be left out unseen.
        let wanted: Wanted = read(event)?;
        match event.get("prefixes").filter(|prefixes| !prefixes.is_null()) {
            Some(prefixes) => Ok(Event::Manifests(wanted, read(prefixes)?)),
            None => Ok(Event::Manifest(wanted)),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, InvalidEvent> {
    T::deserialize(value).map_err(|error| InvalidEvent::Malformed {
        reason: error.to_string(),
    })
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    s3: Place,
}

#[derive(Deserialize)]
struct Place {
    bucket: Named,
    object: Object,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(rename = "versionId")]
    version: Option<String>,
}

impl Record {
    /// Keys are encoded as in HTML forms: a plus sign is a space.
    fn object(self) -> Result<Created, InvalidEvent> {
        let Object { key, version } = self.s3.object;
        let spaced = key.replace('+', " ");
        let key =
            percent_decode_str(&spaced)
                .decode_utf8()
                .map_err(|_| InvalidEvent::Malformed {
                    reason: format!("the key {key:?} is not UTF-8"),
                })?;
        Ok(Created {
            bucket: self.s3.bucket.name,
            key: key.into_owned(),
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn manifests_are_asked_for() {
        let event =
            json!({"bucket": "b", "prefix": "p/", "include": "*.csv", "expires_in": 60, "else": 1});
        let wanted = Wanted {
            bucket: Some("b".to_owned()),
            prefix: Some("p/".to_owned()),
            include: vec!["*.csv".to_owned()],
            expires_in: Some(60),
        };
        assert_eq!(Event::parse(&event), Ok(Event::Manifest(wanted)));
        assert_eq!(
            Event::parse(&json!({})),
            Ok(Event::Manifest(Wanted::default()))
        );
        let event = json!({"prefixes": ["a/", "b/"], "include": null});
        let prefixes = vec!["a/".to_owned(), "b/".to_owned()];
        assert_eq!(
            Event::parse(&event),
            Ok(Event::Manifests(Wanted::default(), prefixes))
        );
    }

    #[test]
    fn keys_of_notifications_are_decoded() {
        let event = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {
            "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
            "object": {"key": "a+b%2B/%C3%BC.pdf", "size": 7, "versionId": "v"},
        }}]});
        let created = Created {
            bucket: "b".to_owned(),
            key: "a b+/ü.pdf".to_owned(),
            version: Some("v".to_owned()),
        };
        assert_eq!(Event::parse(&event), Ok(Event::Objects(vec![created])));
    }

    #[test]
    fn other_events_are_refused() {
        for event in [
            json!({"bucket": 7}),
            json!([]),
            json!({"prefixes": "a"}),
            json!({"Records": [{"Sns": {}}]}),
        ] {
            assert!(
                matches!(Event::parse(&event), Err(InvalidEvent::Malformed { .. })),
                "{event}"
            );
        }
    }
}
