//! Numbers of things that there must be one of at least.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Parses a number that is not zero.
///
/// # Errors
/// What is wrong with it, for people.
pub fn at_least_one<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::Zero => "it must be at least 1".to_owned(),
            _ => error.to_string(),
        })
}
