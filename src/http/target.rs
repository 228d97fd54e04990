//! What a path of the public listener means.

/// What a path asks for. Keys are percent-encoded, as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'p> {
    /// `/callback/{provider}/{name}` and `/callback/{provider}/{name}/{key}`
    Source { name: &'p str, key: Option<&'p str> },
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
    /// Reads a path. One slash at the end changes nothing.
    pub(super) fn of(path: &'p str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
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
            .and_then(source)
            .unwrap_or(Self::Unknown)
    }

    pub(super) fn key(self) -> Option<&'p str> {
        match self {
            Self::Source { key, .. }
            | Self::Shared { key }
            | Self::DemoAdd { key }
            | Self::DemoGet { key } => key,
            Self::Unknown => None,
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
fn source(rest: &str) -> Option<Target<'_>> {
    let (provider, after) = rest.split_once('/')?;
    let (name, key) = match after.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (after, None),
    };
    let full = rest.get(..provider.len() + 1 + name.len())?;
    let empty = provider.is_empty() || name.is_empty() || key.is_some_and(str::is_empty);
    let deeper = key.is_some_and(|key| key.contains('/'));
    (!empty && !deeper).then_some(Target::Source { name: full, key })
}

#[cfg(test)]
mod tests {
    use super::Target::{self, DemoAdd, DemoGet, Shared, Source, Unknown};

    #[test]
    fn each_path_means_one_thing() {
        let key = Some("k%20");
        let cases = [
            (
                "/callback/ucloud/prod",
                Source {
                    name: "ucloud/prod",
                    key: None,
                },
            ),
            (
                "/callback/ucloud/prod/",
                Source {
                    name: "ucloud/prod",
                    key: None,
                },
            ),
            (
                "/callback/ucloud/prod/k%20",
                Source {
                    name: "ucloud/prod",
                    key,
                },
            ),
            ("/callback", Shared { key: None }),
            ("/callback/", Shared { key: None }),
            ("/callback/k%20", Shared { key }),
            ("/add", DemoAdd { key: None }),
            ("/add/k%20", DemoAdd { key }),
            ("/get", DemoGet { key: None }),
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
            assert_eq!(Target::of(path), want, "{path}");
        }
    }
}
