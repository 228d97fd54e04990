//! What a provider says of itself: constants, for pages, `campanile providers`, the config and the listener.

use campanile_settings::Setting;

use crate::source::Source;

/// Everything about a vendor that does not depend on a request.
#[derive(Clone, Debug)]
pub struct About {
    /// The word in the config, in URLs and in `fixtures/`.
    pub name: String,
    /// The vendor's name for people, such as `UCloud`.
    pub title: String,
    /// The page for operators: Markdown with the headings *What it sends*, *Point it here*, *How it is read* and
    /// *What is not kept*.
    pub doc: String,
    /// The HTTP methods that the vendor uses.
    pub methods: Vec<&'static str>,
    /// Paths of the protocol itself, in addition to the address of the source.
    pub routes: Vec<Route>,
    /// Settings of a source that only this provider knows. It reads them from [`crate::Source::own`]; secrets are in
    /// [`crate::Source::tokens`].
    pub settings: Vec<Setting>,
    /// How the vendor proves its identity, in a few words, such as `MD5 token` or `path key`.
    pub proof: String,
    /// What the message id is made of, in a few words, such as `SessionID + status`.
    pub message_id: String,
    /// How sure we are of the wire format: `documented`, `seen in code` or `inferred`.
    pub confidence: String,
    /// The vendor's own time zone is Chinese: its senders may write GBK or GB18030 without declaring it.
    pub chinese: bool,
    /// The TOML of a vendor that is a mapping, to be copied and changed.
    pub toml: Option<String>,
}

impl Default for About {
    fn default() -> Self {
        Self {
            name: String::new(),
            title: String::new(),
            doc: String::new(),
            methods: vec!["POST"],
            routes: Vec::new(),
            settings: Vec::new(),
            proof: String::new(),
            message_id: String::new(),
            confidence: String::new(),
            chinese: false,
            toml: None,
        }
    }
}

/// A path of a protocol, such as `/api/v2/alerts`. It names no source: the first source whose proof holds takes the
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path, such as `/api/v2/alerts`.
    pub path: &'static str,
    /// The HTTP methods that are served there.
    pub methods: &'static [&'static str],
    /// What a request to it asks for.
    pub asks: Asks,
    /// What may stand before or after it.
    pub position: Position,
    /// The setting of a source that turns it on. Without one it is always on.
    pub switch: Option<&'static str>,
    /// One sentence for the operator: what a request to it does.
    pub doc: &'static str,
}

/// What a request to a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// To take the callback.
    Take,
    /// For [`crate::Provider::list`] of the last alerts.
    List,
}

/// What may stand before or after the path of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The address of a source may stand before it: senders append the path to the address that they are given.
    AfterAddress,
    /// The key of a source may follow it. Only one source can serve it.
    BeforeKey,
}

impl Route {
    /// Whether `source` serves it.
    pub fn is_on(&self, source: &Source) -> bool {
        self.switch.is_none_or(|switch| source.own.flag(switch))
    }

    /// Its paths at `source`, with `<key>` in place of the key. The bare path takes no key, so a source that has one
    /// refuses every request to it.
    pub(crate) fn paths(&self, source: &Source) -> Vec<String> {
        let Self { path, position, .. } = self;
        match position {
            Position::BeforeKey => vec![format!("{path}{}", source.key_segment())],
            Position::AfterAddress if source.keys.is_empty() => {
                vec![source.callback_path() + path, (*path).to_owned()]
            }
            Position::AfterAddress => vec![source.callback_path() + path],
        }
    }
}
