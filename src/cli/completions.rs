//! `campanile completions`: prints a completion script for a shell. The script asks the program itself, so that it knows the
//! names and ids of the gateway.

use clap::{Args, CommandFactory};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use super::failure::Failure;
use super::terminal::Terminal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile completions bash > /etc/bash_completion.d/campanile
  campanile completions zsh > \"${fpath[1]}/_campanile\"
  campanile completions fish > ~/.config/fish/completions/campanile.fish

Sources, sinks and ids are asked from the running gateway, which the flags, the environment or the config
name. It has 300 ms to answer. Write the script again after an upgrade.";

/// The name of the program, in scripts.
const PROGRAM: &str = "campanile";

/// The variable in which a script names its shell.
const ASKS: &str = "CAMPANILE_COMPLETE";

/// The command line of `campanile completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell for which the script is printed.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let name = self.shell.to_string();
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(&name) else {
            return Err(Failure::usage(format!(
                "there are no completions for {name}"
            )));
        };
        let mut script = Vec::new();
        shell.write_registration(ASKS, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
        terminal.bytes(&script)
    }
}

/// Answers the script of a shell and ends the process, if a script has called it.
pub(crate) fn answer<C: CommandFactory>() {
    CompleteEnv::with_factory(C::command).var(ASKS).complete();
}
