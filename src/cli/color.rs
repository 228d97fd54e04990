//! Whether the output has color: the flag `--color`, then the variables of the environment, then the terminal.
//!
//! A flag is a wish for one run, so it overrides variables, as <https://no-color.org> asks.

use std::ffi::OsStr;
use std::io::IsTerminal;

use clap::ColorChoice;

/// How a variable of the environment is read.
type Variable<'a> = &'a dyn Fn(&str) -> Option<std::ffi::OsString>;

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
pub(crate) fn flag(args: impl Iterator<Item = impl AsRef<OsStr>>) -> ColorChoice {
    let mut flag = ColorChoice::Auto;
    let mut follows = false;
    for arg in args {
        let arg = arg.as_ref().to_string_lossy();
        if arg == "--" {
            break;
        }
        let value = match arg.strip_prefix("--color=") {
            Some(value) => value,
            None if follows => &arg,
            None => "",
        };
        flag = value.parse().unwrap_or(flag);
        follows = arg == "--color";
    }
    flag
}

/// Whether this output has color.
pub(crate) fn is_on(choice: ColorChoice, output: &impl IsTerminal) -> bool {
    match choice {
        ColorChoice::Auto => output.is_terminal(),
        ColorChoice::Always => true,
        ColorChoice::Never => false,
    }
}
