//! A condition of a recipe over a message.

use campanile_language::Condition;
use serde_json::{Map, Value};

use super::form::{Text, Wrong};
use super::request::{Extra, Wants, names, samples};
use crate::{Class, Failure, Message, digest};

/// Sees the names of templates.
#[derive(Debug)]
pub(super) struct When {
    condition: Condition,
    part: &'static str,
    wants: Wants,
    /// What it sees as `settings` and `words`.
    fixed: Map<String, Value>,
}

impl When {
    pub(super) fn compile(
        part: &'static str,
        text: &Text,
        fixed: &Map<String, Value>,
    ) -> Result<Self, Wrong> {
        let condition = Condition::compile_with(text.get_ref(), &samples(fixed));
        Ok(Self {
            condition: condition.map_err(|mistake| Wrong::new(part, text, mistake))?,
            part,
            wants: Wants::of(&std::iter::once(text)),
            fixed: fixed.clone(),
        })
    }

    /// Whether it holds for a message with this text.
    pub(super) fn holds(
        &self,
        message: &Message,
        text: &Map<String, Value>,
        extra: &Extra<'_>,
    ) -> Result<bool, Failure> {
        let names = names(&self.fixed, message, text.clone(), extra, self.wants);
        let holds = self.condition.holds(&digest::facts(message).with(&names));
        holds.map_err(|failed| {
            let reason = format!(
                "the expression `{}` of the recipe fails: {failed}",
                self.part
            );
            Failure::new(Class::Poison, reason)
        })
    }
}
