//! Every secret setting gets a canary as its value. The list comes from the table of settings: a new setting is included
//! without a change here. Then the tests cause every failure; no log, page, answer or file may show a canary.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use campanile::config::{self, Environment, SecretKind, SecretSlot};
use campanile_model::{Callback, Secret};
use campanile_providers::fixture::{TOPIC, TOPIC_URN, USER};
use campanile_providers::{Provider, Stamp, all, by_name, fixtures};
use campanile_receiver::google;
use campanile_settings::Setting;
use campanile_sinks::Kind;

use crate::gateway::{preamble, raw};
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::secrets::{assert_clean, pages};
use crate::standing::{post, request};

const KEY: &str = "c4nary-path-key";
const TOKEN: &str = "c4nary-vendor-token";
const ADMIN: &str = "Authorization: Bearer c4nary-admin-token\r\n";
const SIGNING: &str = "whsec_Yw4naryc4naryc4naryc4naryc4naryA";

/// The canary of a slot, as TOML.
fn canary(slot: &SecretSlot, receiver: &str) -> String {
    let text = match slot.kind {
        SecretKind::Text if slot.table == "admin" => "c4nary-admin-token".to_owned(),
        SecretKind::Text if slot.table == "admin.tokens" => "c4nary-shift-token".to_owned(),
        SecretKind::Text if slot.name == "key" => KEY.to_owned(),
        // The receiver is its own proxy.
        SecretKind::Text if slot.name == "proxy" => {
            receiver.replace("http://", "http://c4nary-user:c4nary-pass@")
        }
        SecretKind::Text if slot.name == "service_account" => {
            return format!("{:?}", google::service_account(TOKEN));
        }
        // An ID and a token.
        SecretKind::Text if slot.name == "login_token" => format!("12345,{TOKEN}"),
        SecretKind::Text => TOKEN.to_owned(),
        SecretKind::Signing => SIGNING.to_owned(),
        // Some recipes refuse an address with a query.
        SecretKind::Url if slot.table != "sinks.webhook" => format!("{receiver}/c4nary-path"),
        SecretKind::Url => format!("{receiver}/c4nary-path?token=c4nary-query"),
        SecretKind::Headers => {
            return "{ X-One = \"c4nary-header\", Authorization = \"Bearer c4nary-header\" }"
                .to_owned();
        }
    };
    format!("\"{text}\"")
}

fn with_user(name: &str) -> &str {
    if name == "password" { "user" } else { name }
}

/// The slots of a sink's table, in groups that can be set together: two alternatives are in two groups.
fn groups<'s>(own: &[&'s SecretSlot], kind: &dyn Kind) -> Vec<Vec<&'s SecretSlot>> {
    let settings = kind.settings();
    let required = |slot: &SecretSlot| settings.iter().any(|s| s.required && s.name == slot.name);
    let (needed, others): (Vec<&SecretSlot>, Vec<_>) = own.iter().partition(|slot| required(slot));
    let pairs = kind.about().alternatives;
    // A password is set with its user, and the user can be an alternative.
    let apart = |a: &str, b: &str| {
        let (a, b) = (with_user(a), with_user(b));
        pairs.contains(&(a, b)) || pairs.contains(&(b, a))
    };
    let mut groups = vec![needed.clone()];
    for slot in others {
        let fits = |group: &Vec<&SecretSlot>| !group.iter().any(|o| apart(&o.name, &slot.name));
        match groups.iter_mut().find(|group| fits(group)) {
            Some(group) => group.push(slot),
            None => groups.push([needed.clone(), vec![slot]].concat()),
        }
    }
    groups
}

/// One table of a source or a sink with these secrets.
fn table(name: &str, slots: &[&SecretSlot], receiver: &str) -> String {
    let mut text = format!("[{name}]\n");
    for slot in slots {
        let _infallible = writeln!(text, "{} = {}", slot.name, canary(slot, receiver));
    }
    text
}

fn source_tables(provider: &dyn Provider, own: &[&SecretSlot], receiver: &str) -> String {
    let mut text = table(
        &format!("providers.{}.canary", provider.name()),
        own,
        receiver,
    );
    for setting in &provider.about().settings {
        let value = match &*setting.name {
            "user" => format!("\"{USER}\""),
            "topics" => format!("[\"{TOPIC}\", \"{TOPIC_URN}\"]"),
            _ => continue,
        };
        let _infallible = writeln!(text, "{} = {value}", setting.name);
    }
    text
}

fn sink_tables(kind: &dyn Kind, own: &[&SecretSlot], receiver: &str) -> String {
    let mut text = String::new();
    for (number, group) in groups(own, kind).into_iter().enumerate() {
        let name = format!("sinks.{}.canary-{number}", kind.about().name);
        text += &table(&name, &group, receiver);
        let settings = kind.settings();
        // A password is of no use without its user, a token of DNSPod without an address, and RabbitMQ has no default
        // exchange.
        let password = group.iter().any(|slot| slot.name == "password");
        let wanted = |s: &&Setting| {
            let user = password && ["username", "user"].contains(&&*s.name);
            (s.required || user || ["contact", "exchange"].contains(&&*s.name))
                && !s.takes.is_secret()
        };
        for setting in settings.iter().filter(wanted) {
            let _infallible = writeln!(text, "{} = {}", setting.name, setting.example);
        }
    }
    text
}

/// The providers' tables and the sinks', with all their slots.
fn settings(receiver: &str) -> String {
    let slots = config::secret_slots();
    let mut tables: Vec<&str> = slots.iter().map(|slot| slot.table.as_str()).collect();
    tables.dedup();
    let mut text = String::new();
    for table in tables.into_iter().filter(|table| *table != "admin") {
        let own: Vec<_> = slots.iter().filter(|slot| slot.table == table).collect();
        let sinks = campanile_sinks::kinds();
        let is_named =
            |kind: &&Arc<dyn Kind>| table.strip_prefix("sinks.") == Some(&*kind.about().name);
        if let Some(provider) = table.strip_prefix("providers.").and_then(by_name) {
            text += &source_tables(&**provider, &own, receiver);
        } else if let Some(kind) = sinks.iter().find(is_named) {
            text += &sink_tables(&**kind, &own, receiver);
        } else if table == "telemetry.otlp" {
            text += &self::table(table, &own, receiver);
        } else {
            text += &self::table(&format!("{table}.canary"), &own, receiver);
        }
    }
    // Addresses without a server, for the errors of connecting and resolving.
    text + "[sinks.webhook.closed]\nurl = \"http://c4nary-user:c4nary-pass@127.0.0.1:9/c4nary\"\n\
            [sinks.webhook.unresolved]\nurl = \"http://no-such-host.invalid/c4nary\"\n\
            [sinks.webhook.plain]\nurl = \"https://127.0.0.1:9/c4nary\"\n"
}

fn write_config(folder: &Path, settings: &str) -> std::path::PathBuf {
    let admin = "[admin]\ntoken = \"c4nary-admin-token\"\n";
    let preamble = preamble(folder).replace("[admin]\n", admin);
    let file = folder.join("campanile.toml");
    std::fs::write(
        &file,
        format!("{preamble}[log]\nlevel = \"trace\"\n{settings}"),
    )
    .unwrap();
    file
}

/// Requests of each vendor: with the right proof, with a wrong proof, and broken with every secret inside.
fn calls(provider: &'static dyn Provider) -> Vec<Vec<u8>> {
    let token = Secret::from(TOKEN);
    let stamp = Stamp {
        serial: 7,
        at: jiff::Timestamp::UNIX_EPOCH,
        token: Some(&token),
    };
    let path = format!("/callback/{}/canary", provider.name());
    let (right, wrong) = (format!("{path}/{KEY}"), format!("{path}/{KEY}-c4nary"));
    let firing = fixtures(provider.name())
        .iter()
        .find(|f| f.case == "firing")
        .unwrap();
    let firing = firing.callback().unwrap();
    let fresh = provider.refresh(firing.clone(), &stamp);
    let mut echo = fresh.clone();
    let has_token = provider
        .about()
        .settings
        .iter()
        .any(|setting| setting.takes.is_secret());
    let said = if has_token { TOKEN } else { "" };
    echo.body = format!("{{ broken {KEY} {said} Bearer {said}").into_bytes();
    let open = |call: &Callback| raw(call, &right);
    vec![
        open(&fresh),
        open(&fresh),
        open(&firing),
        open(&echo),
        raw(&fresh, &wrong),
        raw(&fresh, &path),
    ]
}

fn strays() -> Vec<Vec<u8>> {
    vec![
        post(&format!("/callback/{KEY}"), "", b"{}"),
        post(&format!("/callback/ucloud/canary/{KEY}/deeper"), "", b""),
        post(
            &format!("/callback/ucloud/canary/c4nary%2Dpath-key?key={KEY}"),
            "",
            KEY.as_bytes(),
        ),
        post(&format!("/add/{KEY}"), "", b"{}"),
        request(
            "GET",
            &format!("/nowhere/{KEY}"),
            &format!("x: {TOKEN}\r\nauthorization: Bearer {TOKEN}\r\n"),
            b"",
        ),
        request("DELETE", &format!("/callback/ucloud/canary/{KEY}"), "", b""),
        format!("POST /callback/{KEY} HTTP/1.1\r\nhost: x\r\n{TOKEN} : x\r\n\r\n").into_bytes(),
        format!(
            "POST /callback/{KEY} HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            TOKEN.repeat(10_000)
        )
        .into_bytes(),
        post(
            &format!("/callback/ucloud/canary/{KEY}?{}", TOKEN.repeat(2000)),
            "",
            b"{}",
        ),
        post(
            &format!("/callback/ucloud/canary/{KEY}"),
            "content-encoding: gzip\r\n",
            KEY.as_bytes(),
        ),
    ]
}

/// Files of the database, as they are on the disk.
fn assert_database_is_clean(folder: &Path) {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let database: Vec<_> = files
        .filter(|path| path.to_string_lossy().contains("campanile.db"))
        .collect();
    assert!(!database.is_empty());
    for path in database {
        let bytes = std::fs::read(&path).unwrap();
        assert_clean("the database", &String::from_utf8_lossy(&bytes));
    }
}

/// The output of the commands that read a config and a request.
fn assert_commands_are_clean(config: &Path, call: &[u8]) {
    let file = config.with_file_name("request.http");
    std::fs::write(&file, call).unwrap();
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    for args in [
        vec!["check", "--config", config],
        vec!["check", "--json", "--config", config],
        vec!["try", "--config", config, file],
        vec!["try", "--config", config, "--believe", "--explain", file],
        vec!["try", "--config", config, "--believe", "--json", file],
    ] {
        let run = crate::cli::Run::of(&args);
        assert_clean(&args.join(" "), &format!("{}{}", run.out, run.err));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_seen_wherever_one_may_stand() {
    let receiver = Receiver::start([]).await;
    receiver.now_plays([
        Play::status(500),
        Play::Reset,
        Play::with(301, "location", "http://127.0.0.1:9/c4nary"),
        Play::status(401),
        Play::ResetInBody,
        // A receiver whose error quotes the address that was called.
        Play::body(&receiver.url("/c4nary-path")),
    ]);
    let folder = tempfile::tempdir().unwrap();
    // The folder of an example is not on every machine.
    let here = folder.path().to_string_lossy();
    let settings = settings(&receiver.url("")).replace("/var/lib/campanile", &here);
    let config = write_config(folder.path(), &settings);
    let process = Process::start(folder.path()).await;
    for call in strays()
        .into_iter()
        .chain(all().iter().flat_map(|provider| calls(&**provider)))
    {
        let reply = process.send(&call).await;
        assert_clean("an answer", &format!("{reply:?}"));
    }
    receiver.got_at_least(6).await;
    assert_clean("a page", &pages(&process, ADMIN).await);
    assert_database_is_clean(folder.path());
    process.signal("TERM");
    process.ended().await;
    assert_clean("the log", &process.log());
    assert_clean("the output", &process.output());
    assert_database_is_clean(folder.path());
    for provider in ["ucloud", "jiankong", "grafana"] {
        let provider = by_name(provider).unwrap();
        assert_commands_are_clean(&config, &calls(&**provider)[0]);
    }
}

/// The ways in which a hand slips when it writes a secret.
fn slips(value: &str) -> Vec<String> {
    let bare = value.trim_matches('"');
    vec![
        format!("\"{bare}"),
        bare.to_owned(),
        format!("[{value}"),
        format!("[[{value}]]"),
        format!("[{value}, 7]"),
        format!("{{ envv = {value} }}"),
        format!("{{ env = {value} }}"),
        format!("{{ value = [{value}] }}"),
        format!("{{ value = {value}, env = {value} }}"),
        format!("{{ dangerous_weak = {value} }}"),
        format!("{value} {value}"),
        "\"c4nary\"".to_owned(),
        "\"ftp://c4nary\"".to_owned(),
        "\"{{ c4nary\"".to_owned(),
    ]
}

#[test]
fn no_mistake_in_a_secret_shows_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut reported = 0;
    for slot in config::secret_slots() {
        // Every vendor's settings are read alike: one is enough.
        if slot.table.starts_with("providers.") && slot.table != "providers.jiankong" {
            continue;
        }
        let table = if ["admin", "telemetry.otlp"].contains(&slot.table.as_str()) {
            slot.table.clone()
        } else {
            format!("{}.canary", slot.table)
        };
        for slip in slips(&canary(&slot, "http://127.0.0.1:9")) {
            let file = folder.path().join("c.toml");
            std::fs::write(&file, format!("[{table}]\n{} = {slip}\n", slot.name)).unwrap();
            if let Err(mistakes) = config::load(&[file], &Environment::new()) {
                assert_clean(
                    &format!("{table}.{} = {slip}", slot.name),
                    &mistakes.to_string(),
                );
                reported += 1;
            }
        }
    }
    assert!(reported > 50, "{reported} mistakes");
}
