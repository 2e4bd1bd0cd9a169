//! What tests and benches share.
//!
//! | module | owns |
//! |---|---|
//! | [`synthetic`] | an S3 server over HTTP whose objects need neither memory nor disk, and that fails on demand |
//! | [`client`] | plain HTTP GETs, measured as they come |
//! | [`readers`] | other people's ZIP readers, as oracles for ours |
//! | [`process`] | processes that say where they listen |
//! | [`relay`] | a pass-through in front of a store, which makes a listing fail |
//! | [`sdk`] | a client of the S3 SDK for a store on loopback |
//! | [`server`] | the real binary as a server |
//! | [`stores`] | other people's stores, started and stopped |
//! | [`walk`] | what an archive holds, and what a folder holds after extraction |
//! | [`tools`] | whether an outside program is installed |

pub mod client;
pub mod process;
pub mod readers;
pub mod relay;
pub mod sdk;
pub mod server;
pub mod stores;
pub mod synthetic;
pub mod tools;
pub mod walk;
