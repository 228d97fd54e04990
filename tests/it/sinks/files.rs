//! JSON lines: whole or not there, whatever happens in between.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use campanile_sinks::kinds::file::{File, Settings};
use campanile_sinks::{Class, Message, Sink, Worth};
use tempfile::TempDir;

use super::{TIMEOUT, digest, json, message};

fn file(path: &Path, rotate_bytes: u64, keep: u32) -> Arc<dyn Sink> {
    let file = Settings {
        path: path.to_owned(),
        rotate_bytes,
        keep,
        sync: true,
    };
    Arc::new(File::new(&file, TIMEOUT).unwrap())
}

fn lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(text.lines().all(whole), "{text}");
    text.lines().count()
}

#[tokio::test]
async fn each_alert_is_one_line_of_json_also_when_many_come_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let sink = file(&path, u64::MAX, 3);
    let message = message();
    let all = futures_util::future::join_all((0..50).map(|_| sink.send(&message))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(lines(&path), 50);
}

#[tokio::test]
async fn a_digest_is_as_many_lines_as_it_has_alerts_and_a_synced_line_is_committed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let delivered = file(&path, u64::MAX, 3).send(&digest()).await.unwrap();
    assert_eq!(delivered.worth, Worth::Committed);
    assert_eq!(lines(&path), 2);
}

#[tokio::test]
async fn a_line_is_the_stored_json_byte_for_byte() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let message = Message {
        stored: vec![r#"{ "stored": 1 }"#.into()],
        ..message()
    };
    let sink = file(&path, u64::MAX, 3);
    sink.send(&message).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{ \"stored\": 1 }\n");
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_cut_and_the_next_line_starts_clean() {
    let folder = TempDir::new().unwrap();
    let line = [json(&message()), b"\n".to_vec()].concat();
    let long_tail = format!("{{\"a\":\"{}", "x".repeat(200_000));
    for tail in ["{\"id\":\"ha", "{", "\0\0\0", &long_tail, ""] {
        for whole in [0, 1, 3] {
            let path = folder.path().join("a.jsonl");
            fs::write(&path, [line.repeat(whole), tail.into()].concat()).unwrap();
            file(&path, u64::MAX, 3).send(&message()).await.unwrap();
            assert_eq!(lines(&path), whole + 1, "{whole} lines");
        }
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "my notes").unwrap();
    let failure = file(&path, u64::MAX, 3).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert_eq!(fs::read_to_string(&path).unwrap(), "my notes");
}

#[tokio::test]
async fn a_full_file_is_rotated_and_so_many_old_ones_are_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let two_lines = 2 * (json(&message()).len() as u64 + 1);
    let sink = file(&path, two_lines, 2);
    for _ in 0..9 {
        sink.send(&message()).await.unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]);
    assert_eq!(lines(&path), 1);
    assert_eq!(lines(&folder.path().join("a.jsonl.2")), 2);
}

#[tokio::test]
async fn a_line_longer_than_the_limit_is_written_whole_and_none_may_be_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let sink = file(&path, 1, 0);
    for _ in 0..3 {
        sink.send(&message()).await.unwrap();
        assert_eq!(lines(&path), 1);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_that_was_moved_or_removed_is_begun_anew() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let sink = file(&path, u64::MAX, 3);
    sink.send(&message()).await.unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    sink.send(&message()).await.unwrap();
    fs::remove_file(&path).unwrap();
    sink.send(&message()).await.unwrap();
    assert_eq!(lines(&path), 1);
}

#[tokio::test]
async fn a_full_disk_is_transient() {
    // Linux's own disk that is always full.
    let full = Path::new("/dev/full");
    if full.exists() {
        let failure = file(full, u64::MAX, 1).send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_is_refused_at_once_and_one_that_vanishes_later_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let sink = file(&path, u64::MAX, 1);
    drop(folder);
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let settings = Settings {
        path,
        rotate_bytes: 1,
        keep: 1,
        sync: false,
    };
    let Err(error) = File::new(&settings, TIMEOUT) else {
        panic!("a missing folder passes");
    };
    assert_eq!(error.setting, "path");
}
