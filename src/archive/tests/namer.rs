//! Uniqueness, by example.

use super::super::Namer;

fn names<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut namer = Namer::new("");
    keys.into_iter()
        .map(|key| namer.name(key.as_ref()).to_string())
        .collect()
}

#[test]
fn the_prefix_is_cut_at_its_last_slash() {
    let name = |prefix, key| Namer::new(prefix).name(key).to_string();
    assert_eq!(name("", "a/b"), "a/b");
    assert_eq!(name("a/", "a/b"), "b");
    assert_eq!(name("a/b", "a/bc/d"), "bc/d");
    assert_eq!(name("a", "abc"), "abc");
    assert_eq!(name("a/b/", "a/b/"), "_");
}

#[test]
fn equal_names_are_numbered() {
    assert_eq!(
        names(["a.pdf", "./a.pdf", "x/a.pdf", "a.pdf/", "//a.pdf"]),
        ["a.pdf", "a (2).pdf", "x/a.pdf", "a (3).pdf", "a (4).pdf"]
    );
}

#[test]
fn case_does_not_tell_names_apart() {
    assert_eq!(
        names(["A.pdf", "a.PDF", "STRASSE", "straße", "ΣΊΣΥΦΟΣ", "σίσυφος"]),
        [
            "A.pdf",
            "a (2).PDF",
            "STRASSE",
            "straße (2)",
            "ΣΊΣΥΦΟΣ",
            "σίσυφος (2)"
        ]
    );
}

#[test]
fn normalisation_does_not_tell_names_apart() {
    let (composed, decomposed) = ("\u{e9}.pdf", "E\u{301}.pdf");
    assert_eq!(
        names([composed, decomposed]),
        [composed, "E\u{301} (2).pdf"]
    );
    // Only decomposing before and after folding finds these equal.
    let (iota, psili) = ("\u{3b1}\u{345}\u{301}", "\u{3b1}\u{301}\u{3b9}");
    assert_eq!(names([iota, psili]), [iota, &format!("{psili} (2)")]);
}

#[test]
fn folders_may_differ_in_case() {
    assert_eq!(names(["A/x", "a/x", "a/y"]), ["A/x", "a/x (2)", "a/y"]);
}

#[test]
fn numbers_that_are_taken_are_passed_over() {
    assert_eq!(
        names([
            "a (2).pdf",
            "a (4)",
            "a.pdf",
            "A.pdf",
            "A.PDF",
            "a",
            "A",
            "a/",
            "./a"
        ]),
        [
            "a (2).pdf",
            "a (4)",
            "a.pdf",
            "A (3).pdf",
            "A (4).PDF",
            "a",
            "A (2)",
            "a (3)",
            "a (5)"
        ]
    );
}

#[test]
fn a_folder_gives_way_to_a_file_that_came_first() {
    assert_eq!(
        names([
            "a.pdf",
            "a.pdf/b.pdf",
            "a.pdf/c.pdf",
            "A.PDF/d",
            "a.pdf/x/y"
        ]),
        [
            "a.pdf",
            "a (2).pdf/b.pdf",
            "a (2).pdf/c.pdf",
            "A (2).PDF/d",
            "a (2).pdf/x/y"
        ]
    );
}

#[test]
fn a_file_gives_way_to_a_folder_that_came_first() {
    assert_eq!(
        names(["a/b", "A", "a (2)/c", "x/y/z", "x//y", "X"]),
        ["a/b", "A (2)", "a (2) (2)/c", "x/y/z", "x/y (2)", "X (2)"]
    );
}

#[test]
fn a_moved_folder_takes_a_name_of_its_own() {
    assert_eq!(
        names(["a", "a (2)/y", "a (3)", "a/x", "./a/x"]),
        ["a", "a (2)/y", "a (3)", "a (4)/x", "a (4)/x (2)"]
    );
}

#[test]
fn a_moved_folder_gives_way_once_more() {
    // 87 letters in 87 bytes and in 255: equal, but only the long one is cut to make room for a number.
    let short = "k".repeat(87);
    let long = format!("{}kkk", "\u{212a}".repeat(84));
    let cut = "\u{212a}".repeat(83);
    let keys = [
        short.clone(),
        format!("{short} (2)"),
        format!("{long}/x"),
        format!("{short}/y"),
        format!("{short}/z"),
    ];
    let expected = [
        short.clone(),
        format!("{short} (2)"),
        format!("{cut} (2)/x"),
        format!("{short} (3)/y"),
        format!("{short} (3)/z"),
    ];
    assert_eq!(names(keys), expected);
}

#[test]
fn numbers_stay_within_a_segment() {
    let key = format!("{}.pdf", "x".repeat(300));
    let names = names(std::iter::repeat_n(key, 12));
    assert_eq!(names[0], format!("{}.pdf", "x".repeat(251)));
    assert_eq!(names[1], format!("{} (2).pdf", "x".repeat(247)));
    assert_eq!(names[11], format!("{} (12).pdf", "x".repeat(246)));
}

#[test]
fn many_namesakes_take_no_time() {
    // Trying all numbers each time would take minutes.
    let names = names((0..50_000).map(|_| "x.pdf"));
    assert_eq!(names[49_999], "x (50000).pdf");
}

#[test]
fn many_names_that_meet_when_they_are_cut_take_no_time() {
    // Each name comes twice, and the second ones all have the same cut stem.
    let stem = "x".repeat(251);
    let names = names((0..40_000).map(|i| format!("{stem}{:04x}", i / 2)));
    assert_eq!(names[39_999], format!("{} (20001)", "x".repeat(247)));
}

#[test]
fn hashes_are_the_same_everywhere() {
    use super::super::fold::Folded;
    // A test vector of FNV-1a, by which versions and replicas agree on names.
    let hash = format!("{:x?}", Folded::ROOT.file("fooBAR"));
    assert_eq!(hash, "Folded(85944171f73967e8)");
}
