//! Where an archive is written to. A file takes its name only once it is whole; until then it has another one beside it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::CliError;
use crate::store::embedded::TEMP_PREFIX;

/// Frames between the store and the disk. The disk is the faster one, as a rule.
const QUEUE: usize = 8;

/// Where an archive is to go.
#[derive(Debug)]
pub enum Target {
    /// A regular file, new or to be replaced. Dropped, it is gone.
    File {
        /// What is written.
        temporary: NamedTempFile,
        /// Its name in the end.
        path: PathBuf,
    },
    /// A named pipe or a device.
    Special {
        /// What is written.
        file: File,
        /// Its name.
        path: PathBuf,
    },
    /// Standard output.
    Output,
}

/// An archive that is being written, by a thread that may wait for the disk.
#[derive(Debug)]
pub struct Writing {
    frames: Option<mpsc::Sender<Bytes>>,
    thread: JoinHandle<io::Result<()>>,
    // Not the thread's: whoever drops this value has removed the file before anything else can happen.
    target: Target,
}

impl Target {
    /// A file. What is there already stays until the archive is whole.
    ///
    /// # Errors
    /// [`CliError::IsFolder`] and [`CliError::File`].
    pub fn file(path: &Path) -> Result<Target, CliError> {
        // A link stays a link: what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => return Err(CliError::IsFolder { path }),
            // Renaming a file over /dev/null would replace the device.
            Ok(found) if !found.is_file() => {
                let opened = File::options().write(true).open(&path);
                let file = opened.map_err(CliError::file("write to", &path))?;
                return Ok(Target::Special { file, path });
            }
            Ok(_) | Err(_) => {}
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let temporary = builder()
            .tempfile_in(folder)
            .map_err(CliError::file("create a file in", folder))?;
        Ok(Target::File { temporary, path })
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// [`CliError::File`] where the system has no file handle left.
    pub fn start(self) -> Result<Writing, CliError> {
        let fails = CliError::file("write to", self.path());
        let (file, lasting) = match &self {
            Target::File { temporary, .. } => (Some(temporary.as_file().try_clone()), true),
            Target::Special { file, .. } => (Some(file.try_clone()), false),
            Target::Output => (None, false),
        };
        let file = file.transpose().map_err(fails)?;
        let (frames, queue) = mpsc::channel(QUEUE);
        let thread = tokio::task::spawn_blocking(move || match file {
            Some(mut file) => {
                write_all(&mut file, queue)?;
                // Without this a crash of the machine could leave the name with nothing behind it.
                if lasting { file.sync_data() } else { Ok(()) }
            }
            None => write_all(&mut io::stdout(), queue),
        });
        Ok(Writing {
            frames: Some(frames),
            thread,
            target: self,
        })
    }

    fn path(&self) -> &Path {
        match self {
            Target::File { path, .. } | Target::Special { path, .. } => path,
            Target::Output => Path::new("standard output"),
        }
    }
}

fn write_all(to: &mut impl Write, mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(frame) = queue.blocking_recv() {
        to.write_all(&frame)?;
    }
    to.flush()
}

/// Temporary files are private by default; an archive has the permissions of any other file. It may lie in the folder that it
/// is made of, and must not be listed there meanwhile.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
}

impl Writing {
    /// Hands a frame on, waiting for the disk where it is behind.
    ///
    /// # Errors
    /// [`CliError::File`], of this frame or of an earlier one.
    pub async fn write(&mut self, frame: Bytes) -> Result<(), CliError> {
        let sent = match &self.frames {
            Some(frames) => frames.send(frame).await.is_ok(),
            None => false,
        };
        if sent { Ok(()) } else { self.written().await }
    }

    /// Waits for the last byte and gives the file its name.
    ///
    /// # Errors
    /// [`CliError::File`]; no file has the name then, unless one had it before.
    pub async fn finish(mut self) -> Result<(), CliError> {
        self.written().await?;
        if let Target::File { temporary, path } = self.target {
            let named = temporary.persist(&path).map_err(|error| error.error);
            named.map_err(CliError::file("write to", path))?;
        }
        Ok(())
    }

    async fn written(&mut self) -> Result<(), CliError> {
        self.frames = None;
        (&mut self.thread)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(CliError::file("write to", self.target.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        fs::write(&path, "before").unwrap();
        let mut writing = Target::file(&path).unwrap().start().unwrap();
        writing.write(Bytes::from_static(b"whole ")).await.unwrap();
        writing.write(Bytes::from_static(b"archive")).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(
            names(folder.path()).len(),
            2,
            "the archive waits beside its name"
        );
        writing.finish().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole archive");
        assert_eq!(names(folder.path()), ["a.zip"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn an_archive_is_as_readable_as_any_other_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        Target::file(&path)
            .unwrap()
            .start()
            .unwrap()
            .finish()
            .await
            .unwrap();
        fs::write(folder.path().join("other"), "").unwrap();
        let mode = |name| {
            fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("a.zip"), mode("other"));
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        fs::write(&path, "before").unwrap();
        let mut writing = Target::file(&path).unwrap().start().unwrap();
        writing
            .write(Bytes::from_static(b"half an arch"))
            .await
            .unwrap();
        drop(writing);
        assert_eq!(names(folder.path()), ["a.zip"]);
        assert_eq!(fs::read(&path).unwrap(), b"before");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (
            folder.path().join("link.zip"),
            folder.path().join("file.zip"),
        );
        fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut writing = Target::file(&link).unwrap().start().unwrap();
        writing.write(Bytes::from_static(b"after")).await.unwrap();
        writing.finish().await.unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"after");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(matches!(
            Target::file(Path::new("/dev/null")),
            Ok(Target::Special { .. })
        ));
    }

    #[test]
    fn folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Target::file(folder.path()),
            Err(CliError::IsFolder { .. })
        ));
        let missing = folder.path().join("no/such/folder/a.zip");
        assert!(matches!(Target::file(&missing), Err(CliError::File { .. })));
    }
}
