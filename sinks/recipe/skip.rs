//! `skip`: messages that a recipe does not send. They count as delivered, with a remark.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::form::{Text, Wrong};
use super::names::{Extra, Names};
use super::when::When;
use crate::{Failure, Message};

/// One rule of `skip`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    /// A condition over the names of templates.
    when: Text,
    /// Why the message is not sent.
    says: String,
}

/// All rules, compiled.
#[derive(Debug)]
pub(super) struct Skips(Vec<(When, String)>);

impl Skips {
    pub(super) fn compile(rules: &[Skip], names: &Arc<Names>) -> Result<Self, Wrong> {
        let rules = rules.iter().map(|rule| {
            let when = When::compile("skip", &rule.when, names)?;
            Ok((when, rule.says.clone()))
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why the message with this text is not sent: the first rule that holds.
    pub(super) fn reason(
        &self,
        message: &Message,
        text: &Map<String, Value>,
        extra: &Extra<'_>,
    ) -> Result<Option<&str>, Failure> {
        for (when, says) in &self.0 {
            if when.holds(message, text, extra)? {
                return Ok(Some(says));
            }
        }
        Ok(None)
    }
}
