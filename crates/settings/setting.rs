//! One setting: its name, what it takes, its default, and a sentence for the operator.

use std::borrow::Cow;

use super::Type;

/// A text that is compiled in, or comes from an operator's own file.
pub type Words = Cow<'static, str>;

/// One setting. The table of these is the one source of what is accepted, what is assumed and what is documented.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub name: Words,
    /// What it takes.
    pub takes: Type,
    /// As TOML; none where there is no default.
    pub default: Option<Words>,
    /// As TOML, for `full.toml`, where there is no default.
    pub example: Words,
    /// Nothing works without it.
    pub required: bool,
    /// What it does, for the operator.
    pub doc: Words,
}

/// A setting with a default.
pub const fn with(
    name: &'static str,
    takes: Type,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        name: Cow::Borrowed(name),
        takes,
        default: Some(Cow::Borrowed(default)),
        example: Cow::Borrowed(default),
        required: false,
        doc: Cow::Borrowed(doc),
    }
}

/// A setting without a default that may be left out.
pub const fn optional(
    name: &'static str,
    takes: Type,
    example: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        name: Cow::Borrowed(name),
        takes,
        default: None,
        example: Cow::Borrowed(example),
        required: false,
        doc: Cow::Borrowed(doc),
    }
}

/// A setting that must be there.
pub const fn required(
    name: &'static str,
    takes: Type,
    example: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        name: Cow::Borrowed(name),
        takes,
        default: None,
        example: Cow::Borrowed(example),
        required: true,
        doc: Cow::Borrowed(doc),
    }
}
