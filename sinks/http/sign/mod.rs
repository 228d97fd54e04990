//! Signatures: the schemes of the clouds, which sign a whole request, and Standard Webhooks.
//!
//! A scheme signs the request as it goes out, at its time `at`: method, address, headers and body. A header or a byte that is
//! changed afterwards breaks the signature. The headers that a scheme adds are marked as sensitive. Google's scheme is an
//! exception: it signs a token, which is valid for each request of an hour.

mod acs3;
#[cfg(feature = "aws")]
mod aws;
mod canonical;
mod google;
mod huawei;
pub(crate) mod standard_webhooks;
pub mod tc3;

use std::time::Duration;

use campanile_model::Secret;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::client::Request;
use crate::{Class, Failure, Feature};

/// How the requests of one cloud are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// TC3-HMAC-SHA256 of Tencent Cloud. Signs the headers `content-type`, `host` and `x-tc-action`.
    Tc3,
    /// ACS3-HMAC-SHA256 of Alibaba Cloud. Signs the headers `content-type`, `host` and `x-acs-*`.
    Acs3,
    /// SDK-HMAC-SHA256 of Huawei Cloud. Signs every header.
    Huawei,
    /// Signature Version 4 of AWS. Signs every header. Needs the cargo feature `aws`.
    Aws,
    /// A token that a service account of Google Cloud signs. Signs nothing of the request.
    Google,
}

/// How long a token of [`Scheme::Google`] is valid: the longest time that Google accepts.
const LASTS: Duration = Duration::from_hours(1);

/// The account that signs. Debug shows no secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name of the key, which is sent: `SecretId`, `AccessKeyId`, `AK`. Empty for [`Scheme::Google`].
    pub id: Secret,
    /// The key, which is never sent. For [`Scheme::Google`] the JSON key, which names the account too.
    pub key: Secret,
    /// The session token of temporary credentials.
    pub token: Option<Secret>,
}

/// What a signature is valid for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// Such as `sms` or `sqs`. [`Scheme::Tc3`] and [`Scheme::Aws`] need it.
    pub service: &'a str,
    /// Such as `eu-central-1`. [`Scheme::Aws`] needs it.
    pub region: &'a str,
    /// Such as `https://pubsub.googleapis.com/`. [`Scheme::Google`] needs it.
    pub audience: &'a str,
}

impl Scheme {
    /// Whether a signature names the service.
    pub fn has_service(self) -> bool {
        matches!(self, Self::Tc3 | Self::Aws)
    }

    /// Whether a signature names the region.
    pub fn has_region(self) -> bool {
        self == Self::Aws
    }

    /// Whether a signature names the API that it is for.
    pub fn has_audience(self) -> bool {
        self == Self::Google
    }

    /// Whether the key has a name and a session token of its own.
    pub fn has_account(self) -> bool {
        self != Self::Google
    }

    /// For how long a signature can be sent with other requests too. None if it is that of one request.
    pub fn lasts(self) -> Option<Duration> {
        (self == Self::Google).then_some(LASTS)
    }

    /// What is wrong with a key, where the scheme can say. Never shows a part of the key.
    pub fn check(self, key: &Secret) -> Result<(), String> {
        match self {
            Self::Google => google::check(key).map_err(|unfit| unfit.to_string()),
            _ => Ok(()),
        }
    }

    /// The cargo feature that the scheme needs.
    pub fn feature(self) -> Option<Feature> {
        (self == Self::Aws).then_some(Feature {
            name: "aws",
            built: cfg!(feature = "aws"),
        })
    }

    /// Adds the headers of the signature to a request that is complete otherwise.
    pub fn sign(
        self,
        request: &mut Request,
        credentials: &Credentials,
        scope: Scope<'_>,
    ) -> Result<(), Failure> {
        request.headers.remove(AUTHORIZATION);
        match self {
            Self::Tc3 => tc3::sign(request, credentials, scope.service),
            Self::Acs3 => acs3::sign(request, credentials),
            Self::Huawei => huawei::sign(request, credentials),
            Self::Google => google::sign(request, credentials, scope.audience),
            #[cfg(feature = "aws")]
            Self::Aws => aws::sign(request, credentials, scope),
            #[cfg(not(feature = "aws"))]
            Self::Aws => Err(Failure::new(
                Class::Operator,
                "this build does not have the feature `aws`",
            )),
        }
    }
}

/// Sets a header of a signature.
fn set(headers: &mut HeaderMap, name: &'static str, value: String) -> Result<(), Failure> {
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        let reason = "the credentials hold a line break or a control character: copy them again";
        Failure::new(Class::Operator, reason)
    })?;
    value.set_sensitive(true);
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// Sets the header of the session token, if there is one.
fn set_token(
    headers: &mut HeaderMap,
    name: &'static str,
    credentials: &Credentials,
) -> Result<(), Failure> {
    match &credentials.token {
        Some(token) => set(headers, name, token.expose_secret().to_owned()),
        None => Ok(()),
    }
}
