//! `Idempotency-Key`: a POST that is sent again with its key gets the first answer, and is not done twice.
//!
//! The answers are in memory, for 24 hours or until there are too many, and a restart loses them. A refused request is not
//! remembered: it changed nothing, and can be sent again with its key. A request that only reads needs no key, and an answer with a
//! secret is not remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::body::{BoxBody, EitherBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError, web};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::{Failing, roles, who};
use crate::http::Gateway;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is one of before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// How long an answer is remembered.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Answers that are remembered, and their bytes together. The oldest are forgotten first.
const ANSWERS_MAX: usize = 1_000;
const BYTES_MAX: usize = 4 << 20;

/// The requests that had a key.
#[derive(Default)]
pub(crate) struct Keyed(Mutex<Known>);

#[derive(Default)]
struct Known {
    requests: HashMap<Name, Kept>,
    /// The names of answers, oldest first.
    order: VecDeque<Name>,
    bytes: usize,
}

/// The sender, the path and the key, hashed: so each has the same length.
type Name = [u8; 32];

struct Kept {
    body: [u8; 32],
    at: Timestamp,
    /// None while the request is being worked on.
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn again(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for header in self.headers {
            response.insert_header(header);
        }
        response.insert_header((REPLAYED, "true"));
        response.body(self.body)
    }
}

impl Keyed {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of before, or nothing if this request is the first with its name.
    fn begin(&self, name: Name, body: [u8; 32], now: Timestamp) -> Failing<Option<Answer>> {
        let mut known = self.lock();
        known.forget(now);
        match known.requests.get(&name) {
            Some(kept) if kept.body != body => Err(ApiError::key_reused()),
            Some(kept) => match &kept.answer {
                Some(answer) => Ok(Some(answer.clone())),
                None => Err(ApiError::key_in_use()),
            },
            None => {
                let kept = Kept {
                    body,
                    at: now,
                    answer: None,
                };
                known.requests.insert(name, kept);
                Ok(None)
            }
        }
    }

    fn keep(&self, name: Name, answer: Answer) {
        let mut known = self.lock();
        let size = answer.body.len();
        if let Some(kept) = known.requests.get_mut(&name) {
            kept.answer = Some(answer);
            known.bytes += size;
            known.order.push_back(name);
        }
    }

    /// Forgets a request that has no answer.
    fn give_up(&self, name: Name) {
        let mut known = self.lock();
        if known
            .requests
            .get(&name)
            .is_some_and(|kept| kept.answer.is_none())
        {
            known.requests.remove(&name);
        }
    }
}

impl Known {
    /// Forgets what is old, and what is too much.
    fn forget(&mut self, now: Timestamp) {
        while let Some(name) = self.order.front() {
            let kept = self.requests.get(name);
            let is_old = kept.is_none_or(|kept| now.duration_since(kept.at) >= KEPT);
            if !is_old && self.order.len() < ANSWERS_MAX && self.bytes < BYTES_MAX {
                return;
            }
            let answer = self.requests.remove(name).and_then(|kept| kept.answer);
            self.bytes -= answer.map_or(0, |answer| answer.body.len());
            self.order.pop_front();
        }
    }
}

/// A request that has begun. It is forgotten when nobody waits for it any more.
struct Begun<'k> {
    keyed: &'k Keyed,
    name: Name,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.keyed.give_up(self.name);
    }
}

/// Gives a POST with a known key the answer of before.
pub(crate) async fn keyed(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let known = request.app_data::<web::Data<Keyed>>().cloned();
    let gateway = request.app_data::<web::Data<Gateway>>().cloned();
    let key = request.headers().get(KEY).cloned();
    let (Some(known), Some(gateway), Some(key), true) = (known, gateway, key, acts(&request))
    else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let body = request.extract::<Bytes>().await?;
    let begun = name(&request, &key).and_then(|name| {
        let hash = Sha256::digest(&body).into();
        let before = known.begin(name, hash, gateway.clock.now())?;
        Ok((name, before))
    });
    let (name, before) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            return Ok(request
                .into_response(error.error_response())
                .map_into_right_body());
        }
    };
    if let Some(answer) = before {
        return Ok(request.into_response(answer.again()).map_into_right_body());
    }
    let begun = Begun {
        keyed: &known,
        name,
    };
    request.set_payload(Payload::from(body));
    let response = next.call(request).await?;
    if !response.status().is_success() || is_secret(response.headers()) {
        return Ok(response.map_into_left_body());
    }
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let body = to_bytes(body)
        .await
        .map_err(|error| ErrorInternalServerError(error.into()))?;
    let kept = [CONTENT_TYPE, LOCATION].into_iter().filter_map(|name| {
        let value = response.headers().get(&name).cloned();
        value.map(|value| (name, value))
    });
    known.keep(
        begun.name,
        Answer {
            status: response.status(),
            headers: kept.collect(),
            body: body.clone(),
        },
    );
    let response = response.set_body(BoxBody::new(body));
    Ok(ServiceResponse::new(request, response).map_into_right_body())
}

/// Whether this is a POST that changes something. The body of another one can be larger than what is read here.
fn acts(request: &ServiceRequest) -> bool {
    let pattern = request.match_pattern().unwrap_or_default();
    request.method() == Method::POST && roles::acts(request.method(), &pattern)
}

/// Whether the answer must not be stored: it shows a key, and each answer that shows it has a row in the audit.
fn is_secret(headers: &HeaderMap) -> bool {
    headers
        .get(CACHE_CONTROL)
        .is_some_and(|value| value == "no-store")
}

fn name(request: &ServiceRequest, key: &HeaderValue) -> Failing<Name> {
    let valid = key.to_str().is_ok() && (1..=KEY_BYTES_MAX).contains(&key.len());
    if !valid {
        let message = format!(
            "`Idempotency-Key` must have 1 to {KEY_BYTES_MAX} characters of ASCII, such as a UUID"
        );
        return Err(ApiError::bad_request(message).at_parameter("Idempotency-Key"));
    }
    let sender = who(request.request()).map_or_else(String::new, |who| who.name);
    let path = request.uri().path_and_query();
    let path = path.map_or("", |path| path.as_str());
    let mut hash = Sha256::new();
    for part in [sender.as_bytes(), path.as_bytes(), key.as_bytes()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps an answer with a body of this size, and gives how many are kept afterwards.
    fn remember(keyed: &Keyed, number: usize, bytes: usize) -> usize {
        let mut name = Name::default();
        name[..8].copy_from_slice(&number.to_be_bytes());
        let before = keyed.begin(name, [0; 32], Timestamp::UNIX_EPOCH);
        assert!(before.is_ok_and(|before| before.is_none()));
        let answer = Answer {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: vec![0; bytes].into(),
        };
        keyed.keep(name, answer);
        keyed.lock().requests.len()
    }

    #[test]
    fn the_oldest_answers_are_forgotten_when_there_are_too_many_or_they_are_too_large() {
        let keyed = Keyed::default();
        let most = (0..ANSWERS_MAX * 2).map(|number| remember(&keyed, number, 10));
        assert_eq!(most.max(), Some(ANSWERS_MAX));
        let keyed = Keyed::default();
        let quarter = BYTES_MAX / 4;
        let most = (0..20).map(|number| remember(&keyed, number, quarter));
        assert_eq!(most.max(), Some(4));
    }
}
