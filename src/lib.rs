//! sheaf streams a prefix of an S3 bucket as one ZIP archive, and hands out manifests of presigned URLs.
//!
//! The way of the bytes: `selection → listing → rows → layout → pieces → read-ahead → hash → frames → socket`.
//!
//! | module | owns |
//! |---|---|
//! | [`archive`] | the ZIP format: names, records, layout; no I/O |
//! | [`cli`] | the commands |
//! | [`config`] | arguments and environment, checked |
//! | [`download`] | archives as streams of frames, made while they are read |
//! | [`disposition`] | the names under which downloads are saved |
//! | [`guide`] | pages for whoever runs it |
//! | [`http`] | the listener, routes, problems, log lines |
//! | [`job`] | archives that are written into a bucket, and the queue of such work |
//! | [`lambda`] | manifests as a function on AWS Lambda |
//! | [`link`] | signed links: the credential of recipients |
//! | [`manifest`] | selections and manifests |
//! | [`measure`] | what is counted, for `/metrics` |
//! | [`observe`] | logs |
//! | [`period`] | lengths of time as people write them |
//! | [`read_ahead`] | many reads at once, in order, under one memory budget |
//! | [`size`] | amounts of memory as people write them |
//! | [`store`] | the only user of the S3 SDK, and the embedded store |
//! | [`verify`] | reading archives back, and what is wrong with them |

pub mod archive;
pub mod cli;
pub mod config;
pub mod disposition;
pub mod download;
pub mod guide;
pub mod http;
pub mod job;
pub mod lambda;
pub mod link;
pub mod manifest;
pub mod measure;
pub mod observe;
pub mod period;
pub mod read_ahead;
pub mod size;
pub mod store;
pub mod verify;
