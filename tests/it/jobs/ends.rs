//! How jobs of a server end: well, without permission, and where the queue's disk is full.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{enter, events, id, idle, job, job_that, json_of, with};
use crate::links::create;
use crate::support::client;
use crate::support::problem::Problem;

#[tokio::test(flavor = "multi_thread")]
async fn a_packaged_archive_is_handed_to_owners_and_recipients() {
    let server = with(&[]);
    server.drop_in("r/a.pdf", vec![1; 3_000_000]);
    server.drop_in("r/ü.pdf", vec![2; 7_000_000]);
    let body = json!({"prefix": "r/", "filename": "übersicht.zip", "to": "s3://local/out/all.zip"});
    let entered = enter(&server, &body).await;
    let watched = events(&server, id(&entered)).await;
    let (name, last) = watched.last().unwrap();
    assert_eq!(
        (name.as_str(), &last["state"]),
        ("done", &json!("done")),
        "{last}"
    );
    assert!(
        watched[..watched.len() - 1]
            .iter()
            .all(|(name, _)| name == "progress")
    );
    let done = job(&server, id(&entered)).await;
    assert_eq!(done["bytes"], done["bytes_total"]);
    assert_eq!(done["to"], json!({"bucket": "local", "key": "out/all.zip"}));
    assert!(done["verified"].as_u64().unwrap() > 0 && done["error"].is_null());
    let get = async |name: &str| {
        let url = done[name].as_str().unwrap();
        client::fetch("GET", url, &[]).await.unwrap()
    };
    let (streamed, direct) = (get("zip_url").await, get("url").await);
    assert!(streamed.body == direct.body, "byte for byte");
    assert!(fs::read(server.bucket().join("out/all.zip")).unwrap() == streamed.body);
    let to = get("packaged_url").await;
    assert_eq!(
        (to.status.as_u16(), &to.headers["cache-control"]),
        (302, &"no-store".parse().unwrap())
    );
    let there = to.headers["location"].to_str().unwrap();
    let packaged = client::fetch("GET", there, &[]).await.unwrap();
    assert!(packaged.body == streamed.body);
    let saved = packaged.headers["content-disposition"].to_str().unwrap();
    assert!(saved.contains("%C3%BCbersicht.zip"), "{saved}");
    let page = get("page_url").await;
    assert!(String::from_utf8_lossy(&page.body).contains("/packaged\""));
    // Nobody counts what is downloaded from a bucket.
    let counted = create(&server, &json!({"prefix": "r/", "max_downloads": 3})).await;
    let entered = enter(&server, &json!({"link": counted.id})).await;
    job_that(&server, id(&entered), |job| job["state"] == "done").await;
    let page = counted.path.rsplit_once('/').unwrap().0;
    let answer = server.get(&format!("{page}/packaged")).await;
    Problem::of(&answer).is(404, "not-packaged", &[]);
    // Taken back, the link leads nowhere, and the job is still told.
    let link = done["link"].as_str().unwrap();
    server
        .send("DELETE", &format!("/v1/links/{link}"), &[])
        .await;
    Problem::of(&get("packaged_url").await).is(410, "link-revoked", &[]);
    assert_eq!(job(&server, id(&done)).await["state"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_succeed_says_why() {
    let server = with(&[]);
    server.drop_in("r/a.pdf", vec![1; 3_000_000]);
    server.drop_in("r/b.pdf", vec![1; 3_000_000]);
    server.drop_in("taken.zip", "something else");
    let entered = enter(
        &server,
        &json!({"prefix": "r/", "to": "s3://local/taken.zip"}),
    )
    .await;
    let failed = job_that(&server, id(&entered), |job| job["ended_at"].is_string()).await;
    assert_eq!(failed["state"], "failed");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("s3://local/taken.zip"), "{error}");
    assert_eq!(
        fs::read(server.bucket().join("taken.zip")).unwrap(),
        b"something else"
    );
    let entered = enter(
        &server,
        &json!({"prefix": "r/", "to": "s3://no-such-bucket/a.zip"}),
    )
    .await;
    let failed = job_that(&server, id(&entered), |job| job["ended_at"].is_string()).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let metrics = server.get("/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(
        metrics.contains("sheaf_jobs{state=\"failed\"} 2"),
        "{metrics}"
    );
    assert!(
        metrics.contains("sheaf_jobs_ended_total{how=\"failed\"} 2"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changed_since_is_named() {
    let home = tempfile::tempdir().unwrap();
    let queue = format!("sqlite:{}", home.path().join("jobs").display());
    let server = with(&["--slots", "0", "--queue", &queue]);
    server.drop_in("r/a.pdf", vec![1; 3_000_000]);
    let entered = enter(&server, &json!({"prefix": "r/"})).await;
    server.drop_in("r/a.pdf", vec![2; 3_000_001]);
    // A worker of the same folder finds the server by itself.
    let mut worker = crate::support::server::sheaf(home.path());
    worker
        .args(["worker", "--queue", &queue, "--local"])
        .arg(server.bucket())
        .env("SHEAF_STATE_DIR", server.state());
    let _worker = worker.start(&home.path().join("worker.log")).unwrap();
    let failed = job_that(&server, id(&entered), |job| job["ended_at"].is_string()).await;
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("r/a.pdf"),
        "{failed}"
    );
}

/// A disk of its own; unmounted when it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None` where this process may not mount, and a line of explanation, or a panic under `CI`.
    fn of(size: &str) -> Option<Disk> {
        let place = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        let mounted = mount.arg(place.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Disk(place));
        }
        assert!(std::env::var_os("CI").is_none(), "no disk could be mounted");
        println!("skipped: no disk could be mounted");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_jobs_and_nothing_else() {
    let Some(disk) = Disk::of("1m") else { return };
    let queue = format!("sqlite:{}", disk.path().join("jobs").display());
    let server = with(&["--slots", "0", "--queue", &queue]);
    server.drop_in("r/a.pdf", vec![1; 3000]);
    let entered = enter(&server, &json!({"prefix": "r/"})).await;
    let filler = disk.path().join("filler");
    // It ends where the disk does.
    let _ = fs::write(&filler, vec![0; 2 << 20]);
    let mut refused = server
        .post("/v1/jobs", json!({"prefix": "r/"}).to_string())
        .await;
    for _ in 0..50 {
        if refused.status != 202 {
            break;
        }
        // There was room in what the database had taken already.
        refused = server
            .post("/v1/jobs", json!({"prefix": "r/"}).to_string())
            .await;
    }
    let problem = Problem::of(&refused).is(503, "queue-unavailable", &[]);
    assert_eq!(problem.headers["retry-after"], "5");
    assert_eq!(server.get("/v1/zip?prefix=r/").await.status, 200);
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(
        job(&server, id(&entered)).await["state"],
        "queued",
        "what is there can be read"
    );
    fs::remove_file(filler).unwrap();
    let path = format!("/v1/jobs/{}", id(&entered));
    assert_eq!(server.send("DELETE", &path, &[]).await.status, 200);
    enter(&server, &json!({"prefix": "r/"})).await;
}

#[tokio::test]
async fn a_server_without_a_place_for_a_queue_has_no_jobs() {
    let remote = idle();
    let server = crate::support::server::Server::with(|command, _| {
        command
            .env_remove("HOME")
            .env_remove("SHEAF_STATE_DIR")
            .env("SHEAF_LINK_KEYS", "k:00112233445566778899aabbccddeeff")
            .env("S3_ENDPOINT_URL", &remote.url)
            .env("BUCKET_NAME", "local");
    });
    for answer in [
        server.get("/v1/jobs").await,
        server.post("/v1/jobs", "{}").await,
        server.get("/v1/jobs/x").await,
    ] {
        Problem::of(&answer).is(409, "no-queue", &["--queue"]);
    }
    assert!(json_of(&server.get("/v1/places").await)["places"].is_array());
}
