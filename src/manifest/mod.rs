//! What is asked for, and what is handed out for it: selections and manifests.
//!
//! | file | owns |
//! |---|---|
//! | [`selection`] | bucket, prefix and patterns: which objects are meant |
//! | [`pattern`] | include patterns |
//! | [`mod@freeze`] | the rows of a selection, for good, with the store's checksums and versions |
//! | [`mod@issue`] | making a link of it |
//! | [`stored`] | a frozen manifest as bytes |
//! | [`library`] | stored manifests in the bucket, and those that are open |
//! | [`list`] | lists of keys, and manifests that are read back |
//! | [`passphrase`] | what is kept of a link's passphrase |
//! | [`downloads`] | how often archives were downloaded whole |
//! | [`register`] | the links that there are |
//! | [`sweep`] | removing what links leave behind |
//! | [`learned`] | checksums that were learned by hashing |
//! | [`distrust`] | checksums that proved wrong |
//! | [`jsonl`] | one line of a presigned manifest |
//! | [`mod@publish`] | listing, signing and storing a presigned manifest |
//! | [`fan_out`] | presigned manifests of many prefixes |
//! | `emf` | what one has cost, as a line of metrics |

pub mod distrust;
pub mod downloads;
mod emf;
pub mod fan_out;
pub mod freeze;
pub mod issue;
pub mod jsonl;
pub mod learned;
pub mod library;
pub mod list;
pub mod passphrase;
pub mod pattern;
pub mod publish;
pub mod register;
pub mod selection;
pub mod stored;
pub mod sweep;

pub use downloads::Downloads;
pub use freeze::{Chosen, FreezeError, freeze};
pub use issue::{IssueError, Issued, Wish, issue};
pub use library::{Library, LibraryError, Open, StateSpace};
pub use publish::{ManifestError, PublishOptions, Published, Watch, publish};
pub use selection::{InvalidSelection, Selection, Sought, one_or_many};
