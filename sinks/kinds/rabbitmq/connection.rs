//! A connection to `RabbitMQ` with one channel, and what its answers mean.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::AMQPUri;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection as Driver, ConnectionProperties, Error,
    ErrorKind,
};
use rustls::ClientConfig;

use super::driver::Checked;
use crate::broker::{Link, Unsent};
use crate::http::client::find;
use crate::{Class, Failure, handshake};

/// A queue that is made if it does not exist.
pub(super) struct Declare {
    pub(super) queue: String,
    pub(super) kind: String,
}

/// A connection.
pub(super) struct Connection {
    /// Dropped first: the driver would first write what it still has.
    _socket: Socket,
    driver: Driver,
    channel: Channel,
}

/// A second handle of the socket. Dropping it closes the socket for both.
struct Socket(Handle);

type Handle = Arc<Mutex<Option<TcpStream>>>;

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(handle) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It fails if the broker has closed it already.
            let _closed = handle.shutdown(Shutdown::Both);
        }
    }
}

fn keep(handle: &Handle, stream: &impl AsFd) -> io::Result<()> {
    let second = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
    *handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(second);
    Ok(())
}

impl Link for Connection {
    fn is_open(&self) -> bool {
        self.driver.status().connected() && self.channel.status().connected()
    }
}

impl Connection {
    /// Connects to the first of these addresses that accepts, and opens a channel that confirms.
    pub(super) async fn open(
        uri: AMQPUri,
        checked: Checked,
        tls: Option<Arc<ClientConfig>>,
        name: &str,
        declare: Option<&Declare>,
    ) -> Result<Self, Failure> {
        let handle = Handle::default();
        let socket = Socket(Arc::clone(&handle));
        let runtime = lapin::runtime::default_runtime().map_err(|error| unconnected(&error))?;
        let name = LongString::from(format!("campanile {name}"));
        let properties = ConnectionProperties::default().with_connection_name(name);
        let driver = Driver::connector(
            uri,
            runtime,
            async move |uri, runtime| {
                let stream = AsyncTcpStream::connect(&runtime, checked.clone()).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    keep(&handle, plain.get_ref())?;
                }
                match &tls {
                    None => Ok(stream),
                    Some(config) => {
                        let connector = RustlsConnector::from(Arc::clone(config));
                        Ok(stream.into_rustls(&connector, &uri.authority.host).await?)
                    }
                }
            },
            properties,
        );
        let driver = driver.await;
        let driver = driver.map_err(|error| unconnected(&error))?;
        let channel = driver
            .create_channel()
            .await
            .map_err(|error| unconnected(&error))?;
        let confirms = channel
            .confirm_select(ConfirmSelectOptions::default())
            .await;
        confirms.map_err(|error| unconnected(&error))?;
        if let Some(declare) = declare {
            declare.make(&channel).await?;
        }
        Ok(Self {
            _socket: socket,
            driver,
            channel,
        })
    }

    pub(super) async fn publish(
        &self,
        exchange: &str,
        key: &str,
        json: &[u8],
        properties: BasicProperties,
    ) -> Result<(), Unsent> {
        // Without `mandatory`, a message that no queue takes is confirmed and gone.
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let sent =
            self.channel
                .basic_publish(exchange.into(), key.into(), options, json, properties);
        let confirmed = sent.await.map_err(|error| self.lost(&error))?;
        match confirmed.await.map_err(|error| self.lost(&error))? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(Unsent::refused(
                Class::Operator,
                format!("no queue takes the routing key `{key}`: bind a queue to the exchange"),
            )),
            Confirmation::Nack(_) => Err(Unsent::refused(
                Class::Transient,
                "the queue refuses the message: it is full, or the broker has an internal error",
            )),
            Confirmation::NotRequested => Err(Unsent::lost("the broker does not confirm messages")),
        }
    }

    /// A channel that the broker closed is of no use any more.
    fn lost(&self, error: &Error) -> Unsent {
        if self.driver.status().blocked() {
            return Unsent::lost("the broker blocks publishers: its memory or its disk is full");
        }
        Unsent::Lost(match error.kind() {
            ErrorKind::ProtocolError(said) => refused(said.kind(), said.get_message().as_str()),
            _ => unconnected(error),
        })
    }
}

impl Declare {
    async fn make(&self, channel: &Channel) -> Result<(), Failure> {
        let mut arguments = FieldTable::default();
        let kind = AMQPValue::LongString(LongString::from(self.kind.as_str()));
        arguments.insert("x-queue-type".into(), kind);
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let made = channel.queue_declare(self.queue.as_str().into(), options, arguments);
        made.await.map(drop).map_err(|error| match error.kind() {
            ErrorKind::ProtocolError(said)
                if *said.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) =>
            {
                let reason = format!(
                    "the queue `{}` exists with other properties: set `declare = false`",
                    self.queue
                );
                Failure::new(Class::Operator, reason)
            }
            ErrorKind::ProtocolError(said) => refused(said.kind(), ""),
            _ => unconnected(&error),
        })
    }
}

/// What the broker says about a message. Its text is read and not shown.
fn refused(kind: &AMQPErrorKind, text: &str) -> Failure {
    use {AMQPErrorKind as Kind, AMQPHardError as Hard, AMQPSoftError as Soft};
    let (class, what) = match kind {
        Kind::Soft(Soft::NOTFOUND) => (
            Class::Operator,
            "the exchange does not exist; make it, or set `exchange`",
        ),
        Kind::Soft(Soft::ACCESSREFUSED) => (
            Class::Operator,
            "the user may not write there; check the permissions",
        ),
        Kind::Soft(Soft::PRECONDITIONFAILED) if text.contains("message size") => (
            Class::TooLarge,
            "the message is larger than the broker takes (`max_message_size`)",
        ),
        Kind::Soft(Soft::PRECONDITIONFAILED) => (
            Class::Operator,
            "the exchange or queue has other properties",
        ),
        Kind::Hard(Hard::NOTALLOWED) => (
            Class::Operator,
            "the virtual host does not exist, or the user may not use it; check `url`",
        ),
        Kind::Hard(Hard::CONNECTIONFORCED) => (
            Class::Transient,
            "an administrator closed the connection, or the broker is stopping",
        ),
        _ => (Class::Transient, "the broker closed the connection"),
    };
    Failure::new(class, format!("RabbitMQ: {what}"))
}

/// Why there is no connection. The driver's own text can hold the address with its password.
fn unconnected(error: &Error) -> Failure {
    let transient = |reason: &str| Failure::new(Class::Transient, reason);
    match error.kind() {
        ErrorKind::ProtocolError(said) => match said.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Failure::new(
                Class::Operator,
                "RabbitMQ: it rejects the credentials; check `user` and `password`",
            ),
            kind => refused(kind, ""),
        },
        ErrorKind::IOError(io) => match find::<rustls::Error>(&**io) {
            Some(said) => handshake::failure(said),
            None => transient(&format!(
                "the connection to the broker failed: {}",
                io.kind()
            )),
        },
        ErrorKind::InvalidProtocolVersion(_) | ErrorKind::ParsingError(_) => Failure::new(
            Class::Operator,
            "the server does not speak AMQP 0.9.1 on this port; check `url`",
        ),
        ErrorKind::MissingHeartbeatError => transient("the broker sent no heartbeat"),
        _ => transient("the connection to the broker failed"),
    }
}
