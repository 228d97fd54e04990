//! The connection to MariaDB or MySQL, and the run of a statement.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Params, SslOpts, Value as Bound};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::fault::{self, Refusal};
use crate::connections::Connections;
use crate::dial::{addresses, within};
use crate::statement::server::Server;
use crate::statement::{Row, Statement, Tally, Wrote};
use crate::{BuildError, Delivered, Failure, Message, Sink, tls};

/// The server stops waiting for a lock so long before the attempt ends.
const MARGIN: Duration = Duration::from_secs(1);

/// The sink.
pub(super) struct Mysql {
    server: Server,
    /// All but the addresses, which are looked up for each connection.
    options: OptsBuilder,
    statement: Statement,
    timeout: Duration,
    connections: Connections<Conn>,
}

impl Mysql {
    pub(super) fn new(
        server: Server,
        statement: Statement,
        timeout: Duration,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            options: options(&server, timeout)?,
            server,
            statement,
            timeout,
            connections: Connections::default(),
        })
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut connection = self.connection().await?;
        let mut tally = Tally::default();
        for row in self.statement.rows(message) {
            let wrote = match row {
                Ok(values) => self.write(&mut connection, values, message.attempt).await,
                Err(failure) => Err(failure),
            };
            tally.add(wrote)?;
        }
        self.connections.give(connection);
        tally.result()
    }

    /// One that works: a statement must not be the first to find out that the server has closed it.
    async fn connection(&self) -> Result<Conn, Failure> {
        if let Some(mut idle) = self.connections.take()
            && idle.ping().await.is_ok()
        {
            return Ok(idle);
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<Conn, Failure> {
        let Server {
            host, port, egress, ..
        } = &self.server;
        let mut options = self.options.clone();
        if !host.starts_with('/') {
            let found = addresses(host, *port, *egress).await?;
            let found: Vec<_> = found.iter().map(std::net::SocketAddr::ip).collect();
            options = options.resolved_ips(Some(found));
        }
        let opened = Conn::new(Opts::from(options)).await;
        opened.map_err(|error| fault::of_login(&error))
    }

    async fn write(&self, connection: &mut Conn, row: Row, attempt: u32) -> Result<Wrote, Failure> {
        let refusal = match self.run(connection, &row).await {
            Ok(()) => return Ok(Wrote::Done),
            Err(refusal) => refusal,
        };
        let narrow = refusal.is_bad_text().then(|| stripped(&row)).flatten();
        let Some(narrow) = narrow else {
            return refusal.outcome(attempt, self.statement.keeps_keys);
        };
        match self.run(connection, &narrow).await {
            Ok(()) => Ok(Wrote::Stripped),
            Err(refusal) => refusal.outcome(attempt, self.statement.keeps_keys),
        }
    }

    async fn run(&self, connection: &mut Conn, row: &Row) -> Result<(), Refusal> {
        let values = row.iter().map(bound).collect();
        let done = connection.exec_drop(&self.statement.text, Params::Positional(values));
        done.await.map_err(Refusal)
    }

    async fn ask(&self) -> Result<String, Failure> {
        let mut connection = self.connect().await?;
        let prepared = connection.prep(&self.statement.text).await;
        let prepared = prepared.map_err(|error| fault::of_login(&error))?;
        let (major, minor, patch) = connection.server_version();
        let closed = connection.close(prepared).await;
        closed.map_err(|error| fault::of_login(&error))?;
        Ok(format!(
            "the server {major}.{minor}.{patch} accepts the statement"
        ))
    }
}

impl Sink for Mysql {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(within(self.timeout, self.ask())))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        self.statement.render(message)
    }
}

fn options(server: &Server, timeout: Duration) -> Result<OptsBuilder, BuildError> {
    let lock = timeout.saturating_sub(MARGIN).as_secs().max(1);
    let session = format!(
        "SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}, \
         sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_TRANS_TABLES')"
    );
    let password = server.password.as_ref();
    let mut options = OptsBuilder::default()
        .ip_or_hostname(&*server.host)
        .tcp_port(server.port)
        // Otherwise the driver reconnects by a socket that the server names.
        .prefer_socket(false)
        .user(Some(&*server.user))
        .pass(password.map(|password| password.expose_secret().to_owned()))
        .db_name(Some(&*server.database))
        .init(vec![session]);
    if server.host.starts_with('/') {
        options = options.socket(Some(&*server.host));
    }
    if server.tls {
        options = options.ssl_opts(trust(server)?);
    }
    Ok(options)
}

fn trust(server: &Server) -> Result<SslOpts, BuildError> {
    let options = SslOpts::default().with_disable_built_in_roots(true);
    if server.skip_tls_verification {
        // The driver builds a verifier in any case, and needs an authority for it.
        return Ok(options
            .with_disable_built_in_roots(false)
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true));
    }
    let authorities = tls::authorities(server.ca_file.as_deref())?;
    let der = authorities.iter().map(|one| one.to_vec().into());
    Ok(options.with_root_certs(der.collect()))
}

fn bound(value: &Value) -> Bound {
    match value {
        Value::Null => Bound::NULL,
        Value::Bool(yes) => Bound::Int((*yes).into()),
        Value::Number(number) => {
            let whole = number.as_i64().map(Bound::Int);
            let whole = whole.or_else(|| number.as_u64().map(Bound::UInt));
            let number = whole.or_else(|| number.as_f64().map(Bound::Double));
            number.unwrap_or(Bound::NULL)
        }
        Value::String(text) => Bound::Bytes(text.as_bytes().to_vec()),
        other => Bound::Bytes(other.to_string().into_bytes()),
    }
}

/// The row without characters above U+FFFF; none if it has none.
fn stripped(row: &Row) -> Option<Row> {
    let wide = |c: char| c > '\u{ffff}';
    let narrow = |value: &Value| match value {
        Value::String(text) => Value::from(text.replace(wide, "")),
        other => other.clone(),
    };
    let narrow: Row = row.iter().map(narrow).collect();
    (narrow != *row).then_some(narrow)
}
