//! The rewrites of a configuration, compiled.

use std::sync::Arc;

use campanile_language::{Formula, Mistake, Target};

use super::index::Index;
use super::matcher::Matcher;
use super::routes::RouteMistake;
use crate::config::{Rewrite, Table};

/// What is changed in alerts.
#[derive(Debug, Default)]
pub struct Rewrites {
    /// The rewrites, in the order of the file.
    pub(crate) all: Vec<Compiled>,
    /// Finds those that can match.
    pub(crate) index: Index,
}

/// One rewrite.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Its name, or its number from 1.
    pub(crate) name: Arc<str>,
    /// Which alerts it changes.
    pub(crate) matcher: Matcher,
    /// The table that its expressions see.
    pub(crate) table: Option<Arc<Table>>,
    /// The fields and their new values.
    pub(crate) set: Vec<(Target, Formula)>,
    /// The fields whose values are hidden.
    pub(crate) redact: Vec<Target>,
}

impl Rewrites {
    /// Compiles them. Every mistake is reported, not only the first.
    pub(super) fn compile(
        rewrites: &[Rewrite],
        tables: &[Arc<Table>],
    ) -> Result<Self, Vec<RouteMistake>> {
        let (mut all, mut mistakes) = (Vec::new(), Vec::new());
        for (number, rewrite) in rewrites.iter().enumerate() {
            match compiled(number, rewrite, tables) {
                Ok(rewrite) => all.push(rewrite),
                Err(wrong) => {
                    let wrong = wrong.into_iter();
                    mistakes.extend(wrong.map(|(setting, mistake)| RouteMistake {
                        section: "rewrites",
                        route: vec![number],
                        setting,
                        mistake,
                    }));
                }
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let index = Index::of(all.iter().map(|rewrite| &rewrite.matcher.equal));
        Ok(Self { all, index })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The names of all, in their order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.all.iter().map(|rewrite| &rewrite.name)
    }
}

fn compiled(
    number: usize,
    rewrite: &Rewrite,
    tables: &[Arc<Table>],
) -> Result<Compiled, Vec<(&'static str, Mistake)>> {
    let table = rewrite.table.and_then(|at| tables.get(at)).cloned();
    let row = table.as_ref().map(|table| table.sample());
    let mut wrong = Vec::new();
    let mut set = Vec::new();
    for (name, text) in &rewrite.set {
        let formula = target(name).and_then(|target| {
            let formula = Formula::compile(text, &target, row.as_ref())?;
            Ok((target, formula))
        });
        match formula {
            Ok(formula) => set.push(formula),
            Err(mistake) => wrong.push(("set", mistake)),
        }
    }
    let mut redact = Vec::new();
    for name in &rewrite.redact {
        match target(name) {
            Ok(target) => redact.push(target),
            Err(mistake) => wrong.push(("redact", mistake)),
        }
    }
    let matcher = Matcher::compile(&rewrite.matching);
    let matcher = matcher.map_err(|more| wrong.extend(more));
    let Ok(matcher) = matcher else {
        return Err(wrong);
    };
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let name = rewrite.name.clone();
    Ok(Compiled {
        name: name.unwrap_or_else(|| (number + 1).to_string()).into(),
        matcher,
        table,
        set,
        redact,
    })
}

fn target(name: &str) -> Result<Target, Mistake> {
    Target::parse(name).map_err(|not| Mistake::at(name, 0, format!("`{name}` {}", not.message)))
}
