//! Connects the parts: from a configuration to sinks and a snapshot, and from traits to what implements them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_providers::{Effect, Needed};
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::Error;
use super::certificates::Documents;
use super::mutes::Mutes;
use super::replica::Replica;
use super::troubles;
use crate::config::Config;
use crate::delivery::{BuiltSink, Delivery, Event, Observer, SinkState};
use crate::http::news::News;
use crate::http::{Outside, PeerState, SinkControl};
use crate::snapshot::Snapshot;
use crate::telemetry::{DeliveryLog, Traces};
use campanile_model::trace::Context;
use campanile_model::{Clock, StoreUrl};
use campanile_sinks::Sink;
use campanile_sinks::http::client::{Client, Request, Settings};
use campanile_sinks::http::guard::Egress;
use campanile_store::{Error as StoreError, Hint, Outbox, Seq, SinkId};

/// How long a vendor's confirmation URL may take to answer.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The configured sinks, built, with their numbers.
pub(super) async fn sinks(config: &Config, store: &dyn Outbox) -> Result<Vec<BuiltSink>, Error> {
    let names = config.sinks.iter().map(|spec| spec.name.clone()).collect();
    let ids = store.sink_ids(names).await?;
    let built = config.sinks.iter().zip(ids).map(|(spec, id)| {
        let sink = campanile_sinks::build(spec).map_err(|error| Error::Sink {
            name: spec.name.clone(),
            error,
        })?;
        Ok(BuiltSink {
            part: id.into(),
            name: spec.name.as_str().into(),
            policy: spec.policy.clone(),
            sink,
        })
    });
    built.collect()
}

/// The configuration as the listeners use it.
pub(super) fn snapshot(config: &Config, sinks: &[BuiltSink]) -> Result<Snapshot, Error> {
    let sinks: Vec<SinkId> = sinks.iter().map(|sink| sink.part.sink).collect();
    Snapshot::new(config, &sinks).map_err(Error::Routes)
}

/// What the watch over the gateway's own troubles needs.
pub(super) fn watched(config: &Config) -> troubles::Settings {
    let folder = match &config.store.url {
        StoreUrl::Sqlite(file) => {
            let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
            Some(folder.unwrap_or(Path::new(".")).to_owned())
        }
        StoreUrl::Postgres(_) => None,
    };
    troubles::Settings {
        own: config.own.clone(),
        folder,
    }
}

/// Requests to other hosts, through the guarded client.
pub(super) struct Internet {
    pub(super) documents: Documents,
    pub(super) clock: Clock,
}

impl Outside for Internet {
    fn document(&self, needed: Needed) -> BoxFuture<'static, Option<Arc<[u8]>>> {
        self.documents.get(needed)
    }

    fn carry_out(&self, effect: Effect) {
        tokio::spawn(carry_out(effect, self.clock.clone()));
    }
}

/// Does for a vendor what its protocol asks for, through the guarded client and to public addresses only.
async fn carry_out(effect: Effect, clock: Clock) {
    let Effect::Confirm { url } = effect;
    let settings = Settings {
        egress: Egress::PublicOnly,
        timeout: EFFECT_TIMEOUT,
        ca_file: None,
        skip_tls_verification: false,
        proxy: None,
    };
    let outcome = match (Client::new(settings), reqwest::Url::parse(&url)) {
        (Ok(client), Ok(url)) => {
            let request = Request {
                method: Method::GET,
                url,
                headers: HeaderMap::new(),
                body: Bytes::new(),
                at: clock.now(),
            };
            client
                .exchange(request)
                .await
                .map(|answer| answer.status)
                .map_err(|failure| failure.reason)
        }
        (Err(error), _) => Err(error.to_string()),
        (_, Err(error)) => Err(error.to_string()),
    };
    match outcome {
        Ok(status) => tracing::info!(status, "the subscription of a vendor is confirmed"),
        Err(cause) => tracing::error!(
            cause,
            "the subscription of a vendor could not be confirmed; request the confirmation again at the vendor"
        ),
    }
}

/// The workers as operators may steer them.
pub(super) struct Workers {
    pub(super) delivery: Delivery,
    pub(super) replica: Option<Replica>,
    pub(super) mutes: Arc<Mutes>,
}

impl SinkControl for Workers {
    fn states(&self) -> Vec<SinkState> {
        match &self.replica {
            Some(replica) => replica.states(),
            None => self.delivery.states(),
        }
    }

    fn poke(&self, sink: SinkId, seqs: &[Seq]) {
        let here = self.delivery.poke(sink, seqs);
        if let (false, Some(replica), Some(lowest)) = (here, &self.replica, seqs.iter().min()) {
            replica.hint(Hint::Pending(sink, *lowest));
        }
    }

    fn share_pause(&self, name: &str, paused: bool) -> BoxFuture<'_, Result<(), StoreError>> {
        match &self.replica {
            Some(replica) => replica.share_pause(name.to_owned(), paused),
            None => Box::pin(async { Ok(()) }),
        }
    }

    fn silences_changed(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            if self.mutes.refresh().await? {
                self.delivery.gate_changed();
            }
            Ok(())
        })
    }

    fn dropped(&self, sink: SinkId, seqs: &[Seq]) {
        self.delivery.dropped(sink, seqs);
        if let Some(replica) = &self.replica {
            replica.hint_of(sink, seqs, Hint::Dropped);
        }
    }

    fn hurry(&self, sink: SinkId, seqs: &[Seq]) {
        self.delivery.hurry(sink, seqs);
        if let Some(replica) = &self.replica {
            replica.hint_of(sink, seqs, Hint::Hurry);
        }
    }

    fn pause(&self, name: &str) -> Option<SinkState> {
        self.delivery.pause(name).or_else(|| self.state(name))
    }

    fn resume(&self, name: &str) -> Option<SinkState> {
        self.delivery.resume(name).or_else(|| self.state(name))
    }

    fn gateways(&self) -> Vec<PeerState> {
        let replica = self.replica.as_ref();
        replica.map_or_else(Vec::new, Replica::gateways)
    }

    fn sink(&self, name: &str) -> Option<Arc<dyn Sink>> {
        match &self.replica {
            Some(replica) => replica.sink(name),
            None => self.delivery.sink(name),
        }
    }
}

impl Workers {
    fn state(&self, name: &str) -> Option<SinkState> {
        let mut states = self.states().into_iter();
        states.find(|state| *state.name == *name)
    }
}

/// Everyone who sees the events of delivery.
pub(super) struct Observers {
    pub(super) log: DeliveryLog,
    pub(super) news: Arc<News>,
    pub(super) traces: Option<Arc<Traces>>,
}

impl Observer for Observers {
    fn observe(&self, event: Event) {
        if self.news.is_followed() {
            self.news.observe(event.clone());
        }
        if let Some(traces) = &self.traces {
            traces.attempted(&event);
        }
        self.log.observe(event);
    }

    fn trace(&self, stored: &str) -> Option<Context> {
        self.traces.as_ref()?.stored(stored)
    }
}
