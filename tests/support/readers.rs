//! Other people's ZIP readers, as oracles: each reads a whole archive, or says why it cannot.
//!
//! Programs that extract do so into a folder of their own inside a temporary one; a file that ends up beside that folder
//! is an error, so that every reading also shows that the archive stays where it is put.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use async_zip::base::read1::seek::ZipArchiveReader;
use async_zip::error::ZipError;
use futures::AsyncReadExt;
use futures::executor::block_on;
use futures::io::AllowStdIo;

use super::tools::tool;
use super::walk::{self, Contents, Held, difference};

/// Where the scripts are that read archives in other languages.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support");

/// One reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Info-ZIP's `unzip`.
    InfoZip,
    /// `7z`.
    SevenZip,
    /// libarchive's `bsdtar`, seeking.
    BsdtarFile,
    /// libarchive's `bsdtar`, from a pipe.
    BsdtarPipe,
    /// `busybox unzip`, from a file.
    Busybox,
    /// `busybox unzip`, from a pipe.
    BusyboxPipe,
    /// Python's `zipfile`.
    Python,
    /// `java.util.zip.ZipFile`.
    JavaFile,
    /// `java.util.zip.ZipInputStream`, which never seeks.
    JavaStream,
    /// The seeking reader of the crate async_zip.
    AsyncZip,
}

/// Why a reader did not read an archive.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read, or a program not be started.
    #[error("reading or starting failed")]
    Io(#[from] io::Error),
    /// The program ended with an error or a warning.
    #[error("{status}: {messages}")]
    Refused {
        status: std::process::ExitStatus,
        messages: String,
    },
    /// The program can only extract into a folder.
    #[error("{reader:?} does not write what it reads to a pipe")]
    NoPipe { reader: Reader },
    /// A script printed a line that is not a file.
    #[error("not a line of a listing: {line:?}")]
    Line { line: String },
    /// The extraction left the folder it was given.
    #[error("extracted outside of its folder: {names:?}")]
    Escaped { names: Vec<String> },
    /// The library refused.
    #[error("async_zip refused")]
    AsyncZip(#[from] ZipError),
    /// The bytes do not have the CRC-32 or size that the archive claims.
    #[error("{name:?} is not what the archive claims: {found:?}")]
    Mismatch { name: String, found: Held },
    /// A name is neither ASCII nor marked as UTF-8.
    #[error("the name of entry {index} is not UTF-8")]
    Garbled { index: usize },
    /// One name stands for two files.
    #[error("{name:?} is there twice")]
    Twice { name: String },
}

impl Reader {
    /// All of them.
    pub const ALL: [Reader; 10] = [
        Reader::InfoZip,
        Reader::SevenZip,
        Reader::BsdtarFile,
        Reader::BsdtarPipe,
        Reader::Busybox,
        Reader::BusyboxPipe,
        Reader::Python,
        Reader::JavaFile,
        Reader::JavaStream,
        Reader::AsyncZip,
    ];

    /// Those that see nothing but local headers and what follows them.
    pub const STREAMING: [Reader; 3] =
        [Reader::BsdtarPipe, Reader::BusyboxPipe, Reader::JavaStream];

    /// The program it needs.
    fn program(self) -> Option<&'static str> {
        match self {
            Reader::InfoZip => Some("unzip"),
            Reader::SevenZip => Some("7z"),
            Reader::BsdtarFile | Reader::BsdtarPipe => Some("bsdtar"),
            Reader::Busybox | Reader::BusyboxPipe => Some("busybox"),
            Reader::Python => Some("python3"),
            Reader::JavaFile | Reader::JavaStream => Some("javac"),
            Reader::AsyncZip => None,
        }
    }

    /// Whether its program is installed; see [`tool`] for what happens where it is not.
    pub fn is_installed(self) -> bool {
        self.program().is_none_or(|program| tool(program).is_some())
    }

    /// Reads every file of `archive`. The program must be installed.
    pub fn read(self, archive: &Path) -> Result<Contents, ReadError> {
        let archive = &fs::canonicalize(archive)?;
        let script = |name: &str| format!("{SCRIPTS}/{name}");
        let java = |how: &str| {
            // A test is over before the optimising compiler has paid for itself.
            let quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"];
            print(
                command("java")
                    .args(quick)
                    .arg(java_classes()?)
                    .args(["Reader", how])
                    .arg(archive),
            )
        };
        match self {
            Reader::InfoZip => extract(command("unzip").arg("-q").arg(archive), None),
            Reader::SevenZip => extract(command("7z").args(["x", "-y", "-bd"]).arg(archive), None),
            Reader::BsdtarFile => extract(command("bsdtar").arg("-xf").arg(archive), None),
            Reader::BsdtarPipe => extract(command("bsdtar").args(["-xf", "-"]), Some(archive)),
            Reader::Busybox => extract(command("busybox").args(["unzip", "-q"]).arg(archive), None),
            Reader::BusyboxPipe => {
                extract(command("busybox").args(["unzip", "-q", "-"]), Some(archive))
            }
            Reader::Python => print(command("python3").arg(script("reader.py")).arg(archive)),
            Reader::JavaFile => java("file"),
            Reader::JavaStream => java("stream"),
            Reader::AsyncZip => block_on(async_zip(archive)),
        }
    }
}

/// The folder with the compiled `Reader.java`; compiled once a process, because that takes longer than most readings.
fn java_classes() -> Result<&'static Path, ReadError> {
    static CLASSES: Mutex<bool> = Mutex::new(false);
    let folder = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/java"));
    let mut compiled = CLASSES.lock().unwrap_or_else(PoisonError::into_inner);
    if !*compiled {
        let source = format!("{SCRIPTS}/Reader.java");
        accept(
            command("javac")
                .arg("-d")
                .arg(folder)
                .arg(source)
                .output()?,
        )?;
        *compiled = true;
    }
    Ok(folder)
}

/// Reads `archive` with every one of `readers` that is installed, and fails unless each finds exactly `expected`.
pub fn check(readers: &[Reader], archive: &Path, expected: &Contents) {
    for reader in readers.iter().filter(|reader| reader.is_installed()) {
        match reader.read(archive) {
            Ok(found) => {
                if let Some(difference) = difference(expected, &found) {
                    panic!("{reader:?} reads something else:\n{difference}");
                }
            }
            Err(error) => panic!("{reader:?} does not read it: {error} ({error:?})"),
        }
    }
}

/// A program in a locale in which names are UTF-8, and messages are in English.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("LC_ALL", "C.UTF-8")
        .env_remove("UNZIP")
        .env_remove("JAVA_TOOL_OPTIONS")
        .env_remove("_JAVA_OPTIONS");
    command
}

/// Runs a program that extracts into the current folder; `piped` is copied into its standard input.
fn extract(command: &mut Command, piped: Option<&Path>) -> Result<Contents, ReadError> {
    let outside = tempfile::tempdir()?;
    let inside = outside.path().join("extracted");
    fs::create_dir(&inside)?;
    command
        .current_dir(&inside)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.stdin(if piped.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command.spawn()?;
    let copied = match (piped, child.stdin.take()) {
        (Some(archive), Some(mut pipe)) => io::copy(&mut File::open(archive)?, &mut pipe).map(drop),
        _ => Ok(()),
    };
    accept(child.wait_with_output()?)?;
    match copied {
        // A reader may stop at the end of the directory and not wait for the end of the pipe.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let names = fs::read_dir(outside.path())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<io::Result<_>>()?;
    if names != ["extracted"] {
        return Err(ReadError::Escaped { names });
    }
    Ok(walk::folder(&inside)?)
}

/// Runs a script that prints `hex(name) size crc32` for each file.
fn print(command: &mut Command) -> Result<Contents, ReadError> {
    let output = accept(command.stdin(Stdio::null()).output()?)?;
    let mut contents = Contents::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (name, held) = parse_line(line).ok_or_else(|| ReadError::Line {
            line: line.to_owned(),
        })?;
        add(&mut contents, name, held)?;
    }
    Ok(contents)
}

fn parse_line(line: &str) -> Option<(String, Held)> {
    let mut fields = line.split(' ');
    let name = String::from_utf8(hex::decode(fields.next()?).ok()?).ok()?;
    let size = fields.next()?.parse().ok()?;
    let crc32 = u32::from_str_radix(fields.next()?, 16).ok()?;
    Some((name, Held { size, crc32 }))
}

fn add(contents: &mut Contents, name: String, held: Held) -> Result<(), ReadError> {
    match contents.insert(name.clone(), held) {
        None => Ok(()),
        Some(_) => Err(ReadError::Twice { name }),
    }
}

pub(super) fn accept(output: Output) -> Result<Output, ReadError> {
    if output.status.success() {
        return Ok(output);
    }
    let messages = [&output.stdout[..], &output.stderr[..]]
        .map(String::from_utf8_lossy)
        .concat();
    Err(ReadError::Refused {
        status: output.status,
        messages: messages.chars().take(2000).collect(),
    })
}

async fn async_zip(archive: &Path) -> Result<Contents, ReadError> {
    let file = futures::io::BufReader::new(AllowStdIo::new(File::open(archive)?));
    let mut reader = ZipArchiveReader::open(file).await?;
    let mut contents = Contents::new();
    for index in 0..reader.cdrs().len() {
        let record = &reader.cdrs()[index];
        let name = record
            .insecure_file_name
            .as_str()
            .ok_or(ReadError::Garbled { index })?
            .to_owned();
        let claimed = Held {
            size: record.uncompressed_size()?,
            crc32: record.cdrh.crc,
        };
        let mut entry = reader.file(index).await?;
        let mut hasher = crc32fast::Hasher::new();
        let mut size = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = entry.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            size += read as u64;
        }
        let found = Held {
            size,
            crc32: hasher.finalize(),
        };
        if found != claimed {
            return Err(ReadError::Mismatch { name, found });
        }
        if !name.ends_with('/') {
            add(&mut contents, name, found)?;
        }
    }
    Ok(contents)
}
