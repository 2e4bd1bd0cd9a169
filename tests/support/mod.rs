//! What tests and benches share.
//!
//! | module | owns |
//! |---|---|
//! | [`synthetic`] | an S3 server over HTTP whose objects need neither memory nor disk, and that fails on demand |
//! | [`client`] | plain HTTP GETs, measured as they come |
//! | [`downloaders`] | the programs with which people download |
//! | [`nginx`] | a real nginx in front of a server |
//! | [`halfway`] | a download that stands still in its middle |
//! | [`readers`] | other people's ZIP readers, as oracles for ours |
//! | [`process`] | processes that say where they listen |
//! | [`sdk`] | a client of the S3 SDK for a store on loopback |
//! | [`server`] | the real binary as a server |
//! | [`walk`] | what an archive holds, and what a folder holds after extraction |
//! | [`tools`] | whether an outside program is installed |
//! | [`wait`] | waiting for what can only be looked at |

pub mod client;
pub mod downloaders;
pub mod halfway;
pub mod nginx;
pub mod process;
pub mod readers;
pub mod sdk;
pub mod server;
pub mod synthetic;
pub mod tools;
pub mod wait;
pub mod walk;
