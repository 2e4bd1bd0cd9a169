//! Bounds on what clients can hold, as options.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;

use super::counts::at_least_one;
use super::store::positive;
use crate::http::Limits;
use crate::http::limits::LONGEST_HEAD_PART;
use crate::manifest::selection::PatternLimits;
use crate::period::Period;
use crate::size::ByteSize;

/// Raw options.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Connections of clients at the most; who comes beyond gets 503 with Retry-After
    ///
    /// /healthz, /readyz and /metrics are answered all the same, and idle connections give way. A server that is full is
    /// still ready: /readyz says otherwise only while the server stops, and where the store does not answer.
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "1024",
        env = "SHEAF_MAX_CONNECTIONS",
        hide_env_values = true
    )]
    pub max_connections: NonZeroUsize,

    /// Connections from one address (with IPv6, from one network of 64 bits); who comes beyond gets 429
    ///
    /// It does not hold for --trusted-proxy: who stands behind a proxy is known only once a request has come.
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "512",
        env = "SHEAF_MAX_CONNECTIONS_PER_ADDRESS",
        hide_env_values = true
    )]
    pub max_connections_per_address: NonZeroUsize,

    /// Bytes of a request's path and query, at most 24KiB; more is answered with 414
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = head_part, env = "SHEAF_MAX_URL", hide_env_values = true)]
    pub max_url: ByteSize,

    /// Bytes of a request's header fields, each counted with 32 more, at most 24KiB; more is answered with 431
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = head_part, env = "SHEAF_MAX_HEADER_SIZE", hide_env_values = true)]
    pub max_header_size: ByteSize,

    /// Header fields of a request; more are answered with 431
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "64",
        env = "SHEAF_MAX_HEADERS",
        hide_env_values = true
    )]
    pub max_headers: NonZeroUsize,

    /// Bytes of a request's JSON; more is answered with 413
    ///
    /// For manifests 64KiB at the most. Lists of keys that come line by line have bounds of their own.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "32MiB",
        env = "SHEAF_MAX_BODY",
        hide_env_values = true
    )]
    pub max_body: ByteSize,

    /// How deep a request's JSON may be nested, at most 100
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u8).range(1..=100), env = "SHEAF_MAX_JSON_DEPTH", hide_env_values = true)]
    pub max_json_depth: u8,

    /// Patterns of a selection
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "64",
        env = "SHEAF_MAX_PATTERNS",
        hide_env_values = true
    )]
    pub max_patterns: NonZeroUsize,

    /// Bytes of a pattern
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "1024",
        env = "SHEAF_MAX_PATTERN_LENGTH",
        hide_env_values = true
    )]
    pub max_pattern_length: NonZeroUsize,

    /// Requests at once over one HTTP/2 connection
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroU32>,
        default_value = "100",
        env = "SHEAF_MAX_STREAMS",
        hide_env_values = true
    )]
    pub max_streams: NonZeroU32,

    /// Requests that a client may take back over one HTTP/2 connection before they were looked at; then it is closed
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "20",
        env = "SHEAF_MAX_RESETS",
        hide_env_values = true
    )]
    pub max_resets: NonZeroUsize,

    /// How long a client may take to send the head of a request
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive, env = "SHEAF_HEADER_TIMEOUT", hide_env_values = true)]
    pub header_timeout: Period,

    /// How long a connection may be open without a request
    ///
    /// A proxy in front should close its own sooner. Where all connections are taken, it is a second.
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = positive, env = "SHEAF_IDLE_TIMEOUT", hide_env_values = true)]
    pub idle_timeout: Period,

    /// How long a body may keep the server waiting, beside a second for each 4 KiB; longer is answered with 408
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive, env = "SHEAF_BODY_TIMEOUT", hide_env_values = true)]
    pub body_timeout: Period,

    /// How long a client may take nothing of an answer before its connection is cut
    ///
    /// The system tells of what was taken by the megabyte, so slow clients need an hour. Over HTTP/2 it holds for the
    /// connection and not for each answer.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = positive, env = "SHEAF_STALL_TIMEOUT", hide_env_values = true)]
    pub stall_timeout: Period,
}

impl LimitArgs {
    /// The limits, with this time to drain.
    pub fn limits(&self, drain: Duration) -> Limits {
        Limits {
            max_connections: self.max_connections.get(),
            max_connections_per_address: self.max_connections_per_address.get(),
            max_url: self.max_url.bytes(),
            max_header_size: self.max_header_size.bytes(),
            max_headers: self.max_headers.get(),
            max_body: self.max_body.bytes(),
            max_json_depth: self.max_json_depth.into(),
            patterns: PatternLimits {
                number: self.max_patterns.get(),
                length: self.max_pattern_length.get(),
            },
            max_streams: self.max_streams.get(),
            max_resets: self.max_resets.get(),
            header_timeout: self.header_timeout.duration(),
            idle_timeout: self.idle_timeout.duration(),
            body_timeout: self.body_timeout.duration(),
            stall_timeout: self.stall_timeout.duration(),
            drain,
        }
    }
}

fn head_part(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
    if size.bytes() == 0 || size.bytes() > LONGEST_HEAD_PART {
        let most = LONGEST_HEAD_PART >> 10;
        return Err(format!(
            "it must be more than nothing, and {most}KiB at the most"
        ));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: LimitArgs,
    }

    fn parse(arguments: &[&str]) -> Result<Limits, clap::Error> {
        let arguments = ["sheaf"].iter().chain(arguments);
        let command = Command::try_parse_from(arguments)?;
        Ok(command.args.limits(Limits::default().drain))
    }

    #[test]
    fn the_defaults_of_options_are_those_of_the_library() {
        let (options, library) = (parse(&[]).unwrap(), Limits::default());
        assert_eq!(format!("{options:?}"), format!("{library:?}"));
    }

    #[test]
    fn heads_fit_into_what_is_read_at_once() {
        for option in ["--max-url", "--max-header-size"] {
            assert!(parse(&[option, "24KiB"]).is_ok());
            assert!(parse(&[option, "24577"]).is_err());
            assert!(parse(&[option, "0"]).is_err());
        }
        assert!(parse(&["--max-json-depth", "101"]).is_err());
        assert!(parse(&["--max-connections", "0"]).is_err());
        assert!(parse(&["--body-timeout", "0"]).is_err());
    }
}
