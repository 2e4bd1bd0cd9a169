//! Where sheaf keeps its own objects.

use super::{ConfigError, Place, StoreArgs};
use crate::manifest::StateSpace;
use crate::manifest::selection::STATE_PREFIX;
use crate::store::{Bucket, embedded};

/// The longest prefix of sheaf's own keys, in bytes: what follows it must fit into a key.
const LONGEST_STATE_PREFIX: usize = 512;

/// Where sheaf keeps its own objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// Their bucket, where it is not the default one.
    pub bucket: Option<Bucket>,
    /// What their keys begin with; ends in `/`.
    pub prefix: String,
}

impl Default for StateConfig {
    fn default() -> StateConfig {
        StateConfig {
            bucket: None,
            prefix: STATE_PREFIX.to_owned(),
        }
    }
}

impl StateConfig {
    /// Checks the options.
    pub(super) fn check(args: &StoreArgs, place: &Place) -> Result<StateConfig, ConfigError> {
        let mut state = StateConfig::default();
        if let Some(name) = &args.state_bucket {
            state.bucket = Some(Bucket::new(name).map_err(ConfigError::StateBucket)?);
        }
        if let Some(prefix) = &args.state_prefix {
            // Without a slash at its end it would hide keys that only begin alike.
            let sound = prefix.len() <= LONGEST_STATE_PREFIX
                && prefix.ends_with('/')
                && !prefix.starts_with('/');
            if !sound {
                return Err(ConfigError::StatePrefix(prefix.clone()));
            }
            state.prefix.clone_from(prefix);
        }
        let own = state.prefix == STATE_PREFIX
            && state
                .bucket
                .as_ref()
                .is_none_or(|bucket| bucket.as_str() == embedded::BUCKET);
        if *place != Place::Remote && !own {
            return Err(ConfigError::LocalState);
        }
        Ok(state)
    }

    /// The place of sheaf's own objects, where requests that name no bucket mean `default`.
    pub fn space(&self, default: Option<&Bucket>) -> Option<StateSpace> {
        let bucket = self.bucket.as_ref().or(default)?;
        Some(self.space_in(bucket))
    }

    /// The same where there is a default bucket for certain.
    pub fn space_in(&self, default: &Bucket) -> StateSpace {
        StateSpace {
            bucket: self.bucket.as_ref().unwrap_or(default).clone(),
            prefix: self.prefix.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        prefix: Option<&str>,
        bucket: Option<&str>,
        place: &Place,
    ) -> Result<StateConfig, ConfigError> {
        let args = StoreArgs {
            state_prefix: prefix.map(str::to_owned),
            state_bucket: bucket.map(str::to_owned),
            ..StoreArgs::default()
        };
        StateConfig::check(&args, place)
    }

    #[test]
    fn the_state_has_a_place_of_its_own() {
        let default = Bucket::new("files").unwrap();
        let space = |prefix, bucket| {
            let state = check(prefix, bucket, &Place::Remote).unwrap();
            let space = state.space(Some(&default)).unwrap();
            (space.bucket.to_string(), space.prefix)
        };
        assert_eq!(
            space(None, None),
            ("files".to_owned(), ".sheaf/".to_owned())
        );
        assert_eq!(
            space(Some("x/y/"), Some("own")),
            ("own".to_owned(), "x/y/".to_owned())
        );
        assert!(StateConfig::default().space(None).is_none());
    }

    #[test]
    fn a_prefix_that_would_hide_other_keys_is_refused() {
        for prefix in ["", "state", "/", "/x/", &format!("{}/", "x".repeat(512))] {
            let error = check(Some(prefix), None, &Place::Remote).unwrap_err();
            assert!(matches!(error, ConfigError::StatePrefix(_)), "{prefix}");
        }
        assert!(matches!(
            check(None, Some("a b"), &Place::Remote),
            Err(ConfigError::StateBucket(_))
        ));
    }

    #[test]
    fn the_embedded_store_keeps_it_apart_already() {
        let place = Place::Local {
            dir: "/a".into(),
            state_dir: "/b".into(),
        };
        assert!(check(None, Some("local"), &place).is_ok());
        assert!(matches!(
            check(Some("x/"), None, &place),
            Err(ConfigError::LocalState)
        ));
        assert!(matches!(
            check(None, Some("own"), &place),
            Err(ConfigError::LocalState)
        ));
    }
}
