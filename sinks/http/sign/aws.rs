//! Signature Version 4: AWS, and the S3 interfaces of other clouds.

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sigv4,
};
use aws_sigv4::sign::v4::SigningParams;
use secrecy::ExposeSecret;

use super::{Credentials, Scope, set};
use crate::http::client::Request;
use crate::{Class, Failure};

pub(super) fn sign(
    request: &mut Request,
    credentials: &Credentials,
    scope: Scope<'_>,
) -> Result<(), Failure> {
    let token = credentials.token.as_ref();
    let identity = Keys::new(
        credentials.id.expose_secret(),
        credentials.key.expose_secret(),
        token.map(|token| token.expose_secret().to_owned()),
        None,
        "campanile",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(request.at.into())
        .settings(settings(scope.service))
        .build()
        .map_err(|_| unsigned())?
        .into();
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
    let headers: Vec<_> = headers
        .collect::<Result<_, reqwest::header::ToStrError>>()
        .map_err(|_| unsigned())?;
    let signable = SignableRequest::new(
        request.method.as_str(),
        request.url.as_str(),
        headers.into_iter(),
        SignableBody::Bytes(&request.body),
    );
    let signed = sigv4(signable.map_err(|_| unsigned())?, &params).map_err(|_| unsigned())?;
    let (added, _) = signed.into_parts().0.into_parts();
    for header in added {
        set(
            &mut request.headers,
            header.name(),
            header.value().to_owned(),
        )?;
    }
    Ok(())
}

/// S3 takes the path as it is sent and wants the hash of the body in a header. The others encode the path once more.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

fn unsigned() -> Failure {
    let reason = "the request cannot be signed: a header holds characters outside ASCII";
    Failure::new(Class::Poison, reason)
}
