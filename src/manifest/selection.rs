//! A selection: bucket, prefix and include patterns. It decides, object by object, what belongs to an archive or a
//! manifest; it never asks the store.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use super::pattern::{Malformed, Patterns};
use crate::store::{Bucket, Object};

/// Taken where no pattern is given.
pub const DEFAULT_INCLUDE: &str = "*.pdf";

/// Where sheaf keeps its own objects, presigned manifests apart, unless it is told another place.
pub const STATE_PREFIX: &str = ".sheaf/";

/// Where presigned manifests are kept, as `manifests/<uuid>.jsonl`.
pub const MANIFEST_PREFIX: &str = "manifests/";

/// The longest key, and so the longest prefix, in bytes.
/// Source: [object keys](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const LONGEST_KEY: usize = 1024;

/// Bounds on the patterns of one selection: what they are compiled to lives as long as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternLimits {
    /// How many there may be.
    pub number: usize,
    /// How long one may be, in bytes.
    pub length: usize,
}

impl Default for PatternLimits {
    fn default() -> Self {
        PatternLimits {
            number: 64,
            // No key is longer.
            length: LONGEST_KEY,
        }
    }
}

/// The objects under a prefix of a bucket that match a pattern.
///
/// Patterns match the part of the key below the prefix; `*` crosses `/`; several are alternatives; case does not
/// matter. Folder markers and sheaf's own objects are never selected.
#[derive(Clone, Debug)]
pub struct Selection {
    bucket: Bucket,
    prefix: String,
    include: Patterns,
    /// The patterns, for people.
    patterns: Box<str>,
    state_prefix: Cow<'static, str>,
}

/// What was looked for where nothing was found, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    bucket: Bucket,
    prefix: String,
    patterns: Box<str>,
}

/// Why a selection cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelection {
    /// No key is that long.
    #[error("the prefix has {length} bytes; keys have at most {LONGEST_KEY}")]
    LongPrefix {
        /// Its length in bytes.
        length: usize,
    },
    /// More patterns than are ever sensible.
    #[error("there are {count} include patterns; at most {most} are taken")]
    ManyPatterns {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A pattern that is too long.
    #[error("an include pattern has {length} bytes; at most {most} are taken")]
    LongPattern {
        /// Its length in bytes.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// A pattern that does not parse.
    #[error("the include pattern {pattern:?} is malformed: {reason}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: Malformed,
    },
}

impl Selection {
    /// Checks a selection, with the default [`PatternLimits`]. Without patterns it takes `*.pdf`; empty patterns count as
    /// none.
    ///
    /// # Errors
    /// [`InvalidSelection`] says what is malformed.
    pub fn new(
        bucket: Bucket,
        prefix: &str,
        include: &[String],
    ) -> Result<Selection, InvalidSelection> {
        Selection::within(&PatternLimits::default(), bucket, prefix, include)
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// [`InvalidSelection`] says what is malformed.
    pub fn within(
        limits: &PatternLimits,
        bucket: Bucket,
        prefix: &str,
        include: &[String],
    ) -> Result<Selection, InvalidSelection> {
        if prefix.len() > LONGEST_KEY {
            return Err(InvalidSelection::LongPrefix {
                length: prefix.len(),
            });
        }
        if include.len() > limits.number {
            return Err(InvalidSelection::ManyPatterns {
                count: include.len(),
                most: limits.number,
            });
        }
        let mut patterns: Vec<&str> = include
            .iter()
            .map(String::as_str)
            .filter(|pattern| !pattern.is_empty())
            .collect();
        if patterns.is_empty() {
            patterns.push(DEFAULT_INCLUDE);
        }
        if let Some(long) = patterns
            .iter()
            .find(|pattern| pattern.len() > limits.length)
        {
            return Err(InvalidSelection::LongPattern {
                length: long.len(),
                most: limits.length,
            });
        }
        let most = limits.number.saturating_mul(limits.length);
        let include = Patterns::parse(&patterns, most).map_err(|(pattern, reason)| {
            InvalidSelection::Pattern {
                pattern: pattern.to_owned(),
                reason,
            }
        })?;
        Ok(Selection {
            bucket,
            prefix: prefix.to_owned(),
            include,
            patterns: named(&patterns),
            state_prefix: Cow::Borrowed(STATE_PREFIX),
        })
    }

    /// The same selection, where sheaf's own objects are kept under another prefix than [`STATE_PREFIX`].
    pub fn apart_from(self, state_prefix: &str) -> Selection {
        Selection {
            state_prefix: Cow::Owned(state_prefix.to_owned()),
            ..self
        }
    }

    /// The bucket that is listed.
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The prefix that is listed; it may be empty, and need not end with `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is looked for, to be told where nothing is found.
    pub fn sought(&self) -> Sought {
        Sought {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            patterns: self.patterns.clone(),
        }
    }

    /// Whether an object of the listing belongs to the selection.
    pub fn takes(&self, object: &Object) -> bool {
        let key = object.key.as_str();
        let Some(below) = key.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let folder_marker = object.size == 0 && key.ends_with('/');
        !folder_marker && !is_own(key, &self.state_prefix) && self.include.match_text(below)
    }
}

/// Whether a key is one of sheaf's own: a presigned manifest, or anything under the state prefix.
pub fn is_own(key: &str, state_prefix: &str) -> bool {
    if key.starts_with(state_prefix) {
        return true;
    }
    let id = key
        .strip_prefix(MANIFEST_PREFIX)
        .and_then(|name| name.strip_suffix(".jsonl"));
    // Only the hyphenated form is ever written; the parser would take others.
    id.is_some_and(|id| id.len() == 36 && uuid::Uuid::try_parse(id).is_ok())
}

impl Sought {
    /// Whether every object would have been taken, so that no other pattern finds more.
    pub fn is_everything(&self) -> bool {
        &*self.patterns == "*"
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sought {
            bucket,
            prefix,
            patterns,
        } = self;
        let prefix = prefix.escape_debug();
        match self.is_everything() {
            true => write!(f, "there is nothing under s3://{bucket}/{prefix}"),
            false => write!(f, "nothing under s3://{bucket}/{prefix} matches {patterns}"),
        }
    }
}

/// Patterns for people; of many only the first.
fn named(patterns: &[&str]) -> Box<str> {
    const MOST: usize = 3;
    let shown = patterns.iter().take(MOST);
    let shown: Vec<String> = shown
        .map(|pattern| pattern.escape_debug().to_string())
        .collect();
    let mut named = shown.join(" or ");
    if let more @ 1.. = patterns.len().saturating_sub(MOST) {
        named.push_str(&format!(" or {more} more patterns"));
    }
    named.into()
}

/// Reads patterns, one or several: `"include": "*.pdf"` means the same as `"include": ["*.pdf"]`.
pub fn one_or_many<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a pattern or a list of patterns")]
    enum Include {
        One(String),
        Many(Vec<String>),
        None,
    }
    Ok(match Include::deserialize(deserializer)? {
        Include::One(pattern) => vec![pattern],
        Include::Many(patterns) => patterns,
        Include::None => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(prefix: &str, include: &[&str], key: &str) -> bool {
        sized(prefix, include, key, 1)
    }

    fn sized(prefix: &str, include: &[&str], key: &str, size: u64) -> bool {
        let include: Vec<String> = include
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        let selection = Selection::new(Bucket::new("bucket").unwrap(), prefix, &include).unwrap();
        let object = Object {
            key: key.to_owned(),
            size,
            etag: String::new(),
            modified: 0,
            has_crc32: false,
            has_part_crc32s: false,
            version_id: None,
            may_be_archived: false,
            archived: false,
        };
        selection.takes(&object)
    }

    #[test]
    fn what_was_sought_is_told() {
        for (prefix, include, told) in [
            (
                "no pe/",
                &[][..],
                "nothing under s3://bucket/no pe/ matches *.pdf",
            ),
            ("", &["*"], "there is nothing under s3://bucket/"),
            (
                "a\u{1b}[2J",
                &["é\n*"],
                "nothing under s3://bucket/a\\u{1b}[2J matches é\\n*",
            ),
            (
                "",
                &["a", "b", "c", "d", "e"],
                "nothing under s3://bucket/ matches a or b or c or 2 more patterns",
            ),
        ] {
            let include: Vec<String> = include.iter().map(ToString::to_string).collect();
            let bucket = Bucket::new("bucket").unwrap();
            let selection = Selection::new(bucket, prefix, &include).unwrap();
            assert_eq!(selection.sought().to_string(), told);
        }
    }

    #[test]
    fn pdfs_by_default() {
        assert!(takes("a/", &[], "a/b.pdf"));
        assert!(takes("a/", &[], "a/b/c.PDF"), "below folders, in any case");
        assert!(takes("a/", &[""], "a/b.pdf"), "an empty pattern is none");
        assert!(!takes("a/", &[], "a/b.txt"));
        assert!(!takes("a/", &[], "b/b.pdf"), "outside the prefix");
    }

    #[test]
    fn patterns_are_alternatives_below_the_prefix() {
        assert!(takes("a/", &["x*", "*.txt"], "a/b.txt"));
        assert!(takes("a/", &["x*", "*.txt"], "a/x/y.bin"));
        assert!(
            !takes("a/", &["a/*"], "a/b.txt"),
            "the prefix is not part of what is matched"
        );
        assert!(
            takes("2024-", &["0?.pdf"], "2024-01.pdf"),
            "a prefix may end inside a name"
        );
        assert!(
            takes("", &["*ÜBER*"], "über uns.pdf"),
            "case does not matter beyond ASCII"
        );
        assert!(takes("", &["*"], "anything"));
    }

    #[test]
    fn folder_markers_are_left_out() {
        assert!(!sized("", &["*"], "folder/", 0));
        assert!(
            sized("", &["*"], "folder/", 7),
            "a key with content is an object, whatever its name"
        );
        assert!(sized("", &["*"], "empty", 0));
    }

    #[test]
    fn own_objects_are_left_out() {
        let uuid = "0b6f0d0e-52a3-4a5f-9d3e-0a3c1f2b4d5e";
        assert!(!takes("", &["*"], &format!("manifests/{uuid}.jsonl")));
        assert!(!takes(
            "manifests/",
            &["*"],
            &format!("manifests/{uuid}.jsonl")
        ));
        assert!(!takes("", &["*"], ".sheaf/links/x"));
        assert!(
            takes("", &["*"], "manifests/mine.jsonl"),
            "exactly our own, no others"
        );
        assert!(takes("", &["*"], &format!("a/manifests/{uuid}.jsonl")));
        assert!(takes("", &["*"], ".sheafs/x"));
    }

    #[test]
    fn the_state_prefix_can_be_another() {
        let selection = Selection::new(Bucket::new("bucket").unwrap(), "", &["*".to_owned()]);
        let selection = selection.unwrap().apart_from("state/");
        let takes = |key: &str| {
            let object = Object {
                key: key.to_owned(),
                size: 1,
                etag: String::new(),
                modified: 0,
                has_crc32: false,
                has_part_crc32s: false,
                version_id: None,
                may_be_archived: false,
                archived: false,
            };
            selection.takes(&object)
        };
        assert!(!takes("state/links/x"));
        assert!(takes(".sheaf/x"));
    }

    #[test]
    fn malformed_selections_say_why() {
        let new = |prefix: &str, include: &[&str]| {
            let include: Vec<String> = include
                .iter()
                .map(|pattern| (*pattern).to_owned())
                .collect();
            Selection::new(Bucket::new("bucket").unwrap(), prefix, &include).unwrap_err()
        };
        assert_eq!(
            new(&"p".repeat(1025), &[]),
            InvalidSelection::LongPrefix { length: 1025 }
        );
        assert_eq!(
            new("", &["x"; 65]),
            InvalidSelection::ManyPatterns {
                count: 65,
                most: 64
            }
        );
        assert!(new("", &["[a"]).to_string().contains("\"[a\" is malformed"));
        assert_eq!(
            new("", &[&"x".repeat(1025)]),
            InvalidSelection::LongPattern {
                length: 1025,
                most: 1024
            }
        );
    }
}
