//! Who asks, and what they may touch.

use std::sync::Arc;

use super::Problem;
use super::keys::ApiKey;

/// Somebody who passed the door: the owner of a key, or anybody where there are no keys.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Arc<ApiKey>>);

impl Caller {
    /// The owner of a key.
    pub fn with(key: Arc<ApiKey>) -> Caller {
        Caller(Some(key))
    }

    /// What logs call them.
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|key| key.name.as_str())
    }

    /// Whose jobs theirs are; empty where there are no keys.
    pub fn owner(&self) -> &str {
        self.0.as_ref().map_or("", |key| &key.owner)
    }

    /// Whether they may touch everything that begins with `prefix`. It is refused whole: a selection that goes beyond
    /// the scope is not cut down to it.
    ///
    /// # Errors
    /// 403 `out-of-scope`.
    pub fn may(&self, bucket: &str, prefix: &str) -> Result<(), Problem> {
        match self.sees(bucket, prefix) {
            true => Ok(()),
            false => Err(Problem::out_of_scope(bucket, prefix)),
        }
    }

    /// As [`Caller::may`], for what is left out where it is not in scope.
    pub fn sees(&self, bucket: &str, prefix: &str) -> bool {
        let scopes = self.scopes();
        scopes.is_empty() || scopes.iter().any(|scope| scope.holds(bucket, prefix))
    }

    /// Whether they may see what concerns everybody.
    ///
    /// # Errors
    /// 403 `out-of-scope`.
    pub fn may_all(&self) -> Result<(), Problem> {
        match self.scopes() {
            [] => Ok(()),
            _ => Err(Problem::out_of_scope("", "")),
        }
    }

    /// What they may touch; everything where empty.
    pub fn scopes(&self) -> &[super::keys::Scope] {
        self.0.as_ref().map_or(&[], |key| &key.scopes)
    }
}
