//! Syslog, against the real server: Debian's `rsyslog`.

mod peers;
mod server;

use std::sync::Arc;

use campanile_sinks::kinds::syslog::SyslogKind;
use campanile_sinks::{Class, Message, Worth};
use serde_json::Value;

use self::server::Rsyslog;
use super::server::file;
use super::{build_kind, digest, json, message, message_of, sample, try_build_kind};

/// Each way that a message can go.
const WAYS: &[(&str, &str)] = &[
    ("udp", ""),
    ("tcp", ""),
    ("tcp", "framing = 'lf'"),
    ("tcp", "confirm = 'none'"),
    ("tcp", "confirm = 'none'\nframing = 'lf'"),
];

fn resolved(id: &str) -> Message {
    let [_, resolved] = sample();
    Message {
        delivery_id: id.to_owned(),
        ..message_of(resolved)
    }
}

/// The message of a delivery is the next one.
fn assert_is(read: &Value, id: &str) {
    let data = read["data"].as_str().unwrap();
    assert!(data.contains(&format!("id=\"{id}\"")), "{id}: {read}");
}

#[tokio::test]
async fn a_firing_and_its_resolved_are_read_with_all_their_fields_on_each_way() {
    let rsyslog = Rsyslog::start().await;
    let fingerprint = message().alerts[0].fingerprint.to_string();
    for (scheme, more) in WAYS {
        let sink = rsyslog.sink(scheme, &format!("hostname = 'gw-1'\n{more}"));
        let delivered = sink.send(&message()).await.unwrap();
        let confirmed = *scheme == "tcp" && !more.contains("none");
        let worth = [Worth::Written, Worth::Accepted][usize::from(confirmed)];
        assert_eq!((delivered.worth, delivered.remark), (worth, None));
        let read = rsyslog.next().await;
        // 16 * 8 + 2.
        assert_eq!(read["pri"], "130", "{read}");
        assert_eq!(read["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(read["host"], "gw-1");
        assert_eq!(read["app"], "campanile");
        assert_eq!(read["process"], std::process::id().to_string());
        assert_eq!(read["id"], "FIRING");
        let data = format!(
            "[campanile@32473 id=\"dlv_0123456789abcdef0123456789abcdef\" fp=\"{fingerprint}\" \
             source=\"ucloud/prod\" status=\"firing\" severity=\"critical\" resource=\"db-1\" \
             message_id=\"sample\"]"
        );
        assert_eq!(read["data"], data);
        let text = "\u{feff}CPU of \"db-1\" is at 97 %\\: <b>資料庫</b> & 'more'";
        assert_eq!(read["text"], text);
        sink.send(&resolved("dlv_resolved")).await.unwrap();
        let read = rsyslog.next().await;
        assert_eq!(
            (&read["pri"], &read["id"]),
            (&"134".into(), &"RESOLVED".into())
        );
        assert_is(&read, "dlv_resolved");
    }
}

#[tokio::test]
async fn a_digest_is_one_message_for_each_alert_in_order() {
    let rsyslog = Rsyslog::start().await;
    for (scheme, more) in WAYS {
        rsyslog.sink(scheme, more).send(&digest()).await.unwrap();
        for id in ["FIRING", "RESOLVED"] {
            let read = rsyslog.next().await;
            assert_eq!(read["id"], id);
            let id = "dlv_0123456789abcdef0123456789abcdef.00000000-0000-7000-8000-000000000000";
            assert_is(&read, id);
        }
    }
}

#[tokio::test]
async fn the_settings_decide_facility_severity_number_and_host() {
    let rsyslog = Rsyslog::start().await;
    let more = "facility = 'local7'\nresolved_severity = 'debug'\nenterprise_number = 99";
    rsyslog
        .sink("tcp", more)
        .send(&resolved("d"))
        .await
        .unwrap();
    let read = rsyslog.next().await;
    assert_eq!(read["pri"], "191");
    assert!(
        read["data"].to_string().contains("[campanile@99 id="),
        "{read}"
    );
    let machine = std::process::Command::new("uname").arg("-n").output();
    let machine = String::from_utf8(machine.unwrap().stdout).unwrap();
    assert_eq!(read["host"], machine.trim());
}

#[tokio::test]
async fn no_text_of_a_vendor_ends_a_value_or_begins_a_message() {
    let rsyslog = Rsyslog::start().await;
    let hostile = "a\"] [x y=\"z\"]\\\n<0>1 - - - - - - 資\r\0料";
    let mut message = message();
    let alert = Arc::make_mut(&mut message.alerts[0]);
    alert.title = hostile.into();
    alert.description = "\n7 <0>1 - ".into();
    alert.resource.name = Some(hostile.into());
    for (scheme, more) in WAYS {
        let sink = rsyslog.sink(scheme, more);
        sink.send(&message).await.unwrap();
        sink.send(&resolved("dlv_next")).await.unwrap();
        let read = rsyslog.next().await;
        let escaped = r#"resource="a\"\] [x y=\"z\"\]\\ <0>1 - - - - - - 資  料""#;
        assert!(read["data"].as_str().unwrap().contains(escaped), "{read}");
        let text = "\u{feff}a\"] [x y=\"z\"]\\ <0>1 - - - - - - 資  料: 7 <0>1 -";
        assert_eq!(read["text"], text);
        assert_is(&rsyslog.next().await, "dlv_next");
    }
}

#[tokio::test]
async fn only_the_text_of_a_long_message_is_cut() {
    let rsyslog = Rsyslog::start().await;
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "長".repeat(5000);
    for (scheme, max) in [("udp", 1024), ("tcp", 2048)] {
        let sink = rsyslog.sink(scheme, "");
        let delivered = sink.send(&long).await.unwrap();
        assert!(delivered.remark.unwrap().contains("cut"));
        let read = rsyslog.next().await;
        assert!(read["text"].as_str().unwrap().ends_with("長…"), "{read}");
        let shown = sink.render(&long).unwrap();
        let bytes = shown.lines().last().unwrap().len();
        assert!((max - 2..=max).contains(&bytes), "{bytes}");
    }
    let whole = rsyslog.sink("tcp", "max_bytes = 480");
    Arc::make_mut(&mut long.alerts[0]).resource.name = Some("x".repeat(480));
    let failure = whole.send(&long).await.unwrap_err();
    assert_eq!(failure.class, Class::Poison, "{failure}");
    assert!(failure.reason.contains("max_bytes"), "{failure}");
}

#[tokio::test]
async fn json_is_the_alert_and_is_shortened_but_never_cut() {
    let rsyslog = Rsyslog::start().await;
    for (format, before) in [("json", ""), ("cee", "@cee: ")] {
        let sink = rsyslog.sink("tcp", &format!("format = '{format}'"));
        sink.send(&message()).await.unwrap();
        let read = rsyslog.next().await;
        let body = read["text"].as_str().unwrap().strip_prefix(before).unwrap();
        assert_eq!(body.as_bytes(), json(&message()));
        let mut long = message();
        let alert = Arc::make_mut(&mut long.alerts[0]);
        alert.raw.insert("all".into(), "x".repeat(5000));
        let delivered = sink.send(&long).await.unwrap();
        assert!(delivered.remark.unwrap().contains("`raw` was left out"));
        let read = rsyslog.next().await;
        let body = read["text"].as_str().unwrap().strip_prefix(before).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["raw"], serde_json::json!({}));
        Arc::make_mut(&mut long.alerts[0]).title = "x".repeat(5000);
        let failure = sink.send(&long).await.unwrap_err();
        assert_eq!(failure.class, Class::Poison, "{failure}");
    }
}

#[tokio::test]
async fn a_time_that_has_no_form_in_the_rfc_is_left_out() {
    let rsyslog = Rsyslog::start().await;
    let mut early = message();
    let alert = Arc::make_mut(&mut early.alerts[0]);
    alert.starts_at = Some("-000044-03-15T00:00:00Z".parse().unwrap());
    let sink = rsyslog.sink("tcp", "");
    assert!(sink.render(&early).unwrap().contains("\n<130>1 - "));
    sink.send(&early).await.unwrap();
    assert_eq!(rsyslog.next().await["id"], "FIRING");
    let alert = Arc::make_mut(&mut early.alerts[0]);
    alert.starts_at = Some("2026-11-21T06:59:30.123456789Z".parse().unwrap());
    sink.send(&early).await.unwrap();
    assert_eq!(rsyslog.next().await["time"], "2026-11-21T06:59:30.123456Z");
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_trusted_and_the_name_of_the_host() {
    let rsyslog = Rsyslog::tls("anon").await;
    let trusting = format!("ca_file = '{}'\n", file("authority.pem"));
    for confirm in ["", "confirm = 'none'"] {
        let sink = rsyslog.sink("tls", &format!("{trusting}{confirm}"));
        sink.send(&message()).await.unwrap();
        sink.send(&resolved("dlv_second")).await.unwrap();
        assert_eq!(rsyslog.next().await["id"], "FIRING");
        assert_is(&rsyslog.next().await, "dlv_second");
    }
    let failure = rsyslog.sink("tls", "").send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("not trusted"), "{failure}");
    let url = format!("url = 'tls://127.0.0.1:{}'\n{trusting}", rsyslog.port);
    let other = build_kind(&SyslogKind, &url);
    let failure = other.send(&message()).await.unwrap_err();
    assert!(failure.reason.contains("another host name"), "{failure}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_takes_nothing_without_it() {
    let rsyslog = Rsyslog::tls("x509/certvalid").await;
    let (authority, pem) = (file("authority.pem"), file("server.pem"));
    let trusting = format!("ca_file = '{authority}'\n");
    let known = format!("client_certificate = {{ certificate = '{pem}', key = '{pem}' }}\n");
    let unknown = rsyslog.sink("tls", &trusting);
    for _ in 0..5 {
        let failure = unknown.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    let sink = rsyslog.sink("tls", &format!("{trusting}{known}"));
    sink.send(&resolved("dlv_known")).await.unwrap();
    assert_is(&rsyslog.next().await, "dlv_known");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (values, setting) in [
        ("url = 'http://logs.example.com'", "url"),
        ("url = 'tcp://user@logs.example.com'", "url"),
        ("url = 'udp://h'\nframing = 'lf'", "framing"),
        ("url = 'tls://h'\nframing = 'lf'", "framing"),
        ("url = 'udp://h'\nmax_bytes = 65508", "max_bytes"),
        ("url = 'tcp://h'\nhostname = 'a b'", "hostname"),
        ("url = 'tls://h'\nca_file = '/nowhere'", "ca_file"),
    ] {
        let error = try_build_kind(&SyslogKind, values).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
    }
}
