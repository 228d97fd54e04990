//! The Redis sink. Each send has a connection of its own, so that `WAIT` of one does not delay the others.

use std::sync::Arc;
use std::time::Duration;

use campanile_model::Secret;
use campanile_settings::Values;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, ProtocolVersion, RedisConnectionInfo,
    RedisError, Value,
};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;

use crate::address::{Address, Schemes};
use crate::broker::{Part, Rules, Topic, parts, within};
use crate::connections::Connections;
use crate::handshake::{self, Stream, connect};
use crate::reach::Reach;
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, Tools, Worth};

const SCHEMES: Schemes = Schemes {
    plain: ("redis", 6379),
    tls: ("rediss", 6379),
};

static KEY: Rules = Rules {
    separator: None,
    keeps: |c| {
        let special = matches!(c, '{' | '}' | ':' | '*' | '?' | '[' | ']');
        !special && !c.is_control() && !c.is_whitespace()
    },
    accepts: |name| name.len() <= 4096,
    expected: "a key of at most 4096 bytes",
};

/// Adds the entry unless the id is known. The id is remembered after the entry is there: if the entry is refused, the next
/// attempt adds it. ARGV: seconds to remember, then the command.
const ONCE: &str = "if redis.call('EXISTS', KEYS[2]) == 1 then return false end \
local added = redis.call(ARGV[2], KEYS[1], unpack(ARGV, 3)) \
redis.call('SET', KEYS[2], '1', 'EX', ARGV[1]) \
return added";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Stream,
    List,
    Publish,
}

/// The sink.
pub(super) struct Redis {
    server: Address,
    info: RedisConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
    reach: Reach,
    mode: Mode,
    key: Topic,
    /// Remember an id for so long.
    dedup: Option<Duration>,
    max_length: Option<u64>,
    replicas: u32,
    require_subscriber: bool,
    timeout: Duration,
    idle: Connections<Connection>,
}

impl Redis {
    pub(super) fn new(values: &Values, tools: &Tools<'_>) -> Result<Self, BuildError> {
        let reach = Reach::of(values)?;
        let url: String = values.get("url")?;
        let server = Address::read("url", &url, SCHEMES)?;
        let mode = match values.get::<String>("mode")?.as_str() {
            "list" => Mode::List,
            "publish" => Mode::Publish,
            _ => Mode::Stream,
        };
        let max_length: Option<u64> = values.maybe("max_length");
        if max_length.is_some() && mode != Mode::Stream {
            let problem = "only `mode = \"stream\"` has a length";
            return Err(BuildError::new("max_length", problem));
        }
        let replicas = values.get("replicas")?;
        if replicas > 0 && mode == Mode::Publish {
            let problem = "`mode = \"publish\"` keeps nothing that a replica could have";
            return Err(BuildError::new("replicas", problem));
        }
        let key: String = values.get("key")?;
        let dedup = values.flag("dedup") && mode != Mode::Publish;
        let window = values.get("dedup_window")?;
        Ok(Self {
            info: info(&server, values)?,
            tls: server.tls.then(|| handshake::config(&reach)).transpose()?,
            server,
            reach,
            mode,
            key: Topic::compile("key", &key, &KEY)?,
            dedup: dedup.then_some(window),
            max_length,
            replicas,
            require_subscriber: values.flag("require_subscriber"),
            timeout: tools.timeout,
            idle: Connections::default(),
        })
    }

    async fn connection(&self) -> Result<Connection, Failure> {
        while let Some(connection) = self.idle.take() {
            if !connection.driver.is_finished() {
                return Ok(connection);
            }
        }
        let stream = connect(&self.server, self.tls.as_ref(), self.reach.egress).await?;
        Connection::open(&self.info, stream).await
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut connection = self.connection().await?;
        let mut remark = None;
        for part in parts(message) {
            remark = self.add(&mut connection, &part).await?.or(remark);
        }
        if self.replicas > 0 {
            self.wait(&mut connection).await?;
        }
        self.idle.give(connection);
        let worth = match self.mode {
            Mode::Stream | Mode::List => Worth::Accepted,
            Mode::Publish => Worth::Written,
        };
        Ok(Delivered {
            worth,
            remark,
            ..Delivered::default()
        })
    }

    async fn add(
        &self,
        connection: &mut Connection,
        part: &Part<'_>,
    ) -> Result<Option<String>, Failure> {
        let key = self.key.of(part.alert)?;
        let answer: Value = connection.ask(&self.command(&key, part)).await?;
        let heard = match answer {
            Value::Int(heard) if self.mode == Mode::Publish => heard,
            _ => return Ok(None),
        };
        match heard {
            0 if self.require_subscriber => Err(Failure::new(
                Class::Transient,
                format!("nobody is subscribed to `{key}`"),
            )),
            0 => Ok(Some(format!("nobody is subscribed to `{key}`"))),
            _ => Ok(None),
        }
    }

    fn command(&self, key: &str, part: &Part<'_>) -> Cmd {
        let (word, values) = self.words(part);
        let mut command = Cmd::new();
        match self.dedup {
            Some(window) => command
                .arg("EVAL")
                .arg(ONCE)
                .arg(2)
                .arg(key)
                .arg(seen(key, &part.id))
                .arg(window.as_secs())
                .arg(word),
            None => command.arg(word).arg(key),
        };
        for value in values {
            command.arg(value);
        }
        command
    }

    /// The command and what follows the key.
    fn words<'p>(&self, part: &'p Part<'_>) -> (&'static str, Vec<std::borrow::Cow<'p, [u8]>>) {
        let json = part.json.as_ref().into();
        match self.mode {
            Mode::List => ("RPUSH", vec![json]),
            Mode::Publish => ("PUBLISH", vec![json]),
            Mode::Stream => {
                let mut words = Vec::new();
                let mut word = |text: &'p str| words.push(text.as_bytes().into());
                let alert = part.alert;
                for text in ["id", &part.id, "fingerprint"] {
                    word(text);
                }
                words.push(alert.fingerprint.to_string().into_bytes().into());
                let pairs = [
                    ("status", alert.status.as_str()),
                    ("severity", alert.severity.as_str()),
                    ("source", &alert.source),
                ];
                for (name, value) in pairs {
                    words.extend([name.as_bytes().into(), value.as_bytes().into()]);
                }
                words.extend([b"alert".as_slice().into(), json]);
                words.insert(0, b"*".as_slice().into());
                if let Some(most) = self.max_length {
                    let most = most.to_string().into_bytes();
                    let bound = [
                        b"MAXLEN".as_slice().into(),
                        b"~".as_slice().into(),
                        most.into(),
                    ];
                    words.splice(0..0, bound);
                }
                ("XADD", words)
            }
        }
    }

    /// Half of the time is left for the rest of the attempt.
    async fn wait(&self, connection: &mut Connection) -> Result<(), Failure> {
        let most = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX) / 2;
        let wait = redis::cmd("WAIT").arg(self.replicas).arg(most).clone();
        let reached: u32 = connection.ask(&wait).await?;
        if reached >= self.replicas {
            return Ok(());
        }
        let wanted = self.replicas;
        let reason = format!("{reached} of {wanted} replicas have the alert");
        Err(Failure::new(Class::Transient, reason))
    }

    async fn ping(&self) -> Result<String, Failure> {
        let mut connection = self.connection().await?;
        let _pong: Value = connection.ask(&redis::cmd("PING")).await?;
        self.idle.give(connection);
        Ok("Redis accepts the credentials".to_owned())
    }
}

/// The key that remembers a delivery. The braces put it into the slot of `key` in a cluster.
fn seen(key: &str, id: &str) -> String {
    if key.contains(['{', '}']) {
        format!("{key}:seen:{id}")
    } else {
        format!("{{{key}}}:seen:{id}")
    }
}

fn info(server: &Address, values: &Values) -> Result<RedisConnectionInfo, BuildError> {
    let mut info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name();
    if !server.path.is_empty() {
        let database = server.path.parse();
        info = info.set_db(database.map_err(|_| {
            let problem = "what follows the port is not the number of a database, such as `/0`";
            BuildError::new("url", problem)
        })?);
    }
    let password: Option<Secret> = values.maybe("password");
    if let Some(user) = values.text("user") {
        if password.is_none() {
            return Err(BuildError::new("password", "`user` needs a password"));
        }
        info = info.set_username(user);
    }
    if let Some(password) = password {
        info = info.set_password(password.expose_secret());
    }
    Ok(info)
}

/// A connection. Dropping it closes the socket, whatever is still to be written.
struct Connection {
    handle: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    async fn open(info: &RedisConnectionInfo, stream: Box<dyn Stream>) -> Result<Self, Failure> {
        // The whole attempt has a limit; the driver's own would end `WAIT`.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(info, stream, config).await;
        let (handle, driver) = made.map_err(|error| failure(&error))?;
        Ok(Self {
            handle,
            driver: tokio::spawn(driver),
        })
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Failure> {
        let answer = command.query_async(&mut self.handle).await;
        answer.map_err(|error| failure(&error))
    }
}

type Row = (&'static str, Class, &'static str);

/// How an error of Redis begins, or what it contains, and what it means.
const ANSWERS: &[Row] = &[
    (
        "NOAUTH",
        Class::Operator,
        "it asks for a password: set `password`",
    ),
    // What an unauthenticated client sends is bounded, so a long command is refused before the question for the password.
    (
        "unauthenticated",
        Class::Operator,
        "it asks for a password: set `password`",
    ),
    (
        "WRONGPASS",
        Class::Operator,
        "it rejects the credentials; check `user` and `password`",
    ),
    (
        "NOPERM",
        Class::Operator,
        "the user may not run this command or use this key; check the ACL (`dedup` needs `eval`)",
    ),
    (
        "WRONGTYPE",
        Class::Operator,
        "the key holds another type; set `key` or `mode`",
    ),
    (
        "CROSSSLOT",
        Class::Operator,
        "the key and its memory are in different slots; write `key` with a hash tag, such as `{campanile}:alerts`",
    ),
    (
        "MOVED",
        Class::Operator,
        "it is a cluster, and another node has the key; clusters are not supported",
    ),
    (
        "ASK",
        Class::Operator,
        "it is a cluster, and another node has the key; clusters are not supported",
    ),
    (
        "OOM",
        Class::Transient,
        "it is out of memory (`maxmemory`); raise the limit or delete keys",
    ),
    (
        "MISCONF",
        Class::Transient,
        "it cannot save its data to the disk and takes no writes",
    ),
    ("LOADING", Class::Transient, "it is loading its data"),
    ("MASTERDOWN", Class::Transient, "its primary is down"),
    (
        "READONLY",
        Class::Transient,
        "it is a replica; the name must lead to the primary",
    ),
    ("BUSY", Class::Transient, "a script keeps it busy"),
    (
        "TRYAGAIN",
        Class::Transient,
        "the cluster is moving the key",
    ),
    ("CLUSTERDOWN", Class::Transient, "the cluster is down"),
    (
        "NOREPLICAS",
        Class::Transient,
        "it has too few replicas (`min-replicas-to-write`)",
    ),
    (
        "max number of clients",
        Class::Transient,
        "it has too many clients (`maxclients`)",
    ),
    (
        "unknown command",
        Class::Operator,
        "it does not know the command; streams need Redis 5",
    ),
    (
        "DB index",
        Class::Operator,
        "it has no database with this number; check `url`",
    ),
];

/// The driver's own text can hold what was sent, so it is never shown.
fn failure(error: &RedisError) -> Failure {
    if error.kind() == ErrorKind::AuthenticationFailed {
        let reason = "Redis: it rejects the credentials; check `user` and `password`";
        return Failure::new(Class::Operator, reason);
    }
    let (code, detail) = (error.code(), error.detail().unwrap_or_default());
    let is = |(word, _, _): &&Row| {
        // Before Redis 7, the error of a script is inside the text of an ERR.
        code == Some(word) || (matches!(code, Some("ERR") | None) && detail.contains(word))
    };
    if let Some((_, class, what)) = ANSWERS.iter().find(is) {
        return Failure::new(*class, format!("Redis: {what}"));
    }
    match code {
        Some(code) => {
            let shown: String = code
                .chars()
                .filter(char::is_ascii_uppercase)
                .take(20)
                .collect();
            Failure::new(
                Class::Operator,
                format!("Redis refuses the command ({shown})"),
            )
        }
        None => Failure::new(Class::Transient, "the connection to Redis failed"),
    }
}

impl Sink for Redis {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(within(self.timeout, self.ping())))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let mut out = format!("{}/{}\n", self.server.shown(), self.server.path);
        for part in parts(message) {
            let key = self.key.of(part.alert)?;
            let (word, values) = self.words(&part);
            let values = values.iter().map(|value| String::from_utf8_lossy(value));
            out = values.fold(format!("{out}{word} {key}"), |line, value| {
                line + " " + &value
            });
            out.push('\n');
        }
        Ok(out)
    }
}
