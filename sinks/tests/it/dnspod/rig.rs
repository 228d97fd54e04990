//! A sink with a server of its own, and the alerts of two problems of a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Alert, Fingerprint, Status};
use campanile_receiver::dnspod::{Dnspod, LOGIN_TOKEN, SECRET_ID, SECRET_KEY};
use campanile_settings::{Environment, Values};
use campanile_sinks::kinds::dnspod::DnspodKind;
use campanile_sinks::{BuildError, Kind, Message, Sink, Tools, settings_of};
use tempfile::TempDir;

/// Which API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Cloud,
    Legacy,
}

pub(super) const BOTH: [Api; 2] = [Api::Cloud, Api::Legacy];

pub(super) struct Rig {
    pub(super) server: Dnspod,
    pub(super) folder: TempDir,
    api: Api,
}

impl Rig {
    /// With A records of `www.example.com` with these values, numbered from 101.
    pub(super) async fn start(api: Api, values: &[&str]) -> Self {
        Self {
            server: Dnspod::start(super::super::message().at, values).await,
            folder: tempfile::tempdir().unwrap(),
            api,
        }
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    pub(super) fn ledger_text(&self) -> String {
        std::fs::read_to_string(self.ledger()).unwrap_or_default()
    }

    pub(super) fn credentials(&self) -> String {
        match self.api {
            Api::Cloud => format!("secret_id = '{SECRET_ID}'\nsecret_key = '{SECRET_KEY}'\n"),
            Api::Legacy => format!("login_token = '{LOGIN_TOKEN}'\ncontact = 'ops@example.com'\n"),
        }
    }

    /// A sink whose record has the value of the label `ip`.
    pub(super) fn sink(&self, more: &str) -> Arc<dyn Sink> {
        self.sink_with(&self.credentials(), &self.ledger(), more)
    }

    /// The same with a short timeout, for a server that is silent.
    pub(super) fn hasty_sink(&self) -> Arc<dyn Sink> {
        let text = self.text(&self.credentials(), &self.ledger(), "");
        build_with(&text, super::super::TIMEOUT).unwrap()
    }

    pub(super) fn sink_with(&self, credentials: &str, ledger: &Path, more: &str) -> Arc<dyn Sink> {
        build(&self.text(credentials, ledger, more)).unwrap()
    }

    fn text(&self, credentials: &str, ledger: &Path, more: &str) -> String {
        let value = "value = '{{ labels.ip }}'\n";
        let value = if more.contains("value") { "" } else { value };
        format!(
            "url = '{}'\ndomain = 'example.com'\nsub_domain = 'www'\nledger = '{}'\n{value}{credentials}{more}",
            self.server.url(),
            ledger.display()
        )
    }

    /// Ends when the server has got a request.
    pub(super) async fn asked(&self) {
        while self.server.calls().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn build(text: &str) -> Result<Arc<dyn Sink>, BuildError> {
    build_with(text, Duration::from_secs(30))
}

fn build_with(text: &str, timeout: Duration) -> Result<Arc<dyn Sink>, BuildError> {
    let values = Values::parse(text, &settings_of(&DnspodKind), &Environment::new());
    let tools = Tools {
        name: "dnspod/web",
        timeout,
    };
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    DnspodKind.build(&values, &tools)
}

fn alert(ip: &str, metric: &str) -> Alert {
    let [mut alert, _] = campanile_language::sample_alerts();
    alert.fingerprint = Fingerprint::of("jiankong", [ip, metric]);
    alert.labels.insert("ip".to_owned(), ip.to_owned());
    alert.id = format!("firing-{ip}-{metric}");
    alert
}

/// The alert about a metric of the server with this address.
pub(super) fn firing(ip: &str, metric: &str) -> Message {
    super::super::message_of(alert(ip, metric))
}

/// Its recovery, with what the sink returned for the firing.
pub(super) fn resolved(ip: &str, metric: &str, handle: Option<&str>) -> Message {
    let opened = alert(ip, metric);
    let mut alert = opened.clone();
    alert.status = Status::Resolved;
    alert.id = format!("resolved-{ip}-{metric}");
    Message {
        opened: Some(Arc::new(opened)),
        handle: handle.map(str::to_owned),
        ..super::super::message_of(alert)
    }
}
