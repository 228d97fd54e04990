//! Where the database is, and how to connect: to one server, or to the primary among several.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::history::{History, Standing};
use super::pool::Fault;
use super::schema;
use super::session::{Session, reason};

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A dead server is noticed after this time, also when it does not close the connection.
const SILENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every connection.
/// - `synchronous_commit=on`: a commit returns after the log is synced, also on the synchronous standbys.
/// - `force_generic_plan`: a statement over arrays is otherwise planned again for each batch.
/// - The timeouts end what hangs: no transaction of Campanile is open for longer.
///
/// They are set by a statement: PgBouncer refuses connections that bring them as options.
pub(super) const SETTINGS: &str = "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; SET lock_timeout = '3s';
    SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'";

/// Where the server is, and how to connect.
pub(super) struct Address {
    config: Config,
    /// The same for each host alone, if there are several.
    each: Vec<Config>,
    tls: Option<MakeRustlsConnect>,
    /// The level of the program.
    pub(super) level: i32,
    pub(super) history: History,
}

impl Address {
    /// Of a URL such as `postgres://user:password@host:5432/database`. It can name several hosts: the one that takes writes is
    /// used. The error never contains the URL.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            format!("is not a PostgreSQL URL: {}", reason(&error))
        })?;
        config
            .application_name("campanile")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENT_TIMEOUT)
            .keepalives_idle(SILENT_TIMEOUT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = (config.get_ssl_mode() != SslMode::Disable)
            .then(tls)
            .transpose()?;
        Ok(Self {
            each: each(&config),
            config,
            tls,
            level: schema::level(),
            history: History::default(),
        })
    }

    /// The server and the database, for messages. Without user and password.
    pub(super) fn shown(&self) -> String {
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

    /// Connects, if the program is not too old for the tables.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Session, Fault> {
        self.connect_and_hear(None).await
    }

    /// The same. The payloads of notifications go to this channel, which closes with the connection; what does not fit is lost.
    pub(super) async fn connect_and_hear(
        self: &Arc<Self>,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, Fault> {
        let session = self.reach(heard).await?;
        schema::fits(&session).await?;
        Ok(session)
    }

    /// Connects, and does not look at the tables: there can be none yet.
    pub(super) async fn connect_without_tables(self: &Arc<Self>) -> Result<Session, Fault> {
        self.reach(None).await
    }

    async fn reach(
        self: &Arc<Self>,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, Fault> {
        let session = self.connect_to(&self.config, heard.clone()).await?;
        if session.take_up() != Standing::Ended {
            return Ok(session);
        }
        // Another host can be the primary of today.
        Box::pin(self.reach_newest(heard)).await
    }

    /// The same, to the server with the newest history of all that take writes.
    pub(super) async fn newest(self: &Arc<Self>) -> Result<Session, Fault> {
        let session = self.reach_newest(None).await?;
        schema::fits(&session).await?;
        Ok(session)
    }

    async fn reach_newest(
        self: &Arc<Self>,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, Fault> {
        let mut newest: Option<Session> = None;
        for host in &self.each {
            // A standby, or a server that is away.
            let Ok(session) = self.connect_to(host, heard.clone()).await else {
                continue;
            };
            let timeline = |session: &Session| session.home.line.as_ref().map(|line| line.timeline);
            if newest
                .as_ref()
                .is_none_or(|other| timeline(other) < timeline(&session))
            {
                newest = Some(session);
            }
        }
        let newest = match newest {
            Some(newest) => newest,
            None => self.connect_to(&self.config, heard).await?,
        };
        match newest.take_up() {
            Standing::Ended => Err(newest.home.ended().into()),
            Standing::Followed | Standing::Other => Ok(newest),
        }
    }

    /// Whether the URL names several servers.
    pub(super) fn has_several(&self) -> bool {
        !self.each.is_empty()
    }

    async fn connect_to(
        self: &Arc<Self>,
        config: &Config,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => self.connect_with(config, tls.clone(), heard).await,
            None => self.connect_with(config, NoTls, heard).await,
        }
    }

    async fn connect_with<T>(
        self: &Arc<Self>,
        config: &Config,
        tls: T,
        heard: Option<mpsc::Sender<String>>,
    ) -> Result<Session, tokio_postgres::Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let (client, connection) = config.connect(tls).await?;
        Session::open(Arc::clone(self), client, connection, heard).await
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

/// The config for each host alone, in their order. None if there is only one.
fn each(config: &Config) -> Vec<Config> {
    let count = config.get_hosts().len().max(config.get_hostaddrs().len());
    let alone = (0..count).map(|number| alone(config, number));
    alone.filter(|_| count > 1).collect()
}

/// The config for the host of this number. A config cannot lose hosts, so it is made again.
fn alone(all: &Config, number: usize) -> Config {
    let mut one = Config::new();
    if let Some(host) = all.get_hosts().get(number) {
        match host {
            Host::Tcp(name) => one.host(name),
            #[cfg(unix)]
            Host::Unix(path) => one.host_path(path),
        };
    }
    if let Some(address) = all.get_hostaddrs().get(number) {
        one.hostaddr(*address);
    }
    let ports = all.get_ports();
    if let Some(port) = ports.get(number).or(ports.first()) {
        one.port(*port);
    }
    all.get_user().map(|user| one.user(user));
    all.get_password().map(|password| one.password(password));
    all.get_dbname().map(|name| one.dbname(name));
    all.get_options().map(|options| one.options(options));
    all.get_application_name()
        .map(|name| one.application_name(name));
    all.get_connect_timeout()
        .map(|time| one.connect_timeout(*time));
    all.get_tcp_user_timeout()
        .map(|time| one.tcp_user_timeout(*time));
    all.get_keepalives_interval()
        .map(|time| one.keepalives_interval(time));
    all.get_keepalives_retries()
        .map(|count| one.keepalives_retries(count));
    one.keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding())
        .target_session_attrs(all.get_target_session_attrs());
    one
}
