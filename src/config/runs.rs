//! Options of manifest runs, wherever they are made: how much may wait, how long they may take, and what is told about
//! them.

use std::num::NonZeroUsize;

use clap::Args;

use super::{Switch, at_least_one};
use crate::manifest::Watch;
use crate::period::Period;

/// Raw options of manifest runs.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Objects that may wait between listing and signing
    #[arg(
        long,
        value_name = "N", value_parser = at_least_one::<NonZeroUsize>,
        default_value = "5000",
        env = "QUEUE_MAX",
        hide_env_values = true
    )]
    pub queue_max: NonZeroUsize,

    /// How long a page of a manifest's listing may take: seconds, or 15m [default: for ever]
    #[arg(
        long,
        value_name = "TIME",
        env = "SHEAF_PAGE_LIMIT",
        hide_env_values = true
    )]
    pub page_limit: Option<Period>,

    /// How long a whole manifest may take: seconds, or 15m [default: for ever]
    #[arg(
        long,
        value_name = "TIME",
        env = "SHEAF_RUN_LIMIT",
        hide_env_values = true
    )]
    pub run_limit: Option<Period>,

    /// Write a line of CloudWatch's embedded metric format to standard error for each manifest
    #[arg(long, env = "SHEAF_EMF", hide_env_values = true, value_parser = Switch)]
    pub emf: bool,
}

impl RunArgs {
    /// The bounds on runs.
    pub fn watch(&self) -> Watch {
        Watch {
            page_limit: self.page_limit.map(Period::duration),
            run_limit: self.run_limit.map(Period::duration),
            emf: self.emf,
        }
    }
}
