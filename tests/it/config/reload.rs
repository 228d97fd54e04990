//! A configuration that changes while the gateway runs.

use campanile::config;

use super::load;
use crate::patience::within;

#[test]
fn what_a_running_gateway_cannot_change_is_named() {
    let old = load("").unwrap();
    let new = load("[server]\nlisten = '127.0.0.1:1'\nbody_bytes_max = 2048\n[store]\nurl = 'sqlite:other.db'\n").unwrap();
    assert_eq!(old.diff_needs_restart(&new), ["server.listen", "store.url"]);
    assert!(old.diff_needs_restart(&old).is_empty());
    let new = load("[store]\ncopies = 1\n").unwrap();
    assert_eq!(old.diff_needs_restart(&new), ["store.copies"]);
}

#[test]
fn a_change_of_any_setting_of_traces_needs_a_restart() {
    let with = |more: &str| {
        let table = "[telemetry.otlp]\nendpoint = 'http://127.0.0.1:4318/x'\n";
        load(&format!("{table}{more}")).unwrap()
    };
    let old = with("headers = { A = 'one' }");
    for new in [
        load("").unwrap(),
        with("headers = { A = 'two' }"),
        with("headers = { A = 'one' }\nsample_percent = 99"),
        with("headers = { A = 'one' }\ntrust_traceparent = true"),
        load("[telemetry.otlp]\nendpoint = 'http://127.0.0.1:4318/y'\nheaders = { A = 'one' }")
            .unwrap(),
    ] {
        assert_eq!(old.diff_needs_restart(&new), ["telemetry.otlp"]);
        assert_eq!(new.diff_needs_restart(&old), ["telemetry.otlp"]);
    }
    assert!(
        old.diff_needs_restart(&with("headers = { A = 'one' }"))
            .is_empty()
    );
}

#[tokio::test]
async fn a_changed_file_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    std::fs::write(&file, "").unwrap();
    let mut changes = config::watch::changes(std::slice::from_ref(&file));
    std::fs::write(folder.path().join("other.toml"), "").unwrap();
    // An editor puts a new file in the place of the old one.
    std::fs::write(folder.path().join("new"), "[log]").unwrap();
    std::fs::rename(folder.path().join("new"), &file).unwrap();
    let change = within("a change of the file", changes.recv()).await;
    assert_eq!(change, Some(()));
    std::fs::write(&file, "[server]").unwrap();
    let change = within("a change of the file", changes.recv()).await;
    assert_eq!(
        change,
        Some(()),
        "the new file is watched as the old one was"
    );
}
