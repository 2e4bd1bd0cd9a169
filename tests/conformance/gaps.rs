//! Which store lacks what, and what sheaf does about it.
//!
//! The table is kept honest from both sides: a behaviour that fails and does not stand here fails the suite, and so does
//! one that stands here and holds. What sheaf does about a gap is tested on the very store.

use futures::future::BoxFuture;

use crate::target::Target;

/// A store, as far as gaps are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    Garage,
    Ministack,
    Minio,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    store: Kind,
    behaviour: &'static str,
    /// What sheaf does about it.
    pub answer: Answer,
}

/// What sheaf does about a gap.
#[derive(Clone, Copy, Debug)]
pub enum Answer {}

const GAPS: &[Gap] = &[];

/// The known gap of a store, if there is one.
pub fn of(store: Kind, behaviour: &str) -> Option<&'static Gap> {
    GAPS.iter()
        .find(|gap| gap.store == store && gap.behaviour == behaviour)
}

impl Answer {
    pub fn check(self, _target: Target) -> BoxFuture<'static, ()> {
        match self {}
    }
}
