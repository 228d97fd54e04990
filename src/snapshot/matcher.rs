//! `match`, `regex` and `when`, compiled: what routes and silences ask of an alert.

use std::cell::OnceCell;

use campanile_language::{Condition, Facts, Failed, Field, Mistake, Pattern};
use campanile_model::Alert;

use super::index::Equalities;
use crate::config::Matching;

/// What must hold of an alert, all of it.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Each field with the values that it may have.
    pub equal: Equalities,
    /// Each field with the pattern of its whole value.
    patterns: Vec<(Field, Pattern)>,
    /// Its condition; none holds for every alert.
    condition: Option<Condition>,
}

/// Which of the three is wrong, and what is wrong with it.
pub type Wrong = (&'static str, Mistake);

/// An alert that is asked about. What Jinja sees costs more than many `match` tables, so it is made for the first `when`.
pub struct Asked<'a> {
    alert: &'a Alert,
    facts: OnceCell<Facts>,
}

impl<'a> Asked<'a> {
    /// This alert.
    pub fn of(alert: &'a Alert) -> Self {
        let facts = OnceCell::new();
        Self { alert, facts }
    }

    /// The alert.
    pub fn alert(&self) -> &'a Alert {
        self.alert
    }
}

impl Matcher {
    /// Compiles it.
    ///
    /// # Errors
    /// Every mistake.
    pub fn compile(matching: &Matching) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut put = |setting, mistake| wrong.push((setting, mistake));
        let mut equal = Vec::new();
        for (name, values) in &matching.matches {
            match field(name) {
                Ok(field) => equal.push((field, values.clone())),
                Err(mistake) => put("match", mistake),
            }
        }
        let mut patterns = Vec::new();
        for (name, pattern) in &matching.regex {
            let compiled = field(name).and_then(|field| Ok((field, Pattern::compile(pattern)?)));
            match compiled {
                Ok(compiled) => patterns.push(compiled),
                Err(mistake) => put("regex", mistake),
            }
        }
        let when = matching.when.as_deref().map(Condition::compile).transpose();
        let condition = when.map_err(|mistake| put("when", mistake));
        match condition {
            Ok(condition) if wrong.is_empty() => Ok(Self {
                equal,
                patterns,
                condition,
            }),
            _ => Err(wrong),
        }
    }

    /// Whether every alert fits.
    pub fn is_open(&self) -> bool {
        self.equal.is_empty() && self.patterns.is_empty() && self.condition.is_none()
    }

    /// Whether the alert fits. The cheap questions come first.
    ///
    /// # Errors
    /// The condition fails on this alert.
    pub fn holds(&self, asked: &Asked<'_>) -> Result<bool, Failed> {
        let equal = self.equal.iter().all(|(field, values)| {
            let value = field.of(asked.alert);
            values.iter().any(|wanted| *wanted == value)
        });
        let mut patterns = self.patterns.iter();
        if !equal || !patterns.all(|(field, pattern)| pattern.holds(&field.of(asked.alert))) {
            return Ok(false);
        }
        let Some(when) = &self.condition else {
            return Ok(true);
        };
        when.holds(asked.facts.get_or_init(|| Facts::of(asked.alert)))
    }
}

fn field(name: &str) -> Result<Field, Mistake> {
    Field::parse(name).map_err(|not| Mistake::at(name, 0, format!("`{name}` {}", not.message)))
}
