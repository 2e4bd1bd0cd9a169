//! How long URLs live, and what is said about it.

use super::*;

#[test]
fn expiry_is_one_second_to_seven_days() {
    let week = 7 * 24 * 60 * 60;
    for seconds in [1, 900, week] {
        let asked = Duration::from_secs(seconds);
        assert_eq!(check_expiry(asked).unwrap(), asked);
    }
    for asked in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(week + 1),
        Duration::from_millis(week * 1000 + 1),
    ] {
        let error = check_expiry(asked).unwrap_err();
        assert!(matches!(error, ManifestError::InvalidExpiry { asked: is } if is == asked));
    }
    assert_eq!(
        check_expiry(Duration::from_secs(week + 1))
            .unwrap_err()
            .to_string(),
        "URLs cannot live for 604801 s: from 1 s to 604800 s (7 days) are possible"
    );
}

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_700_000_000 + second).unwrap()
}

#[test]
fn no_url_outlives_its_credentials() {
    assert_eq!(ends(at(900), at(900), at(2)), (at(900), None));
    assert_eq!(ends(at(900), at(901), at(2)), (at(900), None));
    let (expires_at, warning) = ends(at(900), at(300), at(2));
    assert_eq!(expires_at, at(300));
    let warning = warning.unwrap();
    assert!(warning.contains("end at 2023-11-14T22:18:20Z instead of 2023-11-14T22:28:20Z"));
}

#[test]
fn a_manifest_that_came_too_late_says_so() {
    assert!(
        ends(at(1), at(1), at(1))
            .1
            .unwrap()
            .contains("before the manifest was complete")
    );
    assert_eq!(ends(at(2), at(2), at(1)).1, None);
}

#[test]
fn published_manifests_are_written_in_the_words_of_the_contract() {
    let published = Published {
        bucket: "b".to_owned(),
        prefix: "p/".to_owned(),
        count: 2,
        bytes: 3,
        manifest_key: "manifests/x.jsonl".to_owned(),
        manifest_url: "http://x".to_owned(),
        expires_at: at(0),
        warning: None,
    };
    assert_eq!(
        serde_json::to_string(&published).unwrap(),
        r#"{"bucket":"b","prefix":"p/","count":2,"bytes":3,"manifest_key":"manifests/x.jsonl","manifest_url":"http://x","expires_at":"2023-11-14T22:13:20Z"}"#
    );
}
