//! The syslog sink: what its settings mean, and what a success means.

use std::time::Duration;

use campanile_settings::Values;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::record::{Form, Record};
use super::wire::{Carrier, Framing, Wire};
use crate::address::{Address, Scheme};
use crate::broker::parts;
use crate::dial::within;
use crate::handshake;
use crate::reach::Reach;
use crate::{BuildError, Delivered, Failure, Message, Sink, Tools, Worth};

const UDP: &str = "udp";
const SCHEMES: &[Scheme] = &[("tls", 6514, true), ("tcp", 514, false), (UDP, 514, false)];
/// Every receiver should take a message of this length (RFC 5424).
const BYTES_MAX: usize = 2048;
/// A longer datagram can be split into packets, of which one is lost.
const UDP_BYTES_MAX: usize = 1024;
/// The longest datagram that there is.
const DATAGRAM_MAX: usize = 65_507;

/// The sink.
pub(super) struct Syslog {
    form: Form,
    wire: Wire,
    timeout: Duration,
}

impl Syslog {
    pub(super) fn new(values: &Values, tools: &Tools<'_>) -> Result<Self, BuildError> {
        let reach = Reach::of(values)?;
        let url: String = values.get("url")?;
        let server = Address::of("url", &url, SCHEMES)?;
        let (framing, carrier) = (framing(values, &server)?, carrier(values, &server)?);
        Ok(Self {
            form: Form::new(values, bytes_max(values, &server)?)?,
            wire: Wire {
                tls: server.tls.then(|| handshake::config(&reach)).transpose()?,
                egress: reach.egress,
                server,
                framing,
                carrier,
            },
            timeout: tools.timeout,
        })
    }

    fn records(&self, message: &Message) -> Result<Vec<Record>, Failure> {
        parts(message).map(|part| self.form.record(&part)).collect()
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let records = self.records(message)?;
        let remark = records.iter().find_map(|record| record.remark);
        let bytes: Vec<_> = records.into_iter().map(|record| record.bytes).collect();
        self.wire.send(&bytes).await?;
        Ok(Delivered {
            worth: match self.wire.carrier {
                Carrier::Closing => Worth::Accepted,
                Carrier::Keeping(_) | Carrier::Datagrams => Worth::Written,
            },
            remark: remark.map(str::to_owned),
            ..Delivered::default()
        })
    }

    async fn ask(&self) -> Result<String, Failure> {
        self.wire.ask().await?;
        Ok("the server accepts the connection".to_owned())
    }
}

fn framing(values: &Values, server: &Address) -> Result<Framing, BuildError> {
    match &*values.get::<String>("framing")? {
        "lf" if server.scheme != "tcp" => {
            let problem = "only `tcp://` has other framings: remove this line";
            Err(BuildError::new("framing", problem))
        }
        "lf" => Ok(Framing::LineFeed),
        _ => Ok(Framing::OctetCounting),
    }
}

fn carrier(values: &Values, server: &Address) -> Result<Carrier, BuildError> {
    let confirm: String = values.get("confirm")?;
    Ok(match &*confirm {
        _ if server.scheme == UDP => Carrier::Datagrams,
        "none" => Carrier::Keeping(Mutex::default()),
        _ => Carrier::Closing,
    })
}

fn bytes_max(values: &Values, server: &Address) -> Result<usize, BuildError> {
    let set: Option<usize> = values.maybe("max_bytes");
    match set {
        Some(most) if server.scheme == UDP && most > DATAGRAM_MAX => {
            let problem = format!("a datagram holds at most {DATAGRAM_MAX} bytes");
            Err(BuildError::new("max_bytes", problem))
        }
        Some(most) => Ok(most),
        None if server.scheme == UDP => Ok(UDP_BYTES_MAX),
        None => Ok(BYTES_MAX),
    }
}

impl Sink for Syslog {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        match self.wire.carrier {
            Carrier::Datagrams => None,
            Carrier::Keeping(_) | Carrier::Closing => {
                Some(Box::pin(within(self.timeout, self.ask())))
            }
        }
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let records = self.records(message)?;
        let lines = records.iter().map(|record| {
            let line = String::from_utf8_lossy(&record.bytes);
            format!("{line}\n")
        });
        let lines: String = lines.collect();
        Ok(format!("{}\n{lines}", self.wire.server.shown()))
    }
}
