//! The command line.
//!
//! Results go to standard output as JSON, progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 asked
//! wrongly.
//!
//! | file | owns |
//! |---|---|
//! | [`process`] | the program: from arguments to an exit code |
//! | [`serve`] | `sheaf serve` |
//! | `listen.rs` | where it listens, and for how many |
//! | [`demo`] | `sheaf demo`: sample files, their store and a server |
//! | [`seed`] | `sheaf seed`: a folder into a bucket |
//! | [`manifest`] | `sheaf manifest` |
//! | [`lambda`] | `sheaf lambda`, `sheaf invoke` |
//! | [`link`] | `sheaf link` |
//! | [`package`] | `sheaf package` |
//! | [`sweep`] | `sheaf sweep` |
//! | [`key`] | `sheaf key new` |
//! | [`mod@zip`] | `sheaf zip`: an archive into a file or a pipe |
//! | [`verify`] | `sheaf verify`: is an archive sound? |
//! | [`completions`] | `sheaf completions` |
//! | [`worker`] | `sheaf worker` |
//! | [`open`] | the store of one command |
//! | [`server_record`] | finding the server of a folder |
//! | [`s3_url`] | `s3://bucket/prefix` |
//! | [`log`] | where log lines go, and how they look |
//! | [`output`] | results, messages, progress |
//! | [`signals`] | stopping |
//! | [`hangup`] | SIGHUP: a new certificate, or the end of a terminal |
//! | [`error`] | how a command fails |

pub mod completions;
pub mod demo;
pub mod error;
pub mod hangup;
pub mod key;
pub mod lambda;
pub mod link;
mod listen;
pub mod log;
pub mod manifest;
pub mod open;
pub mod output;
pub mod package;
pub mod process;
pub mod s3_url;
pub mod seed;
pub mod serve;
pub mod server_record;
pub mod signals;
pub mod sweep;
pub mod verify;
pub mod worker;
pub mod zip;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use error::CliError;
pub use s3_url::{InvalidS3Url, S3Url};

use crate::config::Environment;
use signals::until_interrupted;

/// Stream an S3 prefix as one ZIP archive, or hand out manifests of presigned URLs
///
/// sheaf makes a single download out of everything below a prefix of an S3 bucket: archives that stream as they are made,
/// and manifests of presigned URLs, each for a whole folder of files.
#[derive(Debug, Parser)]
#[command(name = "sheaf", version, propagate_version = true)]
#[command(after_help = "\
Try it:  sheaf demo
Results go to standard output as JSON, messages to standard error.
Exit codes: 0 done, 1 failed, 2 wrong usage.")]
pub struct Cli {
    #[command(flatten)]
    log: log::LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try sheaf: sample PDFs, a store, a server, and links to paste
    Demo(demo::DemoArgs),
    /// Serve archives and manifests over HTTP
    Serve(Box<serve::ServeCommand>),
    /// Upload a folder
    Seed(seed::SeedArgs),
    /// Make a manifest of presigned URLs, and print where it is
    Manifest(manifest::ManifestArgs),
    /// Answer the events of AWS Lambda with manifests
    Lambda(Box<lambda::LambdaArgs>),
    /// Answer one event of a file, as `lambda` would
    Invoke(Box<lambda::InvokeArgs>),
    /// Make a signed link to an archive that can be resumed, and print it
    Link(Box<link::LinkArgs>),
    /// Run the jobs of a queue
    Worker(Box<worker::WorkerArgs>),
    /// Write everything below a prefix into one ZIP archive
    Zip(zip::ZipArgs),
    /// Read an archive back and check every byte of it
    Verify(verify::VerifyArgs),
    /// Write everything below a prefix as one ZIP archive into a bucket
    Package(Box<package::PackageArgs>),
    /// Remove what links that have ended leave behind
    Sweep(sweep::SweepArgs),
    /// Make keys for the API
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Print a script that completes sheaf's commands and options in a shell
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Parses the process's arguments and environment. Where they make no sense, or ask for help, says so and exits.
    fn parse_process() -> Cli {
        let matches = command().get_matches();
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// [`CliError`], whose exit code says whose mistake it is.
    async fn run(self) -> Result<(), CliError> {
        let serves = matches!(
            self.command,
            Command::Demo(_) | Command::Serve(_) | Command::Worker(_) | Command::Lambda(_)
        );
        self.log.start(Environment::of_process(), serves);
        match self.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => serve::run(*args).await,
            Command::Seed(args) => until_interrupted(seed::run(args)).await,
            Command::Manifest(args) => until_interrupted(manifest::run(args)).await,
            Command::Lambda(args) => until_interrupted(lambda::run(*args)).await,
            Command::Invoke(args) => until_interrupted(lambda::invoke(*args)).await,
            Command::Link(args) => until_interrupted(link::run(*args)).await,
            Command::Worker(args) => worker::run(*args).await,
            Command::Package(args) => package::run(*args).await,
            Command::Sweep(args) => until_interrupted(sweep::run(args)).await,
            Command::Zip(args) => until_interrupted(zip::run(args)).await,
            Command::Verify(args) => until_interrupted(verify::run(args)).await,
            Command::Key(command) => key::run(&command),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

/// The whole command line.
///
/// An environment variable that is set but empty counts as unset: compose files and unit files leave them so.
pub fn command() -> clap::Command {
    forget_blanks(Cli::command())
}

fn forget_blanks(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| {
            let value = arg.get_env().and_then(std::env::var_os);
            if value.is_some_and(|value| value.is_empty()) {
                arg.env(Resettable::Reset)
            } else {
                arg
            }
        })
        .mut_subcommands(forget_blanks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_option_says_what_it_is_for() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    arg.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn paragraphs_of_help_are_wrapped_by_the_terminal_alone() {
        fn check(command: &clap::Command) {
            let help = command.get_after_long_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let lines: Vec<&str> = help.lines().collect();
            for pair in lines.windows(2) {
                let [line, next] = pair else { continue };
                let broken = line.chars().count() > 80 && !line.starts_with(' ');
                let goes_on = !next.is_empty() && !next.starts_with(' ');
                assert!(!(broken && goes_on), "{}: {line}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn zero_is_refused_in_plain_words() {
        for arguments in [
            &["sheaf", "serve", "--max-connections", "0"][..],
            &["sheaf", "serve", "--max-headers", "0"],
            &["sheaf", "serve", "--queue-max", "0"],
            &["sheaf", "serve", "--max-store-connections", "0"],
            &["sheaf", "link", "s3://abc/x", "--max-downloads", "0"],
            &["sheaf", "key", "new", "--name", "x", "--running", "0"],
        ] {
            let error = command().try_get_matches_from(arguments).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("it must be at least 1"), "{said}");
        }
    }

    #[test]
    fn patterns_and_periods() {
        let parse = |arguments: &[&str]| command().try_get_matches_from(arguments);
        assert!(
            parse(&[
                "sheaf",
                "manifest",
                "s3://abc/x",
                "--include",
                "*",
                "--include=*.csv"
            ])
            .is_ok()
        );
        for wrong in [
            &["sheaf"][..],
            &["sheaf", "manifest"],
            &["sheaf", "manifest", "abc/x"],
            &["sheaf", "manifest", "s3://abc/x", "--expires-in", "soon"],
            &["sheaf", "zip", "s3://abc/x"],
            &["sheaf", "verify"],
            &["sheaf", "verify", "ftp://host/a.zip"],
            &["sheaf", "verify", "s3://abc"],
            &["sheaf", "serve", "--path-style", "--virtual-hosted"],
            &["sheaf", "serve", "--queue-max", "0"],
        ] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }
}
