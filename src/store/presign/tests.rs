//! Every URL is the SDK's, byte for byte.

use aws_sdk_s3::config::Credentials;
use proptest::prelude::*;

use super::*;
use crate::store::{Identity, StoreOptions};

async fn store(options: StoreOptions, token: Option<&str>) -> Store {
    let token = token.map(str::to_owned);
    let keys = Credentials::new("AKIDEXAMPLE", "secret/+=", token, None, "test");
    let options = StoreOptions {
        identity: Identity::Keys(keys),
        region: Some("eu-central-1".to_owned()),
        ..options
    };
    Store::connect(&options).await.unwrap()
}

fn at(unix: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix)
}

/// Stores that make URLs of different forms.
async fn stores() -> Vec<Store> {
    let elsewhere = StoreOptions {
        endpoint: Some("http://127.0.0.1:9000/below".to_owned()),
        ..StoreOptions::default()
    };
    let public = StoreOptions {
        public_endpoint: Some("https://files.example.org".to_owned()),
        endpoint: Some("http://garage:3900".to_owned()),
        ..StoreOptions::default()
    };
    let paid = StoreOptions {
        requester_pays: true,
        ..StoreOptions::default()
    };
    let token = "FwoGZXIvYXdzE//+=/session token";
    vec![
        store(StoreOptions::default(), None).await,
        store(StoreOptions::default(), Some(token)).await,
        store(elsewhere, None).await,
        store(public, Some(token)).await,
        store(paid, None).await,
    ]
}

async fn same(
    store: &Store,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    disposition: Option<&str>,
) {
    let bucket = Bucket::new(bucket).unwrap();
    let (now, life) = (at(1_714_979_290), Duration::from_secs(900));
    let signer = store.signer(&bucket, now, life).await.unwrap();
    let sample = store.sdk_url(&bucket, &SAMPLE, now, life).await.unwrap();
    assert!(signer.template.is_some(), "{sample}");
    let subject = Subject {
        key,
        version,
        disposition,
    };
    let sdk = store.sdk_url(&bucket, &subject, now, life).await.unwrap();
    assert_eq!(signer.url(&subject).await.unwrap(), sdk);
}

#[tokio::test]
async fn urls_are_those_of_the_sdk() {
    let keys = [
        "a.pdf",
        "/a",
        "a//b",
        "a/../b",
        "ü/書.pdf",
        "a b+c%2F&=?#'()*!~_-.",
        "\u{1}\u{7f}\u{10FFFF}",
        "sample",
        "sampledisposition",
    ];
    for store in stores().await {
        for bucket in ["my-bucket", "my.bucket", "Old_Bucket"] {
            for key in keys {
                same(
                    &store,
                    bucket,
                    key,
                    None,
                    Some("attachment; filename=\"a b.pdf\"; filename*=UTF-8''%C3%BC.pdf"),
                )
                .await;
            }
            same(&store, bucket, "a.pdf", None, None).await;
            same(&store, bucket, "a.pdf", Some("null"), Some("x")).await;
            same(
                &store,
                bucket,
                "a.pdf",
                Some("3HL4kqtJvjVBH40Nrjfkd+/="),
                None,
            )
            .await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_key_and_any_name(key in "\\PC{0,40}[a-z]", disposition in proptest::option::of("\\PC{0,40}")) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = store(StoreOptions::default(), Some("token")).await;
            same(&store, "my-bucket", &key, None, disposition.as_deref()).await;
        });
    }
}

#[tokio::test]
async fn the_end_is_that_of_the_session() {
    let now = SystemTime::now();
    for (session, end) in [(None, 900), (Some(600), 600), (Some(3600), 900)] {
        let expiry = session.map(|seconds| now + Duration::from_secs(seconds));
        let options = StoreOptions {
            identity: Identity::Keys(Credentials::new(
                "a",
                "s",
                Some("t".to_owned()),
                expiry,
                "test",
            )),
            ..StoreOptions::default()
        };
        let store = Store::connect(&options).await.unwrap();
        let bucket = Bucket::new("my-bucket").unwrap();
        let signer = store
            .signer(&bucket, now, Duration::from_secs(900))
            .await
            .unwrap();
        assert_eq!(signer.ends(), now + Duration::from_secs(end));
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_signed() {
    let options = StoreOptions {
        identity: Identity::Anonymous,
        ..StoreOptions::default()
    };
    let store = Store::connect(&options).await.unwrap();
    let bucket = Bucket::new("my-bucket").unwrap();
    let signer = store.signer(&bucket, SystemTime::now(), LONGEST).await;
    let error = signer.err().expect("nobody signs");
    assert!(
        matches!(error.kind, StoreErrorKind::NoCredentials { .. }),
        "{error}"
    );
}
