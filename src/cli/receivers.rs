//! `campanile sinks test` and `campanile check --probe`: asks receivers directly, without a gateway.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::catalog::unknown;
use super::failure::Failure;
use super::setup;
use super::sinks::full_name;
use super::table::Column;
use super::terminal::{Terminal, harmless};
use super::wait;
use crate::api::checks::{firing, first};
use crate::config::Config;
use campanile_model::{Alert, Clock, Severity, Status};
use campanile_sinks::{Delivered, Message, Sink, SinkSpec, build};

/// The command line of `campanile sinks test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The sink, such as ntfy/phone.
    #[arg(value_name = "KIND/NAME", value_parser = full_name)]
    name: (String, String),
    /// The config: a TOML file, or a folder of TOML files. Can be given more than once.
    #[arg(long, value_name = "PATH", required = true, env = "CAMPANILE_CONFIG")]
    config: Vec<PathBuf>,
    /// The severity of the message. `critical` also mentions people, where the sink does that.
    #[arg(long, value_name = "WORD", default_value = "info", value_parser = ["critical", "error", "warning", "info"])]
    severity: String,
    /// Then send the recovery of it too.
    #[arg(long)]
    resolve: bool,
    /// Print JSON: for each message status, result, code, handle, worth, remark or reason.
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let config = setup::load(&self.config)?;
        let (kind, name) = &self.name;
        let name = format!("{kind}/{name}");
        let spec = spec(&config, &name)?;
        let sink = build(spec).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        let now = Clock::machine().now();
        let firing = firing(severity(&self.severity), &name, now);
        let handle = self.send(&*sink, &first(&firing, now), terminal)?;
        if self.resolve {
            self.send(&*sink, &recovery(&firing, handle), terminal)?;
        }
        Ok(())
    }

    /// Sends one message and prints what followed. Gives the handle.
    fn send(
        &self,
        sink: &dyn Sink,
        message: &Message,
        terminal: &mut Terminal,
    ) -> Result<Option<String>, Failure> {
        let status = message
            .alerts
            .first()
            .map_or(Status::Firing, |alert| alert.status);
        let sent = wait(async { Ok(sink.send(message).await) })?;
        if self.json {
            terminal.json_line(&match &sent {
                Ok(done) => json!({"status": status, "result": "delivered", "code": done.code, "handle": done.handle, "worth": done.worth.as_str(), "remark": done.remark}),
                Err(failure) => json!({"status": status, "result": failure.class.as_str(), "code": failure.code, "reason": failure.reason}),
            })?;
        } else {
            terminal.line(harmless(&match &sent {
                Ok(done) => format!("{status}: {}", delivered(done)),
                Err(failure) => format!(
                    "{status}: not delivered ({}): {}",
                    failure.class.as_str(),
                    failure.reason
                ),
            }))?;
        }
        match sent {
            Ok(done) => Ok(done.handle),
            Err(_) => Err(Failure::Said(1)),
        }
    }
}

fn delivered(done: &Delivered) -> String {
    let code = done
        .code
        .map(|code| format!(", the receiver answered {code}"));
    let handle = done.handle.as_ref();
    let handle = handle.map(|handle| format!(", its name for the message is {handle}"));
    let remark = done
        .remark
        .as_ref()
        .map(|remark| format!(". Note: {remark}"));
    let more: String = [code, handle, remark].into_iter().flatten().collect();
    format!("delivered ({}){more}", done.worth.as_str())
}

fn spec<'c>(config: &'c Config, name: &str) -> Result<&'c SinkSpec, Failure> {
    let names = || config.sinks.iter().map(|spec| spec.name.as_str());
    let found = config.sinks.iter().find(|spec| spec.name == name);
    found.ok_or_else(|| unknown("sink of this config", name, names(), "campanile check"))
}

fn severity(word: &str) -> Severity {
    let mut all = Severity::ALL.iter().copied();
    all.find(|known| known.as_str() == word).unwrap_or_default()
}

fn recovery(firing: &Alert, handle: Option<String>) -> Message {
    let now = Clock::machine().now();
    let mut alert = firing.clone();
    alert.status = Status::Resolved;
    alert.ends_at = Some(now);
    alert.id = Uuid::now_v7().to_string();
    let id = format!("dlv_test_{}", alert.id);
    Message {
        opened: Some(Arc::new(firing.clone())),
        handle,
        ..Message::of(alert, id, now)
    }
}

/// What a receiver said to the question whether the settings are right.
#[derive(Debug, Serialize)]
pub(crate) struct Probed {
    sink: String,
    /// `ok`, `failed`, or `not asked`.
    pub(crate) result: &'static str,
    said: String,
}

pub(crate) const PROBED: &[Column<Probed>] = &[
    Column::new("SINK", |probed: &Probed| probed.sink.clone()),
    Column::new("PROBE", |probed: &Probed| probed.result.to_owned()),
    Column::new("THE RECEIVER SAID", |probed: &Probed| probed.said.clone()).squeeze(),
];

/// Asks every receiver of the config that can be asked without sending a message, all at the same time.
pub(crate) fn probe(config: &Config) -> Result<Vec<Probed>, Failure> {
    let now = Clock::machine().now();
    let asked = config.sinks.iter().map(async |spec| {
        let (result, said) = match build(spec) {
            Err(error) => ("failed", error.to_string()),
            Ok(sink) => match sink.probe(now) {
                None => (
                    "not asked",
                    format!("send a message: campanile sinks test {}", spec.name),
                ),
                Some(question) => match question.await {
                    Ok(said) => ("ok", said),
                    Err(failure) => ("failed", failure.reason),
                },
            },
        };
        Probed {
            sink: spec.name.clone(),
            result,
            said: harmless(&said),
        }
    });
    wait(async { Ok(join_all(asked).await) })
}
