//! `sheaf seed`: a folder into a bucket.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use self::walk::{Found, walk};
use super::demo::samples;
use super::open::open;
use super::output::{self, Progress};
use super::{CliError, S3Url};
use crate::config::StoreArgs;
use crate::store::parts::PART;
use crate::store::upload::MAX_PARTS;
use crate::store::{Bucket, PartWriter, Store};

pub mod walk;

/// Files on their way at once: enough to hide the latency of small ones.
const FILES_UNDER_WAY: usize = 32;

/// What all files under way may hold in memory together, in pieces of [`PIECE`]: 128 MiB.
const PIECES: u32 = 128;

/// Bytes that are read from a file at once.
const PIECE: usize = 1 << 20;

/// Options of `sheaf seed`.
#[derive(Args, Clone, Debug)]
#[command(
    allow_missing_positional = true,
    after_long_help = "\
Examples:
  sheaf seed ./reports s3://my-bucket/reports
  sheaf seed --samples s3://my-bucket/reports
  sheaf seed ./reports s3://local/reports --local ./files

The file ./reports/2024/a.pdf becomes the object reports/2024/a.pdf. Links to files are followed, links to folders are not."
)]
pub struct SeedArgs {
    /// The folder whose files are uploaded, those of its sub-folders too
    #[arg(value_name = "DIR", required_unless_present = "samples")]
    dir: Option<PathBuf>,

    /// Where to; a slash is put between the prefix and the file's path if there is none
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    url: S3Url,

    /// Upload the sample files of `sheaf demo` instead of a folder
    #[arg(long, conflicts_with = "dir")]
    samples: bool,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    bucket: &'a str,
    prefix: &'a str,
    count: usize,
    bytes: u64,
    skipped: usize,
}

/// Uploads the folder and prints how much it was.
///
/// # Errors
/// The first file that fails, by name; those before it are uploaded.
pub async fn run(args: SeedArgs) -> Result<(), CliError> {
    let opened = open(&args.store, &args.url).await?;
    let prefix = folder_prefix(&args.url.prefix);
    // Removed once everything is uploaded.
    let (dir, _samples) = match args.dir {
        Some(dir) => (dir, None),
        None => {
            let samples = in_thread(write_samples).await?;
            (samples.path().to_owned(), Some(samples))
        }
    };
    let found = in_thread({
        let prefix = prefix.clone();
        move || walk(&dir, &prefix)
    });
    let Found { files, skipped } = found.await?;
    for path in &skipped {
        output::note(&format!(
            "left out, being neither a file nor a folder: {}",
            path.display()
        ));
    }
    let progress = Progress::towards(files.iter().map(|file| file.size).sum());
    let memory = Arc::new(Semaphore::new(PIECES as usize));
    let count = files.len();
    let bytes = stream::iter(files)
        .map(|file| {
            let memory = Arc::clone(&memory);
            let (store, bucket, progress) = (&opened.store, &args.url.bucket, &progress);
            async move {
                // The semaphore is never closed.
                let _held = memory.acquire_many(pieces_of(file.size)).await.ok();
                upload(store, bucket, file, progress).await
            }
        })
        .buffer_unordered(FILES_UNDER_WAY)
        .try_fold(0, |sum, bytes| async move { Ok(sum + bytes) })
        .await?;
    drop(progress);
    output::result(&Summary {
        bucket: args.url.bucket.as_str(),
        prefix: &prefix,
        count,
        bytes,
        skipped: skipped.len(),
    })
}

fn write_samples() -> Result<TempDir, CliError> {
    let folder =
        tempfile::tempdir().map_err(CliError::file("create a folder in", std::env::temp_dir()))?;
    samples::write(folder.path())?;
    Ok(folder)
}

/// A file of the folder, and the key that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The object's key.
    pub key: String,
    /// Its length in bytes when the folder was read.
    pub size: u64,
}

fn folder_prefix(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') {
        prefix.to_owned()
    } else {
        format!("{prefix}/")
    }
}

/// How much memory a file takes on its way: itself, or the part that fills up and the two that travel.
fn pieces_of(size: u64) -> u32 {
    let part = size.div_ceil(MAX_PARTS as u64).max(PART as u64);
    let held = size.min(3 * part).div_ceil(PIECE as u64);
    u32::try_from(held).map_or(PIECES, |pieces| pieces.clamp(1, PIECES))
}

/// Uploads one file, and says how many bytes it had.
async fn upload(
    store: &Store,
    bucket: &Bucket,
    file: SeedFile,
    progress: &Progress,
) -> Result<u64, CliError> {
    let path = file.path;
    let mut writer =
        PartWriter::new(store, bucket, &file.key, content_type(&path)).for_bytes(file.size);
    let opened = in_thread({
        let path = path.clone();
        move || File::open(&path).map_err(CliError::file("read", path))
    });
    let mut reader = opened.await?;
    let mut total = 0;
    loop {
        // The buffer goes to the thread that reads and comes back with what was read.
        let mut filling = std::mem::take(writer.filling());
        let path_of_error = path.clone();
        let read = in_thread(move || {
            let mut piece = (&mut reader).take(PIECE as u64);
            match piece.read_to_end(&mut filling) {
                Ok(read) => Ok((reader, filling, read)),
                Err(error) => Err(CliError::file("read", path_of_error)(error)),
            }
        });
        // What was begun is taken back by the writer's drop, here and below.
        let (returned, filled, bytes) = read.await?;
        reader = returned;
        *writer.filling() = filled;
        if bytes == 0 {
            break;
        }
        total += bytes as u64;
        progress.advance(bytes as u64);
        if let Err(source) = writer.pass_on().await {
            writer.abort().await;
            return Err(CliError::Upload {
                path,
                source: Box::new(source),
            });
        }
    }
    match writer.finish().await {
        Ok(()) => Ok(total),
        Err(source) => Err(CliError::Upload {
            path,
            source: Box::new(source),
        }),
    }
}

/// Reads files off the threads that serve the network.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    crate::store::parts::joined(tokio::task::spawn_blocking(work).await)
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str().unwrap_or_default() {
        "pdf" => "application/pdf",
        "json" => "application/json",
        "zip" => "application/zip",
        "csv" => "text/csv; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_folder() {
        assert_eq!(folder_prefix(""), "");
        assert_eq!(folder_prefix("a"), "a/");
        assert_eq!(folder_prefix("a/"), "a/");
    }

    #[test]
    fn every_file_fits_into_memory_some_time() {
        assert_eq!(pieces_of(0), 1);
        assert_eq!(pieces_of(1 << 20), 1);
        assert_eq!(pieces_of((1 << 20) + 1), 2);
        assert_eq!(pieces_of(70 << 30), 24);
        assert_eq!(pieces_of(u64::MAX), PIECES);
    }

    #[test]
    fn content_types() {
        assert_eq!(content_type(Path::new("a/b.PDF")), "application/pdf");
        assert_eq!(content_type(Path::new("pdf")), "application/octet-stream");
    }
}
