//! When the output has color. No output of a test is a terminal.

use super::{Run, campanile};
use crate::patience::output;
use crate::process::Process;

fn is_colored(args: &[&str], variables: &[(&str, &str)]) -> bool {
    let mut command = campanile(args);
    for name in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let run = Run::from(output(&mut command));
    format!("{}{}", run.out, run.err).contains('\u{1b}')
}

/// A list, the help of clap, and a usage error.
const KINDS: [&[&str]; 3] = [
    &["sinks", "list"],
    &["sinks", "--help"],
    &["sinks", "lisst"],
];

#[test]
fn the_flag_decides_for_lists_help_and_errors() {
    for args in KINDS {
        for (when, colored) in [("always", true), ("never", false), ("auto", false)] {
            let flagged = [args, &["--color", when]].concat();
            assert_eq!(is_colored(&flagged, &[]), colored, "{flagged:?}");
            // A flag is a wish for this run, a variable for all runs.
            let contrary = if colored { "NO_COLOR" } else { "FORCE_COLOR" };
            let overridden = is_colored(&flagged, &[(contrary, "1")]);
            assert_eq!(overridden, colored || when == "auto", "{flagged:?}");
        }
    }
}

#[test]
fn a_pipe_gets_color_if_the_environment_forces_it_and_no_color_wins() {
    for args in KINDS {
        for force in ["FORCE_COLOR", "CLICOLOR_FORCE"] {
            assert!(is_colored(args, &[(force, "1")]), "{force} {args:?}");
            assert!(!is_colored(args, &[(force, "")]), "{force} {args:?}");
            assert!(!is_colored(args, &[(force, "1"), ("NO_COLOR", "1")]));
            assert!(is_colored(args, &[(force, "1"), ("NO_COLOR", "")]));
        }
        assert!(!is_colored(args, &[]), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_gateway_follows_the_same_rule() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n[log]\nformat = 'pretty'\n\
        [providers.ucloud.prod]\nopen = true\n";
    let config = format!(
        "{config}[store]\nurl = 'sqlite:{}/db'\n",
        folder.path().display()
    );
    std::fs::write(folder.path().join("campanile.toml"), config).unwrap();
    for (variables, colored) in [("FORCE_COLOR=1", true), ("FORCE_COLOR=1 NO_COLOR=1", false)] {
        let gateway = Process::start_after(&format!("export {variables};"), folder.path()).await;
        gateway.signal("TERM");
        gateway.ended().await;
        assert!(!gateway.log().is_empty());
        assert_eq!(
            gateway.log().contains('\u{1b}'),
            colored,
            "{}",
            gateway.log()
        );
    }
}
