//! `[probe]`: a question to the receiver that shows whether the settings are right and sends no message.

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::form::{Text, Wrong};
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
        settings: Value,
        words: Value,
    ) -> Result<Question, Wrong> {
        let success = Success::compile(self.success.get_ref());
        let wrong = |mistake| Wrong::new("probe.success", &self.success, mistake);
        Ok(Question {
            parts: self
                .request
                .compile("probe.request", sign, settings, words)?,
            success: success.map_err(wrong)?,
            says: self.says.clone(),
        })
    }
}
