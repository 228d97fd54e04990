//! One connection to PostgreSQL: its prepared statements, its history, and the warnings that the server sent.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, Row, SimpleQueryRow, Socket, Statement};

use super::address::{Address, SETTINGS};
use super::history::{Line, Standing};
use super::schema;
use super::trouble::is_lost;
use crate::Error;

/// "canceling wait for synchronous replication": the commit stands on one server only.
const WARNING: &str = "01000";

/// The history that the server continues: another cluster or a promoted standby has another one. The control file has an old
/// timeline until the first checkpoint after a promotion, the name of the log file has the new one.
const LINE: &str = "SELECT (SELECT system_identifier FROM pg_control_system()),
    left(pg_walfile_name(pg_current_wal_lsn()), 8)";

/// The server that a connection goes to.
pub(super) struct Home {
    pub(super) address: Arc<Address>,
    /// None: the server does not say it.
    pub(super) line: Option<Line>,
}

impl Home {
    /// The error of a connection to an old primary.
    pub(super) fn ended(&self) -> Error {
        let shown = |line: Option<Line>| line.map_or_else(String::new, |line| line.to_string());
        Error::Read(format!(
            "{} is an old primary: it continues {}, and this gateway has followed the database to {}. Stop the old server. If the \
             database was restored from a backup, start the gateway again.",
            self.address.shown(),
            shown(self.line.clone()),
            shown(self.address.history.followed()),
        ))
    }
}

/// An open connection. Dropping it closes it, also if the server does not read.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) home: Home,
    warned: Arc<AtomicBool>,
    task: JoinHandle<()>,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Session {
    /// Of a connection that was opened.
    pub(super) async fn open<S>(
        address: Arc<Address>,
        client: Client,
        mut connection: Connection<Socket, S>,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Self, tokio_postgres::Error>
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let warned = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&warned);
        let task = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) if notice.code().code() == WARNING => {
                        tracing::warn!(warning = notice.message(), "PostgreSQL sent a warning");
                        seen.store(true, Ordering::Release);
                    }
                    Ok(AsyncMessage::Notification(notification)) => {
                        if let Some(heard) = &heard {
                            let _full = heard.try_send(notification.payload().to_owned());
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "a connection to PostgreSQL ended");
                        return;
                    }
                }
            }
        });
        let mut session = Self {
            client,
            home: Home {
                address,
                line: None,
            },
            warned,
            task,
            statements: Mutex::default(),
        };
        let name = schema::session_name(session.home.address.level);
        let settings = format!("{SETTINGS}; SET application_name = '{name}'");
        session.client.batch_execute(&settings).await?;
        session.home.line = session.line().await?;
        // The server can warn of other things when a session begins.
        session.take_warning();
        Ok(session)
    }

    /// How it relates to the history that the gateway follows.
    pub(super) fn standing(&self) -> Standing {
        let history = &self.home.address.history;
        history.standing(self.home.line.as_ref())
    }

    /// Makes its history the one that is followed, if it has not ended.
    pub(super) fn take_up(&self) -> Standing {
        let history = &self.home.address.history;
        history.take_up(self.home.line.as_ref())
    }

    /// Waits until the gateway begins to follow another history. A commit can hang for long on an old primary that has no standby any more.
    pub(super) fn left(&self) -> impl Future<Output = ()> + Send + use<> {
        let (address, line) = (Arc::clone(&self.home.address), self.home.line.clone());
        async move {
            let mut changes = address.history.changes();
            // The address keeps the other end.
            while changes.changed().await.is_ok() {
                if address.history.standing(line.as_ref()) != Standing::Followed {
                    return;
                }
            }
        }
    }

    /// Whether it can be used for the next call. One to an old primary that still runs cannot.
    pub(super) fn is_usable(&self) -> bool {
        !self.client.is_closed() && self.standing() == Standing::Followed
    }

    /// The history that the server continues.
    async fn line(&self) -> Result<Option<Line>, tokio_postgres::Error> {
        use tokio_postgres::SimpleQueryMessage;
        let rows = match self.client.simple_query(LINE).await {
            // Not every service has these functions.
            Err(error) if !is_lost(&error) => return Ok(None),
            rows => rows?,
        };
        let line = |row: &SimpleQueryRow| {
            Some(Line {
                system: row.get(0)?.to_owned(),
                timeline: u32::from_str_radix(row.get(1)?, 16).ok()?,
            })
        };
        let mut rows = rows.iter();
        Ok(rows.find_map(|row| match row {
            SimpleQueryMessage::Row(row) => line(row),
            _ => None,
        }))
    }

    /// This statement, prepared once for the connection.
    pub(super) async fn prepared(
        &self,
        sql: &'static str,
    ) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements().insert(sql, statement.clone());
        Ok(statement)
    }

    /// The rows of this statement. A statement that is not prepared costs a second round trip, and is planned again.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        self.client.query(&statement, parameters).await
    }

    fn statements(&self) -> MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server sent a warning since the last call. Then a commit that returned is not on all the servers that it
    /// should be on.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Otherwise the task would still write what it has in its queue.
        self.task.abort();
    }
}

/// The reason of an error with its causes, without the words that tokio-postgres puts before it.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(report) = error.as_db_error() {
        return format!("{} ({})", report.message(), report.code().code());
    }
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
