use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Patterns::parse(&[pattern], 1000).unwrap().match_text(text)
}

fn malformed(pattern: &str) -> Malformed {
    Patterns::parse(&[pattern], 1000).unwrap_err().1
}

#[test]
fn what_matches_and_what_does_not() {
    for (pattern, those, others) in [
        ("*", &["", "a", "a/b", ".a"][..], &[][..]),
        ("*.pdf", &["a.pdf", "a/b.PDF", ".pdf"], &["a.pdfs", "pdf"]),
        ("a*b*c", &["abc", "a/b/b/c", "aXbcc"], &["acb", "xabc"]),
        (
            "a?c",
            &["abc", "a/c", "aäc", "a\u{1f600}c"],
            &["ac", "abbc"],
        ),
        ("[a-c]", &["a", "b", "C"], &["d", "ab", ""]),
        ("[!a-c]", &["d", "ä"], &["a", "B", "dd"]),
        ("[^a-c]x", &["dx", "/x"], &["ax"]),
        ("[]a-]", &["]", "a", "-"], &["b", "[]a-]"]),
        ("[!]]", &["a"], &["]"]),
        ("[*{,}]", &["*", "{", ",", "}"], &["a", ""]),
        ("ÜBER*", &["über uns.pdf", "ÜBER"], &["uber"]),
        ("\\*\\?\\[\\]\\{\\}\\,\\\\", &["*?[]{},\\"], &["a?[]{},\\"]),
        ("a]b,c!^-", &["a]b,c!^-"], &["ab"]),
        (
            "{a,b}.pdf",
            &["a.pdf", "b.pdf"],
            &["c.pdf", "{a,b}.pdf", ".pdf"],
        ),
        (
            "x{,y,{1,2}z}",
            &["x", "xy", "x1z", "x2z"],
            &["xz", "x1", "x1y"],
        ),
        ("{a,b}{c,d}", &["ac", "ad", "bc", "bd"], &["ab", "a", "cd"]),
        ("**/a", &["a", "b/a", "b/c/a"], &["ba", "b/ca"]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]),
        ("a/{**/,}b", &["a/b", "a/x/b"], &["a/xb"]),
        ("a**b", &["ab", "axb", "a/b"], &["a"]),
        ("a/**", &["a/b", "a/b/c"], &["a", "b/a"]),
        ("a/**/", &["a/b/", "a/b/c/"], &["a/b"]),
        ("***/a", &["x/a", "x/y/a"], &["a"]),
    ] {
        for text in those {
            assert!(matches(pattern, text), "{pattern:?} matches {text:?}");
        }
        for text in others {
            assert!(
                !matches(pattern, text),
                "{pattern:?} does not match {text:?}"
            );
        }
    }
}

#[test]
fn several_are_alternatives() {
    let patterns = Patterns::parse(&["*.pdf", "x/*"], 1000).unwrap();
    assert!(patterns.match_text("a.pdf") && patterns.match_text("x/a"));
    assert!(!patterns.match_text("a.txt"));
}

#[test]
fn malformed_ones_say_why() {
    for pattern in ["[", "[]", "[a", "[!", "[!]", "a[^]b"] {
        assert_eq!(malformed(pattern), Malformed::OpenClass, "{pattern}");
    }
    assert_eq!(malformed("[b-az]"), Malformed::Range('b', 'a'));
    assert_eq!(malformed("{a,{b}"), Malformed::OpenChoice);
    assert_eq!(malformed("a,b}"), Malformed::ClosedChoice);
    assert_eq!(malformed("a\\"), Malformed::Escape);
    let (pattern, _) = Patterns::parse(&["a", "b["], 1000).unwrap_err();
    assert_eq!(pattern, "b[");
    let told = Malformed::OpenChoice.to_string();
    assert_eq!(told, "a { has no } (for the character itself: \\{)");
}

#[test]
fn choices_are_bounded_together() {
    let many = Malformed::Choices { most: 1000 };
    assert_eq!(malformed(&"{a,b}".repeat(20)), many);
    assert_eq!(malformed(&"{,}".repeat(20)), many);
    assert_eq!(
        malformed(&format!("{{{}}}{}", ",".repeat(50), "x".repeat(50))),
        many
    );
    let half = "x".repeat(600);
    assert!(Patterns::parse(&[&half], 1000).is_ok());
    assert_eq!(Patterns::parse(&[&half, &half], 1000).unwrap_err().1, many);
}

#[test]
fn stars_and_choices_are_no_deeper_than_the_stack() {
    fn parse(pattern: &str) -> Result<Patterns, (&str, Malformed)> {
        Patterns::parse(&[pattern], 1 << 20)
    }
    let stars = parse(&"*a".repeat(1024)).unwrap();
    assert!(stars.match_text(&"a".repeat(1024)) && !stars.match_text(&"a".repeat(1023)));
    let nested = format!("{}a{}", "{".repeat(1024), "}".repeat(1024));
    assert!(parse(&nested).unwrap().match_text("a"));
    assert!(parse(&"*".repeat(5000)).unwrap().match_text("a"));
    for deep in ["*a".repeat(1025), "{a}".repeat(1025)] {
        assert_eq!(parse(&deep).unwrap_err().1, Malformed::Deep { count: 1025 });
    }
}

#[test]
fn many_stars_take_no_exponential_time() {
    assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
    assert!(!matches(&"**/a/".repeat(100), &"a/".repeat(99)));
    assert!(matches(&"*a".repeat(100), &"a".repeat(1000)));
    assert!(!matches(
        &format!("{}b", "*a".repeat(100)),
        &"a".repeat(1000)
    ));
}
