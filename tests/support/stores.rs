//! Other people's stores, each a process of its own over a temporary folder, on free ports of 127.0.0.1.
//!
//! They take a while to install, so they are started only where `SHEAF_TEST_STORES` names them (`garage,ministack`).
//! Named but not installed, a store makes its tests say so and pass; where `CI` is set, it must be there.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::Credentials;
use tempfile::TempDir;

use super::client;
use super::sdk;
use super::tools::tool;

/// The bucket that is there.
pub const BUCKET: &str = "bench";

/// None of them takes longer, on a slow machine either.
const PATIENCE: Duration = Duration::from_secs(60);

/// What Garage wants its keys to look like.
const GARAGE_KEYS: (&str, &str) = (
    "GK000102030405060708090a0b",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
);

/// A store that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Garage, by `cargo install`.
    Garage,
    /// An emulator of AWS that checks signatures and policies, from PyPI.
    Ministack,
    /// MinIO, by `go install`.
    Minio,
}

impl Software {
    /// The name of its program, which is what `SHEAF_TEST_STORES` has.
    pub fn program(self) -> &'static str {
        match self {
            Software::Garage => "garage",
            Software::Ministack => "ministack",
            Software::Minio => "minio",
        }
    }

    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Software::Garage => GARAGE_KEYS,
            // A root user; another access key would be taken for an account of its own.
            Software::Ministack => ("conformance", "conformance-secret"),
            Software::Minio => ("conformance", "conformance-secret"),
        }
    }

    fn command(self, program: &Path, home: &Path, port: u16) -> Command {
        let mut command = Command::new(program);
        command.current_dir(home).env("TMPDIR", home);
        let (access_key, secret_key) = self.keys();
        match self {
            Software::Garage => {
                let config = home.join("garage.toml");
                fs::write(&config, garage_config(home, port)).expect("a configuration file");
                command
                    .arg("-c")
                    .arg(config)
                    .args(["server", "--single-node", "--default-bucket"])
                    .env("GARAGE_DEFAULT_ACCESS_KEY", access_key)
                    .env("GARAGE_DEFAULT_SECRET_KEY", secret_key)
                    .env("GARAGE_DEFAULT_BUCKET", BUCKET)
                    .env("RUST_LOG", "warn");
            }
            Software::Ministack => {
                command
                    .env("AUTH", "true")
                    .env("BIND_HOST", "127.0.0.1")
                    .env("GATEWAY_PORT", port.to_string())
                    .env("SERVICES", "s3,iam,sts")
                    // Else it listens on a fixed port too.
                    .env("IOT_MTLS_ENABLED", "0")
                    .env("AWS_ACCESS_KEY_ID", access_key)
                    .env("AWS_SECRET_ACCESS_KEY", secret_key);
            }
            Software::Minio => {
                command
                    .arg("server")
                    .arg(home.join("data"))
                    .args(["--quiet", "--address", &format!("127.0.0.1:{port}")])
                    .args(["--console-address", "127.0.0.1:0"])
                    .env("MINIO_ROOT_USER", access_key)
                    .env("MINIO_ROOT_PASSWORD", secret_key)
                    .env("MINIO_UPDATE", "off");
            }
        }
        command
    }
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// A running store with the empty bucket [`BUCKET`]; killed when it is dropped.
#[derive(Debug)]
pub struct ExternalStore {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Keys that may do everything.
    pub credentials: Credentials,
    process: Child,
    home: TempDir,
}

impl ExternalStore {
    /// Starts it, and waits until the bucket is there. `None`, and a line of explanation, where it is not asked for or
    /// not installed.
    pub async fn start(software: Software) -> Option<ExternalStore> {
        let asked = env::var("SHEAF_TEST_STORES").unwrap_or_default();
        if !asked
            .split(',')
            .any(|name| name.trim() == software.program())
        {
            println!("skipped: SHEAF_TEST_STORES does not name {software}");
            return None;
        }
        let program = tool(software.program())?;
        // Between finding a free port and listening on it, another process may take it.
        for _ in 0..3 {
            let mut store = ExternalStore::spawn(software, &program);
            if store.answers().await {
                store.make_bucket(software).await;
                return Some(store);
            }
        }
        panic!("{software} does not start");
    }

    fn spawn(software: Software, program: &Path) -> ExternalStore {
        let home = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let log = File::create(home.path().join("log")).expect("a file for the log");
        let process = software
            .command(program, home.path(), port)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle on the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (access_key, secret_key) = software.keys();
        ExternalStore {
            endpoint: format!("http://127.0.0.1:{port}"),
            credentials: sdk::credentials(access_key, secret_key),
            process,
            home,
        }
    }

    /// Waits for any answer at all; these servers say nowhere that they are ready.
    async fn answers(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.process.try_wait().expect("a status").is_some() {
                eprintln!("it ended:\n{}", self.log());
                return false;
            }
            if client::fetch("GET", &self.endpoint, &[]).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no answer in {PATIENCE:?}:\n{}", self.log());
    }

    /// Asks for the bucket until it can be made and listed: a store may answer before it is ready.
    async fn make_bucket(&self, software: Software) {
        let s3 = sdk::client_with(&self.endpoint, self.credentials.clone(), sdk::over_http());
        let started = Instant::now();
        loop {
            if software != Software::Garage {
                // Where it is there already, the listing says so.
                let _ = s3.create_bucket().bucket(BUCKET).send().await;
            }
            match s3.list_objects_v2().bucket(BUCKET).send().await {
                Ok(_) => return,
                Err(error) if started.elapsed() > PATIENCE => {
                    panic!("{software} has no bucket: {error:?}\n{}", self.log())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for ExternalStore {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn garage_config(home: &Path, port: u16) -> String {
    let rpc = free_port();
    format!(
        r#"
metadata_dir = "{home}/meta"
data_dir = "{home}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"

[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:{port}"
"#,
        home = home.display(),
        secret = "01".repeat(32),
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}
