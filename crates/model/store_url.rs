//! The address of a store: the value of `[store] url`.

use std::path::PathBuf;
use std::str::FromStr;

/// A store that this build can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`: one file.
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    /// The problem, to follow the name of the setting. It never contains the URL, which can contain a password.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Err("is a PostgreSQL URL, which is not supported yet in this build");
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
        for (url, problem) in [
            ("postgres://u:secret@h/d", "not supported yet in this build"),
            ("postgresql://h/d", "not supported yet in this build"),
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
