//! What is asked for, and what is handed out for it: selections and manifests.
//!
//! | file | owns |
//! |---|---|
//! | [`selection`] | bucket, prefix and patterns: which objects are meant |

pub mod selection;

pub use selection::{InvalidSelection, Selection};
