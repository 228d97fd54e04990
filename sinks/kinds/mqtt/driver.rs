//! The MQTT sink: one connection, each message confirmed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_model::Secret;
use campanile_settings::Values;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rumqttc::{
    AsyncClient, Broker, Event, EventLoop, MqttOptions, Packet, Publish, PublishNoticeError,
    PublishOptions, PublishProperties, PublishResult, QoS, SessionMode,
};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::reasons::{of_connection, of_reason};
use crate::address::{Address, Schemes};
use crate::broker::{Line, Link, Part, Rules, SHORTENED, Topic, Unsent, parts, within};
use crate::handshake::{self, connect};
use crate::reach::Reach;
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, Tools, Worth};

const SCHEMES: Schemes = Schemes {
    plain: ("mqtt", 1883),
    tls: ("mqtts", 8883),
};
/// Firewalls close connections that are idle for some minutes.
const KEEP_ALIVE_SECONDS: u16 = 20;
/// Messages that wait for the event loop.
const QUEUE: usize = 16;
/// The broker's word for a message that nobody received.
const NOBODY: u8 = 16;
const NOBODY_SAYS: &str = "nobody is subscribed to the topic";

static TOPIC: Rules = Rules {
    separator: Some('/'),
    keeps: |c| !matches!(c, '+' | '#' | '/') && !c.is_control() && !c.is_whitespace(),
    accepts: |name| {
        name.len() <= 65_535 && !name.starts_with('$') && !name.contains(['+', '#', '\0'])
    },
    expected: "a topic of at most 65535 bytes without `+` and `#`, which does not begin with `$`",
};

/// The sink.
pub(super) struct Mqtt {
    server: Address,
    tls: Option<Arc<ClientConfig>>,
    reach: Reach,
    client_id: String,
    login: Option<(String, Secret)>,
    topic: Topic,
    qos: QoS,
    retain: bool,
    message_expiry: Option<u32>,
    require_subscriber: bool,
    timeout: Duration,
    line: Line<Connection>,
}

impl Mqtt {
    pub(super) fn new(values: &Values, tools: &Tools<'_>) -> Result<Self, BuildError> {
        let reach = Reach::of(values)?;
        let url: String = values.get("url")?;
        let server = Address::read("url", &url, SCHEMES)?;
        let topic: String = values.get("topic")?;
        let expiry: Option<Duration> = values.maybe("message_expiry");
        Ok(Self {
            tls: server.tls.then(|| handshake::config(&reach)).transpose()?,
            server,
            reach,
            client_id: values
                .maybe("client_id")
                .unwrap_or_else(|| client_id(tools.name)),
            login: login(values)?,
            topic: Topic::compile("topic", &topic, &TOPIC)?,
            qos: match values.get("qos")? {
                0_u32 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain: values.flag("retain"),
            message_expiry: expiry.and_then(|expiry| expiry.as_secs().try_into().ok()),
            require_subscriber: values.flag("require_subscriber"),
            timeout: tools.timeout,
            line: Line::default(),
        })
    }

    fn options(&self) -> MqttOptions {
        let broker = Broker::tcp(self.server.host.clone(), self.server.port);
        let mut options = MqttOptions::new(&*self.client_id, broker);
        options
            .set_keep_alive(KEEP_ALIVE_SECONDS)
            .set_connect_timeout(self.timeout)
            // Nothing of an earlier connection is sent again: newer alerts have gone out meanwhile.
            .set_session_mode(SessionMode::Clean)
            .set_session_expiry_interval(Some(0));
        if let Some((user, password)) = &self.login {
            options.set_credentials(user.clone(), password.expose_secret().to_owned());
        }
        let (server, tls, egress) = (self.server.clone(), self.tls.clone(), self.reach.egress);
        options.set_socket_connector(move |_host, _network| {
            let (server, tls) = (server.clone(), tls.clone());
            async move {
                let stream = connect(&server, tls.as_ref(), egress).await;
                stream.map_err(io::Error::other)
            }
        });
        options
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let built = AsyncClient::builder(self.options())
            .capacity(QUEUE)
            .try_build();
        let (client, mut events) = built
            .map_err(|_| Failure::new(Class::Operator, "these settings make no MQTT client"))?;
        let limits = loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(accepted))) => break accepted.properties,
                Ok(_) => {}
                Err(error) => return Err(of_connection(&error)),
            }
        };
        let (over, ended) = watch::channel(None);
        let limits = limits.as_ref();
        let most = limits.and_then(|limits| limits.max_packet_size);
        Ok(Connection {
            client,
            packet_bytes_max: most.and_then(|most| most.try_into().ok()),
            qos_max: limits.and_then(|limits| limits.max_qos).unwrap_or(2),
            retains: limits.and_then(|limits| limits.retain_available) != Some(0),
            ended,
            events: tokio::spawn(run(events, over)),
        })
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut remark = None;
        for part in parts(message) {
            let topic = self.topic.of(part.alert)?;
            remark = self.deliver_part(&topic, &part).await?.or(remark);
        }
        let worth = match self.qos {
            QoS::AtMostOnce => Worth::Written,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Worth::Accepted,
        };
        Ok(Delivered {
            worth,
            remark: remark.map(str::to_owned),
            ..Delivered::default()
        })
    }

    /// Sends it, and once more in a shorter form if the broker finds it too large.
    async fn deliver_part(
        &self,
        topic: &str,
        part: &Part<'_>,
    ) -> Result<Option<&'static str>, Failure> {
        match (self.publish(topic, part).await, part.shortened()) {
            (Err(failure), Some(shorter)) if failure.class == Class::TooLarge => {
                self.publish(topic, &shorter).await?;
                Ok(Some(SHORTENED))
            }
            (sent, _) => sent,
        }
    }

    async fn publish(&self, topic: &str, part: &Part<'_>) -> Result<Option<&'static str>, Failure> {
        let publish = Publish::new(
            topic,
            self.qos,
            part.json.clone(),
            Some(self.properties(part)),
        );
        let send = self.line.send(
            || Box::pin(self.connect()),
            async |connection| {
                connection.admits(&publish, self.retain)?;
                connection.publish(publish, self.retain).await
            },
        );
        match send.await? {
            NOBODY if self.require_subscriber => Err(Failure::new(Class::Transient, NOBODY_SAYS)),
            NOBODY => Ok(Some(NOBODY_SAYS)),
            _ => Ok(None),
        }
    }

    fn properties(&self, part: &Part<'_>) -> PublishProperties {
        PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: self.message_expiry,
            correlation_data: Some(Bytes::from(part.id.clone())),
            user_properties: named(part),
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        }
    }

    async fn ask(&self) -> Result<String, Failure> {
        let asked = self
            .line
            .send(|| Box::pin(self.connect()), async |_| Ok(()));
        asked.await?;
        Ok("the broker speaks MQTT 5 and accepts the credentials".to_owned())
    }
}

fn login(values: &Values) -> Result<Option<(String, Secret)>, BuildError> {
    let login: (Option<String>, Option<Secret>) = (values.maybe("user"), values.maybe("password"));
    match login {
        (Some(user), Some(password)) => Ok(Some((user, password))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(BuildError::new("password", "`user` needs a password")),
        (None, Some(_)) => Err(BuildError::new("user", "`password` needs a user")),
    }
}

/// The name of the sink and a random number: two gateways with one id would end each other's connections.
fn client_id(name: &str) -> String {
    let random = RandomState::new().build_hasher().finish();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    format!("campanile-{name}-{random:016x}")
}

/// What a reader needs without the body.
fn named(part: &Part<'_>) -> Vec<(String, String)> {
    let alert = part.alert;
    let pairs = [
        ("delivery-id", part.id.as_str()),
        ("alert-id", alert.id.as_str()),
        ("status", alert.status.as_str()),
        ("severity", alert.severity.as_str()),
        ("source", alert.source.as_str()),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let fingerprint = ("fingerprint".to_owned(), alert.fingerprint.to_string());
    pairs.into_iter().chain([fingerprint]).collect()
}

/// Runs the connection to its end, and says why it ended. It never connects again.
async fn run(mut events: EventLoop, over: watch::Sender<Option<Failure>>) {
    loop {
        if let Err(error) = events.poll().await {
            over.send_replace(Some(of_connection(&error)));
            return;
        }
    }
}

/// A connection. Dropping it closes the socket, with all that was not sent.
struct Connection {
    client: AsyncClient,
    packet_bytes_max: Option<usize>,
    qos_max: u8,
    retains: bool,
    ended: watch::Receiver<Option<Failure>>,
    events: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.events.abort();
    }
}

impl Link for Connection {
    fn is_open(&self) -> bool {
        !self.events.is_finished() && self.ended.borrow().is_none()
    }
}

impl Connection {
    /// What the broker said about its limits when it accepted the connection. It would end the connection otherwise.
    fn admits(&self, publish: &Publish, retain: bool) -> Result<(), Unsent> {
        let reason = match self.packet_bytes_max {
            Some(most) if publish.size() > most => 149,
            _ if publish.qos as u8 > self.qos_max => 155,
            _ if retain && !self.retains => 154,
            _ => return Ok(()),
        };
        Err(Unsent::Refused(of_reason(reason)))
    }

    /// The broker's reason, which is a success.
    async fn publish(&self, publish: Publish, retain: bool) -> Result<u8, Unsent> {
        let options = PublishOptions::new(publish.qos).retain(retain);
        let options = options.properties(publish.properties.unwrap_or_default());
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let queued = self.client.publish_tracked(topic, publish.payload, options);
        let Ok(notice) = queued.await else {
            return Err(self.lost().await);
        };
        let reason = match notice.wait_async().await {
            Ok(PublishResult::Qos0Flushed) => 0,
            Ok(PublishResult::Qos1(answer)) => answer.reason as u8,
            Ok(PublishResult::Qos2Completed(answer)) => answer.reason as u8,
            Ok(PublishResult::Qos2PubRecRejected(answer)) => answer.reason as u8,
            Err(PublishNoticeError::V5PubRec(reason)) => reason as u8,
            Err(PublishNoticeError::RetainNotSupported) => 154,
            Err(_) => return Err(self.lost().await),
        };
        match reason {
            0 | NOBODY => Ok(reason),
            _ => Err(Unsent::Refused(of_reason(reason))),
        }
    }

    /// Why the connection ended.
    async fn lost(&self) -> Unsent {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await;
        match ended.map(|failure| failure.clone()) {
            Ok(Some(failure)) => Unsent::Lost(failure),
            _ => Unsent::lost("the connection to the broker failed"),
        }
    }
}

impl Sink for Mqtt {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(within(self.timeout, self.ask())))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let mut out = String::new();
        for part in parts(message) {
            let topic = self.topic.of(part.alert)?;
            let properties = named(&part);
            let properties = properties
                .iter()
                .map(|(name, value)| format!("{name}: {value}\n"));
            let head = format!(
                "PUBLISH {} {topic} qos={} retain={}\n",
                self.server.shown(),
                self.qos as u8,
                self.retain
            );
            let body = String::from_utf8_lossy(&part.json);
            out = format!("{out}{head}{}\n{body}\n", properties.collect::<String>());
        }
        Ok(out)
    }
}
