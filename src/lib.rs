//! sheaf streams a prefix of an S3 bucket as one ZIP archive, and hands out manifests of presigned URLs.
//!
//! The way of the bytes: `selection → listing → rows → layout → reads → hash → frames → socket`.
//!
//! | module | owns |
//! |---|---|
//! | [`archive`] | the ZIP format: names, records, layout; no I/O |
//! | [`cli`] | the commands |
//! | [`config`] | arguments and environment, checked |
//! | [`download`] | archives as streams of frames, made while they are read |
//! | [`disposition`] | the names under which downloads are saved |
//! | [`http`] | the listener, routes, problems, log lines |
//! | [`link`] | signed links: the credential of recipients |
//! | [`manifest`] | selections and manifests |
//! | [`observe`] | logs |
//! | [`period`] | lengths of time as people write them |
//! | [`store`] | the only user of the S3 SDK, and the embedded store |

pub mod archive;
pub mod cli;
pub mod config;
pub mod disposition;
pub mod download;
pub mod http;
pub mod link;
pub mod manifest;
pub mod observe;
pub mod period;
pub mod store;
