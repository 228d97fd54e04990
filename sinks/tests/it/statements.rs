//! The statement of an operator: what is bound, and what is refused before any server is asked.

use std::sync::Arc;

use campanile_sinks::{BuildError, Sink};

use super::tables::{PATIENT, firing, id, many, resolved, try_built};
use super::{digest, message_of};

const SERVER: &str = "host = \"127.0.0.1\"\ndatabase = \"d\"\nuser = \"u\"\n";

fn built(kind: &str, statement: &str, parameters: &str) -> Result<Arc<dyn Sink>, BuildError> {
    let server = if kind == "sqlite" {
        "path = \"x.db\"\n"
    } else {
        SERVER
    };
    let settings =
        format!("{server}statement = '''{statement}'''\nparameters = {{ {parameters} }}\n");
    let settings = settings.replace("parameters = {  }\n", "");
    try_built(kind, &settings, PATIENT)
}

fn rendered(kind: &str, statement: &str, parameters: &str) -> String {
    let sink = built(kind, statement, parameters).unwrap_or_else(|error| panic!("{error}"));
    sink.render(&message_of(firing(&id(1)))).unwrap()
}

fn refused(kind: &str, statement: &str, parameters: &str) -> BuildError {
    let Err(error) = built(kind, statement, parameters) else {
        panic!("this passes: {statement}");
    };
    error
}

#[test]
fn a_name_becomes_a_placeholder_of_the_database_and_its_value_is_shown_apart() {
    let statement = "UPDATE t SET a = :title, b=:title WHERE id IN (:id,:n)";
    let n = "n = \"(metric.value or 0) + 1\"";
    for (kind, text) in [
        ("mysql", "UPDATE t SET a = ?, b=? WHERE id IN (?,?)\n"),
        (
            "postgres",
            "UPDATE t SET a = $1, b=$2 WHERE id IN ($3,$4)\n",
        ),
        ("sqlite", "UPDATE t SET a = ?1, b=?2 WHERE id IN (?3,?4)\n"),
    ] {
        let shown = rendered(kind, statement, n);
        assert!(shown.starts_with(text), "{shown}");
        assert!(shown.contains("1  :title = \"CPU of db-1\"\n"), "{shown}");
        assert!(shown.contains("4  :n = 98\n"), "{shown}");
    }
}

#[test]
fn texts_quoted_names_comments_and_casts_hold_no_parameters() {
    for (kind, statement, text) in [
        (
            "postgres",
            "INSERT INTO \"a:b\" VALUES ('it''s :x', E'\\' :x', $$:x$$, $t$ :x $t$, :id::uuid, a[1:n]) -- :x\n/* :x */",
            "INSERT INTO \"a:b\" VALUES ('it''s :x', E'\\' :x', $$:x$$, $t$ :x $t$, $1::uuid, a[1:n]) -- :x\n/* :x */",
        ),
        (
            "mysql",
            "INSERT INTO `a:b?` VALUES ('\\' :x?', \"it\"\":x\", :id) # :x ?\n;",
            "INSERT INTO `a:b?` VALUES ('\\' :x?', \"it\"\":x\", ?) # :x ?",
        ),
        (
            "sqlite",
            "INSERT INTO [t] VALUES ('\\', :id, ':x') ; -- the end",
            "INSERT INTO [t] VALUES ('\\', ?1, ':x')  -- the end",
        ),
    ] {
        let shown = rendered(kind, statement, "");
        assert!(shown.starts_with(&format!("{text}\n")), "{shown}");
    }
}

#[test]
fn what_changes_with_the_attempt_or_is_unknown_is_named_at_its_place() {
    let error = refused("postgres", "INSERT INTO t\nVALUES (:id, :titel)", "");
    assert_eq!(
        (error.setting.as_str(), error.place),
        ("statement", Some((2, 14)))
    );
    assert!(error.problem.contains("did you mean `:title`?"), "{error}");
    let error = refused("mysql", "INSERT INTO t VALUES (:attempt)", "");
    assert!(error.problem.contains("add `attempt = "), "{error}");
    let error = refused("mysql", "INSERT INTO t VALUES (:a)", "a = \"resorce.id\"");
    assert_eq!(error.setting, "parameters.a");
    assert!(
        error.problem.contains("did you mean `resource`?"),
        "{error}"
    );
    let error = refused("mysql", "INSERT INTO t VALUES (:id)", "b = \"id\"");
    assert!(error.problem.contains("does not use `:b`"), "{error}");
}

#[test]
fn only_one_statement_that_writes_is_taken() {
    for (kind, statement, words) in [
        (
            "postgres",
            "DELETE FROM t WHERE id = :id; DROP TABLE t",
            "one statement",
        ),
        ("sqlite", "ATTACH 'x' AS y", "begins with"),
        ("sqlite", "PRAGMA journal_mode = OFF", "begins with"),
        ("mysql", "/* x */ DROP TABLE t", "begins with"),
        (
            "mysql",
            "INSERT IGNORE INTO t VALUES (:id)",
            "ON DUPLICATE KEY UPDATE",
        ),
        ("mysql", "INSERT INTO t VALUES (?)", "parameters have names"),
        (
            "postgres",
            "INSERT INTO t VALUES ($1)",
            "parameters have names",
        ),
        (
            "sqlite",
            "INSERT INTO t VALUES (@a)",
            "parameters have names",
        ),
        ("sqlite", "-- nothing", "begins with"),
    ] {
        let error = refused(kind, statement, "");
        assert_eq!(error.setting, "statement");
        assert!(error.problem.contains(words), "{statement}: {error}");
    }
}

#[test]
fn the_name_of_a_table_is_quoted_and_values_without_a_statement_are_refused() {
    let sink = |more: &str| try_built("postgres", &format!("{SERVER}{more}"), PATIENT);
    let shown = sink("table = \"mon.Alerts\"").unwrap();
    let shown = shown.render(&message_of(firing(&id(1)))).unwrap();
    assert!(
        shown.starts_with("INSERT INTO \"mon\".\"Alerts\" ("),
        "{shown}"
    );
    for (more, setting) in [
        ("table = 'a\" b'", "table"),
        ("table = \"a.b.c\"", "table"),
        ("parameters = { a = \"id\" }", "parameters"),
    ] {
        let Err(error) = sink(more) else {
            panic!("this passes: {more}")
        };
        assert_eq!(error.setting, setting, "{error}");
    }
}

#[test]
fn each_alert_of_a_digest_has_a_delivery_id_of_its_own() {
    let sink = built("sqlite", "INSERT INTO t VALUES (:delivery_id)", "").unwrap();
    let one = sink.render(&message_of(firing(&id(1)))).unwrap();
    assert!(
        one.contains("= \"dlv_0123456789abcdef0123456789abcdef\"\n"),
        "{one}"
    );
    let two = sink.render(&digest()).unwrap();
    for number in [1, 2] {
        let wanted = format!("= \"dlv_0123456789abcdef0123456789abcdef.{number}\"\n");
        assert!(two.contains(&wanted), "{two}");
    }
}

#[test]
fn a_value_keeps_its_type_and_what_is_absent_is_null() {
    let values = "yes = \"true\", whole = \"metric.value\", part = \"1.5\", none = \"resource.name\", \
                  cut = \"(resource.region or '')[:3]\", list = \"[1, 'a']\", at = \"starts_at|at('UTC')\", unix = \"starts_at|unix\", \
                  uuid = \"'07a89fb8'|uuid\", kept = \"'07A89FB8-5EE0-11e6-b059-00ffbeabee13'|uuid\"";
    let statement = "INSERT INTO t VALUES (:yes, :whole, :part, :none, :cut, :list, :at, :unix, :uuid, :kept, :labels, :ends_at)";
    let sink = built("mysql", statement, values).unwrap();
    let mut bare = firing(&id(1));
    bare.resource.name = None;
    let shown = sink.render(&many(vec![bare, resolved(&id(2))])).unwrap();
    for value in [
        ":yes = true",
        ":whole = 97",
        ":part = 1.5",
        ":none = null",
        ":none = \"db-1\"",
        ":cut = \"cn-\"",
        ":list = [1,\"a\"]",
        ":at = \"2016-08-10 09:51:37\"",
        ":unix = 1470822697",
        ":kept = \"07a89fb8-5ee0-11e6-b059-00ffbeabee13\"",
        ":labels = {\"team\":\"db\"}",
        ":ends_at = null",
        ":ends_at = \"2016-08-10 10:08:17.500000\"",
    ] {
        assert!(
            shown.contains(&format!("{value}\n")),
            "no {value} in {shown}"
        );
    }
    let made = shown.split(":uuid = \"").nth(1).unwrap();
    assert_eq!(made.split('"').next().unwrap().len(), 36);
    assert_eq!(shown.matches(made.split('"').next().unwrap()).count(), 2);
}
