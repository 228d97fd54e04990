//! An operator's own vendor: a mapping in the operator's config.

use std::path::Path;
use std::sync::Arc;

use campanile::app::App;
use campanile::config::{self, Config, Environment, Location, Mistake, Mistakes};
use campanile::telemetry::Metrics;
use campanile_model::Callback;
use campanile_model::Clock;
use campanile_store::AlertFilter;
use tempfile::TempDir;

use crate::cli::Run;
use crate::standing::Wire;

/// A vendor that is not built in, in 20 lines.
pub(crate) const ACME: &str = r#"
title = "Acme"
confidence = "documented"
each = "body.checks"
proof = { kind = "header", name = "X-Acme-Token" }
status = { from = "item.state", firing = ["DOWN"], resolved = ["UP"] }
severity = { from = "item.prio", critical = ["P1"], warning = ["P2"] }
alert.message_id = ["item.run", "item.state"]
alert.fingerprint = ["item.host"]
alert.title = "item.host ~ ': ' ~ item.info"
"#;

const CALL: &[u8] = b"POST /callback/acme/prod HTTP/1.1\nx-acme-token: the-token-of-acme\n\n\
    {\"checks\":[{\"run\":\"r-1\",\"host\":\"web-1\",\"state\":\"DOWN\",\"prio\":\"P1\",\"info\":\"no answer\"}]}";

const SOURCE: &str = "[providers.acme.prod]\ntoken = \"the-token-of-acme\"\n";

/// Loads `campanile.toml` from a folder with these files.
fn load(files: &[(&str, &str)]) -> (TempDir, Result<Config, Mistakes>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config = folder.path().join("campanile.toml");
    let loaded = config::load(&[config], &Environment::new());
    (folder, loaded)
}

/// The title that the only source reads from [`CALL`].
fn title(config: &Config) -> String {
    let spec = &config.sources[0];
    let call = Callback::from_http(CALL).unwrap();
    campanile_providers::verify(&*spec.provider, &call, &spec.source).unwrap();
    let reading = spec.provider.read(&call, &spec.source).unwrap();
    reading.reports[0].title.clone()
}

fn only(loaded: Result<Config, Mistakes>) -> Mistake {
    let mistakes = loaded.map(|_| ()).unwrap_err();
    let all: Vec<Mistake> = mistakes.iter().cloned().collect();
    assert_eq!(all.len(), 1, "{mistakes}");
    all[0].clone()
}

/// File name, line and column.
fn place(mistake: &Mistake) -> (String, usize, usize) {
    match &mistake.location {
        Location::Line(at) => {
            let name = Path::new(&at.file).file_name().unwrap();
            (name.to_string_lossy().into_owned(), at.line, at.column)
        }
        other => panic!("{other:?} is not a line"),
    }
}

#[test]
fn a_mapping_in_the_config_reads_its_vendor() {
    let config = format!("[mappings.acme]{ACME}{SOURCE}");
    let (_folder, loaded) = load(&[("campanile.toml", &config)]);
    assert_eq!(title(&loaded.unwrap()), "web-1: no answer");
}

#[test]
fn a_mapping_in_a_file_is_found_from_the_folder_of_the_config() {
    let config = format!("[mappings.acme]\nfile = \"vendors/acme.toml\"\n{SOURCE}");
    let files = [
        ("campanile.toml", config.as_str()),
        ("vendors/acme.toml", ACME),
    ];
    let (folder, loaded) = load(&files);
    assert_eq!(title(&loaded.unwrap()), "web-1: no answer");
    let named = config::mapping_files(&[folder.path().join("campanile.toml")]);
    assert_eq!(named, [folder.path().join("vendors/acme.toml")]);
}

#[test]
fn a_mapping_wins_over_the_built_in_vendor_of_its_name() {
    for name in ["zabbix", "ucloud"] {
        let config = format!("[mappings.{name}]{ACME}{SOURCE}")
            .replace("providers.acme", &format!("providers.{name}"));
        let (_folder, loaded) = load(&[("campanile.toml", &config)]);
        let loaded = loaded.unwrap();
        assert_eq!(title(&loaded), "web-1: no answer");
        assert_eq!(loaded.sources[0].provider.about().title, "Acme");
    }
}

#[test]
fn a_mistake_in_a_mapping_is_shown_where_it_stands() {
    let wrong = ACME.replace("alert.message_id", "alert.mesage_id");
    let inline = format!("[mappings.acme]{wrong}{SOURCE}");
    let (_folder, loaded) = load(&[("campanile.toml", &inline)]);
    let refused = loaded.unwrap_err();
    let known = refused
        .iter()
        .find(|m| m.message.contains("mesage_id"))
        .unwrap();
    assert_eq!(place(known), ("campanile.toml".to_owned(), 8, 7));
    assert_eq!(known.nearest.as_deref(), Some("message_id"));
    let shown = known.to_string();
    assert!(shown.contains("8 | alert.mesage_id = "), "{shown}");
    assert!(
        shown.contains("  |       ^^^^^^^^^ expected one of: "),
        "{shown}"
    );

    let config = format!("[mappings.acme]\nfile = \"acme.toml\"\n{SOURCE}");
    let (_folder, loaded) = load(&[("campanile.toml", &config), ("acme.toml", &wrong)]);
    let refused = loaded.unwrap_err();
    let known = refused
        .iter()
        .find(|m| m.message.contains("mesage_id"))
        .unwrap();
    assert_eq!(place(known), ("acme.toml".to_owned(), 8, 7));
}

#[test]
fn a_mistake_in_an_expression_of_a_mapping_is_shown_where_it_stands() {
    let wrong = ACME.replace("\"body.checks\"", "\"boddy.checks\"");
    let (_folder, loaded) = load(&[("campanile.toml", &format!("[mappings.acme]{wrong}{SOURCE}"))]);
    let mistake = only(loaded);
    assert_eq!(place(&mistake), ("campanile.toml".to_owned(), 4, 8));
    assert!(mistake.to_string().contains("^^^^^^^^^^^^^^"), "{mistake}");
}

#[test]
fn a_broken_mapping_is_the_only_mistake_that_its_sources_show() {
    let wrong = ACME.replace("title = \"Acme\"\n", "");
    let (_folder, loaded) = load(&[("campanile.toml", &format!("[mappings.acme]{wrong}{SOURCE}"))]);
    let mistake = only(loaded);
    assert!(
        mistake
            .message
            .contains("`title` is missing in the mapping"),
        "{mistake}"
    );
    assert_eq!(place(&mistake).1, 1);
}

#[test]
fn a_mapping_file_that_is_not_there_is_told_at_its_name() {
    let config = format!("[mappings.acme]\nfile = \"nowhere.toml\"\n{SOURCE}");
    let (_folder, loaded) = load(&[("campanile.toml", &config)]);
    let mistake = only(loaded);
    assert_eq!(place(&mistake), ("campanile.toml".to_owned(), 2, 8));
    assert!(
        mistake.message.contains("nowhere.toml cannot be read"),
        "{mistake}"
    );
}

#[test]
fn a_misspelt_provider_is_held_against_the_operators_own_too() {
    let config = format!("[mappings.acme-probe]{ACME}[providers.acme-prob.prod]\nopen = true\n");
    let (_folder, loaded) = load(&[("campanile.toml", &config)]);
    assert_eq!(only(loaded).nearest.as_deref(), Some("acme-probe"));
}

#[test]
fn a_secret_that_stands_in_a_mapping_is_never_shown() {
    let canary = "canary-7f3a91d05c";
    let wrong = format!("[mappings.acme]\ntoken = \"{canary}\"{ACME}{SOURCE}");
    let (_folder, loaded) = load(&[("campanile.toml", &wrong)]);
    let refused = loaded.unwrap_err();
    assert!(
        refused.to_string().contains("`token` is not a known key"),
        "{refused}"
    );
    assert!(!refused.to_string().contains(canary), "{refused}");
    assert!(!refused.to_json().to_string().contains(canary), "{refused}");
}

#[test]
fn one_name_cannot_be_two_mappings() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.toml", "b.toml"] {
        std::fs::write(folder.path().join(name), format!("[mappings.acme]{ACME}")).unwrap();
    }
    let mistake = only(config::load(
        &[folder.path().to_owned()],
        &Environment::new(),
    ));
    assert_eq!(place(&mistake).0, "b.toml");
    assert!(mistake.expected.contains("a.toml:1"), "{mistake}");
}

/// `campanile try` on a folder with a config that knows Acme, with more arguments.
fn attempt(request: &[u8], more: &[&str]) -> Run {
    let config = format!("[mappings.acme]{ACME}{SOURCE}[providers.ucloud.prod]\nopen = true\n");
    let (folder, _) = load(&[("campanile.toml", &config)]);
    let file = folder.path().join("r.http");
    std::fs::write(&file, request).unwrap();
    let config = folder.path().join("campanile.toml");
    let args = [
        "try",
        "--config",
        config.to_str().unwrap(),
        file.to_str().unwrap(),
    ];
    Run::of(&[&args, more].concat())
}

#[test]
fn try_says_where_each_field_came_from() {
    let answer = attempt(CALL, &["--explain", "--json"]).json();
    assert_eq!(answer["explained"]["read_by"], "mapping");
    let fields = answer["explained"]["fields"].as_array().unwrap();
    let of = |name: &str| {
        fields
            .iter()
            .find(|f| f["field"] == format!("[0].{name}"))
            .unwrap()
    };
    assert_eq!(of("severity")["place"], "body.checks[0].prio");
    assert_eq!(of("severity")["value"], "P1");
    assert_eq!(of("title")["expression"], "item.host ~ ': ' ~ item.info");
    assert_eq!(of("title")["default"], false);
    let shown = attempt(CALL, &["--explain"]);
    shown.says("origin of each field");
    shown.says("body.checks[0].prio");
    assert_eq!(
        attempt(CALL, &["--json"]).json()["explained"],
        serde_json::Value::Null
    );
}

#[test]
fn try_says_that_a_vendor_is_read_by_code() {
    let ucloud = b"POST /callback/ucloud/prod HTTP/1.1\n\n{\"SessionID\":\"s-1\",\"AlarmTime\":1700000000,\"RecoveryTime\":0}";
    let run = attempt(ucloud, &["--explain"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    run.says("ucloud is read by code");
}

#[test]
fn a_shown_mapping_can_be_saved_and_used_as_it_is() {
    let shown = Run::of(&["providers", "show", "zabbix"]);
    let config =
        "[mappings.zabbix]\nfile = \"zabbix.toml\"\n[providers.zabbix.prod]\nopen = true\n";
    let files = [
        ("campanile.toml", config),
        ("zabbix.toml", shown.out.as_str()),
    ];
    let (_folder, loaded) = load(&files);
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(loaded.sources[0].provider.about().title, "Zabbix");
    Run::of(&["providers", "show", "zabbix", "--page"]).says("# How it is read");
    Run::of(&["providers", "show", "ucloud"]).says("# How it is read");
}

/// Posts a check of this run to a gateway, and returns the title of the resulting alert.
async fn title_of(app: &App, run: &str) -> String {
    let call = String::from_utf8(CALL.to_vec())
        .unwrap()
        .replace("r-1", run);
    let (head, body) = call.split_once("\n\n").unwrap();
    let head = head.replace('\n', "\r\n");
    let raw = format!(
        "{head}\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let reply = Wire::to(app.public_address().unwrap())
        .await
        .send(raw)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let newest = AlertFilter {
        limit: 1,
        ..AlertFilter::default()
    };
    let newest = app.store().alerts(newest).await.unwrap().rows;
    let alert: serde_json::Value = serde_json::from_slice(&newest[0].json).unwrap();
    alert["title"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_takes_a_changed_mapping_whole_or_not_at_all() {
    let own = "[mappings.acme]\nfile = \"vendors/acme.toml\"\n";
    let standing = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campanile.toml");
    let store = folder.path().join("campanile.db");
    let store = format!("[store]\nurl = \"sqlite:{}\"\n", store.display());
    std::fs::write(&path, [own, SOURCE, standing, &store].concat()).unwrap();
    let mapping = folder.path().join("vendors/acme.toml");
    std::fs::create_dir(mapping.parent().unwrap()).unwrap();
    let read = |text: &str| {
        std::fs::write(&mapping, text).unwrap();
        config::load(std::slice::from_ref(&path), &Environment::new())
    };
    let app = App::start(
        read(ACME).unwrap(),
        Clock::machine(),
        Arc::new(Metrics::new()),
    )
    .await
    .unwrap();
    assert_eq!(title_of(&app, "r-1").await, "web-1: no answer");
    assert!(
        read("title = 1").is_err(),
        "after a broken file the old mapping stays in force"
    );
    assert_eq!(title_of(&app, "r-2").await, "web-1: no answer");
    app.reload(read(&ACME.replace("': '", "' says '")).unwrap())
        .await
        .unwrap();
    assert_eq!(title_of(&app, "r-3").await, "web-1 says no answer");
    app.stop().await;
}
