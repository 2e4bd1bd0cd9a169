//! `sheaf lambda` and `sheaf invoke`: manifests and the HTTP API as a function on AWS Lambda, and one event of it on this
//! machine.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Args;
use futures::StreamExt;
use ipnet::IpNet;
use serde_json::Value;

use super::listen::listen;
use super::open::{Opened, open_place};
use super::serve::Server;
use super::{CliError, output};
use crate::config::{Environment, ServeArgs, ServeConfig, StoreConfig, Switch};
use crate::http::{Listeners, TrustedProxies};
use crate::lambda::answer::Site;
use crate::lambda::relay::{self, Reply};
use crate::lambda::{Answer, Function, Mode, Relay, runtime};
use crate::manifest::PublishOptions;
use crate::size::ByteSize;

/// Where the server of a function listens: nobody needs to know.
const HERE: &str = "127.0.0.1:0";

/// Why a function without keys has no server.
const CLOSED: &str = "this function has no API keys, and whoever knows its URL could list the bucket: set SHEAF_API_KEYS (or \
     SHEAF_ALLOW_ANONYMOUS=1)";

/// Options of the function.
#[derive(Args, Clone, Debug)]
pub struct FunctionArgs {
    /// Answer requests over HTTP as a stream: for a function URL whose invoke mode is RESPONSE_STREAM
    #[arg(long, env = "SHEAF_LAMBDA_STREAM", hide_env_values = true, value_parser = Switch)]
    stream: bool,

    /// The most bytes of a streamed answer; what is larger is refused before its first byte
    #[arg(
        long,
        value_name = "SIZE",
        default_value_t = ByteSize::new(relay::STREAMED as usize),
        env = "SHEAF_LAMBDA_STREAM_MAX",
        hide_env_values = true
    )]
    stream_max: ByteSize,

    /// What the server has; it listens on an address of its own choice.
    #[command(flatten)]
    serve: ServeArgs,
}

/// Options of `sheaf lambda`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
The binary is the whole function: put it beside a script `bootstrap` of one line, \
`exec ./sheaf lambda`, and choose the runtime `provided.al2023`.

Events:
  {\"bucket\": \"my-bucket\", \"prefix\": \"reports/2025/\", \"include\": [\"*.pdf\"], \"expires_in\": 3600}
  {\"bucket\": \"my-bucket\", \"prefixes\": [\"a/\", \"b/\"]}
  (the whole bucket is \"prefix\": \"\"; without a prefix an event is refused unless PREFIX is set)
  the notification of an S3 event: each object gets a presigned URL
  a request over HTTP, by API Gateway or a function URL: the API of `sheaf serve`, whose options are taken here too
  (SHEAF_API_KEYS must be set, SHEAF_LINK_KEYS and SHEAF_PUBLIC_URL for links)")]
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
    /// The function, and why its presigned URLs do not work yet, if they do not.
    async fn open(&self) -> Result<(Function, Option<String>), CliError> {
        let serve = ServeArgs {
            listen: HERE.to_owned(),
            admin_listen: None,
            ..self.serve.clone()
        };
        let mut config = serve.check(Environment::of_process())?;
        // The gateway says who asks, and nobody else can reach the address.
        let here = IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        config.door.proxies = TrustedProxies::new(vec![here]);
        if self.serve.queue.queue.is_none() {
            // What a function keeps on its own disk goes with it, jobs too.
            config.queue.url = None;
        }
        let StoreConfig { place, options, .. } = &config.store;
        let Opened { store, warning, .. } = open_place(place, options).await?;
        let mode = match self.stream {
            true => Mode::Streamed(self.stream_max.bytes() as u64),
            false => Mode::Whole,
        };
        let is_open = self.serve.allow_anonymous || !config.api_keys.is_empty();
        let function = Function {
            store,
            bucket: config.bucket.clone(),
            prefix: config.prefix.clone(),
            options: PublishOptions {
                expires_in: config.expires_in,
                queue_max: config.queue_max,
                watch: config.watch,
                ..PublishOptions::default()
            },
            site: Site::new(move || {
                let config = config.clone();
                Box::pin(async move {
                    if !is_open {
                        return Err(CLOSED.to_owned());
                    }
                    let started = start(config).await;
                    let server = started.map_err(|error| error.to_string())?;
                    Ok(Relay::new(server, mode))
                })
            }),
        };
        Ok((function, warning))
    }
}

/// Starts the server, and says where it is.
async fn start(config: ServeConfig) -> Result<String, CliError> {
    let listeners = Listeners {
        clients: listen(&config.listen)?,
        operators: None,
    };
    let server = Server::open(config, listeners).await?;
    let url = server.url.clone();
    server.spawn();
    Ok(url)
}

/// Answers events until the process is ended.
///
/// # Errors
/// [`CliError::Runtime`] where there are no more to be had.
pub async fn run(args: LambdaArgs) -> Result<(), CliError> {
    let (function, _) = args.function.open().await?;
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
    let (function, warning) = args.function.open().await?;
    let answer = function.answer(&event, None).await;
    let failed = |failed| CliError::Invocation {
        failed: Box::new(failed),
    };
    let answer = answer.map_err(failed)?;
    // A server of its own has answered what came over HTTP.
    if let (Some(warning), Answer::Result(_)) = (&warning, &answer) {
        output::note(warning);
    }
    match answer {
        Answer::Result(result) | Answer::Http(Reply::Whole(result)) => output::result(&result),
        Answer::Http(Reply::Streamed { prelude, mut body }) => {
            output::result(&prelude)?;
            let mut stdout = std::io::stdout().lock();
            while let Some(chunk) = body.next().await {
                let chunk = chunk?;
                stdout.write_all(&chunk).map_err(CliError::Output)?;
            }
            stdout.flush().map_err(CliError::Output)
        }
    }
}
