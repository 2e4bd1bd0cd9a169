//! Jobs: what takes longer than a request, and what keeps it going.
//!
//! | file | owns |
//! |---|---|
//! | [`queue`] | which jobs there are, and who works on them; knows nothing of S3 |

pub mod queue;
