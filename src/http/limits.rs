//! Bounds on what clients can hold, with their defaults.
//!
//! What goes over one of them is told so where it can be (a problem with a status of 4xx or 503), and is cut off where it
//! cannot; [`excess`](super::excess) counts both.

use std::time::Duration;

use crate::manifest::selection::PatternLimits;

/// The most bytes that `max_url` and `max_header_size` can be set to: both together must fit into what is read of a
/// connection at once, or nobody could be told what was too long.
pub const LONGEST_HEAD_PART: usize = 24 << 10;

/// Bounds on what clients can hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once. Whoever comes beyond is told to come back.
    pub max_connections: usize,
    /// Of these, those from one address, or from one IPv6 network of 64 bits; trusted proxies have no such limit.
    pub max_connections_per_address: usize,
    /// Bytes of a request's path and query.
    pub max_url: usize,
    /// Bytes of a request's header fields, each counted as RFC 9113 §6.5.2 counts it: name, value, and 32 more.
    pub max_header_size: usize,
    /// Header fields of a request.
    pub max_headers: usize,
    /// Bytes of a request's JSON.
    pub max_body: usize,
    /// How deep JSON may be nested.
    pub max_json_depth: usize,
    /// Patterns of a selection.
    pub patterns: PatternLimits,
    /// Requests at once over one HTTP/2 connection.
    pub max_streams: u32,
    /// Requests over one HTTP/2 connection that a client may take back before they were looked at.
    pub max_resets: usize,
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// How long a client may be waited for while it sends a body, beside a second for each 4 KiB that came.
    pub body_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub stall_timeout: Duration,
    /// How long downloads may go on after the signal to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            max_connections_per_address: 512,
            max_url: 8 << 10,
            max_header_size: 16 << 10,
            max_headers: 64,
            max_body: 32 << 20,
            max_json_depth: 16,
            patterns: PatternLimits::default(),
            // RFC 9113 §6.5.2 recommends no fewer.
            max_streams: 100,
            max_resets: 20,
            header_timeout: Duration::from_secs(10),
            // Longer than load balancers keep theirs, so that it is they who close: nginx and AWS's have 60 s.
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            // Room in the system's send buffer is told of by the megabyte, so a client that takes a kilobyte a second seems to
            // take nothing for half an hour.
            stall_timeout: Duration::from_secs(3600),
            drain: Duration::from_secs(30),
        }
    }
}
