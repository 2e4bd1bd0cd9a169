//! sheaf streams a prefix of an S3 bucket as one ZIP archive, and hands out manifests of presigned URLs.
//!
//! The way of the bytes: `selection → listing → rows → layout → reads → hash → frames → socket`.
//!
//! | module | owns |
//! |---|---|
//! | [`archive`] | the ZIP format: names, records, layout; no I/O |
//! | [`manifest`] | selections and manifests |
//! | [`store`] | the only user of the S3 SDK, and the embedded store |

pub mod archive;
pub mod manifest;
pub mod store;
