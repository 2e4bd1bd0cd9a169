//! Other people's readers over archives that no disk should hold once more: what they extract goes through a pipe.
//!
//! Names do not come through a pipe. For them there are the readers that print a line a file, and the strict one.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Output, Stdio};

use super::readers::{ReadError, Reader, accept, command};
use super::walk::Held;

/// All files of `archive`, one after the other in its order, as `reader` writes them to its standard output.
///
/// # Errors
/// Where the reader ends with an error or a warning, as all but busybox do for a wrong CRC; [`ReadError::NoPipe`] for readers that
/// have no such output.
pub fn pour(reader: Reader, archive: &Path) -> Result<Held, ReadError> {
    let archive = &fs::canonicalize(archive)?;
    let (program, arguments): (_, &[&str]) = match reader {
        Reader::InfoZip => ("unzip", &["-p"]),
        Reader::SevenZip => ("7z", &["x", "-so", "-bd"]),
        Reader::BsdtarFile => ("bsdtar", &["-xOf"]),
        Reader::BsdtarPipe => ("bsdtar", &["-xOf", "-"]),
        Reader::Busybox => ("busybox", &["unzip", "-p"]),
        Reader::BusyboxPipe => ("busybox", &["unzip", "-p", "-"]),
        Reader::Python | Reader::JavaFile | Reader::JavaStream | Reader::AsyncZip => {
            return Err(ReadError::NoPipe { reader });
        }
    };
    let mut command = command(program);
    command.args(arguments);
    match reader {
        Reader::BsdtarPipe | Reader::BusyboxPipe => command.stdin(piped(archive)?),
        _ => command.arg(archive).stdin(Stdio::null()),
    };
    // A file and not a second pipe: nobody reads it before the first one ends.
    let mut messages = tempfile::tempfile()?;
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(messages.try_clone()?)
        .spawn()?;
    let held = Held::read(child.stdout.take().expect("a piped standard output"))?;
    let status = child.wait()?;
    let mut stderr = Vec::new();
    messages.rewind()?;
    messages.read_to_end(&mut stderr)?;
    let stdout = Vec::new();
    accept(Output {
        status,
        stdout,
        stderr,
    })?;
    Ok(held)
}

/// A pipe that holds the file; it cannot be sought in.
fn piped(archive: &Path) -> io::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    let mut archive = File::open(archive)?;
    // It ends with the reader's end of the pipe at the latest.
    std::thread::spawn(move || io::copy(&mut archive, &mut writer));
    Ok(reader.into())
}
