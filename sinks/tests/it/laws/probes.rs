//! What `campanile check --probe` asks of the receivers of recipes.
//!
//! `fixtures/sinks/<kind>/probe.http` is the vendor's answer to `[probe]`, in which `CANARY` is the secret.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use campanile_receiver::server::free_port;
use campanile_receiver::{Got, Play};
use campanile_sinks::{Class, Failure, Kind};

use super::stage::{
    CANARY, answer, exchange, firing, folder, message, receiver, recipes, recovery, sink, success,
};

/// The recipes that ask for an access token or have a `[probe]`: both are asked.
fn asking() -> impl Iterator<Item = &'static Arc<dyn Kind>> {
    recipes().filter(|kind| {
        let toml = kind.toml().unwrap_or_default();
        toml.contains("\n[probe]") || toml.contains("\n[token]")
    })
}

/// The answers of the vendor to the questions of a probe.
fn stage(kind: &dyn Kind) -> Vec<Play> {
    let toml = kind.toml().unwrap_or_default();
    let parts = ["token", "probe"].into_iter();
    let parts = parts.filter(|part| toml.contains(&format!("\n[{part}]")));
    let answers = parts.map(|part| {
        let path = folder(kind).join(format!("{part}.http"));
        let text = fs::read_to_string(&path);
        answer(&text.unwrap_or_else(|_| panic!("{} is missing", path.display())))
    });
    answers.collect()
}

/// Asks the receiver: what it got, and what the sink said.
async fn probed(kind: &dyn Kind, answers: Vec<Play>) -> (Vec<Got>, Result<String, Failure>) {
    let (receiver, got) = receiver(answers).await;
    let said = asked(kind, &format!("http://{}", receiver.address())).await;
    let got = got.lock().unwrap().clone();
    (got, said)
}

async fn asked(kind: &dyn Kind, url: &str) -> Result<String, Failure> {
    let sink = sink(kind, url, "");
    let probe = sink.probe(message(firing()).at);
    let probe = probe.unwrap_or_else(|| panic!("{} asks nothing", kind.about().name));
    let said = probe.await;
    let words = format!("{said:?}");
    assert!(!words.contains(CANARY), "{}: {words}", kind.about().name);
    said
}

/// The method and the path, in which each request of an API has its meaning.
fn place(got: &Got) -> (&str, &str) {
    let path = got.target.split('?').next().unwrap_or_default();
    (&got.method, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_the_vendor_answers_succeeds_and_sends_no_message() {
    for kind in asking() {
        let name = &kind.about().name;
        let answers = stage(&**kind);
        let questions = answers.len();
        let (got, said) = probed(&**kind, answers).await;
        let said = said.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(!said.is_empty(), "{name}");
        assert_eq!(got.len(), questions, "{name}: {got:?}");
        let mut sent = Vec::new();
        for message in [message(firing()), recovery(Some("C0FFEE-1"))] {
            let taken = vec![success(&**kind)];
            sent.extend(exchange(&**kind, "", &message, taken).await.0);
        }
        for got in &got {
            let posts = sent.iter().any(|sent| place(sent) == place(got));
            assert!(!posts, "{name}: {:?} sends a message", place(got));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_gets_a_401_is_for_the_operator() {
    for kind in asking() {
        // The vendor repeats the secret that it refuses.
        let refused = Play::Answer(401, Vec::new(), format!(r#""{CANARY} is not valid""#));
        let (_, said) = probed(&**kind, vec![refused]).await;
        let failure = said.unwrap_err();
        let name = &kind.about().name;
        assert_eq!(failure.class, Class::Operator, "{name}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_whose_connection_is_refused_is_transient() {
    for kind in asking() {
        let url = format!("http://{}:{}", Ipv4Addr::LOCALHOST, free_port());
        let failure = asked(&**kind, &url).await.unwrap_err();
        let name = &kind.about().name;
        assert_eq!(failure.class, Class::Transient, "{name}: {failure}");
    }
}
