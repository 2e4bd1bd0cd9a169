//! Safe paths, by example. Each key here is the only one of its selection.

use super::super::Namer;
use super::super::name::{PATH_MAX, SEGMENT_MAX, numbered, split_extension};

fn safe(key: &str) -> String {
    Namer::new("").name(key).to_string()
}

#[track_caller]
fn assert_safe(key: &str, expected: &str) {
    assert_eq!(safe(key), expected, "{key:?}");
    assert_eq!(safe(expected), expected, "safe already");
}

#[test]
fn ordinary_names_stay() {
    for name in [
        "a",
        "a/b/c.pdf",
        ".profile",
        "-rf",
        "Zoë/日本語.pdf",
        "a b",
        "~",
        "$HOME",
        "..a",
        "a..b",
        " a",
    ] {
        assert_safe(name, name);
    }
}

#[test]
fn segments_that_lead_elsewhere_go() {
    assert_safe("/etc/passwd", "etc/passwd");
    assert_safe("../../etc/passwd", "etc/passwd");
    assert_safe("a/../b", "a/b");
    assert_safe("a/./b", "a/b");
    assert_safe("a//b", "a/b");
    assert_safe("a/..", "a");
}

#[test]
fn a_key_that_leaves_nothing_has_a_name() {
    for key in [
        "", "/", "//", ".", "..", "../", "./../", "C:", "C:/", "C:..",
    ] {
        assert_safe(key, "_");
    }
}

#[test]
fn a_folder_with_content_is_a_file() {
    assert_safe("a/", "a");
    assert_safe("a/b/", "a/b");
}

#[test]
fn drive_letters_go() {
    assert_safe("C:notes.txt", "notes.txt");
    assert_safe("c:/windows/x", "windows/x");
    assert_safe("/C:/x", "x");
    assert_safe("C:../x", "x");
    assert_safe(r"C:\x", "_x");
    assert_safe("a/C:/x", "a/C_/x");
    assert_safe("C:D:x", "D_x");
    assert_safe("1:x", "1_x");
    assert_safe("é:x", "é_x");
}

#[test]
fn backslashes_separate_nothing() {
    assert_safe(r"..\..\x", ".._.._x");
    assert_safe(r"\\server\share", "__server_share");
}

#[test]
fn forbidden_characters_are_replaced() {
    assert_safe("a<b>c:d\"e|f?g*h", "a_b_c_d_e_f_g_h");
    assert_safe("\0\u{1}\n\r\t\u{1b}\u{7f}\u{80}\u{85}\u{9f}", "__________");
    assert_safe("a\u{a0}b", "a\u{a0}b");
}

#[test]
fn dots_and_spaces_at_the_end_are_replaced() {
    assert_safe("a.", "a_");
    assert_safe("a. .", "a___");
    assert_safe("...", "___");
    assert_safe(" ", "_");
    assert_safe(".. ", "___");
    assert_safe("a /b./c", "a_/b_/c");
}

#[test]
fn windows_devices_are_defused() {
    assert_safe("CON", "CON_");
    assert_safe("con.txt", "con_.txt");
    assert_safe("nUl.tar.gz", "nUl_.tar.gz");
    assert_safe("aux  .txt", "aux_  .txt");
    assert_safe("a/prn/b", "a/prn_/b");
    assert_safe("COM0", "COM0_");
    assert_safe("com9.x", "com9_.x");
    assert_safe("LPT¹", "LPT¹_");
    assert_safe("lpt³.pdf", "lpt³_.pdf");
    assert_safe("conin$", "conin$_");
    assert_safe("CONOUT$.x", "CONOUT$_.x");
    // These open nothing.
    for name in [
        "CONS", "COM", "COM10", "COM⁴", "LPTx", "a.con", "xCON", "CON_", "com1x.a",
    ] {
        assert_safe(name, name);
    }
    // These no longer do.
    assert_safe("CON.", "CON_");
    assert_safe("CON ", "CON_");
    assert_safe("CON:", "CON_");
}

#[test]
fn long_segments_are_cut_before_their_extension() {
    let stem = |len| "x".repeat(len);
    assert_safe(&stem(255), &stem(255));
    assert_safe(&stem(256), &stem(255));
    assert_safe(&format!("{}.pdf", stem(300)), &format!("{}.pdf", stem(251)));
    assert_safe(
        &format!("a/{}.pdf/b", stem(300)),
        &format!("a/{}.pdf/b", stem(251)),
    );
    // Never within a character: 85 × 3 bytes fit, 84 × 3 and the extension do.
    assert_safe(&"日".repeat(86), &"日".repeat(85));
    assert_safe(
        &format!("{}.é", "日".repeat(85)),
        &format!("{}.é", "日".repeat(84)),
    );
    // What is too long for an extension is none.
    let sentence = format!("{}.{}", stem(250), "y".repeat(16));
    assert_safe(&sentence, &sentence[..255]);
    // The underscore of a device may be what is too much.
    let device = format!("CON.{}", stem(251));
    assert_safe(&device, &format!("CON_.{}", stem(250)));
}

#[test]
fn a_cut_lays_nothing_bare() {
    let spaces = format!("{}{}x", "a".repeat(250), ". ".repeat(10));
    assert_safe(&spaces, &format!("{}_____", "a".repeat(250)));
    // Cut before the `x`, this would be the device again.
    let device = format!("CON{}x.pdf", " ".repeat(300));
    assert_safe(&device, &format!("CON{}.pdf", "_".repeat(248)));
}

#[test]
fn long_paths_lose_their_first_segments() {
    let segment = format!("{}/", "x".repeat(200));
    let path = format!("first/{}last.pdf", segment.repeat(30));
    let kept = safe(&path);
    assert!(kept.len() <= PATH_MAX && kept.len() > PATH_MAX - 256);
    assert!(path.ends_with(&format!("/{kept}")));
    assert_safe(&path, &kept);
    // At the limit, and one above.
    let exact = format!("{}{}", "ab/".repeat(1365), "c");
    assert_eq!(exact.len(), PATH_MAX);
    assert_safe(&exact, &exact);
    assert_safe(&format!("{exact}d"), &format!("{}d", &exact[3..]));
}

#[test]
fn extensions() {
    assert_eq!(split_extension("a.pdf"), ("a", ".pdf"));
    assert_eq!(split_extension("a.tar.gz"), ("a.tar", ".gz"));
    assert_eq!(split_extension("a.日本"), ("a", ".日本"));
    assert_eq!(
        split_extension("a.123456789012345"),
        ("a", ".123456789012345")
    );
    for none in [
        "a",
        ".profile",
        "a.",
        "a.1234567890123456",
        "No. 5",
        "a.b-c",
        "a.b_",
    ] {
        assert_eq!(split_extension(none), (none, ""));
    }
}

#[test]
fn numbers_stand_before_the_extension() {
    assert_eq!(numbered("a.pdf", 2), "a (2).pdf");
    assert_eq!(numbered("a", 10), "a (10)");
    assert_eq!(numbered(".profile", 2), ".profile (2)");
    let long = format!("{}.pdf", "x".repeat(251));
    assert_eq!(numbered(&long, 2), format!("{} (2).pdf", "x".repeat(247)));
    assert_eq!(numbered(&long, u64::MAX).len(), SEGMENT_MAX);
}
