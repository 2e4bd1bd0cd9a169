//! The files of a folder, in the order of their keys.

use std::fs;
use std::path::{Path, PathBuf};

use super::SeedFile;
use crate::cli::CliError;

/// The longest key, in bytes.
/// Source: [object keys](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const LONGEST_KEY: usize = 1024;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Regular files and links to such.
    pub files: Vec<SeedFile>,
    /// Links to folders, dead links, sockets, devices.
    pub skipped: Vec<PathBuf>,
}

/// Lists a folder and everything below it. Links to folders are not followed, so no walk goes in circles.
///
/// # Errors
/// [`CliError::File`] where a folder cannot be read, [`CliError::Unnameable`] where a name makes no key.
pub fn walk(dir: &Path, prefix: &str) -> Result<Found, CliError> {
    let mut found = Found::default();
    let mut folders = vec![(dir.to_owned(), prefix.to_owned())];
    while let Some((folder, prefix)) = folders.pop() {
        let fails = || CliError::file("read", folder.clone());
        for entry in fs::read_dir(&folder).map_err(fails())? {
            let entry = entry.map_err(fails())?;
            let path = entry.path();
            let key = key(&prefix, &entry)?;
            let kind = entry.file_type().map_err(CliError::file("read", &path))?;
            if kind.is_dir() {
                folders.push((path, format!("{key}/")));
                continue;
            }
            // Follows a link.
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => found.files.push(SeedFile {
                    path,
                    key,
                    size: metadata.len(),
                }),
                Err(error) if !kind.is_symlink() => {
                    return Err(CliError::file("read", path)(error));
                }
                Ok(_) | Err(_) => found.skipped.push(path),
            }
        }
    }
    found.files.sort_by(|a, b| a.key.cmp(&b.key));
    found.skipped.sort();
    Ok(found)
}

fn key(prefix: &str, entry: &fs::DirEntry) -> Result<String, CliError> {
    let unnameable = |reason| CliError::Unnameable {
        path: entry.path(),
        reason,
    };
    let name = entry.file_name();
    let name = name
        .to_str()
        .ok_or_else(|| unnameable("its name is not UTF-8"))?;
    let key = format!("{prefix}{name}");
    if key.len() > LONGEST_KEY {
        return Err(unnameable("its key would be longer than 1,024 bytes"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_keys_in_byte_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.pdf", "a/z.pdf", "a/ü/x y.pdf", "a.pdf", ".hidden"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = walk(dir.path(), "p/").unwrap();
        let keys: Vec<&str> = found.files.iter().map(|file| file.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "p/.hidden",
                "p/a.pdf",
                "p/a/z.pdf",
                "p/a/ü/x y.pdf",
                "p/b.pdf"
            ]
        );
        assert_eq!(found.files[3].path, dir.path().join("a/ü/x y.pdf"));
        assert_eq!(found.files[3].size, 12);
        assert!(walk(&dir.path().join("missing"), "").is_err());
        assert!(matches!(
            walk(dir.path(), &"p".repeat(1024)),
            Err(CliError::Unnameable { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_count_and_nothing_goes_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "12345").unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dead")).unwrap();
        symlink(".", dir.path().join("loop")).unwrap();
        let found = walk(dir.path(), "").unwrap();
        let files: Vec<_> = found
            .files
            .iter()
            .map(|file| (file.key.as_str(), file.size))
            .collect();
        assert_eq!(files, [("a", 5), ("link", 5)]);
        assert_eq!(
            found.skipped,
            [dir.path().join("dead"), dir.path().join("loop")]
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_no_text_is_named() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        let error = walk(dir.path(), "").unwrap_err();
        assert!(error.to_string().ends_with("its name is not UTF-8"));
    }
}
