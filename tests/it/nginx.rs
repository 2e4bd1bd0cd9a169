//! The live archive behind a real nginx: with the recommended lines, and as nginx passes requests on by default.

use http_body_util::BodyExt;

use crate::clients::{assert_broken, assert_whole};
use crate::outcomes::{LARGE, standing};
use crate::support::client;
use crate::support::downloaders::Downloader;
use crate::support::halfway::{self, Halfway};
use crate::support::nginx::Nginx;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

/// What goes into the location.
const WAYS: [(&str, &str); 2] = [
    (
        "as recommended",
        "proxy_http_version 1.1; proxy_buffering off;",
    ),
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
            let gate = halfway.hold(halfway::MIDDLE, 1);
            let url = format!("{}{}", nginx.url, halfway::PATH);
            let vanish = halfway.lose_the_second(&gate);
            if let (Some(download), ()) = tokio::join!(downloader.run(&url), vanish) {
                assert_broken(downloader, &download, &halfway.whole);
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_killed_is_seen_through_nginx() {
    for (way, lines) in WAYS {
        let mut halfway = Halfway::start().await;
        let Some(nginx) = Nginx::before(&halfway.server.url, lines) else {
            return;
        };
        println!("{way}");
        let _gate = halfway.hold(halfway::MIDDLE, 1);
        let url = format!("{}{}", nginx.url, halfway::PATH);
        let answer = client::open("GET", &url, &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
        halfway.server.signal("KILL");
        let body = answer.into_body().collect().await;
        assert!(body.is_err(), "the body ended in good order");
    }
}

#[tokio::test]
async fn nginx_keeps_nothing_back_and_reads_nothing_ahead() {
    let first = SyntheticObject::new("first.pdf", 100);
    let large = SyntheticObject::new("large.pdf", LARGE);
    let store = Synthetic::start([first, large], Options::default()).await;
    let server = Server::over(&store.endpoint());
    for (way, lines) in WAYS {
        let Some(nginx) = Nginx::before(&server.url, lines) else {
            return;
        };
        println!("{way}");
        let before = store.requests().bytes_sent();
        let gate = Gate::new();
        let hold = Rule::body("large.pdf", 0, Mishap::Hold(gate.clone()));
        store.faults().add(hold.times(1));
        let url = format!("{}/v1/zip", nginx.url);
        let mut body = client::open("GET", &url, &[]).await.unwrap().into_body();
        // The first entry comes while nothing is there of the second.
        let frame = body.frame().await.unwrap().unwrap();
        assert!(frame.data_ref().unwrap().starts_with(b"PK"));
        gate.open();
        let sent = standing(&store, 1).await - before;
        assert!(sent < LARGE, "nginx took all that its client did not read");
    }
}

#[tokio::test]
async fn nginx_can_turn_away_who_could_not_see_a_failure() {
    // It closes the connection in good order whatever happens behind it, and that is all HTTP/1.0 has for an end.
    let halfway = Halfway::start().await;
    let lines = "proxy_http_version 1.1; proxy_buffering off;
                 if ($server_protocol = HTTP/1.0) { return 426; }";
    let Some(nginx) = Nginx::before(&halfway.server.url, lines) else {
        return;
    };
    let url = format!("{}{}", nginx.url, halfway::PATH);
    for (downloader, code) in [(Downloader::CurlHttp10, 22), (Downloader::UrllibHttp10, 1)] {
        if let Some(download) = downloader.run(&url).await {
            assert_eq!(download.code, Some(code));
            assert!(download.said.contains("426"), "{}", download.said);
            assert!(download.files.is_empty());
        }
    }
    if let Some(download) = Downloader::Curl.run(&url).await {
        assert_whole(Downloader::Curl, &download, halfway::NAME, &halfway.whole);
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
        let gate = halfway.hold(halfway::MIDDLE, 1);
        let url = format!("{}{}", nginx.url, halfway::PATH);
        let body = client::open("GET", &url, &[]).await.unwrap().into_body();
        gate.reached(1).await;
        drop(body);
        outcomes.push("client_gone");
        halfway.server.outcomes("/v1/zip", &outcomes).await;
    }
}
