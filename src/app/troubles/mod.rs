//! The gateway's own troubles as alerts of `campanile/self`: firing and resolved, each once.
//!
//! A task looks every 30 s. What is open is read from the store at the start, so a restart neither repeats nor forgets an alert.
//! A trouble of a sink is never sent through that sink.

mod found;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use campanile_model::{Alert, Status};
use campanile_store::{Error, FiringFilter};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::config::Own;
use crate::http::Gateway;
use crate::http::commit::{entry, wake};
use crate::intake::own::{Kind, SOURCE, Trouble};
use found::{Found, find};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Directly after a start sinks have not failed yet. What was open is resolved only after this time.
const SETTLING: SignedDuration = SignedDuration::from_mins(5);

/// The most open troubles: of each sink, each source and the store at most a few.
const OPEN_MAX: u32 = 10_000;

/// Looks at the gateway from time to time.
pub(super) struct Troubles {
    gateway: Weak<Gateway>,
    settings: watch::Receiver<Settings>,
    watch: Mutex<Watch>,
}

/// What the operator set, and where the store is.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) own: Own,
    /// The folder of the store. None: it is on another machine.
    pub(super) folder: Option<std::path::PathBuf>,
}

struct Watch {
    began: Timestamp,
    /// Open troubles, with the time at which each began. `None` until it is read from the store.
    open: Option<BTreeMap<Trouble, Timestamp>>,
    slow_until: Option<Timestamp>,
}

impl Troubles {
    pub(super) fn new(gateway: &Arc<Gateway>, settings: watch::Receiver<Settings>) -> Arc<Self> {
        let watch = Watch {
            began: gateway.clock.now(),
            open: None,
            slow_until: None,
        };
        Arc::new(Self {
            gateway: Arc::downgrade(gateway),
            settings,
            watch: Mutex::new(watch),
        })
    }

    /// Looks until it is aborted.
    pub(super) fn start(self: &Arc<Self>) -> JoinHandle<()> {
        let troubles = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(gateway) = troubles.gateway.upgrade() {
                let next = gateway.clock.sleep(LOOK_EVERY);
                drop(gateway);
                troubles.look().await;
                next.await;
            }
        })
    }

    /// Looks once, and raises or resolves what has changed. A failure of the store leaves everything for the next look.
    pub(super) async fn look(&self) {
        let Some(gateway) = self.gateway.upgrade() else {
            return;
        };
        let settings = self.settings.borrow().clone();
        let mut watch = self.watch.lock().await;
        if let Err(error) = watch.look(&gateway, &settings).await {
            tracing::warn!(error = %error, "the gateway could not look for its own troubles, or raise an alert about them; it tries again in 30 s");
        }
    }
}

impl Watch {
    async fn look(&mut self, gateway: &Gateway, settings: &Settings) -> Result<(), Error> {
        let now = gateway.clock.now();
        let found = find(gateway, settings, self.began, &mut self.slow_until).await?;
        if !settings.own.alerts || !leads(gateway) {
            // Another gateway raises and resolves until this one does it again.
            self.open = None;
            return Ok(());
        }
        let open = match self.open.take() {
            Some(open) => self.open.insert(open),
            None => self.open.insert(read_open(gateway).await?),
        };
        for (trouble, detail) in &found.firing {
            if !open.contains_key(trouble) {
                raise(gateway, trouble, Status::Firing, now, detail).await?;
                open.insert(trouble.clone(), now);
            }
        }
        let settled = now.duration_since(self.began) >= SETTLING;
        for (trouble, since) in open.clone() {
            if settled && is_over(&found, &trouble) {
                raise(gateway, &trouble, Status::Resolved, since, "It is over.").await?;
                open.remove(&trouble);
            }
        }
        Ok(())
    }
}

/// Whether this gateway raises alerts for all that share the store: the one that has run longest and does not stop.
fn leads(gateway: &Gateway) -> bool {
    let peers = gateway.sinks.gateways();
    let mut staying = peers.iter().filter(|peer| !peer.leaving);
    staying.next().is_none_or(|first| first.this)
}

fn is_over(found: &Found, trouble: &Trouble) -> bool {
    let unknown = trouble.kind == Kind::SilentSource && found.unheard.contains(&trouble.about);
    !unknown && !found.firing.contains_key(trouble)
}

/// The troubles whose problems fire in the store.
async fn read_open(gateway: &Gateway) -> Result<BTreeMap<Trouble, Timestamp>, Error> {
    let filter = FiringFilter {
        source: Some(SOURCE.to_owned()),
        severity: None,
        before: None,
        limit: OPEN_MAX,
    };
    let firing = gateway.store.firing(filter).await?;
    let newest = firing.rows.into_iter().filter_map(|row| row.newest);
    Ok(newest.filter_map(|row| trouble(&row.json)).collect())
}

/// The trouble of a stored alert, and when it began.
fn trouble(json: &[u8]) -> Option<(Trouble, Timestamp)> {
    let alert: Alert = serde_json::from_slice(json).ok()?;
    let word = alert.labels.get("trouble")?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let about = alert.labels.get("about")?.clone();
    let since = alert.starts_at.unwrap_or(alert.received_at);
    Some((Trouble { kind, about }, since))
}

/// Commits the alert of a trouble, and wakes the workers of its sinks.
async fn raise(
    gateway: &Gateway,
    trouble: &Trouble,
    status: Status,
    since: Timestamp,
    detail: &str,
) -> Result<(), Error> {
    let alert = trouble.alert(status, since, detail, gateway.clock.now());
    let mut entry = entry(
        &SOURCE.into(),
        alert,
        &gateway.current().snapshot,
        &gateway.metrics,
    );
    if trouble.kind.is_of_sink() {
        let known = gateway.store.known_sinks().await?;
        let about = known.into_iter().find(|(_, name)| *name == trouble.about);
        for alert in &mut entry.alerts {
            alert
                .sinks
                .retain(|sink| Some(*sink) != about.as_ref().map(|(id, _)| *id));
        }
    }
    let appended = gateway.store.append(entry).await?;
    wake(&*gateway.sinks, &gateway.news, &appended);
    let (kind, about) = (trouble.kind.word(), &trouble.about);
    tracing::info!(kind, about, %status, "the gateway raised or resolved an alert about itself");
    Ok(())
}
