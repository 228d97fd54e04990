//! What a mapping declares as the vendor's proof, turned into a [`Proof`] for one call.

mod form;
mod jwt;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::ExposeSecret;

use super::expression::Expression;
use super::filters;
use super::form::{Form, Table};
use super::names::Names;
use super::time::{self, Moment};
use super::view::{Taking, View};
use crate::model::callback::Callback;
use crate::model::provider::{Setting, SettingKind, Stamp};
use crate::model::source::{Secret, Source};
use crate::parse::jwt as token;
use crate::parse::proof::Proof;
use crate::parse::signature::{self, Algorithm, Encoding, SecretForm};

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

/// Where a secret or a signature stands.
#[derive(Debug)]
pub(crate) enum Place {
    Header(String),
    Query(String),
    Field(Expression),
}

/// A keyed hash or a signature over a message.
#[derive(Debug)]
pub(crate) struct Signature {
    place: Place,
    algorithm: Algorithm,
    encoding: Encoding,
    secret: SecretForm,
    prefixes: Vec<String>,
    message: Vec<Part>,
    tolerance: Option<(Expression, f64)>,
}

/// A piece of what is signed.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Body,
    User,
    Value(Expression),
}

/// The whole `[proof]` table.
#[derive(Debug)]
pub(crate) struct ProofForm {
    pub(crate) declared: Declared,
    /// A source must have a token: a key in the path alone is not enough.
    required: bool,
    names: Names,
}

/// What a source of a mapping may set for its proof.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "token",
        kind: SettingKind::Token,
        doc: "The secret by which the vendor proves itself; a list of two while one is being rotated.",
    },
    Setting {
        name: "user",
        kind: SettingKind::User,
        doc: "The user name that goes with `token`, where the vendor sends one.",
    },
    Setting {
        name: "tenant",
        kind: SettingKind::Tenant,
        doc: "The id of the tenant whose identity provider signs the vendor's tokens (JWT). Together with `audience`: then a call without such a token is refused.",
    },
    Setting {
        name: "audience",
        kind: SettingKind::Audience,
        doc: "For whom the vendor's tokens (JWT) must be issued: the id of your application as it stands in their `aud`. A list; any one does. Then a call without such a token is refused.",
    },
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
        let asks = |kind| move |setting: &&Setting| setting.kind == kind;
        let kinds = [
            (SettingKind::Token, self.declared.asks_for_token()),
            (
                SettingKind::Tenant,
                self.declared.asks_for_jwt(Some(&jwt::Piece::Tenant)),
            ),
            (SettingKind::Audience, self.declared.asks_for_jwt(None)),
            (
                SettingKind::User,
                self.declared.asks_for_token()
                    || self.declared.asks_for_jwt(Some(&jwt::Piece::User)),
            ),
        ];
        let kinds = kinds.into_iter().filter(|(_, asked)| *asked);
        kinds
            .filter_map(|(kind, _)| SETTINGS.iter().find(asks(kind)).copied())
            .collect()
    }

    /// The proof in a few words.
    pub(crate) fn words(&self) -> String {
        match (&self.declared, self.required) {
            (Declared::Key, _) => "path key".to_owned(),
            (declared, true) => declared.words(),
            (declared, false) => format!("{} or path key", declared.words()),
        }
    }

    /// `call` with the vendor's proof put in, made with the stamp's token where it is made with one.
    pub(crate) fn sign(&self, call: &mut Callback, stamp: &Stamp<'_>, taking: &Taking) {
        if self.declared.asks_for_jwt(None) {
            token::renew(call, stamp.at);
        }
        if let Some(token) = stamp.token {
            self.declared.sign(call, token, taking, self.names);
        }
    }
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
    fn asks_for_token(&self) -> bool {
        match self {
            Self::Key | Self::Jwt(_) => false,
            Self::Secret { .. } | Self::Basic | Self::Md5 { .. } | Self::Signature(_) => true,
            Self::Any(inner) | Self::All(inner) => inner.iter().any(Self::asks_for_token),
        }
    }

    /// Whether it is a token of an identity provider, and this setting stands in it.
    fn asks_for_jwt(&self, setting: Option<&jwt::Piece>) -> bool {
        match self {
            Self::Jwt(declaration) => setting.is_none_or(|it| declaration.asks_for(it)),
            Self::Any(inner) | Self::All(inner) => {
                inner.iter().any(|one| one.asks_for_jwt(setting))
            }
            _ => false,
        }
    }

    /// Whether the operator has set anything of what it asks for. Then all of it is asked for.
    fn is_set_in(&self, source: &Source) -> bool {
        let by_token = self.asks_for_token() && !source.tokens.is_empty();
        let is_issued = source.tenant.is_some() || !source.audiences.is_empty();
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
                message: text_of(message, call, source.user.as_deref(), view),
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

    fn sign(&self, call: &mut Callback, token: &Secret, taking: &Taking, names: Names) {
        match self {
            Self::Key | Self::Md5 { .. } | Self::Jwt(_) => {}
            Self::Secret { place, prefix } => {
                place.put(call, &format!("{prefix}{}", token.expose_secret()));
            }
            Self::Basic => {
                let user = basic_pair(call).map(|(user, _)| user).unwrap_or_default();
                let pair = BASE64.encode(format!("{user}:{}", token.expose_secret()));
                put_header(call, "authorization", &format!("Basic {pair}"));
            }
            Self::Signature(signature) => signature.sign(call, token, taking, names),
            Self::Any(inner) => {
                if let Some(first) = inner.iter().find(|one| one.asks_for_token()) {
                    first.sign(call, token, taking, names);
                }
            }
            Self::All(inner) => {
                for one in inner {
                    one.sign(call, token, taking, names);
                }
            }
        }
    }
}

impl Place {
    fn each_expression(&self, see: &mut impl FnMut(&Expression)) {
        if let Self::Field(expression) = self {
            see(expression);
        }
    }

    fn given(&self, view: &Arc<View>) -> Option<String> {
        let value = match self {
            Self::Header(name) => view.headers.get_attr(name).ok()?,
            Self::Query(name) => view.query.get_attr(name).ok()?,
            Self::Field(expression) => expression.eval(view).ok()?,
        };
        filters::text(&value)
    }

    fn put(&self, call: &mut Callback, value: &str) {
        match self {
            Self::Header(name) => put_header(call, name, value),
            Self::Query(name) => super::fresh::put_query(call, name, value),
            Self::Field(expression) => super::fresh::put(call, &expression.source, value),
        }
    }
}

/// `given` without `prefix`, whose letters may be of either case.
fn strip<'g>(given: &'g str, prefix: &str) -> Option<&'g str> {
    let (head, rest) = given.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn basic<'a>(call: &Callback, source: &'a Source) -> Proof<'a> {
    let pair = basic_pair(call);
    let user_is_right = match (&source.user, &pair) {
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

fn basic_pair(call: &Callback) -> Option<(String, String)> {
    let encoded = strip(call.header("authorization")?, "Basic ")?;
    let pair = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn put_header(call: &mut Callback, name: &str, value: &str) {
    call.headers.retain(|(known, _)| known != name);
    call.headers.push((name.to_owned(), value.to_owned()));
}

fn text_of(parts: &[Part], call: &Callback, user: Option<&str>, view: &Arc<View>) -> String {
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

impl Signature {
    fn of<'a>(&self, call: &'a Callback, source: &'a Source, view: &Arc<View>) -> Proof<'a> {
        let Some(message) = self.message(call, source.user.as_deref(), view) else {
            // Something that is signed is absent: no signature can hold.
            return Proof::Absent;
        };
        let given = self.place.given(view).unwrap_or_default();
        let proof = Proof::Signature {
            algorithm: self.algorithm,
            given: self.candidates(&given),
            message,
            secret: self.secret,
            wanted: &source.tokens,
        };
        match &self.tolerance {
            None => proof,
            Some((timestamp, tolerance)) => Proof::All(vec![
                proof,
                Proof::Recent {
                    at: signed_at(timestamp, view),
                    now: call.received_at,
                    tolerance: *tolerance,
                },
            ]),
        }
    }

    /// The decoded signatures that the call carries, several while the vendor's secret is rotated.
    fn candidates(&self, given: &str) -> Vec<Vec<u8>> {
        let pieces = given
            .split([',', ' '])
            .map(str::trim)
            .filter(|p| !p.is_empty());
        // `v1,<base64>` is one piece whose prefix ends in the separator.
        let joined = self.prefixes.iter().any(|prefix| prefix.ends_with(','));
        let pieces: Vec<&str> = if joined {
            given.split_whitespace().collect()
        } else {
            pieces.collect()
        };
        let bare = pieces.into_iter().filter_map(|piece| {
            if self.prefixes.is_empty() {
                return Some(piece);
            }
            self.prefixes
                .iter()
                .find_map(|prefix| piece.strip_prefix(prefix.as_str()))
        });
        bare.filter_map(|text| self.encoding.decode(text)).collect()
    }

    fn message<'a>(
        &self,
        call: &'a Callback,
        user: Option<&str>,
        view: &Arc<View>,
    ) -> Option<Vec<Cow<'a, [u8]>>> {
        self.message
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(Cow::Owned(text.clone().into_bytes())),
                Part::Body => Some(Cow::Borrowed(call.body.as_slice())),
                Part::User => user.map(|user| Cow::Owned(user.as_bytes().to_vec())),
                Part::Value(expression) => {
                    let text = filters::text(&expression.eval(view).ok()?)?;
                    Some(Cow::Owned(text.into_bytes()))
                }
            })
            .collect()
    }

    fn sign(&self, call: &mut Callback, token: &Secret, taking: &Taking, names: Names) {
        let view = Arc::new(View::for_proof(call, taking, names));
        let signed = self
            .message(call, None, &view)
            .and_then(|message| signature::sign(self.algorithm, self.secret, token, &message));
        let Some(signed) = signed else { return };
        let prefix = self.prefixes.first().map_or("", String::as_str);
        let signature = format!("{prefix}{}", self.encoding.encode(&signed));
        let given = self.place.given(&view).unwrap_or_default();
        let mut pieces = self.beside(&given);
        pieces.push(&signature);
        self.place.put(call, &pieces.join(","));
    }

    /// What stands beside the signatures and is none, such as `t=<time>`, which may be signed itself.
    fn beside<'g>(&self, given: &'g str) -> Vec<&'g str> {
        let is_signature = |piece: &str| self.prefixes.iter().any(|p| piece.starts_with(p));
        // `v1,<base64>`: here the separator is a part of the prefix.
        if self.prefixes.is_empty() || self.prefixes.iter().any(|p| p.ends_with(',')) {
            return Vec::new();
        }
        let pieces = given.split(',').map(str::trim);
        pieces
            .filter(|piece| piece.contains('=') && !is_signature(piece))
            .collect()
    }
}

fn signed_at(timestamp: &Expression, view: &Arc<View>) -> Option<jiff::Timestamp> {
    let value = timestamp.eval(view).ok()?;
    let moment = match value.as_str() {
        Some(text) => time::parse(text, &jiff::tz::TimeZone::UTC),
        None => filters::moment(&value, &jiff::tz::TimeZone::UTC),
    };
    match moment {
        Moment::At(at) => Some(at),
        Moment::Never | Moment::Unreadable => None,
    }
}
