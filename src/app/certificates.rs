//! Fetches the certificates and keys with which vendors sign, through the guarded client.
//!
//! [`intake::documents`](crate::intake::documents) says what is kept and when another fetch is allowed. Here is the I/O:
//! how many fetches run at once, and who waits for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use campanile_model::Clock;
use campanile_providers::{Document, Needed};
use campanile_sinks::http::client::{Client, Request, Settings};
use campanile_sinks::http::guard::Egress;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tokio::sync::Semaphore;

use crate::intake::documents::{self, Body};

/// Shorter than any vendor waits for its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Certificates that are fetched at the same time.
const AT_ONCE: usize = 2;

/// How the gateway reaches vendors' hosts: they are public ones.
pub const REACH: Settings<'static> = Settings {
    egress: Egress::PublicOnly,
    timeout: TIMEOUT,
    ca_file: None,
    skip_tls_verification: false,
    proxy: None,
};

/// Documents of vendors: kept ones, and fetched ones.
#[derive(Clone)]
pub struct Documents(Option<Arc<Archive>>);

impl Documents {
    /// Documents that are fetched by a client with these settings.
    pub fn new(clock: Clock, reach: Settings<'_>) -> Self {
        let client = Client::new(reach);
        let client = client.inspect_err(|error| {
            tracing::error!(%error, "the HTTPS client cannot be built: certificates of vendors cannot be fetched");
        });
        Self(client.ok().map(|client| {
            Arc::new(Archive {
                client,
                patience: reach.timeout,
                clock,
                kept: Mutex::default(),
                room: Semaphore::new(AT_ONCE),
                turn: Arc::default(),
            })
        }))
    }

    /// The document, or none where it cannot be fetched now.
    pub fn get(&self, needed: Needed) -> BoxFuture<'static, Option<Body>> {
        let archive = self.0.clone();
        Box::pin(async move { archive?.get(needed).await })
    }
}

struct Archive {
    client: Client,
    /// How long one request waits for the fetch of another.
    patience: Duration,
    clock: Clock,
    kept: Mutex<documents::Documents>,
    /// Limits the fetches of certificates.
    room: Semaphore,
    /// Held while keys are fetched: one fetch at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Archive {
    async fn get(self: Arc<Self>, needed: Needed) -> Option<Body> {
        if let Some(kept) = self.kept().get(&needed, self.clock.now()) {
            return Some(kept);
        }
        match needed.document {
            Document::Certificate => self.certificate(&needed).await,
            Document::Key(_) => self.keys(needed).await,
        }
    }

    fn kept(&self) -> MutexGuard<'_, documents::Documents> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn certificate(&self, needed: &Needed) -> Option<Body> {
        let _place = self.room.try_acquire().ok()?;
        if !self.kept().may_fetch(needed, self.clock.now()) {
            tracing::debug!(
                "too many certificates were requested in the last minute; this one is not fetched"
            );
            return None;
        }
        self.fetch(needed).await
    }

    /// Requests that need keys wait for the fetch that runs, then look again. The fetch continues when its own request
    /// is closed: otherwise the pause that follows it would leave everyone without keys.
    async fn keys(self: Arc<Self>, needed: Needed) -> Option<Body> {
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = tokio::time::timeout(self.patience, turn).await.ok()?;
        let now = self.clock.now();
        if let Some(kept) = self.kept().get(&needed, now) {
            return Some(kept);
        }
        if !self.kept().may_fetch(&needed, now) {
            return None;
        }
        let fetching = tokio::spawn(async move {
            let body = self.fetch(&needed).await;
            drop(turn);
            body
        });
        fetching.await.ok().flatten()
    }

    /// Fetches the document and records the result.
    async fn fetch(&self, needed: &Needed) -> Option<Body> {
        let body = self.exchange(needed).await;
        self.kept().put(needed, body.as_ref(), self.clock.now());
        body
    }

    async fn exchange(&self, needed: &Needed) -> Option<Body> {
        let url = &*needed.url;
        let request = Request {
            method: Method::GET,
            url: Url::parse(url).ok()?,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            at: self.clock.now(),
        };
        match self.client.exchange(request).await {
            Ok(response) if response.status == 200 && needed.is(&response.body) => {
                return Some(response.body.into());
            }
            Ok(response) => {
                let status = response.status;
                tracing::warn!(
                    url,
                    status,
                    "the response of the vendor's host holds no certificate or keys; callbacks that need them are answered 503"
                );
            }
            Err(failure) => {
                let cause = failure.reason;
                tracing::warn!(
                    url,
                    cause,
                    "a vendor's certificate or keys could not be fetched; callbacks that need them are answered 503"
                );
            }
        }
        None
    }
}
