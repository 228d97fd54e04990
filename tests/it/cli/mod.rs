//! The real program, run as operators run it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its world has failed"
)]

mod attended;
mod color;
mod completion;
mod follow;
mod gateway;
mod gateways;
mod helped;
mod lists;
mod peer;
mod receivers;
mod store;
mod store_copy;
mod times;
mod top;
mod trial;
mod vendor;

use std::process::{Command, Output, Stdio};

use crate::patience::{ended, output};
use peer::free_port;

/// The program with these arguments, without `CAMPANILE` variables in its environment.
pub(crate) fn campanile(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CAMPANILE") {
            command.env_remove(name);
        }
    }
    command
}

/// The result of a run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(args: &[&str]) -> Self {
        Self::from(output(&mut campanile(args)))
    }

    /// The output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        let said = format!("{}{}", self.out, self.err);
        assert!(said.contains(words), "`{words}` is not in:\n{said}");
        true
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn help_leads_a_newcomer_from_config_to_a_first_alert() {
    let help = Run::of(&["--help"]);
    assert_eq!(help.code, 0);
    for words in [
        "One callback endpoint for every monitoring vendor",
        "campanile check --config campanile.toml",
        "campanile run --config campanile.toml",
        "campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod/KEY",
        "campanile dead list",
        "campanile quarantine list",
        "Exit codes:",
    ] {
        help.says(words);
    }
}

#[test]
fn every_command_shows_an_example_of_itself() {
    for command in [
        "run",
        "check",
        "send",
        "try",
        "alerts",
        "deliveries",
        "dead",
        "quarantine",
        "renormalize",
        "providers",
        "sinks",
        "sources",
        "store",
        "completions",
        "man",
        "open",
        "top",
    ] {
        let help = Run::of(&[command, "--help"]);
        assert_eq!(help.code, 0, "{command}");
        help.says("Examples:");
        help.says(&format!("campanile {command} "));
    }
}

#[test]
fn wrong_usage_ends_with_two_and_names_the_way_out() {
    for (args, words) in [
        (&["chekc"][..], "similar subcommand exists: 'check'"),
        (&["run"], "--config <PATH>"),
        (&["send", "ucloud"], "--to <URL>"),
        (
            &["dead", "retry"],
            "give numbers from the list, --sink, or --all",
        ),
        (&["deliveries", "retry"], "give --sink or --all"),
        (&["dead", "drop", "1", "--all"], "cannot be used with"),
        (
            &["quarantine", "drop", "--all", "--source", "a/b"],
            "cannot be used with",
        ),
        (
            &["alerts", "list", "--since", "yesterday"],
            "write how long ago",
        ),
        (
            &["alerts", "list", "--severity", "high"],
            "critical, error, warning, info, unknown",
        ),
        (
            &["sinks", "pause", "oncall"],
            "write the full name, such as webhook/oncall",
        ),
        (
            &["dead", "list", "--url", "127.0.0.1:8081"],
            "write it as in http://127.0.0.1:8081",
        ),
        (
            &["providers", "show", "nosuchvendor"],
            "campanile providers list",
        ),
        (
            &["check", "--config", "/nowhere/campanile.toml"],
            "/nowhere/campanile.toml",
        ),
    ] {
        let run = Run::of(args);
        assert_eq!(run.code, 2, "{args:?}: {}{}", run.out, run.err);
        run.says(words);
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_help() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("share/man1");
    let run = Run::of(&["man", man.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.err);
    let commands = std::fs::read_to_string("docs/commands.md").unwrap();
    let headings = commands.lines().filter_map(|line| line.strip_prefix("##"));
    let commands: Vec<String> = headings.map(|line| line.replace(['#', '`'], "")).collect();
    for command in &commands {
        let page = man.join(format!("{}.1", command.trim().replace(' ', "-")));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{page:?}: {e}"));
        assert!(
            page.contains("--color") || page.contains("\\-\\-color"),
            "{command}"
        );
    }
    assert_eq!(std::fs::read_dir(&man).unwrap().count(), commands.len());
    let run = Run::of(&["man", "/proc/nowhere"]);
    assert_eq!(run.code, 1);
    run.says("cannot write manual pages to /proc/nowhere");
}

#[test]
fn the_catalogue_is_data_for_programs() {
    let providers = Run::of(&["providers", "list", "--json"]).json();
    for provider in providers.as_array().unwrap() {
        let facts = provider.as_object().unwrap();
        let names: Vec<&str> = facts.keys().map(String::as_str).collect();
        let wanted = [
            "name",
            "title",
            "method",
            "proof",
            "message_id",
            "confidence",
        ];
        assert_eq!(names, wanted);
        assert!(
            facts
                .values()
                .all(|fact| fact.as_str().is_some_and(|f| !f.is_empty()))
        );
    }
    assert!(Run::of(&["sinks", "list", "--json"]).json().is_array());
}

#[test]
fn the_catalogue_is_also_names_alone_or_one_object_a_line() {
    for (list, name) in [("providers", "ucloud"), ("sinks", "webhook")] {
        let names = Run::of(&[list, "list", "-q"]);
        assert!(names.out.lines().any(|line| line == name), "{}", names.out);
        let lines = Run::of(&[list, "list", "--ndjson"]);
        let lines = lines.out.lines().map(serde_json::from_str);
        let items: Vec<serde_json::Value> = lines.map(Result::unwrap).collect();
        assert_eq!(items.len(), names.out.lines().count());
        assert!(items.iter().any(|item| item["name"] == name));
    }
}

/// A config with a vendor of its own, a misspelled setting and a secret that is not there.
const OWN: &str = "[serverr]\n[providers.acme.prod]\nkey = { env = 'NOT_SET_ANYWHERE' }\n\
    [mappings.acme]\nfile = \"acme.toml\"\n";

#[test]
fn the_list_of_vendors_reads_only_the_mappings_of_a_config() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(&config, OWN).unwrap();
    let shown = Run::of(&["providers", "show", "zabbix"]);
    std::fs::write(folder.path().join("acme.toml"), shown.out).unwrap();
    let config = config.to_str().unwrap();
    let list = Run::of(&["providers", "list", "-q", "--config", config]);
    assert_eq!(list.code, 0, "{}", list.err);
    assert!(list.out.lines().any(|line| line == "acme"));
    std::fs::write(folder.path().join("acme.toml"), "titel = 'x'\n").unwrap();
    let mistaken = Run::of(&["providers", "list", "--config", config]);
    assert_eq!(mistaken.code, 2);
    mistaken.says("acme.toml:1:1");
}

#[test]
fn a_config_that_the_environment_names_does_not_stop_the_list_of_vendors() {
    let mut command = campanile(&["providers", "list", "-q"]);
    command.env("CAMPANILE_CONFIG", "/nowhere/campanile.toml");
    let run = Run::from(output(&mut command));
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.lines().any(|line| line == "ucloud"));
    run.says("warning: only built-in vendors are known; CAMPANILE_CONFIG");
}

#[test]
fn an_unreachable_gateway_ends_with_three_and_a_hint() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let run = Run::of(&["dead", "list", "--url", &url]);
    assert_eq!(run.code, 3);
    run.says("cannot reach");
    run.says("Connection refused");
    run.says("check that the gateway is running");
    assert_eq!(run.out, "", "messages go to stderr");
}

#[test]
fn a_reader_who_has_enough_ends_the_program_quietly() {
    let mut child = campanile(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closes the pipe before the program writes, like `| head -0`.
    drop(child.stdout.take());
    let run = Run::from(ended(child));
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}
