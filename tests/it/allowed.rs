//! `--allow-bucket` holds for what is stored as well: links, jobs and packages of other buckets are refused, and nothing of
//! these buckets is read.

use serde_json::{Value, json};

use crate::jobs::{enter, id, job, job_that, json_of};
use crate::links::create;
use crate::support::problem::Problem;
use crate::support::process::Started;
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

/// What all servers sign links with.
const LINK_KEYS: &str = "allowed:00112233445566778899aabbccddeeff";

/// Allows another bucket than the one that there is, but has its links and jobs.
const NARROW: [&str; 4] = ["--allow-bucket", "elsewhere", "--bucket", "elsewhere"];

struct Place {
    store: Synthetic,
    queue: String,
    home: tempfile::TempDir,
}

impl Place {
    async fn new() -> Place {
        let object = SyntheticObject::new("r/a.pdf", 300_000);
        let home = tempfile::tempdir().unwrap();
        Place {
            store: Synthetic::start([object], Options::default()).await,
            queue: format!("sqlite:{}", home.path().join("jobs").display()),
            home,
        }
    }

    /// A server that runs no jobs.
    fn server(&self, arguments: &[&str]) -> Server {
        Server::with(|command, _| {
            command
                .env("S3_ENDPOINT_URL", self.store.endpoint())
                .env("SHEAF_LINK_KEYS", LINK_KEYS)
                .args(["--state-bucket", "bench", "--slots", "0"])
                .args(["--queue", &self.queue])
                .args(arguments);
        })
    }

    fn worker(&self, arguments: &[&str]) -> Started {
        let mut command = sheaf(self.home.path());
        command
            .args(["worker", "--queue", &self.queue])
            .args(arguments)
            .env("S3_ENDPOINT_URL", self.store.endpoint());
        command.start(&self.home.path().join("log")).unwrap()
    }

    /// What was asked of the store apart from sheaf's own objects, behind so many requests.
    fn asked(&self, behind: usize) -> Vec<String> {
        let log = self.store.requests().log();
        let others = log[behind..]
            .iter()
            .filter(|record| !record.key.starts_with(".sheaf/"));
        others.map(|record| format!("{record:?}")).collect()
    }
}

#[tokio::test]
async fn a_link_of_another_bucket_is_refused() {
    let place = Place::new().await;
    let wide = place.server(&["--bucket", "bench"]);
    let link = create(&wide, &json!({"prefix": "r/"})).await;
    assert_eq!(wide.get(&link.path).await.status, 200);
    let narrow = place.server(&NARROW);
    let before = place.store.requests().log().len();
    let page = link.path.rsplit_once('/').unwrap().0;
    for path in [
        link.path.clone(),
        page.to_owned(),
        format!("{page}/manifest.jsonl"),
        format!("{page}/files/0"),
        format!("{page}/packaged"),
    ] {
        for headers in [&[][..], &[("range", "bytes=5-9")]] {
            let answer = narrow.send("GET", &path, headers).await;
            Problem::of(&answer).is(403, "bucket-not-allowed", &["bench", "--allow-bucket"]);
        }
        assert_eq!(narrow.send("HEAD", &path, &[]).await.status, 403, "{path}");
    }
    // A page for whoever looks at it in a browser.
    let html = [("accept", "text/html")];
    let answer = narrow.send("GET", page, &html).await;
    assert_eq!(answer.status, 403);
    assert!(answer.headers["content-type"] != "application/problem+json");
    let body = json!({"link": link.id}).to_string();
    let answer = narrow.post("/v1/jobs", body).await;
    Problem::of(&answer).is(403, "bucket-not-allowed", &[]);
    assert_eq!(place.asked(before), Vec::<String>::new());
    assert_eq!(wide.get(&link.path).await.status, 200, "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_bucket_fails_and_its_archive_is_not_handed_out() {
    let place = Place::new().await;
    let wide = place.server(&["--bucket", "bench"]);
    let own = enter(&wide, &json!({"prefix": "r/"})).await;
    let to = enter(
        &wide,
        &json!({"prefix": "r/", "to": "s3://bench/out/all.zip"}),
    )
    .await;
    let before = place.store.requests().log().len();
    let worker = place.worker(&["--allow-bucket", "elsewhere"]);
    for entered in [&own, &to] {
        let failed = job_that(&wide, id(entered), |job| job["state"] == "failed").await;
        let why = failed["error"].as_str().unwrap();
        assert!(
            why.contains("\"bench\"") && why.contains("--allow-bucket"),
            "{why}"
        );
    }
    drop(worker);
    assert_eq!(place.asked(before), Vec::<String>::new());

    let _worker = place.worker(&["--allow-bucket", "bench,elsewhere"]);
    let entered = enter(
        &wide,
        &json!({"prefix": "r/", "to": "s3://bench/out/all.zip"}),
    )
    .await;
    let done = job_that(&wide, id(&entered), |job| job["state"] == "done").await;
    assert!(done["url"].is_string());
    let narrow = place.server(&NARROW);
    let shown: Value = job(&narrow, id(&entered)).await;
    assert_eq!(shown["state"], "done");
    assert!(shown["url"].is_null(), "{shown}");
    let all = json_of(&narrow.get("/v1/jobs").await);
    assert!(!all.to_string().contains("X-Amz-Signature"), "{all}");
}
