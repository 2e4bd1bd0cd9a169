//! The buckets that a process may touch.

use clap::Args;

use super::ConfigError;
use crate::store::{AllowedBuckets, Bucket};

/// Raw options of buckets.
#[derive(Args, Clone, Debug, Default)]
pub struct BucketArgs {
    /// A bucket that requests, stored manifests and jobs may name; several by repeating it [default: all that the
    /// credentials reach]
    #[arg(
        long,
        value_name = "BUCKET",
        value_delimiter = ',',
        env = "SHEAF_ALLOW_BUCKETS",
        hide_env_values = true
    )]
    pub allow_bucket: Vec<String>,
}

impl BucketArgs {
    /// Checks the names.
    ///
    /// # Errors
    /// [`ConfigError::AllowedBucket`].
    pub fn check(&self) -> Result<AllowedBuckets, ConfigError> {
        let buckets = self.allow_bucket.iter().map(|name| Bucket::new(name));
        let buckets = buckets.collect::<Result<Vec<_>, _>>();
        buckets
            .map(AllowedBuckets::new)
            .map_err(ConfigError::AllowedBucket)
    }
}
