//! The live archive behind a real nginx: with the recommended lines, and as nginx passes requests on by default.

use http_body_util::BodyExt;

use crate::clients::{assert_broken, assert_whole};
use crate::support::client;
use crate::support::downloaders::Downloader;
use crate::support::halfway::{self, Halfway};
use crate::support::nginx::Nginx;

/// What goes into the location.
const WAYS: [(&str, &str); 2] = [
    ("as recommended", "proxy_http_version 1.1; proxy_buffering off;"),
    ("by default: HTTP/1.0, buffered", ""),
];

#[tokio::test]
async fn every_downloader_gets_the_archive_through_nginx() {
    let halfway = Halfway::start().await;
    for (way, lines) in WAYS {
        let Some(nginx) = Nginx::before(&halfway.server.url, lines) else {
            return;
        };
        println!("{way}");
        for downloader in Downloader::HTTP11 {
            let url = format!("{}{}", nginx.url, halfway::PATH);
            if let Some(download) = downloader.run(&url).await {
                assert_whole(downloader, &download, halfway::NAME, &halfway.whole);
            }
        }
    }
}

#[tokio::test]
async fn every_downloader_sees_through_nginx_that_an_object_vanished() {
    let halfway = Halfway::start().await;
    for (way, lines) in WAYS {
        let Some(nginx) = Nginx::before(&halfway.server.url, lines) else {
            return;
        };
        println!("{way}");
        for downloader in Downloader::HTTP11 {
            let gate = halfway.hold(halfway::SIZE / 2, 1);
            let url = format!("{}{}", nginx.url, halfway::PATH);
            let vanish = halfway.lose_the_second(&gate);
            if let (Some(download), ()) = tokio::join!(downloader.run(&url), vanish) {
                assert_broken(downloader, &download, &halfway.whole);
            }
        }
    }
}

#[tokio::test]
async fn nginx_passes_on_what_there_is() {
    let halfway = Halfway::start().await;
    for (way, lines) in WAYS {
        let Some(nginx) = Nginx::before(&halfway.server.url, lines) else {
            return;
        };
        println!("{way}");
        // Far less than one of nginx's buffers, which it would fill first if it were let.
        let gate = halfway.hold(100, 1);
        let url = format!("{}{}", nginx.url, halfway::PATH);
        let mut body = client::open("GET", &url, &[]).await.unwrap().into_body();
        let mut received = Vec::new();
        while received.len() < 130 {
            let frame = body.frame().await.unwrap().unwrap();
            received.extend_from_slice(frame.data_ref().unwrap());
        }
        gate.open();
        received.extend_from_slice(&body.collect().await.unwrap().to_bytes());
        assert!(received == halfway.whole);
    }
}

#[tokio::test]
async fn a_client_that_leaves_nginx_leaves_the_server_too() {
    let halfway = Halfway::start().await;
    let mut outcomes = vec!["complete"];
    for (way, lines) in WAYS {
        let Some(nginx) = Nginx::before(&halfway.server.url, lines) else {
            return;
        };
        println!("{way}");
        let gate = halfway.hold(halfway::SIZE / 2, 1);
        let url = format!("{}{}", nginx.url, halfway::PATH);
        let body = client::open("GET", &url, &[]).await.unwrap().into_body();
        gate.reached(1).await;
        drop(body);
        outcomes.push("client_gone");
        halfway.server.outcomes("/v1/zip", &outcomes).await;
    }
}
