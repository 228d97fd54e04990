//! `campanile check` and `campanile try`: what a config means, without a running gateway.

use std::fs;

use super::Run;

const CONFIG: &str = r#"
[providers.ucloud.prod]
key = "ucloud-path-key"

[sinks.stdout.screen]

[[routes]]
when = "status == 'firing'"
sinks = ["stdout/screen"]
"#;

const FIRING: &str = "POST /callback/ucloud/prod/ucloud-path-key HTTP/1.1\n\n\
    {\"SessionID\":\"s-1\",\"Region\":\"hk\",\"ResourceType\":\"uhost\",\"ResourceId\":\"u-1\",\
    \"MetricName\":\"load\",\"AlarmTime\":1700000000,\"RecoveryTime\":0}";

/// Runs `try` with a config and a request, each in a file.
fn attempt(request: &str, more: &[&str]) -> Run {
    attempt_with(CONFIG, request, more)
}

fn attempt_with(config_text: &str, request: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = (folder.path().join("c.toml"), folder.path().join("r.http"));
    fs::write(&config, config_text).unwrap();
    fs::write(&file, request).unwrap();
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    Run::of(&[&["try", "--config", config, file], more].concat())
}

#[test]
fn a_right_config_is_summed_up_without_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    fs::write(&config, CONFIG).unwrap();
    let run = Run::of(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    run.says("ok: 1 source, 1 sink, 1 route");
    run.says("/callback/ucloud/prod/<key>");
    run.says("status == 'firing'");
    assert!(!run.out.contains("ucloud-path-key"));
}

#[test]
fn check_shows_nested_routes_and_warns_of_one_that_gets_nothing() {
    let text = "[sinks.stdout.screen]\n[sinks.stdout.rest]\n[routing]\ntake = 'first'\notherwise = ['stdout/rest']\n\
        [[routes]]\nname = 'db'\nmatch = { 'labels.team' = ['db', 'sql'] }\nsinks = ['stdout/screen']\n\
        [[routes.routes]]\nregex = { title = 'disk .*' }\nshare = 5\nsinks = ['stdout/rest']\n\
        [[routes]]\nmatch = { 'labels.team' = 'db', severity = 'info' }\nsinks = ['stdout/rest']\n";
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    fs::write(&config, text).unwrap();
    let run = Run::of(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    run.says("ok: 0 sources, 2 sinks, 3 routes");
    run.says("labels.team = db | sql");
    run.says("1.1");
    run.says("title ~ disk .*, 5 % of the problems");
    run.says("no route took it");
    let said = "routes[1] gets no alert: routes[0] takes them first";
    assert!(
        format!("{}{}", run.out, run.err).contains(said),
        "{}{}",
        run.out,
        run.err
    );
    let json = Run::of(&["check", "--json", "--config", config.to_str().unwrap()]);
    let routes = &json.json()["routes"];
    assert_eq!(routes[0]["match"]["labels.team"][1], "sql");
    assert_eq!(
        (&routes[1]["name"], &routes[1]["depth"]),
        (&"1.1".into(), &1.into())
    );
}

#[test]
fn try_shows_what_rewrites_change_and_check_warns_of_a_table_that_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("cmdb.csv");
    fs::write(&csv, "id,team\nu-1,db\n").unwrap();
    let csv = csv.display();
    let tables = format!(
        "{CONFIG}\n[tables.cmdb]\nfile = \"{csv}\"\nkey = \"resource.id\"\n\
         [tables.spare]\nfile = \"{csv}\"\nkey = \"title\"\n"
    );
    let rewrites = "[[rewrites]]\nname = \"team\"\ntable = \"cmdb\"\n\
        set = { \"labels.team\" = \"table.team\", title = \"'on ' ~ title\", description = \"labels.none\" }\n";
    let run = attempt_with(&format!("{tables}{rewrites}"), FIRING, &[]);
    run.says("rewrite team set labels.team = db");
    run.says("rewrite team set title = on load on uhost u-1, before: load on uhost u-1");
    run.says("rewrite team failed: description: the expression gives no value");
    let config = folder.path().join("c.toml");
    fs::write(&config, format!("{tables}{rewrites}")).unwrap();
    let run = Run::of(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    run.says("[tables.spare] is not used: no rewrite has `table = \"spare\"`");
    assert!(
        !run.out.contains("[tables.cmdb] is not used"),
        "{}",
        run.out
    );
}

#[test]
fn addresses_are_shown_whole_where_the_public_address_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    let public = "[server]\npublic_url = \"https://alerts.example.com/\"\n";
    fs::write(&config, format!("{public}{CONFIG}")).unwrap();
    let run = Run::of(&["check", "--config", config.to_str().unwrap()]);
    run.says("https://alerts.example.com/callback/ucloud/prod/<key>");
}

#[test]
fn an_unproven_request_to_a_path_of_the_protocol_is_judged_as_the_gateway_does() {
    let config = "[providers.alertmanager-api.prod]\ntoken = \"a-token-of-prometheus\"\n\
        labels = { team = \"db\" }\n[sinks.stdout.screen]\n[[routes]]\n\
        when = \"labels.team == 'db'\"\nsinks = [\"stdout/screen\"]\n";
    let alerts = "[{\"labels\":{\"alertname\":\"Disk\",\"instance\":\"n9\"}}]";
    for path in [
        "/api/v2/alerts",
        "/callback/alertmanager-api/prod/api/v2/alerts",
    ] {
        let request = |token: &str| {
            format!("POST {path} HTTP/1.1\nauthorization: Bearer   {token}\n\n{alerts}")
        };
        let run = attempt_with(config, &request("a-token-of-prometheus"), &["--json"]);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
        let forecast = run.json();
        assert_eq!(forecast["alerts"][0]["sinks"][0]["name"], "stdout/screen");
        assert_eq!(forecast["alerts"][0]["routes"][0]["matches"], "yes");
        let wrong = attempt_with(config, &request("a-guess"), &["--json"]);
        assert_eq!(wrong.json()["answer"]["status"], 403);
    }
}

#[test]
fn every_mistake_of_a_config_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    fs::write(&config, "[serverr]\n\n[store]\nretention_days = \"ten\"\n").unwrap();
    let config = config.to_str().unwrap();
    let run = Run::of(&["check", "--config", config]);
    assert_eq!(run.code, 2);
    run.says("serverr");
    run.says("retention_days");
    let json = Run::of(&["check", "--json", "--config", config]);
    assert_eq!(json.code, 2);
    assert_eq!(json.json()["ok"], false);
    assert!(json.json()["mistakes"].as_array().unwrap().len() >= 2);
}

#[test]
fn a_sink_that_a_start_would_refuse_is_refused_by_check_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    let unfit = "[sinks.webhook.chat]\nurl = 'http://127.0.0.1:9/'\nbody = '{\"t\": \"{{ title }}\"}'\n\
                 [sinks.file.kept]\npath = '/nowhere/alerts.jsonl'\n";
    fs::write(&config, unfit).unwrap();
    let config = config.to_str().unwrap();
    let run = Run::of(&["check", "--config", config]);
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    run.says("error: the sink webhook/chat: body: this is not valid JSON for every alert");
    run.says("error: the sink file/kept: path: the folder /nowhere does not exist");
    run.says("2 mistakes");
    let json = Run::of(&["check", "--json", "--config", config]).json();
    assert_eq!(json["ok"], false);
    assert_eq!(json["mistakes"][1]["sink"], "file/kept");
    assert_eq!(json["mistakes"][0]["setting"], "body");
}

#[test]
fn a_believed_request_shows_its_alert_and_where_it_goes() {
    let run = attempt(FIRING, &["--json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let forecast = run.json();
    assert_eq!(forecast["source"], "ucloud/prod");
    assert_eq!(forecast["verdict"], "accepted");
    assert_eq!(forecast["answer"]["status"], 200);
    let fate = &forecast["alerts"][0];
    assert_eq!(fate["alert"]["status"], "firing");
    assert_eq!(fate["sinks"][0]["name"], "stdout/screen");
    assert!(fate["sinks"][0]["request"].is_string(), "{fate}");
    attempt(FIRING, &[]).says("nothing was stored or sent");
}

#[test]
fn an_alert_that_no_route_takes_goes_to_nobody() {
    let resolved = FIRING.replace("\"RecoveryTime\":0", "\"RecoveryTime\":1700000060");
    let run = attempt(&resolved, &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    run.says("goes to no sink");
}

#[test]
fn a_wrong_key_is_refused_unless_the_operator_believes_it() {
    let wrong = FIRING.replace("ucloud-path-key", "guess");
    let refused = attempt(&wrong, &["--json"]);
    assert_eq!(refused.code, 1);
    assert_eq!(refused.json()["verdict"], "rejected");
    assert_eq!(refused.json()["answer"]["status"], 403);
    assert_eq!(refused.json()["alerts"], serde_json::json!([]));
    let believed = attempt(&wrong, &["--json", "--believe"]);
    assert_eq!(believed.code, 0);
    assert_eq!(believed.json()["alerts"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_is_quarantined_with_its_place() {
    let unreadable = FIRING.replace("\"AlarmTime\":1700000000", "\"AlarmTime\":0");
    let run = attempt(&unreadable, &["--json"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.json()["verdict"], "quarantined");
    assert!(run.json()["faults"][0]["place"].is_string());
}

#[test]
fn a_path_that_leads_nowhere_needs_the_source_named() {
    let elsewhere = FIRING.replace("/callback/ucloud/prod/ucloud-path-key", "/elsewhere");
    let lost = attempt(&elsewhere, &[]);
    assert_eq!(lost.code, 2);
    lost.says("--source ucloud/prod");
    let named = attempt(&elsewhere, &["--source", "ucloud/prod", "--believe"]);
    assert_eq!(named.code, 0, "{}", named.err);
}

#[test]
fn a_client_certificate_can_be_stated() {
    let settings =
        "[server]\ntrusted_proxies = [\"10.0.0.1\"]\nclient_certificate_header = \"x-client\"\n";
    let config = CONFIG.replace(
        "key = \"ucloud-path-key\"",
        "client_certificate = [\"app.example.com\"]",
    );
    let config = format!("{settings}{config}");
    let request = FIRING.replace("/ucloud-path-key", "");
    let stated = |name: &[&str]| attempt_with(&config, &request, name);
    assert_eq!(stated(&[]).code, 1);
    assert_eq!(
        stated(&["--client-certificate", "other.example.com"]).code,
        1
    );
    for name in ["app.example.com", "CN=app.example.com,O=Example"] {
        let run = stated(&["--client-certificate", name]);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    }
}
