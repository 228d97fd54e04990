//! `[telemetry.otlp]`: where traces go.

use campanile_model::Secret;
use campanile_sinks::BuildError;
use campanile_sinks::http::guard::Egress;
use campanile_sinks::http::headers;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

/// The path of traces at a collector. The endpoint may contain it.
const PATH: &str = "/v1/traces";

/// Where traces go, and which.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// The address of the collector. It may contain a secret.
    pub endpoint: Secret,
    /// Headers of each request to it.
    pub headers: Vec<(String, Secret)>,
    /// Of a hundred callbacks so many are traced.
    pub sample_percent: u32,
    /// The `traceparent` of a verified vendor is continued.
    pub trust_traceparent: bool,
}

impl Otlp {
    /// The address and the headers of a request.
    ///
    /// # Errors
    /// An address that must not be called, or a header that cannot be sent.
    pub fn request(&self) -> Result<(Url, HeaderMap), BuildError> {
        let mut url = headers::address_in("endpoint", &self.endpoint, Egress::Any)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.ends_with(PATH) {
            url.set_path(&format!("{path}{PATH}"));
        }
        let mut all = HeaderMap::new();
        for (key, value) in &self.headers {
            let setting = format!("headers.{key}");
            let name = headers::name(&setting, key)?;
            let mut value = HeaderValue::try_from(value.expose_secret())
                .map_err(|_| BuildError::new(&setting, "its value cannot be sent in a header"))?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok((url, all))
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        let secrets = |of: &Self| -> Vec<String> {
            let values = of.headers.iter().map(|(_, value)| value);
            let all = std::iter::once(&of.endpoint).chain(values);
            all.map(|secret| secret.expose_secret().to_owned())
                .collect()
        };
        let others = |of: &Self| {
            let names: Vec<String> = of.headers.iter().map(|(name, _)| name.clone()).collect();
            (names, of.sample_percent, of.trust_traceparent)
        };
        secrets(self) == secrets(other) && others(self) == others(other)
    }
}
