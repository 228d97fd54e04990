//! Which settings can change while the gateway runs.

use super::Config;

impl Config {
    /// The settings that differ in `new` and that a running gateway cannot change. If there are any, nothing of `new` is
    /// applied, and the log asks the operator to restart.
    pub fn diff_needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let (server, other) = (&self.server, &new.server);
        let differs = [
            ("server.listen", server.listen != other.listen),
            (
                "server.head_timeout",
                server.head_timeout != other.head_timeout,
            ),
            (
                "server.connections_max",
                server.connections_max != other.connections_max,
            ),
            ("server.workers", server.workers != other.workers),
            ("server.tls", server.tls.is_some() != other.tls.is_some()),
            ("admin.listen", self.admin.listen != new.admin.listen),
            (
                "admin.tls",
                self.admin.tls.is_some() != new.admin.tls.is_some(),
            ),
            ("store.url", self.store.url != new.store.url),
            ("store.copies", self.store.copies != new.store.copies),
            (
                "telemetry.otlp",
                match (&self.otlp, &new.otlp) {
                    (Some(old), Some(new)) => !old.is(new),
                    (old, new) => old.is_some() != new.is_some(),
                },
            ),
            ("log.format", self.log.pretty != new.log.pretty),
        ];
        differs
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| name)
            .collect()
    }
}
