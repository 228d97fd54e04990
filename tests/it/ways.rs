//! `campanile try` and the gateway give the same result for every fixture of every vendor.

use std::collections::BTreeSet;
use std::sync::Arc;

use campanile::cli::forecast;
use campanile::config::{Config, SourceSpec};
use campanile_model::Callback;
use campanile_providers::{Fixture, all, fixture, fixtures};
use serde_json::{Value, json};

use crate::gateway::{Gateway, raw};
use crate::laws::{Case, calls_out, held, rounds};

/// Routes over labels, severity and status: different alerts get different sinks.
const SETTINGS: &str = "[sinks.webhook.labelled]\nurl = \"http://127.0.0.1:9/\"\n\
    [sinks.webhook.firing]\nurl = \"http://127.0.0.1:9/\"\n\
    [sinks.webhook.bad]\nurl = \"http://127.0.0.1:9/\"\n\
    [[routes]]\nwhen = \"labels.team == 'db'\"\nsinks = [\"webhook/labelled\"]\n\
    [[routes]]\nwhen = \"status == 'firing'\"\nsinks = [\"webhook/firing\"]\n\
    [[routes]]\nwhen = \"severity in ['critical', 'error']\"\nsinks = [\"webhook/bad\"]\n";

/// A source for every vendor with a label of the operator, and the configuration with all of them.
async fn gateway(round: &[Case]) -> (Gateway, Config) {
    let mut whole = None;
    let change = |config: &mut Config| {
        let spec = |provider: &Arc<dyn campanile_providers::Provider>| {
            let mut of_round = round.iter().map(|(_, fixture)| *fixture);
            let of_round = of_round.find(|fixture| fixture.provider == provider.name());
            let any = fixtures(provider.name()).first();
            let mut source = of_round.or(any).map(Fixture::source).unwrap();
            source.labels.insert("team".into(), "db".into());
            SourceSpec {
                provider: Arc::clone(provider),
                source: Arc::new(source),
            }
        };
        config.sources = all().iter().map(spec).collect();
        whole = Some(config.clone());
    };
    let gateway = Gateway::start_with(SETTINGS, change).await;
    (gateway, whole.unwrap())
}

/// The result of the gateway: verdict, answer, and alerts with their sinks.
async fn done(gateway: &Gateway, fixture: &Fixture, call: &Callback) -> Value {
    let source = fixture.source().name;
    let counted = |outcome: &str| {
        format!("campanile_callbacks_total{{source=\"{source}\",outcome=\"{outcome}\"}}")
    };
    let text = |page: &str, name: &str| page.lines().any(|line| line == format!("{name} 1"));
    let reply = gateway.send(raw(call, &call.path)).await;
    let page = gateway.look("/metrics").await.body;
    let outcomes = [
        "accepted",
        "duplicate",
        "ignored",
        "quarantined",
        "rejected",
    ];
    let verdict: Vec<_> = outcomes
        .iter()
        .filter(|o| text(&page, &counted(o)))
        .collect();
    let (ids, alerts) = held(gateway, &source).await;
    let pending = gateway.list("/api/v1/deliveries?limit=500").await;
    let of = |id: &str| -> BTreeSet<String> {
        let mine = pending
            .iter()
            .filter(|row| row["alert_id"] == id || row["alert"] == id);
        mine.map(|row| row["sink"].as_str().unwrap().to_owned())
            .collect()
    };
    let sinks: Vec<_> = ids.iter().map(|id| of(id)).collect();
    let body = ids
        .iter()
        .fold(reply.body, |body, id| body.replace(id, NIL));
    json!({"verdict": verdict, "status": reply.status, "body": body, "alerts": alerts, "sinks": sinks})
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The result that `campanile try` predicts.
fn foretold(config: &Config, call: &Callback) -> Value {
    let now = fixture::RECEIVED_AT.parse().unwrap();
    let said = forecast(config, call.clone(), now).unwrap();
    let fates = said["alerts"].as_array().unwrap();
    let alert = |fate: &Value| {
        let mut alert = fate["alert"].clone();
        alert.as_object_mut().unwrap().remove("id");
        alert
    };
    let sinks = |fate: &Value| -> BTreeSet<String> {
        let sinks = fate["sinks"].as_array().unwrap().iter();
        sinks
            .map(|sink| sink["name"].as_str().unwrap().to_owned())
            .collect()
    };
    json!({
        "verdict": [&said["verdict"]],
        "status": said["answer"]["status"],
        "body": said["answer"]["body"],
        "alerts": fates.iter().map(alert).collect::<Vec<_>>(),
        "sinks": fates.iter().map(sinks).collect::<Vec<_>>(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn try_foretells_what_the_gateway_does_with_every_fixture() {
    let mut wrong = Vec::new();
    for round in rounds() {
        let (gateway, config) = gateway(&round).await;
        for case in round.into_iter().filter(|case| !calls_out(case)) {
            let fixture = case.1;
            let mut call = fixture.callback().unwrap();
            call.key = None;
            let foretold = foretold(&config, &call);
            let done = done(&gateway, fixture, &call).await;
            if done != foretold {
                let name = format!("{}/{}", fixture.provider, fixture.case);
                wrong.push(format!("{name}\n  try:     {foretold}\n  gateway: {done}"));
            }
        }
        gateway.stop().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
