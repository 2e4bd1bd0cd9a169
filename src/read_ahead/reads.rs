//! What read-ahead asks of a store: the two calls that it makes, so that tests can script the answers.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Bucket, Object, ObjectBody, Store, StoreError};

/// Reads of objects, pinned to the ETag of the listing.
pub trait Reads: Clone + Send + Sync + 'static {
    /// The bytes of one read.
    type Body: ReadBody;

    /// Opens a read of a range; see [`Store::get`].
    fn get(
        &self,
        object: &Object,
        range: Range<u64>,
        checksum: bool,
    ) -> impl Future<Output = Result<Self::Body, StoreError>> + Send;

    /// The CRC-32 that the store keeps; see [`Store::head_of`].
    fn stored_crc32(
        &self,
        object: &Object,
    ) -> impl Future<Output = Result<Option<u32>, StoreError>> + Send;
}

/// The bytes of one read: exactly those that were asked for, or an error.
pub trait ReadBody: Send + 'static {
    /// The store's CRC-32 of the whole object, where the answer had it.
    fn crc32(&self) -> Option<u32>;

    /// The next chunk, or `None` after the last.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
}

/// The objects of one bucket. It is cloned for each read, so what it holds is counted once and not part by part.
#[derive(Clone, Debug)]
pub struct BucketReads(Arc<(Store, Bucket)>);

impl BucketReads {
    /// Reads from `bucket` of `store`.
    pub fn new(store: &Store, bucket: &Bucket) -> BucketReads {
        BucketReads(Arc::new((store.clone(), bucket.clone())))
    }
}

impl Reads for BucketReads {
    type Body = ObjectBody;

    async fn get(
        &self,
        object: &Object,
        range: Range<u64>,
        checksum: bool,
    ) -> Result<ObjectBody, StoreError> {
        let (store, bucket) = &*self.0;
        store.get(bucket, object, range, checksum).await
    }

    async fn stored_crc32(&self, object: &Object) -> Result<Option<u32>, StoreError> {
        let (store, bucket) = &*self.0;
        let headed = Box::pin(store.head_of(bucket, object)).await?;
        Ok(headed.crc32)
    }
}

impl ReadBody for ObjectBody {
    fn crc32(&self) -> Option<u32> {
        ObjectBody::crc32(self)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        ObjectBody::next(self).await
    }
}
