//! A real nginx in front of a server, with a configuration of its own in a temporary folder.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::tools::tool;

/// How often a port that somebody else took meanwhile is exchanged for another.
const TRIES: usize = 10;

/// A running nginx; stopped when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    program: PathBuf,
    home: TempDir,
}

impl Nginx {
    /// Passes every request on to `upstream`, with further `lines` in the location. `None` where nginx is missing.
    pub fn before(upstream: &str, lines: &str) -> Option<Nginx> {
        Nginx::start("http", "", &[upstream], lines)
    }

    /// Shares requests among `upstreams`, and gives none of them up for a while when it fails.
    pub fn among(upstreams: &[&str], lines: &str) -> Option<Nginx> {
        Nginx::start("http", "", upstreams, lines)
    }

    /// The same as [`Nginx::before`] behind TLS, for the name of its certificate.
    pub fn with_tls(upstream: &str, certificate: &Path, key: &Path) -> Option<Nginx> {
        let tls = format!(
            " ssl; ssl_certificate {}; ssl_certificate_key {}",
            certificate.display(),
            key.display()
        );
        let lines = "proxy_set_header Host $http_host;";
        Nginx::start("https", &tls, &[upstream], lines)
    }

    /// Its process, once it has written that down.
    pub fn process(&self) -> Option<u32> {
        let text = fs::read_to_string(self.home.path().join("pid")).ok()?;
        text.trim().parse().ok()
    }

    fn start(scheme: &str, tls: &str, upstreams: &[&str], lines: &str) -> Option<Nginx> {
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"]
            .map(PathBuf::from)
            .into_iter()
            .find(|program| program.is_file())
            .or_else(|| tool("nginx"))?;
        let home = tempfile::tempdir().expect("a temporary folder");
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = free.local_addr().expect("a bound socket");
            drop(free);
            let listen = format!("{address}{tls}");
            let text = configuration(home.path(), &listen, upstreams, lines);
            fs::write(home.path().join("nginx.conf"), text).expect("a configuration");
            let mut nginx = command(&program, home.path());
            // It goes to the background once it listens.
            if nginx.status().expect("a program that runs").success() {
                return Some(Nginx {
                    url: format!("{scheme}://{address}"),
                    program,
                    home,
                });
            }
        }
        let log = fs::read_to_string(home.path().join("error.log")).unwrap_or_default();
        panic!("nginx does not start\n{log}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let mut nginx = command(&self.program, self.home.path());
        let _ = nginx.args(["-s", "stop"]).status();
    }
}

fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(home)
        .args(["-e", "error.log", "-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// One process, so that it runs as whoever runs the test, who owns the folder.
fn configuration(home: &Path, listen: &str, upstreams: &[&str], lines: &str) -> String {
    let home = home.display();
    let servers: Vec<String> = upstreams
        .iter()
        .map(|url| format!("server {} max_fails=0;", url.trim_start_matches("http://")))
        .collect();
    let servers = servers.join(" ");
    // A group would be what nginx calls its upstream in Host.
    let upstream = match upstreams {
        [one] => one,
        _ => "http://replicas",
    };
    format!(
        "master_process off;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {home}/client;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    upstream replicas {{ {servers} keepalive 64; }}
    server {{
        listen {listen};
        location / {{
            proxy_pass {upstream};
            {lines}
        }}
    }}
}}
"
    )
}
