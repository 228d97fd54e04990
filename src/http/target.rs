//! What a path of the public listener means.

/// What a path asks for. Keys are percent-encoded, as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'p> {
    /// `/callback/{provider}/{name}` and `/callback/{provider}/{name}/{key}`, either with a path of the provider's own
    /// protocol behind it.
    Source {
        name: &'p str,
        key: Option<&'p str>,
        behind: Option<&'static str>,
    },
    /// A path of a protocol on its own, such as `/api/v2/alerts`.
    Own { path: &'static str },
    /// `/callback` and `/callback/{key}`: any vendor.
    Shared { key: Option<&'p str> },
    /// `/add` and `/add/{key}`: UCloud's demo server takes an alarm.
    DemoAdd { key: Option<&'p str> },
    /// `/get` and `/get/{key}`: UCloud's demo server lists what it has.
    DemoGet { key: Option<&'p str> },
    /// Anything else.
    Unknown,
}

impl<'p> Target<'p> {
    /// Reads a path, with the paths of the sources' own protocols. One slash at the end changes nothing.
    pub(super) fn of(path: &'p str, own: &[&'static str]) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let ending = own
            .iter()
            .find_map(|own| Some((path.strip_suffix(own)?, *own)));
        let (path, behind) = match ending {
            Some(("", own)) => return Self::Own { path: own },
            Some((path, own)) => (path, Some(own)),
            None => (path, None),
        };
        if let Some(rest) = path.strip_prefix("/callback/").filter(|_| behind.is_some()) {
            return source(rest, behind).unwrap_or(Self::Unknown);
        }
        if behind.is_some() {
            return Self::Unknown;
        }
        if let Some(key) = only_key(path, "/add") {
            return Self::DemoAdd { key };
        }
        if let Some(key) = only_key(path, "/get") {
            return Self::DemoGet { key };
        }
        if let Some(key) = only_key(path, "/callback") {
            return Self::Shared { key };
        }
        path.strip_prefix("/callback/")
            .and_then(|rest| source(rest, None))
            .unwrap_or(Self::Unknown)
    }

    pub(super) fn key(self) -> Option<&'p str> {
        match self {
            Self::Source { key, .. }
            | Self::Shared { key }
            | Self::DemoAdd { key }
            | Self::DemoGet { key } => key,
            Self::Own { .. } | Self::Unknown => None,
        }
    }

    /// What stands behind the key.
    pub(super) fn behind(self) -> Option<&'static str> {
        match self {
            Self::Source { behind, .. } => behind,
            _ => None,
        }
    }
}

/// The key after `base`, if `path` is `base` with at most one segment more.
#[expect(clippy::option_option, reason = "another path, no key, a key")]
fn only_key<'p>(path: &'p str, base: &str) -> Option<Option<&'p str>> {
    let rest = path.strip_prefix(base)?;
    if rest.is_empty() {
        return Some(None);
    }
    let key = rest.strip_prefix('/')?;
    (!key.is_empty() && !key.contains('/')).then_some(Some(key))
}

/// `{provider}/{name}` or `{provider}/{name}/{key}`
fn source<'p>(rest: &'p str, behind: Option<&'static str>) -> Option<Target<'p>> {
    let (provider, after) = rest.split_once('/')?;
    let (name, key) = match after.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (after, None),
    };
    let full = rest.get(..provider.len() + 1 + name.len())?;
    let empty = provider.is_empty() || name.is_empty() || key.is_some_and(str::is_empty);
    let deeper = key.is_some_and(|key| key.contains('/'));
    (!empty && !deeper).then_some(Target::Source {
        name: full,
        key,
        behind,
    })
}

#[cfg(test)]
mod tests {
    use super::Target::{self, DemoAdd, DemoGet, Own, Shared, Source, Unknown};

    const OWN: &str = "/api/v2/alerts";

    #[test]
    fn each_path_means_one_thing() {
        let key = Some("k%20");
        let cases = [
            (
                "/callback/ucloud/prod",
                Source {
                    name: "ucloud/prod",
                    key: None,
                    behind: None,
                },
            ),
            (
                "/callback/ucloud/prod/",
                Source {
                    name: "ucloud/prod",
                    key: None,
                    behind: None,
                },
            ),
            (
                "/callback/ucloud/prod/k%20",
                Source {
                    name: "ucloud/prod",
                    key,
                    behind: None,
                },
            ),
            ("/callback", Shared { key: None }),
            ("/callback/", Shared { key: None }),
            ("/callback/k%20", Shared { key }),
            ("/add", DemoAdd { key: None }),
            ("/add/k%20", DemoAdd { key }),
            ("/get", DemoGet { key: None }),
            (OWN, Own { path: OWN }),
            ("/api/v2/alerts/", Own { path: OWN }),
            (
                "/callback/am/prod/api/v2/alerts",
                Source {
                    name: "am/prod",
                    key: None,
                    behind: Some(OWN),
                },
            ),
            (
                "/callback/am/prod/k%20/api/v2/alerts",
                Source {
                    name: "am/prod",
                    key,
                    behind: Some(OWN),
                },
            ),
            ("/callback/am/api/v2/alerts", Unknown),
            ("/callback/api/v2/alerts", Unknown),
            ("/add/api/v2/alerts", Unknown),
            ("/v2/enqueue", Unknown),
            ("/", Unknown),
            ("", Unknown),
            ("/callbacks", Unknown),
            ("/callback//prod", Unknown),
            ("/callback/ucloud//", Unknown),
            ("/callback/ucloud/prod/a/b", Unknown),
            ("/add/a/b", Unknown),
            ("/address", Unknown),
        ];
        for (path, want) in cases {
            assert_eq!(Target::of(path, &[OWN]), want, "{path}");
        }
    }
}
