//! Reading a body under a cap and a deadline, as it came over the wire.

use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;

/// What is left of a refused body is read for so long, so that the sender gets to read the answer.
const DRAIN_FOR: Duration = Duration::from_millis(500);

/// Space taken before the first byte has come, however much is announced.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than allowed.
    TooLarge,
    /// It did not come in time.
    Slow,
    /// The connection broke, or the framing is wrong.
    Broken,
}

/// Reads at most `max` bytes within a time. `announced` is the `Content-Length`.
pub(super) async fn read(
    payload: &mut Payload,
    announced: Option<u64>,
    max: usize,
    within: Duration,
) -> Result<Vec<u8>, Unread> {
    let fits = announced.is_none_or(|length| usize::try_from(length).is_ok_and(|l| l <= max));
    if !fits {
        drain(payload, max).await;
        return Err(Unread::TooLarge);
    }
    let read = tokio::time::timeout(within, collect(payload, announced, max)).await;
    let body = read.unwrap_or(Err(Unread::Slow));
    if body == Err(Unread::TooLarge) {
        drain(payload, max).await;
    }
    body
}

async fn collect(
    payload: &mut Payload,
    announced: Option<u64>,
    max: usize,
) -> Result<Vec<u8>, Unread> {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or(0).min(RESERVED_BYTES_MAX));
    while let Some(chunk) = payload.next().await {
        let chunk: Bytes = chunk.map_err(|_| Unread::Broken)?;
        if body.len() + chunk.len() > max {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads on and forgets, for a short time and up to as much again as was allowed.
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
