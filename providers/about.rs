//! What a provider says of itself: constants, for pages, `campanile providers`, the config and the listener.

use campanile_settings::Setting;

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
    /// Paths of the protocol's own, next to the callback's address.
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

/// A path that the senders of a protocol append to the address that they are given, such as `/api/v2/alerts`. It is
/// also served without that address, for senders that are given only a host: the first source whose proof holds takes
/// the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path, such as `/api/v2/alerts`.
    pub path: &'static str,
    /// The HTTP methods that are served there.
    pub methods: &'static [&'static str],
    /// One sentence for the operator: what a request to it does.
    pub doc: &'static str,
}
