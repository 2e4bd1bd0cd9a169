//! What tests and benches share.
//!
//! | module | owns |
//! |---|---|
//! | [`synthetic`] | an S3 server over HTTP whose objects need neither memory nor disk, and that fails on demand |
//! | [`client`] | plain HTTP GETs, measured as they come |
//! | [`readers`] | other people's ZIP readers, as oracles for ours |
//! | [`problem`] | errors of the API, held to their contract |
//! | [`process`] | processes that say where they listen |
//! | [`sdk`] | a client of the S3 SDK for a store on loopback |
//! | [`server`] | the real binary as a server |
//! | [`walk`] | what an archive holds, and what a folder holds after extraction |
//! | [`tools`] | whether an outside program is installed |

pub mod client;
pub mod problem;
pub mod process;
pub mod readers;
pub mod sdk;
pub mod server;
pub mod synthetic;
pub mod tools;
pub mod walk;
