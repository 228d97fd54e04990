//! Programs that a sink starts: what they get, what their exit codes mean, and that nothing of them stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use campanile_settings::{Environment, Values};
use campanile_sinks::kinds::exec::ExecKind;
use campanile_sinks::{BuildError, Class, Kind, Sink, Tools};
use tempfile::TempDir;

use super::{digest, json, message};

struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self) -> String {
        self.folder
            .path()
            .join("script")
            .to_string_lossy()
            .into_owned()
    }

    fn sink(&self, words: &str, more: &str) -> Arc<dyn Sink> {
        let (path, cwd) = (self.path(), self.folder.path().display());
        let text = format!("command = [\"{path}\"{words}]\ncwd = \"{cwd}\"\n{more}");
        build(&text).unwrap()
    }

    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn build(text: &str) -> Result<Arc<dyn Sink>, BuildError> {
    let values = Values::parse(text, ExecKind.settings(), &Environment::new());
    let tools = Tools {
        name: "exec/script",
        timeout: Duration::from_secs(5),
    };
    ExecKind.build(
        &values.unwrap_or_else(|mistakes| panic!("{mistakes}")),
        &tools,
    )
}

#[tokio::test]
async fn the_program_gets_the_alert_its_words_and_nothing_of_the_gateway() {
    let script =
        Script::new("cat > input; printf '%s\\n' \"$@\" > words; /usr/bin/env > variables");
    let words = ", \"{{ severity }}\", \"a b; $(touch evil) {{ title }}\"";
    let sink = script.sink(words, "env = { LANG = \"C.UTF-8\" }");
    sink.send(&message()).await.unwrap();
    assert_eq!(script.wrote("input").trim().as_bytes(), json(&message()));
    let wrote = script.wrote("words");
    let title = &message().alerts[0].title;
    assert_eq!(wrote, format!("critical\na b; $(touch evil) {title}\n"));
    assert!(!Path::new(&script.folder.path().join("evil")).exists());
    let mut names: Vec<String> = script
        .wrote("variables")
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
        // A shell sets these itself.
        .filter(|name| !["PWD", "_", "OLDPWD", "SHLVL"].contains(&name.as_str()))
        .collect();
    names.sort();
    let ours = [
        "ATTEMPT",
        "DELIVERY_ID",
        "FINGERPRINT",
        "SEVERITY",
        "STATUS",
    ];
    let mut wanted: Vec<String> = ours.map(|name| format!("CAMPANILE_{name}")).to_vec();
    wanted.extend(["LANG".to_owned(), "PATH".to_owned()]);
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn a_digest_is_one_line_for_each_alert() {
    let script = Script::new("cat > input");
    script.sink("", "").send(&digest()).await.unwrap();
    assert_eq!(script.wrote("input").lines().count(), 2);
}

#[tokio::test]
async fn exit_codes_have_the_class_that_their_names_say() {
    for (code, class) in [
        (1, Class::Transient),
        (75, Class::Transient),
        (64, Class::Poison),
        (65, Class::Poison),
        (100, Class::Poison),
        (77, Class::Operator),
        (78, Class::Operator),
        (127, Class::Operator),
    ] {
        let script = Script::new(&format!("echo no such host >&2; exit {code}"));
        let failure = script.sink("", "").send(&message()).await.unwrap_err();
        assert_eq!(failure.class, class, "{code}: {failure}");
        let said = format!("ended with {code}. It said: no such host");
        assert!(failure.reason.contains(&said), "{failure}");
    }
    let script = Script::new("kill -9 $$");
    let failure = script.sink("", "").send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("signal 9"), "{failure}");
}

#[tokio::test]
async fn what_the_program_leaves_behind_is_killed_and_holds_nothing_up() {
    let script = Script::new("(/bin/sleep 600; echo late > late) & echo $! > child; exit 0");
    script.sink("", "").send(&message()).await.unwrap();
    let child = script.wrote("child");
    let stat = Path::new("/proc").join(child.trim()).join("stat");
    let ended = async {
        // The kernel ends it soon after the signal.
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    assert!(ended.is_ok(), "{child} still runs");
}

#[tokio::test]
async fn output_without_end_is_read_and_not_kept() {
    let script =
        Script::new("/usr/bin/head -c 20000000 /dev/zero | /usr/bin/tr '\\0' x; echo END; exit 1");
    let failure = script.sink("", "").send(&message()).await.unwrap_err();
    assert!(failure.reason.len() < 700, "{}", failure.reason.len());
    assert!(failure.reason.ends_with("END"), "{failure}");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_safely_is_refused_at_check() {
    let script = Script::new("exit 0");
    let refused = |text: &str| build(text).err().unwrap().to_string();
    assert!(refused("command = [\"on-alert\"]").contains("not an absolute path"));
    assert!(refused("command = [\"/no/such/program\"]").contains("entity not found"));
    assert!(
        refused("command = [\"/bin/sh\", \"-c\", \"echo {{ title }}\"]")
            .contains("a shell would run")
    );
    let path = script.path();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o757)).unwrap();
    assert!(refused(&format!("command = [\"{path}\"]")).contains("every user can change"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&format!("command = [\"{path}\"]")).contains("not an executable file"));
}
