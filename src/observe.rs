//! Logs: JSON lines for programs, plain lines for people at a terminal, always on stderr.
//!
//! No log line holds a secret, a presigned URL, or a request's query.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What a server logs where nobody says otherwise. The AWS configuration warns of every source of credentials and of a
/// region that is not there.
pub const DEFAULT_FILTER: &str = "warn,sheaf=info,aws_config=error";

/// Always added: s3s logs every refused call as an error, a missing key too, and whole requests at debug level,
/// signatures among them.
const NEVER: &str = "s3s=off";

/// What the SDK tells at the level `trace` are whole requests, presigned URLs among them.
fn tells_no_secret(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("aws_")
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where stderr is a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A text that names no log format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log format: auto, json or text")]
pub struct UnknownFormat(String);

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(LogFormat::Auto),
            "json" => Ok(LogFormat::Json),
            "text" => Ok(LogFormat::Text),
            other => Err(UnknownFormat(other.to_owned())),
        }
    }
}

/// Begins logging, once for the process; a second call changes nothing.
///
/// # Errors
/// Where `filter` is no list of directives like `warn,sheaf=debug`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), ParseError> {
    let filter: Targets = format!("{filter},{NEVER}").parse()?;
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr);
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let secretive = filter_fn(tells_no_secret);
    // A logger that is set already is as good as this one.
    let _ = if json {
        let lines = lines.json().flatten_event(true).with_current_span(false);
        lines.finish().with(filter).with(secretive).try_init()
    } else {
        let lines = lines.with_ansi(terminal);
        lines.finish().with(filter).with(secretive).try_init()
    };
    Ok(())
}
