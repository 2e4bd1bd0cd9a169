//! Processes that say on the first line of their standard output where they listen.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

/// A process that listens; killed when it is dropped.
pub struct Started {
    child: Child,
    /// The first line of its standard output.
    pub line: String,
    _stdin: Option<ChildStdin>,
    /// What is done once it has ended.
    afterwards: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("child", &self.child)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl Started {
    /// Starts it, and waits for its first line.
    ///
    /// # Errors
    /// Where it cannot be started, or ends without a line.
    pub fn new(command: &mut Command) -> io::Result<Self> {
        let mut started = Started::silent(command.stdout(Stdio::piped()))?;
        let stdout = started.child.stdout.take();
        let stdout = stdout.expect("a piped standard output");
        BufReader::new(stdout).read_line(&mut started.line)?;
        if started.line.is_empty() {
            return Err(io::Error::other(format!(
                "{command:?} ended before it listened"
            )));
        }
        Ok(started)
    }

    /// Starts one that says nothing, and waits for nothing.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn silent(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        Ok(Started {
            child,
            line: String::new(),
            _stdin: stdin,
            afterwards: None,
        })
    }

    /// The same, and this is done once it has ended, unless a test has failed already.
    pub fn and_then(mut self, afterwards: impl FnOnce() + Send + Sync + 'static) -> Self {
        self.afterwards = Some(Box::new(afterwards));
        self
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The most memory that ever was resident, in bytes.
    pub fn peak_resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other("no VmHWM"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(afterwards) = self.afterwards.take()
            && !thread::panicking()
        {
            afterwards();
        }
    }
}
