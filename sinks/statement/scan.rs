//! Finds the named parameters of a statement, and what a statement must not contain.

use campanile_language::Mistake;

/// How a database writes what the scan must know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// The placeholder of the parameter with this number, from 1.
    pub(crate) placeholder: fn(usize) -> String,
    /// Marks of placeholders that the operator cannot use: names are used instead.
    pub(crate) positional: &'static [char],
    /// `\` escapes the next character of a text.
    pub(crate) backslash: bool,
    /// `#` begins a comment.
    pub(crate) hash: bool,
    /// `$tag$` quotes a text.
    pub(crate) dollar: bool,
}

/// A statement for the driver, and the name of each parameter in the order of the placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) text: String,
    pub(crate) names: Vec<Named>,
}

/// A parameter in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// Its first byte in the statement.
    pub(crate) at: usize,
}

/// Replaces each `:name` outside of texts, quoted names and comments.
pub(crate) fn scan(statement: &str, dialect: &Dialect) -> Result<Scanned, Mistake> {
    let mut scan = Scan {
        statement,
        dialect,
        at: 0,
        ended: false,
        found: Scanned {
            text: String::with_capacity(statement.len()),
            names: Vec::new(),
        },
    };
    while scan.step()? {}
    Ok(scan.found)
}

/// The words of a statement up to `(`, in upper case, without comments before them.
pub(crate) fn first_words(statement: &str) -> Vec<String> {
    let mut rest = statement.trim_start();
    loop {
        let after = match rest {
            _ if rest.starts_with("--") => rest.split_once('\n'),
            _ if rest.starts_with("/*") => rest.split_once("*/"),
            _ => break,
        };
        rest = after.map_or("", |(_, after)| after.trim_start());
    }
    let head = rest.split('(').next().unwrap_or_default();
    let words = head.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let words = words.filter(|word| !word.is_empty());
    words.take(3).map(str::to_uppercase).collect()
}

struct Scan<'a> {
    statement: &'a str,
    dialect: &'a Dialect,
    at: usize,
    /// A `;` was there: only blanks and comments may follow.
    ended: bool,
    found: Scanned,
}

impl Scan<'_> {
    fn rest(&self) -> &str {
        self.statement.get(self.at..).unwrap_or_default()
    }

    fn copy(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.statement.len());
        let part = self.statement.get(self.at..end).unwrap_or_default();
        self.found.text.push_str(part);
        self.at = end;
    }

    fn wrong<T>(&self, message: &str) -> Result<T, Mistake> {
        Err(Mistake::at(self.statement, self.at, message))
    }

    /// Copies or replaces the next piece. False at the end.
    fn step(&mut self) -> Result<bool, Mistake> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(false);
        };
        if let Some(bytes) = self.comment() {
            self.copy(bytes);
            return Ok(true);
        }
        if self.ended && !first.is_whitespace() {
            return self.wrong("a sink runs one statement: remove what follows the first `;`");
        }
        if let Some(bytes) = self.quoted(first) {
            self.copy(bytes);
        } else if let Some(name) = self.parameter() {
            self.replace(&name);
        } else if first == ';' {
            // Not every driver takes the `;`.
            self.ended = true;
            self.at += 1;
        } else if self.dialect.positional.contains(&first) && !self.inside_word() {
            return self.wrong("parameters have names: write one such as `:title`");
        } else {
            self.copy(first.len_utf8());
        }
        Ok(true)
    }

    fn replace(&mut self, name: &str) {
        self.found.names.push(Named {
            name: name.to_owned(),
            at: self.at,
        });
        let placeholder = (self.dialect.placeholder)(self.found.names.len());
        self.found.text.push_str(&placeholder);
        self.at += 1 + name.len();
    }

    fn before(&self) -> Option<char> {
        let before = self.statement.get(..self.at).unwrap_or_default();
        before.chars().next_back()
    }

    fn inside_word(&self) -> bool {
        self.before()
            .is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    /// The name after a `:` that is not a cast (`::`), an assignment (`:=`) or the middle of a slice (`[a:b]`).
    fn parameter(&self) -> Option<String> {
        let after = self.rest().strip_prefix(':')?;
        let cast = |c: char| c == ':' || c == ']' || c == ')';
        if self.inside_word() || self.before().is_some_and(cast) {
            return None;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = after.find(|c: char| !word(c)).unwrap_or(after.len());
        let name = after.get(..end)?;
        let first = name.chars().next()?;
        (!first.is_ascii_digit()).then(|| name.to_owned())
    }

    /// The bytes of a comment that begins here.
    fn comment(&self) -> Option<usize> {
        let rest = self.rest();
        let line = rest.starts_with("--") || (self.dialect.hash && rest.starts_with('#'));
        if line {
            return Some(rest.find('\n').unwrap_or(rest.len()));
        }
        let inside = rest.strip_prefix("/*")?;
        Some(inside.find("*/").map_or(rest.len(), |end| end + 4))
    }

    /// The bytes of a text or a quoted name that begins here.
    fn quoted(&self, first: char) -> Option<usize> {
        let rest = self.rest();
        if first == '$' && self.dialect.dollar && !self.inside_word() {
            return dollar_quoted(rest);
        }
        if !matches!(first, '\'' | '"' | '`') {
            return None;
        }
        let escapes = first != '`' && (self.dialect.backslash || self.is_escape_text());
        let mut skip = false;
        let end = rest.char_indices().skip(1).find(|&(_, c)| {
            let closes = c == first && !skip;
            skip = escapes && c == '\\' && !skip;
            closes
        });
        // A doubled quote is two texts in a row here, which copies the same.
        Some(end.map_or(rest.len(), |(at, _)| at + 1))
    }

    /// `E'...'` of PostgreSQL, where `\` escapes.
    fn is_escape_text(&self) -> bool {
        let before = self.statement.get(..self.at).unwrap_or_default();
        let mut before = before.chars().rev();
        let marked = matches!(before.next(), Some('e' | 'E'));
        self.dialect.dollar && marked && !before.next().is_some_and(char::is_alphanumeric)
    }
}

/// The bytes of `$tag$ ... $tag$`.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let (tag, _) = rest.strip_prefix('$')?.split_once('$')?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if !tag.chars().all(word) || tag.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mark = tag.len() + 2;
    let (quote, inside) = rest.split_at_checked(mark)?;
    Some(inside.find(quote).map_or(rest.len(), |end| end + 2 * mark))
}
