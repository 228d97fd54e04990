//! One configured use of a provider.

use std::collections::BTreeMap;
use std::time::Duration;

use campanile_model::{Secret, Severity};
use campanile_settings::{Value, Values};
use ipnet::IpNet;
use jiff::tz::TimeZone;

use crate::Provider;

/// One configured use of a provider: `[providers.ucloud.prod]`.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The full name, such as `ucloud/prod`.
    pub name: String,
    /// Calls without any proof are taken. The operator wrote `open = true`.
    pub open: bool,
    /// Secrets that may stand as the last segment of the path; any one does. Two while one is being rotated.
    pub keys: Vec<Secret>,
    /// Secrets of the vendor's own proof (a callback token, an HMAC secret, a password): every own setting that holds
    /// secrets. Any one of them is enough.
    pub tokens: Vec<Secret>,
    /// Address ranges to which the caller must belong; empty means any.
    pub allow_from: Vec<IpNet>,
    /// Common names of client certificates, one of which the caller must have shown; empty means any caller.
    pub client_certificates: Vec<String>,
    /// What to say where the vendor says nothing about severity.
    pub severity: Option<Severity>,
    /// The operator's words for severities, asked before the provider's own table.
    pub severities: BTreeMap<String, Severity>,
    /// The zone of the vendor's zone-less times; none means the provider's default.
    pub time_zone: Option<TimeZone>,
    /// Labels added to each alert of this source.
    pub labels: BTreeMap<String, String>,
    /// Without a verified callback for this long the source counts as silent; none means never.
    pub silent_after: Option<Duration>,
    /// The settings that only its provider knows, less the secrets. The provider that declares them reads them.
    pub own: Values,
}

impl Source {
    /// The same source with this value of one of its provider's own settings.
    #[must_use]
    pub fn with(mut self, setting: &str, value: impl Into<Value>) -> Self {
        self.own = self.own.with(setting, value);
        self
    }

    /// The same source, in which one of its provider's own settings is not set.
    #[must_use]
    pub fn without(mut self, setting: &str) -> Self {
        self.own = self.own.only(|name| name != setting);
        self
    }

    /// The path that the vendor calls, with `<key>` in place of the key, which is a secret.
    pub fn callback_path(&self) -> String {
        format!("/callback/{}{}", self.name, self.key_segment())
    }

    /// Every path on which the source answers, its address first.
    pub fn paths(&self, provider: &dyn Provider) -> Vec<String> {
        let routes = provider.about().routes.iter();
        let routes = routes.filter(|route| route.is_on(self));
        let own = routes.flat_map(|route| route.paths(self));
        std::iter::once(self.callback_path()).chain(own).collect()
    }

    pub(crate) fn key_segment(&self) -> &'static str {
        if self.keys.is_empty() { "" } else { "/<key>" }
    }

    /// What a sender must prove, in words.
    pub fn proof_in_words(&self, provider: &dyn Provider) -> String {
        let mut parts = Vec::new();
        if !self.open && !self.keys.is_empty() {
            parts.push("path key");
        }
        if !self.open && provider.is_proof_set(self) {
            parts.push(provider.about().proof.as_str());
        }
        if !self.allow_from.is_empty() {
            parts.push("address");
        }
        if !self.client_certificates.is_empty() {
            parts.push("client certificate");
        }
        parts.dedup();
        match parts.as_slice() {
            [] => "none (open)".to_owned(),
            parts => parts.join(" and "),
        }
    }
}
