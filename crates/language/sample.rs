//! Sample alerts. When the config is loaded, each expression runs on them: one alert with all fields, one with almost none.

use campanile_model::{Alert, Fingerprint, Link, Report, Severity, Status};
use jiff::Timestamp;
use serde_json::Number;

/// One alert with every field, whose texts break careless templates, and one alert without optional fields.
pub fn alerts() -> [Alert; 2] {
    let mut full = report(Status::Firing);
    full.severity = Severity::Critical;
    full.description = "<b>資料庫</b> & 'more'".into();
    full.resource.kind = Some("uhost".to_owned());
    full.resource.id = Some("uhost-1".to_owned());
    full.resource.name = Some("db-1".to_owned());
    full.resource.region = Some("cn-bj2".to_owned());
    full.resource.account = Some("org-1".to_owned());
    full.metric.name = Some("cpu_usage".to_owned());
    full.metric.value = Some(Number::from(97));
    full.metric.comparator = Some(">".to_owned());
    full.metric.threshold = Some(Number::from(90));
    full.metric.unit = Some("%".to_owned());
    full.starts_at = Some(Timestamp::UNIX_EPOCH);
    full.labels.insert("team".to_owned(), "db".to_owned());
    full.raw.insert("severity".to_owned(), "P0".to_owned());
    full.links.push(Link {
        title: "Console".to_owned(),
        url: "https://console.example.com/?a=1&b=2".to_owned(),
    });
    let [mut full, bare] = [full, report(Status::Resolved)].map(|report| {
        let mut alert = report.into_alert("ucloud/prod", Timestamp::UNIX_EPOCH);
        alert.id = "00000000-0000-7000-8000-000000000000".into();
        alert
    });
    // A new title has one line. Alerts that an older version stored can have two.
    full.title = "CPU of \"db-1\" is\nat 97 %\\".into();
    [full, bare]
}

fn report(status: Status) -> Report {
    Report::new("sample", Fingerprint::of("sample", []), status)
}
