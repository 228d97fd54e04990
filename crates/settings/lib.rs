//! TOML with places: what may be set, what was set, and where a mistake is.
//!
//! A [`Setting`] says what one key takes. [`Layers`] reads files and the environment into one tree of [`Node`]s, each with
//! its place. [`Findings`] holds a table of that tree against its settings and gives [`Values`]: every value is read once,
//! with its default filled in, so a type that is built from `Values` cannot differ from what was checked. What is wrong
//! becomes a [`Mistake`] with file, line, column, what is expected and the nearest valid word. No mistake holds a secret.

mod digest;
mod documents;
mod fields;
mod findings;
mod layers;
mod mistake;
mod name;
mod node;
mod read;
mod secret;
mod setting;
mod shown;
mod signing;
mod text;
mod types;
mod values;

use std::collections::BTreeMap;

pub use digest::{Digests, digests};
pub use documents::{Document, Opened};
pub use fields::leaves;
pub use findings::Findings;
pub use layers::{Layers, Shape};
pub use mistake::{Line, Location, Mistake, Mistakes, one_of};
pub use name::{is_name, names_expected};
pub use node::{Node, Place, Written};
pub use read::{Problem, Read};
pub use secret::{stray_key, stray_name};
pub use setting::{Setting, Words, optional, required, with};
pub use shown::shown;
pub use signing::{NotASigningKey, SIGNING_KEY_FORM, signing_key};
pub use types::{SEVERITY, SecretKind, Type};
pub use values::{FromValue, TlsFiles, Unset, Value, Values};

/// The environment variables: passed in, so that tests need not change those of the process.
pub type Environment = BTreeMap<String, String>;

/// Whether this can be the name of an HTTP header.
pub fn is_header(name: &str) -> bool {
    http::HeaderName::try_from(name).is_ok()
}

/// An HTTP address, or why the text is not one: follows the name of the setting in a sentence.
pub fn http_url(text: &str) -> Result<url::Url, &'static str> {
    let url = url::Url::parse(text).map_err(|_| "is not a URL")?;
    match url.scheme() {
        // Such a URL always has a host.
        "http" | "https" => Ok(url),
        _ => Err("begins with neither http:// nor https://"),
    }
}
