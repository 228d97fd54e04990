//! Peers that need no other server.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::load::wait;
use super::super::wire;
use super::{Running, START_WITHIN, fresh, write};

pub(super) fn alertmanager(program: &Path, folder: &Path) -> Running {
    let config = folder.join("alertmanager.yml");
    write(
        &config,
        "route:\n  receiver: none\nreceivers:\n- name: none\n",
    );
    let running = fresh();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address={}", running.address))
        .args(["--cluster.listen-address=", "--log.level=error"]);
    running.and(&mut command).ready()
}

/// The command only records that it ran.
pub(super) fn webhook(program: &Path, folder: &Path, waits: bool) -> Running {
    let hooks = folder.join("hooks.json");
    let hook = serde_json::json!([{
        "id": "bench",
        "execute-command": "/bin/sh",
        "pass-arguments-to-command": [
            {"source": "string", "name": "-c"},
            {"source": "string", "name": format!("echo ran >> {}", folder.join("ran").display())},
        ],
        "include-command-output-in-response": waits,
    }]);
    write(&hooks, &hook.to_string());
    let running = fresh();
    let mut command = Command::new(program);
    command
        .arg("-hooks")
        .arg(&hooks)
        .args(["-ip", "127.0.0.1", "-port"])
        .arg(running.address.port().to_string());
    running.and(&mut command).ready()
}

/// Three nodes: one receives a request, one answers it, one appends its body to a file.
pub(super) fn node_red(program: &Path, folder: &Path) -> Running {
    let running = fresh();
    let settings = format!(
        "module.exports = {{ uiHost: '127.0.0.1', uiPort: {}, flowFile: 'flows.json', logging: {{ console: \
         {{ level: 'error' }} }}, telemetry: {{ enabled: false }} }}",
        running.address.port()
    );
    write(&folder.join("settings.js"), &settings);
    let flows = serde_json::json!([
        {"id": "f", "type": "tab", "label": "bench"},
        {"id": "in", "z": "f", "type": "http in", "url": "/bench", "method": "post", "wires": [["out", "file"]]},
        {"id": "out", "z": "f", "type": "http response", "statusCode": "200", "wires": []},
        {"id": "file", "z": "f", "type": "file", "filename": folder.join("alerts"), "filenameType": "str",
         "appendNewline": true, "overwriteFile": "false", "wires": [[]]},
    ]);
    write(&folder.join("flows.json"), &flows.to_string());
    let mut command = Command::new("node");
    command
        .arg(program)
        .arg("-s")
        .arg(folder.join("settings.js"))
        .arg("-u")
        .arg(folder);
    let running = running.and(&mut command).ready();
    // Its pages are served before its flows run.
    let begun = Instant::now();
    while wire::once(running.address, PROBE).is_ok_and(|(status, _)| status == 404) {
        assert!(begun.elapsed() < START_WITHIN, "the flow does not start");
        wait(Duration::from_millis(50));
    }
    running
}

/// A request to the flow that appends nothing. Before the flow runs, the answer is 404. After that, the flow answers
/// `OPTIONS`.
const PROBE: &str = "OPTIONS /bench HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
