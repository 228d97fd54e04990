//! Certificates and keys with which vendors sign, fetched through the guarded client and kept for a while.
//!
//! Strangers can send calls that ask for them, so that nothing here is done as often as it is asked for. A certificate
//! is named by the call, at its vendor's hosts alone: so many a minute are fetched. The address of keys comes from a
//! mapping and the operator's settings: one fetch at a time, and after it a pause, whoever asks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use campanile_providers::{Document, Needed};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tokio::sync::Semaphore;

use campanile_model::Clock;
use campanile_sinks::http::client::{Client, Request, Settings};
use campanile_sinks::http::guard::Egress;
use futures_util::future::BoxFuture;

/// Shorter than any vendor waits for its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So many certificates are kept, and so many sets of keys: one a region and year, or one a tenant, is usual.
const KEPT_MAX: usize = 64;

/// For so long.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Certificates that are fetched at the same time.
const AT_ONCE: usize = 2;

/// Certificates that are fetched in any minute, also when strangers name ones that do not exist.
const A_MINUTE: usize = 30;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Keys in which the one that a call names was not found are looked at again after so long: a vendor publishes a new
/// key well before it signs with it.
const UNKNOWN_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// Keys that could not be had are tried again after so long, which is soon enough for a vendor's next try.
const FAILED_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// How the gateway reaches vendors' hosts: they are public ones.
pub const REACH: Settings<'static> = Settings {
    egress: Egress::PublicOnly,
    timeout: TIMEOUT,
    ca_file: None,
    skip_tls_verification: false,
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
                certificates: Shelf::default(),
                keys: Shelf::default(),
                lately: Mutex::default(),
                room: Semaphore::new(AT_ONCE),
                turn: Arc::default(),
            })
        }))
    }

    /// The document, unless it cannot be had now.
    pub fn get(&self, needed: Needed) -> BoxFuture<'static, Option<Body>> {
        let archive = self.0.clone();
        Box::pin(async move { archive?.get(needed).await })
    }
}

type Body = Arc<[u8]>;

struct Archive {
    client: Client,
    /// How long one waits for another's fetch.
    patience: Duration,
    clock: Clock,
    certificates: Shelf,
    keys: Shelf,
    /// When certificates were fetched within the last minute.
    lately: Mutex<VecDeque<Timestamp>>,
    room: Semaphore,
    /// Whose turn it is to fetch keys.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Archive {
    async fn get(self: Arc<Self>, needed: Needed) -> Option<Body> {
        match needed.document {
            Document::Certificate => self.certificate(&needed).await,
            Document::Key(_) => self.keys(needed).await,
        }
    }

    async fn certificate(&self, needed: &Needed) -> Option<Body> {
        let now = self.clock.now();
        if let Some(kept) = self.certificates.get(needed, now) {
            return Some(kept);
        }
        let _place = self.room.try_acquire().ok()?;
        if !self.is_one_more(now) {
            tracing::debug!("certificates are asked for too often; they are not fetched");
            return None;
        }
        let body = self.fetch(needed).await?;
        self.certificates.put(needed, Some(&body), self.clock.now());
        Some(body)
    }

    /// Whether another certificate may be fetched now.
    fn is_one_more(&self, now: Timestamp) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|at| is_within(*at, now, MINUTE));
        let is_one_more = lately.len() < A_MINUTE;
        if is_one_more {
            lately.push_back(now);
        }
        is_one_more
    }

    /// All who need keys wait for the one who fetches them, and look again. A fetch goes on when the one who asked hangs
    /// up: the pause after it would else be one without keys.
    async fn keys(self: Arc<Self>, needed: Needed) -> Option<Body> {
        if let Some(kept) = self.keys.get(&needed, self.clock.now()) {
            return Some(kept);
        }
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = tokio::time::timeout(self.patience, turn).await.ok()?;
        let now = self.clock.now();
        if let Some(kept) = self.keys.get(&needed, now) {
            return Some(kept);
        }
        if self.keys.is_resting(&needed, now) {
            return None;
        }
        let fetching = tokio::spawn(async move {
            let body = self.fetch(&needed).await;
            self.keys.put(&needed, body.as_ref(), self.clock.now());
            drop(turn);
            body
        });
        fetching.await.ok().flatten()
    }

    async fn fetch(&self, needed: &Needed) -> Option<Body> {
        let url = &*needed.url;
        let request = Request {
            method: Method::GET,
            url: Url::parse(url).ok()?,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            at: self.clock.now(),
        };
        match self.client.exchange(request).await {
            Ok(answer) if answer.status == 200 && needed.is(&answer.body) => {
                return Some(answer.body.into());
            }
            Ok(answer) => {
                let status = answer.status;
                tracing::warn!(
                    url,
                    status,
                    "a vendor's certificate or keys were not served"
                );
            }
            Err(failure) => {
                let cause = failure.reason;
                tracing::warn!(
                    url,
                    cause,
                    "a vendor's certificate or keys could not be fetched"
                );
            }
        }
        None
    }
}

/// Documents by their addresses.
#[derive(Default)]
struct Shelf(Mutex<HashMap<String, Kept>>);

struct Kept {
    /// The document, and when it was fetched; none where it never could be.
    document: Option<(Body, Timestamp)>,
    /// When it was last asked for, and whether it came.
    tried: Timestamp,
    came: bool,
}

impl Shelf {
    /// What is kept, if it is not too old and holds what is needed.
    fn get(&self, needed: &Needed, now: Timestamp) -> Option<Body> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (body, since) = all.get(&needed.url)?.document.as_ref()?;
        let is_fresh = now.duration_since(*since) < KEPT;
        (is_fresh && needed.is_in(body)).then(|| Arc::clone(body))
    }

    /// Whether it was asked for so lately that it is not asked for again.
    fn is_resting(&self, needed: &Needed, now: Timestamp) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&needed.url).is_some_and(|kept| {
            let pause = if kept.came {
                UNKNOWN_AGAIN
            } else {
                FAILED_AGAIN
            };
            is_within(kept.tried, now, pause)
        })
    }

    /// Notes what came of a fetch. What was there before stays where nothing came.
    fn put(&self, needed: &Needed, body: Option<&Body>, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = all.remove(&needed.url);
        if all.len() >= KEPT_MAX {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.tried);
            let oldest = oldest.map(|(url, _)| url.clone());
            oldest.and_then(|url| all.remove(&url));
        }
        let new = body.map(|body| (Arc::clone(body), now));
        let kept = Kept {
            document: new.or(old.and_then(|old| old.document)),
            tried: now,
            came: body.is_some(),
        };
        all.insert(needed.url.clone(), kept);
    }
}

/// Whether `at` lies less than this before `now`. A clock that was set back makes nothing wait.
fn is_within(at: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    (SignedDuration::ZERO..span).contains(&now.duration_since(at))
}
