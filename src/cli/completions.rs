//! `sheaf completions`: scripts for the shells.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use super::CliError;

/// Options of `sheaf completions`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  sheaf completions bash > ~/.local/share/bash-completion/completions/sheaf
  sheaf completions fish > ~/.config/fish/completions/sheaf.fish
  sheaf completions zsh  > \"${fpath[1]}/_sheaf\"")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`CliError::Output`].
pub fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "sheaf", &mut script);
    let mut output = std::io::stdout().lock();
    output
        .write_all(&script)
        .and_then(|()| output.flush())
        .map_err(CliError::Output)
}
