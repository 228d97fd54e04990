//! schemathesis makes requests from the description of the API, valid and wrong ones, and checks each answer against it.

use std::process::Stdio;

use serde_json::json;
use tempfile::tempdir;
use tokio::process::Command;

use super::python;
use crate::api::bulk::with_letters;
use crate::patience::within;
use crate::standing::TOKEN as OPERATOR;

/// Requests by chance for each operation, in addition to those that test the limits of each parameter. The run takes about 10 s.
const BY_CHANCE: &str = "4";

#[tokio::test(flavor = "multi_thread")]
async fn no_request_gets_a_server_error_or_an_answer_that_is_not_described() {
    let gateway = with_letters(&[("disk", "firing"), ("cpu", "resolved")]).await;
    let unreadable = json!({"no": "probe"});
    gateway.post("/callback/probe/a", &unreadable).await;
    let program = python().replace("/python", "/schemathesis");
    let address = format!("http://{}/api/v1/openapi.json", gateway.admin);
    let token = format!("Authorization: Bearer {OPERATOR}");
    let folder = tempdir().unwrap();
    let mut command = Command::new(python());
    command.args([&*program, "run", &address, "--header", &token]);
    command.args(["--phases", "coverage,fuzzing", "--max-examples", BY_CHANCE]);
    // The description cannot name the sinks and sources of a configuration, so a valid request can name none of them.
    command.args([
        "--checks",
        "all",
        "--exclude-checks",
        "positive_data_acceptance",
    ]);
    // It has no end.
    command.args(["--exclude-path", "/api/v1/stream"]);
    command.arg("--generation-deterministic");
    command.args(["--warnings", "off", "--no-color", "--no-shrink"]);
    command.current_dir(folder.path());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within("an end of schemathesis", command.output()).await;
    let output = output.expect("schemathesis is not installed: run scripts/test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Fuzzing"), "{said}");
}
