//! The keys that sign links: given in the environment, or made once and kept in the state folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{ConfigError, Environment};
use crate::link::{InvalidKeyRing, KeyRing};

/// The file in the state folder; readable by its owner only.
const FILE: &str = "link-keys";

/// Where the keys come from.
#[derive(Clone, Debug)]
pub enum LinkKeys {
    /// `SHEAF_LINK_KEYS`, or the file that `SHEAF_LINK_KEYS_FILE` names.
    Given(KeyRing),
    /// A file in this folder, made when it is first needed.
    KeptIn(PathBuf),
    /// Nowhere: a key of this process only.
    Unkept,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum LinkKeysError {
    /// The file cannot be read or written.
    #[error("cannot keep the keys of links in {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path}: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: InvalidKeyRing,
    },
    /// There is no place for a key.
    #[error(
        "no place for the key of links: set SHEAF_LINK_KEYS or SHEAF_LINK_KEYS_FILE, or --state-dir"
    )]
    Nowhere,
}

impl LinkKeys {
    /// What the environment says, else the state folder.
    ///
    /// # Errors
    /// [`ConfigError::LinkKeys`] where the keys given are no good, and those of [`Environment::secret`].
    pub fn of(
        environment: Environment<'_>,
        state_dir: Option<&Path>,
    ) -> Result<LinkKeys, ConfigError> {
        let given = environment.secret("SHEAF_LINK_KEYS", "SHEAF_LINK_KEYS_FILE")?;
        if let Some((list, variable)) = given {
            let keys = KeyRing::parse(&list);
            let keys = keys.map_err(|source| ConfigError::LinkKeys { variable, source })?;
            return Ok(LinkKeys::Given(keys));
        }
        Ok(match state_dir {
            Some(dir) => LinkKeys::KeptIn(dir.to_owned()),
            None => LinkKeys::Unkept,
        })
    }

    /// The keys, and where they are kept if they were made just now.
    ///
    /// # Errors
    /// [`LinkKeysError`].
    pub fn open(&self) -> Result<(KeyRing, Option<PathBuf>), LinkKeysError> {
        match self {
            LinkKeys::Given(keys) => Ok((keys.clone(), None)),
            LinkKeys::KeptIn(dir) => kept(dir),
            LinkKeys::Unkept => Err(LinkKeysError::Nowhere),
        }
    }
}

fn kept(dir: &Path) -> Result<(KeyRing, Option<PathBuf>), LinkKeysError> {
    let path = dir.join(FILE);
    let fails = |source| LinkKeysError::File {
        path: path.clone(),
        source,
    };
    let (list, made) = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make(dir, &path).map_err(fails)?;
            (fs::read_to_string(&path).map_err(fails)?, made)
        }
        read => (read.map_err(fails)?, false),
    };
    match KeyRing::parse(&list) {
        Ok(keys) => Ok((keys, made.then_some(path))),
        Err(source) => Err(LinkKeysError::Malformed { path, source }),
    }
}

/// Makes a key, unless another process does so first: the file appears whole, and once.
fn make(dir: &Path, path: &Path) -> io::Result<bool> {
    fs::create_dir_all(dir)?;
    // Temporary files are their owner's only.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(file, "{}", KeyRing::generate())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("not/there/yet");
        let keys = LinkKeys::of(Environment::new(&none), Some(&dir)).unwrap();
        let (first, made) = keys.open().unwrap();
        let path = made.expect("a new file");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let token = first.sign(Uuid::nil(), 10);
        let (second, made) = keys.open().unwrap();
        assert!(made.is_none() && second.verify(&token, 0).is_ok());
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(keys.open(), Err(LinkKeysError::Malformed { .. })));
    }

    #[test]
    fn keys_that_are_given_go_first() {
        let given = |list: &'static str| {
            let variables = move |name: &str| (name == "SHEAF_LINK_KEYS").then(|| list.to_owned());
            LinkKeys::of(Environment::new(&variables), None)
        };
        assert!(matches!(
            given("a:00112233445566778899aabbccddeeff"),
            Ok(LinkKeys::Given(_))
        ));
        assert!(matches!(given("a:00"), Err(ConfigError::LinkKeys { .. })));
        assert!(matches!(given(""), Ok(LinkKeys::Unkept)));
        assert!(LinkKeys::Unkept.open().is_err());
    }

    #[test]
    fn keys_may_stand_in_a_file() {
        const KEY: &str = "a:00112233445566778899aabbccddeeff";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").display().to_string();
        let of = |list: &'static str| {
            let variables = |name: &str| match name {
                "SHEAF_LINK_KEYS_FILE" => Some(path.clone()),
                "SHEAF_LINK_KEYS" => Some(list.to_owned()),
                _ => None,
            };
            LinkKeys::of(Environment::new(&variables), Some(folder.path()))
        };
        assert!(matches!(of(""), Err(ConfigError::SecretFile { .. })));
        // Two keys, one a line: the first signs.
        fs::write(&path, format!("new:{}\n{KEY}\n", "11".repeat(16))).unwrap();
        let Ok(LinkKeys::Given(keys)) = of("") else {
            panic!("keys of the file")
        };
        let old = KeyRing::parse(KEY).unwrap().sign(Uuid::nil(), 10);
        assert!(keys.verify(&old, 0).is_ok());
        assert_eq!(
            of(KEY).unwrap_err().to_string(),
            "SHEAF_LINK_KEYS and SHEAF_LINK_KEYS_FILE are both set: set one"
        );
        fs::write(&path, "\n").unwrap();
        let error = of("").unwrap_err().to_string();
        assert!(error.starts_with("SHEAF_LINK_KEYS_FILE: "), "{error}");
    }
}
