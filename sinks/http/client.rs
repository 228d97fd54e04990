//! The one HTTP client: guarded, timed, capped, and silent about URLs.
//!
//! Names are resolved and filtered in one step, at connect, so that no second look-up can give another address; hosts
//! that are addresses already are judged before. Redirects are never followed, proxies of the environment never used,
//! answers never inflated, cookies never kept, and no `Referer` is sent. An exchange that does not end within the timeout, its
//! answer's body included, has failed.
//!
//! The pool sends a request again by itself only where the receiver cannot have begun it: a reused connection that was
//! closed before the first byte, or HTTP/2's refused stream.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Method, Response};
use url::{Host, Url};

use super::guard::{Egress, Refused, admit};
use crate::{BuildError, Class, Failure};
use campanile_model::failpoint;

/// An answer's body is read so far, then the connection is closed.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Idle connections are let go before most receivers close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A receiver that does not even take the connection by then is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("campanile/", env!("CARGO_PKG_VERSION"));

/// How a client reaches out and whom it trusts.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Which addresses it may call.
    pub egress: Egress,
    /// The whole exchange.
    pub timeout: Duration,
    /// A PEM file with authorities to trust beside the machine's.
    pub ca_file: Option<&'a Path>,
    /// Any certificate will do.
    pub skip_tls_verification: bool,
}

/// A request, ready to go.
#[derive(Debug)]
pub struct Request {
    /// `POST`, `PUT`, `PATCH`, `GET`.
    pub method: Method,
    /// Where to. Never printed.
    pub url: Url,
    /// Headers.
    pub headers: HeaderMap,
    /// The exact bytes of the body.
    pub body: Bytes,
    /// When it is sent: `Retry-After` dates count from here.
    pub at: Timestamp,
}

/// What the receiver said.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// At most [`ANSWER_BYTES_MAX`] of the body.
    pub body: Vec<u8>,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Asks for the addresses of a name: the machine's resolver, or what a test has in its place.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// A client with a connection pool of its own.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    egress: Egress,
    timeout: Duration,
}

impl Client {
    /// A client with these settings. Reads `ca_file` and the machine's authorities.
    pub fn new(settings: Settings<'_>) -> Result<Self, BuildError> {
        Self::asking(Arc::new(|name| Box::pin(machine(name))), settings)
    }

    /// The same with names looked up by `lookup`. What it says is judged as any other's.
    pub fn asking(lookup: Lookup, settings: Settings<'_>) -> Result<Self, BuildError> {
        // reqwest asks the process for its cryptography; a second call finds the first one's, which is the same.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .dns_resolver(Resolver {
                lookup,
                egress: settings.egress,
            })
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tls_danger_accept_invalid_certs(settings.skip_tls_verification);
        if let Some(path) = settings.ca_file {
            builder = builder.tls_certs_merge(authorities(path)?);
        }
        let http = builder.build().map_err(|_| {
            let problem = "no trusted certificate authorities on this machine: install the package `ca-certificates`, or name a PEM file in `ca_file`";
            BuildError::new("ca_file", problem)
        })?;
        Ok(Self {
            http,
            egress: settings.egress,
            timeout: settings.timeout,
        })
    }

    /// One exchange. Any status is an answer; [`classify`] tells what it means.
    pub async fn exchange(&self, request: Request) -> Result<Answer, Failure> {
        admit_host(&request.url, self.egress)
            .map_err(|refused| Failure::new(Class::Operator, refused.to_string()))?;
        let late = || {
            let limit = self.timeout.as_secs_f32();
            Failure::new(
                Class::Transient,
                format!("no whole answer within {limit} s"),
            )
        };
        let exchange = self.undisturbed(request);
        let done = tokio::time::timeout(self.timeout, exchange).await;
        done.unwrap_or_else(|_| Err(late()))
    }

    async fn undisturbed(&self, request: Request) -> Result<Answer, Failure> {
        let at = request.at;
        let mut outgoing = reqwest::Request::new(request.method, request.url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = Some(request.body.into());
        let response = self.http.execute(outgoing).await;
        let response = response.map_err(|error| failure(&error.without_url()))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), at);
        let body = read(response).await.map_err(|error| Failure {
            code: Some(status),
            retry_after,
            ..failure(&error.without_url())
        })?;
        Ok(Answer {
            status,
            body,
            retry_after,
        })
    }
}

/// Judges a host that is an address already: those never reach the resolver.
pub fn admit_host(url: &Url, egress: Egress) -> Result<(), Refused> {
    if failpoint::broken("broken-resolver-only-guard") {
        return Ok(());
    }
    match url.host() {
        Some(Host::Ipv4(ip)) => admit(ip.into(), egress),
        Some(Host::Ipv6(ip)) => admit(ip.into(), egress),
        Some(Host::Domain(_)) | None => Ok(()),
    }
}

/// What a status means. 2xx is success; the rest is a failure of some class.
///
/// Of the 4xx that design §8 does not name: 409, 421, 423 and 424 tell of a state that passes; 411, 414, 416, 417 and 431
/// are about this one request; all others (402, 405, 406 ...) are for the operator, who loses nothing by waiting.
pub fn classify(status: u16) -> Option<Class> {
    match status {
        200..=299 => None,
        408 | 409 | 421 | 423 | 424 | 425 | 429 | 500..=599 => Some(Class::Transient),
        400 | 411 | 413 | 414 | 415 | 416 | 417 | 422 | 431 => Some(Class::Poison),
        410 => Some(Class::Gone),
        _ => Some(Class::Operator),
    }
}

/// One sentence for an operator about a status that is a failure.
pub fn explain(status: u16) -> String {
    let hint = match status {
        300..=399 => ": redirects are not followed, set `url` to the final address",
        401 | 403 => ": it does not accept our credentials",
        404 => ": nothing is there, look at `url`",
        407 => ": a proxy wants credentials",
        410 => ": it asks for no more",
        429 => ": it wants fewer requests",
        400 | 413 | 415 | 422 => ": it does not accept this message",
        _ => "",
    };
    format!("the receiver answered {status}{hint}")
}

async fn read(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// Seconds, or a date counted from `at`. What is neither, or over already, asks for nothing; seconds that no number holds
/// are as many as one does.
pub fn retry_after(headers: &HeaderMap, at: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    until.duration_since(SystemTime::from(at)).ok()
}

/// Sorts a failure by the types in its chain, never by its text, and words it without the URL.
fn failure(error: &reqwest::Error) -> Failure {
    if let Some(refused) = cause_of::<Refused>(error) {
        return Failure::new(Class::Operator, refused.to_string());
    }
    if error.is_builder() {
        let cause = "the request cannot be built from this `url` and these headers";
        return Failure::new(Class::Operator, cause);
    }
    let what = if error.is_timeout() {
        "cannot connect in time".to_owned()
    } else if let Some(tls) = cause_of::<rustls::Error>(error) {
        format!("TLS failed: {}", tls_words(tls))
    } else if error.is_dns() {
        "the host's name cannot be resolved".to_owned()
    } else if let Some(said) = system_words(error) {
        let doing = if error.is_connect() {
            "cannot connect"
        } else {
            "the connection broke"
        };
        format!("{doing}: {said}")
    } else if error.is_connect() {
        "cannot connect".to_owned()
    } else {
        "the connection broke before the answer was whole".to_owned()
    };
    Failure::new(Class::Transient, what)
}

fn tls_words(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Cert;
    match error {
        rustls::Error::InvalidCertificate(cert) => match cert {
            Cert::Expired | Cert::ExpiredContext { .. } => "its certificate has expired",
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            Cert::UnknownIssuer => {
                "its certificate is from an authority that is not trusted: name that one in `ca_file`"
            }
            _ => "its certificate is not valid",
        },
        rustls::Error::AlertReceived(_) => "the receiver ended the handshake",
        rustls::Error::InvalidMessage(_) => "the receiver does not speak TLS on this port",
        _ => "the handshake did not succeed",
    }
}

/// The first error of this type in the chain.
fn cause_of<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// What the system said: the first that says more than "other", by which errors are wrapped.
fn system_words(error: &reqwest::Error) -> Option<String> {
    let said = causes(error).filter_map(|error| error.downcast_ref::<io::Error>());
    let kind = said
        .map(io::Error::kind)
        .find(|kind| *kind != io::ErrorKind::Other);
    kind.map(|kind| kind.to_string())
}

/// An error and its causes; also those inside of I/O errors, which hide them from `source`.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        let hidden = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match hidden {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, BuildError> {
    let named = |problem: String| BuildError::new("ca_file", problem);
    let pem = std::fs::read(path)
        .map_err(|e| named(format!("{} cannot be read: {}", path.display(), e.kind())))?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if found.is_empty() {
        let problem = format!("{} holds no certificate in PEM form", path.display());
        return Err(named(problem));
    }
    Ok(found)
}

/// Resolves and filters in one step.
struct Resolver {
    lookup: Lookup,
    egress: Egress,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.egress;
        let looked_up = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = looked_up.await?;
            let (mut allowed, mut refused) = (Vec::new(), None);
            for address in found {
                match admit(address.ip(), egress) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if allowed.is_empty() => Err(why.into()),
                _ => Ok(boxed(allowed)),
            }
        })
    }
}

async fn machine(name: String) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

fn boxed(addresses: Vec<SocketAddr>) -> Addrs {
    Box::new(addresses.into_iter())
}
