//! What tests and benches share.
//!
//! | module | owns |
//! |---|---|
//! | [`browser`] | a real browser, driven by tests |
//! | [`client`] | plain HTTP GETs, measured as they come |
//! | [`clients`] | clients as their users call them, which say whether they have the file |
//! | [`cut`] | a TCP connection that can be cut at a byte |
//! | [`described`] | answers held against the description of the API |
//! | [`downloaders`] | the programs with which people download |
//! | [`eyes`] | what somebody sees of a page, and whether everybody can |
//! | [`halfway`] | a download that stands still in its middle |
//! | [`nginx`] | a real nginx in front of a server |
//! | [`postgres`] | a PostgreSQL server of its own |
//! | [`pour`] | the same readers over files that must not land on a disk |
//! | [`problem`] | errors of the API, held to their contract |
//! | [`process`] | processes that say where they listen |
//! | [`random`] | chance that can be had again |
//! | [`readers`] | other people's ZIP readers, as oracles for ours |
//! | [`relay`] | a pass-through in front of a store, which makes a listing fail |
//! | [`sdk`] | a client of the S3 SDK for a store on loopback |
//! | [`secrets`] | what no log and no error may hold |
//! | [`server`] | the real binary as a server |
//! | [`sheaf`] | the real binary, whose words are looked through for secrets |
//! | [`sparse`] | files whose zeros take no disk |
//! | [`stores`] | other people's stores, started and stopped |
//! | [`strict`] | a reader of our own that accepts only archives by our own rules, while they come |
//! | [`synthetic`] | an S3 server over HTTP whose objects need neither memory nor disk, and that fails on demand |
//! | [`tls`] | a certificate authority that all clients trust |
//! | [`tools`] | whether an outside program is installed |
//! | [`wait`] | waiting for what can only be looked at |
//! | [`walk`] | what an archive holds, and what a folder holds after extraction |
//! | [`wire`] | a pass-through that does harm: in front of a store, or of sheaf |

pub mod browser;
pub mod client;
pub mod clients;
pub mod cut;
pub mod described;
pub mod downloaders;
pub mod eyes;
pub mod halfway;
pub mod lambda;
pub mod nginx;
pub mod postgres;
pub mod pour;
pub mod problem;
pub mod process;
pub mod random;
pub mod readers;
pub mod relay;
pub mod sdk;
pub mod secrets;
pub mod server;
pub mod sheaf;
pub mod sparse;
pub mod stores;
pub mod strict;
pub mod synthetic;
pub mod tls;
pub mod tools;
pub mod wait;
pub mod walk;
pub mod wire;
