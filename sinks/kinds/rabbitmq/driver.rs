//! The `RabbitMQ` sink: one connection with one channel, each message confirmed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_model::Secret;
use campanile_settings::Values;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::uri::{AMQPAuthority, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use super::connection::{Connection, Declare};
use crate::address::{Address, Schemes};
use crate::broker::{Line, Part, Rules, SHORTENED, Topic, is_plain, parts, within};
use crate::reach::Reach;
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, Tools, Worth, dial, handshake};

const SCHEMES: Schemes = Schemes {
    plain: ("amqp", 5672),
    tls: ("amqps", 5671),
};
/// AMQP's limit for names.
const NAME_BYTES_MAX: usize = 255;

static ROUTING_KEY: Rules = Rules {
    separator: Some('.'),
    keeps: is_plain,
    accepts: |name| name.len() <= NAME_BYTES_MAX && !name.contains(['*', '#']),
    expected: "a routing key of at most 255 bytes without `*` and `#`",
};

/// Where messages go.
enum Target {
    Exchange(String, Box<Topic>),
    Queue(String),
}

/// The sink.
pub(super) struct Rabbitmq {
    name: String,
    server: Address,
    virtual_host: String,
    login: (String, Secret),
    tls: Option<Arc<ClientConfig>>,
    reach: Reach,
    target: Target,
    declare: Option<Declare>,
    timeout: Duration,
    line: Line<Connection>,
}

impl Rabbitmq {
    pub(super) fn new(values: &Values, tools: &Tools<'_>) -> Result<Self, BuildError> {
        let reach = Reach::of(values)?;
        let url: String = values.get("url")?;
        let server = Address::read("url", &url, SCHEMES)?;
        let target = target(values)?;
        Ok(Self {
            name: tools.name.to_owned(),
            virtual_host: virtual_host(&server)?,
            login: login(values)?,
            tls: server.tls.then(|| handshake::config(&reach)).transpose()?,
            server,
            reach,
            declare: declare(values, &target)?,
            target,
            timeout: tools.timeout,
            line: Line::default(),
        })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let (host, port) = (&self.server.host, self.server.port);
        let checked = dial::addresses(host, port, self.reach.egress).await?;
        Connection::open(
            self.uri(),
            checked,
            self.tls.clone(),
            &self.name,
            self.declare.as_ref(),
        )
        .await
    }

    /// The driver takes the password inside of an address, which is never printed.
    fn uri(&self) -> AMQPUri {
        AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.login.0.clone(),
                    password: self.login.1.expose_secret().to_owned(),
                },
                host: self.server.host.clone(),
                port: self.server.port,
            },
            vhost: self.virtual_host.clone(),
            query: lapin::uri::AMQPQueryString::default(),
        }
    }

    /// The exchange and the routing key.
    fn address(&self, part: &Part<'_>) -> Result<(String, String), Failure> {
        Ok(match &self.target {
            Target::Exchange(exchange, key) => (exchange.clone(), key.of(part.alert)?),
            Target::Queue(queue) => (String::new(), queue.clone()),
        })
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut remark = None;
        for part in parts(message) {
            let (exchange, key) = self.address(&part)?;
            remark = self.deliver_part(&exchange, &key, &part).await?.or(remark);
        }
        Ok(Delivered {
            worth: Worth::Committed,
            remark: remark.map(str::to_owned),
            ..Delivered::default()
        })
    }

    /// Sends it, and once more in a shorter form if the broker finds it too large.
    async fn deliver_part(
        &self,
        exchange: &str,
        key: &str,
        part: &Part<'_>,
    ) -> Result<Option<&'static str>, Failure> {
        match (self.publish(exchange, key, part).await, part.shortened()) {
            (Err(failure), Some(shorter)) if failure.class == Class::TooLarge => {
                self.publish(exchange, key, &shorter).await?;
                Ok(Some(SHORTENED))
            }
            (sent, _) => sent.map(|()| None),
        }
    }

    async fn publish(&self, exchange: &str, key: &str, part: &Part<'_>) -> Result<(), Failure> {
        let (json, properties): (Bytes, _) = (part.json.clone(), properties(part));
        let connect = || Box::pin(self.connect()) as BoxFuture<'_, _>;
        let send = self.line.send(connect, async |connection| {
            connection.publish(exchange, key, &json, properties).await
        });
        send.await
    }

    async fn ask(&self) -> Result<String, Failure> {
        let connect = || Box::pin(self.connect()) as BoxFuture<'_, _>;
        self.line.send(connect, async |_| Ok(())).await?;
        Ok("the broker accepts the credentials and the virtual host".to_owned())
    }
}

fn target(values: &Values) -> Result<Target, BuildError> {
    let named = |setting: &str, name: &str| {
        if name.len() <= NAME_BYTES_MAX {
            return Ok(name.to_owned());
        }
        Err(BuildError::new(
            setting,
            "this name has more than 255 bytes",
        ))
    };
    match (values.text("exchange"), values.text("queue")) {
        (Some(exchange), _) => {
            let key: String = values.get("routing_key")?;
            let key = Topic::compile("routing_key", &key, &ROUTING_KEY)?;
            Ok(Target::Exchange(
                named("exchange", exchange)?,
                Box::new(key),
            ))
        }
        (None, Some(queue)) => Ok(Target::Queue(named("queue", queue)?)),
        (None, None) => {
            let problem = "write `exchange`, or `queue` to send straight to a queue";
            Err(BuildError::new("exchange", problem))
        }
    }
}

fn declare(values: &Values, target: &Target) -> Result<Option<Declare>, BuildError> {
    match (values.flag("declare"), target) {
        (false, _) => Ok(None),
        (true, Target::Queue(queue)) => Ok(Some(Declare {
            queue: queue.clone(),
            kind: values.get("queue_type")?,
        })),
        (true, Target::Exchange(..)) => {
            let problem =
                "only a `queue` is declared; make the exchange and its binding in the broker";
            Err(BuildError::new("declare", problem))
        }
    }
}

fn virtual_host(server: &Address) -> Result<String, BuildError> {
    if server.path.is_empty() {
        return Ok("/".to_owned());
    }
    let decoded = percent_decode_str(&server.path).decode_utf8();
    let name = decoded
        .ok()
        .filter(|name| name.len() <= NAME_BYTES_MAX && !server.path.contains('/'));
    name.map(Into::into).ok_or_else(|| {
        let problem =
            "what follows the port is not a virtual host: write `/` inside of its name as `%2f`";
        BuildError::new("url", problem)
    })
}

fn login(values: &Values) -> Result<(String, Secret), BuildError> {
    let login: (Option<String>, Option<Secret>) = (values.maybe("user"), values.maybe("password"));
    match login {
        (Some(user), Some(password)) => Ok((user, password)),
        // What a fresh broker accepts from its own machine.
        (None, None) => Ok(("guest".to_owned(), Secret::from("guest".to_owned()))),
        (Some(_), None) => Err(BuildError::new("password", "`user` needs a password")),
        (None, Some(_)) => Err(BuildError::new("user", "`password` needs a user")),
    }
}

/// The headers, which a reader sees without the body.
fn named<'p>(part: &'p Part<'_>) -> [(&'static str, std::borrow::Cow<'p, str>); 4] {
    let alert = part.alert;
    [
        ("alert-id", alert.id.as_str().into()),
        ("fingerprint", alert.fingerprint.to_string().into()),
        ("severity", alert.severity.as_str().into()),
        ("source", alert.source.as_str().into()),
    ]
}

fn properties(part: &Part<'_>) -> BasicProperties {
    /// Kept on the disk.
    const PERSISTENT: u8 = 2;
    let mut headers = FieldTable::default();
    for (name, value) in named(part) {
        headers.insert(
            name.into(),
            AMQPValue::LongString(LongString::from(&*value)),
        );
    }
    let received = part.alert.received_at.as_second();
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_app_id("campanile".into())
        .with_type(part.alert.status.as_str().into())
        .with_timestamp(received.try_into().unwrap_or_default())
        .with_headers(headers);
    match ShortString::try_new(part.id.clone()) {
        Ok(id) => properties.with_message_id(id),
        Err(_) => properties,
    }
}

impl Sink for Rabbitmq {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(within(self.timeout, self.ask())))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let mut out = String::new();
        for part in parts(message) {
            let (exchange, key) = self.address(&part)?;
            let server = self.server.shown();
            let headers = named(&part).map(|(name, value)| format!("{name}: {value}\n"));
            let body = String::from_utf8_lossy(&part.json);
            out = format!(
                "{out}PUBLISH {server} exchange=`{exchange}` routing_key=`{key}`\nmessage_id: {}\n{}\n{body}\n",
                part.id,
                headers.concat()
            );
        }
        Ok(out)
    }
}

/// The addresses that were checked.
pub(super) type Checked = Vec<SocketAddr>;
