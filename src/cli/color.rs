//! Whether the output has color: the flag `--color`, then the variables of the environment, then the terminal.
//!
//! A flag is a wish for one run, so it overrides variables, as <https://no-color.org> asks.

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::ColorChoice;

use super::words;

/// How a variable of the environment is read.
type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The choice in this environment. `NO_COLOR` wins over `FORCE_COLOR` and `CLICOLOR_FORCE`.
/// An empty variable is not set.
pub(crate) fn choice(flag: ColorChoice, variable: Variable<'_>) -> ColorChoice {
    let given = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    match flag {
        ColorChoice::Auto if given("NO_COLOR") => ColorChoice::Never,
        ColorChoice::Auto if given("FORCE_COLOR") || given("CLICOLOR_FORCE") => ColorChoice::Always,
        flag => flag,
    }
}

/// The flag, before the command line is parsed: help and usage errors have color too.
pub(crate) fn flag(line: &[OsString]) -> ColorChoice {
    let end = line.iter().position(|word| word == "--");
    let flags = line.get(..end.unwrap_or(line.len())).unwrap_or(line);
    let value = words::last(flags, "--color");
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(ColorChoice::Auto)
}

/// Whether this output has color.
pub(crate) fn is_on(choice: ColorChoice, output: &impl IsTerminal) -> bool {
    match choice {
        ColorChoice::Auto => output.is_terminal(),
        ColorChoice::Always => true,
        ColorChoice::Never => false,
    }
}
