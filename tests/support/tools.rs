//! Outside programs that tests use where they are installed.
//!
//! On a developer's machine a missing program makes its test say so and pass. Where `CI` is set, it must be there.

use std::env;
use std::path::PathBuf;

/// The program `name` on the `PATH`. Where it is missing: `None` and a line of explanation, or a panic under `CI`.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(env::var_os("CI").is_none(), "{name} is not installed");
        println!("skipped: {name} is not installed");
    }
    found
}
