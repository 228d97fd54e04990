//! What is wrong with the gateway now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use campanile_store::{CallbackFilter, Error};
use jiff::Timestamp;

use super::Settings;
use crate::delivery::{PausedBy, Phase, SinkState};
use crate::http::Gateway;
use crate::intake::own::{Kind, Trouble};
use crate::telemetry::metrics::SourceMeters;

/// A commit that takes longer is slow: a vendor waits for it.
const COMMIT_MAX: Duration = Duration::from_secs(1);

/// A slow commit counts for this long, so that a disk that is slow now and then is one trouble.
const SLOW_FOR: Duration = Duration::from_mins(5);

/// What one look found.
pub(super) struct Found {
    /// Each trouble, with a sentence for the operator.
    pub(super) firing: BTreeMap<Trouble, String>,
    /// Sources with `silent_after` from which nothing came since the start: it is not known whether they are silent.
    pub(super) unheard: BTreeSet<String>,
}

/// Looks at the sinks, the sources, the store and its disk.
pub(super) async fn find(
    gateway: &Gateway,
    settings: &Settings,
    began: Timestamp,
    slow_until: &mut Option<Timestamp>,
) -> Result<Found, Error> {
    let mut found = Found {
        firing: BTreeMap::new(),
        unheard: BTreeSet::new(),
    };
    found.disk(gateway, settings);
    found.commits(gateway, slow_until);
    found.sources(gateway, began).await?;
    found.configurations(gateway);
    for state in gateway.sinks.states() {
        found.sink(&state);
    }
    found.dead(gateway).await?;
    Ok(found)
}

impl Found {
    fn add(&mut self, kind: Kind, about: &str, detail: String) {
        let about = about.to_owned();
        self.firing.insert(Trouble { kind, about }, detail);
    }

    fn sink(&mut self, state: &SinkState) {
        let gone = state.paused_by == Some(PausedBy::Receiver);
        if state.state != Phase::Open && !gone {
            return;
        }
        let error = state.last_error.as_deref().unwrap_or("no reason is known");
        let fix = if gone {
            "The receiver answered 410 Gone: `campanile sinks resume` after the fix."
        } else {
            "Its deliveries wait; `campanile sinks status` shows them."
        };
        self.add(Kind::SinkFailing, &state.name, format!("{error}\n{fix}"));
    }

    async fn dead(&mut self, gateway: &Gateway) -> Result<(), Error> {
        let stats = gateway.store.stats().await?;
        for (id, name) in gateway.store.known_sinks().await? {
            let of = stats.dead.iter().find(|(sink, _)| *sink == id);
            let count = of.map_or(0, |(_, count)| *count);
            if count > 0 {
                let fix = format!("campanile dead list --sink {name}");
                self.add(
                    Kind::DeadLetters,
                    &name,
                    format!("{count} deliveries were given up. See them: {fix}"),
                );
            }
        }
        Ok(())
    }

    async fn sources(&mut self, gateway: &Gateway, began: Timestamp) -> Result<(), Error> {
        let (current, now) = (gateway.current(), gateway.clock.now());
        for source in &current.snapshot.sources {
            let Some(limit) = source.settings.silent_after else {
                continue;
            };
            let last = current
                .meters(source)
                .and_then(SourceMeters::last_callback_at);
            let quiet = now.duration_since(last.unwrap_or(began));
            let is_silent = Duration::try_from(quiet).unwrap_or_default() >= limit;
            if is_silent || last.is_none() {
                match heard_elsewhere(gateway, &source.name, limit).await? {
                    Some(true) => continue,
                    Some(false) => {}
                    None => {
                        self.unheard.insert(source.name.to_string());
                        continue;
                    }
                }
            }
            if last.is_none() {
                self.unheard.insert(source.name.to_string());
            }
            if is_silent {
                let last = last.map_or_else(
                    || "since the start of the gateway".to_owned(),
                    |at| format!("since {at}"),
                );
                self.add(
                    Kind::SilentSource,
                    &source.name,
                    format!(
                        "No verified callback came {last}. Look at the settings of the vendor."
                    ),
                );
            }
        }
        Ok(())
    }

    /// The differences are those to the gateway that looks.
    fn configurations(&mut self, gateway: &Gateway) {
        let peers = gateway.sinks.gateways().into_iter();
        for peer in peers.filter(|peer| !peer.differs.is_empty()) {
            let parts = peer.differs.join(", ");
            let detail = format!(
                "Its configuration differs in: {parts}. Give all gateways the same configuration."
            );
            self.add(Kind::ConfigDiffers, &peer.name, detail);
        }
    }

    fn commits(&mut self, gateway: &Gateway, slow_until: &mut Option<Timestamp>) {
        let now = gateway.clock.now();
        let slowest = gateway.metrics.take_slowest_commit();
        if slowest >= COMMIT_MAX {
            *slow_until = now.checked_add(SLOW_FOR).ok();
        }
        if slow_until.is_some_and(|until| now < until) {
            let detail = "A commit took over a second. Check what else writes to the disk.";
            self.add(Kind::SlowStore, "store", detail.to_owned());
        }
    }

    fn disk(&mut self, gateway: &Gateway, settings: &Settings) {
        let Some(free) = settings.folder.as_deref().and_then(free_bytes) else {
            return;
        };
        gateway.metrics.store_free(free);
        let least = settings.own.free_bytes_min;
        if free < least {
            let (free, least) = (free / 1_000_000, least / 1_000_000);
            let detail = format!(
                "{free} MB are free for the store, less than {least} MB. When the disk is full, callbacks are answered 503."
            );
            self.add(Kind::LowDisk, "store", detail);
        }
    }
}

/// Whether another gateway of the store took a callback of this source in this time. None: the search ended before it knew.
async fn heard_elsewhere(
    gateway: &Gateway,
    source: &str,
    limit: Duration,
) -> Result<Option<bool>, Error> {
    if gateway.sinks.gateways().len() < 2 {
        return Ok(Some(false));
    }
    let filter = CallbackFilter {
        source: Some(source.to_owned()),
        since: gateway.clock.now().checked_sub(limit).ok(),
        limit: 1,
        ..CallbackFilter::default()
    };
    let found = gateway.store.callbacks(filter).await?;
    let heard = !found.rows.is_empty();
    Ok((heard || found.searched.is_none()).then_some(heard))
}

/// What the gateway may still write to the disk of this folder. None when the system does not say.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
