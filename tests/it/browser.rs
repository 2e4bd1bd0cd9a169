//! What a real browser makes of a link.

use std::fs;

use serde_json::json;

use crate::links::create;
use crate::support::browser::Browser;
use crate::support::server::Server;
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wire::{Harm, What, Which, Wire};

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn chromium_resumes_by_itself_where_it_was_cut_off() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let objects = (0..6).map(|n| {
        // Of both forms, so that it goes on before and behind a checksum that nobody knows yet.
        let object = SyntheticObject::new(format!("{n}.pdf"), 3 * MIB + n);
        match n % 2 {
            0 => object.checksum(Checksum::FullObject),
            _ => object,
        }
    });
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let link = create(&server, &json!({"filename": "cut.zip"})).await;
    let whole = server.get(&link.path).await.body;
    let wire = Wire::start(&server.url).await;
    for at in [4 * MIB, 6 * MIB + 12_345] {
        wire.add(Harm {
            which: Which::Get("cut.zip".to_owned()),
            what: What::Close(at),
            times: 1,
        });
    }
    let url = format!("{}{}", wire.url(), link.path);
    // A navigation that becomes a download ends with an error of its own.
    let _ = browser.client.goto(&url).await;
    let path = browser.downloaded("cut.zip").await;
    assert_eq!(wire.left(), 0, "it was cut off twice");
    assert!(fs::read(path).unwrap() == whole);
    let resumed = server
        .log()
        .into_iter()
        .filter(|line| line["status"] == 206);
    assert_eq!(resumed.count(), 2, "it went on where it was cut off");
}
