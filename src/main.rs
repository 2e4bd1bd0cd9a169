//! The `sheaf` program: all of it is in the library, see [`sheaf::cli::process`].

use std::process::ExitCode;

fn main() -> ExitCode {
    sheaf::cli::process::main()
}
