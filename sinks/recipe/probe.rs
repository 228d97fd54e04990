//! `[probe]`: a question to the receiver that shows whether the settings are right and sends no message.

use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::form::{Text, Wrong};
use super::names::Names;
use super::request::{Parts, Request};
use super::sign::Sign;
use campanile_language::Success;

/// `[probe]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    request: Request,
    success: Text,
    /// A JSON pointer to what the receiver says about itself or the account.
    says: Option<String>,
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) parts: Parts,
    pub(super) success: Success,
    pub(super) says: Option<String>,
}

impl Probe {
    /// `sign` signs the question too.
    pub(super) fn compile(
        &self,
        sign: Option<&Spanned<Sign>>,
        names: &Arc<Names>,
    ) -> Result<Question, Wrong> {
        let success = Success::compile(self.success.get_ref());
        let wrong = |mistake| Wrong::new("probe.success", &self.success, mistake);
        Ok(Question {
            parts: self.request.compile("probe.request", sign, names)?,
            success: success.map_err(wrong)?,
            says: self.says.clone(),
        })
    }
}
