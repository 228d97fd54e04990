//! Changes alerts before their sinks are chosen and before they are stored. Pure: equal input, equal output.

use std::collections::BTreeSet;

use campanile_language::{Facts, Target};
use campanile_model::{Alert, Secret, Severity, Status};

use super::redaction;
use crate::snapshot::matcher::Asked;
use crate::snapshot::rewrites::{Compiled, Rewrites};

/// What the rewrites did to the alerts of one callback.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// What each rewrite that applied to an alert did, for each alert in their order.
    pub alerts: Vec<Vec<Applied>>,
    /// The values that were redacted and that must not stay elsewhere in the callback.
    pub secrets: Vec<Secret>,
}

/// What one rewrite did to an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the file, from 0.
    pub rewrite: usize,
    /// The fields that it changed.
    pub changes: Vec<Change>,
    /// What it could not do.
    pub failed: Vec<Failed>,
}

/// One field before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub field: String,
    /// Its value before.
    pub old: String,
    /// Its value now.
    pub new: String,
}

/// Something that a rewrite could not do. The alert goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The field; empty where it is about the whole rewrite.
    pub field: String,
    /// What happened.
    pub why: Why,
    /// The same in words. It holds no value of the alert.
    pub words: String,
}

/// The kinds of what can go wrong, for a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// An expression or the condition failed.
    Expression,
    /// An expression gave no value.
    Absent,
    /// The alert cannot take the value.
    Value,
    /// No row of the table has the key.
    Key,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Expression, Self::Absent, Self::Value, Self::Key];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expression => "expression",
            Self::Absent => "absent",
            Self::Value => "value",
            Self::Key => "key",
        }
    }
}

/// Rewrites the alerts of one callback.
pub fn rewrite<'a>(
    alerts: impl IntoIterator<Item = &'a mut Alert>,
    rewrites: &Rewrites,
) -> Rewritten {
    if rewrites.is_empty() {
        return Rewritten::default();
    }
    let mut alerts: Vec<&mut Alert> = alerts.into_iter().collect();
    let mut secrets: Vec<BTreeSet<String>> = Vec::new();
    let mut done: Vec<Vec<Applied>> = Vec::new();
    for alert in &mut alerts {
        let mut one = One {
            alert,
            applied: Vec::new(),
            secrets: BTreeSet::new(),
        };
        one.all(rewrites);
        done.push(one.applied);
        secrets.push(one.secrets);
    }
    let secrets = redaction::everywhere(&mut alerts, &mut done, &secrets);
    Rewritten {
        alerts: done,
        secrets,
    }
}

/// One alert on its way through the rewrites.
struct One<'a> {
    alert: &'a mut Alert,
    applied: Vec<Applied>,
    secrets: BTreeSet<String>,
}

impl One<'_> {
    fn all(&mut self, rewrites: &Rewrites) {
        let mut next = 0;
        let mut places = rewrites.index.candidates(self.alert);
        while let Some(place) = places.iter().copied().find(|place| *place >= next) {
            next = place + 1;
            let Some(rewrite) = rewrites.all.get(place) else {
                return;
            };
            // A change can make other rewrites match.
            if self.one(place, rewrite) {
                places = rewrites.index.candidates(self.alert);
            }
        }
    }

    /// Applies one rewrite if it matches. Whether it changed the alert.
    fn one(&mut self, place: usize, rewrite: &Compiled) -> bool {
        let mut applied = Applied {
            rewrite: place,
            ..Applied::default()
        };
        match rewrite.matcher.holds(&Asked::of(self.alert)) {
            Ok(false) => return false,
            Ok(true) => self.set(rewrite, &mut applied),
            // What must stay hidden is hidden also where it is not known whether it must.
            Err(error) => applied.fail("when", Why::Expression, error.to_string()),
        }
        for target in &rewrite.redact {
            self.redact(target, &mut applied);
        }
        let changed = !applied.changes.is_empty();
        self.applied.push(applied);
        changed
    }

    /// All expressions see the alert as it was before this rewrite.
    fn set(&mut self, rewrite: &Compiled, applied: &mut Applied) {
        if rewrite.set.is_empty() {
            return;
        }
        let row = rewrite.table.as_ref().map(|table| table.row(self.alert));
        if let (Some(None), Some(table)) = (&row, &rewrite.table) {
            let words = format!(
                "no row of the table {} has the key of the alert",
                table.name
            );
            applied.fail("", Why::Key, words);
            return;
        }
        let facts = Facts::of_row(self.alert, row.flatten().as_ref());
        for (target, formula) in &rewrite.set {
            match formula.value(&facts) {
                Ok(Some(value)) => self.put(target, value, applied),
                Ok(None) => {
                    let words = "the expression gives no value".to_owned();
                    applied.fail(&target.name(), Why::Absent, words);
                }
                Err(error) => applied.fail(&target.name(), Why::Expression, error.to_string()),
            }
        }
    }

    fn put(&mut self, target: &Target, value: String, applied: &mut Applied) {
        // Many vendors send no severity with a recovery. What they did not send stays unknown.
        let unknown = self.alert.severity == Severity::Unknown;
        if target.is_severity() && unknown && self.alert.status == Status::Resolved {
            return;
        }
        let old = target.field().of(self.alert).into_owned();
        match target.set(self.alert, value) {
            Ok(()) => applied.change(target, old, &target.field().of(self.alert)),
            Err(unfit) => applied.fail(&target.name(), Why::Value, unfit.to_string()),
        }
    }

    fn redact(&mut self, target: &Target, applied: &mut Applied) {
        let old = target.field().of(self.alert).into_owned();
        if old.is_empty() || old == redaction::HIDDEN {
            return;
        }
        // Three stars fit every field.
        let _fits = target.set(self.alert, redaction::HIDDEN.to_owned());
        applied.change(target, redaction::HIDDEN.to_owned(), redaction::HIDDEN);
        self.secrets.insert(old);
    }
}

impl Applied {
    fn change(&mut self, target: &Target, old: String, new: &str) {
        if old != new || new == redaction::HIDDEN {
            self.changes.push(Change {
                field: target.name(),
                old,
                new: new.to_owned(),
            });
        }
    }

    fn fail(&mut self, field: &str, why: Why, words: String) {
        self.failed.push(Failed {
            field: field.to_owned(),
            why,
            words,
        });
    }
}
