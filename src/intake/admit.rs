//! Which source takes a request: one whose proof holds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::{Callback, Fault};
use campanile_providers::{Refusal, verify};

use super::target::Door;
use super::verdict::{Reason, Verdict};
use super::{Stray, Trust};
use crate::snapshot::{Snapshot, Source};

/// A request that no source takes, with the source in whose form it is answered.
#[derive(Debug)]
pub struct Turned<'s> {
    /// That source, where there is one.
    pub source: Option<&'s Source>,
    /// Why it is not taken.
    pub verdict: Verdict,
}

/// A request whose sender is verified.
pub(super) struct Admitted<'s> {
    pub(super) source: &'s Source,
    /// It came by the shared path, and whose it is cannot be said.
    pub(super) stray: Option<(Stray, Fault)>,
}

impl<'s> From<&'s Source> for Admitted<'s> {
    fn from(source: &'s Source) -> Self {
        let stray = None;
        Self { source, stray }
    }
}

/// The sources, the request and what is asked of its sender.
#[derive(Clone, Copy)]
pub(super) struct Asked<'s, 'c> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) call: &'c Callback,
    pub(super) trust: Trust,
}

impl<'s> Asked<'s, '_> {
    pub(super) fn admit(self, door: Door<'s>) -> Result<Admitted<'s>, Turned<'s>> {
        match door {
            Door::One(source) => self.first(std::iter::once(source)).map(Into::into),
            Door::Own(own) => self.first(self.snapshot.at(&own.sources)).map(Into::into),
            Door::Any => self.any(),
        }
    }

    /// The first source that recognises the request and whose proof holds. Where another vendor's does so too, or where
    /// a proof holds and no such source recognises the request, it is a stray.
    fn any(self) -> Result<Admitted<'s>, Turned<'s>> {
        let all = self.snapshot.sources.iter();
        let spoken = |source: &&Source| source.methods().contains(&self.call.method.as_str());
        let (known, strange): (Vec<_>, Vec<_>) = all
            .filter(spoken)
            .partition(|source| self.recognizes(source));
        match self.first(known.iter().copied()) {
            Ok(first) => Ok(self.sole(first, &known)),
            Err(turned) => self.stray(&known, &strange, turned),
        }
    }

    /// `first`, unless a source of another vendor recognises the request too and its proof holds.
    fn sole(self, first: &'s Source, known: &[&'s Source]) -> Admitted<'s> {
        let others = known
            .iter()
            .filter(|source| source.vendor() != first.vendor() && self.holds(source));
        let names: Vec<&str> = others.map(|source| &*source.name).collect();
        if names.is_empty() {
            return first.into();
        }
        let problem = format!(
            "this is ambiguous: {} and {} both recognise it, and the proof of each holds; \
             have the vendor call /callback/{} or the path of the other",
            first.name,
            names.join(" and "),
            first.name,
        );
        let stray = Some((Stray::Ambiguous, Fault::new("path", problem)));
        Admitted {
            source: first,
            stray,
        }
    }

    /// The source whose secret the request carries, although no such source recognises it. An open source has no secret:
    /// it is asked last, and only where no source recognises the request.
    fn stray(
        self,
        known: &[&'s Source],
        strange: &[&'s Source],
        turned: Turned<'s>,
    ) -> Result<Admitted<'s>, Turned<'s>> {
        // A request without content has no message that could be lost. A proxy's redirect turns a POST into such a GET:
        // its sender has to get a failure.
        let empty = self.call.body.is_empty() && self.call.query.is_empty();
        if empty || self.trust == Trust::Given || turned.needs_document() {
            return Err(turned);
        }
        let (open, closed): (Vec<&Source>, Vec<&Source>) = strange
            .iter()
            .copied()
            .partition(|source| source.settings.open);
        let asked = closed
            .into_iter()
            .chain(open)
            .filter(|source| known.is_empty() || !source.settings.open);
        let asked: Vec<&Source> = asked.collect();
        let first = match self.first(asked.iter().copied()) {
            Ok(first) => first,
            Err(waits) if waits.needs_document() => return Err(waits),
            Err(_) => return Err(turned),
        };
        let others = asked
            .iter()
            .filter(|source| source.number != first.number && self.holds(source));
        let others: Vec<&str> = others.map(|source| &*source.name).collect();
        let stray = Some((Stray::Unrecognized, unrecognized(first, &others)));
        Ok(Admitted {
            source: first,
            stray,
        })
    }

    /// The first whose proof holds. Else the answer is that of the first whose proof may hold once a document is there,
    /// or of the first that was asked.
    fn first(self, sources: impl Iterator<Item = &'s Source>) -> Result<&'s Source, Turned<'s>> {
        let mut turned = Turned {
            source: None,
            verdict: Verdict::Rejected(Reason::Unrecognized),
        };
        for source in sources {
            match self.check(source) {
                Ok(()) => return Ok(source),
                Err(verdict) => {
                    let next = Turned {
                        source: Some(source),
                        verdict,
                    };
                    if turned.source.is_none() || next.needs_document() && !turned.needs_document()
                    {
                        turned = next;
                    }
                }
            }
        }
        Err(turned)
    }

    fn recognizes(self, source: &Source) -> bool {
        let asked = AssertUnwindSafe(|| source.provider.recognizes(self.call));
        catch_unwind(asked).unwrap_or(false)
    }

    fn holds(self, source: &Source) -> bool {
        self.check(source).is_ok()
    }

    /// Whether the proof of `source` holds. Where it does not because the body that carries it cannot be read, the answer
    /// says that instead.
    pub(super) fn check(self, source: &Source) -> Result<(), Verdict> {
        if self.trust == Trust::Given {
            return Ok(());
        }
        let settings = &source.settings;
        let asked = AssertUnwindSafe(|| verify(&*source.provider, self.call, settings));
        let refusal = match catch_unwind(asked).unwrap_or(Err(Refusal::Wrong)) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        let key_missing = !settings.keys.is_empty() && self.call.key.is_none();
        if refusal == Refusal::Missing && !key_missing && self.call.text().is_err() {
            return Err(Verdict::Rejected(Reason::Fault));
        }
        Err(Verdict::Refused(refusal))
    }
}

impl Turned<'_> {
    /// Whether only a certificate or a key that has to be fetched is missing.
    pub(super) fn needs_document(&self) -> bool {
        matches!(self.verdict, Verdict::Refused(Refusal::Uncertified))
    }
}

fn unrecognized(source: &Source, others: &[&str]) -> Fault {
    let also = if others.is_empty() {
        String::new()
    } else {
        format!(" (and that of {})", others.join(", "))
    };
    let problem = format!(
        "the proof of {}{also} holds, but this is not a known message of {}; \
         have the vendor call the path of its own source",
        source.name,
        source.vendor(),
    );
    Fault::new("path", problem)
}
