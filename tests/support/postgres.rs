//! A PostgreSQL server of its own, in a temporary folder, on a free port of loopback.
//!
//! It refuses to run as root, so it is started as `nobody` there.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// How often a port that somebody else took meanwhile is exchanged for another.
const TRIES: usize = 10;

/// A running server; stopped when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    home: TempDir,
    port: u16,
}

impl Postgres {
    /// Starts one. Where it is not installed: `None` and a line of explanation, or a panic under `CI`.
    pub fn start() -> Option<Postgres> {
        let Some(programs) = programs() else {
            assert!(env::var_os("CI").is_none(), "PostgreSQL is not installed");
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        let home = tempfile::tempdir().expect("a temporary folder");
        let open = fs::Permissions::from_mode(0o700);
        fs::set_permissions(home.path(), open).expect("a folder of ours");
        if is_root() {
            chown(home.path(), Some(NOBODY), Some(NOBODY)).expect("the right to give it away");
        }
        let mut postgres = Postgres {
            programs,
            home,
            port: 0,
        };
        let made = postgres.run(
            "initdb",
            &["-U", "sheaf", "-A", "trust", "-N", "-D", "data"],
        );
        assert!(made.status.success(), "initdb: {made:?}");
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            postgres.port = free.local_addr().expect("a bound socket").port();
            drop(free);
            if postgres.up() {
                return Some(postgres);
            }
        }
        let log = fs::read_to_string(postgres.home.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start\n{log}");
    }

    /// Where it is: `postgres://…`.
    pub fn url(&self) -> String {
        format!("postgres://sheaf@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again, on the same port.
    pub fn up(&self) -> bool {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories='' -c max_connections=60",
            self.port
        );
        let started = self.run(
            "pg_ctl",
            &[
                "-D", "data", "-l", "log", "-w", "-t", "60", "-o", &options, "start",
            ],
        );
        started.status.success()
    }

    /// Stops it at once, as in a crash.
    pub fn down(&self) {
        let stopped = self.run("pg_ctl", &["-D", "data", "-w", "-m", "immediate", "stop"]);
        assert!(stopped.status.success(), "pg_ctl stop: {stopped:?}");
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(&self.programs.join(program));
        // What it leaves running in the background must not hold our pipes.
        let mut child = command
            .args(arguments)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a program that runs");
        let status = child.wait().expect("an exit status");
        Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if is_root() {
            use std::os::unix::process::CommandExt;
            command.uid(NOBODY).gid(NOBODY);
        }
        command.env("LC_ALL", "C");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["-D", "data", "-m", "immediate", "stop"]);
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Debian keeps the programs of each release in a folder of its own, off the `PATH`.
fn programs() -> Option<PathBuf> {
    let releases = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = releases
        .filter_map(|release| Some(release.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path);
    folders
        .into_iter()
        .rev()
        .chain(found)
        .find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
}
