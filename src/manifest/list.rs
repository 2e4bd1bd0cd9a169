//! Lists of keys: as they are given, or read from a manifest that was made earlier. Pure.
//!
//! A manifest is JSON lines, of which only `key` is needed: what `sheaf manifest` made, perhaps filtered with jq, or
//! what anything else wrote. Its size and ETag, where they stand there, are claims about the object. It is read as it
//! comes; what is kept of it are its keys and those claims, and not the URLs that make up most of it.

use std::fmt;

use serde::Deserialize;

/// The most keys in one list.
pub const MOST_KEYS: usize = 1_000_000;

/// The most bytes that keys and their claims may have together.
pub const MOST_BYTES: usize = 128 << 20;

/// The longest line, in bytes: a key, a presigned URL and much else.
pub const LONGEST_LINE: usize = 64 << 10;

/// An object that is asked for by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Wanted {
    /// The whole key.
    pub key: String,
    /// Where it stands in a manifest: the number of its line, from 1 on.
    #[serde(skip)]
    pub line: Option<u64>,
    /// The length that it is to have.
    #[serde(default)]
    pub size: Option<u64>,
    /// The ETag that it is to have, with quotes or without.
    #[serde(default)]
    pub etag: Option<String>,
}

impl From<String> for Wanted {
    fn from(key: String) -> Wanted {
        Wanted {
            key,
            ..Wanted::default()
        }
    }
}

/// A key, and where it stands in a list, for people to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The whole key.
    pub key: String,
    /// The number of its line, from 1 on.
    pub line: Option<u64>,
}

impl Place {
    /// Where something that is asked for stands.
    pub fn of(wanted: &Wanted) -> Place {
        Place {
            key: wanted.key.clone(),
            line: wanted.line,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key.escape_default())?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

/// Why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    /// A line is no object with a key.
    #[error("line {line} is not a JSON object with a \"key\": {reason}")]
    Malformed {
        /// Its number, from 1 on.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line is too long to be kept.
    #[error("line {line} is longer than {LONGEST_LINE} bytes")]
    LongLine {
        /// Its number, from 1 on.
        line: u64,
    },
    /// More than one archive is made of.
    #[error(
        "at line {line} the list has more than {MOST_KEYS} keys, or more than {MOST_BYTES} bytes of them"
    )]
    TooLong {
        /// The number of the first line that is too much, from 1 on.
        line: u64,
    },
}

impl InvalidList {
    /// The number of the line that it is about.
    pub fn line(&self) -> u64 {
        match self {
            InvalidList::Malformed { line, .. }
            | InvalidList::LongLine { line }
            | InvalidList::TooLong { line } => *line,
        }
    }
}

/// Reads a manifest chunk by chunk, wherever the chunks are cut.
#[derive(Debug, Default)]
pub struct ListReader {
    wanted: Vec<Wanted>,
    bytes: usize,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    lines: u64,
}

impl ListReader {
    /// Reads on.
    ///
    /// # Errors
    /// [`InvalidList`] names the first line that is wrong.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), InvalidList> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            if self.begun.is_empty() {
                self.line(line)?;
            } else {
                self.keep(line)?;
                let whole = std::mem::take(&mut self.begun);
                self.line(&whole)?;
            }
            rest = behind;
        }
        self.keep(rest)
    }

    /// What was asked for, in the order of the lines.
    ///
    /// # Errors
    /// [`InvalidList`] where the last line is wrong.
    pub fn finish(mut self) -> Result<Vec<Wanted>, InvalidList> {
        let last = std::mem::take(&mut self.begun);
        self.line(&last)?;
        Ok(self.wanted)
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), InvalidList> {
        if self.begun.len() + part.len() > LONGEST_LINE {
            let line = self.lines + 1;
            return Err(InvalidList::LongLine { line });
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    fn line(&mut self, text: &[u8]) -> Result<(), InvalidList> {
        self.lines += 1;
        let line = self.lines;
        if text.len() > LONGEST_LINE {
            return Err(InvalidList::LongLine { line });
        }
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        let malformed = |reason: String| InvalidList::Malformed { line, reason };
        // A list of the fields' values would do for the parser as well.
        if text[0] != b'{' {
            return Err(malformed("it begins otherwise".to_owned()));
        }
        let wanted: Wanted =
            serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        let etag = wanted.etag.as_ref().map_or(0, String::len);
        self.bytes += wanted.key.len() + etag + size_of::<Wanted>();
        if self.wanted.len() == MOST_KEYS || self.bytes > MOST_BYTES {
            return Err(InvalidList::TooLong { line });
        }
        self.wanted.push(Wanted {
            line: Some(line),
            ..wanted
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], cut: usize) -> Result<Vec<Wanted>, InvalidList> {
        let mut reader = ListReader::default();
        for chunk in text.chunks(cut.max(1)) {
            reader.feed(chunk)?;
        }
        reader.finish()
    }

    const MANIFEST: &[u8] =
        b"{\"key\":\"a \xc3\xbc.pdf\",\"url\":\"https://x\",\"size\":7,\"etag\":\"\\\"e\\\"\",\"note\":\"n\"}\r\n\n  {\"size\":null,\"key\":\"b\"}";

    proptest! {
        #[test]
        fn it_does_not_matter_where_chunks_are_cut(cut in 1..200_usize) {
            let expected = vec![
                Wanted {
                    key: "a ü.pdf".to_owned(),
                    line: Some(1),
                    size: Some(7),
                    etag: Some("\"e\"".to_owned()),
                },
                Wanted { line: Some(3), ..Wanted::from("b".to_owned()) },
            ];
            prop_assert_eq!(read(MANIFEST, cut).unwrap(), expected);
        }

        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, cut in 1..50_usize) {
            let _ = read(&bytes, cut);
        }
    }

    #[test]
    fn lines_that_are_wrong_are_named() {
        for (text, line) in [
            ("{\"key\":\"a\"}\nnonsense\n", 2),
            ("{\"url\":\"u\"}", 1),
            ("\n\n[\"a\"]", 3),
            ("{\"key\":7}", 1),
            ("{\"key\":\"a\",\"size\":-1}", 1),
            ("{\"key\":\"a\"} {\"key\":\"b\"}", 1),
            ("{\"key\":\"\\ud800\"}", 1),
        ] {
            match read(text.as_bytes(), 5) {
                Err(InvalidList::Malformed { line: found, .. }) => {
                    assert_eq!(found, line, "{text}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(read(b"{\"key\":\"\xff\"}", 50).is_err(), "not UTF-8");
    }

    #[test]
    fn bounds_hold() {
        let long = format!(
            "{{\"key\":\"a\"}}\n{{\"key\":\"{}\"}}\n",
            "k".repeat(LONGEST_LINE)
        );
        for cut in [7, 4096, long.len()] {
            assert_eq!(
                read(long.as_bytes(), cut),
                Err(InvalidList::LongLine { line: 2 })
            );
        }
        let mut reader = ListReader::default();
        let line = format!("{{\"key\":\"{}\"}}\n", "k".repeat(60 << 10));
        let fed = (0..MOST_BYTES / (60 << 10) + 1).try_for_each(|_| reader.feed(line.as_bytes()));
        assert!(matches!(fed, Err(InvalidList::TooLong { .. })));
    }
}
