//! Manifests, and the server, as a function on AWS Lambda.
//!
//! | file | owns |
//! |---|---|
//! | [`event`] | which events there are, and what they ask for; pure |
//! | [`request`] | requests over HTTP as events; pure |
//! | [`answer`] | doing it |
//! | [`relay`] | requests over HTTP, answered by the server in this process |
//! | [`runtime`] | the runtime API: taking events, giving answers |
//!
//! The runtime API is three HTTP calls to the same host. They are made here, rather than by a library, as that costs less
//! than one would: no dependency, no feature to build and test apart, and a few milliseconds of a cold start.

pub mod answer;
pub mod event;
pub mod relay;
pub mod request;
pub mod runtime;

pub use answer::{Answer, Failed, Function};
pub use relay::{Mode, Relay};
