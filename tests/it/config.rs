//! Configuration: what is accepted, and what is said of what is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use campanile::config::{
    self, Config, Environment, Language, Location, Mistake, Mistakes, Policy, SinkKind, Vocabulary,
    WebhookBody, schema,
};
use campanile_providers::{
    Answer, Callback, Outcome, Proof, Provider, Reading, Setting, SettingKind, Severity, Source,
    Stamp, Unreadable,
};
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// Stands in every place for a secret: must never be seen.
const CANARY: &str = "canary-7f3a91d05c";

/// A provider of which only the settings matter here.
struct Fake {
    name: &'static str,
    settings: &'static [Setting],
}

const UCLOUD: Fake = Fake {
    name: "ucloud",
    settings: &[Setting {
        name: "demo_paths",
        kind: SettingKind::DemoPaths,
        doc: "Also the demo server's paths.",
    }],
};

const JIANKONG: Fake = Fake {
    name: "jiankong",
    settings: &[Setting {
        name: "token",
        kind: SettingKind::Token,
        doc: "The callback token.",
    }],
};

impl Provider for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn title(&self) -> &str {
        self.name
    }

    fn doc(&self) -> &'static str {
        ""
    }

    fn settings(&self) -> &[Setting] {
        self.settings
    }

    fn proof_kind(&self) -> &'static str {
        "path key"
    }

    fn message_id_kind(&self) -> &'static str {
        "id"
    }

    fn confidence(&self) -> &'static str {
        "documented"
    }

    fn recognizes(&self, _: &Callback) -> bool {
        false
    }

    fn proof<'a>(&self, _: &'a Callback, source: &'a Source) -> Proof<'a> {
        if self
            .settings
            .iter()
            .any(|setting| setting.kind == SettingKind::Token)
        {
            Proof::Secret {
                given: None,
                wanted: &source.tokens,
            }
        } else {
            Proof::Nothing
        }
    }

    fn read(&self, _: &Callback, _: &Source) -> Result<Reading, Unreadable> {
        unreachable!("nothing is read here")
    }

    fn answer(&self, _: &Callback, _: &Outcome<'_>) -> Answer {
        unreachable!("nothing is answered here")
    }

    fn refresh(&self, call: Callback, _: &Stamp<'_>) -> Callback {
        call
    }
}

fn vocabulary() -> Vocabulary<'static> {
    Vocabulary {
        providers: vec![Arc::new(JIANKONG), Arc::new(UCLOUD)],
        expressions: &Language,
    }
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Loads files of these names and texts, all in one folder.
fn load_files(
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> (TempDir, Result<Config, Mistakes>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let loaded = config::load_with(
        &[folder.path().to_owned()],
        &environment(variables),
        &vocabulary(),
    );
    (folder, loaded)
}

fn load(text: &str) -> Result<Config, Mistakes> {
    load_files(&[("campanile.toml", text)], &[]).1
}

fn place(mistake: &Mistake) -> (usize, usize) {
    match &mistake.location {
        Location::Line(line) => (line.line, line.column),
        other => panic!("{other:?} is no line"),
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name)
}

#[test]
fn an_empty_file_gives_every_default() {
    let config = load("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.body_bytes_max, 1_048_576);
    assert_eq!(config.server.head_timeout, Duration::from_secs(5));
    assert_eq!(config.server.body_timeout, Duration::from_secs(10));
    assert_eq!(config.server.connections_max, 10_000);
    assert!(config.server.workers > 0);
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.store.path, Path::new("campanile.db"));
    assert_eq!(config.store.retention_days, 30);
    assert_eq!(
        (config.log.pretty, config.log.level.as_str()),
        (false, "info")
    );
    assert!(config.feeds.is_empty() && config.sinks.is_empty() && config.routes.is_empty());
}

#[test]
fn the_default_policy_of_the_code_is_that_of_the_table() {
    let config = load("[sinks.stdout.screen]").unwrap();
    assert_eq!(
        format!("{:?}", config.sinks[0].policy),
        format!("{:?}", Policy::default())
    );
}

#[test]
fn every_setting_of_a_source_and_a_sink_arrives() {
    let config = load(
        r#"
        [providers.ucloud.prod]
        key = ["first-secret-1", "second-secret-2"]
        allow_from = ["106.75.0.0/16", "192.0.2.7"]
        severity = "warning"
        severities = { P0 = "critical" }
        time_zone = "Asia/Shanghai"
        labels = { team = "db" }
        demo_paths = true
        [sinks.webhook.oncall]
        url = "https://oncall.example.com/hook"
        method = "PUT"
        body = '{"text": {{ title|tojson }}}'
        headers = { X-Team = "{{ labels.team }}" }
        egress = "public_only"
        success = "body.errcode == 0"
        timeout = "20s"
        retry_schedule = ["2s", "1m"]
        max_age = "1h"
        per_minute = 20
        overflow = "digest"
        [[routes]]
        when = "severity == 'critical'"
        sinks = ["webhook/oncall"]
        "#,
    )
    .unwrap();
    let source = &config.feeds[0].source;
    assert_eq!(source.name, "ucloud/prod");
    assert_eq!((source.keys.len(), source.allow_from.len()), (2, 2));
    assert_eq!(source.severity, Some(Severity::Warning));
    assert_eq!(source.severities["P0"], Severity::Critical);
    assert_eq!(
        source.time_zone.as_ref().unwrap().iana_name(),
        Some("Asia/Shanghai")
    );
    assert_eq!(source.labels["team"], "db");
    assert!(source.demo_paths);
    let sink = &config.sinks[0];
    let SinkKind::Webhook(webhook) = &sink.kind else {
        panic!()
    };
    assert_eq!(webhook.method, "PUT");
    assert!(matches!(&webhook.body, WebhookBody::Template(text) if text.contains("tojson")));
    assert_eq!(webhook.headers[0].0, "X-Team");
    assert!(webhook.public_only);
    assert_eq!(webhook.success.as_deref(), Some("body.errcode == 0"));
    assert_eq!(sink.policy.retry_schedule, [2, 60].map(Duration::from_secs));
    assert_eq!(
        (sink.policy.per_minute, sink.policy.digest),
        (Some(20), true)
    );
    assert_eq!(config.routes[0].sinks, [0]);
}

#[test]
fn sources_and_sinks_keep_the_order_of_the_file() {
    let config = load(
        "[providers.ucloud.z]\nopen = true\n[providers.jiankong.m]\nopen = true\n[providers.ucloud.a]\nopen = true\n\
         [sinks.stdout.z]\n[sinks.file.m]\npath = 'x'\n[sinks.stdout.a]\n",
    )
    .unwrap();
    let sources: Vec<_> = config
        .feeds
        .iter()
        .map(|feed| feed.source.name.as_str())
        .collect();
    let sinks: Vec<_> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(sources, ["ucloud/z", "jiankong/m", "ucloud/a"]);
    assert_eq!(sinks, ["stdout/z", "file/m", "stdout/a"]);
}

#[test]
fn five_different_mistakes_show_five_each_in_its_place() {
    let mistakes = load(
        "[server]\n\
         listen = \"localhost:8080\"\n\
         [providers.ucloud.prod]\n\
         key = \"changeme\"\n\
         sevrity = \"warning\"\n\
         [sinks.webhook.oncall]\n\
         url = \"https://oncall.example.com\"\n\
         timeout = \"15\"\n\
         [[routes]]\n\
         sinks = [\"webhook/oncal\"]\n",
    )
    .unwrap_err();
    let places: Vec<_> = mistakes.iter().map(place).collect();
    assert_eq!(
        places,
        [(2, 10), (4, 7), (5, 1), (8, 11), (10, 10)],
        "{mistakes}"
    );
}

#[test]
fn a_mistake_is_drawn_with_its_line_a_caret_and_the_nearest_word() {
    let (folder, loaded) = load_files(&[("campanile.toml", "[log]\nfromat = \"json\"\n")], &[]);
    let drawn = loaded.unwrap_err().to_string();
    let file = folder.path().join("campanile.toml");
    let wanted = format!(
        "error: unknown setting `fromat`\n  --> {}:2:1\n  |\n2 | fromat = ***\n  | ^^^^^^ expected `format` or `level`; did you mean `format`?\n",
        file.display()
    );
    assert_eq!(drawn, wanted);
}

#[test]
fn the_caret_stands_under_its_word_behind_chinese_text() {
    let mistakes =
        load("[providers.ucloud.prod]\nopen = true\nlabels = { a = \"监控\", b = 3 }").unwrap_err();
    let drawn = mistakes.to_string();
    let lines: Vec<_> = drawn.lines().collect();
    assert!(
        lines[3].ends_with("labels = { a = \"监控\", b = 3 }"),
        "{drawn}"
    );
    // Two columns for each of the two characters.
    assert_eq!(
        lines[4].find('^'),
        lines[3].find("3 }").map(|bytes| bytes - 6 + 4),
        "{drawn}"
    );
}

/// What is written, where the mistake is, and words that must be said.
const MISTAKES: &[(&str, (usize, usize), &[&str])] = &[
    (
        "[sever]\n",
        (1, 2),
        &["unknown section `sever`", "did you mean `server`"],
    ),
    (
        "[server]\nlistn = 1\n",
        (2, 1),
        &["unknown setting `listn`", "did you mean `listen`"],
    ),
    (
        "[server]\nlisten = 8080\n",
        (2, 10),
        &["`listen` is a number", "127.0.0.1:8080"],
    ),
    (
        "[server]\nlisten = \"localhost:9\"\n",
        (2, 10),
        &["did you mean `127.0.0.1:9`"],
    ),
    (
        "[server]\nbody_bytes_max = 1.5\n",
        (2, 18),
        &["fraction", "whole number"],
    ),
    (
        "[server]\nworkers = 0\n",
        (2, 11),
        &["`workers` is 0", "from 1 to 1024"],
    ),
    (
        "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0/8\"]\n",
        (2, 34),
        &["`10.0.0/8`", "address range"],
    ),
    (
        "[server]\nclient_certificate_header = \"x cert\"\n",
        (2, 29),
        &["not the name of a header", "x-client-cert-cn"],
    ),
    (
        "[providers.ucloud.prod]\nclient_certificate = [\"a.example.com\"]\n",
        (2, 1),
        &["no `client_certificate_header`", "trusted_proxies"],
    ),
    (
        "[server]\nclient_certificate_header = \"x-cn\"\n[providers.ucloud.prod]\nclient_certificate = [\"a\"]\n",
        (4, 1),
        &["no `trusted_proxies`"],
    ),
    (
        "[server]\nhead_timeout = 5\n",
        (2, 16),
        &["is a number", "\"15s\""],
    ),
    (
        "[server]\nhead_timeout = \"5 parsecs\"\n",
        (2, 16),
        &["not a duration"],
    ),
    ("[server]\nhead_timeout = \"-5s\"\n", (2, 16), &["negative"]),
    (
        "[server]\nhead_timeout = \"2h\"\n",
        (2, 16),
        &["too long", "5m"],
    ),
    (
        "server = 1\n",
        (1, 1),
        &["`server` is not a table", "[server]"],
    ),
    (
        "[admin]\nlisten = \"0.0.0.0:8081\"\n",
        (2, 10),
        &["no `token`", "loopback"],
    ),
    (
        "[admin]\nlisten = \"127.0.0.1:8080\"\n",
        (2, 10),
        &["same address"],
    ),
    (
        "[store]\nurl = \"postgres://u:p@h/d\"\n",
        (2, 7),
        &["SQLite only for now"],
    ),
    (
        "[store]\nurl = \"sqlite::memory:\"\n",
        (2, 7),
        &["not the path of a file"],
    ),
    ("[store]\nurl = \"campanile.db\"\n", (2, 7), &["sqlite:"]),
    ("[store]\nretention_days = 0\n", (2, 18), &["is 0"]),
    (
        "[log]\nformat = \"jsn\"\n",
        (2, 10),
        &["`jsn`", "did you mean `json`"],
    ),
    (
        "[log]\nlevel = \"inof\"\n",
        (2, 9),
        &["did you mean `info`"],
    ),
    (
        "[providers.uclod.prod]\n",
        (1, 12),
        &["unknown provider `uclod`", "did you mean `ucloud`"],
    ),
    (
        "[providers.ucloud]\nopen = true\n",
        (2, 1),
        &["[providers.ucloud.prod]"],
    ),
    (
        "[providers.ucloud.Prod]\n",
        (1, 19),
        &["cannot be a name", "lower-case"],
    ),
    (
        "[providers.ucloud.prod]\n",
        (1, 19),
        &["no proof", "open = true"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"\"\n",
        (2, 7),
        &["empty", "dangerous_weak"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"short\"\n",
        (2, 7),
        &["too short"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"ChangeMe\"\n",
        (2, 7),
        &["everybody guesses"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"PASSWORD\"\n",
        (2, 7),
        &["everybody guesses"],
    ),
    (
        "[providers.ucloud.prod]\nkey = [\"good-secret-1\", \"secret\"]\n",
        (2, 25),
        &["everybody guesses"],
    ),
    ("[providers.ucloud.prod]\nkey = []\n", (2, 7), &["empty"]),
    (
        "[providers.ucloud.prod]\nkey = { evn = \"X\" }\n",
        (2, 15),
        &["unknown word", "did you mean `env`"],
    ),
    (
        "[providers.ucloud.prod]\nkey = { env = \"NOT_SET\" }\n",
        (2, 7),
        &["NOT_SET, which is not set"],
    ),
    (
        "[providers.ucloud.prod]\nkey = { file = \"/does/not/exist\" }\n",
        (2, 7),
        &["/does/not/exist", "cannot be read"],
    ),
    (
        "[providers.ucloud.prod]\nkey = { env = \"A\", file = \"B\" }\n",
        (2, 7),
        &["where the secret is"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nkey = \"good-secret-1\"\n",
        (1, 19),
        &["is open", "never asked"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nseverity = \"fatal\"\n",
        (3, 12),
        &["`fatal`", "`critical`"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nseverities = { P0 = \"critcal\" }\n",
        (3, 21),
        &["did you mean `critical`"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\ntime_zone = \"Asia/Shangai\"\n",
        (3, 13),
        &["did you mean `Asia/Shanghai`"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nlabels = { a = 1 }\n",
        (3, 16),
        &["is a number"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nallow_from = [\"10.0.0.0/33\"]\n",
        (3, 15),
        &["10.0.0.0/33"],
    ),
    (
        "[providers.ucloud.prod]\nopen = \"yes\"\n",
        (2, 8),
        &["is text", "`true` or `false`"],
    ),
    (
        "[providers.jiankong.web]\nkey = \"good-secret-1\"\n",
        (1, 21),
        &["could never believe", "`token`"],
    ),
    (
        "[providers.ucloud.a]\nopen = true\ndemo_paths = true\n[providers.ucloud.b]\nopen = true\ndemo_paths = true\n",
        (6, 1),
        &["ucloud/a"],
    ),
    (
        "[sinks.webhok.a]\n",
        (1, 8),
        &["unknown kind of sink `webhok`", "did you mean `webhook`"],
    ),
    ("[sinks.webhook.a]\n", (1, 16), &["has no `url`"]),
    (
        "[sinks.webhook.a]\nurl = \"oncall.example.com\"\n",
        (2, 7),
        &["not a URL", "https://"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"ftp://oncall.example.com\"\n",
        (2, 7),
        &["neither http"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nmethod = \"GET\"\n",
        (3, 10),
        &["`GET`", "`POST`"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nsigning_secret = \"whsec_c2hvcnQ=\"\n",
        (3, 18),
        &["5 bytes", "24 to 64"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nsigning_secret = \"plain-secret\"\n",
        (3, 18),
        &["whsec_"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nheaders = { \"a b\" = \"x\" }\n",
        (3, 21),
        &["cannot be a header"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nheaders = { A = \"{{ x\" }\n",
        (3, 17),
        &["header `A` cannot be understood"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nbody = \"{{ title\"\n",
        (3, 12),
        &["`body` cannot be understood"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nbody = \"\"\"\nline\n  {% if %}\n\"\"\"\n",
        (5, 9),
        &["`body` cannot be understood"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nsuccess = \"body.x ==\"\n",
        (3, 19),
        &["`success` cannot be understood"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nbody = \"x\"\nformat = \"alert\"\n",
        (3, 1),
        &["both `body` and `format`"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_second = 0\n",
        (3, 14),
        &["`per_second` is 0"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_minute = 0\n",
        (3, 14),
        &["`per_minute` is 0"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_day = 0\n",
        (3, 11),
        &["`per_day` is 0"],
    ),
    (
        "[sinks.stdout.a]\nretry_schedule = []\n",
        (2, 18),
        &["empty"],
    ),
    (
        "[sinks.stdout.a]\nretry_schedule = [\"1s\", \"soon\"]\n",
        (2, 25),
        &["not a duration"],
    ),
    (
        "[sinks.stdout.a]\noverflow = \"drop\"\n",
        (2, 12),
        &["`wait` or `digest`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nwhen = \"severity in\"\nsinks = [\"stdout/a\"]\n",
        (3, 18),
        &["`when` cannot be understood"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/b\"]\n",
        (3, 10),
        &["no sink `stdout/b`", "did you mean `stdout/a`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\n",
        (2, 1),
        &["has no `sinks`"],
    ),
    ("[routes]\nsinks = []\n", (1, 2), &["[[routes]]"]),
    (
        "[server]\nlisten = 127.0.0.1:8080\n",
        (2, 15),
        &["not TOML"],
    ),
    (
        "[sinks.stdout.a]\n[sinks.stdout.a]\n",
        (2, 15),
        &["duplicate key"],
    ),
];

#[test]
fn each_kind_of_mistake_is_one_mistake_in_its_place_with_its_mend() {
    let mut wrong = Vec::new();
    for (text, at, words) in MISTAKES {
        match load(text) {
            Ok(_) => wrong.push(format!("accepted:\n{text}")),
            Err(mistakes) => {
                let drawn = mistakes.to_string();
                let first = mistakes.iter().next().unwrap();
                let one = mistakes.iter().count() == 1;
                let said = words.iter().all(|word| drawn.contains(word));
                let placed = matches!(&first.location, Location::Line(line) if (line.line, line.column) == *at);
                if !(one && said && placed) {
                    wrong.push(format!("wanted {at:?} {words:?}\n{drawn}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[test]
fn a_tool_whose_alerts_another_provider_reads_is_sent_to_that_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    for tool in ["amtool", "prometheus", "vmalert"] {
        std::fs::write(&file, format!("[providers.{tool}.prod]\n")).unwrap();
        let loaded = config::load(std::slice::from_ref(&file), &environment(&[]));
        let text = loaded.unwrap_err().to_string();
        assert!(
            text.contains(&format!("unknown provider `{tool}`")),
            "{text}"
        );
        assert!(text.contains("did you mean `alertmanager-api`?"), "{text}");
    }
}

#[test]
fn json_names_the_place_in_fields() {
    let json = load("[log]\nfromat = 'x'\n").unwrap_err().to_json();
    assert_eq!(json[0]["line"], 2);
    assert_eq!(json[0]["column"], 1);
    assert_eq!(json[0]["nearest"], "format");
    assert!(
        json[0]["file"]
            .as_str()
            .unwrap()
            .ends_with("campanile.toml")
    );
}

#[test]
fn the_environment_wins_over_the_files() {
    let files = [(
        "campanile.toml",
        "[server]\nlisten = '127.0.0.1:1'\nworkers = 1\n[providers.ucloud.prod]\nkey = { env = 'A' }\n",
    )];
    let variables = [
        ("CAMPANILE__SERVER__LISTEN", "127.0.0.1:2"),
        ("CAMPANILE__SERVER__WORKERS", "3"),
        (
            "CAMPANILE__SERVER__TRUSTED_PROXIES",
            "10.0.0.0/8, 192.168.0.0/16",
        ),
        ("CAMPANILE__PROVIDERS__UCLOUD__PROD__KEY", "0123456789012"),
        ("CAMPANILE_ADMIN_TOKEN", "not a setting: one underscore"),
    ];
    let config = load_files(&files, &variables).1.unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.workers, 3);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    // Not read as a number: it would lose its zero.
    assert_eq!(
        config.feeds[0].source.keys[0].expose_secret(),
        "0123456789012"
    );
}

#[test]
fn a_client_certificate_is_proof_enough_for_a_source() {
    let text = "[server]\nclient_certificate_header = \"X-Client-Cert-CN\"\ntrusted_proxies = [\"10.0.0.1/32\"]\n\
                [providers.ucloud.prod]\nclient_certificate = [\"a.example.com\"]\n";
    let config = load(text).unwrap();
    let header = config.server.client_certificate_header;
    assert_eq!(header.as_deref(), Some("x-client-cert-cn"));
    assert_eq!(
        config.feeds[0].source.client_certificates,
        ["a.example.com"]
    );
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    let variables = [
        ("CAMPANILE__SERVER__LISTEN", "nowhere"),
        ("CAMPANILE__SEVER__LISTEN", "x"),
    ];
    let mistakes = load_files(&[("a.toml", "")], &variables).1.unwrap_err();
    let named: Vec<_> = mistakes
        .iter()
        .map(|mistake| match &mistake.location {
            Location::Variable { variable } => variable.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        named,
        ["CAMPANILE__SERVER__LISTEN", "CAMPANILE__SEVER__LISTEN"]
    );
    assert!(
        mistakes
            .to_string()
            .contains("--> environment variable CAMPANILE__SERVER__LISTEN")
    );
}

#[test]
fn a_folder_is_merged_in_the_order_of_names() {
    let files = [
        (
            "10-base.toml",
            "[server]\nlisten = '127.0.0.1:1'\nworkers = 1\n[sinks.stdout.a]\n[[routes]]\nsinks = ['stdout/a']\n",
        ),
        (
            "20-site.toml",
            "[server]\nlisten = '127.0.0.1:2'\n[sinks.stdout.b]\n[[routes]]\nsinks = ['stdout/b']\n",
        ),
        (".hidden.toml", "nonsense"),
        ("README.md", "nonsense"),
    ];
    let config = load_files(&files, &[]).1.unwrap();
    assert_eq!((config.server.listen.port(), config.server.workers), (2, 1));
    let routed: Vec<_> = config.routes.iter().map(|route| route.sinks[0]).collect();
    assert_eq!(routed, [0, 1], "routes of both files count");
}

#[test]
fn one_name_in_two_files_is_refused() {
    let files = [
        ("a.toml", "[sinks.stdout.x]\n"),
        ("b.toml", "\n[sinks.stdout.x]\n"),
    ];
    let mistakes = load_files(&files, &[]).1.unwrap_err();
    let drawn = mistakes.to_string();
    assert!(
        drawn.contains("stands in two files")
            && drawn.contains("b.toml:2:15")
            && drawn.contains("a.toml:1"),
        "{drawn}"
    );
}

#[test]
fn other_files_are_checked_beside_one_that_is_not_toml() {
    let files = [
        ("a.toml", "[sinks.stdout.x\n"),
        (
            "b.toml",
            "[log]\nfromat = 'x'\n[[routes]]\nsinks = ['stdout/x']\n",
        ),
    ];
    let mistakes = load_files(&files, &[]).1.unwrap_err();
    let drawn = mistakes.to_string();
    assert!(
        drawn.contains("a.toml:1:") && drawn.contains("`fromat`"),
        "{drawn}"
    );
    assert!(
        !drawn.contains("no sink"),
        "it may stand in the broken file: {drawn}"
    );
}

#[test]
fn a_path_that_is_not_there_is_a_mistake() {
    let drawn = config::load(&["/does/not/exist.toml".into()], &Environment::new())
        .unwrap_err()
        .to_string();
    assert!(
        drawn.contains("--> /does/not/exist.toml") && drawn.contains("cannot be read"),
        "{drawn}"
    );
}

#[test]
fn a_secret_comes_from_a_file_without_its_newline_or_from_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "secret-of-a-file\r\n").unwrap();
    let text = format!(
        "[providers.jiankong.web]\ntoken = [{{ file = '{}' }}, {{ env = 'TOKEN' }}, 'secret-of-a-line']\n",
        file.display()
    );
    let config = load_files(&[("a.toml", &text)], &[("TOKEN", "secret-of-a-variable")])
        .1
        .unwrap();
    let tokens: Vec<_> = config.feeds[0]
        .source
        .tokens
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(
        tokens,
        [
            "secret-of-a-file",
            "secret-of-a-variable",
            "secret-of-a-line"
        ]
    );
}

#[test]
fn a_weak_secret_is_taken_when_it_is_written_out_as_wanted() {
    let text = "[providers.ucloud.prod]\nkey = [{ value = 'secret', dangerous_weak = true }, { env = 'K', dangerous_weak = true }]\n";
    let config = load_files(&[("a.toml", text)], &[("K", "x")]).1.unwrap();
    assert_eq!(config.feeds[0].source.keys.len(), 2);
    let mistakes = load(&text.replace("true", "false")).unwrap_err();
    assert!(mistakes.to_string().contains("everybody guesses"));
}

#[test]
fn no_secret_is_ever_shown() {
    let broken = [
        format!("[providers.ucloud.prod]\nkey = \"{CANARY}\"\nsevrity = 1\n"),
        format!("[providers.ucloud.prod]\nkye = \"{CANARY}\"\n"),
        format!("[providers.ucloud.prod]\nkey = \"{CANARY}\n"),
        format!("[providers.ucloud.prod]\nkey = {CANARY}\n"),
        format!("[providers.ucloud.prod]\nkey = [\n\"{CANARY}\"\n\"{CANARY}\",\n]\n"),
        format!("[providers.ucloud.prod]\nkey = \"\"\"\n{CANARY}==\n"),
        format!("[providers.ucloud.prod]\n{CANARY}\n"),
        format!("[providers.ucloud.prod]\nkey = {{ valeu = \"{CANARY}\" }}\n"),
        format!("[providers.ucloud.prod]\nkey = {{ env = \"{CANARY}\" }}\n"),
        format!("[providers.ucloud]\nkey = \"{CANARY}\"\n"),
        format!("[providers.ucloud]\n\"{CANARY}\" = \"prod\"\n"),
        format!("[providers.ucloud.prod.\"{CANARY}\"]\n"),
        format!("[providers.ucloud.prod]\n\"{CANARY}\" = \"key\"\n"),
        format!("[providers.ucloud.\"{CANARY} \"]\nkye = 1\n"),
        format!("[providers.\"{CANARY}\".prod]\n"),
        format!("[\"{CANARY}\"]\nx = 1\n"),
        format!("[admin]\ntoken = {{ \"{CANARY}\" = 1 }}\n"),
        format!("[admin]\n\"{CANARY}\" = 1\n\"{CANARY}\" = 1\n"),
        format!("[admin]\n[admin.\"{CANARY}\"]\n[admin.\"{CANARY}\"]\n"),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ \"{CANARY}\" = 3 }}\n"),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ \"{CANARY} \" = \"x\" }}\n"),
        format!("[providers.unknown.x]\ntoken = \"{CANARY}\"\nother = [\"{CANARY}\"]\n"),
        format!("[admin]\ntokn = \"{CANARY}\"\n"),
        format!("[store]\nurl = \"postgres://u:{CANARY}@h/d\"\n"),
        format!("[sinks.webhook.a]\nurl = \"{CANARY}\"\n"),
        format!("[sinks.webhook.a]\nurl = \"ftp://{CANARY}\"\nformt = 1\n"),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nsigning_secret = \"whsec_{CANARY}\"\n"),
        format!(
            "[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ A = \"{CANARY} {{{{ 1 +\" }}\n"
        ),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ A = \"{CANARY}\", B = 3 }}\n"),
    ];
    for text in broken {
        let mistakes = load(&text).unwrap_err();
        let shown = format!("{mistakes}{mistakes:?}{}", mistakes.to_json());
        assert!(
            !shown.contains(CANARY) && !shown.contains("7f3a91d05c"),
            "{shown}"
        );
    }
    let variables = [
        ("CAMPANILE__ADMIN__TOKEN", "short"),
        ("CAMPANILE__ADMIN__TOKN", CANARY),
        ("CAMPANILE__SERVER", CANARY),
    ];
    let mistakes = load_files(&[("a.toml", "")], &variables).1.unwrap_err();
    assert!(!format!("{mistakes:?}{mistakes}").contains(CANARY));
}

/// Only what is more likely a secret than a slip of the hand is shortened.
#[test]
fn a_setting_that_does_not_exist_is_named_whole_unless_it_looks_like_a_secret() {
    for (written, shown, near) in [
        ("kye", "`kye`", Some("key")),
        ("alow-from2", "`alow-from2`", Some("allow_from")),
        ("colour", "`colour`", None),
        ("retry-wait", "`retry-wait`", None),
        ("s3cr3t", "`s3c...`", None),
        ("9f86d081884c7d659a2feaa0c55ad015", "`9f8...`", None),
        ("correct horse battery", "`cor...`", None),
        ("xQ", "`xQ`", None),
        ("\\u001b[2J", "`\\u{1b}[...`", None),
    ] {
        let text = format!("[providers.ucloud.prod]\nkey = 'c4n4ry-of-a-key'\n\"{written}\" = 1\n");
        let mistakes = load(&text).unwrap_err();
        let mistake = mistakes.iter().next().unwrap();
        assert_eq!(mistake.message, format!("unknown setting {shown}"));
        assert_eq!(mistake.nearest.as_deref(), near, "{written}");
    }
}

#[test]
fn no_secret_is_in_the_debug_form_of_a_sound_configuration() {
    let text = format!(
        "[admin]\ntoken = '{CANARY}'\n[providers.ucloud.a]\nkey = '{CANARY}'\n[providers.jiankong.b]\ntoken = '{CANARY}'\n\
         [sinks.webhook.c]\nurl = 'https://h/{CANARY}'\nheaders = {{ A = '{CANARY}' }}\n\
         signing_secret = 'whsec_Y2FuYXJ5LTdmM2E5MWQwNWNjYW5hcnktN2YzYTkxZDA1Yw=='\n"
    );
    let shown = format!("{:?}", load(&text).unwrap());
    assert!(
        !shown.contains(CANARY) && !shown.contains("Y2FuYXJ5"),
        "{shown}"
    );
}

#[test]
fn what_a_running_gateway_cannot_change_is_named() {
    let old = load("").unwrap();
    let new = load("[server]\nlisten = '127.0.0.1:1'\nbody_bytes_max = 2048\n[store]\nurl = 'sqlite:other.db'\n").unwrap();
    assert_eq!(old.diff_needs_restart(&new), ["server.listen", "store.url"]);
    assert!(old.diff_needs_restart(&old).is_empty());
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
    let told = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await;
    assert_eq!(told, Ok(Some(())));
    std::fs::write(&file, "[server]").unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await;
    assert_eq!(
        told,
        Ok(Some(())),
        "the new file is watched as the old one was"
    );
}

/// The built-in providers, and stand-ins for those that are not built in yet.
fn shipped_vocabulary() -> Vocabulary<'static> {
    let mut known = Vocabulary::built_in();
    for provider in vocabulary().providers {
        if known
            .providers
            .iter()
            .all(|built_in| built_in.name() != provider.name())
        {
            known.providers.push(provider);
        }
    }
    known
}

#[test]
fn the_shipped_configurations_pass() {
    let variables = environment(&[
        ("UCLOUD_KEY", CANARY),
        ("JIANKONG_TOKEN", CANARY),
        ("ONCALL_URL", "https://oncall.example.com/hook"),
        ("SOURCE_KEY", CANARY),
        ("SOURCE_TOKEN", CANARY),
    ]);
    for (name, sources) in [("minimal.toml", 2), ("demo.toml", 2)] {
        let loaded = config::load_with(&[shipped(name)], &variables, &shipped_vocabulary());
        let config = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(
            (config.feeds.len(), config.sinks.len()),
            (sources, 1),
            "{name}"
        );
    }
    let full = config::load(&[shipped("full.toml")], &variables);
    full.unwrap_or_else(|mistakes| panic!("{mistakes}"));
}

#[test]
fn generated_files_are_those_of_the_table_of_settings() {
    let known = Vocabulary::built_in();
    let schema = serde_json::to_string_pretty(&schema::json_schema(&known)).unwrap();
    let mut written = Vec::new();
    for (name, wanted) in [
        ("schema.json", schema + "\n"),
        ("full.toml", schema::full_toml(&known)),
    ] {
        let path = shipped(name);
        if std::fs::read_to_string(&path).unwrap_or_default() != wanted {
            std::fs::write(&path, wanted).unwrap();
            written.push(name);
        }
    }
    assert!(
        written.is_empty(),
        "{written:?} in config/ were not what the settings say, and are now: run again and commit"
    );
}

/// Found by a fuzzer's care for time: each character had the whole line before it measured, and each unknown word was
/// compared sign by sign with every known one.
#[test]
fn a_mistake_in_a_line_of_any_length_is_shown() {
    let long = "x".repeat(1024 * 1024);
    for text in [
        format!("[server]\nlisten = \"{long}\"\n"),
        format!("[server]\n{long} = 1\n"),
        format!("[[routes]]\nwhen = \"{long} == 'x'\"\nsinks = []\n"),
    ] {
        let mistakes = load(&text).unwrap_err();
        assert!(mistakes.to_string().contains("error: "));
    }
}
