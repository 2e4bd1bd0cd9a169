//! Many writers at once, in one process and in two.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use futures::future::join_all;

use super::super::incoming;
use super::super::object::open_blocking;
use super::super::publish::Condition;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_puts_of_one_key_leave_one_whole_object() {
    let fixture = Fixture::new();
    let clients = [fixture.s3.clone(), fixture.reopen()];
    for key in ["plain", "over//flow"] {
        let writers = (0..32_u8).map(|number| {
            let body = ByteStream::from(vec![number; 100_000]);
            clients[usize::from(number % 2)]
                .put_object()
                .bucket(BUCKET)
                .key(key)
                .body(body)
                .send()
        });
        for put in join_all(writers).await {
            put.unwrap();
        }
        let got = fixture.get(key).await;
        let etag = got.e_tag.clone().unwrap();
        let content = got.body.collect().await.unwrap().to_vec();
        assert_eq!(content.len(), 100_000);
        assert!(content.iter().all(|byte| *byte == content[0]));
        assert_eq!(
            etag,
            format!("\"{}\"", md5_hex(&content)),
            "the record is that of the file"
        );
        assert_eq!(fixture.crc32(key).await, Some(crc32_text(&content)));
    }
    assert_eq!(fixture.count_state("records"), 2, "losers leave no records");
    assert_eq!(fixture.count_state("temp"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins_if_none_match() {
    let fixture = Fixture::new();
    let clients = [fixture.s3.clone(), fixture.reopen()];
    let writers = (0..32).map(|number| {
        let body = ByteStream::from(vec![number; 1000]);
        let put = clients[usize::from(number % 2)]
            .put_object()
            .bucket(BUCKET)
            .key("once")
            .body(body);
        put.if_none_match("*").send()
    });
    let outcomes = join_all(writers).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_written_during_walks_is_never_lost_from_the_index() {
    let fixture = Fixture::new();
    for number in 0..1000 {
        fixture.drop_in(&format!("base/{number}"), "");
    }
    let lister = async {
        for _ in 0..8 {
            assert!(fixture.keys("").await.len() >= 1000);
        }
    };
    let writer = async {
        for number in 0..80 {
            fixture.put(&format!("new/{number}"), "x").await;
            // A later page reads the index as the last walk left it, changes included.
            let list = fixture
                .s3
                .list_objects()
                .bucket(BUCKET)
                .prefix("new/")
                .marker("new/");
            assert_eq!(list.send().await.unwrap().contents().len(), number + 1);
        }
    };
    futures::join!(lister, writer);
}

#[test]
fn readers_of_a_key_that_is_written_get_one_state_of_it() {
    let (dir, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let disk = disk(dir.path(), state.path(), None);
    let write = |number: u32| {
        let temp = disk.temp_for("k").unwrap();
        let received = incoming::copy(&number.to_le_bytes()[..], temp).unwrap();
        let record = record("k", &received);
        disk.commit(received.temp, record, &Condition::default())
            .unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (1..3000).for_each(&write);
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let mut opened = open_blocking(&disk, "k").unwrap();
            let mut content = Vec::new();
            opened.file.read_to_end(&mut content).unwrap();
            assert_eq!(opened.etag, md5_hex(&content));
        }
    });
}
