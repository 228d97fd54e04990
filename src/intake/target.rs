//! What a path of the public listener asks for.

use std::borrow::Cow;

use campanile_model::Callback;
use campanile_providers::{Asks, Position};
use percent_encoding::percent_decode_str;

use crate::snapshot::{OwnPath, Snapshot, Source};

/// Which sources a request may be for.
#[derive(Clone, Copy, Debug)]
pub enum Door<'s> {
    /// The one that the path names.
    One(&'s Source),
    /// Any whose proof holds.
    Any,
    /// Those whose provider serves this path.
    Own(&'s OwnPath),
}

/// What a path asks for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'s, 'p> {
    /// Which sources it may be for.
    pub door: Door<'s>,
    /// The key, percent-encoded as it was sent.
    pub key: Option<&'p str>,
    /// A path of the provider after the address of the source.
    behind: &'s str,
}

impl<'s, 'p> Target<'s, 'p> {
    /// What `path` asks for; none where nothing is served. `path` is [`normal`]; a slash at its end changes nothing.
    pub fn of(path: &'p str, snapshot: &'s Snapshot) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut own = snapshot.paths.iter();
        if let Some(found) = own.find_map(|own| Self::own(path, own, snapshot)) {
            return Some(found);
        }
        if let Some(key) = after(path, "/callback") {
            return Some(Self::to(Door::Any, key, ""));
        }
        source(path, "", snapshot)
    }

    /// The same request for this source.
    #[must_use]
    pub fn only(self, source: &'s Source) -> Self {
        let door = Door::One(source);
        Self { door, ..self }
    }

    /// A request for `source` to a path that is not served.
    pub fn named(source: &'s Source) -> Self {
        Self::to(Door::One(source), None, "")
    }

    fn to(door: Door<'s>, key: Option<&'p str>, behind: &'s str) -> Self {
        Self { door, key, behind }
    }

    fn own(path: &'p str, own: &'s OwnPath, snapshot: &'s Snapshot) -> Option<Self> {
        let route = &own.route;
        if path == route.path {
            return Some(Self::to(Door::Own(own), None, ""));
        }
        match route.position {
            Position::BeforeKey => {
                let key = after(path, route.path)?;
                Some(Self::to(Door::Own(own), key, ""))
            }
            Position::AfterAddress => {
                let address = path.strip_suffix(route.path)?;
                let serves = |source: &Source| own.sources.contains(&source.number);
                source(address, route.path, snapshot)
                    .filter(|target| target.source().is_some_and(serves))
            }
        }
    }

    /// The source that answers whatever happens, where there is only one.
    pub fn source(&self) -> Option<&'s Source> {
        match self.door {
            Door::One(source) => Some(source),
            Door::Any | Door::Own(_) => None,
        }
    }

    /// What a request to it asks for.
    pub fn asks(&self) -> Asks {
        match self.door {
            Door::Own(own) => own.route.asks,
            Door::One(_) | Door::Any => Asks::Take,
        }
    }

    /// Whether `method` is served there.
    pub fn serves(&self, method: &str, snapshot: &Snapshot) -> bool {
        match self.door {
            Door::One(source) => source.methods().contains(&method),
            Door::Own(own) => own.methods.contains(&method),
            Door::Any => {
                let mut all = snapshot.sources.iter();
                all.any(|source| source.methods().contains(&method))
            }
        }
    }

    /// The methods that are served there, as `Allow` names them.
    pub fn methods(&self, snapshot: &'s Snapshot) -> Vec<&'s str> {
        match self.door {
            Door::One(source) => source.methods().to_vec(),
            Door::Own(own) => own.methods.clone(),
            Door::Any => {
                let all = snapshot.sources.iter().flat_map(Source::methods);
                let mut all: Vec<_> = all.copied().collect();
                all.sort_unstable();
                all.dedup();
                all
            }
        }
    }

    /// Puts into `call` what the path says: the path without its key, the key, and the charset that its source suggests.
    pub fn mark(&self, path: &str, call: &mut Callback) {
        call.path = self.without_key(path);
        // A key that is not UTF-8 is no configured one, but one was given.
        let decoded = |key| percent_decode_str(key).decode_utf8_lossy().into_owned();
        call.key = self.key.map(decoded);
        call.chinese = self.source().is_some_and(Source::expects_chinese);
    }

    fn without_key(&self, path: &str) -> String {
        let bare = path.strip_suffix('/').unwrap_or(path);
        let address = bare.strip_suffix(self.behind);
        let before = address.and_then(|address| address.strip_suffix(self.key?));
        let hidden = |before| format!("{before}***{}", self.behind);
        before.map_or_else(|| path.to_owned(), hidden)
    }
}

/// The path with one slash where several follow each other, and without needless percent-encoding. Senders join a base
/// address that ends in a slash with one more, and encode what need not be encoded.
pub fn normal(path: &str) -> Cow<'_, str> {
    if !path.contains("//") && !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(next) = rest.chars().next() {
        let (next, length) = unreserved(rest).map_or((next, next.len_utf8()), |c| (c, 3));
        if next != '/' || !plain.ends_with('/') {
            plain.push(next);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

/// The character that `text` begins with in percent-encoding, where it need not be encoded.
fn unreserved(text: &str) -> Option<char> {
    let code = u8::from_str_radix(text.strip_prefix('%')?.get(..2)?, 16).ok()?;
    let plain = char::from(code);
    (plain.is_ascii_alphanumeric() || "-._~".contains(plain)).then_some(plain)
}

/// The key after `base`, if `path` is `base` with at most one segment more.
#[expect(clippy::option_option, reason = "another path, no key, a key")]
fn after<'p>(path: &'p str, base: &str) -> Option<Option<&'p str>> {
    let rest = path.strip_prefix(base)?;
    if rest.is_empty() {
        return Some(None);
    }
    let key = rest.strip_prefix('/')?;
    (!key.is_empty() && !key.contains('/')).then_some(Some(key))
}

/// `/callback/{provider}/{name}` or `/callback/{provider}/{name}/{key}`
fn source<'s, 'p>(
    path: &'p str,
    behind: &'s str,
    snapshot: &'s Snapshot,
) -> Option<Target<'s, 'p>> {
    let rest = path.strip_prefix("/callback/")?;
    let (provider, after) = rest.split_once('/')?;
    let (name, key) = match after.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (after, None),
    };
    if key.is_some_and(|key| key.is_empty() || key.contains('/')) {
        return None;
    }
    let source = snapshot.source(rest.get(..provider.len() + 1 + name.len())?)?;
    Some(Target::to(Door::One(source), key, behind))
}

/// The longest text that is compared with the names of sources.
const NAME_BYTES_MAX: usize = 64;

/// Pairs of segments of one path that are compared.
const PAIRS_MAX: usize = 4;

/// Letters in which a name may differ: one in four, at most two.
const DIFFERENT_MAX: usize = 2;

/// The source whose address `path` nearly is: another prefix, a segment too many, a letter wrong.
pub fn near_miss<'s>(path: &str, snapshot: &'s Snapshot) -> Option<&'s Source> {
    let segments: Vec<&str> = path.split('/').filter(|text| !text.is_empty()).collect();
    let pairs = segments.windows(2).take(PAIRS_MAX);
    let mut pairs = pairs.map(|pair| pair.join("/").to_ascii_lowercase());
    pairs.find_map(|pair| {
        let near = |source: &&Source| is_near(&pair, &source.name);
        snapshot.sources.iter().find(near)
    })
}

fn is_near(pair: &str, name: &str) -> bool {
    let most = DIFFERENT_MAX.min(name.len() / 4);
    let short = pair.len() <= NAME_BYTES_MAX && pair.len().abs_diff(name.len()) <= most;
    short && strsim::osa_distance(pair, name) <= most
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn slashes_and_needless_encoding_do_not_change_what_a_path_means() {
        for (path, want) in [
            ("/callback/a/b", "/callback/a/b"),
            ("//callback///a//b//", "/callback/a/b/"),
            ("/c%61llback/%7Ename/x%2D1", "/callback/~name/x-1"),
            ("/callback/k%20%2F%zz%", "/callback/k%20%2F%zz%"),
            ("/callback/%e9%8d%b5/鐘", "/callback/%e9%8d%b5/鐘"),
            ("", ""),
        ] {
            assert_eq!(normal(path), want, "{path}");
        }
    }
}
