//! Clients that download a URL as their users would, go on after a break where they can, and say whether they have the
//! file.

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::BytesMut;
use http::StatusCode;
use http_body_util::BodyExt;

use super::client;
use super::downloaders::download;
use super::tools::tool;

/// How often a client that goes on does so.
const TRIES: usize = 30;

/// A downloader, and how it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `curl -f`, once.
    Curl,
    /// `curl -f -C -`, until it ends with success.
    CurlContinue,
    /// `wget`, which goes on by itself where it can.
    Wget,
    /// `wget -c --tries=1`, until it ends with success.
    WgetContinue,
    /// `aria2c` with four connections.
    Aria2,
    /// Python's `urlopen` and `copyfileobj`, which do not compare what came with the length.
    Urlopen,
    /// Python's `urlretrieve`, which does.
    Urlretrieve,
    /// A client of ours that asks once.
    Once,
    /// A client of ours that goes on with `Range` and `If-Range`, as browsers do.
    Ranges,
}

/// Python's two ways.
const URLOPEN: &str = "import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=60) as answer, open('out.zip', 'wb') as file:
    shutil.copyfileobj(answer, file)";
const URLRETRIEVE: &str = "import socket, sys, urllib.request
socket.setdefaulttimeout(60)
urllib.request.urlretrieve(sys.argv[1], 'out.zip')";

/// What a client ends with.
#[derive(Debug)]
pub struct Ended {
    /// Whether it reports success.
    pub success: bool,
    /// The file that it left.
    pub file: Vec<u8>,
    /// What it said.
    pub said: String,
}

impl Client {
    /// Those that are tried on live archives.
    pub const LIVE: [Client; 6] = [
        Client::Curl,
        Client::Wget,
        Client::Aria2,
        Client::Urlopen,
        Client::Urlretrieve,
        Client::Once,
    ];

    /// Those that are tried on links.
    pub const FROZEN: [Client; 9] = [
        Client::Curl,
        Client::CurlContinue,
        Client::Wget,
        Client::WgetContinue,
        Client::Aria2,
        Client::Urlopen,
        Client::Urlretrieve,
        Client::Once,
        Client::Ranges,
    ];

    /// Whether it goes on with the rest after a break.
    pub fn goes_on(self) -> bool {
        use Client::{Aria2, CurlContinue, Ranges, Wget, WgetContinue};
        [Aria2, CurlContinue, Ranges, Wget, WgetContinue].contains(&self)
    }

    /// Whether it may begin from the first byte after a break.
    pub fn begins_anew(self) -> bool {
        self == Client::Aria2 || self == Client::Wget
    }

    /// Whether one request decides.
    pub fn asks_once(self) -> bool {
        use Client::{Curl, Once, Urlopen, Urlretrieve};
        [Curl, Once, Urlopen, Urlretrieve].contains(&self)
    }

    /// Downloads `url`; `None` where the program is not installed.
    pub async fn run(self, url: &str) -> Option<Ended> {
        match self {
            Client::Once => return Some(by_ranges(url, 1).await),
            Client::Ranges => return Some(by_ranges(url, TRIES).await),
            _ => {}
        }
        let program = tool(self.program())?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tries = match self {
            Client::CurlContinue | Client::WgetContinue => TRIES,
            _ => 1,
        };
        let mut ended = None;
        for _ in 0..tries {
            let mut command = Command::new(&program);
            command.args(self.arguments()).arg(url);
            let run = download(command, folder.path()).await;
            let success = run.code == Some(0);
            ended = Some(Ended {
                success,
                file: file(folder.path()),
                said: run.said,
            });
            if success {
                break;
            }
        }
        ended
    }

    fn program(self) -> &'static str {
        match self {
            Client::Curl | Client::CurlContinue => "curl",
            Client::Wget | Client::WgetContinue => "wget",
            Client::Aria2 => "aria2c",
            Client::Urlopen | Client::Urlretrieve => "python3",
            Client::Once | Client::Ranges => unreachable!("ours"),
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Client::Curl => &["-q", "-fsS", "--max-time", "60", "-o", "out.zip"],
            Client::CurlContinue => &["-q", "-fsS", "--max-time", "60", "-C", "-", "-o", "out.zip"],
            Client::Wget => &[
                "--no-config",
                "-nv",
                "--timeout=60",
                "--waitretry=0",
                "-O",
                "out.zip",
            ],
            Client::WgetContinue => &[
                "--no-config",
                "-nv",
                "--timeout=60",
                "-c",
                "--tries=1",
                "-O",
                "out.zip",
            ],
            Client::Aria2 => &[
                "--no-conf",
                "-q",
                "--timeout=60",
                "-x4",
                "-s4",
                "-k1M",
                "-m10",
                "-o",
                "out.zip",
            ],
            Client::Urlopen => &["-c", URLOPEN],
            Client::Urlretrieve => &["-c", URLRETRIEVE],
            Client::Once | Client::Ranges => &[],
        }
    }
}

fn file(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("out.zip")).unwrap_or_default()
}

/// Asks for the whole, and then for the rest under `If-Range`, up to `tries` times.
async fn by_ranges(url: &str, tries: usize) -> Ended {
    let (mut file, mut etag, mut said) = (BytesMut::new(), String::new(), String::new());
    for _ in 0..tries {
        let from = format!("bytes={}-", file.len());
        let known = etag.clone();
        let goes_on = [("range", from.as_str()), ("if-range", known.as_str())];
        let headers = if file.is_empty() || etag.is_empty() {
            file.clear();
            &[][..]
        } else {
            &goes_on[..]
        };
        match attempt(url, headers, &mut file, &mut etag).await {
            Ok(()) => {
                return Ended {
                    success: true,
                    file: file.to_vec(),
                    said,
                };
            }
            Err(why) => said.push_str(&format!("{why}\n")),
        }
    }
    Ended {
        success: false,
        file: file.to_vec(),
        said,
    }
}

async fn attempt(
    url: &str,
    headers: &[(&str, &str)],
    file: &mut BytesMut,
    etag: &mut String,
) -> Result<(), String> {
    let answer = client::open("GET", url, headers)
        .await
        .map_err(|error| error.to_string())?;
    match answer.status() {
        StatusCode::OK => file.clear(),
        StatusCode::PARTIAL_CONTENT => {}
        status => return Err(status.to_string()),
    }
    if let Some(found) = answer.headers().get("etag") {
        *etag = found.to_str().expect("text").to_owned();
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        file.extend_from_slice(frame.data_ref().expect("data"));
    }
    Ok(())
}
