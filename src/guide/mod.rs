//! Pages for whoever runs sheaf: what to know before it is put in front of people, and what to do at three in the morning.
//!
//! Each page is a file beside this one, readable as it is and as documentation here. What a page names (metrics, types of
//! problems, options) exists in the code: tests hold the two against each other.

#[doc = include_str!("performance.md")]
pub mod performance {}
