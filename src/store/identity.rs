//! Who signs: the credentials of the chain, fetched once, kept, and fetched again before they end.
//!
//! The SDK asks here for each request, and so does whoever wants to know when a URL will end: both always speak of the
//! same credentials.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

/// Credentials are fetched again when they end within this time, so that URLs live as long as they can.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// How long credentials without an end are kept: a file may have been written anew.
const UNENDING: Duration = Duration::from_secs(15 * 60);

/// How long the source is left alone after it was asked, even where its credentials end soon.
const PAUSE: Duration = Duration::from_secs(15);

/// See the module. Clones keep the same credentials.
#[derive(Clone, Debug)]
pub struct Kept {
    source: SharedCredentialsProvider,
    held: Arc<Mutex<Option<Held>>>,
    /// When the source was last asked because the store had refused what it gave.
    refused: Arc<Mutex<Option<Instant>>>,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    asked: Instant,
}

impl Kept {
    /// Keeps what a source gives.
    pub fn new(source: SharedCredentialsProvider) -> Kept {
        Kept {
            source,
            held: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// The store refuses these credentials, as it does when a session was ended, or its keys were exchanged, before the
    /// time that they told. Whether it is worth to try again, with what [`Kept::credentials`] gives next: not where the
    /// source was asked for the same reason a moment ago.
    pub async fn refused(&self, credentials: &Credentials) -> bool {
        let mut refused = self.refused.lock().await;
        let mut held = self.held.lock().await;
        let is_held = |held: &Held| {
            let ours = &held.credentials;
            ours.access_key_id() == credentials.access_key_id()
                && ours.session_token() == credentials.session_token()
        };
        if !held.as_ref().is_some_and(is_held) {
            return true;
        }
        if refused.is_some_and(|at| at.elapsed() < PAUSE) {
            return false;
        }
        *refused = Some(Instant::now());
        *held = None;
        true
    }

    /// The credentials that sign now.
    ///
    /// # Errors
    /// As the source says, where nothing that is still good is held.
    pub async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut held = self.held.lock().await;
        let now = SystemTime::now();
        if let Some(held) = &*held {
            let age = held.asked.elapsed();
            let lasts = |least: Duration| match held.credentials.expiry() {
                Some(end) => end > now + least,
                None => age < UNENDING,
            };
            if lasts(EARLY) || (age < PAUSE && lasts(Duration::ZERO)) {
                return Ok(held.credentials.clone());
            }
        }
        let fetched = Box::pin(self.source.provide_credentials()).await;
        match (fetched, &mut *held) {
            (Ok(credentials), held) => {
                *held = Some(Held {
                    credentials: credentials.clone(),
                    asked: Instant::now(),
                });
                Ok(credentials)
            }
            // The source may come back before the credentials end.
            (Err(error), Some(held)) if held.credentials.expiry().is_none_or(|end| end > now) => {
                tracing::warn!(%error, "the credentials cannot be renewed; the old ones go on");
                held.asked = Instant::now();
                Ok(held.credentials.clone())
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Gives credentials that last so long, and fails after so many times.
    #[derive(Clone, Debug)]
    struct Source {
        lasts: Option<Duration>,
        good: usize,
        asked: Arc<AtomicUsize>,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            let expiry = self.lasts.map(|lasts| SystemTime::now() + lasts);
            let name = format!("key{number}");
            future::ProvideCredentials::ready(if number < self.good {
                Ok(Credentials::new(name, "secret", None, expiry, "test"))
            } else {
                Err(CredentialsError::not_loaded("gone"))
            })
        }
    }

    async fn names(lasts: Option<Duration>, good: usize, pause_over: bool) -> (Vec<String>, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let source = Source {
            lasts,
            good,
            asked: asked.clone(),
        };
        let kept = Kept::new(SharedCredentialsProvider::new(source));
        let mut names = Vec::new();
        for _ in 0..2 {
            names.push(match kept.credentials().await {
                Ok(credentials) => credentials.access_key_id().to_owned(),
                Err(error) => error.to_string(),
            });
            if let (true, Some(held)) = (pause_over, &mut *kept.held.lock().await) {
                held.asked -= PAUSE;
            }
        }
        (names, asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn credentials_are_fetched_once() {
        let hour = Some(Duration::from_secs(3600));
        for lasts in [None, hour] {
            assert_eq!(
                names(lasts, 9, true).await,
                (vec!["key0".to_owned(), "key0".to_owned()], 1)
            );
        }
    }

    #[tokio::test]
    async fn credentials_that_end_soon_are_fetched_again() {
        let soon = Some(Duration::from_secs(60));
        assert_eq!(names(soon, 9, true).await.0, ["key0", "key1"]);
        assert_eq!(
            names(soon, 9, false).await.0,
            ["key0", "key0"],
            "the source is left alone for a while"
        );
    }

    #[tokio::test]
    async fn refused_credentials_are_fetched_again_but_not_for_ever() {
        let source = Source {
            lasts: None,
            good: 9,
            asked: Arc::default(),
        };
        let kept = Kept::new(SharedCredentialsProvider::new(source));
        let first = kept.credentials().await.unwrap();
        assert!(kept.refused(&first).await);
        let second = kept.credentials().await.unwrap();
        assert_eq!(second.access_key_id(), "key1");
        assert!(
            kept.refused(&first).await,
            "others were fetched since these were used"
        );
        assert!(!kept.refused(&second).await);
        *kept.refused.lock().await = Instant::now().checked_sub(PAUSE);
        assert!(kept.refused(&second).await);
        assert_eq!(kept.credentials().await.unwrap().access_key_id(), "key2");
    }

    #[tokio::test]
    async fn good_credentials_outlive_their_source() {
        let soon = Some(Duration::from_secs(60));
        assert_eq!(names(soon, 1, true).await.0, ["key0", "key0"]);
        let (names, _) = names(None, 0, true).await;
        assert!(names[0] != "key0", "{names:?}");
    }
}
