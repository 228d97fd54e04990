//! From a configuration to what the parts take: outlets for the workers, a plan for the listeners.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_model::Alert;
use campanile_providers::Effect;
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::Error;
use crate::config::Config;
use crate::delivery::{Delivery, Outlet, SinkState};
use crate::http::{Hooks, Plan, SinkControl};
use crate::pipeline::dedup;
use crate::pipeline::route::Router;
use crate::telemetry::Metrics;
use campanile_model::Clock;
use campanile_sinks::http::client::{Client, Request, Settings};
use campanile_sinks::http::guard::Egress;
use campanile_store::{Seq, SinkId, Store};

/// A vendor's confirmation URL is asked for so long at the most.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The configured sinks, built, with their numbers.
pub(super) async fn outlets(config: &Config, store: &dyn Store) -> Result<Vec<Outlet>, Error> {
    let names = config.sinks.iter().map(|spec| spec.name.clone()).collect();
    let ids = store.sink_ids(names).await?;
    let built = config.sinks.iter().zip(ids).map(|(spec, id)| {
        let sink = campanile_sinks::build(spec).map_err(|error| Error::Sink {
            name: spec.name.clone(),
            error,
        })?;
        Ok(Outlet {
            id,
            name: spec.name.as_str().into(),
            policy: spec.policy.clone(),
            sink,
        })
    });
    built.collect()
}

/// What the listeners follow.
pub(super) fn plan(config: &Config, outlets: &[Outlet], metrics: &Metrics) -> Result<Plan, Error> {
    let router = Router::compile(&config.routes, outlets.len()).map_err(Error::Routes)?;
    let ids: Vec<SinkId> = outlets.iter().map(|outlet| outlet.id).collect();
    let decide = move |alert: &Alert| {
        let decision = router.decide(alert);
        if decision.failed > 0 {
            let failed = decision.failed;
            tracing::warn!(failed, source = %alert.source, "conditions failed on an alert; it took their routes");
        }
        decision
            .sinks
            .iter()
            .filter_map(|sink| ids.get(*sink).copied())
            .collect()
    };
    Ok(Plan::new(config, Arc::new(decide), metrics))
}

/// What the listeners ask of other parts.
pub(super) fn hooks(clock: Clock) -> Hooks {
    Hooks {
        identify: |source, report| {
            (
                dedup::key(source, &report.message_id),
                dedup::content(report),
            )
        },
        effect: Arc::new(move |effect| {
            tokio::spawn(carry_out(effect, clock.clone()));
        }),
        demo_list: campanile_providers::demo_list,
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
        Ok(status) => tracing::info!(status, "a vendor's subscription was confirmed"),
        Err(cause) => tracing::error!(
            cause,
            "a vendor's subscription could not be confirmed; have the vendor send it again"
        ),
    }
}

/// The workers as operators may steer them.
pub(super) struct Workers(pub(super) Delivery);

impl SinkControl for Workers {
    fn states(&self) -> Vec<SinkState> {
        self.0.states()
    }

    fn poke(&self, sink: SinkId, seqs: &[Seq]) {
        self.0.poke(sink, seqs);
    }

    fn forget(&self, sink: SinkId, seqs: &[Seq]) {
        self.0.forget(sink, seqs);
    }

    fn pause(&self, name: &str) -> Option<SinkState> {
        self.0.pause(name)
    }

    fn resume(&self, name: &str) -> Option<SinkState> {
        self.0.resume(name)
    }
}
