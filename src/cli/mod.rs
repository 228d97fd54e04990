//! The command-line interface. One file for each command.
//!
//! All commands print through [`terminal`] and report errors through [`failure`]. Commands that need a running gateway use
//! the client in [`api`] and the types of the API.

mod alerts;
mod api;
mod audit;
mod catalog;
mod check;
mod color;
mod complete;
mod completions;
mod dead;
mod deliveries;
mod failure;
mod follow;
mod gateways;
mod kept;
mod listing;
mod man;
mod open;
mod output;
mod play;
mod progress;
mod quarantine;
mod receivers;
mod renormalize;
mod send;
mod setup;
mod silences;
mod sinks;
mod sources;
mod store;
mod store_copy;
mod table;
mod tally;
mod target;
mod terminal;
mod times;
mod top;
mod trial;
mod words;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::{EXIT_CODES, Failure};
use terminal::Terminal;
use times::Times;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const FIRST_STEPS: &str = "\
First steps:
  1. Write a config, or copy config/minimal.toml, and check it:
       campanile check --config campanile.toml
  2. Start the gateway. Vendors use port 8080, operators use port 8081:
       campanile run --config campanile.toml
  3. Send a callback like a vendor, and list the alert:
       campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod/KEY
       campanile alerts list
  4. If an alert did not arrive, list the dead letters (deliveries that failed permanently) and the
     quarantined callbacks (callbacks that could not be read):
       campanile dead list
       campanile quarantine list

A source receives the callbacks of a vendor: [providers.ucloud.prod] has the path /callback/ucloud/prod.
A sink is a destination: [sinks.webhook.oncall] has the name webhook/oncall.";

/// One callback endpoint for every monitoring vendor.
///
/// Campanile receives the callbacks of monitoring vendors. It verifies the sender, converts the callback into a common
/// alert, commits it to disk before it answers, and drops duplicates. It delivers the alert to each configured sink, in
/// order, and retries until the sink accepts it.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, styles = STYLES, after_help = format!("{FIRST_STEPS}\n\n{EXIT_CODES}"), max_term_width = 100)]
struct Cli {
    /// Color the output: auto, always or never.
    ///
    /// auto means: never if `NO_COLOR` is set, always if `FORCE_COLOR` or `CLICOLOR_FORCE` is set, else only on a terminal.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    color: ColorChoice,
    /// In lists, show local times (of the zone in `TZ`) and not ages.
    #[arg(long, global = true)]
    local: bool,
    #[command(subcommand)]
    command: Command,
}

/// What `campanile try --json` prints for a callback. Tests compare it with the behavior of the gateway.
///
/// # Errors
/// A sentence that says what is wrong with the config or the callback.
pub fn forecast(
    config: &crate::config::Config,
    call: campanile_model::Callback,
    now: jiff::Timestamp,
) -> Result<serde_json::Value, String> {
    let wish = trial::Wish::default();
    let forecast = trial::ask(config, call, &wish, now).map_err(|failure| failure.to_string())?;
    serde_json::to_value(forecast).map_err(|error| error.to_string())
}

impl Cli {
    /// The command line of this process. Help and usage errors have this color.
    fn read(color: ColorChoice) -> Result<Self, clap::Error> {
        let found = Self::command().color(color).try_get_matches()?;
        Self::from_arg_matches(&found)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    ///
    /// On SIGTERM or Ctrl-C it drains for `[server] drain`, finishes the work in progress and stops; a second one ends the drain. On
    /// SIGHUP it reloads its config. It does not start if the config has a mistake.
    #[command(after_help = setup::RUN_EXAMPLES)]
    Run(setup::Run),
    /// Check a config: print every mistake with its place.
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Send a valid callback with a new id and signature, like a vendor.
    #[command(after_help = send::EXAMPLES)]
    Send(send::Send),
    /// Show what the gateway would do with a request: verdict, alerts, routes, rendered requests. Stores and sends nothing.
    #[command(name = "try", after_help = trial::EXAMPLES)]
    Try(trial::Trial),
    /// List and show the alerts of a running gateway, or deliver one again.
    #[command(after_help = alerts::EXAMPLES)]
    Alerts(alerts::Alerts),
    /// List, retry or drop pending deliveries.
    #[command(after_help = deliveries::EXAMPLES)]
    Deliveries(deliveries::Deliveries),
    /// List, retry or drop dead letters: deliveries that failed permanently.
    #[command(after_help = dead::EXAMPLES)]
    Dead(dead::Dead),
    /// List, retry or drop quarantined callbacks: callbacks that could not be read.
    #[command(after_help = quarantine::EXAMPLES)]
    Quarantine(quarantine::Quarantine),
    /// List, make, extend or end silences: which alerts are not sent for a while.
    #[command(after_help = silences::EXAMPLES)]
    Silences(silences::Silences),
    /// Show how stored alerts would differ with the current mapping. Changes nothing.
    #[command(after_help = renormalize::EXAMPLES)]
    Renormalize(renormalize::Renormalize),
    /// List the supported vendors, or show the mapping of one vendor.
    #[command(after_help = catalog::PROVIDER_EXAMPLES)]
    Providers(catalog::Providers),
    /// List the kinds of sinks. Show, pause or resume the sinks of a running gateway.
    #[command(after_help = sinks::EXAMPLES)]
    Sinks(sinks::Sinks),
    /// List the sources of a running gateway: address for the vendor, proof, counters.
    #[command(after_help = sources::EXAMPLES)]
    Sources(sources::Sources),
    /// List what operators did: who, when, from where, on how many.
    #[command(after_help = audit::EXAMPLES)]
    Audit(audit::Audit),
    /// Copy, check or migrate the database, also next to a running gateway.
    #[command(after_help = store::EXAMPLES)]
    Store(store::Store),
    /// Show the sinks and the sources of a running gateway, once a second.
    #[command(after_help = top::EXAMPLES)]
    Top(top::Top),
    /// Print the address of a page of a running gateway: the first page, an alert or a problem.
    #[command(after_help = open::EXAMPLES)]
    Open(open::Open),
    /// Print a completion script for a shell.
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
    /// Write manual pages into a folder, one for each command.
    #[command(after_help = man::EXAMPLES)]
    Man(man::Man),
}

impl Command {
    fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        match self {
            Self::Run(run) => run.run(terminal),
            Self::Check(check) => check.run(terminal),
            Self::Send(send) => send.run(terminal),
            Self::Try(trial) => trial.run(terminal),
            Self::Alerts(alerts) => alerts.run(terminal),
            Self::Deliveries(deliveries) => deliveries.run(terminal),
            Self::Dead(dead) => dead.run(terminal),
            Self::Quarantine(quarantine) => quarantine.run(terminal),
            Self::Silences(silences) => silences.run(terminal),
            Self::Renormalize(renormalize) => renormalize.run(terminal),
            Self::Providers(providers) => providers.run(terminal),
            Self::Sinks(sinks) => sinks.run(terminal),
            Self::Sources(sources) => sources.run(terminal),
            Self::Audit(audit) => audit.run(terminal),
            Self::Store(store) => store.run(terminal),
            Self::Top(top) => top.run(terminal),
            Self::Open(open) => open.run(terminal),
            Self::Completions(completions) => completions.run(terminal),
            Self::Man(man) => man.run(terminal, command()),
        }
    }
}

/// All commands with their help. `docs/commands.md`, manual pages and completions are made from it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line, runs the command, and returns the exit code.
pub fn main() -> ExitCode {
    completions::answer::<Cli>();
    let variable = |name: &str| std::env::var_os(name);
    let line: Vec<_> = std::env::args_os().collect();
    let color = color::choice(color::flag(&line), &variable);
    let cli = match Cli::read(color) {
        Ok(cli) => cli,
        Err(unclear) => {
            // `--help | head` closes the pipe early. This is not an error.
            let _closed = unclear.print();
            return ExitCode::from(u8::try_from(unclear.exit_code()).unwrap_or(2));
        }
    };
    let mut terminal = Terminal::of_process(
        color::choice(cli.color, &variable),
        Times::of_process(cli.local),
    );
    let done = cli.command.run(&mut terminal);
    let done = done.and_then(|()| terminal.flush());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(report(&mut terminal, &failure)),
    }
}

/// Prints the error once, and returns the exit code.
fn report(terminal: &mut Terminal, failure: &Failure) -> u8 {
    let mut words = String::new();
    if !failure.is_quiet() {
        words = format!("error: {failure}");
    }
    if let Some(fix) = failure.fix() {
        words = format!("{words}\n hint: {fix}");
    }
    if let Some(page) = failure.help() {
        words = format!("{words}\n help: {page}");
    }
    let flushed = terminal.flush();
    if !words.is_empty() && flushed.and_then(|()| terminal.say(words)).is_err() {
        return failure.code().max(1);
    }
    failure.code()
}

/// Runs a command that uses the network.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
