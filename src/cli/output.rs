//! What a command says: results as one line of JSON on standard output, everything else on standard error.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::CliError;

/// Writes a result.
///
/// # Errors
/// [`CliError::Output`] where nobody takes it.
pub fn result(value: &impl Serialize) -> Result<(), CliError> {
    write_line(io::stdout().lock(), value).map_err(CliError::Output)
}

/// Writes a result where standard output is taken by something else.
pub fn result_aside(value: &impl Serialize) {
    // Nobody can be told that standard error is closed.
    let _ = write_line(io::stderr().lock(), value);
}

fn write_line(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Writes a message.
pub fn note(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// A line of progress on standard error, where that is a terminal: bytes, their rate, and a count of things.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Progress towards a known number of bytes.
    pub fn towards(bytes: u64) -> Progress {
        let template = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {msg}";
        Progress::styled(ProgressBar::new(bytes), template)
    }

    /// Progress towards nobody knows where.
    pub fn open_ended() -> Progress {
        Progress::styled(
            ProgressBar::new_spinner(),
            "{spinner} {bytes}  {bytes_per_sec}  {msg}",
        )
    }

    fn styled(bar: ProgressBar, template: &str) -> Progress {
        match ProgressStyle::with_template(template) {
            Ok(style) => Progress(bar.with_style(style)),
            Err(_) => Progress(bar),
        }
    }

    /// So many more bytes.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// So many things.
    pub fn count(&self, things: u64, name: &'static str) {
        self.0.set_message(format!("{things} {name}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
