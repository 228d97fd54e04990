//! Which gateway a command uses, and its token: from flags, else from variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

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
    /// Read the address and the token from the config of the gateway [env: `CAMPANILE_CONFIG`]
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "gateway")]
    config: Option<PathBuf>,
}

impl Gateway {
    /// The flags of a command line that is not complete.
    pub(crate) fn among(line: &[OsString]) -> Self {
        Self {
            url: words::last(line, "--url"),
            token: words::last(line, "--token"),
            name: words::last(line, "--gateway"),
            config: words::last(line, "--config").map(PathBuf::from),
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
    /// The gateway that the flags choose; without one of them, that of the variables; else the usual one.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, Failure> {
        let config = gateway.config.as_deref();
        let token = text(gateway.token.clone());
        if let Some(url) = text(gateway.url.clone()) {
            let token = token.or_else(|| variable("CAMPANILE_ADMIN_TOKEN"));
            return Self::at(&url, token, config.map(Path::to_owned).or_else(configured));
        }
        if let Some(name) = text(gateway.name.clone()) {
            return Self::named(&name, token);
        }
        if let Some(path) = config {
            let mut target = Self::of_config(path, token)?;
            let other = || variable("CAMPANILE_ADMIN_TOKEN").map(SecretString::from);
            target.token = target.token.or_else(other);
            return Ok(target);
        }
        Self::of_variables(token)
    }

    fn of_variables(token: Option<String>) -> Result<Self, Failure> {
        if let Some(name) = variable("CAMPANILE_GATEWAY") {
            return Self::named(&name, token);
        }
        let token = token.or_else(|| variable("CAMPANILE_ADMIN_TOKEN"));
        match (variable("CAMPANILE_URL"), configured()) {
            (Some(url), config) => Self::at(&url, token, config),
            (None, Some(path)) => Self::of_config(&path, token),
            (None, None) => Self::at(USUAL_URL, token, None),
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
    fn at(url: &str, token: Option<String>, config: Option<PathBuf>) -> Result<Self, Failure> {
        let base = base(url)?;
        let token = match (token, config) {
            (None, Some(path)) => setup::load(&[path])?.admin.token,
            (token, _) => token.map(SecretString::from),
        };
        Ok(Self {
            pages: base.clone(),
            base,
            token,
            tls: None,
        })
    }

    /// The gateway of a config.
    fn of_config(path: &Path, token: Option<String>) -> Result<Self, Failure> {
        let admin = setup::load(&[path.to_owned()])?.admin;
        let base = base(&address(&admin))?;
        Ok(Self {
            pages: admin.public_url.clone().unwrap_or_else(|| base.clone()),
            base,
            token: token.map(SecretString::from).or(admin.token),
            tls: admin.tls,
        })
    }
}

/// The config that a variable names.
fn configured() -> Option<PathBuf> {
    variable("CAMPANILE_CONFIG").map(PathBuf::from)
}

/// An empty text counts as not given.
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
