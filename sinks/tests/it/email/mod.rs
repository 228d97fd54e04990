//! The kind `email` against a real mail server with TLS and a login (Python's aiosmtpd), and against one that lies.

mod classes;
mod hostile;
mod letters;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Alert, Status};
use campanile_receiver::server::{Server, free_port};
use campanile_settings::{Environment, Values};
use campanile_sinks::kinds::email::EmailKind;
use campanile_sinks::{BuildError, Class, Kind as _, Message, Sink, Tools, Worth};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::server::{file, program};
use super::{assert_no_secret, message, message_of};

const PASSWORD: &str = "c4nary-mail-password";
const USER: &str = "alerts@example.com";
const PATIENT: Duration = Duration::from_secs(30);

/// A mail server with a folder for its mails.
struct Post {
    server: Option<Server>,
    mode: &'static str,
    answers: Value,
    port: u16,
    folder: TempDir,
}

impl Post {
    /// Answers are lists by the step; an empty list accepts.
    async fn start(mode: &'static str, answers: Value) -> Self {
        let mut post = Self {
            server: None,
            mode,
            answers,
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
        };
        post.run().await;
        post
    }

    async fn run(&mut self) {
        let login = match self.mode {
            "plain" => String::new(),
            _ => format!("{USER}:{PASSWORD}"),
        };
        let mut command = Command::new(program("python"));
        command
            .arg(file("email/server.py"))
            .arg(self.mails_folder())
            .args([self.mode, &file("server.pem"), &login])
            .args([self.answers.to_string(), self.port.to_string()]);
        self.server = Some(Server::start(&mut command, "ready").await);
    }

    async fn kill(&mut self) {
        self.server.take().unwrap().end("KILL").await;
    }

    fn mails_folder(&self) -> PathBuf {
        self.folder.path().join("mails")
    }

    /// The mails that the server took, in their order.
    fn mails(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.mails_folder()).unwrap();
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        paths.iter().map(read).collect()
    }

    /// The recipient of each mail.
    fn recipients(&self) -> Vec<String> {
        let mails = self.mails();
        let to = mails
            .iter()
            .map(|mail| mail["to"][0].as_str().unwrap().to_owned());
        to.collect()
    }

    fn settings(&self) -> String {
        let login = format!("username = \"{USER}\"\npassword = \"{PASSWORD}\"\n");
        let (tls, login) = match self.mode {
            "plain" => ("none", ""),
            mode => (mode, login.as_str()),
        };
        format!(
            "host = \"localhost\"\nport = {}\ntls = \"{tls}\"\nca_file = \"{}\"\n{login}\
             from = \"Campanile <{USER}>\"\nto = [\"oncall@example.com\"]\n",
            self.port,
            file("authority.pem"),
        )
    }

    fn sink(&self) -> Arc<dyn Sink> {
        built(&self.settings(), PATIENT)
    }

    /// The same with more recipients.
    fn sink_to(&self, to: &[&str]) -> Arc<dyn Sink> {
        let settings = self.settings();
        let settings = settings.replace("[\"oncall@example.com\"]", &format!("{to:?}"));
        built(&settings, PATIENT)
    }
}

fn try_built(settings: &str, timeout: Duration) -> Result<Arc<dyn Sink>, BuildError> {
    let values = Values::parse(settings, EmailKind.settings(), &Environment::new());
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}\n{settings}"));
    let tools = Tools {
        name: "email/ops",
        timeout,
    };
    EmailKind.build(&values, &tools)
}

fn built(settings: &str, timeout: Duration) -> Arc<dyn Sink> {
    try_built(settings, timeout).unwrap_or_else(|error| panic!("{error}"))
}

fn header<'a>(mail: &'a Value, name: &str) -> Option<&'a str> {
    let headers = mail["headers"].as_array().unwrap().iter();
    let mut found = headers.filter(|header| header[0] == name);
    let value = found.next().map(|header| header[1].as_str().unwrap());
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

/// An alert as a vendor sends it at night.
fn firing() -> Alert {
    let mut alert = Alert::clone(&message().alerts[0]);
    alert.id = "0197a1b2-0000-7000-8000-000000000001".into();
    alert.title = "CPU of db-1 is at 97 %".into();
    alert.starts_at = Some("2026-11-20T19:02:11Z".parse().unwrap());
    alert
}

/// The recovery of [`firing`], under another title, as a later message of its episode.
fn recovery() -> Message {
    let mut alert = firing();
    alert.id = "0197a1b2-0000-7000-8000-000000000002".into();
    alert.title = "OK".into();
    alert.status = Status::Resolved;
    alert.ends_at = Some("2026-11-20T19:14:42Z".parse().unwrap());
    Message {
        opened: Some(Arc::new(firing())),
        delivery_id: "dlv_fedcba9876543210fedcba9876543210".to_owned(),
        ..message_of(alert)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_out_over_tls_from_the_first_byte_and_over_starttls() {
    for mode in ["implicit", "starttls"] {
        let post = Post::start(mode, json!({})).await;
        let sink = post.sink();
        let delivered = sink.send(&message_of(firing())).await.unwrap();
        assert_eq!((delivered.worth, delivered.remark), (Worth::Accepted, None));
        let mail = post.mails().remove(0);
        assert_eq!((&mail["tls"], &mail["user"]), (&json!(true), &json!(USER)));
        assert_eq!(
            (&mail["from"], &mail["defects"]),
            (&json!(USER), &json!([]))
        );
        let probe = sink.probe("2026-11-21T07:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(
            probe.await.unwrap(),
            "localhost accepts the connection and the credentials"
        );
        assert_eq!(post.mails().len(), 1, "a probe sends nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_of_the_same_network_needs_no_tls_and_no_login() {
    let post = Post::start("plain", json!({})).await;
    post.sink().send(&message_of(firing())).await.unwrap();
    assert_eq!(post.mails()[0]["tls"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_gets_a_mail_of_its_own() {
    let post = Post::start("implicit", json!({})).await;
    let sink = post.sink_to(&["oncall@example.com", "Ops <ops@example.com>"]);
    sink.send(&message_of(firing())).await.unwrap();
    let mails = post.mails();
    let to: Vec<_> = mails
        .iter()
        .map(|mail| (&mail["to"], header(mail, "to")))
        .collect();
    let wanted = [
        (&json!(["oncall@example.com"]), Some("oncall@example.com")),
        (&json!(["ops@example.com"]), Some("Ops <ops@example.com>")),
    ];
    assert_eq!(to, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_does_not_exist_is_named_and_the_others_get_the_mail() {
    let refused = json!({"RCPT gone@example.com": ["550 5.1.1 No such user here"]});
    let post = Post::start("implicit", refused).await;
    let sink = post.sink_to(&["gone@example.com", "oncall@example.com"]);
    let delivered = sink.send(&message_of(firing())).await.unwrap();
    let remark = delivered.remark.unwrap();
    for words in ["gone@example.com", "550 5.1.1 No such user here"] {
        assert!(remark.contains(words), "{remark}");
    }
    assert_eq!(post.recipients(), ["oncall@example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_must_wait_holds_up_nobody_and_is_sent_to_alone() {
    let full =
        json!({"RCPT full@example.com": ["452 4.2.2 Mailbox full", "552 5.2.2 Mailbox full", ""]});
    let post = Post::start("implicit", full).await;
    let sink = post.sink_to(&["full@example.com", "oncall@example.com"]);
    for _ in 0..2 {
        let failure = sink.send(&message_of(firing())).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.retry_after),
            (Class::Transient, None)
        );
        assert!(
            failure.reason.contains("1 of 2 recipients have the mail"),
            "{failure}"
        );
        assert!(failure.reason.contains("full@example.com"), "{failure}");
        assert_eq!(post.recipients(), ["oncall@example.com"]);
    }
    sink.send(&message_of(firing())).await.unwrap();
    assert_eq!(
        post.recipients(),
        ["oncall@example.com", "full@example.com"]
    );
    // The next delivery goes to both.
    let mut next = message_of(firing());
    next.delivery_id = "dlv_next".to_owned();
    sink.send(&next).await.unwrap();
    assert_eq!(post.recipients().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_and_comes_back_gets_each_mail_once() {
    let mut post = Post::start("starttls", json!({})).await;
    let sink = post.sink();
    sink.send(&message_of(firing())).await.unwrap();
    post.kill().await;
    let failure = sink.send(&recovery()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("cannot connect"), "{failure}");
    post.run().await;
    sink.send(&recovery()).await.unwrap();
    assert_eq!(post.mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_ends_the_attempt_and_a_dropped_attempt_sends_nothing_later() {
    for step in ["MAIL", "RCPT oncall@example.com"] {
        let mut answers = json!({});
        answers[step] = json!(["hang"]);
        let post = Post::start("implicit", answers).await;
        let sink = built(&post.settings(), Duration::from_millis(1500));
        let failure = sink.send(&message_of(firing())).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient);
        assert!(failure.reason.contains("within 1.5 s"), "{failure}");
        assert!(post.mails().is_empty(), "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_say_goodbye_has_the_mail_all_the_same() {
    let post = Post::start("implicit", json!({"QUIT": ["hang"]})).await;
    let sink = built(&post.settings(), Duration::from_millis(1500));
    sink.send(&message_of(firing())).await.unwrap();
    assert_eq!(post.mails().len(), 1);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_fix() {
    let right = "host = \"h\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n";
    let login = "username = \"u\"\npassword = \"c4nary-password\"\n";
    let many: Vec<_> = (0..51).map(|n| format!("a{n}@example.com")).collect();
    for (text, setting, words) in [
        (
            format!("{right}{login}tls = \"none\"\n"),
            "tls",
            "never sent without TLS",
        ),
        (
            format!("{right}username = \"u\"\n"),
            "password",
            "set `password` too",
        ),
        (
            format!("{right}password = \"c4nary-password\"\n"),
            "username",
            "set `username` too",
        ),
        (
            right.replace("b@example.com", "Ops, b@"),
            "to",
            "`Ops, b@` is not a valid mail address",
        ),
        (
            right.replace("b@example.com", "b@例子.example"),
            "to",
            "xn--",
        ),
        (
            right.replace("[\"b@example.com\"]", &format!("{many:?}")),
            "to",
            "mailing list",
        ),
        (
            right.replace("a@example.com", "nobody"),
            "from",
            "not a valid mail address",
        ),
        (
            right.replace("\"h\"", "\"169.254.169.254\""),
            "host",
            "refused",
        ),
        (
            format!("{right}ca_file = \"/nonexistent.pem\"\n"),
            "ca_file",
            "cannot be read",
        ),
    ] {
        let Err(error) = try_built(&text, PATIENT) else {
            panic!("{text} passes");
        };
        assert_eq!(error.setting, setting, "{error}");
        assert!(error.problem.contains(words), "{error}");
        assert_no_secret(&error.to_string());
    }
    assert!(try_built(right, PATIENT).is_ok());
    assert!(Path::new(&file("authority.pem")).exists());
}
