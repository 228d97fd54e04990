//! The declaration of a signature: its message, algorithm and place.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Part, Place};
use crate::mapping::view::View;
use crate::source::Source;
use crate::trust::proof::Proof;
use crate::trust::signature::{Algorithm, Encoding, SecretForm};
use campanile_language::Expression;
use campanile_language::filters;
use campanile_language::time::{self, Moment};
use campanile_model::Callback;

/// A keyed hash or a signature over a message.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) place: Place,
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: Encoding,
    pub(crate) secret: SecretForm,
    pub(crate) prefixes: Vec<String>,
    pub(crate) message: Vec<Part>,
    pub(crate) tolerance: Option<(Expression, f64)>,
}

impl Signature {
    pub(crate) fn of<'a>(
        &self,
        call: &'a Callback,
        source: &'a Source,
        view: &Arc<View>,
    ) -> Proof<'a> {
        let Some(message) = self.message(call, source.own.text("user"), view) else {
            // A part of the signed message is absent: no signature can be valid.
            return Proof::Absent;
        };
        let given = self.place.given(view).unwrap_or_default();
        let proof = Proof::Signature {
            algorithm: self.algorithm,
            given: self.candidates(&given),
            message,
            secret: self.secret,
            wanted: &source.tokens,
        };
        match &self.tolerance {
            None => proof,
            Some((timestamp, tolerance)) => Proof::All(vec![
                proof,
                Proof::Recent {
                    at: signed_at(timestamp, view),
                    now: call.received_at,
                    tolerance: *tolerance,
                },
            ]),
        }
    }

    /// The decoded signatures in the call. During the rotation of a secret there are several.
    fn candidates(&self, given: &str) -> Vec<Vec<u8>> {
        let pieces = given
            .split([',', ' '])
            .map(str::trim)
            .filter(|p| !p.is_empty());
        // `v1,<base64>` is one piece: its prefix ends with the separator.
        let joined = self.prefixes.iter().any(|prefix| prefix.ends_with(','));
        let pieces: Vec<&str> = if joined {
            given.split_whitespace().collect()
        } else {
            pieces.collect()
        };
        let bare = pieces.into_iter().filter_map(|piece| {
            if self.prefixes.is_empty() {
                return Some(piece);
            }
            self.prefixes
                .iter()
                .find_map(|prefix| piece.strip_prefix(prefix.as_str()))
        });
        bare.filter_map(|text| self.encoding.decode(text)).collect()
    }

    pub(crate) fn message<'a>(
        &self,
        call: &'a Callback,
        user: Option<&str>,
        view: &Arc<View>,
    ) -> Option<Vec<Cow<'a, [u8]>>> {
        self.message
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(Cow::Owned(text.clone().into_bytes())),
                Part::Body => Some(Cow::Borrowed(call.body.as_slice())),
                Part::User => user.map(|user| Cow::Owned(user.as_bytes().to_vec())),
                Part::Value(expression) => {
                    let text = filters::text(&expression.eval(view).ok()?)?;
                    Some(Cow::Owned(text.into_bytes()))
                }
            })
            .collect()
    }
}

fn signed_at(timestamp: &Expression, view: &Arc<View>) -> Option<jiff::Timestamp> {
    let value = timestamp.eval(view).ok()?;
    let moment = match value.as_str() {
        Some(text) => time::parse(text, &jiff::tz::TimeZone::UTC),
        None => filters::moment(&value, &jiff::tz::TimeZone::UTC),
    };
    match moment {
        Moment::At(at) => Some(at),
        Moment::Never | Moment::Fault => None,
    }
}
