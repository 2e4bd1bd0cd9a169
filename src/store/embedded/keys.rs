//! Which keys are paths in the served folder, and how any other key is spelled as a path in the state folder.
//!
//! Pure. Invariant: [`folder_path`] never yields a path that leads out of the folder by its spelling, and
//! [`unescape`] undoes [`escape`] for every key.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use uuid::Uuid;

/// What the names of unfinished files in the served folder start with. They are never listed nor served.
pub const TEMP_PREFIX: &str = ".sheaf-tmp-";

/// The longest name of a file, in bytes, that common file systems take.
const MAX_NAME: usize = 255;

/// How much of an escaped key goes into one file name: room is left for the mark at its end, and for file systems
/// that encrypt names and so hold less than 255 bytes.
const CHUNK: usize = 140;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Whether the key is one of sheaf's own objects, which never enter the served folder: `manifests/<uuid>.jsonl`, and
/// everything under `.sheaf/`.
pub(super) fn is_own(key: &str) -> bool {
    if key.starts_with(".sheaf/") {
        return true;
    }
    let Some(name) = key
        .strip_prefix("manifests/")
        .and_then(|rest| rest.strip_suffix(".jsonl"))
    else {
        return false;
    };
    name.len() == 36 && Uuid::try_parse(name).is_ok()
}

/// The key as a path relative to the served folder, or `None` where it can only live in the state folder.
pub(super) fn folder_path(key: &str) -> Option<&Path> {
    let fits = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && name.len() <= MAX_NAME
            && !name.contains('\0')
            && !name.starts_with(TEMP_PREFIX)
    };
    (!is_own(key) && key.split('/').all(fits)).then(|| Path::new(key))
}

/// A relative path for any key: percent-escaped, cut into names of 140 bytes. A folder's name ends in `+`, the
/// file's in `=`, so no key's file is another key's folder.
pub(super) fn escape(key: &str) -> PathBuf {
    let escaped = utf8_percent_encode(key, KEPT).to_string();
    let mut path = PathBuf::new();
    let mut rest = escaped.as_str();
    // Escaped text is ASCII: any cut is a character boundary.
    while rest.len() > CHUNK {
        path.push(format!("{}+", &rest[..CHUNK]));
        rest = &rest[CHUNK..];
    }
    path.push(format!("{rest}="));
    path
}

/// One name of an escaped path: a part of the text, and whether it is the last one.
pub(super) fn unescape_name(name: &str) -> Option<(&str, bool)> {
    match name.strip_suffix('=') {
        Some(part) => Some((part, true)),
        None => name.strip_suffix('+').map(|part| (part, false)),
    }
}

/// The key whose escaped names, joined without their marks, are `escaped`.
pub(super) fn unescape(escaped: &str) -> Option<String> {
    percent_decode_str(escaped)
        .decode_utf8()
        .ok()
        .map(|key| key.into_owned())
}

/// The smallest text that is greater than every text starting with `prefix`, in byte order; `None` where there is
/// none. UTF-8 sorts by bytes as by characters, so it is the prefix with its last character replaced by the next.
pub(super) fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The range steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rejoin(path: &Path) -> Option<String> {
        let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
        let (last, folders) = names.split_last()?;
        let mut text = String::new();
        for folder in folders {
            let (part, end) = unescape_name(folder)?;
            assert!(!end);
            text.push_str(part);
        }
        let (part, end) = unescape_name(last)?;
        assert!(end);
        text.push_str(part);
        unescape(&text)
    }

    proptest! {
        #[test]
        fn any_key_survives_escaping(key in "\\PC{1,300}|[\u{0}-\u{7f}/.]{1,1024}") {
            let path = escape(&key);
            prop_assert!(path.is_relative());
            for name in path.iter() {
                prop_assert!(name.len() <= MAX_NAME && name != "." && name != "..");
            }
            prop_assert_eq!(rejoin(&path), Some(key));
        }

        #[test]
        fn successor_is_above_all_that_start_with_the_prefix(prefix in "\\PC{1,8}", tail in "\\PC{0,8}") {
            let above = successor(&prefix).unwrap();
            let longer = prefix.clone() + &tail;
            prop_assert!(above > longer);
            prop_assert!(above > prefix);
        }
    }

    #[test]
    fn successor_steps_over_surrogates_and_carries() {
        assert_eq!(successor("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }

    #[test]
    fn only_plain_keys_are_paths_in_the_folder() {
        for key in ["a.pdf", "a/b c/ü.pdf", "...", "a\u{1}b"] {
            assert!(folder_path(key).is_some(), "{key:?}");
        }
        let long = "x".repeat(256);
        for key in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "a\0b",
            long.as_str(),
            ".sheaf/x",
            ".sheaf-tmp-1/a",
            "manifests/7f8a5a0e-2b2c-4f7c-9a55-0c2c8a1f0d11.jsonl",
        ] {
            assert!(folder_path(key).is_none(), "{key:?}");
        }
    }

    #[test]
    fn own_objects_are_exactly_manifests_and_the_state_prefix() {
        assert!(is_own(
            "manifests/7f8a5a0e-2b2c-4f7c-9a55-0c2c8a1f0d11.jsonl"
        ));
        assert!(is_own(".sheaf/links/x"));
        assert!(!is_own("manifests/2024.jsonl"));
        assert!(!is_own("manifests/7f8a5a0e2b2c4f7c9a550c2c8a1f0d11.jsonl"));
        assert!(!is_own(".sheafs"));
        assert!(!is_own("a/.sheaf/x"));
    }
}
