//! Trouble on the way to a package: it passes, or it is told, and the rest goes on.

use std::time::Duration;

use sheaf::store::embedded::EmbeddedStore;
use sheaf::store::resumable::Nature;
use sheaf::store::{Bucket, Store, StoreErrorKind, StoreOptions};

use crate::support::synthetic::faults::{Fault, Rule, Target};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

#[tokio::test]
async fn a_store_that_does_not_answer_when_an_upload_is_begun_is_asked_again() {
    let silent = Synthetic::start([], Options::default()).await;
    let hour = Fault::Delay(Duration::from_secs(60 * 60));
    let every = Target::Every(Operation::CreateUpload);
    silent.faults().add(Rule::new(every, hour).times(1));
    let state = tempfile::tempdir().expect("a temporary folder");
    // Only its credentials are used.
    let embedded = EmbeddedStore::open(state.path(), &state.path().join("state")).unwrap();
    let options = StoreOptions {
        read_timeout: Duration::from_secs(1),
        ..StoreOptions::default()
    };
    let store = Store::embedded_elsewhere(&embedded, &silent.endpoint(), &options).unwrap();
    let bucket = Bucket::new("bench").unwrap();
    let begin = || {
        let nature = Nature {
            content_type: "application/zip",
            disposition: "attachment",
            mark: ("sheaf-archive", "x"),
        };
        let begun = store.begin_resumable(&bucket, "out.zip", nature);
        tokio::time::timeout(Duration::from_secs(60), begun)
    };
    let error = begin().await.expect("it is not waited for").unwrap_err();
    assert!(
        matches!(error.kind, StoreErrorKind::Unreachable { .. }) && error.kind.can_pass(),
        "{error}"
    );
    assert_eq!(silent.requests().count(Operation::CreateUpload), 1);
    begin().await.expect("it answers").unwrap();
    assert_eq!(silent.open_uploads().len(), 1);
}
