//! Content-Disposition: under which name a download is saved.
//!
//! Pure. Whatever name goes in, what comes out is a valid header value of visible ASCII and spaces, and names no folder.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand unencoded in an extended parameter value: `attr-char` of RFC 8187 §3.2.1.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The longest name that the usual file systems hold, in bytes.
const LONGEST_NAME: usize = 255;

/// An extension longer than this, dot included, is not worth keeping when a name is cut.
const LONGEST_EXTENSION: usize = 32;

/// The name of a file that has none.
const NAMELESS: &str = "download";

/// The value of a Content-Disposition header that saves a body under `file_name`, or under its last segment where it
/// is a whole key.
///
/// `filename` holds the name, with `_` for what a quoted string cannot carry safely to every client (RFC 6266 §4.3 and
/// appendix D); where that changes the name, `filename*` (RFC 8187) follows with the exact one. Control characters and
/// backslashes become `_` in both, and names are cut to 255 bytes with their extension kept.
pub fn attachment(file_name: &str) -> String {
    let name = last_segment(file_name);
    let fallback: String = name.chars().map(plain).collect();
    if fallback == name {
        format!("attachment; filename=\"{fallback}\"")
    } else {
        let exact = utf8_percent_encode(&name, EXTENDED);
        format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{exact}")
    }
}

/// The name of an archive of `prefix` in `bucket`: the one that was asked for, else the last folder of the prefix, else
/// the bucket; with the extension `.zip`.
pub fn zip_name(asked: Option<&str>, bucket: &str, prefix: &str) -> String {
    let folder = prefix.trim_end_matches('/').rsplit('/').next();
    let mut candidates = [asked, folder].into_iter().flatten();
    let name = candidates.find(|name| !name.is_empty()).unwrap_or(bucket);
    if name.to_ascii_lowercase().ends_with(".zip") {
        name.to_owned()
    } else {
        format!("{name}.zip")
    }
}

/// The part of a key that names a file: what stands after the last `/`, made safe, never empty, at most 255 bytes.
pub fn last_segment(key: &str) -> String {
    let segment = key.trim_end_matches('/').rsplit('/').next().unwrap_or(key);
    let safe: String = segment
        .chars()
        .map(|c| if c.is_control() || c == '\\' { '_' } else { c })
        .collect();
    match safe.as_str() {
        "" | "." | ".." => NAMELESS.to_owned(),
        name => cut(name),
    }
}

/// A percent sign is read as an escape by some clients, a quote ends the name, and the rest must be ASCII.
fn plain(c: char) -> char {
    match c {
        '"' | '\\' | '%' => '_',
        ' '..='~' => c,
        _ => '_',
    }
}

fn cut(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let extension = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= LONGEST_EXTENSION => &name[dot..],
        _ => "",
    };
    let stem = name.floor_char_boundary(LONGEST_NAME - extension.len());
    format!("{}{extension}", &name[..stem])
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    #[test]
    fn plain_names_stand_alone() {
        assert_eq!(
            attachment("reports/2024/Q1 (final).pdf"),
            "attachment; filename=\"Q1 (final).pdf\""
        );
    }

    #[test]
    fn other_names_are_given_twice() {
        assert_eq!(
            attachment("Müller & Söhne.pdf"),
            "attachment; filename=\"M_ller & S_hne.pdf\"; filename*=UTF-8''M%C3%BCller%20&%20S%C3%B6hne.pdf"
        );
        assert_eq!(
            attachment("100%.pdf"),
            "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf"
        );
        assert_eq!(
            attachment("say \"hi\".pdf"),
            "attachment; filename=\"say _hi_.pdf\"; filename*=UTF-8''say%20%22hi%22.pdf"
        );
    }

    #[test]
    fn archives_are_named_after_their_prefix() {
        let name = |prefix: &str| zip_name(None, "bucket", prefix);
        assert_eq!(name(""), "bucket.zip");
        assert_eq!(name("/"), "bucket.zip");
        assert_eq!(name("reports/2024/"), "2024.zip");
        assert_eq!(name("reports/2024-0"), "2024-0.zip");
        assert_eq!(name("all.ZIP/"), "all.ZIP");
        assert_eq!(zip_name(Some("x"), "bucket", "a/"), "x.zip");
        assert_eq!(zip_name(Some(""), "bucket", "a/"), "a.zip");
    }

    #[test]
    fn nothing_is_injected_and_no_folder_is_named() {
        assert_eq!(
            attachment("a.pdf\r\nSet-Cookie: x"),
            "attachment; filename=\"a.pdf__Set-Cookie: x\""
        );
        assert_eq!(
            attachment("..\\..\\x.exe"),
            "attachment; filename=\".._.._x.exe\""
        );
        for key in ["", "/", "a/..", "a/.", "../"] {
            assert_eq!(
                attachment(key),
                "attachment; filename=\"download\"",
                "{key:?}"
            );
        }
        assert_eq!(attachment("a/b/"), "attachment; filename=\"b\"");
    }

    #[test]
    fn long_names_are_cut_with_their_extension_kept() {
        let name = last_segment(&format!("{}.pdf", "ü".repeat(300)));
        assert_eq!(
            name.len(),
            254,
            "125 characters of two bytes and .pdf; half a character does not fit"
        );
        assert!(name.ends_with("ü.pdf"));
        assert_eq!(last_segment(&"x".repeat(300)).len(), 255);
        assert_eq!(
            last_segment(&format!("a.{}", "x".repeat(300))).len(),
            255,
            "no extension"
        );
    }

    /// The file name as RFC 6266 §4.3 has a recipient read it.
    fn parse(value: &str) -> String {
        let rest = value.strip_prefix("attachment; filename=\"").unwrap();
        let (fallback, rest) = rest.split_once('"').unwrap();
        if rest.is_empty() {
            return fallback.to_owned();
        }
        let exact = rest.strip_prefix("; filename*=UTF-8''").unwrap();
        let exact = percent_decode_str(exact).decode_utf8().unwrap();
        exact.into_owned()
    }

    proptest! {
        #[test]
        fn every_name_makes_a_valid_value_that_reads_back(name in any::<String>()) {
            let value = attachment(&name);
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
            prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            let read = parse(&value);
            prop_assert_eq!(&read, &last_segment(&name));
            prop_assert!(!read.contains(['/', '\\']) && !read.chars().any(char::is_control));
            prop_assert!(!read.is_empty() && read.len() <= 255 && read != "." && read != "..");
        }

        #[test]
        fn an_ordinary_name_is_kept_as_it_is(name in "[\\p{L}\\p{N}%\"' ;=*-]{1,60}") {
            prop_assert_eq!(parse(&attachment(&format!("a/b/{name}"))), name);
        }
    }
}
