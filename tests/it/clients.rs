//! Other people's downloaders against the live archive: what comes whole, and that they see every failure.

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::downloaders::{Download, Downloader, download};
use crate::support::halfway::{self, Halfway};
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Rule};
use crate::support::tools::tool;

/// Whether a download that broke off shows it: the exit code says so, and nothing that it left is the whole archive.
pub fn assert_broken(downloader: Downloader, download: &Download, whole: &[u8]) {
    let Download { code, said, files } = download;
    assert!(
        code.is_some_and(|code| downloader.broken().contains(&code)),
        "{downloader:?} ended with {code:?}: {said}"
    );
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".zip")) {
        assert!(
            bytes.len() < whole.len() && whole.starts_with(bytes),
            "{downloader:?} left {} bytes in {name}, which are no stump of the archive's {}",
            bytes.len(),
            whole.len()
        );
    }
}

/// Whether a download left the archive, and nothing else.
pub fn assert_whole(downloader: Downloader, download: &Download, name: &str, whole: &[u8]) {
    let Download { code, said, files } = download;
    assert_eq!(*code, Some(0), "{downloader:?}: {said}");
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(names, [name], "{downloader:?}");
    assert!(files[name] == whole, "{downloader:?} got other bytes");
}

#[tokio::test]
async fn every_downloader_gets_the_archive_under_its_name() {
    let server = Server::local();
    server.drop_in("reports/2025/a.pdf", vec![1; 3 << 20]);
    server.drop_in("reports/2025/b.pdf", "small");
    let all = [
        &Downloader::HTTP11[..],
        &Downloader::HTTP10,
        &[Downloader::Aria2],
    ]
    .concat();
    for (target, name) in [
        ("/v1/zip?prefix=reports/2025/", "2025.zip"),
        (
            "/v1/zip?prefix=reports/&filename=Annual%20Report",
            "Annual Report.zip",
        ),
    ] {
        let whole = server.get(target).await.body;
        for downloader in &all {
            if let Some(download) = downloader.run(&format!("{}{target}", server.url)).await {
                assert_whole(*downloader, &download, name, &whole);
            }
        }
    }
}

#[tokio::test]
async fn every_downloader_sees_that_an_object_vanished() {
    let halfway = Halfway::start().await;
    for downloader in [&Downloader::HTTP11[..], &Downloader::HTTP10].concat() {
        let gate = halfway.hold(halfway::MIDDLE, 1);
        let url = halfway.url();
        let vanish = halfway.lose_the_second(&gate);
        if let (Some(download), ()) = tokio::join!(downloader.run(&url), vanish) {
            assert_broken(downloader, &download, &halfway.whole);
        }
    }
}

#[tokio::test]
async fn whoever_begins_anew_gets_what_there_is_now_or_fails() {
    let halfway = Halfway::start().await;
    let url = halfway.url();

    // The listing does not show the second object any more: the archive of the first is whole.
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let vanish = halfway.lose_the_second(&gate);
    if let (Some(download), ()) = tokio::join!(Downloader::Aria2.run(&url), vanish) {
        let now = halfway.server.get(halfway::PATH).await.body;
        assert!(now.len() < halfway.whole.len());
        assert_whole(Downloader::Aria2, &download, halfway::NAME, &now);
    }

    // The listing shows it, and every read fails.
    halfway.hold(halfway::MIDDLE, 0);
    let vanished = Rule::get(halfway::SECOND, Failure::NO_SUCH_KEY);
    halfway.store.faults().add(vanished);
    if let Some(download) = Downloader::Aria2.run(&url).await {
        assert_broken(Downloader::Aria2, &download, &halfway.whole);
    }
}

/// Sends a request over HTTP/1.0, whose body ends where the connection does.
pub async fn http10(server: &Server) -> TcpStream {
    let authority = server.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(authority).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.0\r\nhost: {authority}\r\n\r\n",
        halfway::PATH
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn over_http_1_0_only_a_whole_archive_ends_in_good_order() {
    let halfway = Halfway::start().await;
    let mut answer = Vec::new();
    http10(&halfway.server)
        .await
        .read_to_end(&mut answer)
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&answer[..1024]);
    assert!(
        !text.to_ascii_lowercase().contains("transfer-encoding"),
        "HTTP/1.0 knows no chunks: {text}"
    );
    assert!(answer.ends_with(&halfway.whole));

    let gate = halfway.hold(halfway::MIDDLE, 1);
    let mut socket = http10(&halfway.server).await;
    let mut answer = Vec::new();
    let (ended, ()) = tokio::join!(
        socket.read_to_end(&mut answer),
        halfway.lose_the_second(&gate)
    );
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn whoever_wants_to_resume_is_told_and_keeps_the_stump() {
    let halfway = Halfway::start().await;
    let stump = &halfway.whole[..100_000];
    let resuming: [(&str, &[&str], &[i32], &str); 3] = [
        (
            "wget",
            &["--no-config", "-nv", "-c", "-O", "both.zip"],
            &[8],
            "409",
        ),
        (
            "curl",
            &["-q", "-fsS", "-C", "-", "-o", "both.zip"],
            &[22],
            "409",
        ),
        // Without -f it looks at the answer's ranges, finds none, and says so.
        (
            "curl",
            &["-q", "-sS", "-C", "-", "-o", "both.zip"],
            &[33],
            "resume",
        ),
    ];
    for (program, arguments, codes, says) in resuming {
        let Some(path) = tool(program) else { continue };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(halfway::NAME), stump).unwrap();
        let mut command = Command::new(path);
        command.args(arguments).arg(halfway.url());
        let resumed = download(command, folder.path()).await;
        let code = resumed.code.unwrap();
        assert!(codes.contains(&code), "{program}: {code} {}", resumed.said);
        assert!(resumed.said.contains(says), "{program}: {}", resumed.said);
        assert!(
            resumed.files[halfway::NAME] == stump,
            "{program} {arguments:?} touched the stump"
        );
    }
}
