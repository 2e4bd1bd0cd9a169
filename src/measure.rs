//! What is counted while sheaf runs, for `/metrics`: the names, what they mean, and the one place that writes them.
//!
//! Counting costs nothing to whoever never asks: before [`install`] every call is dropped.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::read_ahead::MemoryBudget;

const REQUESTS: &str = "sheaf_http_requests_total";
const OVER_LIMIT: &str = "sheaf_over_limit_total";
const CONNECTIONS: &str = "sheaf_connections";
const RUNNING: &str = "sheaf_downloads_running";
const DOWNLOADS: &str = "sheaf_downloads_total";
const BYTES: &str = "sheaf_download_bytes_total";
const ENTRIES: &str = "sheaf_download_entries_total";
const FIRST_BYTE: &str = "sheaf_download_first_byte_seconds";
const LINK_DOWNLOADS: &str = "sheaf_link_downloads_total";
const STORE_REQUESTS: &str = "sheaf_store_requests_total";
const STORE_RETRIES: &str = "sheaf_store_retries_total";
const QUEUE_WAIT: &str = "sheaf_store_queue_wait_seconds";
const WINDOW: &str = "sheaf_read_ahead_window_bytes";
const BUDGET: &str = "sheaf_memory_budget_bytes";
const RESERVED: &str = "sheaf_memory_reserved_bytes";
const RESERVED_PEAK: &str = "sheaf_memory_reserved_peak_bytes";
const KEPT: &str = "sheaf_memory_manifests_bytes";
const JOBS: &str = "sheaf_jobs";
const JOBS_RUNNING: &str = "sheaf_jobs_running_here";
const JOBS_LEFT: &str = "sheaf_jobs_ended_total";
const JOBS_WAITED: &str = "sheaf_job_wait_seconds";
const JOB_PARTS: &str = "sheaf_job_parts_total";
const JOB_BYTES: &str = "sheaf_job_bytes_total";
const ADMITTED: &str = "sheaf_memory_shares";

/// Buckets for waits, in seconds: from a store on the same machine to one that is given up.
const SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];

/// Buckets for windows, in bytes: from the first reservation to half of the default budget.
const WINDOWS: [f64; 6] = [
    131_072.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    134_217_728.0,
];

/// How often what is kept of single waits is added up, if nobody asks for it before.
const ADDED_UP: Duration = Duration::from_secs(5);

/// What is counted for each read of an object. It is looked up once: by its name, a count costs ten times as much.
struct PerRead {
    requests: Counter,
    waits: Histogram,
}

static PER_READ: OnceLock<PerRead> = OnceLock::new();

/// Begins to count, once for the process, and gives the handle that writes it all out.
pub fn install() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        // Only an empty list of buckets is refused.
        let builder = builder
            .set_buckets(&SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Full(WINDOW.to_owned()), &WINDOWS)
            })
            .unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Where somebody else counts already, what is written out stays empty.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        PER_READ.get_or_init(|| PerRead {
            requests: counter!(STORE_REQUESTS, "operation" => "GetObject"),
            waits: histogram!(QUEUE_WAIT),
        });
        handle
    })
}

/// Adds up what was measured, again and again. Each wait is kept until then, so a server that nobody asks for its metrics
/// would grow with every read.
pub async fn add_up() {
    loop {
        tokio::time::sleep(ADDED_UP).await;
        install().run_upkeep();
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Requests, by route and class of status");
    describe_counter!(
        OVER_LIMIT,
        "Requests and connections that were refused or cut off, by the limit that they went over"
    );
    describe_gauge!(CONNECTIONS, "Connections that are open now, by door");
    describe_gauge!(RUNNING, "Archives on their way now, by kind");
    describe_counter!(
        DOWNLOADS,
        "Archives, by kind and outcome: complete, client_gone, failed"
    );
    describe_counter!(
        LINK_DOWNLOADS,
        "Downloads of links that reached the archive's last byte"
    );
    describe_counter!(BYTES, Unit::Bytes, "Bytes of archives that were sent");
    describe_counter!(ENTRIES, "Entries of archives that were begun");
    describe_histogram!(
        FIRST_BYTE,
        Unit::Seconds,
        "From a request's head to its archive's first byte"
    );
    describe_counter!(
        STORE_REQUESTS,
        "Requests to the store, each try counted, by operation"
    );
    describe_counter!(
        STORE_RETRIES,
        "Reads and requests that were tried again, by kind"
    );
    describe_histogram!(
        QUEUE_WAIT,
        Unit::Seconds,
        "How long reads wait for a place among the connections to the store"
    );
    describe_histogram!(
        WINDOW,
        Unit::Bytes,
        "How far ahead a download read at the most"
    );
    describe_gauge!(BUDGET, Unit::Bytes, "The memory budget of all downloads");
    describe_gauge!(
        RESERVED,
        Unit::Bytes,
        "What of the memory budget downloads use"
    );
    describe_gauge!(
        KEPT,
        Unit::Bytes,
        "What of the memory budget open manifests of links take, used or not"
    );
    describe_gauge!(
        RESERVED_PEAK,
        Unit::Bytes,
        "The most of the memory budget that ever was in use"
    );
    describe_gauge!(JOBS, "Jobs in the queue, by state");
    describe_gauge!(JOBS_RUNNING, "Jobs that run in this process");
    describe_counter!(
        JOBS_LEFT,
        "Tries of jobs that ended in this process, by how: done, failed, cancelled, split, retried, given_back, lost"
    );
    describe_counter!(
        JOB_PARTS,
        "Parts of packages that were done in this process, by how: streamed, copied"
    );
    describe_counter!(
        JOB_BYTES,
        Unit::Bytes,
        "Bytes of these parts, by how: streamed, copied"
    );
    describe_histogram!(
        JOBS_WAITED,
        Unit::Seconds,
        "How long jobs wait until they are first begun"
    );
    describe_gauge!(ADMITTED, "Downloads that have a share of the memory budget");
}

/// Everything counted so far, in Prometheus' text format.
pub fn exposition(memory: &MemoryBudget) -> String {
    gauge!(BUDGET).set(memory.total() as f64);
    gauge!(RESERVED).set(memory.held() as f64);
    gauge!(KEPT).set(memory.kept() as f64);
    gauge!(RESERVED_PEAK).set(memory.peak() as f64);
    gauge!(ADMITTED).set(memory.downloads() as f64);
    let handle = install();
    handle.run_upkeep();
    handle.render()
}

/// So many jobs are in a state.
pub fn jobs(state: &'static str, count: u64) {
    gauge!(JOBS, "state" => state).set(count as f64);
}

/// A job that was begun for the first time has waited.
pub fn job_waited(waited: Duration) {
    histogram!(JOBS_WAITED).record(waited.as_secs_f64());
}

/// A part of a package stands.
pub fn job_part(copied: bool, bytes: u64) {
    let how = if copied { "copied" } else { "streamed" };
    counter!(JOB_PARTS, "how" => how).increment(1);
    counter!(JOB_BYTES, "how" => how).increment(bytes);
}

/// A try of a job has ended here.
pub fn job_left(how: &'static str) {
    counter!(JOBS_LEFT, "how" => how).increment(1);
}

/// A job that runs in this process; over when it is dropped.
#[derive(Debug)]
pub struct RunningJob(());

impl RunningJob {
    /// A job begins.
    pub fn new() -> RunningJob {
        gauge!(JOBS_RUNNING).increment(1.0);
        RunningJob(())
    }
}

impl Default for RunningJob {
    fn default() -> RunningJob {
        RunningJob::new()
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        gauge!(JOBS_RUNNING).decrement(1.0);
    }
}

/// A request has been answered, or its client has gone before that.
pub fn request(route: &'static str, status: Option<u16>) {
    let class = match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
        None => "none",
    };
    counter!(REQUESTS, "route" => route, "status" => class).increment(1);
}

/// Somebody went over a limit.
pub fn over_limit(limit: &'static str) {
    counter!(OVER_LIMIT, "limit" => limit).increment(1);
}

/// So many connections are open at a door.
pub fn connections(door: &'static str, open: usize) {
    gauge!(CONNECTIONS, "door" => door).set(open as f64);
}

/// A download of a link has reached the archive's last byte.
pub fn link_downloaded() {
    counter!(LINK_DOWNLOADS).increment(1);
}

/// An archive on its way; over when it is dropped.
#[derive(Debug)]
pub struct Running(&'static str);

impl Running {
    /// An archive of this kind sets out.
    pub fn new(kind: &'static str) -> Running {
        gauge!(RUNNING, "kind" => kind).increment(1.0);
        Running(kind)
    }

    /// How it ended.
    pub fn ended(
        self,
        outcome: &'static str,
        bytes: u64,
        entries: u64,
        first_byte: Option<Duration>,
    ) {
        counter!(DOWNLOADS, "kind" => self.0, "outcome" => outcome).increment(1);
        counter!(BYTES).increment(bytes);
        counter!(ENTRIES).increment(entries);
        if let Some(first_byte) = first_byte {
            histogram!(FIRST_BYTE, "kind" => self.0).record(first_byte.as_secs_f64());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!(RUNNING, "kind" => self.0).decrement(1.0);
    }
}

/// A request goes out to the store.
pub fn store_request(operation: &str) {
    counter!(STORE_REQUESTS, "operation" => operation.to_owned()).increment(1);
}

/// A read of an object goes out to the store.
pub fn store_read() {
    if let Some(per_read) = PER_READ.get() {
        per_read.requests.increment(1);
    }
}

/// Something is asked of the store once more: a request that failed, or the rest of a body that broke.
pub fn store_retry(kind: &'static str) {
    counter!(STORE_RETRIES, "kind" => kind).increment(1);
}

/// A read has got its place among the connections to the store.
pub fn queue_wait(waited: Duration) {
    if let Some(per_read) = PER_READ.get() {
        per_read.waits.record(waited);
    }
}

/// A download has ended that read this far ahead at the most.
pub fn window(bytes: usize) {
    histogram!(WINDOW).record(bytes as f64);
}
