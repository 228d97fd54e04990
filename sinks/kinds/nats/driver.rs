//! The NATS sink.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, HeaderMap, ServerAddr};
use campanile_model::Secret;
use campanile_settings::Values;
use futures_util::future::{BoxFuture, Either, select};
use jiff::Timestamp;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::sync::{broadcast, watch};

use super::connection::{Connection, denial};
use crate::address::{Address, Schemes};
use crate::broker::{Line, Part, Rules, SHORTENED, Topic, Unsent, is_plain, parts, within};
use crate::http::client::find;
use crate::reach::Reach;
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, Tools, Worth};
use crate::{dial, handshake};

const SCHEMES: Schemes = Schemes {
    plain: ("nats", 4222),
    tls: ("tls", 4222),
};

static SUBJECT: Rules = Rules {
    separator: Some('.'),
    keeps: is_plain,
    accepts: |name| {
        let wild = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
        name.len() <= 1024 && !name.contains(wild) && !name.starts_with('$')
    },
    expected: "a subject of at most 1024 bytes without blanks, `*` and `>`, which does not begin with `$`",
};

/// How the sink proves its identity.
enum Login {
    Nobody,
    User(String, Secret),
    Token(Secret),
    Nkey(Secret),
    Credentials(Secret),
}

/// The sink.
pub(super) struct Nats {
    name: String,
    servers: Vec<Address>,
    subject: Topic,
    jetstream: bool,
    stream: Option<String>,
    login: Login,
    reach: Reach,
    tls: Arc<ClientConfig>,
    timeout: Duration,
    line: Line<Connection>,
}

impl Nats {
    pub(super) fn new(values: &Values, tools: &Tools<'_>) -> Result<Self, BuildError> {
        let reach = Reach::of(values)?;
        let servers = values.texts("servers").iter();
        let servers = servers.map(|text| Address::read("servers", text, SCHEMES));
        let jetstream = values.flag("jetstream");
        let stream: Option<String> = values.maybe("stream");
        if stream.is_some() && !jetstream {
            let problem = "a stream needs `jetstream = true`";
            return Err(BuildError::new("stream", problem));
        }
        let subject: String = values.get("subject")?;
        Ok(Self {
            name: tools.name.to_owned(),
            servers: servers.collect::<Result<_, _>>()?,
            subject: Topic::compile("subject", &subject, &SUBJECT)?,
            jetstream,
            stream,
            login: login(values)?,
            tls: handshake::config(&reach)?,
            reach,
            timeout: tools.timeout,
            line: Line::default(),
        })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let mut addresses = Vec::new();
        let mut failed = None;
        for server in &self.servers {
            match dial::addresses(&server.host, server.port, self.reach.egress).await {
                Ok(_) => addresses.push(server_address(server)?),
                Err(failure) => failed = Some(failure),
            }
        }
        match failed {
            Some(failure) if addresses.is_empty() => return Err(failure),
            _ => {}
        }
        let (denials, _) = broadcast::channel(64);
        let heard_by = denials.clone();
        let (deaf, heard) = watch::channel(false);
        let options = self.options()?.event_callback(move |event| {
            let text = denial(&event);
            if let Some(text) = text {
                if text.contains("_inbox") {
                    deaf.send_replace(true);
                }
                // Nobody waits: then nobody needs it.
                let _listeners = heard_by.send(text);
            }
            async {}
        });
        let client = options.connect(addresses).await;
        let client = client.map_err(|error| self.unconnected(&error))?;
        let jetstream = ContextBuilder::new()
            .timeout(self.timeout)
            .build(client.clone());
        // The driver reconnects automatically and then sends what it kept. Nothing listens there, so it ends instead.
        let nowhere = client.set_server_pool("nats://127.0.0.1:0").await;
        nowhere.map_err(|_| Failure::new(Class::Transient, "the server closed the connection"))?;
        Ok(Connection {
            client,
            jetstream,
            denials,
            deaf: heard,
        })
    }

    fn options(&self) -> Result<ConnectOptions, Failure> {
        let options = ConnectOptions::new()
            .name(format!("campanile {}", self.name))
            .connection_timeout(self.timeout)
            .max_reconnects(self.servers.len())
            .ignore_discovered_servers()
            .request_timeout(Some(self.timeout))
            .tls_client_config((*self.tls).clone())
            .require_tls(self.servers.iter().any(|server| server.tls));
        Ok(match &self.login {
            Login::Nobody => options,
            Login::User(user, password) => {
                options.user_and_password(user.clone(), password.expose_secret().to_owned())
            }
            Login::Token(token) => options.token(token.expose_secret().to_owned()),
            Login::Nkey(seed) => options.nkey(seed.expose_secret().trim().to_owned()),
            Login::Credentials(text) => options.credentials(text.expose_secret()).map_err(|_| {
                let reason = "`credentials` does not hold a JWT and a seed: give the whole content of a .creds file";
                Failure::new(Class::Operator, reason)
            })?,
        })
    }

    /// The driver's own text can name a server by a URL, so it is never shown.
    fn unconnected(&self, error: &ConnectError) -> Failure {
        let said = error.to_string().to_lowercase();
        let refused = ["authorization", "authentication", "account", "signing"];
        if let Some(said) = find::<rustls::Error>(error) {
            return handshake::failure(said);
        }
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Failure::new(Class::Operator, REFUSED)
            }
            ConnectErrorKind::ServerParse => Failure::new(
                Class::Operator,
                "`servers` has an address that is not valid",
            ),
            _ if refused.iter().any(|word| said.contains(word)) => {
                Failure::new(Class::Operator, REFUSED)
            }
            ConnectErrorKind::Dns => Failure::new(
                Class::Transient,
                "the host name of the server cannot be resolved",
            ),
            kind => {
                let cause = find::<std::io::Error>(error);
                let cause = cause.map_or_else(String::new, |io| format!(": {}", io.kind()));
                let servers: Vec<_> = self.servers.iter().map(Address::shown).collect();
                let what = match kind {
                    ConnectErrorKind::TimedOut => "did not answer in time",
                    _ => "cannot be reached",
                };
                Failure::new(
                    Class::Transient,
                    format!("{} {what}{cause}", servers.join(", ")),
                )
            }
        }
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut remark = None;
        for part in parts(message) {
            let subject = self.subject.of(part.alert)?;
            remark = self.deliver_part(&subject, &part).await?.or(remark);
        }
        let worth = if self.jetstream {
            Worth::Committed
        } else {
            Worth::Written
        };
        Ok(Delivered {
            worth,
            remark: remark.map(str::to_owned),
            ..Delivered::default()
        })
    }

    /// Sends it, and once more in a shorter form if the server finds it too large.
    async fn deliver_part(
        &self,
        subject: &str,
        part: &Part<'_>,
    ) -> Result<Option<&'static str>, Failure> {
        let sent = self.publish(subject, part).await;
        match (sent, part.shortened()) {
            (Err(failure), Some(shorter)) if failure.class == Class::TooLarge => {
                self.publish(subject, &shorter).await?;
                Ok(Some(SHORTENED))
            }
            (sent, _) => sent.map(|()| None),
        }
    }

    async fn publish(&self, subject: &str, part: &Part<'_>) -> Result<(), Failure> {
        let headers = headers(part, self.stream.as_deref());
        let json = part.json.clone();
        self.line
            .send(
                || Box::pin(self.connect()),
                async move |connection| {
                    let denied = connection.denied(subject);
                    let work = async {
                        if self.jetstream {
                            connection.store(subject, headers, json).await
                        } else {
                            connection.write(subject, headers, json).await
                        }
                    };
                    // A denial that has arrived too wins over the answer to the question of `write`.
                    match select(pin!(denied), pin!(work)).await {
                        Either::Left((failure, _)) => Err(Unsent::Refused(failure)),
                        Either::Right((done, _)) => done,
                    }
                },
            )
            .await
    }

    async fn ask(&self) -> Result<String, Failure> {
        let stream = self.stream.clone().filter(|_| self.jetstream);
        self.line
            .send(
                || Box::pin(self.connect()),
                async move |connection| {
                    let version = connection.client.server_info().version;
                    let Some(stream) = stream else {
                        return Ok(format!("NATS {version} accepts the credentials"));
                    };
                    match connection.jetstream.get_stream(&stream).await {
                        Ok(_) => Ok(format!("NATS {version} has the stream `{stream}`")),
                        Err(_) => Err(Unsent::refused(
                            Class::Operator,
                            format!(
                                "NATS {version} does not show the stream `{stream}` to this user"
                            ),
                        )),
                    }
                },
            )
            .await
    }
}

const REFUSED: &str = "the server rejects the credentials; check the user, the token, the NKey or the .creds of this sink";

fn server_address(server: &Address) -> Result<ServerAddr, Failure> {
    let address: Result<ServerAddr, _> = server.shown().parse();
    address.map_err(|_| {
        let reason = format!("`{}` is not the address of a server", server.shown());
        Failure::new(Class::Operator, reason)
    })
}

fn login(values: &Values) -> Result<Login, BuildError> {
    let user: Option<String> = values.maybe("user");
    let password: Option<Secret> = values.maybe("password");
    let secret = |name: &str| values.maybe::<Secret>(name);
    Ok(match (user, password) {
        (Some(user), Some(password)) => Login::User(user, password),
        (Some(_), None) => return Err(BuildError::new("password", "`user` needs a password")),
        (None, Some(_)) => return Err(BuildError::new("user", "`password` needs a user")),
        (None, None) => match (secret("token"), secret("nkey"), secret("credentials")) {
            (Some(token), _, _) => Login::Token(token),
            (_, Some(seed), _) => Login::Nkey(seed),
            (_, _, Some(credentials)) => Login::Credentials(credentials),
            _ => Login::Nobody,
        },
    })
}

fn headers(part: &Part<'_>, stream: Option<&str>) -> HeaderMap {
    let alert = part.alert;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", part.id.as_str());
    if let Some(stream) = stream {
        headers.insert("Nats-Expected-Stream", stream);
    }
    headers.insert("Content-Type", "application/json");
    headers.insert("Campanile-Alert", alert.id.as_str());
    headers.insert("Campanile-Fingerprint", alert.fingerprint.to_string());
    headers.insert("Campanile-Status", alert.status.as_str());
    headers.insert("Campanile-Severity", alert.severity.as_str());
    headers.insert("Campanile-Source", alert.source.as_str());
    headers
}

impl Sink for Nats {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(within(self.timeout, self.ask())))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let rendered = parts(message).map(|part| {
            let subject = self.subject.of(part.alert)?;
            let headers = headers(&part, self.stream.as_deref());
            let headers = headers.iter().flat_map(|(name, values)| {
                values.iter().map(move |value| format!("{name}: {value}\n"))
            });
            let mut headers: Vec<_> = headers.collect();
            headers.sort();
            let body = String::from_utf8_lossy(&part.json);
            let server = self.servers.first().map(Address::shown).unwrap_or_default();
            Ok(format!(
                "PUB {server} {subject}\n{}\n{body}\n",
                headers.concat()
            ))
        });
        rendered.collect()
    }
}
