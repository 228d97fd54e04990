//! The server of a database: where it is, and who asks.

use std::net::IpAddr;
use std::path::PathBuf;

use campanile_model::Secret;
use campanile_settings::{Setting, Type, Unset, Values, optional, required, with};

use crate::http::guard::Egress;
use crate::reach::Reach;

/// The address of a server that listens on the port `port`, and its socket in `socket`.
pub(crate) const fn settings(
    port: &'static str,
    host: &'static str,
    password: &'static str,
) -> [Setting; 6] {
    [
        required("host", Type::Text, r#""db.example.com""#, host),
        with(
            "port",
            Type::Whole(1, 65_535),
            port,
            "The port of the server.",
        ),
        required(
            "database",
            Type::Text,
            r#""monitoring""#,
            "The database that has the table.",
        ),
        required(
            "user",
            Type::Text,
            r#""campanile""#,
            "The user. It needs no more than the right to run the statement.",
        ),
        optional(
            "password",
            Type::Secret,
            password,
            "The password of the user.",
        ),
        with(
            "tls",
            Type::Word(&["auto", "require", "off"]),
            r#""auto""#,
            "auto: TLS, unless `host` is a loopback address or a socket. require: always. off: never; everyone in between can read the alerts.",
        ),
    ]
}

/// The values of [`settings`] and [`crate::reach::DIRECT`].
#[cfg_attr(
    not(any(feature = "mysql", feature = "postgres")),
    expect(dead_code, reason = "a build without drivers reads no server")
)]
pub(crate) struct Server {
    /// A name, an address, or the path of a socket.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) egress: Egress,
    /// Speak TLS.
    pub(crate) tls: bool,
    pub(crate) skip_tls_verification: bool,
    pub(crate) ca_file: Option<PathBuf>,
}

#[cfg_attr(
    not(any(feature = "mysql", feature = "postgres")),
    expect(dead_code, reason = "a build without drivers reads no server")
)]
impl Server {
    pub(crate) fn of(values: &Values) -> Result<Self, Unset> {
        let host: String = values.get("host")?;
        let reach = Reach::of(values)?;
        let tls = match values.get::<String>("tls")?.as_str() {
            "require" => true,
            "off" => false,
            _ => !is_local(&host),
        };
        Ok(Self {
            tls: tls && !host.starts_with('/'),
            host,
            port: values.get("port")?,
            database: values.get("database")?,
            user: values.get("user")?,
            password: values.maybe("password"),
            egress: reach.egress,
            skip_tls_verification: reach.skip_tls_verification,
            ca_file: reach.ca_file,
        })
    }
}

fn is_local(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}
