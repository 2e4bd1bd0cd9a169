//! What a safe name is: keys become paths that no extractor can be led astray by.
//!
//! A safe path is relative, has at least one segment and none that is empty, `.` or `..`; a segment has at most
//! [`SEGMENT_MAX`] bytes, no character that Windows forbids, no dot or space at its end, and is no device of
//! Windows. Making a path safe is total (every key has a name), and a safe path stays as it is.

use std::fmt;

/// The longest segment of a path, in bytes: what ext4, APFS and NTFS all take.
pub(super) const SEGMENT_MAX: usize = 255;

/// The longest extension with its dot, in bytes. What is longer is no extension but a sentence with a dot in it.
const EXTENSION_MAX: usize = 16;

/// The longest path before numbering, in bytes. Keys of S3 have at most 1,024.
///
/// Numbers ([`numbered`]) can grow each segment by up to 23 bytes, and a segment takes two bytes at least: 4,096
/// bytes become 51,200 at most, which the 16 bits of a name's length still hold.
pub(super) const PATH_MAX: usize = 4096;

/// The name of a key of which nothing is left, such as `../`.
const NAMELESS: &str = "_";

/// A safe path inside an archive, unlike any other of the same archive.
///
/// Only a [`Namer`](super::Namer) makes one. It has between 1 and 65,535 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryName(Box<str>);

impl EntryName {
    /// Takes a path that is known to be safe and unique.
    pub(super) fn new(path: &str) -> Self {
        Self(path.into())
    }

    /// The path, its segments separated by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Writes the safe form of `path` into `out`, which is emptied first.
///
/// Segments that are empty, `.` or `..` go, and so does a drive letter before the first segment that stays. A path
/// longer than [`PATH_MAX`] loses its leading segments. A path of which nothing stays is `_`.
pub(super) fn write_safe_path(path: &str, out: &mut String) {
    out.clear();
    for segment in path.split('/') {
        let segment = if out.is_empty() {
            without_drive(segment)
        } else {
            segment
        };
        if matches!(segment, "" | "." | "..") {
            continue;
        }
        if !out.is_empty() {
            out.push('/');
        }
        push_safe_segment(segment, out);
    }
    if out.len() > PATH_MAX {
        let excess = out.len() - PATH_MAX;
        let slash = out.bytes().skip(excess - 1).position(|byte| byte == b'/');
        if let Some(slash) = slash {
            out.drain(..excess + slash);
        }
    }
    if out.is_empty() {
        out.push_str(NAMELESS);
    }
}

/// Cuts off a drive letter with its colon, as in `C:notes.txt`.
fn without_drive(segment: &str) -> &str {
    match segment.as_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => &segment[2..],
        _ => segment,
    }
}

/// Appends the safe form of one segment, which is not empty, `.` or `..`.
fn push_safe_segment(segment: &str, out: &mut String) {
    let start = out.len();
    if segment.bytes().all(is_plain) {
        out.push_str(segment);
    } else {
        out.extend(segment.chars().map(safe_char));
    }
    close_end(out, start);
    if let Some(end) = device_end(&out[start..]) {
        out.insert(start + end, '_');
    }
    if out.len() - start > SEGMENT_MAX {
        let (stem, extension) = split_extension(&out[start..]);
        let keep = stem.floor_char_boundary(SEGMENT_MAX - extension.len());
        let rest = out.split_off(start + stem.len());
        out.truncate(start + keep);
        // The cut may lay a dot or a space bare, or the name of a device (`CON   …x.pdf`).
        close_end(out, start);
        out.push_str(&rest);
    }
}

/// Is this byte a character of its own that every file system takes?
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !is_forbidden(char::from(byte))
}

/// Does Windows forbid this character in names? (`/` separates segments and cannot come here.)
fn is_forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\\')
}

fn safe_char(c: char) -> char {
    if c.is_control() || is_forbidden(c) {
        '_'
    } else {
        c
    }
}

/// Replaces each dot and space at the end, which Windows would cut off.
fn close_end(out: &mut String, start: usize) {
    let kept = out[start..].trim_end_matches(['.', ' ']).len();
    let open = out.len() - start - kept;
    out.truncate(start + kept);
    out.extend(std::iter::repeat_n('_', open));
}

/// Where the name of a Windows device ends, if the segment would open one.
///
/// Windows looks at what stands before the first dot, without the spaces at its end: `nul .tar.gz` is `NUL`.
fn device_end(segment: &str) -> Option<usize> {
    let stem = segment.split('.').next().unwrap_or(segment);
    let stem = stem.trim_end_matches(' ');
    is_device(stem).then_some(stem.len())
}

/// Is this one of Windows' reserved names, in any case?
pub(super) fn is_device(stem: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    const PORTS: [&str; 2] = ["COM", "LPT"];
    if DEVICES.iter().any(|name| stem.eq_ignore_ascii_case(name)) {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else {
        return false;
    };
    let mut number = number.chars();
    PORTS.iter().any(|name| port.eq_ignore_ascii_case(name))
        && matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
}

/// Divides a segment into its stem and its extension with the dot, which may be empty.
///
/// An extension is a dot, not the first character of the segment, and the letters and digits after it up to the
/// end: at least one, at most [`EXTENSION_MAX`] bytes with the dot.
pub(super) fn split_extension(segment: &str) -> (&str, &str) {
    match segment.rfind('.') {
        Some(dot)
            if dot > 0
                && (2..=EXTENSION_MAX).contains(&(segment.len() - dot))
                && segment[dot + 1..].chars().all(char::is_alphanumeric) =>
        {
            segment.split_at(dot)
        }
        _ => (segment, ""),
    }
}

/// The segment with ` (number)` before its extension, its stem cut where that would be too long.
pub(super) fn numbered(segment: &str, number: u64) -> String {
    let (stem, extension) = split_extension(segment);
    let mark = format!(" ({number})");
    let keep = stem.floor_char_boundary(SEGMENT_MAX - mark.len() - extension.len());
    [&stem[..keep], &mark, extension].concat()
}
