//! Reads one flag of a command line that is not parsed yet, or not complete.

use std::ffi::OsString;

/// The last value of a flag: `--flag value` or `--flag=value`.
pub(crate) fn last(words: &[OsString], flag: &str) -> Option<String> {
    let mut found = None;
    let mut follows = false;
    for word in words {
        let word = word.to_string_lossy();
        let joined = word
            .strip_prefix(flag)
            .and_then(|rest| rest.strip_prefix('='));
        if let Some(value) = joined {
            found = Some(value.to_owned());
        } else if follows {
            found = Some(word.clone().into_owned());
        }
        follows = word == flag;
    }
    found
}
