//! What tests and benches share.
//!
//! | module | owns |
//! |---|---|
//! | [`synthetic`] | an S3 server over HTTP whose objects need neither memory nor disk, and that fails on demand |
//! | [`client`] | plain HTTP GETs, measured as they come |
//! | [`readers`] | other people's ZIP readers, as oracles for ours |
//! | [`pour`] | the same readers over files that must not land on a disk |
//! | [`sparse`] | files whose zeros take no disk |
//! | [`strict`] | a reader of our own that accepts only archives by our own rules, while they come |
//! | [`process`] | processes that say where they listen |
//! | [`sdk`] | a client of the S3 SDK for a store on loopback |
//! | [`server`] | the real binary as a server |
//! | [`walk`] | what an archive holds, and what a folder holds after extraction |
//! | [`tools`] | whether an outside program is installed |

pub mod client;
pub mod pour;
pub mod process;
pub mod readers;
pub mod sdk;
pub mod server;
pub mod sparse;
pub mod strict;
pub mod synthetic;
pub mod tools;
pub mod walk;
