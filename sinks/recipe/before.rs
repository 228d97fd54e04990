//! `[before]`: a request that some messages need before them, such as the end of a phone's ringing before a recovery.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::form::{Text, Wrong};
use super::names::{Extra, Names};
use super::request::{Parts, Request};
use super::when::When;
use crate::http::client::{self, Response, classify, explain};
use crate::{Failure, Message};

/// `[before]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    /// A condition over the names of templates.
    when: Text,
    request: Request,
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct First {
    when: When,
    parts: Parts,
}

impl Before {
    pub(super) fn compile(&self, names: &Arc<Names>) -> Result<First, Wrong> {
        Ok(First {
            when: When::compile("before.when", &self.when, names)?,
            parts: self.request.compile("before.request", None, names)?,
        })
    }
}

impl First {
    /// The request, if the message with this text needs it.
    pub(super) fn request(
        &self,
        message: &Message,
        text: Map<String, Value>,
        extra: &Extra<'_>,
    ) -> Result<Option<client::Request>, Failure> {
        if !self.when.holds(message, &text, extra)? {
            return Ok(None);
        }
        let rendered = self.parts.render(message, text, extra)?;
        Ok(Some(rendered.request))
    }

    /// What the operator must know about its response.
    pub(super) fn remark(response: Result<Response, Failure>) -> Option<String> {
        let problem = match response {
            Ok(response) => classify(response.status).map(|_| explain(response.status)),
            Err(failure) => Some(failure.reason),
        };
        problem.map(|problem| format!("the request before the message failed: {problem}"))
    }
}
