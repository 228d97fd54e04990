//! The declaration of an identity provider's token: `kind = "jwt"`.

use super::super::form::{Form, Table};
use super::form::word;
use crate::parse::topic::https_host;
use crate::source::Source;
use crate::trust::jwt::{Given, Jwt};
use crate::trust::keys::TokenAlgorithm;
use crate::trust::proof::Proof;
use campanile_language::duration;
use campanile_model::Callback;

/// The keys of `[proof]` in addition to `kind`.
pub(super) const KEYS: &[&str] = &["keys", "algorithms", "issuer", "claims", "leeway"];

const ALGORITHMS: &[(&str, TokenAlgorithm)] = &[
    ("RS256", TokenAlgorithm::Rs256),
    ("ES256", TokenAlgorithm::Es256),
];

/// The default of `leeway`.
const LEEWAY: &str = "1m";

/// The longest `leeway`, in seconds. A longer one would hide wrong clocks and accept expired tokens.
const LEEWAY_SECONDS_MAX: f64 = 300.0;

/// A longer tenant is refused.
const TENANT_BYTES_MAX: usize = 64;

/// What the token of a call must have. The audience is always a setting of the source.
#[derive(Debug)]
pub(crate) struct Declaration {
    keys: Template,
    algorithms: Vec<TokenAlgorithm>,
    issuer: Template,
    claims: Vec<(String, Template)>,
    leeway: f64,
}

impl Declaration {
    /// Reads a `[proof]` table of this kind.
    pub(super) fn read(form: &mut Form<'_>, table: Table<'_>) -> Option<Self> {
        let keys = keys(form, table);
        let algorithms = algorithms(form, table);
        let issuer = form.required(table, "issuer");
        let issuer = issuer.and_then(|text| Template::read(form, table, "issuer", text));
        let claims = claims(form, table);
        let leeway = leeway(form, table);
        Some(Self {
            keys: keys?,
            algorithms: algorithms?,
            issuer: issuer?,
            claims,
            leeway: leeway?,
        })
    }

    /// Whether it uses this setting of the source: `{tenant}` or `{user}`.
    pub(super) fn asks_for(&self, setting: &Piece) -> bool {
        let claims = self.claims.iter().map(|(_, value)| value);
        let mut all = claims.chain([&self.keys, &self.issuer]);
        all.any(|template| template.0.contains(setting))
    }

    /// The proof of a call, or the settings that the source lacks.
    pub(super) fn of<'a>(&self, call: &Callback, source: &'a Source) -> Proof<'a> {
        let lacks = [
            (
                "tenant",
                self.asks_for(&Piece::Tenant) && !source.own.has("tenant"),
            ),
            ("audience", source.own.texts("audience").is_empty()),
            (
                "user",
                self.asks_for(&Piece::User) && !source.own.has("user"),
            ),
        ];
        let lacks = lacks.into_iter().filter(|(_, lacks)| *lacks);
        let lacks: Vec<_> = lacks.map(|(setting, _)| setting).collect();
        if !lacks.is_empty() {
            return Proof::Unset(lacks);
        }
        let tenant = source.own.text("tenant").unwrap_or_default();
        if self.asks_for(&Piece::Tenant) && !is_tenant(tenant) {
            return Proof::Never(
                "`tenant` must be the id of the tenant: letters, digits and hyphens, such as 00000000-0000-0000-0000-000000000000",
            );
        }
        let url = self.keys.filled(source);
        let claims = self.claims.iter();
        Proof::Jwt(Jwt {
            token: Given::of(call),
            keys: call.fetched(&url),
            url,
            algorithms: self.algorithms.clone(),
            issuer: self.issuer.filled(source),
            audiences: source.own.texts("audience"),
            claims: claims
                .map(|(claim, value)| (claim.clone(), value.filled(source)))
                .collect(),
            leeway: self.leeway,
            now: call.received_at,
        })
    }
}

/// Only characters that cannot change the path or the host of an address.
fn is_tenant(tenant: &str) -> bool {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !tenant.is_empty() && tenant.len() <= TENANT_BYTES_MAX && tenant.bytes().all(is_sign)
}

/// A text with the placeholders `{tenant}` and `{user}` for settings of the source.
#[derive(Debug)]
struct Template(Vec<Piece>);

/// A piece of such a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Tenant,
    User,
}

impl Template {
    fn read(form: &mut Form<'_>, table: Table<'_>, key: &str, text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            pieces.push(Piece::Text(before.to_owned()));
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            pieces.push(match name {
                "tenant" => Piece::Tenant,
                "user" => Piece::User,
                _ => {
                    let fault = format!(
                        "`{{{name}}}` is not a valid placeholder; write {{tenant}} or {{user}}"
                    );
                    form.mistake(at(table, key), fault);
                    return None;
                }
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Some(Self(pieces))
    }

    fn filled(&self, source: &Source) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Tenant => source.own.text("tenant").unwrap_or_default().to_owned(),
            Piece::User => source.own.text("user").unwrap_or_default().to_owned(),
        };
        self.0.iter().map(piece).collect()
    }
}

fn at(table: Table<'_>, key: &str) -> usize {
    table.get(key).map_or(table.at, |node| node.span().start)
}

/// The address of the keys. The mapping fixes its host; the path may contain the tenant.
fn keys(form: &mut Form<'_>, table: Table<'_>) -> Option<Template> {
    let text = form.required(table, "keys")?;
    let template = Template::read(form, table, "keys", text)?;
    let with_a_tenant = text.replace("/{tenant}/", "/tenant/");
    let is_pinned = https_host(&with_a_tenant).is_some() && !with_a_tenant.contains(['{', '?']);
    if !is_pinned {
        let fault = "`keys` must be an https address with a fixed host; its path may contain {tenant}, such as https://login.example.com/{tenant}/keys";
        form.mistake(at(table, "keys"), fault);
    }
    is_pinned.then_some(template)
}

/// At least one algorithm. There is no default: each mapping declares what it accepts.
fn algorithms(form: &mut Form<'_>, table: Table<'_>) -> Option<Vec<TokenAlgorithm>> {
    if table.get("algorithms").is_none() {
        form.missing(table, "algorithms");
    }
    let texts = form.texts(table, "algorithms");
    let known = texts
        .iter()
        .map(|(text, at)| word(form, *at, "algorithms", text, ALGORITHMS));
    let known: Option<Vec<_>> = known.collect();
    known.filter(|known| !known.is_empty())
}

fn claims(form: &mut Form<'_>, table: Table<'_>) -> Vec<(String, Template)> {
    let Some(claims) = form.table(table, "claims") else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (claim, _, _) in claims.entries() {
        let template = form.text(claims, claim);
        let template = template.and_then(|text| Template::read(form, claims, claim, text));
        read.extend(template.map(|template| (claim.to_owned(), template)));
    }
    read
}

fn leeway(form: &mut Form<'_>, table: Table<'_>) -> Option<f64> {
    let text = form.text(table, "leeway").unwrap_or(LEEWAY);
    let seconds =
        duration::seconds(text).filter(|seconds| (0.0..=LEEWAY_SECONDS_MAX).contains(seconds));
    if seconds.is_none() {
        let fault = format!("`leeway = \"{text}\"` must be a duration of at most 5m, such as 1m");
        form.mistake(at(table, "leeway"), fault);
    }
    seconds
}
