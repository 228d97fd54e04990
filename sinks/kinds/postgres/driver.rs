//! The connection to PostgreSQL, and the run of a statement.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rustls::ClientConfig;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{self, Run};
use crate::connections::Connections;
use crate::dial::{dial, unreachable_host, within};
use crate::statement::server::Server;
use crate::statement::{Statement, Tally, Wrote};
use crate::{BuildError, Delivered, Failure, Message, Sink, tls};

/// The server ends a statement so long before the attempt ends.
const MARGIN: Duration = Duration::from_secs(1);

/// The sink.
pub(super) struct Postgres {
    server: Server,
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    statement: Statement,
    timeout: Duration,
    connections: Connections<Session>,
}

/// An open connection. Dropping it closes it, also if the server does not read.
struct Session {
    client: Client,
    version: String,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Otherwise the task would still write what it has in its queue.
        self.task.abort();
    }
}

impl Postgres {
    pub(super) fn new(
        server: Server,
        pgbouncer: bool,
        statement: Statement,
        timeout: Duration,
    ) -> Result<Self, BuildError> {
        let trust = || tls::client_config(server.ca_file.as_deref(), server.skip_tls_verification);
        Ok(Self {
            tls: server.tls.then(trust).transpose()?,
            config: config(&server, pgbouncer, timeout),
            server,
            statement,
            timeout,
            connections: Connections::default(),
        })
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let session = match self.connections.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => self.connect().await?,
        };
        let mut tally = Tally::default();
        for row in self.statement.rows(message) {
            let wrote = match row {
                Ok(values) => self.write(&session, values, message.attempt).await,
                Err(failure) => Err(failure),
            };
            tally.add(wrote)?;
        }
        self.connections.give(session);
        tally.result()
    }

    async fn write(
        &self,
        session: &Session,
        values: Vec<Value>,
        attempt: u32,
    ) -> Result<Wrote, Failure> {
        let values: Vec<_> = values.into_iter().map(Text::of).collect();
        let typed = |value| (value as &(dyn ToSql + Sync), Type::UNKNOWN);
        let parameters: Vec<_> = values.iter().map(typed).collect();
        let text = &self.statement.text;
        match session.client.execute_typed(text, &parameters).await {
            Ok(_) => Ok(Wrote::Done),
            Err(error) => fault::of_run(
                &error,
                Run {
                    attempt,
                    keeps_keys: self.statement.keeps_keys,
                },
            ),
        }
    }

    async fn connect(&self) -> Result<Session, Failure> {
        let Server { host, port, .. } = &self.server;
        if host.starts_with('/') {
            let socket = UnixStream::connect(format!("{host}/.s.PGSQL.{port}")).await;
            let socket = socket.map_err(|error| unreachable_host(&error))?;
            return self.begin(socket, NoTls).await;
        }
        let stream = dial(host, *port, self.server.egress).await?;
        match &self.tls {
            None => self.begin(stream, NoTls).await,
            Some(trust) => {
                let mut tls = MakeRustlsConnect::new(ClientConfig::clone(trust));
                let Ok(tls) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, host);
                self.begin(stream, tls).await
            }
        }
    }

    async fn begin<S, T>(&self, stream: S, tls: T) -> Result<Session, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: TlsConnect<S>,
        T::Stream: Send + 'static,
    {
        let opened = self.config.connect_raw(stream, tls).await;
        let (client, connection) = opened.map_err(|error| fault::of_login(&error))?;
        let version = connection.parameter("server_version").unwrap_or("?");
        Ok(Session {
            version: version.to_owned(),
            client,
            task: tokio::spawn(async move {
                // Its error is also that of the statement that waits for it.
                let _ended = connection.await;
            }),
        })
    }

    async fn ask(&self) -> Result<String, Failure> {
        let session = self.connect().await?;
        let prepared = session.client.prepare(&self.statement.text).await;
        prepared.map_err(|error| fault::of_login(&error))?;
        Ok(format!(
            "PostgreSQL {} accepts the statement",
            session.version
        ))
    }
}

impl Sink for Postgres {
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

fn config(server: &Server, pgbouncer: bool, timeout: Duration) -> Config {
    let mut config = Config::new();
    config
        .user(&server.user)
        .dbname(&server.database)
        .application_name("campanile")
        .ssl_mode(if server.tls {
            SslMode::Require
        } else {
            SslMode::Disable
        });
    if let Some(password) = &server.password {
        config.password(password.expose_secret());
    }
    if !pgbouncer {
        // A send that is given up must not wait for a lock on the server.
        let limit = timeout.saturating_sub(MARGIN).max(timeout / 2);
        config.options(format!("-c statement_timeout={}", limit.as_millis()));
    }
    config
}

/// A value as text. The server reads it as the type of its place.
#[derive(Debug)]
struct Text(Option<String>);

impl Text {
    fn of(value: Value) -> Self {
        let text = match value {
            Value::Null => return Self(None),
            Value::String(text) => text,
            other => other.to_string(),
        };
        Self(Some(storable(text)))
    }
}

/// The text without U+0000, which PostgreSQL cannot store. In JSON it is written as an escape.
fn storable(text: String) -> String {
    if text.contains('\0') {
        return text.replace('\0', "");
    }
    if !text.starts_with(['{', '[']) || !text.contains("\\u0000") {
        return text;
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        kept.push_str(before);
        rest = escape.strip_prefix("\\u0000").unwrap_or_else(|| {
            // Any other escape is kept; after an escaped backslash, `u0000` is a word.
            let end = escape
                .char_indices()
                .nth(2)
                .map_or(escape.len(), |(at, _)| at);
            let (pair, after) = escape.split_at_checked(end).unwrap_or((escape, ""));
            kept.push_str(pair);
            after
        });
    }
    kept + rest
}

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(text) = &self.0 else {
            return Ok(IsNull::Yes);
        };
        out.put_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
