//! What is written arrives, and what is not written has its default.

use std::time::Duration;

use campanile::config::Policy;
use campanile_model::{Severity, StoreCopies, StoreUrl};
use campanile_sinks::Message;

use super::load;

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
    assert_eq!(config.store.url, StoreUrl::Sqlite("campanile.db".into()));
    assert_eq!(config.store.retention_days, 30);
    assert_eq!(
        (config.log.pretty, config.log.level.as_str()),
        (false, "info")
    );
    assert!(config.sources.is_empty() && config.sinks.is_empty() && config.routes.is_empty());
}

#[test]
fn copies_is_a_number_or_a_word() {
    let postgres = "[store]\nurl = 'postgres://h/d'\n";
    for (written, copies) in [
        ("", None),
        ("copies = 1", Some(StoreCopies::One)),
        ("copies = 2", Some(StoreCopies::Two)),
        // As a variable of the environment has it.
        ("copies = '2'", Some(StoreCopies::Two)),
        ("copies = 'storage'", Some(StoreCopies::Storage)),
    ] {
        let config = load(&format!("{postgres}{written}")).unwrap();
        assert_eq!(config.store.copies, copies, "{written}");
    }
    assert!(load("[store]\ncopies = 1").is_ok());
}

#[test]
fn a_gateway_drains_for_five_seconds_only_if_others_can_share_its_store() {
    let postgres = "[store]\nurl = 'postgres://h/d'\n";
    for (written, seconds) in [
        (String::new(), 0),
        (postgres.to_owned(), 5),
        ("[server]\ndrain = '7s'\n".to_owned(), 7),
        (format!("{postgres}[server]\ndrain = '0s'\n"), 0),
    ] {
        let config = load(&written).unwrap();
        assert_eq!(config.drain(), Duration::from_secs(seconds), "{written}");
    }
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
    let source = &config.sources[0].source;
    assert_eq!(source.name, "ucloud/prod");
    assert_eq!((source.keys.len(), source.allow_from.len()), (2, 2));
    assert_eq!(source.severity, Some(Severity::Warning));
    assert_eq!(source.severities["P0"], Severity::Critical);
    assert_eq!(
        source.time_zone.as_ref().unwrap().iana_name(),
        Some("Asia/Shanghai")
    );
    assert_eq!(source.labels["team"], "db");
    assert!(source.own.flag("demo_paths"));
    let sink = &config.sinks[0];
    assert_eq!(sink.kind.about().name, "webhook");
    let [alert, _] = campanile_language::sample_alerts();
    let message = Message::of(alert, "dlv_1", jiff::Timestamp::UNIX_EPOCH);
    let request = campanile_sinks::build(sink)
        .unwrap()
        .render(&message)
        .unwrap();
    assert!(
        request.starts_with("PUT https://oncall.example.com/"),
        "{request}"
    );
    assert!(request.contains("x-team: ***"), "{request}");
    assert!(
        request.ends_with(r#"{"text": "CPU of \"db-1\" is\nat 97 %\\"}"#),
        "{request}"
    );
    let written = [("egress", "public_only"), ("success", "body.errcode == 0")];
    for (name, value) in written {
        assert_eq!(sink.values.get::<String>(name).unwrap(), value);
    }
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
        .sources
        .iter()
        .map(|spec| spec.source.name.as_str())
        .collect();
    let sinks: Vec<_> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(sources, ["ucloud/z", "jiankong/m", "ucloud/a"]);
    assert_eq!(sinks, ["stdout/z", "file/m", "stdout/a"]);
}

#[test]
fn a_client_certificate_is_proof_enough_for_a_source() {
    let text = "[server]\nclient_certificate_header = \"X-Client-Cert-CN\"\ntrusted_proxies = [\"10.0.0.1/32\"]\n\
                [providers.ucloud.prod]\nclient_certificate = [\"a.example.com\"]\n";
    let config = load(text).unwrap();
    let header = config.server.client_certificate_header;
    assert_eq!(header.as_deref(), Some("x-client-cert-cn"));
    assert_eq!(
        config.sources[0].source.client_certificates,
        ["a.example.com"]
    );
}
