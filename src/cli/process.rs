//! The process: parses, runs until it is done or a signal comes, and tells by its exit code how it went.
//!
//! It stands in the library, and calls nothing generic on behalf of another crate: futures are compiled where they are
//! polled, so a program that polled those of the commands itself would hold most of sheaf a second time.

use std::error::Error as StdError;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::{Cli, CliError};

/// How long an upload that was given up may take to be taken back in the store.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Does what the process's arguments ask for.
pub fn main() -> ExitCode {
    match run(Cli::parse_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sheaf: {}", told(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let runtime = Runtime::new().map_err(CliError::Threads)?;
    let outcome = runtime.block_on(cli.run());
    settle(&runtime);
    // A thread that waits for a disk or a pipe must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// What was given up in the middle takes its uploads back in tasks of their own; the process waits for them.
fn settle(runtime: &Runtime) {
    let start = Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 && start.elapsed() < LAST_WORDS {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
}

/// An error and its causes, without those that it has told already.
fn told(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        let words = this.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = this.source();
    }
    text
}
