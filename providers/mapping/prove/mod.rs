//! What a mapping declares as the vendor's proof, turned into a [`Proof`] for one call.

mod form;
mod jwt;
mod place;
mod signature;

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use place::{Part, Place, basic_pair};
pub(crate) use signature::Signature;

use place::{basic, strip, text_of};

use super::expression::Expression;
use super::filters;
use super::form::{Form, Table};
use super::names::Names;
use super::view::{Taking, View};
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_settings::{Setting, Type, optional};

/// The whole `[proof]` table.
#[derive(Debug)]
pub(crate) struct ProofForm {
    pub(crate) declared: Declared,
    /// A source must have a token: a key in the path alone is not enough.
    required: bool,
    /// What the expressions in it read.
    pub(crate) names: Names,
}

/// What a source of a mapping may set for its proof.
pub(crate) const SETTINGS: &[Setting] = &[
    optional(
        "token",
        Type::Secrets,
        r#"{ env = "SOURCE_TOKEN" }"#,
        "The secret by which the vendor proves itself; a list of two while one is being rotated.",
    ),
    optional(
        "user",
        Type::Text,
        r#""campanile""#,
        "The user name that goes with `token`, where the vendor sends one.",
    ),
    optional(
        "tenant",
        Type::Text,
        r#""00000000-0000-0000-0000-000000000000""#,
        "The id of the tenant whose identity provider signs the vendor's tokens (JWT). Together with `audience`: then a call without such a token is refused.",
    ),
    optional(
        "audience",
        Type::Texts,
        r#"["api://campanile"]"#,
        "For whom the vendor's tokens (JWT) must be issued: the id of your application as it stands in their `aud`. A list; any one does. Then a call without such a token is refused.",
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

    /// What must hold for `call`. A source of which the vendor's own proof knows nothing has to be protected by a key in
    /// the path or by addresses.
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

    /// What a source may set for it.
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

/// The vendor's proof as the mapping declares it.
#[derive(Debug)]
pub(crate) enum Declared {
    /// Nothing of the vendor's own: a key in the path, or address ranges.
    Key,
    /// The secret itself, in a place.
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
    /// One of them holds.
    Any(Vec<Declared>),
    /// Every one of them holds.
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
            // Two forms of one signature are one word for people.
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

    /// Whether it is made with a secret of the source.
    pub(crate) fn asks_for_token(&self) -> bool {
        match self {
            Self::Key | Self::Jwt(_) => false,
            Self::Secret { .. } | Self::Basic | Self::Md5 { .. } | Self::Signature(_) => true,
            Self::Any(inner) | Self::All(inner) => inner.iter().any(Self::asks_for_token),
        }
    }

    /// Whether it is a token of an identity provider, and this setting stands in it.
    pub(crate) fn asks_for_jwt(&self, setting: Option<&jwt::Piece>) -> bool {
        match self {
            Self::Jwt(declaration) => setting.is_none_or(|it| declaration.asks_for(it)),
            Self::Any(inner) | Self::All(inner) => {
                inner.iter().any(|one| one.asks_for_jwt(setting))
            }
            _ => false,
        }
    }

    /// Whether the operator has set anything of what it asks for. Then all of it is asked for.
    pub(crate) fn is_set_in(&self, source: &Source) -> bool {
        let by_token = self.asks_for_token() && !source.tokens.is_empty();
        let is_issued = source.own.has("tenant") || !source.own.texts("audience").is_empty();
        by_token || self.asks_for_jwt(None) && is_issued
    }

    fn of<'a>(&self, call: &'a Callback, source: &'a Source, view: &Arc<View>) -> Proof<'a> {
        match self {
            // Its key is asked for by `verify`, which asks it of every source that has one.
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
