//! Whether the Jinja in a configuration can be compiled: the seam to the language itself.

use minijinja::Environment;

/// Something that knows the language of conditions and templates.
pub trait Expressions {
    /// A route's `when`.
    fn check_condition(&self, text: &str) -> Result<(), ExpressionMistake>;

    /// A webhook's `body`, or one of its `headers`.
    fn check_template(&self, text: &str) -> Result<(), ExpressionMistake>;

    /// A webhook's `success`.
    fn check_success(&self, text: &str) -> Result<(), ExpressionMistake>;
}

/// What is wrong in an expression or template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionMistake {
    /// From 1, within the text.
    pub line: usize,
    /// From 1, in characters; 0 when only the line is known.
    pub column: usize,
    /// What is wrong, without the text itself.
    pub message: String,
}

/// Checks the syntax and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Syntax;

impl Expressions for Syntax {
    fn check_condition(&self, text: &str) -> Result<(), ExpressionMistake> {
        let environment = Environment::new();
        let compiled = environment.compile_expression(text);
        compiled
            .map(|_| ())
            .map_err(|error| ExpressionMistake::from_error(&error, text))
    }

    fn check_template(&self, text: &str) -> Result<(), ExpressionMistake> {
        let environment = Environment::new();
        let compiled = environment.template_from_str(text);
        compiled
            .map(|_| ())
            .map_err(|error| ExpressionMistake::from_error(&error, text))
    }

    fn check_success(&self, text: &str) -> Result<(), ExpressionMistake> {
        self.check_condition(text)
    }
}

impl ExpressionMistake {
    /// The place and the words of a `minijinja` error over `text`.
    pub fn from_error(error: &minijinja::Error, text: &str) -> Self {
        let before = error.range().and_then(|range| text.get(..range.start));
        let line = before.map_or_else(
            || error.line().unwrap_or(1),
            |before| before.matches('\n').count() + 1,
        );
        let column = before.map_or(0, |before| {
            before.chars().rev().take_while(|c| *c != '\n').count() + 1
        });
        let message = error.detail().map_or_else(
            || error.kind().to_string(),
            |detail| format!("{}: {detail}", error.kind()),
        );
        Self {
            line,
            column,
            message,
        }
    }
}
