//! Who may not.

use crate::support::sdk;
use crate::target::{Target, refusal};

pub async fn strangers_are_refused(target: &Target) {
    target.put("a.pdf", "content").await;
    let bucket = format!("{}/{}", target.endpoint, target.bucket);
    for url in [
        format!("{bucket}/{}", target.key("a.pdf")),
        format!("{bucket}/?list-type=2"),
    ] {
        let answer = target.fetch("GET", &url, &[]).await;
        assert_eq!(answer.status, 403, "{url}");
    }
}

pub async fn a_wrong_secret_is_refused(target: &Target) {
    let wrong = "00".repeat(32);
    let s3 = target.s3_with(sdk::credentials(target.credentials.access_key_id(), &wrong));
    let listed = s3.list_objects_v2().bucket(target.bucket.as_str());
    assert_eq!(
        refusal(listed.send().await),
        (403, "SignatureDoesNotMatch".to_owned())
    );
}

pub async fn an_unknown_key_is_refused(target: &Target) {
    let secret = target.credentials.secret_access_key();
    let s3 = target.s3_with(sdk::credentials("GK0f0f0f0f0f0f0f0f0f0f0f0f", secret));
    let listed = s3.list_objects_v2().bucket(target.bucket.as_str());
    assert_eq!(
        refusal(listed.send().await),
        (403, "InvalidAccessKeyId".to_owned())
    );
}
