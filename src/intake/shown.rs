//! What an operator is shown of a callback that is not stored: the reason with the fix, and the request without secrets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::{Callback, Secret};
use campanile_providers::{Refusal, verify};

use super::verdict::{Reason, Verdict};
use crate::snapshot::{Snapshot, Source};

/// In bytes. A longer request is cut.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024;

/// Segments of an unknown path that are shown: `/callback/ucloud/prod`. The next one can be a key.
const SEGMENTS_SHOWN: usize = 3;

/// The reason why this callback is not stored, and the fix.
pub fn reason(
    verdict: &Verdict,
    source: Option<&Source>,
    call: &Callback,
    snapshot: &Snapshot,
) -> String {
    match (verdict, source) {
        (Verdict::Refused(refusal), Some(source)) => refused(*refusal, source, call, snapshot),
        (Verdict::Refused(refusal), None) => refusal.to_string(),
        (Verdict::Rejected(reason), source) => rejected(*reason, source),
        (Verdict::Duplicate, _) => "all its alerts were accepted before".to_owned(),
        (Verdict::Accepted(_) | Verdict::Ignored | Verdict::Quarantined, _) => String::new(),
    }
}

fn refused(refusal: Refusal, source: &Source, call: &Callback, snapshot: &Snapshot) -> String {
    let name = &*source.name;
    match refusal {
        Refusal::Missing => {
            let proof = source.settings.proof_in_words(&*source.provider);
            format!(
                "the call has no proof; {name} needs: {proof}. Copy the whole callback address and the token into the vendor's console"
            )
        }
        Refusal::Wrong => match owner(source, call, snapshot) {
            Some(other) => format!(
                "the key or token is that of {other}; have the vendor call the address of {other}, or enter the key of {name}"
            ),
            None => format!(
                "the key, token or signature is not that of {name}; copy it into the vendor's console again"
            ),
        },
        Refusal::Address => {
            let from = call
                .peer
                .map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string());
            format!(
                "the call came from {from}, which `allow_from` of {name} does not contain; add it if the vendor calls from there"
            )
        }
        Refusal::Stale => format!("{refusal}; check the clocks of both machines"),
        Refusal::Uncertified => {
            format!("{refusal}; check that the gateway reaches the vendor's host")
        }
        Refusal::Unprovable => format!("{refusal}; set a key, a token or `allow_from` for {name}"),
    }
}

/// Another source whose proof holds for this call.
fn owner<'s>(source: &Source, call: &Callback, snapshot: &'s Snapshot) -> Option<&'s str> {
    let mut others = snapshot
        .sources
        .iter()
        .filter(|other| other.number != source.number);
    let holds = |other: &&Source| {
        let asked = AssertUnwindSafe(|| verify(&*other.provider, call, &other.settings));
        !other.settings.open && catch_unwind(asked).is_ok_and(|verified| verified.is_ok())
    };
    others.find(holds).map(|other| &*other.name)
}

fn rejected(reason: Reason, source: Option<&Source>) -> String {
    let fix = match (reason, source) {
        (Reason::NotFound, _) => "; `campanile sources list` prints the address of each source",
        (Reason::NearMiss, Some(source)) => {
            let name = &*source.name;
            return format!(
                "the path is nearly the address of {name}; copy that address into the vendor's console again"
            );
        }
        (Reason::Method, Some(source)) => {
            let methods = source.methods().join(" or ");
            return format!("method not allowed; have the vendor send {methods}");
        }
        (Reason::TooLarge, _) => "; raise `[server] body_bytes_max` if the vendor needs it",
        _ => "",
    };
    format!("{}{fix}", reason.sentence())
}

/// The request without any secret of the configuration and without the proof that it carries, at most
/// [`REQUEST_BYTES_MAX`]. A compressed body is left out.
pub fn request(source: Option<&Source>, call: &Callback, snapshot: &Snapshot) -> String {
    let mut call = call.clone();
    // Cut before the search, which takes time for each byte, and again after it: a secret at the first cut is then gone.
    call.body.truncate(2 * REQUEST_BYTES_MAX);
    if call.header("content-encoding").is_some() {
        call.body.clear();
    }
    let given = source
        .map(|source| given(source, &call))
        .unwrap_or_default();
    let key = call.key.as_deref().map(Secret::from);
    let configured = snapshot.sources.iter().flat_map(|source| {
        let settings = &source.settings;
        settings.keys.iter().chain(&settings.tokens)
    });
    let secrets = given.iter().chain(&key).chain(configured);
    let raw = call.to_http_without(secrets);
    let text = String::from_utf8_lossy(&raw);
    let end = text.floor_char_boundary(REQUEST_BYTES_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}

/// The proof in the call: it can be right for a source that is configured wrongly.
fn given(source: &Source, call: &Callback) -> Vec<Secret> {
    let given = AssertUnwindSafe(|| source.provider.proof(call, &source.settings).given());
    catch_unwind(given).unwrap_or_default()
}

/// A request to a path that is not served. Its query is left out, and what may be a key in its path.
pub fn nowhere(method: &str, path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|text| !text.is_empty()).collect();
    let shown = segments.get(..SEGMENTS_SHOWN).unwrap_or(&segments);
    let rest = if segments.len() > SEGMENTS_SHOWN {
        "/***"
    } else {
        ""
    };
    let line = format!("{method} /{}{rest}", shown.join("/"));
    let end = line.floor_char_boundary(REQUEST_BYTES_MAX);
    line.get(..end).unwrap_or_default().to_owned()
}
