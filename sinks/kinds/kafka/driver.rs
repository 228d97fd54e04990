//! The Kafka sink: a record for each alert, on connections that all sends share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_model::{Alert, Secret};
use campanile_settings::Values;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rskafka::chrono::DateTime;
use rskafka::client::{Credentials, SaslConfig};
use rskafka::record::Record;
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use super::connection::Connection;
use crate::address::{Address, Schemes};
use crate::broker::{Line, Part, Rules, SHORTENED, Topic, is_plain, parts, short, within};
use crate::handshake::{self, connect};
use crate::reach::Reach;
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, Tools, Worth, render};

/// Brokers are written without a scheme. It is only shown.
const SCHEMES: Schemes = Schemes {
    plain: ("kafka", 9092),
    tls: ("kafka+tls", 9092),
};

static TOPIC: Rules = Rules {
    separator: None,
    keeps: is_plain,
    accepts: |name| {
        (1..=249).contains(&name.len())
            && !matches!(name, "." | "..")
            && name.chars().all(|c| is_plain(c) || c == '.')
    },
    expected: "a topic: at most 249 ASCII letters, digits, `.`, `_` and `-`",
};

static KEY: Rules = Rules {
    separator: None,
    keeps: |c| !c.is_control(),
    accepts: |key| key.len() <= 1000,
    expected: "a key of at most 1000 bytes",
};

/// The sink.
pub(super) struct Kafka {
    brokers: Vec<Address>,
    topic: Topic,
    key: Topic,
    cloudevents: bool,
    login: Option<Login>,
    tls: Option<Arc<ClientConfig>>,
    reach: Reach,
    timeout: Duration,
    line: Line<Connection>,
}

struct Login {
    mechanism: String,
    user: String,
    password: Secret,
}

impl Kafka {
    pub(super) fn new(values: &Values, tools: &Tools<'_>) -> Result<Self, BuildError> {
        let reach = Reach::of(values)?;
        let tls = values.flag("tls");
        let (topic, key): (String, String) = (values.get("topic")?, values.get("key")?);
        Ok(Self {
            brokers: brokers(values, tls)?,
            topic: Topic::compile("topic", &topic, &TOPIC)?,
            key: Topic::compile("key", &key, &KEY)?,
            cloudevents: values.get::<String>("format")? == "cloudevents",
            login: login(values)?,
            tls: tls.then(|| handshake::config(&reach)).transpose()?,
            reach,
            timeout: tools.timeout,
            line: Line::default(),
        })
    }

    /// The driver checks no address and has no words for what fails. So a connection of our own is made first, to the first
    /// broker that accepts it.
    async fn connect(&self) -> Result<Connection, Failure> {
        let mut last = None;
        for broker in &self.brokers {
            match connect(broker, self.tls.as_ref(), self.reach.egress).await {
                Ok(tried) => {
                    drop(tried);
                    let login = self.login.as_ref().map(Login::for_driver);
                    return Connection::open(broker.authority(), self.tls.clone(), login).await;
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(Class::Operator, "`brokers` is empty")))
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut remark = None;
        for part in parts(message) {
            let part_remark = self.deliver_part(&part, message.attempt).await?;
            remark = part_remark.or(remark);
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
        part: &Part<'_>,
        attempt: u32,
    ) -> Result<Option<&'static str>, Failure> {
        let topic = self.topic.of(part.alert)?;
        let record = self.record(part, self.value(part))?;
        let sent = self.produce(&topic, record, attempt).await;
        match (sent, self.shortened(part)) {
            (Err(failure), Some(shorter)) if failure.class == Class::TooLarge => {
                let record = self.record(part, shorter)?;
                self.produce(&topic, record, attempt).await?;
                Ok(Some(SHORTENED))
            }
            (sent, _) => sent.map(|()| None),
        }
    }

    async fn produce(&self, topic: &str, record: Record, attempt: u32) -> Result<(), Failure> {
        let connect = || Box::pin(self.connect()) as BoxFuture<'_, _>;
        let send = self.line.send(connect, async |connection| {
            connection.produce(topic, record, attempt).await
        });
        send.await
    }

    fn record(&self, part: &Part<'_>, value: Bytes) -> Result<Record, Failure> {
        let named = self.headers(part).into_iter();
        let headers: BTreeMap<_, _> = named
            .map(|(name, value)| (name.to_owned(), value.into_bytes()))
            .collect();
        let received = part.alert.received_at.as_millisecond();
        Ok(Record {
            key: Some(self.key.of(part.alert)?.into_bytes()),
            value: Some(value.into()),
            headers,
            timestamp: DateTime::from_timestamp_millis(received).unwrap_or_default(),
        })
    }

    fn value(&self, part: &Part<'_>) -> Bytes {
        if self.cloudevents {
            return render::cloudevent(part.alert).into();
        }
        part.json.clone()
    }

    fn shortened(&self, part: &Part<'_>) -> Option<Bytes> {
        let shorter = part.shortened()?;
        if self.cloudevents {
            return Some(render::cloudevent(&short(part.alert)).into());
        }
        Some(shorter.json)
    }

    /// What a consumer sees without the value.
    fn headers(&self, part: &Part<'_>) -> [(&'static str, String); 6] {
        let alert: &Alert = part.alert;
        let content_type = if self.cloudevents {
            "application/cloudevents+json; charset=UTF-8"
        } else {
            "application/json"
        };
        [
            ("campanile-id", part.id.clone()),
            ("alert-id", alert.id.clone()),
            ("status", alert.status.as_str().to_owned()),
            ("severity", alert.severity.as_str().to_owned()),
            ("source", alert.source.clone()),
            ("content-type", content_type.to_owned()),
        ]
    }

    async fn ask(&self) -> Result<String, Failure> {
        let connect = || Box::pin(self.connect()) as BoxFuture<'_, _>;
        self.line.send(connect, async |_| Ok(())).await?;
        let as_user = if self.login.is_some() {
            " and the credentials"
        } else {
            ""
        };
        Ok(format!("the broker accepts the connection{as_user}"))
    }
}

impl Login {
    fn for_driver(&self) -> SaslConfig {
        let password = self.password.expose_secret().to_owned();
        let credentials = Credentials::new(self.user.clone(), password);
        match self.mechanism.as_str() {
            "scram-sha-256" => SaslConfig::ScramSha256(credentials),
            "scram-sha-512" => SaslConfig::ScramSha512(credentials),
            _ => SaslConfig::Plain(credentials),
        }
    }
}

fn brokers(values: &Values, tls: bool) -> Result<Vec<Address>, BuildError> {
    let wrong = |problem: &str| BuildError::new("brokers", problem);
    let listed: Vec<String> = values.get("brokers")?;
    let scheme = if tls { SCHEMES.tls } else { SCHEMES.plain }.0;
    let read = |broker: &String| {
        let address = Address::read("brokers", &format!("{scheme}://{broker}"), SCHEMES);
        let address = address.ok().filter(|address| address.path.is_empty());
        address.ok_or_else(|| {
            wrong("write each broker as a host and a port, such as `kafka.example.com:9092`")
        })
    };
    listed.iter().map(read).collect()
}

fn login(values: &Values) -> Result<Option<Login>, BuildError> {
    let login: (Option<String>, Option<Secret>) = (values.maybe("user"), values.maybe("password"));
    match login {
        (Some(user), Some(password)) => Ok(Some(Login {
            mechanism: values.get("sasl")?,
            user,
            password,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(BuildError::new("password", "`user` needs a password")),
        (None, Some(_)) => Err(BuildError::new("user", "`password` needs a user")),
    }
}

impl Sink for Kafka {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(within(self.timeout, self.ask())))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let shown: Vec<_> = self.brokers.iter().map(Address::authority).collect();
        let mut out = String::new();
        for part in parts(message) {
            let (topic, key) = (self.topic.of(part.alert)?, self.key.of(part.alert)?);
            let headers = self
                .headers(&part)
                .map(|(name, value)| format!("{name}: {value}\n"));
            let value = self.value(&part);
            out = format!(
                "{out}PRODUCE {} topic=`{topic}` key=`{key}`\n{}\n{}\n",
                shown.join(","),
                headers.concat(),
                String::from_utf8_lossy(&value)
            );
        }
        Ok(out)
    }
}
