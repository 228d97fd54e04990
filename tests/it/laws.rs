//! The laws for every vendor over real HTTP: each fixture, sent as the vendor sends it, gets the vendor's answer and
//! becomes the alerts in the JSON file next to it. A new vendor needs no line here.

use std::sync::Arc;

use campanile::config::SourceSpec;
use campanile_model::Callback;
use campanile_providers::fixture::KEY;
use campanile_providers::{Fixture, Outcome, Provider, all, fixtures, verify};
use serde_json::{Value, json};

use crate::gateway::{Gateway, IDLE_SINK, raw};
use crate::standing::Reply;

pub(crate) type Case = (&'static Arc<dyn Provider>, &'static Fixture);

/// Fixtures of one vendor can contain the same message. So each round uses one fixture of each vendor, on an empty
/// gateway.
pub(crate) fn rounds() -> Vec<Vec<Case>> {
    let cases = |provider: &'static Arc<dyn Provider>| fixtures(provider.name()).len();
    let longest = all().iter().map(cases).max().unwrap_or(0);
    let round = |number: usize| {
        let of = |provider: &'static Arc<dyn Provider>| {
            let fixture = fixtures(provider.name()).get(number)?;
            Some((provider, fixture))
        };
        all().iter().filter_map(of).collect()
    };
    (0..longest).map(round).collect()
}

/// A gateway with a source for every vendor. The source requires the proof that the vendor's fixture of this round has.
async fn gateway(round: &[Case]) -> Gateway {
    let spec = |provider: &'static Arc<dyn Provider>| {
        let mut of_round = round.iter().map(|(_, fixture)| *fixture);
        let of_round = of_round.find(|fixture| fixture.provider == provider.name());
        let any = fixtures(provider.name()).first();
        let source = of_round.or(any).map(Fixture::source);
        SourceSpec {
            provider: Arc::clone(provider),
            source: Arc::new(source.unwrap()),
        }
    };
    let every = |config: &mut campanile::config::Config| {
        config.sources = all().iter().map(spec).collect();
    };
    Gateway::start_with(IDLE_SINK, every).await
}

fn expected(fixture: &Fixture) -> Value {
    serde_json::from_str(fixture.expected).unwrap()
}

/// The expected alerts of a fixture.
fn alerts_of(expected: &Value) -> Vec<Value> {
    let list = expected.as_array().or(expected["alerts"].as_array());
    list.cloned().unwrap_or_default()
}

/// The stored alerts of a source, without the fields that the gateway adds.
pub(crate) async fn held(gateway: &Gateway, source: &str) -> (Vec<String>, Vec<Value>) {
    let path = format!("/api/v1/alerts?limit=500&source={source}");
    let mut alerts = gateway.list(&path).await;
    let mut ids = Vec::new();
    for alert in &mut alerts {
        let alert = alert.as_object_mut().unwrap();
        ids.push(alert.remove("id").unwrap().as_str().unwrap().to_owned());
        alert.remove("episode");
    }
    (ids, alerts)
}

fn outcome<'i>(expected: &Value, first_id: Option<&'i String>) -> Outcome<'i> {
    let number = |name: &str| expected[name].as_u64().and_then(|n| u16::try_from(n).ok());
    if let Some(status) = number("refused") {
        return Outcome::Refused { status };
    }
    let nothing_read = alerts_of(expected).is_empty();
    if expected.get("unreadable").is_some() && nothing_read {
        return Outcome::Quarantined;
    }
    let id = first_id.map_or("", String::as_str);
    Outcome::Accepted { id }
}

/// The differences between the result of a fixture and its expectation, in words.
async fn faults(gateway: &Gateway, case: Case, call: &Callback, reply: &Reply) -> Vec<String> {
    let (provider, fixture) = case;
    let mut faults = Vec::new();
    let mut same = |what: &str, is: &Value, wanted: &Value| {
        if is != wanted {
            let name = format!("{}/{}", fixture.provider, fixture.case);
            faults.push(format!(
                "{name}: {what}\n  is:       {is}\n  expected: {wanted}"
            ));
        }
    };
    let expected = expected(fixture);
    let source = fixture.source().name;
    let (ids, alerts) = held(gateway, &source).await;
    let wanted = provider.answer(call, &outcome(&expected, ids.first()));
    same("status", &json!(reply.status), &json!(wanted.status));
    same("answer", &json!(reply.body), &json!(wanted.body));
    same("alerts", &json!(alerts), &json!(alerts_of(&expected)));
    let path = format!("/api/v1/quarantine?source={source}");
    let quarantined = gateway.list(&path).await;
    let places = quarantined
        .iter()
        .filter_map(|row| row["faults"].as_array());
    let places: Value = places.flatten().map(|f| f["place"].clone()).collect();
    let unreadable = match &expected["unreadable"] {
        Value::Array(items) => items.iter().map(|item| item["place"].clone()).collect(),
        Value::Object(one) => json!([one["place"]]),
        _ => json!([]),
    };
    same("quarantined", &places, &unreadable);
    faults
}

/// For a confirmation or a signature with a certificate, the gateway would call the vendor.
pub(crate) fn calls_out((provider, fixture): &Case) -> bool {
    let (call, source) = (fixture.callback().unwrap(), fixture.source());
    let mut bare = call.clone();
    bare.fetched.clear();
    let certified = verify(&***provider, &bare, &source) != verify(&***provider, &call, &source);
    certified || expected(fixture).get("effect").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_of_every_vendor_is_answered_and_stored_as_it_must() {
    let mut wrong = Vec::new();
    for round in rounds() {
        let gateway = gateway(&round).await;
        for case in round {
            if calls_out(&case) {
                continue;
            }
            let call = case.1.callback().unwrap();
            let reply = gateway.send(raw(&call, &call.path)).await;
            wrong.extend(faults(&gateway, case, &call, &reply).await);
        }
        gateway.stop().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_is_recognised_as_its_own_vendor_on_the_path_for_all() {
    let mut wrong = Vec::new();
    for round in rounds() {
        let gateway = gateway(&round).await;
        let alerting = |case: &Case| !calls_out(case) && !alerts_of(&expected(case.1)).is_empty();
        for case in round.into_iter().filter(alerting) {
            let call = case.1.callback().unwrap();
            let reply = gateway.send(raw(&call, &format!("/callback/{KEY}"))).await;
            wrong.extend(faults(&gateway, case, &call, &reply).await);
        }
        gateway.stop().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
