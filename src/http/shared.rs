//! Who is believed: by one source, by any that recognizes the request, or by those that stand in for UCloud's demo.

use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::Callback;
use campanile_providers::{Refusal, verify};

use super::ending::{Ending, Reason};
use super::{Inlet, Plan};

/// Who might take the request that came to a path.
#[derive(Clone, Copy)]
pub(super) enum Door<'p> {
    /// The one that the path names.
    One(&'p Inlet),
    /// Any that recognizes it.
    Any,
    /// Those with `demo_paths`.
    Demo,
    /// Those whose protocol has this path.
    Own(&'static str),
}

/// A request that nobody takes, with the source in whose form it is answered.
pub(super) type Turned<'p> = (Option<&'p Inlet>, Ending);

impl<'p> Door<'p> {
    /// The source that answers whatever happens, where there is only one.
    pub(super) fn only(self) -> Option<&'p Inlet> {
        match self {
            Self::One(inlet) => Some(inlet),
            Self::Any | Self::Demo | Self::Own(_) => None,
        }
    }

    /// The methods that are taken, as `Allow` names them.
    pub(super) fn methods(self, plan: &'p Plan) -> Vec<&'p str> {
        match self {
            Self::One(inlet) => inlet.feed.provider.about().methods.clone(),
            Self::Demo => vec!["POST"],
            Self::Any => methods(plan.inlets.iter()),
            Self::Own(path) => methods(own_inlets(plan, path)),
        }
    }

    /// The first source that believes the sender.
    pub(super) fn admit(self, plan: &'p Plan, call: &Callback) -> Result<&'p Inlet, Turned<'p>> {
        match self {
            Self::One(inlet) => check(inlet, call)
                .map(|()| inlet)
                .map_err(|ending| (Some(inlet), ending)),
            Self::Any => any(plan, call),
            Self::Demo => first_believer(demo_inlets(plan), call),
            Self::Own(path) => first_believer(own_inlets(plan, path), call),
        }
    }
}

/// The first source that knows the request and believes its sender, unless one of another vendor does so too.
fn any<'p>(plan: &'p Plan, call: &Callback) -> Result<&'p Inlet, Turned<'p>> {
    let known: Vec<&Inlet> = plan
        .inlets
        .iter()
        .filter(|inlet| recognizes(inlet, call))
        .collect();
    let first = first_believer(known.iter().copied(), call)?;
    let vendor = |inlet: &Inlet| inlet.feed.provider.name().to_owned();
    let others = known
        .iter()
        .filter(|inlet| vendor(inlet) != vendor(first) && check(inlet, call).is_ok());
    let names: Vec<&str> = others.map(|inlet| &*inlet.name).collect();
    if names.is_empty() {
        return Ok(first);
    }
    let told = format!(
        "this may be for {} or {}: call /callback/<one of them>",
        first.name,
        names.join(" or ")
    );
    Err((None, Ending::Ambiguous(told)))
}

/// The methods of these sources, each once.
fn methods<'p>(inlets: impl Iterator<Item = &'p Inlet>) -> Vec<&'p str> {
    let all = inlets.flat_map(|inlet| &inlet.feed.provider.about().methods);
    let mut all: Vec<_> = all.copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The sources whose protocol has this path.
fn own_inlets<'p>(plan: &'p Plan, path: &'static str) -> impl Iterator<Item = &'p Inlet> {
    let inlets = plan.inlets.iter();
    inlets.filter(move |inlet| inlet.has_path(path))
}

/// The sources that stand in for UCloud's demo server.
pub(super) fn demo_inlets(plan: &Plan) -> impl Iterator<Item = &Inlet> {
    plan.inlets.iter().filter(|inlet| inlet.source().demo_paths)
}

/// The first that believes; else the answer is that of the first that may believe once it has a certificate or a key, or
/// of the first that was asked.
pub(super) fn first_believer<'p>(
    inlets: impl Iterator<Item = &'p Inlet>,
    call: &Callback,
) -> Result<&'p Inlet, Turned<'p>> {
    let mut turned = (None, Ending::Rejected(Reason::Unrecognized));
    for inlet in inlets {
        match check(inlet, call) {
            Ok(()) => return Ok(inlet),
            Err(ending) if turned.0.is_none() || may_yet(&ending) && !may_yet(&turned.1) => {
                turned = (Some(inlet), ending);
            }
            Err(_) => {}
        }
    }
    Err(turned)
}

/// Whether nothing but a certificate or a key is missing.
fn may_yet(ending: &Ending) -> bool {
    matches!(ending, Ending::Refused(Refusal::Uncertified))
}

fn recognizes(inlet: &Inlet, call: &Callback) -> bool {
    let provider = &inlet.feed.provider;
    let spoken = provider.about().methods.contains(&call.method.as_str());
    spoken && catch_unwind(AssertUnwindSafe(|| provider.recognizes(call))).unwrap_or(false)
}

/// Whether the source believes the sender. Where it cannot because the proof lies in a body that is not readable, that is
/// said instead.
pub(super) fn check(inlet: &Inlet, call: &Callback) -> Result<(), Ending> {
    let source = inlet.source();
    let held = catch_unwind(AssertUnwindSafe(|| {
        verify(&*inlet.feed.provider, call, source)
    }));
    let refusal = match held.unwrap_or(Err(Refusal::Wrong)) {
        Ok(()) => return Ok(()),
        Err(refusal) => refusal,
    };
    let key_missing = !source.keys.is_empty() && call.key.is_none();
    if refusal == Refusal::Missing && !key_missing && call.text().is_err() {
        return Err(Ending::Rejected(Reason::Fault));
    }
    Err(Ending::Refused(refusal))
}
