//! What sheaf asks of a store. A function takes the store, and panics where it does otherwise.

pub mod checksums;
pub mod copying;
pub mod credentials;
pub mod hostile_keys;
pub mod listing;
pub mod multipart;
pub mod packaging;
pub mod presigning;
pub mod reading;
pub mod writing;
