//! Who may ask: signatures, presigned URLs, and what is refused without either. Over a socket where it matters.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::*;

async fn ask(store: &EmbeddedStore, request: http::request::Builder) -> (StatusCode, String) {
    let response = store
        .serve(request.body(Empty::<bytes::Bytes>::new()).unwrap())
        .await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn presign(fixture: &Fixture, key: &str, seconds: u64) -> http::Uri {
    let config = PresigningConfig::expires_in(Duration::from_secs(seconds)).unwrap();
    let get = fixture
        .s3
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .response_content_type("text/x-asked");
    let get = get.response_content_disposition("attachment; filename=\"x y.pdf\"");
    get.presigned(config).await.unwrap().uri().parse().unwrap()
}

fn get(uri: &http::Uri) -> http::request::Builder {
    Request::get(uri.path_and_query().unwrap().as_str())
        .header("host", uri.authority().unwrap().as_str())
}

#[tokio::test]
async fn requests_without_a_good_signature_get_403() {
    let fixture = Fixture::new();
    fixture.put("k", "x").await;
    for path in ["/local/k", "/local?list-type=2", "/local/absent"] {
        let (status, body) = ask(&fixture.store, Request::get(path).header("host", "h")).await;
        assert_eq!(status, 403, "{path}");
        assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
    }
    let wrong = client(&fixture.store, "0000000000000000000000000000000000000000");
    assert_eq!(
        code(wrong.get_object().bucket(BUCKET).key("k").send().await),
        "SignatureDoesNotMatch"
    );
    assert_eq!(
        code(wrong.list_objects_v2().bucket(BUCKET).send().await),
        "SignatureDoesNotMatch"
    );
    let put = wrong
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(ByteStream::from_static(b"y"))
        .send()
        .await;
    assert_eq!(code(put), "SignatureDoesNotMatch");
    assert_eq!(fixture.read("k").await, b"x");
    let other = Fixture::new();
    let stranger = client(&other.store, other.store.secret_key());
    let config = stranger
        .config()
        .to_builder()
        .http_client(fixture.store.http_client())
        .build();
    let stranger = Client::from_conf(config);
    assert_eq!(
        code(stranger.get_object().bucket(BUCKET).key("k").send().await),
        "InvalidAccessKeyId"
    );
}

#[tokio::test]
async fn a_presigned_url_opens_one_object_for_a_while() {
    let fixture = Fixture::new();
    fixture.put("a b/ü+%.pdf", "content").await;
    fixture.put("other", "secret").await;
    let uri = presign(&fixture, "a b/ü+%.pdf", 60).await;
    let response = fixture
        .store
        .serve(get(&uri).body(Empty::<bytes::Bytes>::new()).unwrap())
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/x-asked");
    assert_eq!(
        response.headers()["content-disposition"],
        "attachment; filename=\"x y.pdf\""
    );
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "content"
    );

    let path = uri.path_and_query().unwrap().as_str();
    let forged = path.replace("a%20b/%C3%BC%2B%25.pdf", "other");
    assert_ne!(forged, path);
    let head = Request::head(path).header("host", "127.0.0.1:1");
    let elsewhere = Request::get(path).header("host", "evil.example");
    for request in [
        Request::get(forged).header("host", "127.0.0.1:1"),
        elsewhere,
    ] {
        let (status, body) = ask(&fixture.store, request).await;
        assert_eq!(status, 403);
        assert!(body.contains("SignatureDoesNotMatch"), "{body}");
    }
    assert_eq!(
        ask(&fixture.store, head).await,
        (StatusCode::FORBIDDEN, String::new()),
        "the method is signed"
    );

    let config =
        PresigningConfig::builder().start_time(SystemTime::now() - Duration::from_secs(120));
    let config = config.expires_in(Duration::from_secs(60)).build().unwrap();
    let expired = fixture
        .s3
        .get_object()
        .bucket(BUCKET)
        .key("other")
        .presigned(config)
        .await
        .unwrap();
    let (status, body) = ask(&fixture.store, get(&expired.uri().parse().unwrap())).await;
    assert_eq!(status, 403);
    assert!(body.contains("expired"), "{body}");
}

#[tokio::test]
async fn sigv2_and_forms_are_refused() {
    let fixture = Fixture::new();
    let v2 = Request::get("/local/k?AWSAccessKeyId=x&Expires=9999999999&Signature=y")
        .header("host", "h");
    assert_eq!(ask(&fixture.store, v2).await.0, 400);
    let v2 = Request::get("/local/k")
        .header("host", "h")
        .header("authorization", "AWS x:y");
    assert_eq!(ask(&fixture.store, v2).await.0, 400);
    let form = Request::post("/local")
        .header("host", "h")
        .header("content-type", "multipart/form-data; boundary=b");
    let form = form.body(Full::from(
        "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n",
    ));
    assert_eq!(fixture.store.serve(form.unwrap()).await.status(), 405);
}

#[tokio::test]
async fn dates_that_are_none_are_refused() {
    let fixture = Fixture::new();
    let signature = "0".repeat(64);
    let credential = |date: &str| format!("key/{date}/us-east-1/s3/aws4_request");
    let header = |date: &str, at: &str| {
        let credential = credential(date);
        Request::get("/local/k")
            .header("host", "h")
            .header("x-amz-date", at)
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={signature}"
                ),
            )
    };
    let query = |date: &str, at: &str| {
        let credential = credential(date).replace('/', "%2F");
        Request::get(format!(
            "/local/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={at}\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
        ))
        .header("host", "h")
    };
    let (date, at) = ("20260131", "20260131T235959Z");
    for (date, at) in [
        ("-0260131", at),
        ("2026 131", at),
        (date, "20260131T23:959Z"),
        (date, "-0260131T235959Z"),
    ] {
        for request in [header(date, at), query(&date.replace(' ', "+"), at)] {
            let (status, body) = ask(&fixture.store, request).await;
            assert_eq!(status, 400, "{date} {at}");
            assert!(body.contains("date is none"), "{body}");
        }
    }
    // Of a key that is not known, at a date that is one.
    for request in [header(date, at), query(date, at)] {
        let (status, body) = ask(&fixture.store, request).await;
        assert_eq!(status, 403, "{body}");
    }
}

/// Serves the store on a port of loopback, for as long as the test runs.
async fn listen(store: EmbeddedStore) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let store = store.clone();
            let service = service_fn(move |request| {
                let store = store.clone();
                async move { Ok::<_, std::convert::Infallible>(store.serve(request).await) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    address
}

async fn curl(arguments: &[&str]) -> (Option<i32>, Vec<u8>) {
    let output = Command::new("curl")
        .arg("-s")
        .args(arguments)
        .output()
        .await
        .unwrap();
    (output.status.code(), output.stdout)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_and_the_sdk_agree_over_a_socket() {
    let fixture = Fixture::new();
    let address = listen(fixture.store.clone()).await;
    let config = fixture
        .s3
        .config()
        .to_builder()
        .endpoint_url(format!("http://localhost:{}", address.port()));
    let over_tcp = config
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let s3 = Client::from_conf(over_tcp);
    let content = noise(3_000_000, 11);
    let put = s3
        .put_object()
        .bucket(BUCKET)
        .key("x y.pdf")
        .body(ByteStream::from(content.clone()));
    put.send().await.unwrap();
    let got = s3
        .get_object()
        .bucket(BUCKET)
        .key("x y.pdf")
        .send()
        .await
        .unwrap();
    assert!(got.body.collect().await.unwrap().to_vec() == content);
    let head = s3
        .head_object()
        .bucket(BUCKET)
        .key("x y.pdf")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length, Some(3_000_000));
    assert!(
        s3.head_object()
            .bucket(BUCKET)
            .key("absent")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );

    let minute = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let url = s3
        .get_object()
        .bucket(BUCKET)
        .key("x y.pdf")
        .presigned(minute.clone())
        .await
        .unwrap();
    let (status, body) = curl(&["-f", url.uri()]).await;
    assert!(status == Some(0) && body == content);
    let (status, body) = curl(&["-f", "-r", "10-19", url.uri()]).await;
    assert!(status == Some(0) && body == content[10..20]);
    assert_eq!(
        curl(&["-f", &url.uri().replace("x%20y.pdf", "z.pdf")])
            .await
            .0,
        Some(22)
    );

    let put = s3
        .put_object()
        .bucket(BUCKET)
        .key("up")
        .presigned(minute)
        .await
        .unwrap();
    let file = fixture.state.path().join("upload");
    fs::write(&file, &content).unwrap();
    let mut arguments = vec![
        "-f".to_owned(),
        "-T".to_owned(),
        file.to_str().unwrap().to_owned(),
    ];
    for (name, value) in put.headers() {
        arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
    }
    arguments.push(put.uri().to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(curl(&arguments).await.0, Some(0));
    assert!(fixture.read("up").await == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_file_breaks_the_connection() {
    let fixture = Fixture::new();
    // Larger than the sockets' buffers: the server must still be reading when the file shrinks.
    let path = fixture.drop_in("big", vec![1; 64 << 20]);
    let address = listen(fixture.store.clone()).await;
    let uri = presign_at(&fixture, "big", address).await;
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    let response = sender
        .send_request(get(&uri).body(Empty::<bytes::Bytes>::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.headers()["content-length"], "67108864");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(60 << 20)
        .unwrap();
    response.into_body().collect().await.unwrap_err();
}

async fn presign_at(fixture: &Fixture, key: &str, address: std::net::SocketAddr) -> http::Uri {
    let config = fixture
        .s3
        .config()
        .to_builder()
        .endpoint_url(format!("http://{address}"))
        .build();
    let minute = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let url = Client::from_conf(config)
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .presigned(minute)
        .await
        .unwrap();
    url.uri().parse().unwrap()
}
