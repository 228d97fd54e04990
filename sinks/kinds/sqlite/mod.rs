//! # sqlite
//!
//! ## What it does
//! Runs one SQL statement in a SQLite file for each alert. Values are bound as parameters: they are never part of the statement.
//!
//! ## Set it up
//! ```toml
//! [sinks.sqlite.history]
//! path = "/var/lib/campanile/history.db"     # its folder must exist; never the file of `[store]`
//! ```
//!
//! The file and its table `campanile_alerts` are made at the first alert:
//!
//! ```sql
//! CREATE TABLE campanile_alerts (
//!   id TEXT PRIMARY KEY,
//!   received_at TEXT NOT NULL,
//!   source TEXT NOT NULL,
//!   fingerprint TEXT NOT NULL,
//!   status TEXT NOT NULL,
//!   severity TEXT NOT NULL,
//!   title TEXT NOT NULL,
//!   resource_type TEXT,
//!   resource_id TEXT,
//!   resource_name TEXT,
//!   region TEXT,
//!   metric TEXT,
//!   value REAL,
//!   starts_at TEXT,
//!   ends_at TEXT,
//!   alert TEXT NOT NULL
//! );
//! ```
//!
//! To fill a table of your own, make it first and write the statement. `:name` is a value. `parameters` says what it is, as a Jinja
//! expression over the alert; the names of fields need no entry:
//!
//! ```toml
//! [sinks.sqlite.mine]
//! path = "/var/lib/campanile/mine.db"
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
//! Numbers and text are bound as such, times as text in RFC 3339, lists and tables as JSON. What the alert does not have is NULL.
//!
//! Success means that the row is on the disk (`synchronous = EXTRA`). The journal mode of the file is left as it is. The file can be read
//! and written by other programs at the same time, but not over NFS or SMB.
//!
//! ## When it fails
//! A file that another program has locked, a full or broken disk: retried. A missing folder, table, column or right, a wrong statement, a
//! file that is not a database or that is the store of a Campanile: retried slowly, and you are notified. A value that the table does not
//! take: three attempts, then a dead letter; the other alerts of a digest are written. A row whose key is there already counts as delivered
//! if the statement has no `ON CONFLICT`.

mod driver;
mod fault;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, required};

use crate::kind::page;
use crate::statement::{self, Dialect, Form, Statement};
use crate::{About, BuildError, Confidence, Group, Kind, Limits, Sink, Tools};

/// The kind.
#[derive(Debug)]
pub struct SqliteKind;

static ABOUT: About = About {
    name: Cow::Borrowed("sqlite"),
    title: Cow::Borrowed("a statement in a SQLite file for each alert"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[("statement", "table")],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[required(
    "path",
    Type::Path,
    r#""/var/lib/campanile/history.db""#,
    "The file. Its folder must exist. Never the file of `[store]`.",
)];

static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| [OWN, statement::SETTINGS].concat());

/// The columns of the table that the sink makes.
const COLUMNS: &str = "id TEXT PRIMARY KEY, received_at TEXT NOT NULL, source TEXT NOT NULL, fingerprint TEXT NOT NULL, \
    status TEXT NOT NULL, severity TEXT NOT NULL, title TEXT NOT NULL, resource_type TEXT, resource_id TEXT, resource_name TEXT, \
    region TEXT, metric TEXT, value REAL, starts_at TEXT, ends_at TEXT, alert TEXT NOT NULL";

const FORM: Form = Form {
    dialect: Dialect {
        placeholder: |number| format!("?{number}"),
        positional: &['?', '$', '@'],
        backslash: false,
        hash: false,
        dollar: false,
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

impl Kind for SqliteKind {
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
        let path: PathBuf = values.get("path")?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let problem = format!("the folder {} does not exist: create it", folder.display());
            return Err(BuildError::new("path", problem));
        }
        let makes = statement.table.as_ref();
        let makes = makes.map(|table| format!("CREATE TABLE IF NOT EXISTS {table} ({COLUMNS})"));
        let sink = driver::Sqlite::new(path, makes, statement, tools.timeout);
        Ok(Arc::new(sink))
    }
}
