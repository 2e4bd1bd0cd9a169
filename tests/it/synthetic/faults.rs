//! The fault table of the synthetic store strikes as a test scripted it.

use std::io::{Read, Write};
use std::net::TcpStream;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;

use super::start;
use crate::support::client;
use crate::support::sdk;
use crate::support::synthetic::content::content_bytes;
use crate::support::synthetic::faults::{Failure, Fault, Gate, Mishap, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

#[tokio::test]
async fn a_fault_strikes_the_request_that_covers_its_byte() {
    let store = start([SyntheticObject::new("a", 1_000_000)]).await;
    let url = format!("{}/bench/a", store.endpoint());
    let whole = content_bytes("a", 1_000_000);
    for mishap in [Mishap::Reset, Mishap::Close] {
        store
            .faults()
            .add(Rule::body("a", 700_000, mishap.clone()).times(1));
        let before = client::fetch("GET", &url, &[("range", "bytes=0-699999")])
            .await
            .unwrap();
        assert_eq!(before.body, whole[..700_000]);
        assert!(
            client::fetch("GET", &url, &[("range", "bytes=600000-")])
                .await
                .is_err(),
            "{mishap:?}"
        );
        assert_eq!(
            client::fetch("GET", &url, &[]).await.unwrap().body,
            whole,
            "{mishap:?} strikes once"
        );
    }
    store.faults().add(Rule::body("a", 700_000, Mishap::Flip));
    let flipped = client::fetch("GET", &url, &[]).await.unwrap().body;
    let different = (0..whole.len()).filter(|&at| flipped[at] != whole[at]);
    assert_eq!(different.collect::<Vec<_>>(), [700_000]);
    store.faults().clear();
    store
        .faults()
        .add(Rule::body("a", 700_000, Mishap::Shorten).skip(1));
    assert_eq!(
        client::fetch("GET", &url, &[]).await.unwrap().body.len(),
        1_000_000
    );
    assert_eq!(
        client::fetch("GET", &url, &[]).await.unwrap().body.len(),
        700_000
    );
}

/// What a client has received when its connection breaks, and the error.
fn cut_off(endpoint: &str) -> (Vec<u8>, std::io::Result<usize>) {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
    stream
        .write_all(b"GET /bench/a HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => received.extend_from_slice(&buffer[..read]),
            end => return (received, end),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_before_a_cut_arrives() {
    let store = start([SyntheticObject::new("a", 50_000)]).await;
    let whole = content_bytes("a", 50_000);
    for (mishap, reset) in [(Mishap::Reset, true), (Mishap::Close, false)] {
        store.faults().add(Rule::body("a", 33_333, mishap).times(1));
        let endpoint = store.endpoint();
        let (received, end) = tokio::task::spawn_blocking(move || cut_off(&endpoint))
            .await
            .unwrap();
        assert!(received.ends_with(&whole[..33_333]));
        assert_eq!(end.is_err(), reset, "{end:?}");
    }
}

#[tokio::test]
async fn a_gate_holds_the_body_until_it_is_opened() {
    let store = start([SyntheticObject::new("a", 200_000)]).await;
    let gate = Gate::new();
    store
        .faults()
        .add(Rule::body("a", 100_000, Mishap::Hold(gate.clone())));
    let url = format!("{}/bench/a", store.endpoint());
    let fetched = tokio::spawn(async move { client::fetch("GET", &url, &[]).await });
    gate.reached(1).await;
    assert_eq!((store.requests().open(), fetched.is_finished()), (1, false));
    assert_eq!(store.requests().bytes_sent(), 100_000);
    gate.open();
    assert_eq!(
        fetched.await.unwrap().unwrap().body,
        content_bytes("a", 200_000)
    );
    assert_eq!(store.requests().most_open(), 1);
}

#[tokio::test]
async fn scripted_answers_stand_in_for_the_true_ones() {
    let options = Options {
        page_size: 2,
        ..Options::default()
    };
    let objects = (0..6).map(|n| SyntheticObject::new(format!("k{n}"), 1));
    let store = Synthetic::start(objects, options).await;
    let s3 = sdk::client(&store.endpoint());
    store
        .faults()
        .add(Rule::get("k1", Failure::SLOW_DOWN).times(2));
    let get = || s3.get_object().bucket("bench").key("k1").send();
    assert_eq!(get().await.unwrap_err().code(), Some("SlowDown"));
    assert_eq!(get().await.unwrap_err().code(), Some("SlowDown"));
    assert!(get().await.is_ok());

    let failure = Fault::Answer(Failure::INTERNAL_ERROR);
    store
        .faults()
        .add(Rule::new(Target::ListPage(2), failure.clone()));
    let mut pages = s3.list_objects_v2().bucket("bench").into_paginator().send();
    assert_eq!(pages.next().await.unwrap().unwrap().contents().len(), 2);
    assert_eq!(
        pages.next().await.unwrap().unwrap_err().code(),
        Some("InternalError")
    );

    store
        .faults()
        .add(Rule::new(Target::Every(Operation::PutObject), failure));
    let put = s3
        .put_object()
        .bucket("bench")
        .key("new")
        .body(ByteStream::from_static(b"x"));
    assert!(put.send().await.is_err());
    assert!(
        store.object("new").is_none(),
        "a refused write has no effect"
    );
}
