//! What holds for the names of any keys.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::Namer;
use super::model::{Model, fold};

/// Segments that are likely to be unsafe, or to collide with each other.
fn segment() -> impl Strategy<Value = String> {
    let picked = prop::sample::select(vec![
        "a",
        "A",
        "b",
        "a.pdf",
        "A.PDF",
        "a (2)",
        "a (2).pdf",
        "A (3).pdf",
        "a (2) (2)",
        "a.",
        "a ",
        "a_",
        "a. ",
        "é",
        "e\u{301}",
        "E\u{301}",
        "É",
        "straße",
        "STRASSE",
        "strasse",
        "ſ",
        "s",
        "S",
        "\u{212a}",
        "k",
        "Å",
        "\u{212b}",
        "A\u{30a}",
        "ﬁ",
        "fi",
        "FI",
        "İ",
        "i\u{307}",
        "\u{3b1}\u{345}\u{301}",
        "\u{3b1}\u{301}\u{3b9}",
        "日本語",
        "",
        "",
        ".",
        "..",
        "...",
        " ",
        "C:",
        "c:a",
        "a:",
        ":",
        r"\",
        r"..\a",
        "*",
        "?",
        "<>",
        "\"",
        "|",
        "\u{7}",
        "\u{85}",
        "\n",
        "CON",
        "con",
        "Con.txt",
        "con_",
        "con_.txt",
        "nul .pdf",
        "COM1",
        "com¹",
        "LPT0.x",
        "CONIN$",
        ".a",
        ".pdf",
        "a.b.c",
    ])
    .prop_map(str::to_owned);
    let long = (
        prop::sample::select(vec!["x", "X", "é", "日", "\u{212a}", " ", ".", "CON "]),
        60..330_usize,
        prop::sample::select(vec![
            "",
            ".pdf",
            ".PDF",
            ".",
            " ",
            "y",
            " (2)",
            "y.pdf",
            ".a very long one indeed",
        ]),
    )
        .prop_map(|(unit, len, end)| {
            let mut long = unit.repeat(len.div_ceil(unit.len()));
            long.push_str(end);
            long
        });
    prop_oneof![12 => picked, 2 => long, 1 => any::<String>(), 1 => "[ -~]{1,12}"]
}

fn keys() -> impl Strategy<Value = Vec<String>> {
    let key = prop::collection::vec(segment(), 1..5).prop_map(|segments| segments.join("/"));
    // Few letters collide most.
    let tight = prop::collection::vec(
        prop::sample::select(vec!["a", "A", "a (2)", "A (3)", "a.b", ""]),
        1..5,
    )
    .prop_map(|segments| segments.join("/"));
    let keys = prop_oneof![
        prop::collection::vec(key, 0..40),
        prop::collection::vec(tight, 0..60)
    ];
    (keys, any::<bool>()).prop_map(|(mut keys, sorted)| {
        if sorted {
            keys.sort();
            keys.dedup();
        }
        keys
    })
}

fn names(keys: &[String]) -> Vec<String> {
    let mut namer = Namer::new("");
    keys.iter().map(|key| namer.name(key).to_string()).collect()
}

/// Whether a segment is safe, said without the code that makes it so.
fn is_safe(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap().trim_end().to_uppercase();
    let mut devices: Vec<String> = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .map(str::to_owned)
        .into();
    for port in ["COM", "LPT"] {
        devices.extend(
            "0123456789¹²³"
                .chars()
                .map(|number| format!("{port}{number}")),
        );
    }
    (1..=255).contains(&segment.len())
        && !segment.contains(|c: char| c.is_control() || r#"/\<>:"|?*"#.contains(c))
        && !segment.ends_with(['.', ' '])
        && !devices.contains(&stem)
}

proptest! {
    #[test]
    fn names_are_safe(keys in keys()) {
        for name in names(&keys) {
            prop_assert!(name.split('/').all(is_safe), "{name:?}");
            prop_assert!(name.len() <= 0xFFFF);
        }
    }

    #[test]
    fn names_are_unique_and_no_file_is_a_folder(keys in keys()) {
        let names = names(&keys);
        let files: HashSet<String> = names.iter().map(|name| fold(name)).collect();
        prop_assert_eq!(files.len(), names.len());
        for name in &files {
            for (slash, _) in name.match_indices('/') {
                prop_assert!(!files.contains(&name[..slash]), "{name:?} is in a file");
            }
        }
    }

    #[test]
    fn later_keys_change_no_earlier_name(keys in keys(), cut in any::<prop::sample::Index>()) {
        let all = names(&keys);
        let fewer = cut.index(keys.len() + 1);
        prop_assert_eq!(&names(&keys[..fewer]), &all[..fewer]);
    }

    #[test]
    fn a_safe_name_stays(segments in prop::collection::vec(segment(), 1..5)) {
        let name = names(&[segments.join("/")]).remove(0);
        prop_assert_eq!(&names(std::slice::from_ref(&name))[0], &name);
    }

    #[test]
    fn unique_names_stay(keys in keys()) {
        let once = names(&keys);
        prop_assert_eq!(&names(&once), &once);
    }

    #[test]
    fn numbers_are_the_first_free(keys in keys()) {
        let mut model = Model::default();
        let slow: Vec<String> = keys.iter().map(|key| model.name(key)).collect();
        prop_assert_eq!(names(&keys), slow);
    }
}
