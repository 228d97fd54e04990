//! A condition of a recipe over a message.

use std::sync::Arc;

use campanile_language::Condition;
use serde_json::{Map, Value};

use super::form::{Text, Wrong};
use super::names::{Extra, Names, Wants};
use crate::{Class, Failure, Message};

/// Sees the names of templates.
#[derive(Debug)]
pub(super) struct When {
    condition: Condition,
    part: &'static str,
    wants: Wants,
    names: Arc<Names>,
}

impl When {
    pub(super) fn compile(
        part: &'static str,
        text: &Text,
        names: &Arc<Names>,
    ) -> Result<Self, Wrong> {
        let condition = Condition::compile_with(text.get_ref(), names.samples());
        Ok(Self {
            condition: condition.map_err(|mistake| Wrong::new(part, text, mistake))?,
            part,
            wants: Wants::of(&std::iter::once(text)),
            names: Arc::clone(names),
        })
    }

    /// Whether it holds for a message with this text.
    pub(super) fn holds(
        &self,
        message: &Message,
        text: &Map<String, Value>,
        extra: &Extra<'_>,
    ) -> Result<bool, Failure> {
        let facts = self.names.facts(message, text.clone(), extra, self.wants);
        let holds = self.condition.holds(&facts);
        holds.map_err(|failed| {
            let reason = format!(
                "the expression `{}` of the recipe fails: {failed}",
                self.part
            );
            Failure::new(Class::Poison, reason)
        })
    }
}
