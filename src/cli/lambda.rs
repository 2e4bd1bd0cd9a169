//! `sheaf lambda` and `sheaf invoke`: manifests as a function on AWS Lambda, and one event of it on this machine.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::{CliError, output};
use crate::config::{ConfigError, Environment, Place, RunArgs, StoreArgs, StoreConfig, serve};
use crate::lambda::{Function, runtime};
use crate::manifest::PublishOptions;
use crate::period::Period;
use crate::store::embedded::EmbeddedStore;
use crate::store::{Bucket, Store};

/// Options of the function.
#[derive(Args, Clone, Debug)]
pub struct FunctionArgs {
    /// The bucket of events that name none
    #[arg(
        long,
        value_name = "BUCKET",
        env = "BUCKET_NAME",
        hide_env_values = true
    )]
    bucket: Option<String>,

    /// The prefix of events that name none
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true,
        env = "PREFIX",
        hide_env_values = true
    )]
    prefix: String,

    /// How long the URLs live where an event does not say: seconds, or 15m, 12h, 7d
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15m",
        env = "URL_EXPIRY_SECONDS",
        hide_env_values = true
    )]
    expires_in: Period,

    #[command(flatten)]
    runs: RunArgs,

    #[command(flatten)]
    store: StoreArgs,
}

/// Options of `sheaf lambda`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
The binary is the whole function: put it beside a script `bootstrap` of one line,
`exec ./sheaf lambda`, and choose the runtime `provided.al2023`.

Events:
  {\"bucket\": \"my-bucket\", \"prefix\": \"reports/2025/\", \"include\": [\"*.pdf\"], \"expires_in\": 3600}
  {\"bucket\": \"my-bucket\", \"prefixes\": [\"a/\", \"b/\"]}
  the notification of an S3 event: each object gets a presigned URL")]
pub struct LambdaArgs {
    #[command(flatten)]
    function: FunctionArgs,

    /// Host and port of the runtime API; Lambda sets it
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "AWS_LAMBDA_RUNTIME_API",
        hide_env_values = true
    )]
    runtime_api: String,
}

/// Options of `sheaf invoke`.
#[derive(Args, Clone, Debug)]
pub struct InvokeArgs {
    /// A file with the event, in JSON
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,

    #[command(flatten)]
    function: FunctionArgs,
}

impl FunctionArgs {
    async fn open(&self) -> Result<Function, CliError> {
        let StoreConfig { place, options, .. } = self.store.check(Environment::of_process())?;
        let store = match place {
            Place::Local { dir, state_dir } => {
                Store::embedded(&EmbeddedStore::open(&dir, &state_dir)?, &options)
            }
            Place::Remote => Store::connect(&options).await?,
        };
        Ok(Function {
            store,
            bucket: self
                .bucket
                .as_deref()
                .map(Bucket::new)
                .transpose()
                .map_err(ConfigError::from)?,
            prefix: self.prefix.clone(),
            options: PublishOptions {
                expires_in: serve::expiry(self.expires_in)?,
                queue_max: self.runs.queue_max.get(),
                watch: self.runs.watch(),
                ..PublishOptions::default()
            },
        })
    }
}

/// Answers events until the process is ended.
///
/// # Errors
/// [`CliError::Runtime`] where there are no more to be had.
pub async fn run(args: LambdaArgs) -> Result<(), CliError> {
    let function = args.function.open().await?;
    Ok(runtime::run(&args.runtime_api, &function).await?)
}

/// Answers the event of a file, and prints the answer.
///
/// # Errors
/// [`CliError::Invocation`] where the function would fail.
pub async fn invoke(args: InvokeArgs) -> Result<(), CliError> {
    let text = std::fs::read(&args.event).map_err(CliError::file("read", &args.event))?;
    let event: Value = serde_json::from_slice(&text).map_err(|error| CliError::Event {
        path: args.event.clone(),
        reason: error.to_string(),
    })?;
    let function = args.function.open().await?;
    let answer = function.answer(&event, None).await;
    output::result(&answer.map_err(|failed| CliError::Invocation {
        failed: Box::new(failed),
    })?)
}
