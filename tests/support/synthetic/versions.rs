//! A bucket that keeps versions: every object that was ever written, and ListObjectVersions.
//!
//! The id of a version is its ETag with a `v` in front, so that tests know it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::{Answer, element, push_element};
use super::faults::Failure;
use super::object::SyntheticObject;
use super::reads::{Dates, Objects, encoded, row};
use super::requests::Request;

/// What was written, by key; the newest last. `None` stands for a deletion.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<String, Vec<Option<Arc<SyntheticObject>>>>);

/// The id of an object's version.
pub fn id(object: &SyntheticObject) -> String {
    format!("v{}", object.etag)
}

impl Versions {
    /// The versions of a bucket that begins with these objects.
    pub fn of(objects: &Objects) -> Versions {
        let first =
            |(key, object): (&String, &Arc<_>)| (key.clone(), vec![Some(Arc::clone(object))]);
        Versions(objects.iter().map(first).collect())
    }

    /// An object was written, or the one of this key deleted.
    pub fn note(&mut self, key: &str, object: Option<Arc<SyntheticObject>>) {
        self.0.entry(key.to_owned()).or_default().push(object);
    }

    /// The version that a request names.
    pub fn named(&self, key: &str, version: &str) -> Result<Arc<SyntheticObject>, Failure> {
        let all = self.0.get(key).into_iter().flatten().flatten();
        let mut named = all.filter(|object| id(object) == version);
        named.next().cloned().ok_or(Failure::NO_SUCH_VERSION)
    }

    /// One page of ListObjectVersions, the versions of a key newest first.
    pub fn list(&self, request: &Request, page_size: usize) -> Answer {
        let prefix = request.parameter("prefix").unwrap_or_default();
        let after = (
            request.parameter("key-marker").unwrap_or_default(),
            request.parameter("version-id-marker"),
        );
        let all = self.0.iter().flat_map(|(key, versions)| {
            let newest_first = versions.iter().rev().enumerate();
            newest_first.map(move |(age, version)| (key, age, version, versions.len()))
        });
        let name = |age: usize, version: &Option<Arc<SyntheticObject>>| match version {
            Some(object) => id(object),
            None => format!("deleted-{age}"),
        };
        let mut begun = after.0.is_empty();
        let mut page = Vec::new();
        let mut more = false;
        for (key, age, version, _) in all {
            if !begun {
                let at =
                    key.as_str() == after.0 && after.1.is_none_or(|id| id == name(age, version));
                begun = key.as_str() > after.0;
                if !begun {
                    // What is behind the marker begins with the next one.
                    begun = at && after.1.is_some();
                    continue;
                }
            }
            if !key.starts_with(prefix) {
                continue;
            }
            if page.len() == page_size {
                more = true;
                break;
            }
            page.push((key, age, version));
        }
        let mut inside =
            element("Name", &request.bucket) + &element("IsTruncated", more.to_string());
        if let Some(kind) = request.parameter("encoding-type") {
            inside += &element("EncodingType", kind);
        }
        if let (Some((key, age, version)), true) = (page.last(), more) {
            inside += &element("NextKeyMarker", encoded(request, key));
            inside += &element("NextVersionIdMarker", name(*age, version));
        }
        let mut dates = Dates::default();
        for (key, age, version) in page {
            let key = encoded(request, key);
            let tag = match version {
                Some(_) => "Version",
                None => "DeleteMarker",
            };
            inside += &format!("<{tag}>");
            push_element(&mut inside, "VersionId", &name(age, version));
            push_element(&mut inside, "IsLatest", &(age == 0).to_string());
            match version {
                Some(object) => row(&mut inside, &mut dates, object, &key, true),
                None => push_element(&mut inside, "Key", &key),
            }
            inside += &format!("</{tag}>");
        }
        Answer::xml("ListVersionsResult", &inside)
    }
}
