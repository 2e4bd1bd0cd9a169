//! Jobs over HTTP: who may ask for what, how they are watched, cancelled and handed on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::links::create;
use crate::support::client::{self, Answered};
use crate::support::problem::Problem;
use crate::support::server::Server;

mod ends;
mod fleet;
mod operators;
mod requests;

/// A server over a folder that runs no jobs.
pub fn idle() -> Server {
    with(&["--slots", "0"])
}

/// A server over a folder with these arguments.
pub fn with(arguments: &[&str]) -> Server {
    Server::with(|command: &mut Command, home: &Path| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .args(arguments);
    })
}

/// Enters a job that must be taken.
pub async fn enter(server: &Server, body: &Value) -> Value {
    let answer = server.post("/v1/jobs", body.to_string()).await;
    let job = json_of(&answer);
    assert_eq!(answer.status, 202, "{job}");
    let location = answer.headers["location"].to_str().unwrap();
    assert_eq!(location, format!("/v1/jobs/{}", id(&job)));
    job
}

pub fn json_of(answer: &Answered) -> Value {
    serde_json::from_slice(&answer.body).expect("a body of JSON")
}

pub fn id(job: &Value) -> &str {
    job["id"].as_str().expect("an id")
}

/// The job as it is now.
pub async fn job(server: &Server, id: &str) -> Value {
    let answer = server.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    json_of(&answer)
}

/// Waits until a job is as it is wanted.
pub async fn job_that(server: &Server, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2400 {
        let job = job(server, id).await;
        if wanted(&job) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", job(server, id).await);
}

/// Follows a job's events to their end: names and data.
pub async fn events(server: &Server, id: &str) -> Vec<(String, Value)> {
    let url = format!("{}/v1/jobs/{id}/events", server.url);
    let answer = client::open("GET", &url, &[("last-event-id", "7")])
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let events = text.split("\n\n").filter(|event| event.contains("data: "));
    let of = |event: &str, field: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap_or_default().to_owned()
    };
    let read = |event: &str| {
        let data = serde_json::from_str(&of(event, "data: ")).expect("a line of JSON");
        (of(event, "event: "), data)
    };
    events.map(read).collect()
}

#[tokio::test]
async fn a_job_waits_is_listed_and_is_cancelled() {
    let server = idle();
    server.drop_in("r/a.pdf", vec![1; 3000]);
    let entered = enter(&server, &json!({"prefix": "r/", "filename": "ü.zip"})).await;
    assert_eq!(entered["state"], "queued");
    assert_eq!(
        (&entered["count"], &entered["filename"]),
        (&json!(1), &json!("ü.zip"))
    );
    let link = entered["link"].as_str().unwrap();
    assert_eq!(entered["to"]["bucket"], "local");
    assert!(entered["to"]["key"].as_str().unwrap().contains(link));
    // The same archive streams meanwhile.
    let zip = entered["zip_url"].as_str().unwrap();
    let zip = server.get(zip.strip_prefix(&server.url).unwrap()).await;
    assert_eq!(zip.status, 200);
    assert_eq!(entered["bytes_total"], zip.body.len());
    let second = enter(&server, &json!({"prefix": "r/"})).await;
    let listed = json_of(&server.get("/v1/jobs").await);
    let ids: Vec<&str> = listed["jobs"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, [id(&second), id(&entered)], "the newest first");
    let metrics = server.get("/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(
        metrics.contains("sheaf_jobs{state=\"queued\"} 2"),
        "{metrics}"
    );

    let watched = events(&server, id(&entered));
    let cancelled = async {
        let path = format!("/v1/jobs/{}", id(&entered));
        let answer = server.send("DELETE", &path, &[]).await;
        assert_eq!(answer.status, 200, "nobody had begun it");
        json_of(&answer)
    };
    let (watched, cancelled) = tokio::join!(watched, cancelled);
    assert_eq!(cancelled["state"], "cancelled");
    let (name, last) = watched.last().unwrap();
    assert_eq!(
        (name.as_str(), &last["state"]),
        ("cancelled", &json!("cancelled"))
    );
    // Again changes nothing, and whoever comes later hears the end at once.
    let path = format!("/v1/jobs/{}", id(&entered));
    assert_eq!(server.send("DELETE", &path, &[]).await.status, 200);
    assert_eq!(events(&server, id(&entered)).await.len(), 1);
}

#[tokio::test]
async fn jobs_survive_the_server() {
    let home = tempfile::tempdir().unwrap();
    let database = home.path().join("jobs");
    let queue = format!("sqlite:{}", database.display());
    // Each has a folder of its own here.
    let store = ["--store-name", "the folder"];
    let arguments = [&["--slots", "0", "--queue", &queue][..], &store].concat();
    let server = with(&arguments);
    server.drop_in("a.pdf", "x");
    let entered = enter(&server, &json!({})).await;
    drop(server);
    let server = with(&arguments);
    assert_eq!(job(&server, id(&entered)).await["state"], "queued");
}

#[tokio::test]
async fn a_watcher_does_not_keep_the_server() {
    let mut server = with(&["--slots", "0", "--drain", "1h"]);
    server.drop_in("a.pdf", "x");
    let entered = enter(&server, &json!({})).await;
    let url = format!("{}/v1/jobs/{}/events", server.url, id(&entered));
    let mut watched = client::open("GET", &url, &[]).await.unwrap().into_body();
    assert!(watched.frame().await.unwrap().is_ok());
    server.signal("TERM");
    assert_eq!(server.exited().await.code(), Some(0));
    assert!(
        watched.frame().await.is_none(),
        "in good order, without an end of the job"
    );
}

#[tokio::test]
async fn a_link_is_packaged_by_any_of_its_names() {
    let server = idle();
    server.drop_in("r/a.pdf", vec![1; 3000]);
    let link = create(&server, &json!({"prefix": "r/", "filename": "first.zip"})).await;
    let token = link.path.split('/').nth(2).unwrap();
    for name in [
        link.id.as_str(),
        token,
        &link.zip_url,
        link.answer["page_url"].as_str().unwrap(),
    ] {
        let job = enter(&server, &json!({"link": name})).await;
        assert_eq!(
            (&job["link"], &job["filename"]),
            (&json!(link.id), &json!("first.zip"))
        );
        assert_eq!(job["zip_url"], link.zip_url);
    }
    server
        .send("DELETE", &format!("/v1/links/{}", link.id), &[])
        .await;
    let answer = server
        .post("/v1/jobs", json!({"link": link.id}).to_string())
        .await;
    Problem::of(&answer).is(410, "link-revoked", &[]);
    let answer = server
        .post("/v1/jobs", json!({"link": "nonsense"}).to_string())
        .await;
    Problem::of(&answer).is(403, "invalid-link", &[]);
}

#[tokio::test]
async fn what_was_not_packaged_is_not_offered() {
    let server = idle();
    server.drop_in("a.pdf", "x");
    let link = create(&server, &json!({})).await;
    let page = link.path.rsplit_once('/').unwrap().0;
    let answer = server.get(&format!("{page}/packaged")).await;
    Problem::of(&answer).is(404, "not-packaged", &[]);
    let page = server.get(page).await;
    assert!(!String::from_utf8_lossy(&page.body).contains("/packaged"));
}
