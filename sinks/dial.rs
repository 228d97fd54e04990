//! Connections of sinks that do not speak HTTP: resolve, check and connect in one step.
//!
//! No second lookup can return another address than the one that was checked. [`within`] limits the time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

use crate::http::guard::{Egress, admit};
use crate::{Class, Failure};

/// The addresses of a host that may be called, in the order of the resolver. Never empty.
///
/// # Errors
///
/// `Transient` if the name cannot be resolved, `Operator` if every address is refused.
pub async fn addresses(host: &str, port: u16, egress: Egress) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = || Failure::new(Class::Transient, "the host name cannot be resolved");
    let found = lookup_host((host, port)).await.map_err(|_| unknown())?;
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match admit(address.ip(), egress) {
            Ok(()) => allowed.push(address),
            Err(why) => refused = Some(why),
        }
    }
    match refused {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(why) => Err(Failure::new(Class::Operator, why.to_string())),
        None => Err(unknown()),
    }
}

/// A connection to the first address that accepts it. Small packets are sent at once.
///
/// # Errors
///
/// As [`addresses`], and `Transient` if no address accepts the connection.
pub async fn dial(host: &str, port: u16, egress: Egress) -> Result<TcpStream, Failure> {
    let addresses = addresses(host, port, egress).await?;
    let stream = TcpStream::connect(&*addresses).await;
    let stream = stream.map_err(|error| unreachable_host(&error))?;
    stream
        .set_nodelay(true)
        .map_err(|error| unreachable_host(&error))?;
    Ok(stream)
}

/// The failure of a connection that could not be opened.
pub fn unreachable_host(error: &io::Error) -> Failure {
    let reason = format!("cannot connect: {}", error.kind());
    Failure::new(Class::Transient, reason)
}

/// The attempt, or a failure if it does not end in time.
///
/// # Errors
///
/// Those of the attempt, and `Transient` if the time is over.
pub async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = || {
        let reason = format!("no complete response within {} s", limit.as_secs_f32());
        Failure::new(Class::Transient, reason)
    };
    let done = tokio::time::timeout(limit, attempt).await;
    done.unwrap_or_else(|_| Err(late()))
}
