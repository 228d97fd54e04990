//! Makes a [`Proof`] for one call from the `[proof]` table of a mapping.

mod form;
mod jwt;
mod place;
mod signature;

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use place::{Part, Place, basic_pair};
pub(crate) use signature::Signature;

use place::{basic, strip, text_of};

use super::form::{Form, Table};
use super::view::{Taking, View};
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_language::Expression;
use campanile_language::filters;
use campanile_language::names::Names;
use campanile_model::Callback;
use campanile_settings::{Setting, Type, optional};

/// The whole `[proof]` table.
#[derive(Debug)]
pub(crate) struct ProofForm {
    pub(crate) declared: Declared,
    /// A source needs a token. A key in the path alone is not enough.
    required: bool,
    /// The names that its expressions use.
    pub(crate) names: Names,
}

/// The settings of a source for the proof of a mapping.
pub(crate) const SETTINGS: &[Setting] = &[
    optional(
        "token",
        Type::Secrets,
        r#"{ env = "SOURCE_TOKEN" }"#,
        "The secret with which the vendor proves itself. During rotation: a list of the old and the new one.",
    ),
    optional(
        "user",
        Type::Text,
        r#""campanile""#,
        "The user name for `token`, if the vendor sends one.",
    ),
    optional(
        "tenant",
        Type::Text,
        r#""00000000-0000-0000-0000-000000000000""#,
        "The id of the tenant whose identity provider signs the vendor's tokens (JWT). Set it together with `audience`. A call without such a token is then refused.",
    ),
    optional(
        "audience",
        Type::Texts,
        r#"["api://campanile"]"#,
        "The audience of the vendor's tokens (JWT): the id of your application, as in their `aud`. In a list, one must match. A call without such a token is then refused.",
    ),
];

impl Default for ProofForm {
    fn default() -> Self {
        Self {
            declared: Declared::Key,
            required: false,
            names: Names::default(),
        }
    }
}

impl ProofForm {
    /// Reads the `[proof]` table.
    pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Self {
        let required = form.flag(table, "required");
        let declared = form::read(form, table, &["required"]).unwrap_or(Declared::Key);
        let mut names = Names::default();
        declared.each_expression(&mut |expression| names = names.and(expression.names));
        Self {
            declared,
            required,
            names,
        }
    }

    /// The proof of `call`. A source without the settings of the vendor's own proof must be protected by a key in the path or
    /// by addresses.
    pub(crate) fn of<'a>(
        &self,
        call: &'a Callback,
        source: &'a Source,
        taking: &Taking,
    ) -> Proof<'a> {
        if !self.declared.is_set_in(source) {
            match (self.required, self.declared.asks_for_token()) {
                (false, _) => return Proof::Nothing,
                (true, true) => return Proof::Unset(vec!["token"]),
                (true, false) => {}
            }
        }
        let view = Arc::new(View::for_proof(call, taking, self.names));
        self.declared.of(call, source, &view)
    }

    /// The settings of a source for it.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let declared = &self.declared;
        let by_token = declared.asks_for_token();
        let in_jwt = |piece| declared.asks_for_jwt(Some(&piece));
        let asks = |setting: &&Setting| match &*setting.name {
            "token" => by_token,
            "user" => by_token || in_jwt(jwt::Piece::User),
            "tenant" => in_jwt(jwt::Piece::Tenant),
            _ => declared.asks_for_jwt(None),
        };
        SETTINGS.iter().filter(asks).cloned().collect()
    }

    /// The proof in a few words.
    pub(crate) fn words(&self) -> String {
        match (&self.declared, self.required) {
            (Declared::Key, _) => "path key".to_owned(),
            (declared, true) => declared.words(),
            (declared, false) => format!("{} or path key", declared.words()),
        }
    }
}

/// The declared proof of the vendor.
#[derive(Debug)]
pub(crate) enum Declared {
    /// The vendor sends no proof: a key in the path, or address ranges.
    Key,
    /// The secret itself, at a place.
    Secret { place: Place, prefix: String },
    /// HTTP Basic: the source's `user`, if it has one, and a secret as the password.
    Basic,
    /// The MD5 of a message followed by the secret.
    Md5 {
        from: Expression,
        message: Vec<Part>,
    },
    /// A signature over a message.
    Signature(Box<Signature>),
    /// A token that an identity provider has signed.
    Jwt(Box<jwt::Declaration>),
    /// One of these must hold.
    Any(Vec<Declared>),
    /// All of these must hold.
    All(Vec<Declared>),
}

impl Declared {
    fn each_expression(&self, see: &mut impl FnMut(&Expression)) {
        let mut see_parts = |parts: &[Part]| {
            for part in parts {
                if let Part::Value(expression) = part {
                    see(expression);
                }
            }
        };
        match self {
            Self::Key | Self::Basic | Self::Jwt(_) => {}
            Self::Secret { place, .. } => place.each_expression(see),
            Self::Md5 { from, message } => {
                see_parts(message);
                see(from);
            }
            Self::Signature(signature) => {
                see_parts(&signature.message);
                signature.place.each_expression(see);
                if let Some((timestamp, _)) = &signature.tolerance {
                    see(timestamp);
                }
            }
            Self::Any(inner) | Self::All(inner) => {
                for declared in inner {
                    declared.each_expression(see);
                }
            }
        }
    }

    fn words(&self) -> String {
        let joined = |inner: &[Self], by: &str| {
            let mut words: Vec<_> = inner.iter().map(Self::words).collect();
            // Two forms of one signature have the same name.
            words.dedup();
            words.join(by)
        };
        match self {
            Self::Key => "path key".to_owned(),
            Self::Secret { prefix, .. } if prefix == "Bearer " => "bearer token".to_owned(),
            Self::Secret {
                place: Place::Header(name),
                ..
            } => format!("header {name}"),
            Self::Secret {
                place: Place::Query(name),
                ..
            } => format!("query {name}"),
            Self::Secret {
                place: Place::Field(from),
                ..
            } => from.source.clone(),
            Self::Basic => "basic".to_owned(),
            Self::Md5 { .. } => "MD5 token".to_owned(),
            Self::Signature(signature) => signature.algorithm.name().to_owned(),
            Self::Jwt(_) => "JWT".to_owned(),
            Self::Any(inner) => joined(inner, " or "),
            Self::All(inner) => joined(inner, " and "),
        }
    }

    /// Whether it needs a token of the source.
    pub(crate) fn asks_for_token(&self) -> bool {
        match self {
            Self::Key | Self::Jwt(_) => false,
            Self::Secret { .. } | Self::Basic | Self::Md5 { .. } | Self::Signature(_) => true,
            Self::Any(inner) | Self::All(inner) => inner.iter().any(Self::asks_for_token),
        }
    }

    /// Whether it is a token of an identity provider that uses this setting.
    pub(crate) fn asks_for_jwt(&self, setting: Option<&jwt::Piece>) -> bool {
        match self {
            Self::Jwt(declaration) => setting.is_none_or(|it| declaration.asks_for(it)),
            Self::Any(inner) | Self::All(inner) => {
                inner.iter().any(|one| one.asks_for_jwt(setting))
            }
            _ => false,
        }
    }

    /// Whether the operator has set any of its settings. Then all of them are required.
    pub(crate) fn is_set_in(&self, source: &Source) -> bool {
        let by_token = self.asks_for_token() && !source.tokens.is_empty();
        let is_issued = source.own.has("tenant") || !source.own.texts("audience").is_empty();
        by_token || self.asks_for_jwt(None) && is_issued
    }

    fn of<'a>(&self, call: &'a Callback, source: &'a Source, view: &Arc<View>) -> Proof<'a> {
        match self {
            // `verify` checks the key of every source that has one.
            Self::Key => Proof::Nothing,
            Self::Secret { place, prefix } => {
                let given = place.given(view);
                let bare = given.and_then(|given| strip(&given, prefix).map(str::to_owned));
                Proof::Secret {
                    given: bare.map(Cow::Owned),
                    wanted: &source.tokens,
                }
            }
            Self::Basic => basic(call, source),
            Self::Md5 { from, message } => Proof::Md5 {
                given: from
                    .eval(view)
                    .ok()
                    .and_then(|v| filters::text(&v))
                    .map(Cow::Owned),
                message: text_of(message, call, source.own.text("user"), view),
                wanted: &source.tokens,
            },
            Self::Signature(signature) => signature.of(call, source, view),
            Self::Jwt(declaration) => declaration.of(call, source),
            Self::Any(inner) => {
                Proof::Any(inner.iter().map(|one| one.of(call, source, view)).collect())
            }
            Self::All(inner) => {
                Proof::All(inner.iter().map(|one| one.of(call, source, view)).collect())
            }
        }
    }
}
