//! How a command fails, and the exit code that tells it: 1 where something went wrong, 2 where it was asked wrongly.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{ConfigError, LinkKeysError};
use crate::download::DownloadError;
use crate::job::queue::QueueError;
use crate::lambda::Failed;
use crate::lambda::relay::Unfinished;
use crate::lambda::runtime::RuntimeError;
use crate::manifest::list::InvalidList;
use crate::manifest::passphrase::InvalidPassphrase;
use crate::manifest::{
    FreezeError, InvalidSelection, IssueError, LibraryError, ManifestError, Sought,
};
use crate::period::Period;
use crate::store::embedded::EmbeddedError;
use crate::store::{ConnectError, WriteError};
use crate::verify::{Fault, RemoteError, SourceError};

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An option is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A prefix or a pattern is wrong.
    #[error(transparent)]
    Selection(#[from] InvalidSelection),
    /// With `--local`, but about another bucket.
    #[error("with --local the only bucket is \"local\": write s3://local/{prefix}")]
    OtherBucket {
        /// The prefix that was asked for.
        prefix: String,
    },
    /// An archive is no use on a screen.
    #[error(
        "standard output is a terminal: give -o a file name, or send the output to a file or a pipe"
    )]
    Terminal,
    /// A folder cannot be written as an archive.
    #[error("{path} is a folder: -o needs the name of a file")]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The embedded store did not open.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// No connections to the store.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The function cannot take events any more.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The function fails over an event.
    #[error("{}: {failed}", failed.name())]
    Invocation {
        /// Why.
        #[source]
        failed: Box<Failed>,
    },
    /// A streamed answer is not whole.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    /// The file of an event holds none.
    #[error("{path} is no JSON: {reason}")]
    Event {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// No keys to sign links with.
    #[error(transparent)]
    LinkKeys(#[from] LinkKeysError),
    /// No link.
    #[error("{0}{hint}", hint = issue_hint(.0))]
    Link(#[from] IssueError),
    /// Links could not be swept.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A sweep left something behind that it has told of.
    #[error("{failed} of what jobs left behind could not be swept; the next sweep tries again")]
    Unswept {
        /// How much.
        failed: u64,
    },
    /// No bucket to look into.
    #[error("name the bucket that holds sheaf's own objects: --bucket or --state-bucket")]
    NoBucket,
    /// No link lives that long, or that short.
    #[error("--expires-in: {0}, but links live from 1s to ten years")]
    LinkLife(Period),
    /// A list of keys is wrong.
    #[error(transparent)]
    List(#[from] InvalidList),
    /// A passphrase is wrong.
    #[error(transparent)]
    Passphrase(#[from] InvalidPassphrase),
    /// Nobody knows under which name recipients reach the server.
    #[error(
        "the link needs the name under which recipients reach sheaf: set --public-url (SHEAF_PUBLIC_URL)"
    )]
    NoPublicUrl,
    /// No archive, or not all of it.
    #[error("{0}{hint}", hint = download_hint(.0))]
    Download(#[from] DownloadError),
    /// An archive cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An archive was read, and is not sound.
    #[error("{} is not sound: {}{}", .source_name, .fault.entry.as_ref().map(|entry| format!("{entry:?}: ")).unwrap_or_default(), .fault.kind)]
    Unsound {
        /// What it was named.
        source_name: String,
        /// What is wrong with it.
        fault: Box<Fault>,
    },
    /// A file could not be uploaded.
    #[error("{path} was not uploaded: {source}")]
    Upload {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<WriteError>,
    },
    /// A file that no key can stand for.
    #[error("{path} cannot be uploaded: {reason}")]
    Unnameable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Something of this machine failed.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The queue does not open, or does not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// There is no place for a queue.
    #[error("no place for the queue: set --queue (SHEAF_QUEUE), or --state-dir")]
    NoQueue,
    /// The target of a package names no object.
    #[error("--to: the archive's key is missing: write s3://BUCKET/KEY")]
    NoTargetKey,
    /// A job failed.
    #[error("the job {job} ended without an archive: {reason}")]
    Job {
        /// Its id.
        job: String,
        /// Why.
        reason: String,
    },
    /// A job was interrupted.
    #[error(
        "interrupted: the same command goes on with the job {job} from where it is, and so does a server or worker of the same queue; `sheaf package --cancel {job}` with the same prefix takes it back"
    )]
    Left {
        /// Its id.
        job: String,
    },
    /// Nobody knows such a job.
    #[error("there is no job {job} in this queue")]
    NoSuchJob {
        /// Its id.
        job: String,
    },
    /// Nobody takes the result.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("the server failed: {0}")]
    Server(io::Error),
    /// The system gives no threads.
    #[error("cannot start the runtime: {0}")]
    Threads(io::Error),
    /// Signals cannot be caught.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// A signal came first.
    #[error("interrupted")]
    Interrupted,
}

fn issue_hint(error: &IssueError) -> &'static str {
    match error {
        IssueError::Freeze(FreezeError::NothingSelected(sought)) => hint(sought),
        _ => "",
    }
}

fn download_hint(error: &DownloadError) -> &'static str {
    match error {
        DownloadError::NothingSelected(sought) => hint(sought),
        _ => "",
    }
}

/// What may be done where nothing matches.
pub(super) fn hint(sought: &Sought) -> &'static str {
    if sought.is_everything() {
        ""
    } else {
        "; --include '*' takes every object"
    }
}

impl CliError {
    /// 2 for mistakes of usage, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Config(_)
            | CliError::Selection(_)
            | CliError::NoPublicUrl
            | CliError::NoBucket
            | CliError::NoQueue
            | CliError::NoTargetKey
            | CliError::LinkLife(_)
            | CliError::Passphrase(_)
            | CliError::OtherBucket { .. }
            | CliError::Terminal
            | CliError::IsFolder { .. }
            | CliError::Source(SourceError::Remote(RemoteError::BadUrl { .. })) => 2,
            _ => 1,
        }
    }

    /// For `map_err`: something about a file failed.
    pub(super) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> CliError {
        let path = path.into();
        move |source| CliError::File { what, path, source }
    }
}
