//! Credentials for reads, kept until shortly before they end.
//!
//! Whoever needs credentials gets those at hand while they last; one caller at a time asks the provider for new ones.
//! Where that fails, the old ones serve to their very end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

/// How long before their end credentials are asked for anew.
const AHEAD: Duration = Duration::from_secs(60);

/// How long credentials without an end are kept, as in the SDK: a file may have been written anew.
const UNENDING: Duration = Duration::from_secs(15 * 60);

/// Who signs.
#[derive(Debug)]
pub(super) struct Identity {
    provider: SharedCredentialsProvider,
    kept: RwLock<Option<Kept>>,
    asking: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Kept {
    credentials: Arc<Credentials>,
    /// From then on others are asked for.
    until: SystemTime,
}

impl Identity {
    /// Whoever the provider names.
    pub(super) fn new(provider: SharedCredentialsProvider) -> Identity {
        Identity {
            provider,
            kept: RwLock::new(None),
            asking: Mutex::new(()),
        }
    }

    /// Credentials that are good now.
    pub(super) async fn credentials(&self) -> Result<Arc<Credentials>, CredentialsError> {
        self.at(SystemTime::now()).await
    }

    async fn at(&self, now: SystemTime) -> Result<Arc<Credentials>, CredentialsError> {
        if let Some(credentials) = self.fresh(now) {
            return Ok(credentials);
        }
        let _asking = self.asking.lock().await;
        if let Some(credentials) = self.fresh(now) {
            return Ok(credentials);
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                let until = credentials
                    .expiry()
                    .map_or(now + UNENDING, |end| end - AHEAD);
                let credentials = Arc::new(credentials);
                let kept = Kept {
                    credentials: credentials.clone(),
                    until,
                };
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
                Ok(credentials)
            }
            Err(error) => match self.kept() {
                Some(old) if old.credentials.expiry().is_some_and(|end| end > now) => {
                    tracing::warn!(%error, "the credentials cannot be renewed; they still last a little");
                    Ok(old.credentials)
                }
                _ => Err(error),
            },
        }
    }

    fn fresh(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref().filter(|kept| now < kept.until)?;
        Some(kept.credentials.clone())
    }

    fn kept(&self) -> Option<Kept> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    /// Gives credentials that last an hour, the n-th time of asking only where `answers` says so.
    #[derive(Debug)]
    struct Scripted {
        asked: Arc<AtomicUsize>,
        answers: &'static [bool],
        start: SystemTime,
    }

    impl ProvideCredentials for Scripted {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.asked.fetch_add(1, Ordering::SeqCst);
            future::ProvideCredentials::ready(if self.answers[n] {
                let end = self.start + Duration::from_secs(3600) * (n as u32 + 1);
                Ok(Credentials::new(
                    format!("key{n}"),
                    "s",
                    None,
                    Some(end),
                    "t",
                ))
            } else {
                Err(CredentialsError::not_loaded("not now"))
            })
        }
    }

    #[tokio::test]
    async fn credentials_are_kept_and_renewed() {
        let (asked, start) = (Arc::new(AtomicUsize::new(0)), SystemTime::now());
        let identity = Identity::new(SharedCredentialsProvider::new(Scripted {
            asked: asked.clone(),
            answers: &[true, false, true, false, false],
            start,
        }));
        let after = |seconds| start + Duration::from_secs(seconds);
        let key = async |seconds| {
            let credentials = identity.at(after(seconds)).await;
            credentials.map(|credentials| credentials.access_key_id().to_owned())
        };
        assert_eq!(key(0).await.unwrap(), "key0");
        assert_eq!(key(3500).await.unwrap(), "key0");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "they last");
        assert_eq!(key(3550).await.unwrap(), "key0", "renewal failed");
        assert_eq!(key(3560).await.unwrap(), "key2");
        assert_eq!(key(10_700).await.unwrap(), "key2");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        assert_eq!(key(10_790).await.unwrap(), "key2", "renewal failed");
        key(10_801).await.unwrap_err();
    }
}
