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

/// One word that an address can begin with, its port, and whether it means TLS.
pub(crate) type Scheme = (&'static str, u16, bool);

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
        let (plain, tls) = (schemes.plain, schemes.tls);
        Self::of(
            setting,
            text,
            &[(plain.0, plain.1, false), (tls.0, tls.1, true)],
        )
    }

    /// The same for a protocol that has other words, or more of them. The first one is in the example of the error.
    pub(crate) fn of(setting: &str, text: &str, schemes: &[Scheme]) -> Result<Self, BuildError> {
        let wrong = |problem: String| BuildError::new(setting, problem);
        let form = || wrong(expected(schemes));
        let url = Url::parse(text.trim()).map_err(|_| form())?;
        let known = schemes.iter().find(|(word, ..)| *word == url.scheme());
        let &(scheme, port, tls) = known.ok_or_else(form)?;
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
            tls,
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

fn expected(schemes: &[Scheme]) -> String {
    let words = schemes.iter().map(|(word, ..)| format!("`{word}://`"));
    let words = words.collect::<Vec<_>>().join(" or ");
    let example = schemes
        .first()
        .map(|(word, port, _)| format!(", such as `{word}://server.example.com:{port}`"));
    let example = example.unwrap_or_default();
    format!("this is not a valid address: write {words}, a host and a port{example}")
}
