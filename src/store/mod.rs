//! The object store.

pub mod embedded;
