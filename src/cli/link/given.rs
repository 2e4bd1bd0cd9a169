//! What `sheaf link` is given beside its arguments: a manifest, a passphrase; and what it says while it hashes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::{CliError, output};
use crate::config::Environment;
use crate::manifest::freeze::{Progress, Scan};
use crate::manifest::list::{ListReader, Wanted};
use crate::manifest::passphrase::Passphrase;
use crate::read_ahead::{DEFAULT_BUDGET, MemoryBudget};

/// The variable that holds a passphrase.
const VARIABLE: &str = "SHEAF_LINK_PASSPHRASE";

/// Reads the manifest in a file, or in standard input (`-`), chunk by chunk.
///
/// # Errors
/// [`CliError::File`], and [`CliError::List`], which names the line.
pub fn wanted(from: &Path) -> Result<Vec<Wanted>, CliError> {
    let mut file: Box<dyn Read> = match from.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(from).map_err(CliError::file("open", from))?),
    };
    let (mut reader, mut chunk) = (ListReader::default(), vec![0; 64 << 10]);
    loop {
        let count = match file.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count.map_err(CliError::file("read", from))?,
        };
        if count == 0 {
            return Ok(reader.finish()?);
        }
        reader.feed(&chunk[..count])?;
    }
}

/// The passphrase: the first line of a file, else of the environment.
///
/// # Errors
/// [`CliError::File`] and [`CliError::Passphrase`].
pub fn passphrase(
    file: Option<PathBuf>,
    environment: Environment<'_>,
) -> Result<Option<Passphrase>, CliError> {
    let text = match file {
        Some(path) => Some(fs::read_to_string(&path).map_err(CliError::file("read", path))?),
        None => environment.get(VARIABLE),
    };
    let line = text
        .as_deref()
        .map(|text| text.lines().next().unwrap_or_default());
    Ok(line.map(Passphrase::new).transpose()?)
}

/// Hashing with the default memory budget, and its progress on standard error.
pub fn scan() -> Scan {
    let line: Mutex<Option<(output::Progress, u64)>> = Mutex::default();
    let told = move |progress: Progress| {
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        let (bar, shown) = line.get_or_insert_with(|| {
            let (objects, bytes) = (progress.all_objects, progress.all_bytes);
            output::note(&format!(
                "hashing {objects} objects without a CRC-32, {bytes} bytes"
            ));
            (output::Progress::towards(bytes), 0)
        });
        bar.advance(progress.bytes - *shown);
        *shown = progress.bytes;
        bar.count(progress.objects, "objects");
    };
    Scan {
        budget: MemoryBudget::new(DEFAULT_BUDGET),
        told: Some(Arc::new(told)),
    }
}
