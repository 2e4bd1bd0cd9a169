//! Answers that AWS gives and the stores here do not, by script: what sheaf makes of them.

use futures::TryStreamExt;
use sheaf::store::{Bucket, Identity, Object, Store, StoreError, StoreErrorKind, StoreOptions};

use crate::support::sdk;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::{Checksum, Restore, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

struct Scripted {
    aws: Synthetic,
    store: Store,
    bucket: Bucket,
}

impl Scripted {
    async fn start(objects: impl IntoIterator<Item = SyntheticObject>) -> Scripted {
        let aws = Synthetic::start(objects, Options::default()).await;
        let options = StoreOptions {
            endpoint: Some(aws.endpoint()),
            region: Some("us-east-1".to_owned()),
            identity: Identity::Keys(sdk::credentials("test", "test")),
            ..StoreOptions::default()
        };
        Scripted {
            store: Store::connect(&options).await.unwrap(),
            bucket: Bucket::new("bench").unwrap(),
            aws,
        }
    }

    async fn list(&self) -> Result<Vec<Object>, StoreError> {
        self.store.list(&self.bucket, "").try_concat().await
    }

    /// What the listing says when the store answers every page with `failure`.
    async fn refused(&self, failure: Failure) -> StoreErrorKind {
        let fault = Fault::Answer(failure);
        let rule = Rule::new(Target::Every(Operation::List), fault);
        self.aws.faults().add(rule);
        self.list().await.expect_err("it is refused").kind
    }
}

#[tokio::test]
async fn only_a_whole_objects_crc32_is_believed() {
    let composite = Checksum::Composite { part_size: 4000 };
    let full = SyntheticObject::new("a-full", 10_000).checksum(Checksum::FullObject);
    let truth = full.crc32();
    let scripted = Scripted::start([
        full,
        SyntheticObject::new("b-composite", 10_000).checksum(composite),
        SyntheticObject::new("c-none", 10_000),
    ])
    .await;
    let rows = scripted.list().await.unwrap();
    let announced: Vec<bool> = rows.iter().map(|row| row.has_crc32).collect();
    assert_eq!(announced, [true, false, false]);
    for (row, expected) in rows.iter().zip([Some(truth), None, None]) {
        let (store, bucket) = (&scripted.store, &scripted.bucket);
        let head = store.head_of(bucket, row).await.unwrap().crc32;
        let whole = store.get(bucket, row, 0..row.size, true).await.unwrap();
        assert_eq!((head, whole.crc32()), (expected, expected), "{}", row.key);
    }
}

#[tokio::test]
async fn archived_objects_are_told_apart() {
    let objects = [
        ("a-standard", "STANDARD", None, false),
        ("b-cold", "GLACIER", None, true),
        ("c-colder", "DEEP_ARCHIVE", None, true),
        ("d-thawing", "GLACIER", Some(Restore::InProgress), true),
        ("e-thawed", "DEEP_ARCHIVE", Some(Restore::Done), false),
        ("f-instant", "GLACIER_IR", None, false),
    ];
    let made = objects
        .map(|(key, class, restore, _)| SyntheticObject::new(key, 7).archived(class, restore));
    let scripted = Scripted::start(made).await;
    for (row, (key, _, _, archived)) in scripted.list().await.unwrap().iter().zip(objects) {
        assert_eq!((row.key.as_str(), row.archived), (key, archived));
        let read = scripted.store.get(&scripted.bucket, row, 0..7, false).await;
        let refused = read.is_err_and(|error| matches!(error.kind, StoreErrorKind::Archived));
        assert_eq!(refused, archived, "{key}");
    }
}

#[tokio::test]
async fn a_store_that_asks_to_slow_down_is_asked_again() {
    let scripted = Scripted::start([SyntheticObject::new("a", 7)]).await;
    let slow_down = Fault::Answer(Failure::SLOW_DOWN);
    let rule = Rule::new(Target::Every(Operation::List), slow_down).times(1);
    scripted.aws.faults().add(rule);
    assert_eq!(scripted.list().await.unwrap().len(), 1);
    let kind = scripted.refused(Failure::SLOW_DOWN).await;
    assert!(matches!(kind, StoreErrorKind::Throttled), "{kind}");
}

#[tokio::test]
async fn a_bucket_elsewhere_names_its_region() {
    for failure in [
        Failure::PERMANENT_REDIRECT,
        Failure::SIGNED_FOR_ANOTHER_REGION,
    ] {
        let scripted = Scripted::start([]).await;
        let kind = scripted.refused(failure).await;
        match &kind {
            StoreErrorKind::WrongRegion { region } => {
                assert_eq!(region.as_deref(), Some("eu-west-1"));
            }
            _ => panic!("{kind}"),
        }
        let asked = scripted.aws.requests().count(Operation::List);
        assert_eq!(asked, 1, "asking again is no use");
    }
}

#[tokio::test]
async fn an_expired_session_is_told() {
    let scripted = Scripted::start([]).await;
    let kind = scripted.refused(Failure::EXPIRED_TOKEN).await;
    match &kind {
        StoreErrorKind::BadCredentials { code } => assert_eq!(code, "ExpiredToken"),
        _ => panic!("{kind}"),
    }
}
