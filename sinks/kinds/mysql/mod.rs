//! # mysql
//!
//! ## What it does
//! Runs one SQL statement in MariaDB or MySQL for each alert. Values are bound as parameters: they are never part of the statement.
//! Servers that speak the same protocol can work too, such as TiDB, PolarDB and UDB.
//!
//! ## Set it up
//! 1. Create the table, and a user that can do nothing but fill it:
//!
//! ```sql
//! CREATE TABLE campanile_alerts (
//!   id char(36) PRIMARY KEY,
//!   received_at datetime(6) NOT NULL,
//!   source varchar(255) NOT NULL,
//!   fingerprint char(16) NOT NULL,
//!   status varchar(16) NOT NULL,
//!   severity varchar(16) NOT NULL,
//!   title text NOT NULL,
//!   resource_type text,
//!   resource_id text,
//!   resource_name text,
//!   region text,
//!   metric text,
//!   value double,
//!   starts_at datetime(6),
//!   ends_at datetime(6),
//!   alert longtext NOT NULL
//! ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
//! CREATE USER 'campanile'@'%' IDENTIFIED BY 'a-long-random-password';
//! GRANT INSERT, UPDATE, SELECT ON campanile_alerts TO 'campanile'@'%';
//! ```
//!
//! 2. Name the server:
//!
//! ```toml
//! [sinks.mysql.history]
//! host = "db.example.com"                    # or the path of a socket: "/run/mysqld/mysqld.sock"
//! database = "monitoring"
//! user = "campanile"
//! password = { env = "MYSQL_PASSWORD" }
//! # ca_file = "/etc/campanile/ca.pem"        # an authority of your own
//! ```
//!
//! To fill a table of your own, write the statement. `:name` is a value. `parameters` says what it is, as a Jinja expression over the
//! alert; the names of fields need no entry:
//!
//! ```toml
//! [sinks.mysql.mine]
//! host = "db.example.com"
//! database = "monitoring"
//! user = "campanile"
//! password = { env = "MYSQL_PASSWORD" }
//! statement = """
//! INSERT INTO warnings (id, at, host, began) VALUES (:id, :received_at, :host, :began)
//! ON DUPLICATE KEY UPDATE at = VALUES(at)"""
//! parameters = { host = "(resource.name or '')[:45]", began = "starts_at|unix|default(0)" }
//! ```
//!
//! Give the table a key that is the same each time an alert is sent: `:id` (the alert), or `:fingerprint` (the problem) for one row that a
//! recovery updates. Then a statement that runs twice writes one row. The table of UCloud's own demo server is filled by
//! `config/examples/ucloud-demo.toml`.
//!
//! ## What is sent
//! One statement for each alert. A digest runs it once for each of its alerts, in their order.
//!
//! Names without an entry: `id`, `source`, `message_id`, `fingerprint`, `status`, `severity`, `title`, `description`, `starts_at`, `ends_at`,
//! `received_at`, `resource_type`, `resource_id`, `resource_name`, `resource_region`, `resource_account`, `metric_name`, `metric_value`,
//! `metric_comparator`, `metric_threshold`, `metric_unit`, `labels`, `links`, `raw`, `delivery_id`, and `alert`, the whole alert as JSON.
//!
//! Numbers and text are bound as such. What the alert does not have is NULL. Lists and tables are JSON. MySQL does not read the times of
//! alerts in an expression, so write `starts_at|at('UTC')` or `starts_at|unix` there; the names above are written in UTC already. The
//! session has the time zone UTC and is strict: text that is too long for its column is refused, never cut without a notice. Cut it in
//! `parameters`: `title[:100]` has at most 100 characters.
//!
//! A column with the character set `utf8` cannot hold characters above U+FFFF, such as emoji. If the server refuses them, they are removed
//! and the statement is run once more in the same attempt; the delivery says so in its remark.
//!
//! Success means that the server has committed. It is on the disk with `innodb_flush_log_at_trx_commit = 1`, which is the default.
//! A table of another engine than InnoDB promises less.
//!
//! ## When it fails
//! No connection, a server that starts or stops, too many connections, a deadlock, a lock, a full disk: retried. Wrong credentials, a
//! missing database, table, column or right, a wrong statement: retried slowly, and you are notified. A server that is read-only is
//! connected again, and you are notified after three attempts. A value that its column does not take (too long, not a number, NULL):
//! three attempts, then a dead letter; the other alerts of a digest are written. A row whose key is there already counts as delivered if
//! the statement has no `ON DUPLICATE KEY UPDATE`. `INSERT IGNORE` is not accepted: it hides all of these.
//!
//! After a timeout the server may still commit the statement. It waits for a lock one second less than `timeout`.
//!
//! ## What is not certain
//! The tests talk to MariaDB. With MySQL 8, the login by `caching_sha2_password` and the error codes from 3000 follow its documentation.

#[cfg(feature = "mysql")]
mod driver;
#[cfg(feature = "mysql")]
mod fault;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Values};

use crate::kind::page;
use crate::statement::{self, Dialect, Form, Statement, server};
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct MysqlKind;

static ABOUT: About = About {
    name: Cow::Borrowed("mysql"),
    title: Cow::Borrowed("a statement in MariaDB or MySQL for each alert"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "mysql",
        built: cfg!(feature = "mysql"),
    }),
    alternatives: &[("statement", "table")],
    limits: Limits::NONE,
    digest: true,
};

const SERVER: &[Setting] = &server::settings(
    "3306",
    "The server: a name, an address, or the path of its socket, such as \"/run/mysqld/mysqld.sock\".",
    r#"{ env = "MYSQL_PASSWORD" }"#,
);

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [SERVER, statement::SETTINGS, reach::DIRECT].concat());

const FORM: Form = Form {
    dialect: Dialect {
        placeholder: |_| "?".to_owned(),
        positional: &['?'],
        backslash: true,
        hash: true,
        dollar: false,
    },
    time: Some("%Y-%m-%d %H:%M:%S%.6f"),
    fills: |table| {
        format!(
            "INSERT INTO {table} (id, received_at, source, fingerprint, status, severity, title, resource_type, resource_id, \
             resource_name, region, metric, value, starts_at, ends_at, alert)\n\
             VALUES (:id, :received_at, :source, :fingerprint, :status, :severity, :title, :resource_type, :resource_id, \
             :resource_name, :resource_region, :metric_name, :metric_value, :starts_at, :ends_at, :alert)\n\
             ON DUPLICATE KEY UPDATE id = id"
        )
    },
    quote: '`',
    refuses_ignore: true,
};

impl Kind for MysqlKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        &SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("mod.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let statement = Statement::of(values, &FORM)?;
        built(values, statement, tools)
    }
}

#[cfg(feature = "mysql")]
fn built(
    values: &Values,
    statement: Statement,
    tools: &Tools<'_>,
) -> Result<Arc<dyn Sink>, BuildError> {
    let server = server::Server::of(values)?;
    let sink = driver::Mysql::new(server, statement, tools.timeout)?;
    Ok(Arc::new(sink))
}

#[cfg(not(feature = "mysql"))]
fn built(_: &Values, _: Statement, _: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
    Err(crate::kind::not_built("mysql"))
}
