//! Real senders: programs and client libraries of other projects, against a running gateway.

mod alertmanager;
mod clients;
mod fetching;
mod openapi;
mod tokens;
mod topics;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use campanile::config::SourceSpec;
use campanile_model::{Alert, Secret};
use campanile_providers::Source;
use tokio::process::Command;

use crate::patience::within;
use crate::standing::{Standing, config};

/// The secret of all senders here. It has the length of `PagerDuty`'s keys.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A gateway with one source `<provider>/prod` of each of these providers, with the token.
async fn gateway(providers: &[&str]) -> Standing {
    let mut config = config(vec![]);
    config.sources = providers.iter().map(|name| spec(name)).collect();
    Standing::of(&config).await
}

fn spec(provider: &str) -> SourceSpec {
    let provider = campanile_providers::by_name(provider).unwrap();
    SourceSpec {
        provider: Arc::clone(provider),
        source: Arc::new(Source {
            name: format!("{}/prod", provider.name()),
            tokens: vec![Secret::from(TOKEN)],
            ..Source::default()
        }),
    }
}

/// The stored alerts of the gateway, in their order.
async fn stored(gateway: &Standing) -> Vec<Alert> {
    let alerts = gateway.store.all_alerts().await;
    let alerts = alerts.iter();
    alerts
        .map(|stored| serde_json::from_slice(&stored.json).unwrap())
        .collect()
}

/// Runs a program to its end, which must be a success. Returns its output.
async fn run(program: &str, install: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let what = format!("an end of {program} {args:?}");
    let output = within(&what, command.output())
        .await
        .unwrap_or_else(|error| panic!("{program}: {error}; {install}"));
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        said.concat()
    );
    said.concat()
}

/// The Python with the client libraries. `scripts/test` installs it.
fn python() -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = folder.join("target/peers/bin/python");
    python.to_str().unwrap().to_owned()
}
