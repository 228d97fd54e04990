//! The one HTTP client: guarded against internal addresses, with a timeout, with capped responses, and without URLs in its errors.
//!
//! Names are resolved and filtered in one step, at connect: no second lookup can return another address. Hosts that are
//! addresses already are checked before. Redirects are never followed, proxies from the environment are never used,
//! responses are never decompressed, cookies are never kept, and no `Referer` is sent. An exchange that does not end within
//! the timeout, including the body of the response, has failed.
//!
//! The connection pool repeats a request only if the receiver cannot have started it: a reused connection that was
//! closed before the first byte, or a refused stream of HTTP/2.

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
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Method};
use url::{Host, Url};

use super::guard::{Egress, Refused, admit};
use crate::{BuildError, Class, Failure};
use campanile_model::{Secret, failpoint};
use secrecy::ExposeSecret;

/// At most this much of a response's body is read, then the connection is closed.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// Idle connections are closed before most receivers close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A receiver that does not accept the connection within this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A plain `Retry-After` header stops a sink for at most this long: a proxy often sets it, or it is wrong. A kind that knows
/// its vendor's quota may report a longer wait.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
const USER_AGENT: &str = concat!("campanile/", env!("CARGO_PKG_VERSION"));

/// Which addresses a client may call and which certificates it trusts.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Which addresses it may call.
    pub egress: Egress,
    /// The limit for the whole exchange.
    pub timeout: Duration,
    /// A PEM file with certificate authorities to trust in addition to the system's.
    pub ca_file: Option<&'a Path>,
    /// Accept any certificate.
    pub skip_tls_verification: bool,
    /// The proxy that all requests go through, `http://`, `https://` or `socks5h://`. It resolves the receiver's name, so only
    /// the proxy's own address and receivers that are addresses are checked.
    pub proxy: Option<&'a Secret>,
}

/// A request, ready to go.
#[derive(Debug)]
pub struct Request {
    /// `POST`, `PUT`, `PATCH`, `GET`.
    pub method: Method,
    /// The address. Never printed.
    pub url: Url,
    /// Headers.
    pub headers: HeaderMap,
    /// The exact bytes of the body.
    pub body: Bytes,
    /// When it is sent: dates in `Retry-After` count from here.
    pub at: Timestamp,
}

/// What the receiver sent back.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// At most [`RESPONSE_BYTES_MAX`] of the body.
    pub body: Vec<u8>,
    /// The wait that `Retry-After` asks for, as sent.
    pub retry_after: Option<Duration>,
    /// Headers.
    pub headers: HeaderMap,
}

impl Response {
    /// The wait that a failure of a general HTTP receiver reports: `Retry-After`, at most an hour.
    pub fn asked_wait(&self) -> Option<Duration> {
        self.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX))
    }
}

/// Resolves a name: the system's resolver, or a test's.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// A client with a connection pool of its own.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    egress: Egress,
    timeout: Duration,
}

impl Request {
    /// The credentials in its head, which a receiver can quote.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = Secret> {
        let credentials = self.headers.get(AUTHORIZATION);
        let credentials = credentials.and_then(|value| value.to_str().ok());
        credentials.map(|text| text.to_owned().into()).into_iter()
    }
}

impl Client {
    /// A client with these settings. Reads `ca_file` and the system's certificate authorities.
    pub fn new(settings: Settings<'_>) -> Result<Self, BuildError> {
        Self::asking(Arc::new(|name| Box::pin(machine(name))), settings)
    }

    /// The same with names resolved by `lookup`. Its addresses are checked too.
    pub fn asking(lookup: Lookup, settings: Settings<'_>) -> Result<Self, BuildError> {
        // reqwest uses the cryptography provider of the process. A second call finds the same one installed.
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
        if let Some(proxy) = settings.proxy {
            builder = builder.proxy(via(proxy)?);
        }
        let http = builder.build().map_err(|_| {
            let problem = "this machine has no trusted certificate authorities: install the package `ca-certificates`, or set `ca_file` to a PEM file";
            BuildError::new("ca_file", problem)
        })?;
        Ok(Self {
            http,
            egress: settings.egress,
            timeout: settings.timeout,
        })
    }

    /// One exchange. Any status is a response; [`classify`] says what it means.
    pub async fn exchange(&self, request: Request) -> Result<Response, Failure> {
        admit_host(&request.url, self.egress)
            .map_err(|refused| Failure::new(Class::Operator, refused.to_string()))?;
        let late = || {
            let limit = self.timeout.as_secs_f32();
            Failure::new(
                Class::Transient,
                format!("no complete response within {limit} s"),
            )
        };
        let exchange = self.unlimited(request);
        let done = tokio::time::timeout(self.timeout, exchange).await;
        done.unwrap_or_else(|_| Err(late()))
    }

    async fn unlimited(&self, request: Request) -> Result<Response, Failure> {
        let at = request.at;
        let mut outgoing = reqwest::Request::new(request.method, request.url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = Some(request.body.into());
        let response = self.http.execute(outgoing).await;
        let response = response.map_err(|error| failure(&error.without_url()))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let retry_after = retry_after(&headers, at);
        let body = read(response).await.map_err(|error| Failure {
            code: Some(status),
            retry_after,
            ..failure(&error.without_url())
        })?;
        Ok(Response {
            status,
            body,
            retry_after,
            headers,
        })
    }
}

/// Checks a host that is an address already: those never reach the resolver.
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
/// 409, 421, 423 and 424 report a state that passes; 411, 414, 416, 417 and 431 are about this one request; the other 4xx
/// (402, 405, 406 ...) need the operator, and waiting costs nothing.
pub fn classify(status: u16) -> Option<Class> {
    match status {
        200..=299 => None,
        408 | 409 | 421 | 423 | 424 | 425 | 429 | 500..=599 => Some(Class::Transient),
        413 => Some(Class::TooLarge),
        400 | 411 | 414 | 415 | 416 | 417 | 422 | 431 => Some(Class::Poison),
        410 => Some(Class::Gone),
        _ => Some(Class::Operator),
    }
}

/// One sentence for the operator about a status that is a failure.
pub fn explain(status: u16) -> String {
    let hint = match status {
        300..=399 => ": redirects are not followed; set `url` to the final address",
        401 | 403 => ": it rejects the credentials; check the secrets of this sink",
        404 => ": it does not know this address; check `url`",
        407 => ": a proxy requires credentials",
        410 => ": it asks to stop sending",
        429 => ": it asks for fewer requests",
        413 => ": the message is too large for it",
        400 | 415 | 422 => ": it does not accept this message",
        _ => "",
    };
    format!("the receiver answered {status}{hint}")
}

async fn read(mut response: reqwest::Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = RESPONSE_BYTES_MAX - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// Seconds, or a date counted from `at`. Anything else, or a date in the past, is ignored; seconds that overflow are
/// capped.
pub fn retry_after(headers: &HeaderMap, at: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    until.duration_since(SystemTime::from(at)).ok()
}

/// Classifies an error by the types in its chain, never by its text, and describes it without the URL.
fn failure(error: &reqwest::Error) -> Failure {
    if let Some(refused) = find::<Refused>(error) {
        return Failure::new(Class::Operator, refused.to_string());
    }
    if error.is_builder() {
        let reason = "the request cannot be built from this `url` and these headers";
        return Failure::new(Class::Operator, reason);
    }
    let what = if error.is_timeout() {
        "the receiver did not accept the connection in time".to_owned()
    } else if let Some(tls) = find::<rustls::Error>(error) {
        format!("TLS failed: {}", tls_words(tls))
    } else if error.is_dns() {
        "the host name cannot be resolved".to_owned()
    } else if let Some(said) = system_words(error) {
        let doing = if error.is_connect() {
            "cannot connect"
        } else {
            "the connection failed"
        };
        format!("{doing}: {said}")
    } else if error.is_connect() {
        "cannot connect".to_owned()
    } else {
        "the connection failed before the response was complete".to_owned()
    };
    Failure::new(Class::Transient, what)
}

/// The problem of a handshake, for the operator.
pub(crate) fn tls_words(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Cert;
    match error {
        rustls::Error::InvalidCertificate(cert) => match cert {
            Cert::Expired | Cert::ExpiredContext { .. } => "its certificate has expired",
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => {
                "its certificate is for another host name"
            }
            Cert::UnknownIssuer => {
                "its certificate is from an authority that is not trusted: set `ca_file` to that authority's PEM file"
            }
            _ => "its certificate is not valid",
        },
        rustls::Error::AlertReceived(_) => "the receiver ended the handshake",
        rustls::Error::InvalidMessage(_) => "the receiver does not speak TLS on this port",
        _ => "the handshake did not succeed",
    }
}

/// The first error of this type in the chain.
pub(crate) fn find<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The system's error: the first kind in the chain that is not `Other`, which only wraps.
fn system_words(error: &reqwest::Error) -> Option<String> {
    let said = chain(error).filter_map(|error| error.downcast_ref::<io::Error>());
    let kind = said
        .map(io::Error::kind)
        .find(|kind| *kind != io::ErrorKind::Other);
    kind.map(|kind| kind.to_string())
}

/// An error and its sources; also those inside I/O errors, which `source` does not show.
fn chain<'a>(
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
        let problem = format!(
            "{} does not contain a certificate in PEM form",
            path.display()
        );
        return Err(named(problem));
    }
    Ok(found)
}

fn via(proxy: &Secret) -> Result<reqwest::Proxy, BuildError> {
    let proxy = reqwest::Proxy::all(proxy.expose_secret());
    proxy.map_err(|_| {
        let problem = "this is not the address of a proxy; write one such as `http://proxy.example.com:3128` or `socks5h://127.0.0.1:1080`";
        BuildError::new("proxy", problem)
    })
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
