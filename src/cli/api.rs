//! The client of a running gateway's admin API.

use std::io;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::failure::{Ending, Failure};
use super::target::Target;
pub(crate) use super::target::{Gateway, base};
use crate::api::actor::COMMAND_LINE;
use crate::api::types::Refused;
use crate::config::Tls;

/// The timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest response that is read, in bytes. A full page of large alerts is much smaller.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The form of a stream: one JSON object for each line.
const LINES: &str = "application/x-ndjson";

/// A client of the API of one gateway.
pub(crate) struct Api {
    http: Client,
    base: Url,
    token: Option<SecretString>,
}

impl Api {
    /// The client for the given gateway.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, Failure> {
        Self::within(gateway, TIMEOUT)
    }

    /// The client for the given gateway, with this timeout for each request.
    pub(crate) fn within(gateway: &Gateway, timeout: Duration) -> Result<Self, Failure> {
        Self::with(gateway, |http| http.timeout(timeout))
    }

    /// The client for the given gateway, for an answer without end. Only silence ends it: the gateway sends a sign of life
    /// every 15 seconds.
    pub(crate) fn endless(gateway: &Gateway) -> Result<Self, Failure> {
        Self::with(gateway, |http| http.read_timeout(TIMEOUT))
    }

    fn with(
        gateway: &Gateway,
        limit: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, Failure> {
        let to = Target::of(gateway)?;
        let mut http = limit(builder(&to.base));
        if let Some(tls) = &to.tls {
            http = trusting(http, tls);
        }
        Ok(Self {
            http: built(http)?,
            base: to.base,
            token: to.token,
        })
    }

    /// Sends a GET request.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        self.call(self.request(Method::GET, path, query)).await
    }

    /// Sends a POST request with a JSON body.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Answer, Failure> {
        let body = serde_json::to_string(body).map_err(io::Error::other)?;
        let request = self.request(Method::POST, path, &[]);
        let request = request.header("content-type", "application/json");
        self.call(request.body(body)).await
    }

    /// Sends a DELETE request.
    pub(crate) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        self.call(self.request(Method::DELETE, path, query)).await
    }

    /// Opens a stream of lines of JSON, after the last id that the client has.
    pub(crate) async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        last: Option<&str>,
    ) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, path, query);
        request = request.header("accept", LINES);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = self.accepted(request).await?;
        let form = answer.headers().get("content-type");
        if form.is_some_and(|form| form == LINES) {
            return Ok(answer);
        }
        Err(self.not_the_api(answer.status().as_u16()))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn call(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let answer = self.accepted(request).await?;
        let status = answer.status().as_u16();
        let body = read_at_most(answer, ANSWER_BYTES_MAX).await?;
        let body = serde_json::from_slice(&body);
        body.map(Answer).map_err(|_| self.not_the_api(status))
    }

    /// The response, if the gateway did not refuse the request.
    async fn accepted(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status().as_u16();
        if (200..=299).contains(&status) {
            return Ok(answer);
        }
        let body = read_at_most(answer, ANSWER_BYTES_MAX).await?;
        Err(match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) => {
                let page = page(&self.base, &refused.r#type);
                refusal(status, &refused.detail).page(page)
            }
            Err(_) => self.not_the_api(status),
        })
    }

    /// The error for a response that does not have the form of Campanile's API.
    fn not_the_api(&self, status: u16) -> Failure {
        if matches!(status, 401 | 403) {
            let what = format!("{} rejected the token ({status})", self.base);
            return Failure::ended(Ending::NotAllowed, what).hint(TOKEN_HINT);
        }
        Failure::failed(format!(
            "{} answered {status}, but the response is not from Campanile's API",
            self.base
        ))
        .hint(
            "set --url to the admin address ([admin] listen, usually port 8081), \
            not to the address that vendors use",
        )
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            format!("no response within {} s", TIMEOUT.as_secs())
        } else {
            root_cause(error)
        };
        let what = format!("cannot reach {}: {why}", self.base);
        Failure::ended(Ending::Unreachable, what).hint(
            "check that the gateway is running; give its admin address with --url, or its config with --config",
        )
    }
}

/// The error for a refusal of the gateway: its own message, and the exit code for its status.
fn refusal(status: u16, message: &str) -> Failure {
    match status {
        401 => Failure::ended(Ending::NotAllowed, message).hint(TOKEN_HINT),
        403 => Failure::ended(Ending::NotAllowed, message),
        400 | 415 => Failure::usage(message),
        _ => Failure::failed(message),
    }
}

/// The address of the page about this type of error. None if another server answered and the type is not one of the API.
fn page(base: &Url, kind: &str) -> Option<String> {
    let code = kind.strip_prefix("/problems/")?;
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut page = base.clone();
    let mut segments = page.path_segments_mut().ok()?;
    segments.pop_if_empty().extend(["problems", code]);
    drop(segments);
    (!code.is_empty() && code.chars().all(is_word)).then(|| page.into())
}

/// A successful response of the API.
pub(crate) struct Answer(Value);

impl Answer {
    /// The response without changes, for `--json`.
    pub(crate) fn raw(&self) -> &Value {
        &self.0
    }

    /// The response as the type that this command expects.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        typed(&self.0)
    }
}

/// A part of a response as the type that a command expects.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|error| {
        Failure::failed(format!("the response of the gateway has an unknown form: {error}"))
            .hint("use the `campanile` of the same version as the gateway, or print the response with --json")
    })
}

const TOKEN_HINT: &str = "give the admin token with --token or CAMPANILE_ADMIN_TOKEN, or the config of the gateway with --config, or a named gateway with --gateway";

/// An HTTP client without redirects, without a proxy from the environment, and without HTTP/2.
pub(crate) fn client(to: &Url, timeout: Duration) -> Result<Client, Failure> {
    built(builder(to).timeout(timeout))
}

/// Trusts only the certificate in the config. Its host name is not checked: it names the host, not the address of the
/// listener.
fn trusting(client: ClientBuilder, tls: &Tls) -> ClientBuilder {
    let chain = tls.pair.cert.iter();
    let chain = chain.filter_map(|one| reqwest::Certificate::from_der(one).ok());
    client
        .tls_certs_only(chain)
        .tls_danger_accept_invalid_hostnames(true)
}

fn builder(to: &Url) -> ClientBuilder {
    // A second call fails because a provider is already installed. This is harmless.
    let _in_place = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(format!("{COMMAND_LINE}{}", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_only();
    if to.scheme() == "http" {
        // Without this, the client cannot be built on a machine that has no CA certificates.
        builder = builder.tls_certs_only([]);
    }
    builder
}

fn built(client: ClientBuilder) -> Result<Client, Failure> {
    client
        .build()
        .map_err(|error| Failure::failed(format!("cannot set up TLS: {}", root_cause(&error))))
}

/// The innermost error: `Connection refused`, not `error sending request`.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The body of a response, at most `most` bytes.
async fn read_at_most(mut answer: Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| {
        Failure::failed(format!(
            "the connection failed during the response: {}",
            root_cause(&error)
        ))
    };
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Err(
                Failure::failed(format!("the response is larger than {most} bytes"))
                    .hint("request fewer items with --limit"),
            );
        }
    }
    Ok(body)
}
