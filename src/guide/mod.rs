//! Pages for whoever runs sheaf: what to know before it is put in front of people, and what to do at three in the morning.
//!
//! Each page is a file beside this one, readable as it is and as documentation here. What a page names (metrics, types of
//! problems, options) exists in the code: tests hold the two against each other.

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("runbook.md")]
pub mod runbook {}

#[doc = include_str!("sizing.md")]
pub mod sizing {}

#[doc = include_str!("threats.md")]
pub mod threats {}

#[doc = include_str!("upgrades.md")]
pub mod upgrades {}
