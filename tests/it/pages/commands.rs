//! `docs/commands.md`.

use std::fmt::Write as _;
use std::fs;

use clap::Command;

use super::links::{pages, root};

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

/// What ends a command in a text: a program or a comment follows, or prose.
const ENDS: &[char] = &['`', '|', ';', '#', '(', ')', '>', '&', ',', '\n', '"', '\''];

/// The flags in this text behind `campanile ` that the named command does not have.
fn unknown_flags(all: &Command, text: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut parts = text.split("campanile ");
    let mut before = parts.next().unwrap();
    for behind in parts {
        let is_word = before.ends_with(|c: char| c.is_alphanumeric() || "-_/.:".contains(c));
        before = behind;
        let line = behind.split(ENDS).next().unwrap();
        let (mut command, mut flags) = (all, Vec::new());
        for word in line.split_whitespace() {
            match command.find_subcommand(word) {
                Some(below) if flags.is_empty() => command = below,
                _ => flags.extend(word.strip_prefix("--")),
            }
        }
        let has = |flag: &str| {
            let known = |command: &Command| {
                command
                    .get_arguments()
                    .any(|arg| arg.get_long() == Some(flag))
            };
            known(command) || known(all) || flag == "help"
        };
        let flags = flags.iter().map(|flag| flag.split('=').next().unwrap());
        let flags = flags.filter(|flag| !flag.is_empty() && !is_word && !has(flag));
        unknown.extend(flags.map(|flag| format!("campanile {line}: --{flag}")));
    }
    unknown
}

#[test]
fn every_flag_that_a_page_gives_to_a_command_exists() {
    let mut all = campanile::cli::command();
    all.build();
    assert_eq!(
        unknown_flags(&all, "`campanile dead list --sink x --nosuch`"),
        ["campanile dead list --sink x --nosuch: --nosuch"]
    );
    let mut wrong = Vec::new();
    let rules = root().join("docs/prometheus-rules.yml");
    for page in pages().into_iter().chain([rules]) {
        // A long command goes on after a backslash.
        let text = fs::read_to_string(&page).unwrap().replace("\\\n", " ");
        let unknown = unknown_flags(&all, &text).into_iter();
        wrong.extend(unknown.map(|line| format!("{}: {line}", page.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
