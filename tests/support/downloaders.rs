//! The programs with which people download, called as people call them.
//!
//! Each runs in a temporary folder of its own, without a proxy and without its user's settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::tool;

/// A program, and the version of HTTP that it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downloader {
    /// `curl -fOJ`.
    Curl,
    /// `curl -fOJ --http1.0`.
    CurlHttp10,
    /// `wget --content-disposition`.
    Wget,
    /// Python's urllib.
    Urllib,
    /// Python's urllib over HTTP/1.0.
    UrllibHttp10,
    /// `aria2c`, which begins anew when a transfer without a length breaks off, five times altogether.
    Aria2,
}

/// How a download went.
#[derive(Debug)]
pub struct Download {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What the program wrote to both of its outputs.
    pub said: String,
    /// The files that it left, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Downloader {
    /// Over HTTP/1.1, all that do not begin anew by themselves.
    pub const HTTP11: [Downloader; 3] = [Downloader::Curl, Downloader::Wget, Downloader::Urllib];

    /// The same over HTTP/1.0, as far as they speak it.
    pub const HTTP10: [Downloader; 2] = [Downloader::CurlHttp10, Downloader::UrllibHttp10];

    /// The exit codes that say that a transfer broke off.
    pub fn broken(self) -> &'static [i32] {
        match self {
            // Partial file; failure in receiving network data.
            Downloader::Curl | Downloader::CurlHttp10 => &[18, 56],
            // The server issued an error response: wget asks for the rest, and is told that there is no such thing.
            Downloader::Wget => &[8],
            Downloader::Urllib | Downloader::UrllibHttp10 => &[1],
            // An unknown error.
            Downloader::Aria2 => &[1],
        }
    }

    /// Downloads `url`; `None` where the program is not installed.
    pub async fn run(self, url: &str) -> Option<Download> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = tool(self.program())?;
        let command = self.command(&program, url);
        Some(download(command, folder.path()).await)
    }

    fn program(self) -> &'static str {
        match self {
            Downloader::Curl | Downloader::CurlHttp10 => "curl",
            Downloader::Wget => "wget",
            Downloader::Urllib | Downloader::UrllibHttp10 => "python3",
            Downloader::Aria2 => "aria2c",
        }
    }

    fn command(self, program: &Path, url: &str) -> Command {
        let mut command = Command::new(program);
        match self {
            Downloader::Curl => command.args(["-q", "-fsSOJ", "--max-time", "60"]),
            Downloader::CurlHttp10 => {
                command.args(["-q", "-fsSOJ", "--max-time", "60", "--http1.0"])
            }
            Downloader::Wget => command.args([
                "--no-config",
                "-nv",
                "--timeout=60",
                "--content-disposition",
            ]),
            Downloader::Urllib | Downloader::UrllibHttp10 => command.arg(script()),
            Downloader::Aria2 => command.args(["--no-conf", "-q", "--timeout=60"]),
        };
        command.arg(url);
        if self == Downloader::UrllibHttp10 {
            command.arg("1.0");
        }
        command
    }
}

/// Runs a download in `folder`, while the runtime goes on, and gathers what it leaves.
pub async fn download(mut command: Command, folder: &Path) -> Download {
    command.current_dir(folder).env("no_proxy", "*");
    for proxy in ["http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = running
        .await
        .expect("no panic")
        .expect("a program that runs");
    let said = [output.stderr, output.stdout].concat();
    Download {
        code: output.status.code(),
        said: String::from_utf8_lossy(&said).into_owned(),
        files: files(folder),
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/downloader.py")
}
