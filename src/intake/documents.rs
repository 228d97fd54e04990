//! Which certificates and keys of vendors are kept, and when another one may be fetched.
//!
//! Unauthenticated senders can send callbacks that ask for documents, so each limit holds for all callers together. A callback names
//! the address of a certificate (on its vendor's hosts only): a fixed number is fetched each minute. The address of keys
//! comes from a mapping and the operator's settings: after each fetch the same address rests for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use campanile_providers::{Document, Needed};
use jiff::{SignedDuration, Timestamp};

/// The bytes of a document.
pub type Body = Arc<[u8]>;

/// Addresses of certificates that are kept, and addresses of keys: one each region and year, or one each tenant, is usual.
const KEPT_MAX: usize = 64;

/// How long a document is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Certificates that are fetched in one minute, including addresses at which there is none.
const PER_MINUTE_MAX: usize = 30;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// After a fetch without the key that a callback names, the next fetch waits this long. Vendors publish a new key well
/// before they sign with it.
const UNKNOWN_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// After a failed fetch of keys, the next one waits this long: less than the time until the vendor sends again.
const FAILED_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// The documents that are kept, and the limits of fetching more.
#[derive(Debug, Default)]
pub struct Documents {
    certificates: Cache,
    keys: Cache,
    /// When certificates were fetched within the last minute.
    recent: VecDeque<Timestamp>,
}

impl Documents {
    /// The document, if it is kept, is not too old and holds what is needed.
    pub fn get(&self, needed: &Needed, now: Timestamp) -> Option<Body> {
        let kept = match needed.document {
            Document::Certificate => &self.certificates,
            Document::Key(_) => &self.keys,
        };
        let (body, since) = kept.0.get(&needed.url)?.document.as_ref()?;
        let is_fresh = now.duration_since(*since) < KEPT;
        (is_fresh && needed.is_in(body)).then(|| Arc::clone(body))
    }

    /// Whether the document may be fetched now. A yes counts as a fetch of a certificate.
    pub fn may_fetch(&mut self, needed: &Needed, now: Timestamp) -> bool {
        if matches!(needed.document, Document::Key(_)) {
            return !self.keys.is_resting(&needed.url, now);
        }
        self.recent.retain(|at| is_within(*at, now, MINUTE));
        let may = self.recent.len() < PER_MINUTE_MAX;
        if may {
            self.recent.push_back(now);
        }
        may
    }

    /// Records the result of a fetch. After a failed fetch, keys that were kept before stay.
    pub fn put(&mut self, needed: &Needed, body: Option<&Body>, now: Timestamp) {
        match (&needed.document, body) {
            (Document::Key(_), body) => self.keys.put(&needed.url, body, now),
            (Document::Certificate, Some(body)) => {
                self.certificates.put(&needed.url, Some(body), now);
            }
            // Addresses without a certificate would push out the certificates.
            (Document::Certificate, None) => {}
        }
    }
}

/// Documents by their addresses.
#[derive(Debug, Default)]
struct Cache(HashMap<String, Kept>);

#[derive(Debug)]
struct Kept {
    /// The document, and when it was fetched; none where every fetch failed.
    document: Option<(Body, Timestamp)>,
    /// When it was last fetched, and whether that succeeded.
    tried: Timestamp,
    succeeded: bool,
}

impl Cache {
    /// Whether the last fetch is too recent for another one.
    fn is_resting(&self, url: &str, now: Timestamp) -> bool {
        self.0.get(url).is_some_and(|kept| {
            let pause = if kept.succeeded {
                UNKNOWN_AGAIN
            } else {
                FAILED_AGAIN
            };
            is_within(kept.tried, now, pause)
        })
    }

    fn put(&mut self, url: &str, body: Option<&Body>, now: Timestamp) {
        let old = self.0.remove(url);
        if self.0.len() >= KEPT_MAX {
            let oldest = self.0.iter().min_by_key(|(_, kept)| kept.tried);
            let oldest = oldest.map(|(url, _)| url.clone());
            oldest.and_then(|url| self.0.remove(&url));
        }
        let new = body.map(|body| (Arc::clone(body), now));
        let kept = Kept {
            document: new.or(old.and_then(|old| old.document)),
            tried: now,
            succeeded: body.is_some(),
        };
        self.0.insert(url.to_owned(), kept);
    }
}

/// Whether `at` is less than `span` before `now`. After the clock was set back, nothing waits.
fn is_within(at: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    (SignedDuration::ZERO..span).contains(&now.duration_since(at))
}
