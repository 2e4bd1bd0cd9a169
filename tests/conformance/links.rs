//! Links over every store: made, read in ranges, resumed, handed out file by file, taken back. Where a store keeps
//! versions, they survive what is written later.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::readers::Reader;
use crate::support::server::Server;
use crate::support::stores::{BUCKET, ExternalStore, Software};
use crate::support::walk::{Contents, Held, difference};
use crate::support::{client, sdk};

/// What is put into the bucket: small and large, of one part and of several.
fn files() -> Vec<(&'static str, Bytes)> {
    let content = |seed: usize, length: usize| -> Bytes {
        (0..length).map(|n| ((n * (seed + 2)) >> 5) as u8).collect()
    };
    vec![
        ("links/a.pdf", content(1, 3000)),
        ("links/b ü+&.pdf", content(2, 2 << 20)),
        ("links/c/d.pdf", content(3, (3 << 20) + 17)),
        ("links/e.pdf", Bytes::new()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded() {
    let server = Server::local();
    for (key, content) in files() {
        server.drop_in(key, content);
    }
    whole_life(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garage() {
    let Some(store) = ExternalStore::start(Software::Garage).await else {
        return;
    };
    seed(&s3(&store)).await;
    whole_life(&over(&store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minio() {
    let Some(store) = ExternalStore::start(Software::Minio).await else {
        return;
    };
    seed(&s3(&store)).await;
    whole_life(&over(&store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minio_with_versions() {
    let Some(store) = ExternalStore::start(Software::Minio).await else {
        return;
    };
    let s3 = s3(&store);
    // What is there before versions are kept has the version `null`.
    put(&s3, "links/before.pdf", "before".into()).await;
    let status = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let enabled = s3.put_bucket_versioning().bucket(BUCKET);
    let enabled = enabled
        .versioning_configuration(status.build())
        .send()
        .await;
    enabled.expect("a bucket that keeps versions");
    put(&s3, "links/a.pdf", "an older version".into()).await;
    put(&s3, "links/gone.pdf", "deleted before".into()).await;
    delete(&s3, "links/gone.pdf").await;
    seed(&s3).await;
    let server = over(&store);
    let link = create(&server).await;
    assert_eq!(link["count"], files().len() + 1);
    let path = path_of(&server, &link);
    let whole = server.get(&path).await.body;
    assert_eq!(whole.len() as u64, link["bytes"]);
    for (key, _) in files() {
        put(&s3, key, "overwritten".into()).await;
        delete(&s3, key).await;
    }
    put(&s3, "links/before.pdf", "after".into()).await;
    assert!(server.get(&path).await.body == whole);
    resumed(&server, &path, &whole).await;
    handed_out(&server, &link, &[("links/before.pdf", "before".into())]).await;
    let later = create(&server).await;
    assert_eq!(later["count"], 1, "what was deleted is in no new link");
    whole_life_of(&server, &later, &[("links/before.pdf", "after".into())]).await;
}

fn s3(store: &ExternalStore) -> Client {
    sdk::client_with(&store.endpoint, store.credentials.clone(), sdk::over_http())
}

fn over(store: &ExternalStore) -> Server {
    let credentials = &store.credentials;
    Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", &store.endpoint)
            .env("BUCKET_NAME", BUCKET)
            .env("AWS_ACCESS_KEY_ID", credentials.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key());
    })
}

async fn put(s3: &Client, key: &str, content: Bytes) {
    let put = s3.put_object().bucket(BUCKET).key(key).body(content.into());
    put.send().await.expect("an object");
}

async fn delete(s3: &Client, key: &str) {
    let delete = s3.delete_object().bucket(BUCKET).key(key);
    delete.send().await.expect("a deletion");
}

async fn seed(s3: &Client) {
    for (key, content) in files() {
        put(s3, key, content).await;
    }
}

async fn create(server: &Server) -> Value {
    let body = json!({"prefix": "links/"});
    let answer = server.post("/v1/links", body.to_string()).await;
    let link: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 201, "{link}");
    link
}

fn path_of(server: &Server, link: &Value) -> String {
    let url = link["zip_url"].as_str().unwrap();
    url.strip_prefix(&server.url).unwrap().to_owned()
}

async fn whole_life(server: &Server) {
    let link = create(server).await;
    whole_life_of(server, &link, &files()).await;
}

async fn whole_life_of(server: &Server, link: &Value, files: &[(&str, Bytes)]) {
    let path = path_of(server, link);
    let head = server.send("HEAD", &path, &[]).await;
    assert_eq!(
        head.headers["content-length"],
        link["bytes"].to_string().as_str()
    );
    // From the end, so that what is not known has to be found out.
    let length = link["bytes"].as_u64().unwrap() as usize;
    let tail = server.send("GET", &path, &[("range", "bytes=-50")]).await;
    assert_eq!(tail.status, 206);
    let whole = server.get(&path).await.body;
    assert_eq!(whole.len(), length);
    assert_eq!(tail.body, whole.slice(length - 50..));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("link.zip");
    std::fs::write(&file, &whole).unwrap();
    let held = |(key, content): &(&str, Bytes)| {
        (
            key.trim_start_matches("links/").to_owned(),
            Held::bytes(content),
        )
    };
    let expected: Contents = files.iter().map(held).collect();
    assert_eq!(
        difference(&expected, &Reader::AsyncZip.read(&file).unwrap()),
        None
    );
    resumed(server, &path, &whole).await;
    handed_out(server, link, files).await;
    let revoked = format!("/v1/links/{}", link["id"].as_str().unwrap());
    assert_eq!(server.send("DELETE", &revoked, &[]).await.status, 204);
    assert_eq!(server.get(&path).await.status, 410);
}

/// A download that is given up somewhere goes on from there.
async fn resumed(server: &Server, path: &str, whole: &Bytes) {
    let url = format!("{}{path}", server.url);
    let answer = client::open("GET", &url, &[]).await.unwrap();
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let mut body = answer.into_body();
    let mut had = Vec::new();
    while had.len() < whole.len() / 2 {
        let frame = body.frame().await.unwrap().unwrap();
        had.extend_from_slice(&frame.into_data().unwrap());
    }
    drop(body);
    // A small archive comes in one frame.
    had.truncate(whole.len() / 2);
    let range = format!("bytes={}-", had.len());
    let rest = server
        .send("GET", path, &[("range", &range), ("if-range", &etag)])
        .await;
    assert_eq!(rest.status, 206);
    had.extend_from_slice(&rest.body);
    assert!(had == *whole);
}

/// Every file of `files` is to be had from its line of the manifest.
async fn handed_out(server: &Server, link: &Value, files: &[(&str, Bytes)]) {
    let url = link["manifest_url"].as_str().unwrap();
    let lines = server.get(url.strip_prefix(&server.url).unwrap()).await;
    let text = std::str::from_utf8(&lines.body).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(link["count"], lines.len());
    for (key, content) in files {
        let line = lines.iter().find(|line| line["key"] == *key).unwrap();
        let url = line["url"].as_str().unwrap();
        let file = client::fetch("GET", url, &[]).await.unwrap();
        assert_eq!((file.status.as_u16(), &file.body), (200, content), "{key}");
    }
}
