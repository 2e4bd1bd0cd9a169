//! Which log lines are written: raw options of [`observe`].

use clap::Args;
use tracing_subscriber::filter::Targets;

use crate::config::Environment;
use crate::observe::{self, DEFAULT_FILTER, LogFormat};

/// Commands that come and go tell only what went wrong.
const QUIET_FILTER: &str = "warn,aws_config=error";

/// Options of logging.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// How log lines look: json, text, or auto (text on a terminal, else json)
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "auto",
        env = "SHEAF_LOG_FORMAT",
        hide_env_values = true
    )]
    log_format: LogFormat,

    /// What is logged: debug, or warn,sheaf=debug [default: warn,sheaf=info for servers, else warn]
    ///
    /// Also taken from RUST_LOG.
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        value_parser = filter,
        env = "SHEAF_LOG",
        hide_env_values = true
    )]
    log: Option<String>,
}

fn filter(text: &str) -> Result<String, String> {
    match text.parse::<Targets>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl LogArgs {
    /// From now on log lines are written.
    pub fn start(&self, environment: Environment<'_>, serves: bool) {
        let otherwise = if serves { DEFAULT_FILTER } else { QUIET_FILTER };
        // RUST_LOG is shared with other programs, so one that makes no sense here is no reason to stop.
        let shared = environment
            .get("RUST_LOG")
            .filter(|text| filter(text).is_ok());
        let asked = self.log.clone().or(shared);
        let filter = asked.as_deref().unwrap_or(otherwise);
        // Checked above, so that it cannot fail.
        let _ = observe::init(self.log_format, filter);
    }
}
