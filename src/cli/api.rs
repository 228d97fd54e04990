//! The client of a running gateway's admin API.

use std::time::Duration;

use clap::Args;
use reqwest::{Client, ClientBuilder, Method, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::failure::Failure;
use super::setup;
use crate::config::{Admin, Tls};

/// Where the API is when nobody says.
const USUAL_URL: &str = "http://127.0.0.1:8081";

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read: a full page of large alerts is far below.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which gateway, and what to show to be let in.
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
        // A variable that is set to nothing is as good as none.
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

    /// Asks for something.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Failure> {
        self.call(Method::GET, path, query, None).await
    }

    /// Has something done.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// Has something taken away.
    pub(crate) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, query, None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            let json = ("content-type", "application/json");
            request = request.header(json.0, json.1).body(body.to_string());
        }
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        self.open(answer).await
    }

    async fn open(&self, answer: Response) -> Result<Value, Failure> {
        let status = answer.status();
        let body = read_at_most(answer, ANSWER_BYTES_MAX).await?;
        let body: Option<Value> = serde_json::from_slice(&body).ok();
        match body {
            Some(body) if status.is_success() => Ok(body),
            Some(body) if body.pointer("/error/message").is_some() => {
                let message = body.pointer("/error/message").and_then(Value::as_str);
                let told = Failure::failed(message.unwrap_or(status.as_str()));
                Err(match status.as_u16() {
                    401 | 403 => told.hint(TOKEN_HINT),
                    _ => told,
                })
            }
            _ if matches!(status.as_u16(), 401 | 403) => {
                Err(Failure::failed(format!("{} does not let us in", self.base)).hint(TOKEN_HINT))
            }
            _ => Err(Failure::failed(format!(
                "{} answered {status}, and not as Campanile's API does",
                self.base
            ))
            .hint(
                "--url is the admin address ([admin] listen, usually port 8081), \
                not the one that vendors call",
            )),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else {
            root_cause(error)
        };
        Failure::failed(format!("cannot reach {}: {why}", self.base)).hint(
            "is the gateway running? Give its admin address with --url, or its config with --config",
        )
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
        Failure::usage(format!("`{url}` is no address: {why}"))
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
    // A second call finds a provider in place, which is what is wanted.
    let _in_place = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .timeout(timeout);
    if to.scheme() == "http" {
        // Without this a machine that has no certificates at all could not even speak plain HTTP.
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
        Failure::failed(format!("the answer broke off: {}", root_cause(&error)))
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
