//! The client of a running gateway's admin API.

use std::io;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::failure::{Ending, Failure};
use super::setup;
use crate::api::types::Refused;
use crate::config::{Admin, Tls};

/// Where the API is by default.
const USUAL_URL: &str = "http://127.0.0.1:8081";

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read: a full page of large alerts is far below.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which gateway, and the token for it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which gateway")]
pub(crate) struct Gateway {
    /// The admin address of the running gateway [default: `http://127.0.0.1:8081`]
    #[arg(long, value_name = "URL", global = true, env = "CAMPANILE_URL")]
    url: Option<String>,
    /// The token of its admin listener.
    #[arg(
        long,
        value_name = "TOKEN",
        global = true,
        env = "CAMPANILE_ADMIN_TOKEN"
    )]
    #[arg(hide_env_values = true)]
    token: Option<String>,
    /// Take address and token from the gateway's config.
    #[arg(long, value_name = "PATH", global = true, env = "CAMPANILE_CONFIG")]
    config: Option<std::path::PathBuf>,
}

/// A connection to the API of one gateway.
pub(crate) struct Api {
    http: Client,
    base: Url,
    token: Option<SecretString>,
}

impl Api {
    /// Finds the gateway. What is written on the command line wins over the config.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, Failure> {
        // An empty variable counts as not set.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut token = given(&gateway.token).map(SecretString::from);
        let mut url = given(&gateway.url);
        let mut tls = None;
        if let Some(path) = &gateway.config
            && !path.as_os_str().is_empty()
            && (url.is_none() || token.is_none())
        {
            let admin = setup::load(std::slice::from_ref(path))?.admin;
            if url.is_none() {
                url = Some(address(&admin));
                tls = admin.tls;
            }
            token = token.or(admin.token);
        }
        let base = base(url.as_deref().unwrap_or(USUAL_URL))?;
        let mut http = builder(&base, TIMEOUT);
        if let Some(tls) = &tls {
            http = trusting(http, tls);
        }
        Ok(Self {
            http: built(http)?,
            base,
            token,
        })
    }

    /// Reads something.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        self.call(self.request(Method::GET, path, query)).await
    }

    /// Has something done.
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

    /// Has something removed.
    pub(crate) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        self.call(self.request(Method::DELETE, path, query)).await
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
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status().as_u16();
        let body = read_at_most(answer, ANSWER_BYTES_MAX).await?;
        if (200..=299).contains(&status)
            && let Ok(body) = serde_json::from_slice(&body)
        {
            return Ok(Answer(body));
        }
        Err(match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) => refusal(status, &refused.error.message),
            Err(_) => self.stranger(status),
        })
    }

    /// The answer does not come from Campanile's API.
    fn stranger(&self, status: u16) -> Failure {
        if matches!(status, 401 | 403) {
            let what = format!("{} rejected the token ({status})", self.base);
            return Failure::ended(Ending::NotAllowed, what).hint(TOKEN_HINT);
        }
        Failure::failed(format!(
            "{} answered {status}, and not in the form of Campanile's API",
            self.base
        ))
        .hint(
            "--url is the admin address ([admin] listen, usually port 8081), \
            not the address that vendors call",
        )
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else {
            root_cause(error)
        };
        let what = format!("cannot reach {}: {why}", self.base);
        Failure::ended(Ending::Unreachable, what).hint(
            "is the gateway running? Give its admin address with --url, or its config with --config",
        )
    }
}

/// The gateway's own reason, with the exit code that its status stands for.
fn refusal(status: u16, message: &str) -> Failure {
    match status {
        401 => Failure::ended(Ending::NotAllowed, message).hint(TOKEN_HINT),
        403 => Failure::ended(Ending::NotAllowed, message),
        400 | 415 => Failure::usage(message),
        _ => Failure::failed(message),
    }
}

/// A successful answer of the API.
pub(crate) struct Answer(Value);

impl Answer {
    /// The answer as it came, for `--json`.
    pub(crate) fn raw(&self) -> &Value {
        &self.0
    }

    /// The answer as the type that this command expects.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.0).map_err(|error| {
            Failure::failed(format!("the gateway answered in an unknown form: {error}"))
                .hint("use a `campanile` of the gateway's version, or read the answer with --json")
        })
    }
}

const TOKEN_HINT: &str = "give the admin token with --token, CAMPANILE_ADMIN_TOKEN, or the gateway's config with --config";

/// Where a gateway on this machine listens.
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

/// An absolute HTTP address, or what is wrong with it.
pub(crate) fn base(url: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("`{url}` is not a valid address: {why}"))
            .hint("write it like http://127.0.0.1:8081")
    };
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" if parsed.has_host() => Ok(parsed),
        _ => Err(wrong("it must begin with http:// or https://")),
    }
}

/// A plain client: no redirects, no proxy from the environment, no HTTP/2.
pub(crate) fn client(to: &Url, timeout: Duration) -> Result<Client, Failure> {
    built(builder(to, timeout))
}

/// Trusts the certificate of the gateway on this machine, which names its host and not the address of its listener.
fn trusting(client: ClientBuilder, tls: &Tls) -> ClientBuilder {
    let chain = tls.pair.cert.iter();
    let chain = chain.filter_map(|one| reqwest::Certificate::from_der(one).ok());
    client
        .tls_certs_only(chain)
        .tls_danger_accept_invalid_hostnames(true)
}

fn builder(to: &Url, timeout: Duration) -> ClientBuilder {
    // A second call finds a provider in place and changes nothing.
    let _in_place = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .timeout(timeout);
    if to.scheme() == "http" {
        // Without this, a machine without any certificates could not use plain HTTP either.
        builder = builder.tls_certs_only([]);
    }
    builder
}

fn built(client: ClientBuilder) -> Result<Client, Failure> {
    client
        .build()
        .map_err(|error| Failure::failed(format!("cannot set up TLS: {}", root_cause(&error))))
}

/// The innermost cause: `Connection refused` rather than `error sending request`.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The body of an answer, if it is no longer than allowed.
async fn read_at_most(mut answer: Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| {
        Failure::failed(format!(
            "the connection broke during the answer: {}",
            root_cause(&error)
        ))
    };
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Err(Failure::failed(format!("the answer is over {most} bytes"))
                .hint("ask for less with --limit"));
        }
    }
    Ok(body)
}
