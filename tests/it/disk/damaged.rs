//! D30: a start refuses damaged files. It names the file, the problem and the fix, and changes nothing. Damage that a start
//! cannot detect is found while serving, and affects only the damaged alerts.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{FILE, Gateway, came, integrity, kept, settings, willing};
use crate::gateway::preamble;
use crate::operations::{alarm, running};
use crate::patience::within;
use crate::receiver::Receiver;

const LOG: &str = "campanile.db-wal";
const LOCK: &str = "campanile.db.lock";

/// The user id of `nobody`.
const NOBODY: u32 = 65_534;

type Files = BTreeMap<String, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let read = |name: &&str| Some(((*name).to_owned(), std::fs::read(folder.join(name)).ok()?));
    [FILE, LOG, LOCK].iter().filter_map(read).collect()
}

fn put(files: &Files, folder: &Path) {
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// The files of a stopped gateway, and the files of one that was killed later. Everything is pending for one receiver.
async fn templates(receiver: &Receiver) -> (Files, Files) {
    let folder = tempfile::tempdir().unwrap();
    let mut left = Vec::new();
    for round in 0..2 {
        let gateway = Gateway::open(folder.path(), &[receiver]).await.unwrap();
        assert!(gateway.app.delivery().pause("webhook/s0").is_some());
        for n in 0..40 {
            assert_eq!(gateway.alarm(&format!("{round}-{n}")).await.status, 200);
        }
        left.push(files(folder.path()));
        gateway.stop().await;
        left.push(files(folder.path()));
    }
    (left.swap_remove(1), left.swap_remove(2))
}

/// One kind of damage, and what the refusal must say.
struct Case {
    name: &'static str,
    says: &'static str,
    harm: Box<dyn Fn(&Path)>,
}

fn case(name: &'static str, says: &'static str, harm: impl Fn(&Path) + 'static) -> Case {
    let harm = Box::new(harm);
    Case { name, says, harm }
}

fn change(name: &'static str, change: impl Fn(&mut Vec<u8>)) -> impl Fn(&Path) {
    move |folder| {
        let path = folder.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
}

fn remove(name: &'static str) -> impl Fn(&Path) {
    move |folder| std::fs::remove_file(folder.join(name)).unwrap()
}

fn sql(text: &'static str) -> impl Fn(&Path) {
    move |folder| {
        let connection = rusqlite::Connection::open(folder.join(FILE)).unwrap();
        connection.execute_batch(text).unwrap();
    }
}

/// Damage to the files of a stopped gateway.
fn harm_to_closed() -> Vec<Case> {
    let header = "its header is not that of a SQLite database";
    let gone = "says that a database was kept here";
    vec![
        case("garbage", header, change(FILE, |b| b.fill(0xa5))),
        case("a text", header, change(FILE, |b| *b = b"hello\n".to_vec())),
        case(
            "a flipped bit in the first word",
            header,
            change(FILE, |b| b[3] ^= 1),
        ),
        case("50 bytes", header, change(FILE, |b| b.truncate(50))),
        case(
            "half",
            "is cut short",
            change(FILE, |b| b.truncate(b.len() / 2)),
        ),
        case(
            "a byte missing",
            "is cut short",
            change(FILE, |b| b.truncate(b.len() - 1)),
        ),
        case("empty", gone, change(FILE, Vec::clear)),
        case("removed", gone, remove(FILE)),
        case(
            "a broken first page",
            "malformed",
            change(FILE, |b| b[100] ^= 0x40),
        ),
        case(
            "a newer one",
            "newer Campanile",
            sql("PRAGMA user_version = 999"),
        ),
        case("a folder", "is not a file", |folder| {
            remove(FILE)(folder);
            std::fs::create_dir(folder.join(FILE)).unwrap();
        }),
        case("another program's", "of another program", |folder| {
            remove(FILE)(folder);
            sql("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")(folder);
        }),
    ]
}

/// Damage to the files of a killed gateway.
fn harm_to_crashed() -> Vec<Case> {
    let log = "but its log";
    vec![
        case(
            "the file empty, with its log",
            log,
            change(FILE, Vec::clear),
        ),
        case("the file removed, with its log", log, remove(FILE)),
        case(
            "the file cut short, with its log",
            "is cut short",
            change(FILE, |b| b.truncate(8192)),
        ),
        case(
            "a flipped bit in the log",
            "damaged in frame 4",
            change(LOG, |b| {
                b[32 + 3 * (24 + 4096) + 1000] ^= 1;
            }),
        ),
        case(
            "a flipped salt in the log",
            "damaged in frame 2",
            change(LOG, |b| {
                b[32 + 24 + 4096 + 9] ^= 1;
            }),
        ),
        case(
            "a flipped bit in the log's header",
            "damaged in frame 0",
            change(LOG, |b| b[17] ^= 1),
        ),
        case(
            "the log's header blank",
            "damaged in frame 0",
            change(LOG, |b| b[..32].fill(0)),
        ),
    ]
}

/// Starts the program, which must end without a signal, and returns its output.
async fn refusal(folder: &Path, as_nobody: bool) -> String {
    let program = if as_nobody {
        folder.join("campanile")
    } else {
        env!("CARGO_BIN_EXE_campanile").into()
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(["run", "--config"])
        .arg(folder.join("campanile.toml"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    if as_nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = within("an end without a signal", command.output()).await;
    let output = output.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn write_config(folder: &Path, receiver: &Receiver) -> PathBuf {
    let file = folder.join("campanile.toml");
    std::fs::write(&file, preamble(folder) + &settings(&[receiver])).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_whole_and_ours_is_refused_and_left_as_it_is() {
    let receiver = willing().await;
    let (closed, crashed) = templates(&receiver).await;
    let sent = receiver.got().len();
    let closed = harm_to_closed().into_iter().map(|case| (&closed, case));
    let crashed = harm_to_crashed().into_iter().map(|case| (&crashed, case));
    for (template, Case { name, says, harm }) in closed.chain(crashed) {
        let folder = tempfile::tempdir().unwrap();
        write_config(folder.path(), &receiver);
        put(template, folder.path());
        harm(folder.path());
        let before = files(folder.path());
        let said = refusal(folder.path(), false).await;
        let path = folder.path().join(FILE);
        assert!(said.contains(path.to_str().unwrap()), "{name}: {said}");
        assert!(said.contains(says), "{name}: {said}");
        let after = files(folder.path());
        assert!(before == after, "{name}: the files were changed");
    }
    assert_eq!(receiver.got().len(), sent, "nothing is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_may_leave_is_not_refused() {
    let receiver = willing().await;
    let (closed, crashed) = templates(&receiver).await;
    let torn = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = crashed.clone();
        change(files.get_mut(LOG).unwrap());
        files
    };
    let mut unmarked = closed.clone();
    unmarked.remove(LOCK);
    for (name, files, least) in [
        ("as it was stopped", closed, 40),
        ("without a mark, as a copy is", unmarked, 40),
        ("as it was killed", crashed.clone(), 80),
        (
            "with a torn last frame",
            torn(&|b| b.truncate(b.len() - 100)),
            79,
        ),
        ("with garbage behind", torn(&|b| b.extend([7; 10_000])), 80),
        ("with nothing in the log", torn(&Vec::clear), 40),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(&files, folder.path());
        let kept = kept(folder.path()).await.len();
        assert!(kept >= least, "{name}: {kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_after_a_kill_is_missed_but_not_beside_another_copy() {
    let receiver = willing().await;
    let (folder, process) = running(&settings(&[&receiver])).await;
    assert_eq!(alarm(&process, "prod", "one").await.status, 200);
    process.kill().await;
    let crashed = files(folder.path());
    remove(LOG)(folder.path());
    let said = refusal(folder.path(), false).await;
    assert!(said.contains("is gone") && said.contains(LOCK), "{said}");
    let path = folder.path().join(FILE);
    std::fs::rename(&path, folder.path().join("aside.db")).unwrap();
    std::fs::write(&path, &crashed[FILE]).unwrap();
    assert_eq!(kept(folder.path()).await.len(), 0, "an older backup");
}

/// A folder for tests of file permissions. Permissions do not restrict root. So under root the folder and a copy of the
/// program belong to `nobody`, and the program runs as that user.
fn guarded(template: &Files, receiver: &Receiver) -> (tempfile::TempDir, bool) {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), receiver);
    put(template, folder.path());
    let as_nobody = folder.path().metadata().unwrap().uid() == 0;
    if as_nobody {
        let program = folder.path().join("campanile");
        std::fs::copy(env!("CARGO_BIN_EXE_campanile"), &program).unwrap();
        let ours = template.keys().map(|name| folder.path().join(name));
        for path in ours.chain([config, program, folder.path().to_owned()]) {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    (folder, as_nobody)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_or_folder_that_may_not_be_written_is_named() {
    let receiver = willing().await;
    let (_, crashed) = templates(&receiver).await;
    for name in [FILE, LOG, LOCK, ""] {
        let (folder, as_nobody) = guarded(&crashed, &receiver);
        let path = folder.path().join(name);
        if name.is_empty() {
            remove(LOCK)(folder.path());
        }
        let mode = if name.is_empty() { 0o555 } else { 0o444 };
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let before = files(folder.path());
        let said = refusal(folder.path(), as_nobody).await;
        let named = if name.is_empty() {
            folder.path().join(LOCK)
        } else {
            path.clone()
        };
        assert!(
            said.contains(&format!("{}: Permission denied", named.display()))
                || said.contains(&format!(
                    "{} for reading and writing: Permission denied",
                    named.display()
                )),
            "{name}: {said}"
        );
        assert!(said.contains("ser that runs Campanile"), "{said}");
        assert!(
            before == files(folder.path()),
            "{name}: the files were changed"
        );
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_folder_and_a_file_in_use_are_named() {
    let receiver = willing().await;
    let folder = tempfile::tempdir().unwrap();
    let config = preamble(&folder.path().join("nowhere")) + &settings(&[&receiver]);
    std::fs::write(folder.path().join("campanile.toml"), config).unwrap();
    let said = refusal(folder.path(), false).await;
    assert!(
        said.contains("nowhere/campanile.db") && said.contains("Its folder must exist"),
        "{said}"
    );

    let (folder, process) = running(&settings(&[&receiver])).await;
    let said = refusal(folder.path(), false).await;
    assert!(
        said.contains("campanile.db is in use by another Campanile"),
        "{said}"
    );
    assert_eq!(alarm(&process, "prod", "one").await.status, 200);
}

/// The result of a query on the database in these files.
fn query<T: rusqlite::types::FromSql>(files: &Files, sql: &str) -> Vec<T> {
    let folder = tempfile::tempdir().unwrap();
    put(files, folder.path());
    let connection = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Starts on a file with damage that a start does not detect. Returns how many alerts arrived and how many are dead letters.
async fn serve(template: &Files, harm: impl Fn(&mut Vec<u8>)) -> (usize, usize) {
    let receiver = willing().await;
    let folder = tempfile::tempdir().unwrap();
    let mut files = template.clone();
    harm(files.get_mut(FILE).unwrap());
    put(&files, folder.path());
    let gateway = Gateway::open(folder.path(), &[&receiver]).await.unwrap();
    for _ in 0..10 {
        gateway.advance(Duration::from_mins(1)).await;
    }
    assert_eq!(gateway.alarm("new").await.status, 200);
    gateway.deliver().await;
    let came = came(&receiver.got());
    assert!(came.contains(&"new".to_owned()));
    let page = gateway.look("/api/v1/alerts?limit=100").await;
    assert_eq!(
        page.status, 500,
        "an incomplete list must be an error: {page:?}"
    );
    assert!(
        page.body.contains(FILE) && page.body.contains(".recover"),
        "{page:?}"
    );
    let dead = gateway.look("/api/v1/dead?limit=100").await.json();
    let dead = dead["items"].as_array().unwrap().clone();
    assert!(
        dead.iter().all(|letter| letter["class"] == "lost"),
        "{dead:?}"
    );
    gateway.stop().await;
    (came.len() - 1, dead.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_alert_is_a_dead_letter_and_holds_up_no_other() {
    let (closed, _) = templates(&willing().await).await;
    let kept: Vec<Vec<u8>> = query(&closed, "SELECT packed FROM callback WHERE id = 8");
    let flip = |bytes: &mut Vec<u8>| {
        // SQLite leaves copies when it splits a page.
        for at in 0..bytes.len() - kept[0].len() {
            if bytes[at..].starts_with(&kept[0]) {
                bytes[at + kept[0].len() / 2] ^= 4;
            }
        }
    };
    assert_eq!(serve(&closed, flip).await, (39, 1));

    // Now a whole page, with several alerts.
    let leaves: Vec<u32> = query(
        &closed,
        "SELECT pageno FROM dbstat WHERE name = 'callback' AND pagetype = 'leaf' ORDER BY path",
    );
    let (came, dead) = serve(&closed, |bytes| {
        bytes[(leaves[0] as usize - 1) * 4096] ^= 0xff;
    })
    .await;
    assert_eq!(came + dead, 40);
    assert!(came > 0 && dead > 1, "{came} came, {dead} are dead");

    let folder = tempfile::tempdir().unwrap();
    put(&closed, folder.path());
    assert_eq!(
        integrity(&folder.path().join(FILE)),
        "ok",
        "the undamaged file"
    );
}
