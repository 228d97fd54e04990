//! `campanile alerts list --follow`.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Run, campanile};
use crate::patience::within;
use crate::restarted::Restarted;

/// A running `campanile alerts list --follow`.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(gateway: &Restarted, more: &[&str]) -> Self {
        let url = format!("http://{}", gateway.admin);
        let mut args = vec!["alerts", "list", "--follow", "--url", &url];
        args.extend(more);
        let mut command = Command::from(campanile(&args));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = within("a line of the program", self.lines.next_line()).await;
        line.unwrap().expect("the program goes on")
    }

    async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.push(self.line().await);
        }
        lines
    }

    /// Presses Ctrl-C. Returns what it said on stderr.
    async fn interrupt(mut self) -> String {
        let pid = self.child.id().unwrap().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-s", "INT", &pid]).status().unwrap().success());
        let ended = within("an end of the program", self.child.wait()).await;
        let ended = ended.unwrap();
        let mut said = String::new();
        let mut err = self.child.stderr.take().unwrap();
        err.read_to_string(&mut said).await.unwrap();
        assert_eq!(ended.code(), Some(0), "{said}");
        said
    }
}

fn resources(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|n| json!({"resource.id": format!("uhost-{n}")}).to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_alerts_come_once_and_in_order_although_the_gateway_is_killed() {
    let mut gateway = Restarted::start().await;
    gateway.alarms(0..12).await;
    let mut following = Following::start(&gateway, &["--ndjson=resource.id"]);
    assert_eq!(following.lines(10).await, resources(2..12), "the newest 10");
    gateway.alarms(12..14).await;
    assert_eq!(following.lines(2).await, resources(12..14));
    gateway.kill().await;
    gateway.again().await;
    gateway.alarms(14..20).await;
    assert_eq!(following.lines(6).await, resources(14..20));
    let said = following.interrupt().await;
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].ends_with("; trying again"), "{said:?}");
    assert_eq!(said[1], "the gateway is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_list_is_a_table_with_times() {
    let gateway = Restarted::start().await;
    gateway.alarms(0..1).await;
    let mut following = Following::start(&gateway, &["--limit", "1", "--source", "ucloud/prod"]);
    let [head, first] = following.lines(2).await.try_into().unwrap();
    assert!(head.starts_with("TIME"), "{head}");
    assert!(
        first.starts_with("20") && first.contains("firing"),
        "{first}"
    );
    gateway.alarms(1..2).await;
    let next = following.line().await;
    assert!(next.starts_with("20"), "no second heading: {next}");
    assert_eq!(following.interrupt().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_not_followed_without_a_gateway_or_with_flags_of_a_list_that_ends() {
    let mut gateway = Restarted::start().await;
    let url = format!("http://{}", gateway.admin);
    for (flags, words) in [
        (&["--limit", "51"][..], "at most 50"),
        (&["--json"], "cannot be used with"),
        (&["--since", "2h"], "cannot be used with"),
        (&["--all"], "cannot be used with"),
        (&["--sink", "webhook/oncall"], "cannot be used with"),
    ] {
        let mut args = vec!["alerts", "list", "--follow", "--url", &url];
        args.extend(flags);
        let run = Run::of(&args);
        assert_eq!(run.code, 2, "{}", run.err);
        run.says(words);
    }
    gateway.kill().await;
    let run = Run::of(&["alerts", "list", "--follow", "--url", &url]);
    assert_eq!(run.code, 3, "{}", run.err);
}
