//! Listings of many pages: what is asked of the store, and that what comes is the sequence.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use sheaf::store::{Bucket, Identity, Object, Store, StoreError, StoreErrorKind, StoreOptions};

use crate::support::sdk;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

/// Objects on a page.
const PAGE: usize = 20;

/// A store so far away that whoever lists waits for it.
fn far() -> Options {
    Options {
        page_size: PAGE,
        latency: Duration::from_millis(5),
        ..Options::default()
    }
}

async fn start(keys: impl IntoIterator<Item = String>, options: Options) -> (Synthetic, Store) {
    let objects = keys.into_iter().map(|key| SyntheticObject::new(key, 7));
    let synthetic = Synthetic::start(objects, options).await;
    let options = StoreOptions {
        endpoint: Some(synthetic.endpoint()),
        identity: Identity::Keys(sdk::credentials("test", "test")),
        ..StoreOptions::default()
    };
    let store = Store::connect(&options).await.unwrap();
    (synthetic, store)
}

fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("a/{number:05}.pdf"))
}

async fn list(store: &Store) -> Result<Vec<String>, StoreError> {
    let bucket = Bucket::new("bench").unwrap();
    let objects: Vec<Object> = store.list(&bucket, "a/").try_concat().await?;
    Ok(objects.into_iter().map(|object| object.key).collect())
}

fn asked(synthetic: &Synthetic) -> (usize, usize) {
    let log = synthetic.requests().log();
    let lists = log
        .iter()
        .filter(|asked| asked.operation == Operation::List);
    let guesses = lists.clone().filter(|asked| asked.start_after.is_some());
    (lists.count(), guesses.count())
}

#[tokio::test]
async fn many_pages_come_at_once_and_in_order() {
    let (synthetic, store) = start(numbers(4000), far()).await;
    let expected: Vec<String> = numbers(4000).collect();
    assert!(list(&store).await.unwrap() == expected);
    let (lists, guesses) = asked(&synthetic);
    assert!(lists <= 4000 / PAGE * 3 / 2 + 1, "{lists} requests");
    assert!(guesses > 0, "one page came after the other");
}

#[tokio::test]
async fn keys_at_the_borders_come_in_order() {
    let borders = [
        "\u{1}",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "/",
        "+ %",
    ];
    let mut keys: Vec<String> = Vec::new();
    for first in borders {
        for second in borders {
            keys.extend(
                ["", "x", "\u{1}", "\u{10ffff}"].map(|third| format!("a/{first}{second}{third}")),
            );
        }
    }
    keys.sort_unstable();
    keys.dedup();
    let options = Options {
        page_size: 3,
        ..far()
    };
    let (synthetic, store) = start(keys.clone(), options).await;
    assert!(list(&store).await.unwrap() == keys);
    assert!(asked(&synthetic).1 > 0);
}

#[tokio::test]
async fn one_page_costs_one_request() {
    let (synthetic, store) = start(numbers(PAGE), far()).await;
    assert_eq!(list(&store).await.unwrap().len(), PAGE);
    assert_eq!(asked(&synthetic), (1, 0));
}

#[tokio::test]
async fn who_stops_early_causes_no_requests() {
    let (synthetic, store) = start(numbers(4000), far()).await;
    let bucket = Bucket::new("bench").unwrap();
    {
        let pages = store.list(&bucket, "a/");
        pin_mut!(pages);
        assert_eq!(pages.next().await.unwrap().unwrap().len(), PAGE);
    }
    // Whatever was sent before this has arrived before this.
    assert!(store.head(&bucket, "a/00000.pdf").await.unwrap().is_some());
    assert_eq!(asked(&synthetic), (1, 0));
}

#[tokio::test]
async fn a_store_that_begins_at_the_beginning_is_listed_in_sequence() {
    let options = Options {
        starts_after: false,
        ..far()
    };
    let (synthetic, store) = start(numbers(1000), options).await;
    let expected: Vec<String> = numbers(1000).collect();
    assert!(list(&store).await.unwrap() == expected);
    let (first, guesses) = asked(&synthetic);
    assert!((1..4).contains(&guesses), "{guesses} guesses");
    assert!(list(&store).await.unwrap() == expected);
    let (both, again) = asked(&synthetic);
    assert_eq!(
        (both - first, again),
        (1000 / PAGE, guesses),
        "it is known by now"
    );
}

#[tokio::test]
async fn a_store_that_asks_to_slow_down_is_obeyed() {
    let (synthetic, store) = start(numbers(4000), far()).await;
    let slow_down = Fault::Answer(Failure::SLOW_DOWN);
    let rule = Rule::new(Target::Every(Operation::List), slow_down)
        .skip(20)
        .times(6);
    synthetic.faults().add(rule);
    let expected: Vec<String> = numbers(4000).collect();
    assert!(list(&store).await.unwrap() == expected);
}

#[tokio::test]
async fn a_page_that_never_comes_is_an_error() {
    let (synthetic, store) = start(numbers(4000), far()).await;
    let denied = Fault::Answer(Failure::ACCESS_DENIED);
    synthetic
        .faults()
        .add(Rule::new(Target::Every(Operation::List), denied).skip(30));
    let error = list(&store).await.unwrap_err();
    assert!(
        matches!(error.kind, StoreErrorKind::AccessDenied { .. }),
        "{error}"
    );
}
