//! `campanile completions`: prints a completion script for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::terminal::Terminal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile completions bash > /etc/bash_completion.d/campanile
  campanile completions zsh > \"${fpath[1]}/_campanile\"
  campanile completions fish > ~/.config/fish/completions/campanile.fish";

/// The command line of `campanile completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell for which the script is printed.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, terminal: &mut Terminal, mut all: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut all, "campanile", &mut script);
        terminal.bytes(&script)
    }
}
