//! `campanile store`: copies, checks and migrates the database.

use std::path::{Path, PathBuf};

use campanile_model::StoreUrl;
use campanile_store::sqlite::file::{self, Copied, Damage, Migration, StoreFile, TableRows};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::failure::{Ending, Failure};
use super::progress::Progress;
use super::setup::{self, count};
use super::store_copy;
use super::table::{self, Column};
use super::terminal::{Terminal, harmless};
use super::wait;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile store backup /backup/campanile.db --config /etc/campanile/
  campanile store verify --config /etc/campanile/      (the database, also of a running gateway)
  campanile store verify /backup/campanile.db          (a backup)
  campanile store migrate --dry-run --config /etc/campanile/
  campanile store copy campanile.db env:CAMPANILE_STORE_URL            (next to the gateway)
  campanile store copy campanile.db env:CAMPANILE_STORE_URL --finish   (after it has stopped)

backup and verify read only, and a gateway can run meanwhile. migrate needs a stopped gateway; a start of the gateway does the
same.";

/// The command line of `campanile store`.
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copy the database to a new file, whole and consistent, also while the gateway runs. The copy is checked before it gets
    /// its name.
    Backup {
        /// The new file. A file that exists is never replaced.
        #[arg(value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        which: Which,
        /// Print JSON: the size of the copy, its schema, the rows of each table.
        #[arg(long)]
        json: bool,
    },
    /// Check a database or a backup: every page, every compressed callback, every pending delivery. Ends with exit code 1 if
    /// anything is damaged.
    Verify {
        /// The database or the backup. Without it, the database of the config.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        which: Which,
        /// Print JSON: the schema, the rows of each table, what is damaged.
        #[arg(long)]
        json: bool,
    },
    /// Copy everything to a store of the other engine, or of the same one: from SQLite to PostgreSQL, or back. The gateway can run on
    /// FROM until `--finish`. A copy that was stopped goes on with the same command.
    #[command(after_help = store_copy::EXAMPLES)]
    Copy(store_copy::Copy),
    /// Migrate the database to the schema of this program. The gateway must be stopped.
    Migrate {
        /// Only print the SQL of the steps.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        which: Which,
        /// Print JSON: the schema before and after, the SQL of each step.
        #[arg(long)]
        json: bool,
    },
}

/// The database.
#[derive(Debug, Args)]
struct Which {
    /// The config of the gateway, whose `[store] url` names the database: a TOML file, or a folder of TOML files.
    #[arg(long, value_name = "PATH", env = "CAMPANILE_CONFIG")]
    config: Vec<PathBuf>,
    /// The database file itself. Then no config is read.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

impl Which {
    fn path(self) -> Result<PathBuf, Failure> {
        if let Some(path) = self.database {
            return Ok(path);
        }
        if self.config.is_empty() {
            let what = "which database is not known";
            return Err(Failure::usage(what).hint("give --config PATH or --database FILE"));
        }
        match setup::load(&self.config)?.store.url {
            StoreUrl::Sqlite(path) => Ok(path),
            StoreUrl::Postgres(_) => Err(Failure::usage(
                "`[store] url` is a PostgreSQL database, and this command is for SQLite files",
            )
            .hint("use the tools of PostgreSQL (pg_basebackup, pg_dump), or give --database FILE")),
        }
    }
}

const TABLES: &[Column<TableRows>] = &[
    Column::new("TABLE", |table: &TableRows| table.table.clone()),
    Column::new("ROWS", |table: &TableRows| table.rows.to_string()),
    Column::new("PENDING FOR", |table: &TableRows| {
        table::or_empty(table.sink.as_ref())
    }),
];

impl Store {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        match self.what {
            What::Backup { to, which, json } => back_up(&which.path()?, &to, json, terminal),
            What::Verify { file, which, json } => {
                let path = file.map_or_else(|| which.path(), Ok)?;
                verify(&path, json, terminal)
            }
            What::Copy(copy) => copy.run(terminal),
            What::Migrate {
                dry_run,
                which,
                json,
            } => migrate(&which.path()?, dry_run, json, terminal),
        }
    }
}

fn back_up(from: &Path, to: &Path, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let file = StoreFile::open(from)?;
    let progress = Progress::new(terminal, format!("copying {}", from.display()), None);
    let stop = file.interrupt_handle();
    let target = to.to_owned();
    let copy = off_thread(move || file.copy_to(&target));
    let copied = wait(progress.during(async {
        let mut copy = std::pin::pin!(copy);
        tokio::select! {
            copied = &mut copy => return copied,
            pressed = tokio::signal::ctrl_c() => pressed?,
        }
        // The unfinished copy is removed.
        stop.interrupt();
        copy.await
    }))?;
    let copied = copied?;
    if json {
        return terminal.json(&copied);
    }
    let (shown, Copied { bytes, schema, .. }) = (to.display(), &copied);
    terminal.line(format_args!(
        "{shown} is a checked copy: {bytes} bytes, schema {schema}"
    ))?;
    table::show(terminal, TABLES, &copied.tables)
}

/// What `verify` found.
#[derive(Serialize)]
struct Verified {
    file: String,
    ok: bool,
    schema: u32,
    tables: Vec<TableRows>,
    damages: u64,
    damage: Vec<String>,
}

fn verify(path: &Path, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let file = StoreFile::open(path)?;
    let schema = file.schema()?;
    let progress = Progress::new(terminal, "checking the pages", None);
    let pages = off_thread(move || (file.check_pages(), file));
    let (damage, file) = wait(progress.during(pages))?;
    let mut damage: Damage = damage?;
    let span = file.callbacks().ok();
    let mut progress = Progress::new(terminal, "callbacks checked", span);
    let bodies = file.check_bodies(&mut |done| progress.at(done));
    damage.add(bodies?);
    drop(progress);
    let progress = Progress::new(terminal, "counting rows", None);
    let rows = off_thread(move || (file.check_places(), file.tables(), file));
    let (places, tables, file) = wait(progress.during(rows))?;
    damage.add(places?);
    file.check_still()?;
    let verified = Verified {
        file: path.display().to_string(),
        ok: damage.is_none(),
        schema,
        // A damaged table cannot be counted.
        tables: tables.unwrap_or_default(),
        damages: damage.count,
        damage: damage.found,
    };
    verified.show(json, terminal)
}

impl Verified {
    fn show(&self, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
        if json {
            terminal.json(self)?;
        } else {
            self.print(terminal)?;
        }
        if self.ok {
            return Ok(());
        }
        Err(Failure::Said(Ending::Failed as u8))
    }

    fn print(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        table::show(terminal, TABLES, &self.tables)?;
        let file = harmless(&self.file);
        let Self {
            schema, damages, ..
        } = self;
        if self.ok {
            return terminal.line(format_args!("{file} is sound (schema {schema})"));
        }
        for one in &self.damage {
            terminal.line(format_args!("damaged: {}", harmless(one)))?;
        }
        let found = count(*damages, "finding");
        terminal.line(format_args!("{file} is damaged: {found}"))?;
        terminal.say(
            " hint: restore a backup, or save what can be read: docs/operations.md, or /help/operations#a-damaged-database of a \
             running gateway",
        )
    }
}

fn migrate(path: &Path, dry_run: bool, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let done = if dry_run {
        file::migration(path)?
    } else {
        let progress = Progress::new(terminal, format!("migrating {}", path.display()), None);
        let path = path.to_owned();
        let migrated = off_thread(move || file::migrate(&path));
        wait(progress.during(migrated))??
    };
    if json {
        return terminal.json(&json!({"dry_run": dry_run, "migration": done}));
    }
    show_migration(path, dry_run, &done, terminal)
}

fn show_migration(
    path: &Path,
    dry_run: bool,
    done: &Migration,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (path, Migration { from, to, steps }) = (path.display(), done);
    if steps.is_empty() {
        return terminal.line(format_args!("{path} has schema {to}: nothing to migrate"));
    }
    if !dry_run {
        return terminal.line(format_args!(
            "{path} was migrated from schema {from} to {to}"
        ));
    }
    terminal.line(format_args!(
        "-- {path}: from schema {from} to {to}. Nothing was changed."
    ))?;
    for (version, step) in (from + 1..).zip(steps) {
        let step = step.trim_matches('\n');
        let end = format!("PRAGMA user_version = {version};\nCOMMIT;");
        terminal.line(format_args!(
            "\n-- to schema {version}\nBEGIN IMMEDIATE;\n{step}\n{end}"
        ))?;
    }
    Ok(())
}

/// Runs work that blocks its thread, so that progress can be shown meanwhile.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::failed(error.to_string()))
}
