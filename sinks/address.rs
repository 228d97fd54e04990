//! The address of a server that is not reached by HTTP, such as `nats://nats.example.com:4222`.

use url::Url;

use crate::BuildError;

/// The words that such an address can begin with, and the ports that it means without one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schemes {
    /// Without TLS.
    pub(crate) plain: (&'static str, u16),
    /// With TLS.
    pub(crate) tls: (&'static str, u16),
}

/// Where a server listens. It holds no user and no password, so it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: &'static str,
    pub(crate) tls: bool,
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What follows the port, without the first `/`, percent-encoded.
    pub(crate) path: String,
}

impl Address {
    /// Reads the value of a setting. The value is not in the error, because it can hold a password.
    pub(crate) fn read(setting: &str, text: &str, schemes: Schemes) -> Result<Self, BuildError> {
        let wrong = |problem: String| BuildError::new(setting, problem);
        let (plain, tls) = (schemes.plain.0, schemes.tls.0);
        let form = || {
            wrong(format!(
                "this is not a valid address: write `{plain}://` or `{tls}://`, a host and a port, such as `{plain}://server.example.com:{}`",
                schemes.plain.1
            ))
        };
        let url = Url::parse(text.trim()).map_err(|_| form())?;
        let (scheme, port) = match url.scheme() {
            word if word == plain => schemes.plain,
            word if word == tls => schemes.tls,
            _ => return Err(form()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            let problem =
                "write the user and the password into settings of their own, not into the address";
            return Err(wrong(problem.to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err(form());
        }
        Ok(Self {
            scheme,
            tls: scheme == tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
            path: url.path().trim_start_matches('/').to_owned(),
        })
    }

    /// As an address without a path, an IPv6 address in brackets.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// Host and port, an IPv6 address in brackets.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
