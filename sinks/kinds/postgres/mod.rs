//! # postgres
//!
//! ## What it does
//! Runs one SQL statement in PostgreSQL for each alert. Values are bound as parameters: they are never part of the statement.
//! Servers that speak the protocol of PostgreSQL can work too, such as TimescaleDB and CockroachDB.
//!
//! ## Set it up
//! 1. Create the table, and a user that can do nothing but fill it:
//!
//! ```sql
//! CREATE TABLE campanile_alerts (
//!   id uuid PRIMARY KEY,
//!   received_at timestamptz NOT NULL,
//!   source text NOT NULL,
//!   fingerprint text NOT NULL,
//!   status text NOT NULL,
//!   severity text NOT NULL,
//!   title text NOT NULL,
//!   resource_type text,
//!   resource_id text,
//!   resource_name text,
//!   region text,
//!   metric text,
//!   value double precision,
//!   starts_at timestamptz,
//!   ends_at timestamptz,
//!   alert jsonb NOT NULL
//! );
//! CREATE USER campanile PASSWORD 'a-long-random-password';
//! GRANT INSERT, SELECT ON campanile_alerts TO campanile;
//! ```
//!
//! 2. Name the server:
//!
//! ```toml
//! [sinks.postgres.history]
//! host = "db.example.com"                    # or the folder of a socket: "/var/run/postgresql"
//! database = "monitoring"
//! user = "campanile"
//! password = { env = "POSTGRES_PASSWORD" }
//! # ca_file = "/etc/campanile/ca.pem"        # an authority of your own
//! # pgbouncer = true                         # the server is PgBouncer
//! ```
//!
//! To fill a table of your own, write the statement. `:name` is a value. `parameters` says what it is, as a Jinja expression over the
//! alert; the names of fields need no entry:
//!
//! ```toml
//! [sinks.postgres.mine]
//! host = "db.example.com"
//! database = "monitoring"
//! user = "campanile"
//! password = { env = "POSTGRES_PASSWORD" }
//! statement = """
//! INSERT INTO warnings (id, at, host, team) VALUES (:id, :received_at, :resource_name, :team)
//! ON CONFLICT (id) DO NOTHING"""
//! parameters = { team = "labels.team|default('none')" }
//! ```
//!
//! Give the table a key that is the same each time an alert is sent: `:id` (the alert), or `:fingerprint` (the problem) for one row that a
//! recovery updates. Then a statement that runs twice writes one row.
//!
//! ## What is sent
//! One statement for each alert. A digest runs it once for each of its alerts, in their order.
//!
//! Names without an entry: `id`, `source`, `message_id`, `fingerprint`, `status`, `severity`, `title`, `description`, `starts_at`, `ends_at`,
//! `received_at`, `resource_type`, `resource_id`, `resource_name`, `resource_region`, `resource_account`, `metric_name`, `metric_value`,
//! `metric_comparator`, `metric_threshold`, `metric_unit`, `labels`, `links`, `raw`, `delivery_id`, and `alert`, the whole alert as JSON.
//!
//! Values go to the server as text, and it reads them as the type of the column. What the alert does not have is NULL. Lists and tables
//! are JSON. U+0000, which PostgreSQL cannot store, is removed. If the server does not know the type of a place, write it: `:title::text`.
//! Cut text to its column in `parameters`: `title[:100]`.
//!
//! Success means that the server has committed. With `synchronous_commit = off` on the server, a power failure can lose the last rows.
//!
//! ## When it fails
//! No connection, a server that starts or stops, a deadlock, a lock, no space: retried. Wrong credentials, a missing database, table,
//! column or right, a wrong statement: retried slowly, and you are notified. A server that is read-only is connected again, and you are
//! notified after three attempts. A value that its column does not take (too long, not a number, NULL): three attempts, then a dead
//! letter; the other alerts of a digest are written. A row whose key is there already counts as delivered if the statement has no
//! `ON CONFLICT`.
//!
//! After a timeout the server may still commit the statement. The server itself ends it one second before `timeout` (not through PgBouncer).

#[cfg(feature = "postgres")]
mod driver;
#[cfg(feature = "postgres")]
mod fault;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, with};

use crate::kind::page;
use crate::statement::{self, Dialect, Form, Statement, server};
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct PostgresKind;

static ABOUT: About = About {
    name: Cow::Borrowed("postgres"),
    title: Cow::Borrowed("a statement in PostgreSQL for each alert"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "postgres",
        built: cfg!(feature = "postgres"),
    }),
    alternatives: &[("statement", "table")],
    limits: Limits::NONE,
    digest: true,
};

const SERVER: &[Setting] = &server::settings(
    "5432",
    "The server: a name, an address, or the folder of its socket, such as \"/var/run/postgresql\".",
    r#"{ env = "POSTGRES_PASSWORD" }"#,
);

const OWN: &[Setting] = &[with(
    "pgbouncer",
    Type::Flag,
    "false",
    "The server is PgBouncer. It takes no `statement_timeout`.",
)];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [SERVER, statement::SETTINGS, OWN, reach::DIRECT].concat());

const FORM: Form = Form {
    dialect: Dialect {
        placeholder: |number| format!("${number}"),
        positional: &['$'],
        backslash: false,
        hash: false,
        dollar: true,
    },
    time: None,
    fills: |table| {
        format!(
            "INSERT INTO {table} (id, received_at, source, fingerprint, status, severity, title, resource_type, resource_id, \
             resource_name, region, metric, value, starts_at, ends_at, alert)\n\
             VALUES (:id, :received_at, :source, :fingerprint, :status, :severity, :title, :resource_type, :resource_id, \
             :resource_name, :resource_region, :metric_name, :metric_value, :starts_at, :ends_at, :alert)\n\
             ON CONFLICT (id) DO NOTHING"
        )
    },
    quote: '"',
    refuses_ignore: false,
};

impl Kind for PostgresKind {
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

#[cfg(feature = "postgres")]
fn built(
    values: &Values,
    statement: Statement,
    tools: &Tools<'_>,
) -> Result<Arc<dyn Sink>, BuildError> {
    let server = server::Server::of(values)?;
    let sink = driver::Postgres::new(server, values.flag("pgbouncer"), statement, tools.timeout)?;
    Ok(Arc::new(sink))
}

#[cfg(not(feature = "postgres"))]
fn built(_: &Values, _: Statement, _: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
    Err(crate::kind::not_built("postgres"))
}
