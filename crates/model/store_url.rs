//! The address of a store: the value of `[store] url`.

use std::path::PathBuf;
use std::str::FromStr;

use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::Secret;

/// A store that this build can open.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// `sqlite:PATH`: one file.
    Sqlite(PathBuf),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`: a database, which several gateways can share.
    Postgres(Secret),
}

impl PartialEq for StoreUrl {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(one), Self::Sqlite(other)) => one == other,
            (Self::Postgres(one), Self::Postgres(other)) => {
                let (one, other) = (one.expose_secret(), other.expose_secret());
                one.as_bytes().ct_eq(other.as_bytes()).into()
            }
            _ => false,
        }
    }
}

impl Eq for StoreUrl {}

impl FromStr for StoreUrl {
    /// The problem, to follow the name of the setting. It never contains the URL, which can contain a password.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, rest)) = text
            .split_once("://")
            .filter(|(scheme, _)| ["postgres", "postgresql"].contains(scheme))
        {
            let has_host = !rest.is_empty() && !rest.starts_with(['/', '?']);
            let named = has_host || rest.contains("host=");
            return named
                .then(|| Self::Postgres(text.into()))
                .ok_or("names no server");
        }
        let path = text
            .strip_prefix("sqlite:")
            .ok_or("is not a supported store URL")?;
        match path.strip_prefix("//").unwrap_or(path) {
            "" => Err("has no path"),
            // A database in memory is lost when the process ends. Campanile promises to lose nothing.
            path if path.starts_with(":memory:") || path.contains('?') => {
                Err("is not the path of a file")
            }
            path => Ok(Self::Sqlite(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_file_is_a_store_and_nothing_else_is() {
        for (url, path) in [
            ("sqlite:campanile.db", "campanile.db"),
            ("sqlite:///var/lib/c.db", "/var/lib/c.db"),
        ] {
            assert_eq!(url.parse(), Ok(StoreUrl::Sqlite(path.into())));
        }
        for url in ["postgres://u:hunter2@h,i:5433/d", "postgresql://h/d"] {
            let parsed: StoreUrl = url.parse().unwrap();
            assert_eq!(parsed, StoreUrl::Postgres(url.into()));
            assert_ne!(parsed, StoreUrl::Postgres("postgres://other/d".into()));
            assert!(!format!("{parsed:?}").contains("hunter2"));
        }
        for (url, problem) in [
            ("postgres:///d", "names no server"),
            ("postgres:h/d", "not a supported store URL"),
            ("mysql://h/d", "not a supported store URL"),
            ("sqlite:", "no path"),
            ("sqlite::memory:", "not the path of a file"),
            ("sqlite:x.db?mode=ro", "not the path of a file"),
        ] {
            let refused = url.parse::<StoreUrl>().unwrap_err();
            assert!(refused.contains(problem), "{url}: {refused}");
        }
    }
}
