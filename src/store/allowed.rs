//! Which buckets may be touched on somebody's behalf: those that an operator has named, or all that the credentials reach.
//!
//! Requests name buckets, but so do stored manifests and jobs, which others than this process may have written.

use std::sync::Arc;

use super::Bucket;

/// The buckets that may be touched. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct AllowedBuckets(Arc<[Bucket]>);

/// A bucket is none of those that may be touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bucket {bucket:?} is not served here; see --allow-bucket")]
pub struct NotAllowed {
    /// Its name.
    pub bucket: String,
}

impl AllowedBuckets {
    /// These alone; all where there are none.
    pub fn new(buckets: Vec<Bucket>) -> AllowedBuckets {
        AllowedBuckets(buckets.into())
    }

    /// Those that were named; none where all may be touched.
    pub fn named(&self) -> &[Bucket] {
        &self.0
    }

    /// Whether a bucket may be touched.
    ///
    /// # Errors
    /// [`NotAllowed`] where it may not.
    pub fn check(&self, bucket: &Bucket) -> Result<(), NotAllowed> {
        if self.0.is_empty() || self.0.contains(bucket) {
            return Ok(());
        }
        let bucket = bucket.as_str().to_owned();
        Err(NotAllowed { bucket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_all_and_any_other_what_it_names() {
        let [one, two] = ["one", "two"].map(|name| Bucket::new(name).unwrap());
        let all = AllowedBuckets::default();
        assert!(all.check(&one).is_ok() && all.check(&two).is_ok());
        let only = AllowedBuckets::new(vec![one.clone()]);
        assert_eq!(only.check(&one), Ok(()));
        let bucket = "two".to_owned();
        assert_eq!(only.check(&two), Err(NotAllowed { bucket }));
    }
}
