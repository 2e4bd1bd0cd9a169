//! How the store is reached: who asks, who pays, which certificates are trusted, and through which proxy.

use std::fs;
use std::path::Path;
use std::process::Command;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::process::Started;
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
    let manifest = Command::new(sheaf(Path::new("/")).get_program())
        .args([
            "manifest",
            "s3://bench/",
            "--requester-pays",
            "--endpoint-url",
            &store.endpoint(),
        ])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output();
    let manifest = tokio::task::block_in_place(|| manifest).unwrap();
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
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let variables = [
        ("HTTP_PROXY", address.as_str()),
        ("S3_ENDPOINT_URL", "http://store.example:9000"),
    ];
    let server = server(&store, &["--path-style"], &variables);
    let asked = async {
        let (stream, _) = proxy.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.get_mut().write_all(answer).await.unwrap();
        line
    };
    let (line, answer) = tokio::join!(asked, server.get("/v1/zip"));
    assert!(
        line.starts_with("GET http://store.example:9000/bench"),
        "{line}"
    );
    assert_eq!(answer.status, 403);
    assert_eq!(store.requests().count(Operation::List), 0);
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_where_it_is_named() {
    let (Some(openssl), Some(nginx)) = (tool("openssl"), tool("nginx")) else {
        return;
    };
    let store = store().await;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-keyout", &path("key.pem"), "-out", &path("cert.pem")])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log stderr;
         events {{}}
         http {{ access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
           fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
           server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
             location / {{ proxy_pass {store}; proxy_set_header Host $http_host; }} }} }}",
        dir = home.path().display(),
        store = store.endpoint(),
    );
    fs::write(path("nginx.conf"), config).unwrap();
    // It says nothing when it listens, so the shell asks until it does.
    let script = format!(
        "{} -c {} & until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do kill -0 $! || exit 1; done; echo up; wait",
        nginx.display(),
        path("nginx.conf")
    );
    let mut shell = Started::new(
        Command::new("bash").args(["-c", &format!("trap 'kill $(jobs -p)' EXIT TERM; {script}")]),
    )
    .unwrap();
    let endpoint = format!("https://localhost:{port}");
    let trusting = server(
        &store,
        &[],
        &[
            ("S3_ENDPOINT_URL", &endpoint),
            ("AWS_CA_BUNDLE", &path("cert.pem")),
        ],
    );
    let wary = server(&store, &[], &[("S3_ENDPOINT_URL", &endpoint)]);
    assert_eq!(trusting.get("/v1/zip").await.status, 200);
    let refused = wary.get("/v1/zip").await;
    assert_eq!(refused.status, 503);
    assert!(
        String::from_utf8_lossy(&refused.body).contains("certificate"),
        "{refused:?}"
    );
    let id = shell.child().id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    shell.child().wait().unwrap();
}

#[test]
fn a_file_without_certificates_is_named() {
    let home = tempfile::tempdir().unwrap();
    for (name, text, reason) in [
        ("empty.pem", Some(""), "holds no certificate"),
        ("missing.pem", None, "No such file"),
    ] {
        let file = home.path().join(name);
        text.map(|text| fs::write(&file, text).unwrap());
        let run = sheaf(home.path())
            .args(["zip", "s3://bench/", "-o", "x.zip", "--ca-file"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(1));
        let message = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(
            message.contains(reason) && message.contains(name),
            "{message}"
        );
    }
}
