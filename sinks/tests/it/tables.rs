//! What the tests of kinds that write into tables and of recipes with a real server share: a sink from its settings, and
//! alerts that are hard to store.

use std::sync::Arc;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::{Alert, Status};
use campanile_settings::{Environment, Values};
use campanile_sinks::{BuildError, Class, Delivered, Failure, Message, Sink, Tools, kinds};

use super::message_of;

/// The password of every user here: must never be seen.
pub(crate) const PASSWORD: &str = "c4nary-9f2b7d10";
/// A value of an alert that no reason may quote.
pub(crate) const VALUE: &str = "value-of-an-alert";
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

/// The sink of this kind with these settings.
pub(crate) fn try_built(
    kind: &str,
    settings: &str,
    timeout: Duration,
) -> Result<Arc<dyn Sink>, BuildError> {
    let kind = kinds().iter().find(|known| known.about().name == kind);
    let kind = kind.unwrap();
    let values = Values::parse(settings, kind.settings(), &Environment::new());
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let tools = Tools {
        name: "table/law",
        timeout,
    };
    kind.build(&values, &tools)
}

pub(crate) fn built(kind: &str, settings: &str) -> Arc<dyn Sink> {
    try_built(kind, settings, PATIENT).unwrap_or_else(|error| panic!("{error}"))
}

/// The settings of a statement, with the values of `:value` and `:wide` if it uses them.
pub(crate) fn filled(statement: &str) -> String {
    let known = [("value", VALUE), ("wide", "a🔥b")];
    let used = known
        .iter()
        .filter(|(name, _)| statement.contains(&format!(":{name}")));
    let lines = used.map(|(name, value)| format!("{name} = \"'{value}'\""));
    let lines: Vec<_> = lines.collect();
    let statement = format!("statement = '''{statement}'''\n");
    if lines.is_empty() {
        return statement;
    }
    format!("{statement}parameters = {{ {} }}\n", lines.join(", "))
}

/// The first SQL of the page of a kind.
pub(crate) fn definition(kind: &str) -> String {
    let kind = kinds().iter().find(|known| known.about().name == kind);
    let page = kind.unwrap().page();
    let sql = page.split("```sql\n").nth(1).unwrap();
    sql.split("```").next().unwrap().to_owned()
}

/// An alert with quotes, line ends, Chinese, an emoji and U+0000 in its texts.
pub(crate) fn hard(id: &str) -> Alert {
    let mut alert = firing(id);
    alert.title = "it's \"資料庫\" \\ '; DROP TABLE campanile_alerts; -- 🔥\u{0}".into();
    alert
}

pub(crate) fn firing(id: &str) -> Alert {
    let [mut alert, _] = sample_alerts();
    alert.id = id.into();
    alert.title = "CPU of db-1".into();
    alert.starts_at = Some("2016-08-10T09:51:37Z".parse().unwrap());
    alert
}

/// The end of the same problem.
pub(crate) fn resolved(id: &str) -> Alert {
    let mut alert = firing(id);
    alert.status = Status::Resolved;
    alert.ends_at = Some("2016-08-10T10:08:17.5Z".parse().unwrap());
    alert
}

/// The id of the alert with this number.
pub(crate) fn id(number: u32) -> String {
    format!("00000000-0000-7000-8000-{number:012}")
}

pub(crate) async fn send(sink: &Arc<dyn Sink>, alert: Alert) -> Result<Delivered, Failure> {
    sink.send(&message_of(alert)).await
}

/// Alerts in one message.
pub(crate) fn many(alerts: Vec<Alert>) -> Message {
    let mut message = message_of(alerts[0].clone());
    message.alerts = alerts.into_iter().map(Arc::new).collect();
    message
}

/// The failure has this class and names these words, and neither the password nor a value.
pub(crate) fn assert_failure(done: Result<Delivered, Failure>, class: Class, words: &[&str]) {
    let failure = done.unwrap_err();
    assert_eq!(failure.class, class, "{failure}");
    for word in words {
        assert!(failure.reason.contains(word), "no {word} in: {failure}");
    }
    for secret in [PASSWORD, VALUE] {
        assert!(!failure.reason.contains(secret), "{failure}");
    }
}
