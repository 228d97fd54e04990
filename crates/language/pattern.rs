//! A regular expression over a whole value, for `regex` of a route.

use regex::{Regex, RegexBuilder};

use super::Mistake;

/// The most bytes of a compiled pattern, and of its cache. A repetition such as `(.{100}){100}` is refused.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// A pattern that must match the whole value. Its time is linear in the length of the value.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it.
    ///
    /// # Errors
    /// It is not a regular expression, or it is too large.
    pub fn compile(text: &str) -> Result<Self, Mistake> {
        // Alone first: `a)(b` would be valid inside of the group.
        built(text)?;
        built(&format!("^(?:{text})$")).map(Self)
    }

    /// Whether the whole value matches.
    pub fn holds(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

fn built(text: &str) -> Result<Regex, Mistake> {
    let mut builder = RegexBuilder::new(text);
    builder
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX);
    builder.build().map_err(|error| {
        let said = match error {
            regex::Error::CompiledTooBig(bytes) => {
                format!("the pattern takes more than {bytes} bytes: repeat less")
            }
            // The last line is the problem. Those above draw the pattern.
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        };
        Mistake::at(text, 0, said)
    })
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn the_whole_value_must_match() {
        let holds = |pattern: &str, value: &str| Pattern::compile(pattern).unwrap().holds(value);
        assert!(holds("db-[0-9]+", "db-12") && !holds("db-[0-9]+", "old-db-12"));
        assert!(holds("a|b", "b") && !holds("a|b", "ab"));
        assert!(holds(".*", "") && !holds(".+", ""));
        assert!(!holds("a", "a\n") && !holds("(?m)a", "a\nb"));
    }

    #[test]
    fn a_pattern_that_is_wrong_or_too_large_is_refused() {
        let said = |pattern: &str| Pattern::compile(pattern).unwrap_err().message;
        assert!(said("db-[0-9").contains("unclosed"), "{}", said("db-[0-9"));
        assert!(said("a)(b").contains("unopened group"), "{}", said("a)(b"));
        assert!(said("(.{100}){100}").contains("repeat less"));
    }
}
