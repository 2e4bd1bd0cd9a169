//! Presigned URLs: what they allow, and what they refuse.

use std::time::{Duration, SystemTime};

use crate::target::Target;

async fn signed(target: &Target) -> String {
    target.put("a b.pdf", "content").await;
    target.presign("a b.pdf").await
}

async fn assert_refused(target: &Target, method: &str, url: &str) {
    let answer = target.fetch(method, url, &[]).await;
    // 403 on AWS; 400 on Garage where the URL has expired.
    assert!(
        [400, 403].contains(&answer.status),
        "{method} {url}: {}",
        answer.status
    );
}

pub async fn anybody_may_follow_a_url(target: &Target) {
    let url = signed(target).await;
    let answer = target.fetch("GET", &url, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "content");
}

/// So that a file saved from it has its own name.
pub async fn the_name_is_in_the_url(target: &Target) {
    let url = signed(target).await;
    let answer = target.fetch("GET", &url, &[]).await;
    let disposition = answer.headers.get("content-disposition");
    assert_eq!(
        disposition.map(|value| value.as_bytes()),
        Some(&b"attachment; filename=\"saved.pdf\""[..])
    );
}

/// What aria2 and every resuming client ask for.
pub async fn ranges_of_a_url_are_exact(target: &Target) {
    let url = signed(target).await;
    let answer = target.fetch("GET", &url, &[("range", "bytes=3-")]).await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.body, "tent");
    assert_eq!(answer.headers["content-range"], "bytes 3-6/7");
}

pub async fn a_url_expires(target: &Target) {
    target.put("a.pdf", "content").await;
    let two_hours = Duration::from_secs(2 * 3600);
    let expired = target
        .presign_at("a.pdf", SystemTime::now() - two_hours)
        .await;
    assert_refused(target, "GET", &expired).await;
}

pub async fn a_url_is_for_one_key(target: &Target) {
    let url = signed(target).await;
    target.put("other.pdf", "secret").await;
    let other = url.replacen("/a%20b.pdf?", "/other.pdf?", 1);
    assert_ne!(other, url);
    assert_refused(target, "GET", &other).await;
}

pub async fn a_url_is_for_one_method(target: &Target) {
    let url = signed(target).await;
    for method in ["PUT", "DELETE"] {
        assert_refused(target, method, &url).await;
    }
    let row = target.row("a b.pdf").await;
    assert_eq!(target.read(&row).await.unwrap(), b"content");
}

pub async fn a_url_cannot_be_prolonged(target: &Target) {
    let url = signed(target).await;
    let longer = url.replacen("X-Amz-Expires=3600", "X-Amz-Expires=36000", 1);
    assert_ne!(longer, url);
    assert_refused(target, "GET", &longer).await;
}
