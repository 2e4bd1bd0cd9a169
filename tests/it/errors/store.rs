//! What the store refuses, and what it says that makes no sense.

use super::{manifest, unwritten, zip};
use crate::support::problem::Problem;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

/// A store with one object, and a server over it.
async fn started(object: SyntheticObject) -> (Synthetic, Server) {
    let store = Synthetic::start([object], Options::default()).await;
    let server = Server::over(&store.endpoint());
    (store, server)
}

/// Every listing ends like this, for archives as for manifests, and nothing is written.
async fn listing(fault: Fault, status: u16, kind: &str, words: &[&str]) {
    let (store, server) = started(SyntheticObject::new("a.pdf", 10)).await;
    store.faults().add(Rule::new(Target::ListPage(1), fault));
    for problem in [zip(&server, "").await, manifest(&server, "{}").await] {
        let problem = problem.is(status, kind, words);
        let retry_after = problem.headers.get("retry-after");
        assert_eq!(retry_after.is_some(), status == 503);
        if let Some(seconds) = retry_after {
            assert!(seconds.to_str().unwrap().parse::<u32>().unwrap() > 0);
        }
    }
    unwritten(&store);
}

#[tokio::test]
async fn buckets_that_are_not_there() {
    let (store, server) = started(SyntheticObject::new("a.pdf", 10)).await;
    let words = &["ListObjectsV2", "s3://elsewhere", "does not exist"];
    zip(&server, "?bucket=elsewhere")
        .await
        .is(404, "no-such-bucket", words);
    manifest(&server, "{\"bucket\":\"elsewhere\"}")
        .await
        .is(404, "no-such-bucket", words);
    unwritten(&store);
}

#[tokio::test]
async fn access_denied_names_the_permission() {
    listing(
        Fault::Answer(Failure::ACCESS_DENIED),
        403,
        "store-access-denied",
        &["s3:ListBucket", "s3://bench"],
    )
    .await;
    let (store, server) = started(SyntheticObject::new("a.pdf", 10)).await;
    store
        .faults()
        .add(Rule::get("a.pdf", Failure::ACCESS_DENIED));
    let words = &["s3:GetObject", "s3://bench/a.pdf"];
    zip(&server, "").await.is(403, "store-access-denied", words);
    unwritten(&store);
    let put = Target::Every(Operation::PutObject);
    let denied = Fault::Answer(Failure::ACCESS_DENIED);
    store.faults().add(Rule::new(put, denied));
    let words = &["s3:PutObject", "s3://bench/manifests/"];
    manifest(&server, "{}")
        .await
        .is(403, "store-access-denied", words);
    assert_eq!(store.keys(), ["a.pdf"]);
}

#[tokio::test]
async fn bad_credentials() {
    for failure in [
        Failure::INVALID_ACCESS_KEY_ID,
        Failure::SIGNATURE_DOES_NOT_MATCH,
        Failure::EXPIRED_TOKEN,
        Failure::SIGNED_BY_NOBODY,
    ] {
        let words = &["refuses the credentials", failure.code];
        listing(Fault::Answer(failure), 502, "store-credentials", words).await;
    }
}

#[tokio::test]
async fn wrong_regions() {
    for failure in [
        Failure::PERMANENT_REDIRECT,
        Failure::SIGNED_FOR_ANOTHER_REGION,
    ] {
        let words = &["eu-west-1", "AWS_REGION"];
        listing(Fault::Answer(failure), 502, "wrong-region", words).await;
    }
}

#[tokio::test]
async fn busy_stores() {
    for failure in [Failure::SLOW_DOWN, Failure::SERVICE_UNAVAILABLE] {
        let words = &["slow down"];
        listing(Fault::Answer(failure), 503, "store-throttled", words).await;
    }
}

#[tokio::test]
async fn broken_stores() {
    let words = &["500", "InternalError"];
    let fault = Fault::Answer(Failure::INTERNAL_ERROR);
    listing(fault, 502, "store-failed", words).await;
    // What a proxy or a portal puts in the way.
    for document in ["<html><p>Please log in</html>", "Welcome", ""] {
        let fault = Fault::Instead(document.to_owned());
        let words = &["ListObjectsV2 of s3://bench", "right endpoint?"];
        listing(fault, 502, "store-failed", words).await;
    }
}

fn page(keys: &[&str], next: Option<&str>) -> String {
    let row = |key: &&str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2024-05-06T07:08:10.000Z</LastModified>\
             <ETag>\"e\"</ETag><Size>3</Size></Contents>"
        )
    };
    let rows: String = keys.iter().map(row).collect();
    let next = next.map(|token| {
        format!(
            "<NextContinuationToken>{token}</NextContinuationToken><IsTruncated>true</IsTruncated>"
        )
    });
    let next = next.unwrap_or_default();
    format!("<ListBucketResult><EncodingType>url</EncodingType>{next}{rows}</ListBucketResult>")
}

#[tokio::test]
async fn listings_that_make_no_sense() {
    let lacks = |element: &str| {
        let whole = page(&["a.pdf"], None);
        let start = whole.find(&format!("<{element}>")).unwrap();
        let end = whole.find(&format!("</{element}>")).unwrap() + element.len() + 3;
        format!("{}{}", &whole[..start], &whole[end..])
    };
    for (page, words) in [
        (page(&["b.pdf", "a.pdf"], None), "byte order"),
        (page(&["a.pdf", "a.pdf"], None), "byte order"),
        (page(&["%FF.pdf"], None), "UTF-8"),
        (lacks("Key"), "no key"),
        (lacks("Size"), "no size"),
        (lacks("ETag"), "no ETag"),
        (lacks("LastModified"), "no modification time"),
        (
            page(&["a.pdf"], Some("2-61")).replace("NextContinuationToken", "Other"),
            "names no next one",
        ),
    ] {
        listing(Fault::Instead(page), 502, "store-failed", &[words]).await;
    }
}

#[tokio::test]
async fn listings_that_turn_back() {
    let (store, server) = started(SyntheticObject::new("z", 10)).await;
    for (second, words) in [
        (page(&["a.txt"], None), "byte order"),
        (page(&["b.txt"], Some("3-63")), "byte order"),
        (page(&["c.txt"], Some("2-62")), "names itself"),
        (page(&[], Some("2-62")), "names itself"),
    ] {
        store.faults().clear();
        let first = page(&["a.txt", "b.txt"], Some("2-62"));
        for (number, page) in [(1, first), (2, second)] {
            let rule = Rule::new(Target::ListPage(number), Fault::Instead(page));
            store.faults().add(rule);
        }
        zip(&server, "").await.is(502, "store-failed", &[words]);
        manifest(&server, "{}")
            .await
            .is(502, "store-failed", &[words]);
    }
    unwritten(&store);
}

#[tokio::test]
async fn objects_that_change_under_way() {
    let (store, server) = started(SyntheticObject::new("a.pdf", 10)).await;
    for (failure, words) in [
        (Failure::PRECONDITION_FAILED, "was replaced"),
        (Failure::NO_SUCH_KEY, "does not exist"),
    ] {
        store.faults().clear();
        store.faults().add(Rule::get("a.pdf", failure));
        let words = &[words, "s3://bench/a.pdf"];
        zip(&server, "").await.is(409, "object-changed", words);
    }
    unwritten(&store);
}

#[tokio::test]
async fn objects_that_are_not_what_their_checksum_says() {
    let object = SyntheticObject::new("a.pdf", 10);
    let wrong = object.crc32() ^ 1;
    let (store, server) = started(object.checksum(Checksum::Claimed(wrong))).await;
    let claim = format!("{wrong:08x}");
    let words = &["s3://bench/a.pdf", claim.as_str()];
    zip(&server, "").await.is(502, "wrong-checksum", words);
    unwritten(&store);
}

#[tokio::test]
async fn readiness_follows_the_store() {
    let (store, server) = started(SyntheticObject::new("a.pdf", 10)).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    for (failure, kind) in [
        (Failure::ACCESS_DENIED, "store-access-denied"),
        (Failure::NO_SUCH_BUCKET, "no-such-bucket"),
        (Failure::PERMANENT_REDIRECT, "wrong-region"),
    ] {
        store.faults().clear();
        let head = Target::Every(Operation::HeadBucket);
        store.faults().add(Rule::new(head, Fault::Answer(failure)));
        Problem::of(&server.get("/readyz").await).is(503, kind, &["bench"]);
        assert_eq!(server.get("/healthz").await.status, 200);
    }
}
