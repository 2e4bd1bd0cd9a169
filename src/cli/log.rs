//! Log lines: to standard error, as text for people or JSON for machines. No filter brings a signature to light.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Options of logging.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// How log lines look; `auto` is text on a terminal and JSON elsewhere
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        env = "SHEAF_LOG_FORMAT",
        hide_env_values = true
    )]
    log_format: LogFormat,

    /// What is logged, such as `debug` or `sheaf=debug,warn` [default: sheaf=info,warn for servers, else warn]
    ///
    /// Also taken from RUST_LOG.
    #[arg(long, global = true, value_name = "FILTER", value_parser = filter, env = "SHEAF_LOG", hide_env_values = true)]
    log: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What the SDK tells about itself at the level `trace` are requests whole, presigned URLs among them.
fn tells_no_secret(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("aws_")
}

impl LogArgs {
    /// From now on log lines are written. Servers tell more than commands that come and go.
    pub fn start(&self, serves: bool) {
        let otherwise = if serves { "sheaf=info,warn" } else { "warn" };
        let filter = match (&self.log, std::env::var("RUST_LOG")) {
            (Some(filter), _) => EnvFilter::new(filter),
            (None, Ok(filter)) if !filter.is_empty() => EnvFilter::new(filter),
            (None, _) => EnvFilter::new(otherwise),
        };
        let terminal = io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(terminal)
            .with_span_events(FmtSpan::NONE);
        let json = match self.log_format {
            LogFormat::Auto => !terminal,
            LogFormat::Json => true,
            LogFormat::Text => false,
        };
        // A subscriber that is there already is one that a test has set.
        let _ = if json {
            let lines = lines.json().flatten_event(true).finish();
            lines.with(filter_fn(tells_no_secret)).try_init()
        } else {
            lines.finish().with(filter_fn(tells_no_secret)).try_init()
        };
    }
}
