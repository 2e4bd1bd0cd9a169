//! Which database: `sqlite:PATH` or `postgres://…`. The password is never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// A checked choice of database.
#[derive(Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server, as [libpq's URLs](https://www.postgresql.org/docs/current/libpq-connect.html) say.
    Postgres(Url),
}

/// Why that is no queue. What was given may hold a password, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQueueUrl {
    /// Neither of the two.
    #[error("it must be sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Scheme,
    /// `sqlite:` alone.
    #[error("sqlite: needs the path of a file")]
    NoPath,
    /// The URL breaks off.
    #[error("that is no URL of the form postgres://USER@HOST/DATABASE")]
    Malformed,
}

impl QueueUrl {
    /// The file `jobs.sqlite` in a folder.
    pub fn in_folder(folder: &Path) -> QueueUrl {
        QueueUrl::Sqlite(folder.join("jobs.sqlite"))
    }

    /// Reads a choice.
    ///
    /// # Errors
    /// [`InvalidQueueUrl`].
    pub fn parse(text: &str) -> Result<QueueUrl, InvalidQueueUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(InvalidQueueUrl::NoPath),
                path => Ok(QueueUrl::Sqlite(PathBuf::from(path))),
            };
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(InvalidQueueUrl::Scheme);
        }
        let url = Url::parse(text).map_err(|_| InvalidQueueUrl::Malformed)?;
        Ok(QueueUrl::Postgres(url))
    }
}

/// Without the password, and without parameters, which may name one too.
impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            QueueUrl::Postgres(url) => {
                let mut shown = url.clone();
                // Neither can fail for a URL with a scheme of its own and a host.
                let _ = shown.set_password(None);
                shown.set_query(None);
                write!(f, "{shown}")
            }
        }
    }
}

impl fmt::Debug for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_chosen_by_url() {
        for (text, shown) in [
            ("sqlite:/a b/jobs", "sqlite:/a b/jobs"),
            ("sqlite://jobs", "sqlite:jobs"),
            (
                "postgres://u:secret@h:5432/d?password=secret",
                "postgres://u@h:5432/d",
            ),
            ("postgresql:///d?host=/run", "postgresql:///d"),
        ] {
            let url = QueueUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
        for (text, why) in [
            ("", InvalidQueueUrl::Scheme),
            ("mysql://x", InvalidQueueUrl::Scheme),
            ("sqlite:", InvalidQueueUrl::NoPath),
            ("postgres://[", InvalidQueueUrl::Malformed),
        ] {
            assert_eq!(QueueUrl::parse(text), Err(why), "{text}");
        }
    }
}
