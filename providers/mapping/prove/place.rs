//! The places in a call for secrets and signatures.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::mapping::view::View;
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_language::Expression;
use campanile_language::filters;
use campanile_model::Callback;

/// The place of a secret or a signature.
#[derive(Debug)]
pub(crate) enum Place {
    Header(String),
    Query(String),
    Field(Expression),
}

impl Place {
    pub(crate) fn each_expression(&self, see: &mut impl FnMut(&Expression)) {
        if let Self::Field(expression) = self {
            see(expression);
        }
    }

    pub(crate) fn given(&self, view: &Arc<View>) -> Option<String> {
        let value = match self {
            Self::Header(name) => view.headers.get_attr(name).ok()?,
            Self::Query(name) => view.query.get_attr(name).ok()?,
            Self::Field(expression) => expression.eval(view).ok()?,
        };
        filters::text(&value)
    }
}

/// A piece of the signed message.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Body,
    User,
    Value(Expression),
}

pub(crate) fn text_of(
    parts: &[Part],
    call: &Callback,
    user: Option<&str>,
    view: &Arc<View>,
) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Body => call.text().unwrap_or_default().to_owned(),
            Part::User => user.unwrap_or_default().to_owned(),
            Part::Value(expression) => expression
                .eval(view)
                .ok()
                .and_then(|value| filters::text(&value))
                .unwrap_or_default(),
        })
        .collect()
}

/// `given` without `prefix`, whose case does not matter. A blank at the end of `prefix` matches one or more blanks.
pub(crate) fn strip<'g>(given: &'g str, prefix: &str) -> Option<&'g str> {
    let (head, rest) = given.split_at_checked(prefix.len())?;
    let found = head.eq_ignore_ascii_case(prefix);
    let rest = if prefix.ends_with(' ') {
        rest.trim_start_matches([' ', '\t'])
    } else {
        rest
    };
    found.then_some(rest)
}

pub(crate) fn basic<'a>(call: &Callback, source: &'a Source) -> Proof<'a> {
    let pair = basic_pair(call);
    let user_is_right = match (source.own.text("user"), &pair) {
        (Some(wanted), Some((user, _))) => wanted == user,
        _ => true,
    };
    if !user_is_right {
        return Proof::Wrong("wrong user");
    }
    Proof::Secret {
        given: pair.map(|(_, password)| Cow::Owned(password)),
        wanted: &source.tokens,
    }
}

pub(crate) fn basic_pair(call: &Callback) -> Option<(String, String)> {
    let encoded = strip(call.header("authorization")?, "Basic ")?;
    let pair = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
