//! How the store is reached: who asks, who pays, which certificates are trusted, and through which proxy.

use std::fs;
use std::process::Command;

use crate::proxy::Proxy;
use crate::support::nginx::Nginx;
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::{Operation, Record};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::tools::tool;

async fn store() -> Synthetic {
    Synthetic::start([SyntheticObject::new("a.pdf", 10)], Options::default()).await
}

/// A server over `store`, with arguments and variables beside the usual ones.
fn server(store: &Synthetic, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    Server::with(|command, _| {
        command
            .args(arguments)
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench")
            .envs(variables.iter().copied());
    })
}

fn all(records: &[Record], holds: impl Fn(&Record) -> bool) -> bool {
    !records.is_empty() && records.iter().all(holds)
}

#[tokio::test]
async fn an_anonymous_server_signs_nothing() {
    let store = store().await;
    let server = server(&store, &["--anonymous"], &[]);
    assert_eq!(server.get("/v1/zip").await.status, 200);
    assert!(all(&store.requests().log(), |record| record
        .authorization
        .is_none()));
}

#[tokio::test]
async fn a_profile_goes_before_keys_in_the_environment() {
    let store = store().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials");
    let profile = "[archives]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = secret\n";
    fs::write(&file, profile).unwrap();
    let file = [("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())];
    let signed_by = |key: &'static str| {
        let needle = format!("Credential={key}/");
        move |record: &Record| {
            record
                .authorization
                .as_ref()
                .is_some_and(|value| value.contains(&needle))
        }
    };
    let named = server(&store, &["--profile", "archives"], &file);
    assert_eq!(named.get("/v1/zip").await.status, 200);
    assert!(all(&store.requests().log(), signed_by("PROFILEKEY")));
    let plain = server(&store, &[], &[file[0], ("AWS_PROFILE", "archives")]);
    assert_eq!(plain.get("/v1/zip").await.status, 200);
    assert!(all(&store.requests().log()[2..], signed_by("test")));
}

#[tokio::test]
async fn requesters_pay_where_they_are_asked_to() {
    let store = store().await;
    let server = server(&store, &["--requester-pays"], &[]);
    assert_eq!(server.get("/v1/zip").await.status, 200);
    let endpoint = store.endpoint();
    let home = tempfile::tempdir().unwrap();
    let mut manifest = sheaf(home.path());
    manifest.args([
        "manifest",
        "s3://bench/",
        "--requester-pays",
        "--endpoint-url",
        &endpoint,
    ]);
    let manifest = tokio::task::spawn_blocking(move || manifest.output()).await;
    let manifest = manifest.unwrap().unwrap();
    assert!(
        manifest.status.success(),
        "{}",
        String::from_utf8_lossy(&manifest.stderr)
    );
    let paid = |record: &Record| record.request_payer.as_deref() == Some("requester");
    assert!(all(&store.requests().log(), paid));
    let key = store
        .keys()
        .into_iter()
        .find(|key| key.starts_with("manifests/"))
        .unwrap();
    let object = store.object(&key).unwrap();
    let line = object.content.slice(0..object.size());
    let line = String::from_utf8_lossy(&line);
    assert!(
        line.contains("x-amz-request-payer=requester"),
        "whoever holds a URL sends no header: {line}"
    );
    assert!(
        !line.contains("SignedHeaders=host%3Bx-amz-request-payer"),
        "{line}"
    );
}

#[tokio::test]
async fn requests_go_through_a_proxy_of_the_environment() {
    let store = store().await;
    let proxy = Proxy::start().await;
    let address = format!("http://{}", proxy.authority());
    let variables = [
        ("HTTP_PROXY", address.as_str()),
        ("S3_ENDPOINT_URL", "http://store.example:9000"),
    ];
    let server = server(&store, &["--path-style"], &variables);
    let (head, answer) = tokio::join!(proxy.refuse("403 Forbidden"), server.get("/v1/zip"));
    assert!(
        head.starts_with("GET http://store.example:9000/bench"),
        "{head}"
    );
    assert_eq!(answer.status, 403);
    assert_eq!(store.requests().count(Operation::List), 0);
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_where_it_is_named() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let store = store().await;
    let home = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key.pem", "cert.pem"].map(|name| home.path().join(name));
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let Some(nginx) = Nginx::with_tls(&store.endpoint(), &certificate, &key) else {
        return;
    };
    let certificate = certificate.to_str().unwrap();
    let variables = [
        ("S3_ENDPOINT_URL", nginx.url.as_str()),
        ("AWS_CA_BUNDLE", certificate),
    ];
    let trusting = server(&store, &[], &variables);
    let wary = server(&store, &[], &variables[..1]);
    let answer = trusting.get("/v1/zip").await;
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let refused = wary.get("/v1/zip").await;
    assert_eq!(refused.status, 503);
    let problem = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(problem.contains("certificate"), "{problem}");
}

#[test]
fn a_file_without_certificates_is_named() {
    let home = tempfile::tempdir().unwrap();
    for (name, text, reason) in [
        ("empty.pem", Some(""), "holds no certificate"),
        ("missing.pem", None, "No such file"),
    ] {
        let file = home.path().join(name);
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let mut zip = sheaf(home.path());
        zip.args(["zip", "s3://bench/", "-o", "x.zip", "--ca-file"])
            .arg(&file);
        let run = zip.output().unwrap();
        assert_eq!(run.status.code(), Some(1));
        let message = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(
            message.contains(reason) && message.contains(name),
            "{message}"
        );
    }
}
