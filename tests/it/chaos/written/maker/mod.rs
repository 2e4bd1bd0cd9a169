//! Who writes: a command, or a server that is asked to.

mod asked;
mod command;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::plan::{By, Kind, Plan};
use crate::chaos::bench::over;
use crate::chaos::place::Place;
use crate::support::wire::Wire;
use asked::Asked;
use command::Commands;

/// The key of a package that does not stand among sheaf's own objects.
pub const TARGET: &str = "out/all.zip";

/// After so long a dead process's job is free; one that lives says so more often, on a busy machine too.
const LEASE: &str = "15s";

/// Whoever writes.
pub enum Maker {
    Commands(Commands),
    Asked(Asked),
}

/// What whoever asked was told in the end.
#[derive(Debug)]
pub struct Made {
    /// Whether it is there.
    pub success: bool,
    /// What is told about it: the command's line, the job, or the answer.
    pub told: Value,
    /// Further words.
    pub said: String,
}

/// What is asked for, and where.
struct Wanted {
    kind: Kind,
    bucket: String,
    environment: Vec<(OsString, OsString)>,
}

impl Wanted {
    fn put_on(&self, command: &mut Command) {
        for (name, value) in &self.environment {
            command.env(name, value);
        }
    }

    /// Where a package is to go, unless that is among sheaf's own objects.
    fn to(&self) -> Option<String> {
        match self.kind {
            Kind::Package { own: false, .. } => Some(format!("s3://{}/{TARGET}", self.bucket)),
            _ => None,
        }
    }
}

impl Maker {
    pub fn new(plan: &Plan, to_store: &Wire, place: &Place, home: &Path) -> Maker {
        let mut command = Command::new("sheaf");
        over(&mut command, to_store, place);
        let set = command.get_envs();
        let wanted = Wanted {
            kind: plan.kind,
            bucket: place.bucket.clone(),
            environment: set
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect(),
        };
        match plan.by {
            By::Command => Maker::Commands(Commands::new(wanted, home)),
            By::Server => Maker::Asked(Asked::new(wanted, home)),
        }
    }

    /// Asks for it, or asks again, and waits for the end.
    pub async fn make(&mut self) -> Made {
        match self {
            Maker::Commands(commands) => commands.make().await,
            Maker::Asked(asked) => asked.make().await,
        }
    }

    /// Kills the process that writes.
    pub async fn kill(&mut self) {
        match self {
            Maker::Commands(commands) => drop(commands.signal("KILL", || {}).await),
            Maker::Asked(asked) => asked.kill(),
        }
    }

    /// Stops the process that writes; `signalled` is called once it has the signal. What it came to, where that was told.
    pub async fn stop(&mut self, signalled: impl FnOnce()) -> Option<Made> {
        match self {
            Maker::Commands(commands) => Some(commands.signal("TERM", signalled).await),
            Maker::Asked(asked) => {
                asked.stop(signalled).await;
                None
            }
        }
    }

    /// Takes back what was asked for; `called` is called as soon as that is known.
    pub async fn call_off(&mut self, called: impl FnOnce()) -> Made {
        match self {
            Maker::Commands(commands) => commands.call_off(called).await,
            Maker::Asked(asked) => asked.call_off(called).await,
        }
    }

    /// The server, where there is one.
    pub fn server(&self) -> Option<&crate::support::server::Server> {
        match self {
            Maker::Commands(_) => None,
            Maker::Asked(asked) => Some(asked.server()),
        }
    }

    /// What all of them said.
    pub fn said(&self) -> String {
        match self {
            Maker::Commands(commands) => commands.said.clone(),
            Maker::Asked(asked) => asked.said(),
        }
    }
}
