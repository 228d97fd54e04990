//! From a callback to alerts: which source it is for, whether its sender is verified, and what it says.
//!
//! Pure: equal input, equal output. The gateway, `campanile try`, the quarantine and `renormalize` all ask here.
//! What has to be fetched for a proof is asked for as [`Taken::Needs`].

pub mod admit;
pub mod documents;
pub mod drift;
pub mod identity;
pub mod own;
mod read;
pub mod shown;
pub mod target;
pub mod verdict;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::{Callback, Fault};
use campanile_providers::{Answer, Asks, Needed};
use jiff::Timestamp;

pub use admit::Turned;
pub use read::{Identified, Read, read};
pub use target::{Door, Target};
pub use verdict::{Reason, Verdict};

use crate::snapshot::{Snapshot, Source};
use admit::{Admitted, Asked};

/// What a request comes to.
#[derive(Debug)]
pub enum Taken<'s> {
    /// The sender is verified: this is to be stored.
    Kept(&'s Source, Kept),
    /// The sender is verified and asks for a list of the last alerts of this source.
    List(&'s Source),
    /// `OPTIONS`: the headers by which a provider consents to be called.
    Consent(Vec<(&'static str, String)>),
    /// The proof of this source needs a document: put it into the callback and ask again.
    Needs(&'s Source, Needed),
    /// It is not taken.
    Turned(Turned<'s>),
}

/// A verified callback, to be stored.
#[derive(Debug)]
pub struct Kept {
    /// When it came.
    pub received_at: Timestamp,
    /// The raw request, without its secrets.
    pub raw: Vec<u8>,
    /// The address of the caller.
    pub from: Option<IpAddr>,
    /// The answer when it is stored, without its secrets. None when that depends on what the store already has.
    pub answer: Option<Answer>,
    /// What it says.
    pub read: Read,
    /// Why it is quarantined unread.
    pub stray: Option<Stray>,
}

/// Why a verified callback that came by the shared path is quarantined unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// No source whose proof holds recognises it.
    Unrecognized,
    /// Sources of more than one vendor do.
    Ambiguous,
}

/// What is asked of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// That its proof holds.
    Proven,
    /// Nothing: an operator vouches for it (`campanile try --believe`).
    Given,
}

/// Takes a request that came to `target`.
pub fn take<'s>(
    target: &Target<'s, '_>,
    call: &Callback,
    snapshot: &'s Snapshot,
    trust: Trust,
) -> Taken<'s> {
    take_in_steps(target, call, snapshot, trust, || ())
}

/// The same, and calls `verified` when the sender is verified and the message is not read yet.
pub fn take_in_steps<'s>(
    target: &Target<'s, '_>,
    call: &Callback,
    snapshot: &'s Snapshot,
    trust: Trust,
    verified: impl FnOnce(),
) -> Taken<'s> {
    let asked = Asked {
        snapshot,
        call,
        trust,
    };
    if call.method == "OPTIONS" {
        return Taken::Consent(consent(target, asked).unwrap_or_default());
    }
    if !target.serves(&call.method, snapshot) {
        return Taken::Turned(Turned {
            source: target.source(),
            verdict: Verdict::Rejected(Reason::Method),
        });
    }
    match asked.admit(target.door) {
        Ok(admitted) if target.asks() == Asks::List => Taken::List(admitted.source),
        Ok(admitted) => {
            verified();
            Taken::Kept(admitted.source, keep(admitted, call))
        }
        Err(turned) => needed(turned, call),
    }
}

/// The callback that `source` once sent and the store kept as `raw`.
///
/// # Errors
/// What was kept is not a request.
pub fn stored(source: &Source, raw: &[u8], received_at: Timestamp) -> Result<Callback, Fault> {
    let call = Callback::from_http(raw);
    let mut call = call.map_err(|error| Fault::new("callback", error.to_string()))?;
    call.received_at = Some(received_at);
    call.chinese = source.expects_chinese();
    Ok(call)
}

/// Reads and keeps a callback of `source` whose sender is verified.
pub fn keep_of(source: &Source, call: &Callback) -> Kept {
    keep(source.into(), call)
}

fn keep(admitted: Admitted<'_>, call: &Callback) -> Kept {
    let Admitted { source, stray } = admitted;
    let received_at = call.received_at.unwrap_or_default();
    let digests = source.provider.proof(call, &source.settings).digests();
    let raw = read::raw(source, call, &digests);
    let (stray, read) = match stray {
        Some((stray, fault)) => (Some(stray), unread(fault)),
        None => (None, read(source, call, received_at)),
    };
    Kept {
        received_at,
        raw,
        from: call.peer,
        answer: verdict::expected(source, call, &read, &digests),
        read,
        stray,
    }
}

fn unread(fault: Fault) -> Read {
    Read {
        faults: vec![fault],
        ..Read::default()
    }
}

/// Asks for the certificate or the keys that a proof lacks.
fn needed<'s>(turned: Turned<'s>, call: &Callback) -> Taken<'s> {
    let lacking = turned.source.filter(|_| turned.needs_document());
    let needed = lacking.and_then(|source| {
        let needed = source.provider.proof(call, &source.settings).needs()?;
        Some(Taken::Needs(source, needed))
    });
    needed.unwrap_or(Taken::Turned(turned))
}

/// Consent is given only where the proof holds; an unauthenticated sender does not learn the reason.
fn consent(target: &Target<'_, '_>, asked: Asked<'_, '_>) -> Option<Vec<(&'static str, String)>> {
    let source = target.source()?;
    let handshake = AssertUnwindSafe(|| source.provider.handshake(asked.call));
    let headers = catch_unwind(handshake).ok().flatten()?;
    asked.check(source).ok().map(|()| headers)
}
