//! Which gateway a command uses, and its token: flags, then a named gateway, then variables, then the config.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap_complete::ArgValueCandidates;
use secrecy::SecretString;
use url::Url;

use super::failure::Failure;
use super::gateways::Named;
use super::{complete, setup, words};
use crate::config::{Admin, Tls};

/// The default address of the API.
const USUAL_URL: &str = "http://127.0.0.1:8081";

/// The flags that choose the gateway. The variables are read here and not by clap: a flag for one gateway must win over a
/// variable for another one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which gateway")]
pub(crate) struct Gateway {
    /// The admin address of the running gateway [env: `CAMPANILE_URL`] [default: `http://127.0.0.1:8081`]
    #[arg(long, value_name = "URL", global = true, conflicts_with = "gateway")]
    url: Option<String>,
    /// The token of the admin listener [env: `CAMPANILE_ADMIN_TOKEN`]
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<String>,
    /// A gateway of `~/.config/campanile/cli.toml`, by its name [env: `CAMPANILE_GATEWAY`]
    #[arg(long = "gateway", id = "gateway", value_name = "NAME", global = true)]
    #[arg(add = ArgValueCandidates::new(complete::gateways))]
    name: Option<String>,
    /// Read the address and the token from the config of the gateway.
    #[arg(long, value_name = "PATH", global = true, env = "CAMPANILE_CONFIG")]
    config: Option<PathBuf>,
}

impl Gateway {
    /// The flags of a command line that is not complete.
    pub(crate) fn among(line: &[OsString]) -> Self {
        let config = words::last(line, "--config").map(PathBuf::from);
        Self {
            url: words::last(line, "--url"),
            token: words::last(line, "--token"),
            name: words::last(line, "--gateway"),
            config: config.or_else(|| variable("CAMPANILE_CONFIG").map(PathBuf::from)),
        }
    }
}

/// The address of a gateway, and how its client proves itself.
pub(crate) struct Target {
    /// The address of the API.
    pub(crate) base: Url,
    /// The address of the pages, for a browser.
    pub(crate) pages: Url,
    pub(crate) token: Option<SecretString>,
    /// The certificate to trust.
    pub(crate) tls: Option<Tls>,
}

impl Target {
    /// The gateway that the flags and the environment choose.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, Failure> {
        let token = text(gateway.token.clone());
        if let Some(url) = text(gateway.url.clone()) {
            let token = token.or_else(|| variable("CAMPANILE_ADMIN_TOKEN"));
            return Self::at(&url, token, gateway);
        }
        if let Some(name) = text(gateway.name.clone()).or_else(|| variable("CAMPANILE_GATEWAY")) {
            return Self::named(&name, token);
        }
        let token = token.or_else(|| variable("CAMPANILE_ADMIN_TOKEN"));
        match variable("CAMPANILE_URL") {
            Some(url) => Self::at(&url, token, gateway),
            None => Self::configured(token, gateway),
        }
    }

    /// A gateway of the file. It gets no token of another gateway: not from the variable, and not from the config.
    fn named(name: &str, token: Option<String>) -> Result<Self, Failure> {
        let Named { url, token: own } = Named::of(name)?;
        Ok(Self {
            pages: url.clone(),
            base: url,
            token: token.map(SecretString::from).or(own),
            tls: None,
        })
    }

    /// The gateway at an address. Without a token, the config gives one.
    fn at(url: &str, token: Option<String>, gateway: &Gateway) -> Result<Self, Failure> {
        let base = base(url)?;
        let token = token.map(SecretString::from);
        let token = match (token, config_of(gateway)) {
            (None, Some(path)) => setup::load(std::slice::from_ref(path))?.admin.token,
            (token, _) => token,
        };
        Ok(Self {
            pages: base.clone(),
            base,
            token,
            tls: None,
        })
    }

    /// The gateway of the config; without a config, the usual one.
    fn configured(token: Option<String>, gateway: &Gateway) -> Result<Self, Failure> {
        let Some(path) = config_of(gateway) else {
            return Self::at(USUAL_URL, token, gateway);
        };
        let admin = setup::load(std::slice::from_ref(path))?.admin;
        let base = base(&address(&admin))?;
        Ok(Self {
            pages: admin.public_url.clone().unwrap_or_else(|| base.clone()),
            base,
            token: token.map(SecretString::from).or(admin.token),
            tls: admin.tls,
        })
    }
}

/// The path of the config. An empty variable counts as not set.
fn config_of(gateway: &Gateway) -> Option<&PathBuf> {
    let config = gateway.config.as_ref();
    config.filter(|path| !path.as_os_str().is_empty())
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn variable(name: &str) -> Option<String> {
    text(std::env::var(name).ok())
}

/// The address of the admin listener, seen from this machine.
fn address(admin: &Admin) -> String {
    let mut at = admin.listen;
    if at.ip().is_unspecified() {
        at.set_ip(match at.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if admin.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{at}")
}

/// Parses an absolute HTTP address.
pub(crate) fn base(url: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("`{url}` is not a valid address: {why}"))
            .hint("write it as in http://127.0.0.1:8081")
    };
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" if parsed.has_host() => Ok(parsed),
        _ => Err(wrong("it must begin with http:// or https://")),
    }
}
