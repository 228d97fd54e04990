//! One connection to PostgreSQL: its settings, its prepared statements, and the warnings that the server sent.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryRow, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::trouble::is_lost;

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A dead server is noticed after this time, also when it does not close the connection.
const SILENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every connection.
/// - `synchronous_commit=on`: a commit returns after the log is synced, also on the synchronous standbys.
/// - `force_generic_plan`: a statement over arrays is otherwise planned again for each batch.
/// - The timeouts end what hangs: no transaction of Campanile is open for longer.
const SETTINGS: &str = "-c synchronous_commit=on -c plan_cache_mode=force_generic_plan -c lock_timeout=3s \
                        -c statement_timeout=10s -c idle_in_transaction_session_timeout=10s";

/// "canceling wait for synchronous replication": the commit stands on one server only.
const WARNING: &str = "01000";

/// The history that the server continues: another cluster or a promoted standby has another one. The control file has an old
/// timeline until the first checkpoint after a promotion, the name of the log file has the new one.
const LINE: &str = "SELECT (SELECT system_identifier FROM pg_control_system()),
    left(pg_walfile_name(pg_current_wal_lsn()), 8)";

/// Where the server is, and how to connect.
pub(super) struct Address {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Of a URL such as `postgres://user:password@host:5432/database`. It can name several hosts: the one that takes writes is
    /// used. The error never contains the URL.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            format!("is not a PostgreSQL URL: {}", reason(&error))
        })?;
        config
            .options(SETTINGS)
            .application_name("campanile")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENT_TIMEOUT)
            .keepalives_idle(SILENT_TIMEOUT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = (config.get_ssl_mode() != SslMode::Disable)
            .then(tls)
            .transpose()?;
        Ok(Self { config, tls })
    }

    /// The server and the database, for messages. Without user and password.
    pub(super) fn shown(&self) -> String {
        use tokio_postgres::config::Host;
        let hosts = self.config.get_hosts().iter().zip(
            self.config
                .get_ports()
                .iter()
                .copied()
                .chain(std::iter::repeat(5432)),
        );
        let hosts: Vec<String> = hosts
            .map(|(host, port)| match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            })
            .collect();
        let database = self.config.get_dbname().or(self.config.get_user());
        format!(
            "postgres://{}/{}",
            hosts.join(","),
            database.unwrap_or_default()
        )
    }

    /// Connects.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Session, tokio_postgres::Error> {
        self.connect_and_hear(None).await
    }

    /// Connects. The payloads of notifications go to this channel, which closes with the connection; what does not fit is lost.
    pub(super) async fn connect_and_hear(
        self: &Arc<Self>,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => self.connect_with(tls.clone(), heard).await,
            None => self.connect_with(NoTls, heard).await,
        }
    }

    async fn connect_with<T>(
        self: &Arc<Self>,
        tls: T,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, tokio_postgres::Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let (client, mut connection) = self.config.connect(tls).await?;
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
        let mut session = Session {
            client,
            home: Home {
                address: Arc::clone(self),
                line: None,
            },
            warned,
            task,
            statements: HashMap::new(),
        };
        session.home.line = session.line().await?;
        // The server can warn of other things when a session begins.
        session.take_warning();
        Ok(session)
    }
}

/// The certificate authorities of the system.
fn tls() -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| "needs TLS 1.2 or 1.3".to_owned())?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// The server that a connection goes to.
pub(super) struct Home {
    pub(super) address: Arc<Address>,
    /// None: the server does not say it.
    pub(super) line: Option<Line>,
}

/// A history of the database: the system identifier and the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line(String);

/// An open connection. Dropping it closes it, also if the server does not read.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) home: Home,
    warned: Arc<AtomicBool>,
    task: JoinHandle<()>,
    statements: HashMap<&'static str, Statement>,
}

impl Session {
    /// The history that the server continues.
    async fn line(&self) -> Result<Option<Line>, tokio_postgres::Error> {
        use tokio_postgres::SimpleQueryMessage::Row;
        let rows = match self.client.simple_query(LINE).await {
            // Not every service has these functions.
            Err(error) if !is_lost(&error) => return Ok(None),
            rows => rows?,
        };
        let text = |row: &SimpleQueryRow| Some(format!("{} {}", row.get(0)?, row.get(1)?));
        let mut rows = rows.iter();
        Ok(rows.find_map(|row| match row {
            Row(row) => text(row).map(Line),
            _ => None,
        }))
    }

    /// This statement, prepared once for the connection.
    pub(super) async fn prepared(
        &mut self,
        sql: &'static str,
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
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
