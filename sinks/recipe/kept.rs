//! A signature that is valid for more than one request is kept: an RSA signature takes longer than the rest of a request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use campanile_model::Secret;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::Failure;
use crate::http::client::Request;

/// A signature is replaced this long before it ends, because clocks differ.
const EARLY: Duration = Duration::from_mins(5);

/// The last signature. Debug shows no secret.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Signature>>);

#[derive(Debug)]
struct Signature {
    /// See [`digest`].
    made_of: [u8; 32],
    from: Timestamp,
    until: Timestamp,
    /// Marked as sensitive.
    header: HeaderValue,
}

impl Signature {
    /// A clock that was set back makes a signature of the future, which the receiver refuses.
    fn serves(&self, made_of: [u8; 32], at: Timestamp) -> bool {
        self.made_of == made_of && (self.from..self.until).contains(&at)
    }
}

/// Of what a signature is made of, so that the key is not kept once more.
fn digest(key: &Secret, audience: &str) -> [u8; 32] {
    let hash = Sha256::new_with_prefix(audience);
    hash.chain_update([0])
        .chain_update(key.expose_secret())
        .finalize()
        .into()
}

impl Kept {
    /// Puts the kept signature into the request, or a new one that is valid for `lasts`.
    pub(super) fn signed(
        &self,
        request: &mut Request,
        (key, audience): (&Secret, &str),
        lasts: Duration,
        sign: impl Fn(&mut Request) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let made_of = digest(key, audience);
        // The lock is held while a new signature is made, so that only one request makes it.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.as_ref().filter(|it| it.serves(made_of, request.at)) {
            request.headers.insert(AUTHORIZATION, known.header.clone());
            return Ok(());
        }
        sign(request)?;
        let lasts = lasts.saturating_sub(EARLY);
        let until = request.at.saturating_add(lasts).unwrap_or(request.at);
        *kept = request.headers.get(AUTHORIZATION).map(|header| Signature {
            made_of,
            from: request.at,
            until,
            header: header.clone(),
        });
        Ok(())
    }
}
