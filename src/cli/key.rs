//! `sheaf key new`: a key for the API, and the line by which a server knows it.

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::{CliError, output};
use crate::config::at_least_one;
use crate::http::allowance::Rate;
use crate::http::keys::{self, Scope};

/// What `sheaf key` does.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key: prints it once, and the line for the server's list of keys
    New(NewArgs),
}

/// Options of `sheaf key new`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Example:
  sheaf key new --name portal --scope my-bucket/reports/ --rate 10/s --running 4

What it prints:
  {\"key\":\"sheaf_…\",\"line\":\"portal:sha256:… scope=my-bucket/reports/ rate=10/s running=4\"}

Give the key to whoever calls the API; it is kept nowhere. Add the line to the file that SHEAF_API_KEYS_FILE names, or to \
SHEAF_API_KEYS, and restart the server.")]
pub struct NewArgs {
    /// What logs call it: letters, digits, '-', '_' and '.'
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,

    /// A bucket, or a prefix of one, that it is for; several by repeating it [default: everything]
    #[arg(long, value_name = "BUCKET/PREFIX", value_parser = scope)]
    scope: Vec<Scope>,

    /// How many requests in a second, a minute or an hour: 10/s, 600/m, 1000/h [default: no limit]
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    rate: Option<String>,

    /// How many requests may be under way at once [default: no limit]
    #[arg(long, value_name = "N", value_parser = at_least_one::<std::num::NonZeroUsize>)]
    running: Option<std::num::NonZeroUsize>,
}

#[derive(Debug, Serialize)]
struct Made {
    key: String,
    line: String,
}

/// Does it.
///
/// # Errors
/// Where standard output fails.
pub fn run(command: &KeyCommand) -> Result<(), CliError> {
    let KeyCommand::New(args) = command;
    output::result(&args.make())
}

impl NewArgs {
    fn make(&self) -> Made {
        // Two version 4 UUIDs have 244 random bits from the system.
        let parts = [Uuid::new_v4(), Uuid::new_v4()];
        let random: String = parts.iter().map(|part| part.simple().to_string()).collect();
        let key = format!("sheaf_{random}");
        let mut line = format!("{}:sha256:{}", self.name, keys::digest(&key));
        for scope in &self.scope {
            line.push_str(&format!(" scope={scope}"));
        }
        if let Some(rate) = &self.rate {
            line.push_str(&format!(" rate={rate}"));
        }
        if let Some(running) = self.running {
            line.push_str(&format!(" running={running}"));
        }
        Made { key, line }
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    match keys::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("write 1 to 32 letters, digits, '-', '_' or '.'"),
    }
}

/// Unlike in a list of keys, a prefix stands as it is here.
fn scope(text: &str) -> Result<Scope, String> {
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    let bucket = crate::store::Bucket::new(bucket).map_err(|error| error.to_string())?;
    Ok(Scope {
        bucket: bucket.as_str().to_owned(),
        prefix: prefix.to_owned(),
    })
}

fn rate(text: &str) -> Result<String, &'static str> {
    match Rate::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write 10/s, 600/m or 1000/h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::keys::ApiKeys;

    #[test]
    fn the_line_lets_the_key_in_and_no_other() {
        let args = NewArgs {
            name: "portal".to_owned(),
            scope: vec![scope("docs/a, b %2C/").unwrap(), scope("more").unwrap()],
            rate: Some("5/m".to_owned()),
            running: std::num::NonZeroUsize::new(2),
        };
        let (made, other) = (args.make(), args.make());
        assert!(!made.line.contains(&made.key[6..]));
        let list = ApiKeys::parse(&made.line).unwrap();
        let key = list.find(&made.key).unwrap();
        assert_eq!((key.name.as_str(), &key.scopes), ("portal", &args.scope));
        assert!(list.find(&other.key).is_none());
    }
}
