//! Which queue jobs are in, and how they are handed out.

use std::path::Path;

use clap::Args;

use super::store::{Place, StoreConfig, positive};
use super::{ConfigError, Environment};
use crate::job::queue::{Limits, QueueUrl, Terms};
use crate::period::Period;
use crate::size::ByteSize;

/// Raw options of the queue.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Jobs")]
pub struct QueueArgs {
    /// Where jobs are kept: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/DATABASE` for several machines [default:
    /// jobs.sqlite in the state folder]
    ///
    /// Everybody on the machine sees a command line: a password belongs into SHEAF_QUEUE, or into a file that
    /// SHEAF_QUEUE_FILE names.
    #[arg(long, value_name = "URL", env = "SHEAF_QUEUE", hide_env_values = true)]
    pub queue: Option<String>,

    /// Jobs that this process runs at once [default: 1, but none in a server whose queue is PostgreSQL: workers run them]
    #[arg(long, value_name = "N", env = "SHEAF_SLOTS", hide_env_values = true)]
    pub slots: Option<usize>,

    /// What jobs call this store, so that no worker of another store takes them [default: its endpoint or folder]
    ///
    /// Where servers and workers reach one store under several addresses, all of them need the same name.
    #[arg(
        long,
        value_name = "NAME",
        env = "SHEAF_STORE_NAME",
        hide_env_values = true
    )]
    pub store_name: Option<String>,

    /// How long a worker may be silent before another goes on with its job
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = positive, env = "SHEAF_JOB_LEASE", hide_env_values = true)]
    pub job_lease: Period,

    /// Jobs of one API key that are queued or running, at the most
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        env = "SHEAF_MAX_JOBS",
        hide_env_values = true
    )]
    pub max_jobs: u64,

    /// Jobs of one API key that run at once, at the most [default: as many as there are slots]
    #[arg(
        long,
        value_name = "N",
        env = "SHEAF_MAX_RUNNING_JOBS",
        hide_env_values = true
    )]
    pub max_running_jobs: Option<u64>,

    /// What one API key's queued and running jobs may come to, in bytes or as 500GiB [default: anything]
    #[arg(
        long,
        value_name = "SIZE",
        env = "SHEAF_MAX_JOB_BYTES",
        hide_env_values = true
    )]
    pub max_job_bytes: Option<ByteSize>,

    /// From which size on workers share an archive, where the queue is PostgreSQL
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        env = "SHEAF_SHARE_FROM",
        hide_env_values = true
    )]
    pub share_from: ByteSize,
}

/// A checked queue.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Which; `None` where there is no place for one.
    pub url: Option<QueueUrl>,
    /// How jobs are handed out.
    pub terms: Terms,
    /// Jobs that this process runs at once.
    pub slots: usize,
    /// From how many bytes on workers share an archive.
    pub share_from: u64,
    /// What jobs call the store, where that was said.
    pub named: Option<String>,
}

impl QueueConfig {
    /// What jobs call the store: as was said, or else by its endpoint or its folder. Bucket names are AWS's own everywhere, so
    /// that its regions make no difference.
    pub fn store_name(&self, store: &StoreConfig) -> String {
        if let Some(name) = &self.named {
            return name.clone();
        }
        match (&store.place, &store.options.endpoint) {
            (Place::Local { dir, .. }, _) => format!("file:{}", dir.display()),
            (Place::Remote, Some(endpoint)) => endpoint.trim_end_matches('/').to_lowercase(),
            (Place::Remote, None) => "aws".to_owned(),
        }
    }

    /// A queue in a folder, with nothing said about it.
    pub fn in_folder(folder: &Path) -> QueueConfig {
        QueueConfig {
            url: Some(QueueUrl::in_folder(folder)),
            terms: Terms::default(),
            slots: 1,
            share_from: 1 << 30,
            named: None,
        }
    }
}

impl QueueArgs {
    /// Checks the options. `slots` is what a process runs at once that says nothing and shares its queue.
    ///
    /// # Errors
    /// [`ConfigError::Queue`], and those of [`Environment::secret`].
    pub fn check(
        &self,
        environment: Environment<'_>,
        state_dir: Option<&Path>,
        slots: usize,
    ) -> Result<QueueConfig, ConfigError> {
        const FILE: &str = "SHEAF_QUEUE_FILE";
        let given = match (&self.queue, environment.get(FILE)) {
            (Some(_), Some(_)) => {
                let (variable, file) = ("SHEAF_QUEUE", FILE);
                return Err(ConfigError::SecretTwice { variable, file });
            }
            (Some(text), None) => Some((text.clone(), "--queue (SHEAF_QUEUE)")),
            // The variable itself has been looked into with the options.
            (None, _) => environment.secret_file(FILE)?.map(|text| (text, FILE)),
        };
        let parsed = given.map(|(text, option)| {
            QueueUrl::parse(text.trim()).map_err(|source| ConfigError::Queue { option, source })
        });
        let given = parsed.transpose()?;
        let url = given.or_else(|| state_dir.map(QueueUrl::in_folder));
        let is_shared = matches!(url, Some(QueueUrl::Postgres(_)));
        let otherwise = if is_shared { slots } else { 1 };
        Ok(QueueConfig {
            slots: self.slots.unwrap_or(otherwise),
            terms: Terms {
                lease: self.job_lease.duration(),
                limits: Limits {
                    open: self.max_jobs,
                    running: self.max_running_jobs.unwrap_or(u64::MAX),
                    bytes: self
                        .max_job_bytes
                        .map_or(u64::MAX, |size| size.bytes() as u64),
                },
                ..Terms::default()
            },
            share_from: self.share_from.bytes() as u64,
            named: self.store_name.clone(),
            url,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        queue: QueueArgs,
    }

    fn check(arguments: &[&str], state_dir: Option<&str>) -> Result<QueueConfig, ConfigError> {
        let all = ["sheaf"].iter().chain(arguments);
        let line = Line::try_parse_from(all).unwrap();
        let environment = Environment::new(&|_| None);
        line.queue.check(environment, state_dir.map(Path::new), 0)
    }

    #[test]
    fn the_queue_is_in_the_state_folder_unless_told_otherwise() {
        let config = check(&[], Some("/state")).unwrap();
        assert_eq!(config.url.unwrap().to_string(), "sqlite:/state/jobs.sqlite");
        assert_eq!(config.slots, 1);
        assert!(check(&[], None).unwrap().url.is_none());
        let config = check(&["--queue", "postgres://h/d"], Some("/state")).unwrap();
        assert_eq!(
            (config.url.unwrap().to_string(), config.slots),
            ("postgres://h/d".to_owned(), 0)
        );
        let slots = check(&["--queue", "postgres://h/d", "--slots=3"], None)
            .unwrap()
            .slots;
        assert_eq!(slots, 3);
        assert!(matches!(
            check(&["--queue=redis://h"], None),
            Err(ConfigError::Queue { .. })
        ));
    }

    #[test]
    fn the_queue_may_be_named_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue").display().to_string();
        let of = |arguments: &[&str]| {
            let variables = |name: &str| (name == "SHEAF_QUEUE_FILE").then(|| path.clone());
            let all = ["sheaf"].iter().chain(arguments);
            let line = Line::try_parse_from(all).unwrap();
            line.queue.check(Environment::new(&variables), None, 0)
        };
        assert!(matches!(of(&[]), Err(ConfigError::SecretFile { .. })));
        std::fs::write(&path, "postgres://u:secret@h/d\n").unwrap();
        assert_eq!(
            of(&[]).unwrap().url.unwrap().to_string(),
            "postgres://u@h/d"
        );
        assert!(matches!(
            of(&["--queue=sqlite:x"]),
            Err(ConfigError::SecretTwice { .. })
        ));
        std::fs::write(&path, "redis://:secret@h").unwrap();
        let error = of(&[]).unwrap_err().to_string();
        assert!(error.starts_with("SHEAF_QUEUE_FILE: "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
