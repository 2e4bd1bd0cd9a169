//! Which server serves a folder now: a file beside the folder's state.
//!
//! The server holds a lock on the file while it runs. A file without one was left by a server that was killed, whatever
//! its content says.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "server.json";

/// A server of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// The folder, canonical.
    pub dir: PathBuf,
    /// Where the server listens, on this machine.
    pub url: String,
    /// Under which name its presigned URLs are handed out.
    pub public_url: String,
    /// Under which name clients reach the server itself.
    pub site: String,
    /// Its process.
    pub pid: u32,
}

/// A record that stands while this value lives.
#[derive(Debug)]
pub struct PublishedRecord {
    path: PathBuf,
    // Holds the lock.
    _file: File,
}

impl ServerRecord {
    /// Writes the record, for as long as the value returned lives. `None` where another server has one already.
    ///
    /// # Errors
    /// As the system says.
    pub fn publish(&self, state_dir: &Path) -> io::Result<Option<PublishedRecord>> {
        fs::create_dir_all(state_dir)?;
        let path = state_dir.join(FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        Ok(Some(PublishedRecord { path, _file: file }))
    }

    /// The server that serves `dir` now, if one does.
    pub fn find(state_dir: &Path, dir: &Path) -> Option<ServerRecord> {
        let mut file = File::open(state_dir.join(FILE)).ok()?;
        // A lock that can be had is one that no server holds; it goes with the file.
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        let record: ServerRecord = serde_json::from_str(&text).ok()?;
        (record.dir == dir).then_some(record)
    }
}

impl Drop for PublishedRecord {
    fn drop(&mut self) {
        // One that stays is taken for what it is, since its lock is gone.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(dir: &str) -> ServerRecord {
        ServerRecord {
            dir: dir.into(),
            url: "http://127.0.0.1:8080".to_owned(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            site: "http://127.0.0.1:8080".to_owned(),
            pid: 7,
        }
    }

    #[test]
    fn a_record_lives_as_long_as_its_server() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path().join("not/there/yet");
        let find = || ServerRecord::find(&state, Path::new("/a"));
        assert_eq!(find(), None);
        let published = record("/a").publish(&state).unwrap().unwrap();
        assert_eq!(find(), Some(record("/a")));
        assert_eq!(
            ServerRecord::find(&state, Path::new("/b")),
            None,
            "another folder"
        );
        assert!(
            record("/a").publish(&state).unwrap().is_none(),
            "the first server stays"
        );
        assert_eq!(find(), Some(record("/a")));
        drop(published);
        assert_eq!(find(), None);
        assert!(!state.join(FILE).exists());
    }

    #[test]
    fn what_a_killed_server_left_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        let left = serde_json::to_vec(&record("/a")).unwrap();
        fs::write(state.path().join(FILE), left).unwrap();
        assert_eq!(ServerRecord::find(state.path(), Path::new("/a")), None);
        let published = record("/a").publish(state.path()).unwrap();
        assert!(published.is_some(), "the next server takes its place");
        assert_eq!(
            ServerRecord::find(state.path(), Path::new("/a")),
            Some(record("/a"))
        );
    }
}
