//! Which addresses a sink may call and which certificates it trusts: the same settings for every kind that connects.

use std::path::PathBuf;
use std::time::Duration;

use campanile_model::Secret;
use campanile_settings::{Setting, TlsFiles, Type, Unset, Values, optional, with};

use crate::BuildError;
use crate::http::client::{self, Client};
use crate::http::guard::Egress;

/// Which addresses may be called.
const EGRESS: Setting = with(
    "egress",
    Type::Word(&["private", "public_only"]),
    r#""private""#,
    "private: may also call private addresses. public_only: may not. Link-local and metadata addresses are always refused.",
);

/// Whether certificates are verified.
const SKIP_TLS_VERIFICATION: Setting = with(
    "dangerous_skip_tls_verification",
    Type::Flag,
    "false",
    "Do not verify the receiver's certificate: anyone in between can read and change alerts. Prefer `ca_file`.",
);

/// Which certificate authorities are trusted.
const CA_FILE: Setting = optional(
    "ca_file",
    Type::Path,
    r#""/etc/campanile/ca.pem""#,
    "A PEM file with a certificate authority to trust in addition to the public ones.",
);

/// What every kind that speaks HTTP takes.
pub(crate) const SETTINGS: &[Setting] = &[
    EGRESS,
    SKIP_TLS_VERIFICATION,
    CA_FILE,
    optional(
        "proxy",
        Type::Secret,
        r#""http://proxy.example.com:3128""#,
        "Send through this proxy: http, https or socks5h. The proxies of the environment are never used.",
    ),
];

/// What every kind takes that connects to a server of another protocol. It has no proxy.
pub(crate) const DIRECT: &[Setting] = &[EGRESS, SKIP_TLS_VERIFICATION, CA_FILE];

/// What some of these take in addition.
pub(crate) const IDENTITY: &[Setting] = &[optional(
    "client_certificate",
    Type::Tls,
    r#"{ certificate = "/etc/campanile/client.pem", key = "/etc/campanile/client.key" }"#,
    "The certificate that this sink shows to the server, and its key: two PEM files.",
)];

/// The values of [`SETTINGS`], or of [`DIRECT`] and [`IDENTITY`].
pub(crate) struct Reach {
    pub(crate) egress: Egress,
    pub(crate) skip_tls_verification: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<Secret>,
    pub(crate) client_certificate: Option<TlsFiles>,
}

impl Reach {
    pub(crate) fn of(values: &Values) -> Result<Self, Unset> {
        let public_only = values.get::<String>("egress")? == "public_only";
        Ok(Self {
            egress: if public_only {
                Egress::PublicOnly
            } else {
                Egress::Any
            },
            skip_tls_verification: values.get("dangerous_skip_tls_verification")?,
            ca_file: values.maybe("ca_file"),
            proxy: values.maybe("proxy"),
            client_certificate: values.maybe("client_certificate"),
        })
    }

    /// A client that obeys them.
    pub(crate) fn client(&self, timeout: Duration) -> Result<Client, BuildError> {
        Client::new(client::Settings {
            egress: self.egress,
            timeout,
            ca_file: self.ca_file.as_deref(),
            proxy: self.proxy.as_ref(),
            skip_tls_verification: self.skip_tls_verification,
        })
    }
}
