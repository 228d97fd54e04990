//! Guards operators: adds the counting filters of [`super::meter`] to their operands.
//!
//! The engine has no hook for `+`, `~` and `*`. But a filter binds more tightly than any operator, so one can be added to each
//! operand: `a ~ b` becomes `a|__part ~ b|__part`. The inserted text is subtracted from the place of every mistake, so the
//! user sees places in the original text.
//!
//! The reason: the engine limits steps, recursion and output, but not memory. With a memory limit in the engine, this file and
//! most of [`super::meter`] could be deleted. Until then both are needed, because mappings and templates process text from
//! outside. `tests/guard.rs` checks that guarded code has the same meaning for the engine's own lexer.
//!
//! A single expression has no variables, so the result of `~` and `+` is bounded by the length of its text times the size of
//! its values. There only `*` is guarded. A template can assign variables and double them, so there all three are guarded.

use std::collections::BTreeMap;

use super::WORK_BYTES_MAX;

/// A text with guarded operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// The text to compile.
    pub text: String,
    /// The longest plain text between two tags of a template, in bytes.
    pub longest_plain: usize,
    /// The inserted text, by the byte of the original before which it was inserted.
    inserted: BTreeMap<usize, String>,
}

impl Guarded {
    /// The byte of the original text for this byte of the guarded text.
    #[must_use]
    pub fn original(&self, byte: usize) -> usize {
        let mut gone = 0;
        for (at, written) in &self.inserted {
            if at + gone >= byte {
                break;
            }
            if at + gone + written.len() >= byte {
                return *at;
            }
            gone += written.len();
        }
        byte - gone
    }

    /// The steps that a run may take. A long plain text lowers them, so repeating it in a loop is bounded too.
    #[must_use]
    pub fn steps(&self, at_most: u64) -> u64 {
        let pieces = 4 * WORK_BYTES_MAX / self.longest_plain.max(1);
        at_most.min(u64::try_from(pieces).unwrap_or(u64::MAX))
    }
}

/// Guards an expression.
#[must_use]
pub fn expression(text: &str) -> Guarded {
    let mut guard = Guard::new(text);
    guard.code(0, None);
    guard.written(0)
}

/// Guards every expression of a template.
#[must_use]
pub fn template(text: &str) -> Guarded {
    let mut guard = Guard::new(text);
    guard.names = true;
    let mut longest_plain = 0;
    let mut at = 0;
    while let Some((plain, open)) = next_tag(text, at) {
        longest_plain = longest_plain.max(plain - at);
        at = match open {
            Tag::Comment => after(text, plain, "#}"),
            Tag::Raw => {
                let end = end_of_raw(text, plain);
                longest_plain = longest_plain.max(end - plain);
                end
            }
            Tag::Print => guard.code(inside(text, plain), Some("}}")),
            Tag::Block => guard.code(inside(text, plain), Some("%}")),
        };
    }
    longest_plain = longest_plain.max(text.len() - at);
    guard.written(longest_plain)
}

#[derive(Clone, Copy, Debug)]
enum Tag {
    Print,
    Block,
    Comment,
    Raw,
}

fn next_tag(text: &str, from: usize) -> Option<(usize, Tag)> {
    let rest = text.get(from..)?;
    rest.match_indices('{').find_map(|(at, _)| {
        let tag = match rest.as_bytes().get(at + 1)? {
            b'{' => Tag::Print,
            b'#' => Tag::Comment,
            b'%' if is_block(rest.get(at..)?, "raw") => Tag::Raw,
            b'%' => Tag::Block,
            _ => return None,
        };
        Some((from + at, tag))
    })
}

/// The first byte of the code of a tag: after its mark and its whitespace sign (`-` or `+`).
fn inside(text: &str, tag: usize) -> usize {
    let signed = matches!(text.as_bytes().get(tag + 2), Some(b'-' | b'+'));
    tag + 2 + usize::from(signed)
}

/// Whether `rest` begins with `{% word %}`.
fn is_block(rest: &str, word: &str) -> bool {
    let inner = rest.strip_prefix("{%").unwrap_or_default();
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let after = inner.trim_start().strip_prefix(word).map(str::trim_start);
    after.is_some_and(|after| {
        let after = after.strip_prefix(['-', '+']).unwrap_or(after);
        after.starts_with("%}")
    })
}

fn end_of_raw(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let end = rest
        .match_indices("{%")
        .find(|(at, _)| rest.get(*at..).is_some_and(|r| is_block(r, "endraw")));
    end.map_or(text.len(), |(at, _)| after(text, from + at, "%}"))
}

fn after(text: &str, from: usize, mark: &str) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.find(mark)
        .map_or(text.len(), |at| from + at + mark.len())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Text,
    Open,
    Close,
    Mark,
}

/// A token of the code.
#[derive(Clone, Copy, Debug)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    end: usize,
    /// For an opening bracket: the token that closes it.
    closed_by: Option<usize>,
}

/// Words that are not operands.
const KEYWORDS: &[&str] = &["and", "or", "not", "in", "is", "if", "else"];
const MARKS: &[&str] = &["**", "//", "==", "!=", "<=", ">="];
const COMPARISONS: &[&str] = &["==", "!=", "<=", ">=", "<", ">"];

impl Token<'_> {
    fn is(&self, mark: &str) -> bool {
        self.text == mark && self.kind != Kind::Text
    }

    fn ends_an_operand(&self) -> bool {
        match self.kind {
            Kind::Word => !KEYWORDS.contains(&self.text),
            Kind::Number | Kind::Text | Kind::Close => true,
            Kind::Open | Kind::Mark => false,
        }
    }
}

/// The insertions for one text.
struct Guard<'t> {
    text: &'t str,
    /// Whether the text can assign variables.
    names: bool,
    filters: BTreeMap<usize, &'static str>,
    opened: Vec<usize>,
    kept: Vec<usize>,
}

impl<'t> Guard<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            names: false,
            filters: BTreeMap::new(),
            opened: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Guards the code from a byte to its closing mark. Returns the byte after the mark.
    fn code(&mut self, from: usize, close: Option<&str>) -> usize {
        let (tokens, end) = tokens(self.text, from, close);
        for at in 1..tokens.len() {
            self.operator(&tokens, at);
        }
        if self.names {
            self.set(&tokens);
        }
        end
    }

    fn operator(&mut self, tokens: &[Token<'t>], at: usize) {
        let (Some(before), Some(operator)) = (tokens.get(at - 1), tokens.get(at)) else {
            return;
        };
        let multiplies = operator.is("*");
        let joins = self.names && (operator.is("~") || operator.is("+"));
        // A comparison costs no more than the smaller side, so one operand is enough. The `in` of a loop only iterates.
        let loops = at == 2 && tokens.first().is_some_and(|token| token.is("for"));
        let is = COMPARISONS.iter().any(|mark| operator.is(mark)) || operator.is("in") && !loops;
        let compares = self.names && is;
        if !((multiplies || joins) && before.ends_an_operand() || compares) {
            return;
        }
        let Some(end) = end_of_operand(tokens, at + 1) else {
            return;
        };
        let filter = if multiplies { "|__factor" } else { "|__part" };
        if !compares {
            self.filter(tokens, at - 1, filter);
        }
        self.filter(tokens, end, filter);
    }

    fn filter(&mut self, tokens: &[Token<'t>], last: usize, filter: &'static str) {
        let Some(token) = tokens.get(last) else {
            return;
        };
        let part = last > 0 && tokens.get(last - 1).is_some_and(|t| t.is("."));
        let literal = token.kind == Kind::Number || token.kind == Kind::Text && filter == "|__part";
        if literal && !part {
            return;
        }
        // An operand of `*` must be a number, also when another operator uses it.
        let known = self.filters.entry(token.end).or_insert(filter);
        if filter == "|__factor" {
            *known = filter;
        }
    }

    /// `{% set name = ... %}`: the size of the value is counted before it is assigned.
    fn set(&mut self, tokens: &[Token<'t>]) {
        if !tokens.first().is_some_and(|token| token.is("set")) {
            return;
        }
        let mut depth = 0_usize;
        let assigned = tokens.iter().position(|token| {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is("=")
        });
        let last = tokens.iter().rev().find(|token| token.ends_an_operand());
        if let (Some(assign), Some(last)) = (assigned.and_then(|at| tokens.get(at)), last)
            && last.end > assign.end
        {
            self.opened.push(assign.end);
            self.kept.push(last.end);
        }
    }

    fn written(self, longest_plain: usize) -> Guarded {
        let mut inserted: BTreeMap<usize, String> = BTreeMap::new();
        for (at, filter) in self.filters {
            inserted.entry(at).or_default().push_str(filter);
        }
        for at in self.kept {
            inserted.entry(at).or_default().push_str(")|__kept");
        }
        for at in self.opened {
            inserted.entry(at).or_default().push('(');
        }
        let mut text = String::with_capacity(self.text.len() + 16 * inserted.len());
        let mut from = 0;
        for (at, written) in &inserted {
            text.push_str(self.text.get(from..*at).unwrap_or_default());
            text.push_str(written);
            from = *at;
        }
        text.push_str(self.text.get(from..).unwrap_or_default());
        Guarded {
            text,
            longest_plain,
            inserted,
        }
    }
}

/// The tokens from a byte to the closing mark, and the byte after it.
fn tokens<'t>(text: &'t str, from: usize, close: Option<&str>) -> (Vec<Token<'t>>, usize) {
    let mut found: Vec<Token<'t>> = Vec::new();
    let mut open = Vec::new();
    let mut at = from;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(close) = close.filter(|close| open.is_empty() && rest.starts_with(close)) {
            return (found, at + close.len());
        }
        let (kind, length) = first_token(rest);
        at += length;
        let Some(kind) = kind else { continue };
        let number = found.len();
        match kind {
            Kind::Open => open.push(number),
            Kind::Close => {
                if let Some(opening) = open.pop().and_then(|opening| found.get_mut(opening)) {
                    opening.closed_by = Some(number);
                }
            }
            _ => {}
        }
        found.push(Token {
            kind,
            text: rest.get(..length).unwrap_or_default(),
            end: at,
            closed_by: None,
        });
    }
    (found, at)
}

/// The first token of `rest`, and its length. Whitespace has no kind.
fn first_token(rest: &str) -> (Option<Kind>, usize) {
    let Some(first) = rest.chars().next() else {
        return (None, 0);
    };
    let (kind, length) = match first {
        c if c.is_whitespace() => return (None, c.len_utf8()),
        '\'' | '"' => (Kind::Text, quoted(rest, first)),
        '(' | '[' | '{' => (Kind::Open, 1),
        ')' | ']' | '}' => (Kind::Close, 1),
        c if c.is_ascii_digit() => (Kind::Number, number(rest)),
        c if c.is_ascii_alphabetic() || c == '_' => (Kind::Word, word(rest)),
        c => {
            let double = MARKS.iter().any(|mark| rest.starts_with(mark));
            (Kind::Mark, if double { 2 } else { c.len_utf8() })
        }
    };
    (Some(kind), length)
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(rest.len())
}

/// `12`, `1_000`, `0x1f`, `1.5`, `1e-5`.
fn number(rest: &str) -> usize {
    let mut end = word(rest);
    let digit = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    if rest.get(end..).is_some_and(|r| r.starts_with('.')) && digit(end + 1) {
        end += 1 + word(rest.get(end + 1..).unwrap_or_default());
    }
    let exponent =
        rest.get(..end).is_some_and(|n| n.ends_with(['e', 'E'])) && !rest.starts_with("0x");
    let signed = rest.get(end..).is_some_and(|r| r.starts_with(['+', '-']));
    if exponent && signed && digit(end + 1) {
        end += 1 + word(rest.get(end + 1..).unwrap_or_default());
    }
    end
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// The last token of the operand that begins at `at`: a value with its parts, calls and filters.
fn end_of_operand(tokens: &[Token<'_>], mut at: usize) -> Option<usize> {
    while tokens.get(at).is_some_and(|token| token.is("-")) {
        at += 1;
    }
    let first = tokens.get(at)?;
    let mut last = match first.kind {
        Kind::Open => first.closed_by?,
        Kind::Word | Kind::Number | Kind::Text if first.ends_an_operand() => at,
        _ => return None,
    };
    while let Some(next) = tokens.get(last + 1) {
        let joined = first.kind == Kind::Text && next.kind == Kind::Text;
        last = match next.text {
            _ if joined => last + 1,
            "." | "|" if next.kind == Kind::Mark && tokens.len() > last + 2 => last + 2,
            "(" | "[" if next.kind == Kind::Open => next.closed_by?,
            _ => break,
        };
    }
    Some(last)
}
