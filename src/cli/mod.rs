//! The command line: what an operator types, and what he reads.
//!
//! Each command is a file. They share one way to the screen ([`terminal`]), one way to fail ([`failure`]) and, for
//! those that talk to a running gateway, one client ([`api`]). No command has logic of its own.

mod alerts;
mod api;
mod catalog;
mod check;
mod completions;
mod dead;
mod deliveries;
mod failure;
mod forecast;
mod kept;
mod listing;
mod play;
mod quarantine;
mod renormalize;
mod send;
mod setup;
mod sinks;
mod table;
mod tally;
mod terminal;
mod trial;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;
use terminal::Terminal;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const FIRST_STEPS: &str = "\
First steps:
  1. Write a config, or take config/minimal.toml, and look whether it is right:
       campanile check --config campanile.toml
  2. Start the gateway. Vendors call it on port 8080, you on port 8081:
       campanile run --config campanile.toml
  3. Play a vendor and see an alert come through:
       campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod/KEY
       campanile alerts list
  4. Something did not arrive? Look at what was given up on, and at what could not be read:
       campanile dead list
       campanile quarantine list

A vendor is configured as a source, [providers.ucloud.prod], and calls /callback/ucloud/prod.
A destination is a sink, [sinks.webhook.oncall], and is named webhook/oncall.

Exit codes: 0 done, 1 it failed, 2 the command line or the config is wrong.";

/// One callback endpoint for every monitoring vendor.
///
/// A vendor calls Campanile; it proves who called, turns the call into one common alert, keeps it on disk before it
/// answers, drops what it has seen before, and hands the alert to every tool that should know, in order, until each
/// has it.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, styles = STYLES, after_help = FIRST_STEPS, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What `campanile try --json` says of a callback: to hold it against what the gateway does.
///
/// # Errors
/// What is wrong with the config or the callback.
pub fn forecast(
    config: &crate::config::Config,
    call: campanile_model::Callback,
    now: jiff::Timestamp,
) -> Result<serde_json::Value, String> {
    let question = forecast::Question {
        config,
        source: None,
        believe: false,
        explain: false,
        now,
    };
    let forecast = question.ask(call).map_err(|failure| failure.to_string())?;
    serde_json::to_value(forecast).map_err(|error| error.to_string())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    ///
    /// It stops on SIGTERM or Ctrl-C after what it has begun, and reads its config again on SIGHUP. It does not start
    /// on a config with a mistake.
    #[command(after_help = setup::RUN_EXAMPLES)]
    Run(setup::Files),
    /// Look for mistakes in a config: all of them, each with its place.
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Play a vendor: send a correct, freshly signed callback.
    #[command(after_help = send::EXAMPLES)]
    Send(send::Send),
    /// See what would happen to a request: verdict, alerts, routes, rendered requests. Stores and sends nothing.
    #[command(name = "try", after_help = trial::EXAMPLES)]
    Try(trial::Trial),
    /// Look at alerts of a running gateway, or have one delivered again.
    #[command(after_help = alerts::EXAMPLES)]
    Alerts(alerts::Alerts),
    /// Look at pending deliveries, or drop one.
    #[command(after_help = deliveries::EXAMPLES)]
    Deliveries(deliveries::Deliveries),
    /// Deliveries that were given up on: look at them, send them again, or drop them.
    #[command(after_help = dead::EXAMPLES)]
    Dead(dead::Dead),
    /// Callbacks that could not be read: look at them, read them again after a fix, or drop them.
    #[command(after_help = quarantine::EXAMPLES)]
    Quarantine(quarantine::Quarantine),
    /// See what the present mapping would say of callbacks that a running gateway has stored. Changes nothing.
    #[command(after_help = renormalize::EXAMPLES)]
    Renormalize(renormalize::Renormalize),
    /// The vendors that are built in.
    #[command(after_help = catalog::PROVIDER_EXAMPLES)]
    Providers(catalog::Providers),
    /// The kinds of sinks that are built in, and the state of those of a running gateway.
    #[command(after_help = sinks::EXAMPLES)]
    Sinks(sinks::Sinks),
    /// Print a script that completes commands in your shell.
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
}

impl Command {
    fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        match self {
            Self::Run(files) => files.run(),
            Self::Check(check) => check.run(terminal),
            Self::Send(send) => send.run(terminal),
            Self::Try(trial) => trial.run(terminal),
            Self::Alerts(alerts) => alerts.run(terminal),
            Self::Deliveries(deliveries) => deliveries.run(terminal),
            Self::Dead(dead) => dead.run(terminal),
            Self::Quarantine(quarantine) => quarantine.run(terminal),
            Self::Renormalize(renormalize) => renormalize.run(terminal),
            Self::Providers(providers) => providers.run(terminal),
            Self::Sinks(sinks) => sinks.run(terminal),
            Self::Completions(completions) => completions.run(terminal, Cli::command()),
        }
    }
}

/// Every command with its help, for the page of commands.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(unclear) => {
            // `--help | head` closes the pipe early; there is nobody left to tell.
            let _closed = unclear.print();
            return ExitCode::from(u8::try_from(unclear.exit_code()).unwrap_or(2));
        }
    };
    let mut terminal = Terminal::of_process();
    let done = cli.command.run(&mut terminal);
    let done = done.and_then(|()| terminal.flush());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(report(&mut terminal, &failure)),
    }
}

/// Says why it failed, once, and gives the exit code.
fn report(terminal: &mut Terminal, failure: &Failure) -> u8 {
    let mut words = String::new();
    if !failure.is_quiet() {
        words = format!("error: {failure}");
    }
    if let Some(mend) = failure.mend() {
        words = format!("{words}\n hint: {mend}");
    }
    let flushed = terminal.flush();
    if !words.is_empty() && flushed.and_then(|()| terminal.say(words)).is_err() {
        return failure.code().max(1);
    }
    failure.code()
}

/// Runs a command that waits for the network.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
