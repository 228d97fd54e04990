//! Everything that an operator can see of a store.

use std::sync::Arc;

use campanile_model::{Fingerprint, Severity};
use campanile_store::{
    AlertFilter, AuditFilter, CallbackFilter, DeadFilter, DeliveryFilter, FiringFilter,
    QuarantineFilter, Seq, Store, TallyFilter,
};

use crate::suite::{all, at};

/// One text for each part. The numbers of callbacks are not the same in both stores.
pub(super) async fn seen(store: &Arc<dyn Store>) -> Vec<String> {
    let mut seen = Vec::new();
    for source in [None, Some("ucloud/1".to_owned())] {
        for severity in [None, Some(Severity::Info)] {
            let filter = AlertFilter {
                source: source.clone(),
                severity,
                ..all()
            };
            let alerts = store.alerts(filter).await.unwrap();
            seen.extend(alerts.rows.iter().map(|row| format!("{row:?}")));
        }
        for filter in [None, Some(true), Some(false)] {
            seen.extend(callbacks(store, source.clone(), filter).await);
        }
        let quarantine = QuarantineFilter {
            source: source.clone(),
            limit: 500,
            ..QuarantineFilter::default()
        };
        seen.push(format!("{:?}", store.quarantine(quarantine).await.unwrap()));
        let tallies = TallyFilter {
            source,
            since: at(-60_000),
            until: at(900_000),
            step_minutes: 5,
        };
        let by_source = store.tallies_by_source(tallies.clone()).await.unwrap();
        seen.push(format!("{by_source:?}"));
        seen.push(format!("{:?}", store.tallies(tallies).await.unwrap()));
    }
    for problem in 0..9 {
        let filter = AlertFilter {
            fingerprint: Some(Fingerprint(problem)),
            ..all()
        };
        seen.push(format!("{:?}", store.alerts(filter).await.unwrap()));
    }
    for row in store.alerts(all()).await.unwrap().rows {
        seen.extend(of_alert(store, row.seq).await);
    }
    seen.extend(of_sinks(store).await);
    let firing = FiringFilter {
        limit: 500,
        ..FiringFilter::default()
    };
    seen.push(format!("{:?}", store.firing(firing).await.unwrap()));
    let audit = AuditFilter {
        limit: 500,
        ..AuditFilter::default()
    };
    seen.push(format!("{:?}", store.audit(audit).await.unwrap()));
    seen
}

/// In small pages.
async fn callbacks(
    store: &Arc<dyn Store>,
    source: Option<String>,
    ignored: Option<bool>,
) -> Vec<String> {
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let filter = CallbackFilter {
            source: source.clone(),
            ignored,
            before,
            limit: 3,
            ..CallbackFilter::default()
        };
        let page = store.callbacks(filter).await.unwrap().rows;
        let Some(last) = page.last() else { return seen };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|mut row| {
            row.id = 0;
            format!("{row:?}")
        }));
    }
}

async fn of_alert(store: &Arc<dyn Store>, seq: Seq) -> [String; 5] {
    [
        format!("{:?}", store.deliveries_of(seq).await.unwrap()),
        format!("{:?}", store.attempts_of(seq).await.unwrap()),
        format!("{:?}", store.progress_of(vec![seq]).await.unwrap()),
        format!("{:?}", store.arrival_of(seq).await.unwrap()),
        format!("{:?}", store.callback_of(seq).await.unwrap()),
    ]
}

async fn of_sinks(store: &Arc<dyn Store>) -> Vec<String> {
    let mut seen = Vec::new();
    let sinks = store.known_sinks().await.unwrap();
    for (sink, name) in sinks {
        let pending = store.pending(sink, 0, 500).await.unwrap();
        let seqs = pending.iter().map(|pending| pending.seq).collect();
        let alerts = store.alerts_at(sink, seqs).await.unwrap();
        let open = store.open_episodes(sink, None, 500).await.unwrap();
        seen.push(format!("{name} {sink}: {pending:?} {alerts:?} {open:?}"));
    }
    let deliveries = DeliveryFilter {
        limit: 500,
        ..DeliveryFilter::default()
    };
    seen.push(format!("{:?}", store.deliveries(deliveries).await.unwrap()));
    let dead = DeadFilter {
        limit: 500,
        ..DeadFilter::default()
    };
    seen.push(format!("{:?}", store.dead(dead).await.unwrap()));
    seen
}
