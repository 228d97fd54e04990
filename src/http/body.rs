//! Reads the body of a request, still compressed, under a size limit and a time limit.

use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;

use crate::config::Server;
use crate::intake::Reason;

/// After a body is refused, the rest of it is read for this long: many senders read the answer only after they have
/// sent everything.
const DRAIN_FOR: Duration = Duration::from_millis(500);

/// The most bytes that are allocated before the first byte arrives, for any announced length.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Reads the body within the limits of `server`. `announced` is the `Content-Length`.
pub(super) async fn read(
    mut payload: Payload,
    announced: Option<u64>,
    server: &Server,
) -> Result<Vec<u8>, Reason> {
    let (max, within) = (server.body_bytes_max, server.body_timeout);
    let payload = &mut payload;
    let fits = announced.is_none_or(|length| usize::try_from(length).is_ok_and(|l| l <= max));
    if !fits {
        drain(payload, max).await;
        return Err(Reason::TooLarge);
    }
    let read = tokio::time::timeout(within, collect(payload, announced, max)).await;
    let body = read.unwrap_or(Err(Reason::Slow));
    if body == Err(Reason::TooLarge) {
        drain(payload, max).await;
    }
    body
}

async fn collect(
    payload: &mut Payload,
    announced: Option<u64>,
    max: usize,
) -> Result<Vec<u8>, Reason> {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or(0).min(RESERVED_BYTES_MAX));
    while let Some(chunk) = payload.next().await {
        let chunk: Bytes = chunk.map_err(|_| Reason::Broken)?;
        if body.len() + chunk.len() > max {
            return Err(Reason::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads and discards at most `max` bytes, for at most [`DRAIN_FOR`].
async fn drain(payload: &mut Payload, max: usize) {
    let rest = async {
        let mut left = max;
        while let Some(Ok(chunk)) = payload.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _in_time = tokio::time::timeout(DRAIN_FOR, rest).await;
}
