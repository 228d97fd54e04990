//! Whether the Jinja in a configuration can be compiled: the seam to the language itself.

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

/// The language of this program: what is accepted here runs later.
#[derive(Clone, Copy, Debug, Default)]
pub struct Language;

impl Expressions for Language {
    fn check_condition(&self, text: &str) -> Result<(), ExpressionMistake> {
        campanile_language::Condition::compile(text)
            .map(drop)
            .map_err(Into::into)
    }

    fn check_template(&self, text: &str) -> Result<(), ExpressionMistake> {
        campanile_language::Template::compile(text)
            .map(drop)
            .map_err(Into::into)
    }

    fn check_success(&self, text: &str) -> Result<(), ExpressionMistake> {
        campanile_language::Success::compile(text)
            .map(drop)
            .map_err(Into::into)
    }
}

impl From<campanile_language::Mistake> for ExpressionMistake {
    fn from(mistake: campanile_language::Mistake) -> Self {
        Self {
            line: mistake.line,
            column: mistake.column,
            message: mistake.message,
        }
    }
}
