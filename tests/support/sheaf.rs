//! The real binary, with a home of its own and nothing else of the environment but the search path.
//!
//! Invariant: whatever a process of it says to standard error is looked through for [`Secrets`] when the process has ended:
//! each way of running it here sees to that.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use super::process::Started;
use super::secrets::Secrets;

/// The secret access key of processes that are given no other.
pub const SECRET_KEY: &str = "the-secret-access-key-of-all-tests";

/// A `sheaf` to be run. Its options are those of a [`Command`]; it is run as it says here.
#[derive(Debug)]
pub struct Sheaf(Command);

/// The binary with a home, and credentials for any store that does not look at them.
pub fn sheaf(home: &Path) -> Sheaf {
    let mut command = Sheaf::bare();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("SHEAF_STATE_DIR", state_in(home))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_REGION", "us-east-1");
    command
}

/// The state folder in a home.
pub fn state_in(home: &Path) -> PathBuf {
    home.join("state")
}

/// The file of the binary: Cargo's, or the one that `SHEAF_TEST_PROGRAM` names.
pub fn program() -> PathBuf {
    let named = std::env::var_os("SHEAF_TEST_PROGRAM");
    named.map_or(env!("CARGO_BIN_EXE_sheaf").into(), PathBuf::from)
}

impl Sheaf {
    /// The binary, with nothing of the environment.
    pub fn bare() -> Sheaf {
        let mut command = Command::new(program());
        command.env_clear();
        Sheaf(command)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn output(&mut self) -> std::io::Result<Output> {
        self.output_with("")
    }

    /// Runs it to its end, with this on its standard input.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn output_with(&mut self, input: &str) -> std::io::Result<Output> {
        self.0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.0.spawn()?;
        let mut stdin = child.stdin.take().expect("a piped standard input");
        let input = input.to_owned();
        // It may end without reading it all.
        let writing = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output();
        let _ = writing.join();
        let output = output?;
        let said = String::from_utf8_lossy(&output.stderr);
        Secrets::of(&self.0).are_not_in(&said, &format!("{:?}", self.0.get_args()));
        Ok(output)
    }

    /// Starts one that says where it listens, and logs to this file.
    ///
    /// # Errors
    /// Where it cannot be started, or ends without a line.
    pub fn start(&mut self, log: &Path) -> std::io::Result<Started> {
        self.0.stderr(File::create(log)?);
        let secrets = Secrets::of(&self.0);
        let log = log.to_owned();
        let started = Started::new(&mut self.0)?;
        Ok(started.and_then(move || {
            let said = fs::read(&log).unwrap_or_default();
            secrets.are_not_in(&String::from_utf8_lossy(&said), &log.display().to_string());
        }))
    }

    /// Starts one whose standard output is read by the test.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(&mut self) -> std::io::Result<Running> {
        self.0.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.0.spawn()?;
        let mut stderr = child.stderr.take().expect("a piped standard error");
        // Nobody reads it meanwhile, and a full pipe would stop the program.
        let messages = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            said
        });
        Ok(Running {
            child,
            messages: Some(messages),
            secrets: Secrets::of(&self.0),
        })
    }
}

impl Deref for Sheaf {
    type Target = Command;

    fn deref(&self) -> &Command {
        &self.0
    }
}

impl DerefMut for Sheaf {
    fn deref_mut(&mut self) -> &mut Command {
        &mut self.0
    }
}

/// One that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    messages: Option<thread::JoinHandle<Vec<u8>>>,
    secrets: Secrets,
}

impl Running {
    /// Waits for the end. Of the standard output it has what was not taken.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn wait_with_output(mut self) -> std::io::Result<Output> {
        let mut stdout = Vec::new();
        if let Some(mut from) = self.child.stdout.take() {
            from.read_to_end(&mut stdout)?;
        }
        let status = self.child.wait()?;
        let stderr = self.said();
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// What it said, once it has ended.
    fn said(&mut self) -> Vec<u8> {
        let Some(messages) = self.messages.take() else {
            return Vec::new();
        };
        let said = messages.join().unwrap_or_default();
        if !thread::panicking() {
            let text = String::from_utf8_lossy(&said);
            self.secrets.are_not_in(&text, "a sheaf that was started");
        }
        said
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said();
    }
}
