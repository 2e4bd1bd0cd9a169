//! What is asked for, and what is handed out for it: selections and manifests.
//!
//! | file | owns |
//! |---|---|
//! | [`selection`] | bucket, prefix and patterns: which objects are meant |
//! | [`jsonl`] | one line of a presigned manifest |
//! | [`mod@publish`] | listing, signing and storing a presigned manifest |

pub mod jsonl;
pub mod publish;
pub mod selection;

pub use publish::{ManifestError, PublishOptions, Published, publish};
pub use selection::{InvalidSelection, Selection};
