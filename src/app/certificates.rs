//! Certificates with which vendors sign, fetched through the guarded client and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::http::Certificates;
use crate::sinks::client::{Client, Request, Settings};
use crate::sinks::guard::Egress;

/// Shorter than any vendor waits for its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So many are kept: one a region and year is usual.
const KEPT_MAX: usize = 32;

/// For so long.
const KEPT_HOURS: i64 = 24;

/// Strangers can ask for certificates that do not exist: only so many are asked for at a time.
const AT_ONCE: usize = 2;

/// A certificate, and when it was fetched.
type Kept = (Arc<[u8]>, Timestamp);

struct Shelf {
    client: Client,
    clock: Clock,
    kept: Mutex<HashMap<String, Kept>>,
    room: Semaphore,
}

/// Fetches what is not kept.
pub(super) fn fetched(clock: Clock) -> Certificates {
    let client = Client::new(Settings {
        egress: Egress::PublicOnly,
        timeout: TIMEOUT,
        ca_file: None,
        skip_tls_verification: false,
    });
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "vendors' certificates cannot be fetched");
            return Arc::new(|_| Box::pin(std::future::ready(None)));
        }
    };
    let shelf = Arc::new(Shelf {
        client,
        clock,
        kept: Mutex::default(),
        room: Semaphore::new(AT_ONCE),
    });
    Arc::new(move |url| {
        let shelf = Arc::clone(&shelf);
        Box::pin(async move { shelf.get(url).await })
    })
}

impl Shelf {
    async fn get(&self, url: String) -> Option<Arc<[u8]>> {
        if let Some(kept) = self.kept(&url) {
            return Some(kept);
        }
        let _place = self.room.try_acquire().ok()?;
        let body = self.fetch(&url).await?;
        let certificate: Arc<[u8]> = body.into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(url, (Arc::clone(&certificate), self.clock.now()));
        Some(certificate)
    }

    fn kept(&self, url: &str) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (certificate, since) = kept.get(url)?;
        let age = self.clock.now().duration_since(*since);
        (age < SignedDuration::from_hours(KEPT_HOURS)).then(|| Arc::clone(certificate))
    }

    async fn fetch(&self, url: &str) -> Option<Vec<u8>> {
        let request = Request {
            method: Method::GET,
            url: Url::parse(url).ok()?,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            at: self.clock.now(),
        };
        match self.client.exchange(request).await {
            Ok(answer) if answer.status == 200 => Some(answer.body),
            Ok(answer) => {
                let status = answer.status;
                tracing::warn!(url, status, "a vendor's certificate was not served");
                None
            }
            Err(failure) => {
                let cause = failure.cause;
                tracing::warn!(url, cause, "a vendor's certificate could not be fetched");
                None
            }
        }
    }
}
