//! `docs/commands.md`.

use std::fmt::Write as _;

use clap::Command;

const HEAD: &str = "\
# Commands

Written by the tests from the program's own help. `campanile help COMMAND` shows the same.
";

pub(super) fn page() -> String {
    // The width is that of the page, whatever the terminal has.
    let mut all = campanile::cli::command().term_width(100);
    all.build();
    let mut text = HEAD.to_owned();
    section(&mut all, 2, &mut text);
    text
}

/// The help of a command, and then of those below it.
fn section(command: &mut Command, depth: usize, text: &mut String) {
    let name = command.get_bin_name().unwrap_or("campanile").to_owned();
    // A variable that is set where the page is made is no business of its readers.
    let shown = command.clone().mut_args(|arg| arg.hide_env_values(true));
    let help = { shown }.render_long_help().to_string();
    let lines = help.lines().map(str::trim_end);
    let help = lines.collect::<Vec<_>>().join("\n");
    let heading = "#".repeat(depth.min(3));
    write!(
        text,
        "\n{heading} `{name}`\n\n```text\n{}\n```\n",
        help.trim()
    )
    .unwrap();
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" {
            section(below, depth + 1, text);
        }
    }
}
