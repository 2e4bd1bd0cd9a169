//! Names that an archive must not have: those that lead out of the folder of extraction, and those it has twice.

/// Why a name can lead out of the folder that the archive is extracted into, on one system or another.
pub(super) fn unsafe_because(name: &[u8]) -> Option<&'static str> {
    match name {
        [] => return Some("is empty"),
        [b'/', ..] => return Some("is absolute"),
        [letter, b':', ..] if letter.is_ascii_alphabetic() => {
            return Some("begins with a drive letter");
        }
        _ => {}
    }
    if name.contains(&b'\\') {
        return Some("has a backslash, which separates folders on Windows");
    }
    if name.iter().any(u8::is_ascii_control) {
        return Some("has control characters");
    }
    name.split(|byte| *byte == b'/')
        .any(leads_up)
        .then_some("leads out of its folder with `..`")
}

/// Is this the parent folder? Windows cuts dots and spaces off the end of a segment, and so may read `.. ` as `..`.
fn leads_up(segment: &[u8]) -> bool {
    segment.starts_with(b"..") && segment.iter().all(|byte| b". ".contains(byte))
}

/// The index of a name that stands at another, smaller index as well.
pub(super) fn duplicate<'a>(count: usize, name: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by(|a, b| name(*a).cmp(name(*b)).then(a.cmp(b)));
    order
        .windows(2)
        .filter(|pair| name(pair[0]) == name(pair[1]))
        .map(|pair| pair[1])
        .min()
}

#[cfg(test)]
mod tests {
    use super::{duplicate, unsafe_because};

    #[test]
    fn names_that_lead_out_are_unsafe() {
        for name in [
            "",
            "/etc/passwd",
            "C:x",
            "c:/x",
            "..",
            "../x",
            "a/../x",
            "a/..",
            "a/.. /x",
            "a/.../x",
            "a\\b",
            "a\0b",
            "a\nb",
        ] {
            assert!(unsafe_because(name.as_bytes()).is_some(), "{name:?}");
        }
    }

    #[test]
    fn odd_names_that_stay_inside_are_safe() {
        for name in [
            "a",
            "a/",
            "a//b",
            "..a",
            "a..b/c",
            "a/..b",
            "1:x",
            "./a",
            "ü/é.pdf",
        ] {
            assert_eq!(unsafe_because(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn the_first_repetition_is_found() {
        let find = |names: &[&str]| duplicate(names.len(), |index| names[index].as_bytes());
        assert_eq!(find(&[]), None);
        assert_eq!(find(&["b", "a", "A"]), None);
        assert_eq!(find(&["z", "b", "a", "z", "a"]), Some(3));
    }
}
