use proptest::prelude::*;

use super::*;

const START: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#;

/// As AWS writes it, with what it may have in it.
fn document(row: &str) -> String {
    format!(
        "{START}<Name>b</Name><Prefix/><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>\
         <IsTruncated>true</IsTruncated>{row}<NextContinuationToken>1/a&amp;b==</NextContinuationToken>\
         </ListBucketResult>\n"
    )
}

const ROW: &str = "<Contents><Key>a+b%2F%C3%BC&amp;.pdf</Key><LastModified>2024-05-06T07:08:10.000Z</LastModified>\
    <ETag>&quot;e&#34;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
    <Size>12345678901</Size><Owner><ID>x</ID><DisplayName>y</DisplayName></Owner>\
    <StorageClass>GLACIER</StorageClass></Contents>";

fn row(document: &str) -> Option<Object> {
    Listed::read(document.as_bytes())?.rows.pop()
}

#[test]
fn a_page_is_read() {
    let listed = Listed::read(document(ROW).as_bytes()).unwrap();
    let object = Object {
        key: "a b/\u{fc}&.pdf".to_owned(),
        size: 12_345_678_901,
        etag: "\"e\"".to_owned(),
        modified: 1_714_979_290,
        has_crc32: true,
        has_part_crc32s: false,
        version_id: None,
        may_be_archived: false,
        archived: true,
    };
    let expected = Listed {
        rows: vec![object],
        truncated: true,
        next: Some("1/a&b==".to_owned()),
    };
    assert_eq!(listed, expected);
}

#[test]
fn what_says_more_of_a_row_is_heeded() {
    let with = |from: &str, to: &str| row(&document(&ROW.replace(from, to))).unwrap();
    assert!(with("FULL_OBJECT", "COMPOSITE").has_part_crc32s);
    assert!(!with("FULL_OBJECT", "COMPOSITE").has_crc32);
    assert!(!with("CRC32<", "CRC32C<").has_crc32);
    let restored = "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>\
        <RestoreExpiryDate>2030-01-01T00:00:00.000Z</RestoreExpiryDate></RestoreStatus></Contents>";
    assert!(!with("</Contents>", restored).archived);
    let restoring =
        "<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus></Contents>";
    assert!(with("</Contents>", restoring).archived);
    assert!(with("GLACIER", "INTELLIGENT_TIERING").may_be_archived);
    let plain = document(ROW).replace("<EncodingType>url</EncodingType>", "");
    assert_eq!(row(&plain).unwrap().key, "a+b%2F%C3%BC&.pdf");
    let spaced = document(ROW).replace("><", ">\n  <");
    assert_eq!(row(&spaced), row(&document(ROW)));
}

#[test]
fn an_empty_page_is_read() {
    let listed = Listed::read(
        format!("{START}<IsTruncated>false</IsTruncated></ListBucketResult>").as_bytes(),
    );
    assert_eq!(listed, Some(Listed::default()));
}

/// The SDK is to say what is wrong with these, or that nothing is.
#[test]
fn what_is_not_understood_is_left_alone() {
    let sound = document(ROW);
    let without = |element: &str| {
        let (before, rest) = sound.split_once(&format!("<{element}>")).unwrap();
        let (_, after) = rest.split_once(&format!("</{element}>")).unwrap();
        format!("{before}{after}")
    };
    for odd in [
        String::new(),
        "no xml".to_owned(),
        "<Error><Code>SlowDown</Code></Error>".to_owned(),
        without("Key"),
        without("Size"),
        without("ETag"),
        without("LastModified"),
        sound.replace("12345678901", "-1"),
        sound.replace("12345678901", "many"),
        sound.replace("2024-05", "2024-99"),
        sound.replace("%C3%BC", "%C3"),
        sound.replace("&amp;", "&unknown;"),
        sound.replace("&amp;", "&amp"),
        sound.replace("&#34;", "&#x110000;"),
        sound.replace("<Size>", "<!-- a comment --><Size>"),
        sound.replace("GLACIER", "<![CDATA[GLACIER]]>"),
        sound.replace("<Owner>", "<Owner id=\"a>b\">"),
        sound.replace("</Owner>", "</Other>"),
        sound.replace("</ListBucketResult>", ""),
        format!("{sound}<More/>"),
        format!("{START}{}", "<a>".repeat(100_000)),
    ] {
        assert_eq!(Listed::read(odd.as_bytes()), None, "{odd:.2000}");
    }
    assert_eq!(
        Listed::read(b"<ListBucketResult>\xff</ListBucketResult>"),
        None
    );
}

proptest! {
    /// Cut anywhere it is nothing, and nothing that comes makes it panic.
    #[test]
    fn a_part_of_a_page_is_none(cut in 0..10_000_usize, at in 0..10_000_usize, byte: u8) {
        let whole = document(&ROW.repeat(3)).into_bytes();
        let cut = cut % (whole.len() - 1);
        prop_assert_eq!(Listed::read(&whole[..cut]), None);
        let mut changed = whole.clone();
        changed[at % whole.len()] = byte;
        let _ = Listed::read(&changed);
    }
}
