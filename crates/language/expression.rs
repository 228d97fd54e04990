//! One expression of a mapping, compiled once.

use std::fmt;
use std::sync::Arc;

use minijinja::value::Object;
use minijinja::{Environment, Value};

use super::engine::FIELDS;
use super::guard::{self, Guarded};
use super::names::{self, Names};
use super::scope::{self, Scope};
use super::{Mistake, known};

/// An expression of a mapping.
///
/// Most expressions only name a place, such as `item.labels.severity`. Those are read without running Jinja, so a mapping is
/// about as fast as an adapter in code.
pub struct Expression {
    /// As it was written, without its `?`.
    pub source: String,
    /// It ends with `?`: its value may be absent, empty or unreadable.
    pub optional: bool,
    /// What it names.
    pub names: Names,
    run: Run,
}

enum Run {
    Path(String, Vec<Step>),
    Jinja(minijinja::Expression<'static, 'static>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    At(usize),
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// Compiles `written`, which may use the names of `scope`.
    ///
    /// # Errors
    ///
    /// The problem, and the nearest valid word.
    pub fn compile(written: &str, scope: Scope) -> Result<Self, String> {
        let trimmed = written.trim();
        let (source, optional) = match trimmed.strip_suffix('?') {
            Some(bare) => (bare.trim_end(), true),
            None => (trimmed, false),
        };
        if source.is_empty() {
            return Err("an expression is missing here, such as \"body.id\"".to_owned());
        }
        let (compiled, _) =
            compiled(&FIELDS, source).map_err(|e| format!("not a Jinja expression: {e}"))?;
        let found = compiled.undeclared_variables(false);
        scope::check(source, &found, scope).map_err(|mistake| mistake.message)?;
        known::check(source).map_err(|mistake| mistake.message)?;
        let names = found.iter().fold(Names::default(), |all, n| all.with(n));
        let run = match path(source) {
            Some((root, steps)) => Run::Path(root, steps),
            None => Run::Jinja(compiled),
        };
        Ok(Self {
            source: source.to_owned(),
            optional,
            names,
            run,
        })
    }

    /// Its value for `view`, whose keys are the names.
    ///
    /// # Errors
    ///
    /// What failed, in one line.
    pub fn eval<V: Object + 'static>(&self, view: &Arc<V>) -> Result<Value, String> {
        match &self.run {
            Run::Path(root, steps) => {
                Ok(walk(view.get_value_by_str(root).unwrap_or_default(), steps))
            }
            Run::Jinja(compiled) => compiled
                .eval(Value::from_dyn_object(Arc::clone(view)))
                .map_err(|e| said(&e)),
        }
    }

    /// Whether it is true for `view`. An expression that fails is not true.
    pub fn holds<V: Object + 'static>(&self, view: &Arc<V>) -> bool {
        self.eval(view).is_ok_and(|value| value.is_true())
    }

    /// The value at the place that it names first.
    pub fn first<V: Object + 'static>(&self, view: &Arc<V>) -> Value {
        let path = first_path(&self.source).and_then(path);
        path.map_or(Value::UNDEFINED, |(root, steps)| {
            walk(view.get_value_by_str(&root).unwrap_or_default(), &steps)
        })
    }

    /// Whether it only names a place.
    #[must_use]
    pub fn is_place(&self) -> bool {
        matches!(self.run, Run::Path(..))
    }

    /// The place in the callback that it names first, for people: `body.alerts[3].startsAt` where `item` is
    /// `body.alerts[3]`.
    #[must_use]
    pub fn place(&self, item: &str) -> String {
        let place = first_path(&self.source).unwrap_or(&self.source);
        match place.strip_prefix("item") {
            Some(rest) => format!("{item}{rest}"),
            None => place.to_owned(),
        }
    }
}

/// Compiles `text` under guard.
pub(crate) fn compiled(
    engine: &'static Environment<'static>,
    text: &str,
) -> Result<(minijinja::Expression<'static, 'static>, Guarded), Mistake> {
    let guarded = guard::expression(text);
    let compiled = engine.compile_expression_owned(guarded.text.clone());
    match compiled {
        Ok(expression) => Ok((expression, guarded)),
        Err(error) => Err(Mistake::of(text, &guarded, &error)),
    }
}

/// The engine's message without a place.
fn said(error: &minijinja::Error) -> String {
    let detail = error.detail().map(str::to_owned);
    detail.unwrap_or_else(|| error.kind().to_string())
}

/// The steps of an expression that only names a place; nothing for any other.
fn path(source: &str) -> Option<(String, Vec<Step>)> {
    let (path, rest) = leading_path(source)?;
    rest.is_empty().then_some(path)
}

/// The path with which `source` begins, and what follows it.
fn leading_path(source: &str) -> Option<((String, Vec<Step>), &str)> {
    let (root, mut rest) = word(source);
    if !names::ALL.contains(&root) {
        return None;
    }
    let mut steps = Vec::new();
    while let Some((step, after)) = step(rest) {
        steps.push(step);
        rest = after;
    }
    Some(((root.to_owned(), steps), rest))
}

fn word(source: &str) -> (&str, &str) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = source.find(|c: char| !is_word(c)).unwrap_or(source.len());
    source.split_at_checked(end).unwrap_or((source, ""))
}

/// One `.key`, `['key']` or `[0]`.
fn step(source: &str) -> Option<(Step, &str)> {
    if let Some(after) = source.strip_prefix('.') {
        let (key, rest) = word(after);
        let named = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        // A name before `(` is a method. Only the engine can call it.
        return (named && !rest.starts_with('(')).then(|| (Step::Key(key.to_owned()), rest));
    }
    let (inner, rest) = source.strip_prefix('[')?.split_once(']')?;
    if let Ok(at) = inner.parse() {
        return Some((Step::At(at), rest));
    }
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let key = inner.strip_prefix(quote)?.strip_suffix(quote)?;
    let whole = !key.contains([quote, '\\']);
    whole.then(|| (Step::Key(key.to_owned()), rest))
}

fn walk(root: Value, steps: &[Step]) -> Value {
    steps.iter().fold(root, |value, step| {
        let next = match step {
            Step::Key(key) => value.get_attr(key),
            Step::At(at) => value.get_item_by_index(*at),
        };
        next.unwrap_or_default()
    })
}

/// The first place that `source` names, such as `body.a.b`. Text in strings is ignored.
fn first_path(source: &str) -> Option<&str> {
    let mut rest = source;
    let mut quote = None;
    while let Some(c) = rest.chars().next() {
        match quote {
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            None if c.is_ascii_alphabetic() => {
                if let Some((_, after)) = leading_path(rest) {
                    return rest.get(..rest.len() - after.len());
                }
                rest = word(rest).1;
                continue;
            }
            _ => {}
        }
        rest = rest.get(c.len_utf8()..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_for_people_names_the_item_by_its_number() {
        let place = |source: &str| {
            Expression::compile(source, scope::FIELD)
                .expect("compiles")
                .place("body.alerts[3]")
        };
        assert_eq!(place("item.startsAt"), "body.alerts[3].startsAt");
        assert_eq!(
            place("'body.x' ~ item['a b'].c|lower"),
            "body.alerts[3]['a b'].c"
        );
        assert_eq!(place("(body.a or item.b)"), "body.a");
    }

    #[test]
    fn words_that_do_not_exist_are_found_before_any_callback_comes() {
        let fault = |source: &str| Expression::compile(source, scope::FIELD).expect_err("is wrong");
        assert!(fault("bodi.a").contains("did you mean `body`?"));
        assert!(fault("body.a|lowr").contains("did you mean `lower`?"));
        assert!(
            fault("body.a if false and (body.b is strin) else 1").contains("unknown test `strin`")
        );
        assert!(fault("body.a ~").contains("not a Jinja expression"));
    }
}
