//! What a worker tells those who operate it.

use serde_json::{Value, json};

use super::{enter, id, idle, job_that};
use crate::support::client;
use crate::support::process::Started;
use crate::support::server::sheaf;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_health_and_metrics_and_nothing_else() {
    let server = idle();
    server.drop_in("r/a.pdf", vec![7; 12 << 20]);
    let bucket = server.bucket();
    let home = bucket.parent().unwrap();
    let mut command = sheaf(home);
    command
        .args(["worker", "--admin-listen", "127.0.0.1:0", "--local"])
        .arg(&bucket);
    let worker = Started::new(&mut command).unwrap();
    let line: Value = serde_json::from_str(&worker.line).unwrap();
    let admin = line["admin"].as_str().unwrap().to_owned();
    let get = async |path: &str| {
        let url = format!("{admin}{path}");
        let answer = client::fetch("GET", &url, &[]).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        (answer.status.as_u16(), text)
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    for path in ["/", "/v1/jobs", "/v1/zip", "/local/r/a.pdf"] {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
    let entered = enter(&server, &json!({"prefix": "r/"})).await;
    let done = job_that(&server, id(&entered), |job| job["state"] == "done").await;
    let series = [
        "sheaf_jobs{state=\"done\"} 1".to_owned(),
        "sheaf_jobs_ended_total{how=\"done\"} 1".to_owned(),
        "sheaf_jobs_running_here 0".to_owned(),
        "sheaf_job_parts_total{how=\"streamed\"} 2".to_owned(),
        format!(
            "sheaf_job_bytes_total{{how=\"streamed\"}} {}",
            done["bytes_total"]
        ),
    ];
    // The job has ended before its worker has counted that.
    for _ in 0..1000 {
        let (status, told) = get("/metrics").await;
        assert_eq!(status, 200);
        let is_told = |series: &String| told.lines().any(|line| line == series);
        if series.iter().all(is_told) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{}", get("/metrics").await.1);
}
