//! What lists of keys are read as, and what is refused.

use super::*;

const KEY: &str = "0123456789abcdef";

#[test]
fn keys_are_read_and_found() {
    let hashed = format!(
        "# for the portal\nportal:sha256:{} scope=docs/a%20b/ scope=more rate=5/m running=2",
        digest("sheaf_portal")
    );
    let keys = ApiKeys::parse(&format!("{KEY}, another-key-of-somebody,\n{hashed}\n")).unwrap();
    assert_eq!(keys.find(KEY).unwrap().name, "key1");
    assert_eq!(keys.find("another-key-of-somebody").unwrap().name, "key2");
    let portal = keys.find("sheaf_portal").unwrap();
    assert_eq!(portal.name, "portal");
    assert_eq!(
        portal.scopes,
        [("docs", "a b/"), ("more", "")].map(|(bucket, prefix)| Scope {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    );
    for none in [
        "0123456789abcdeF",
        "0123456789abcde",
        "",
        &digest("sheaf_portal"),
    ] {
        assert!(keys.find(none).is_none(), "{none}");
    }
    assert!(ApiKeys::parse(" ,\n# nothing\n").unwrap().is_empty());
    assert_eq!(format!("{keys:?}"), "ApiKeys(3 keys)");
}

#[test]
fn scopes_hold_what_begins_with_them() {
    let scope = Scope::parse("docs/a/").unwrap();
    assert!(scope.holds("docs", "a/") && scope.holds("docs", "a/b"));
    for (bucket, prefix) in [
        ("docs", ""),
        ("docs", "a"),
        ("docs", "b/a/"),
        ("other", "a/"),
    ] {
        assert!(!scope.holds(bucket, prefix), "{bucket}/{prefix}");
    }
    assert!(Scope::parse("Not A Bucket/x").is_none());
}

#[test]
fn bad_keys_are_named_by_number_and_never_shown() {
    let parse = |list: &str| ApiKeys::parse(list).unwrap_err();
    let hash = digest("x");
    let short = parse("0123456789abcdef,tooshort");
    assert_eq!(
        short,
        InvalidApiKeys::Short {
            number: 2,
            length: 8
        }
    );
    assert!(!short.to_string().contains("tooshort"));
    assert_eq!(
        parse("0123456789 abcdef"),
        InvalidApiKeys::Unsendable { number: 1 }
    );
    assert_eq!(parse("a:sha256:00"), InvalidApiKeys::Digest { number: 1 });
    assert_eq!(
        parse(&format!("a b:sha256:{hash}")),
        InvalidApiKeys::Unsendable { number: 1 }
    );
    assert_eq!(
        parse(&format!("ä:sha256:{hash}")),
        InvalidApiKeys::Name { number: 1 }
    );
    let twice = format!("a:sha256:{hash},a:sha256:{hash}");
    assert_eq!(parse(&twice), InvalidApiKeys::Name { number: 2 });
    for option in [
        "scop=a",
        "scope=/x",
        "rate=5",
        "rate=0/s",
        "running=0",
        "running",
    ] {
        let error = parse(&format!("a:sha256:{hash} {option}"));
        assert!(
            matches!(error, InvalidApiKeys::Option { number: 1, .. }),
            "{option}"
        );
    }
}
