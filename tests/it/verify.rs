//! `sheaf verify`, as people and scripts use it.

use serde_json::Value;

use crate::program::Place;
use crate::proxy::Proxy;
use crate::support::tls::Certificate;

/// A place with an archive of two files, made by `sheaf zip`, in a folder that is a bucket.
async fn with_archive() -> Place {
    let place = Place::new();
    place.write("bucket/in/a.pdf", vec![7; 3_000_000]);
    place.write("bucket/in/b.pdf", "small");
    let zip = [
        "zip",
        "s3://local/in/",
        "--local",
        "bucket",
        "-o",
        "bucket/a.zip",
    ];
    assert_eq!(place.run(&zip).await.result()["entries"], 2);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn what_zip_wrote_is_sound_as_a_file_and_as_an_object() {
    let place = with_archive().await;
    let length = std::fs::metadata(place.path("bucket/a.zip")).unwrap().len();
    for arguments in [
        &["verify", "bucket/a.zip"][..],
        &["verify", "s3://local/a.zip", "--local", "bucket"],
    ] {
        let ended = place.run(arguments).await;
        let report = ended.result();
        assert_eq!(report["ok"], true);
        assert_eq!(report["source"], arguments[1]);
        assert_eq!(
            (&report["entries"], &report["bytes"]),
            (&2.into(), &3_000_005.into())
        );
        assert_eq!(report["length"], length);
        assert!(report.get("fault").is_none());
        assert_eq!(ended.stderr, "", "no progress where nobody looks");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_a_result_and_a_failure() {
    let place = with_archive().await;
    let mut bytes = std::fs::read(place.path("bucket/a.zip")).unwrap();
    bytes[1_000_000] ^= 1;
    place.write("faulty.zip", &bytes);
    let ended = place.run(&["verify", "faulty.zip"]).await;
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["fault"]["kind"], "wrong-crc32");
    assert_eq!(report["fault"]["entry"], "a.pdf");
    assert!(
        ended.stderr.contains("faulty.zip is not sound: \"a.pdf\":"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_named_has_no_report() {
    let place = with_archive().await;
    let missing = place.run(&["verify", "missing.zip"]).await;
    assert!(
        missing
            .failure(1)
            .contains("missing.zip cannot be read: No such file")
    );
    for wrong in [
        "ftp://host/a.zip",
        "s3://local",
        "http://user:secret@host/a.zip",
    ] {
        place.run(&["verify", wrong]).await.failure(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_archive_has_no_ranges_to_verify() {
    let place = with_archive().await;
    let mut server = place.start(&["serve", "--local", "bucket", "--listen", "127.0.0.1:0"]);
    let line = server.line().await;
    let url = format!("{}/v1/zip?prefix=in/", line["listening"].as_str().unwrap());
    let ended = place.run(&["verify", &url]).await;
    assert!(
        ended.failure(1).contains("does not answer ranges"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_ones_own_is_trusted_where_it_is_named() {
    let place = with_archive().await;
    let certificate = Certificate::new();
    let arguments = certificate.arguments();
    let mut serve = vec!["serve", "--local", "bucket", "--listen", "127.0.0.1:0"];
    serve.extend(arguments.iter().map(String::as_str));
    let mut server = place.start(&serve);
    let line = server.line().await;
    let url = format!("{}/v1/zip", line["listening"].as_str().unwrap());
    let wary = place.run(&["verify", &url]).await;
    let told = wary.failure(1);
    assert!(
        told.contains("127.0.0.1") && told.contains("certificate"),
        "{told}"
    );
    let authority = certificate.authority();
    let trusting = ["verify", &url, "--ca-file", authority.to_str().unwrap()];
    let ended = place.run(&trusting).await;
    // It is asked, and a live archive has no ranges.
    assert!(
        ended.failure(1).contains("does not answer ranges"),
        "{}",
        ended.stderr
    );
    let missing = ["verify", &url, "--ca-file", "missing.pem"];
    let ended = place.run(&missing).await;
    assert!(ended.failure(1).contains("missing.pem"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_read_through_a_proxy_of_the_environment() {
    let proxy = Proxy::start().await;
    let address = format!("http://me:secret@{}", proxy.authority());
    let place = Place::new().set("HTTP_PROXY", &address);
    let verify = ["verify", "http://files.example/a.zip"];
    let (head, ended) = tokio::join!(proxy.refuse("404 Not Found"), place.run(&verify));
    let head = head.to_lowercase();
    assert!(
        head.starts_with("get http://files.example/a.zip http/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nproxy-authorization: basic bwu6c2vjcmv0\r\n"),
        "{head}"
    );
    let told = ended.failure(1);
    assert!(told.contains("files.example answered 404"), "{told}");
}
