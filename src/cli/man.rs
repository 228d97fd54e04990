//! `campanile man`: writes a manual page for each command, from the help of the command.

use std::path::PathBuf;

use clap::{Args, Command};

use super::failure::Failure;
use super::setup::count;
use super::terminal::Terminal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile man /usr/local/share/man/man1      (then: man campanile-alerts-list)
  campanile man ./man && man ./man/campanile.1";

/// The command line of `campanile man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder for the pages. It is created if it does not exist.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self, terminal: &mut Terminal, all: Command) -> Result<(), Failure> {
        let folder = self.folder.display();
        let failed = |error: std::io::Error| {
            Failure::failed(format!("cannot write manual pages to {folder}: {error}"))
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        // `help` repeats the other commands.
        let all = all.disable_help_subcommand(true);
        let pages = 1 + below(&all);
        clap_mangen::generate_to(all, &self.folder).map_err(failed)?;
        terminal.say(format!("{} in {folder}", count(pages, "manual page")))
    }
}

/// The number of commands below this one, at all levels.
fn below(command: &Command) -> usize {
    command.get_subcommands().map(|one| 1 + below(one)).sum()
}
