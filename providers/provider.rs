//! What the adapter of one vendor has to be able to do.

use jiff::Timestamp;

use crate::answer::{Answer, Outcome};
use crate::reading::{Explained, Reading};
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::{Secret, charset};

/// What may stand in a setting of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A secret, or a list of secrets while one is being rotated. Goes to [`Source::tokens`].
    Token,
    /// Text. Goes to [`Source::user`].
    User,
    /// A list of texts. Goes to [`Source::topics`].
    Topics,
    /// Text. Goes to [`Source::tenant`].
    Tenant,
    /// A list of texts. Goes to [`Source::audiences`].
    Audience,
    /// `true` or `false`. Goes to [`Source::demo_paths`].
    DemoPaths,
}

/// A setting that a source of one provider takes beside those that all sources take.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The word in the config.
    pub name: &'static str,
    /// What may stand there, and where it goes.
    pub kind: SettingKind,
    /// One or two sentences for the operator.
    pub doc: &'static str,
}

/// What makes a fixture a fresh message: `campanile send` plays the vendor with it.
#[derive(Clone, Debug)]
pub struct Stamp<'a> {
    /// A number that differs from message to message; the message id is made from it.
    pub serial: u64,
    /// The time that the message is to carry.
    pub at: Timestamp,
    /// The secret to sign with, where the vendor signs.
    pub token: Option<&'a Secret>,
}

/// The adapter of one vendor's protocol.
///
/// Every method is pure. `proof`, `read` and `answer` may be called in any order and any number of times.
pub trait Provider: Send + Sync {
    /// The word in config, URLs and `fixtures/`.
    fn name(&self) -> &str;

    /// The vendor's name for people, such as `UCloud`.
    fn title(&self) -> &str;

    /// The page for operators: Markdown with the headings *What it sends*, *Point it here*, *How it is read* and
    /// *What is not kept*.
    fn doc(&self) -> &str;

    /// The HTTP methods that the vendor uses.
    fn methods(&self) -> &[&'static str] {
        &["POST"]
    }

    /// Paths that this protocol's senders put behind the address that they are given, such as `/api/v2/alerts`. They are
    /// served on their own too, for senders that are given nothing but a host: the first source that believes the
    /// sender takes it.
    fn paths(&self) -> &[&'static str] {
        &[]
    }

    /// Headers of the answer to `OPTIONS` where the protocol asks for consent by it; none refuses. Asked only when the
    /// proof holds.
    fn handshake(&self, _call: &Callback) -> Option<Vec<(&'static str, String)>> {
        None
    }

    /// Settings that a source takes beside those that all sources take.
    fn settings(&self) -> &[Setting] {
        &[]
    }

    /// How the vendor proves itself, in a few words, such as `MD5 token` or `path key`.
    fn proof_kind(&self) -> &str;

    /// Where the message id comes from, in a few words, such as `SessionID + status`.
    fn message_id_kind(&self) -> &str;

    /// How sure we are of the wire format: `documented`, `seen in code`, `inferred`.
    fn confidence(&self) -> &str;

    /// Whether the vendor's own time zone is Chinese: its senders may write GBK or GB18030 without saying it.
    fn is_chinese(&self) -> bool {
        false
    }

    /// Whether the request looks like this vendor's, for the endpoint that takes any vendor.
    fn recognizes(&self, call: &Callback) -> bool;

    /// What must hold for the sender to be believed, as data. [`crate::verify`] looks whether it does.
    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a>;

    /// What the callback says.
    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault>;

    /// What the vendor is told.
    fn answer(&self, call: &Callback, outcome: &Outcome<'_>) -> Answer;

    /// A fixture of this vendor made into a fresh message, correctly signed.
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback;

    /// Where every field of every alert came from. Nothing where a vendor is read by code.
    fn explained(
        &self,
        _call: &Callback,
        _source: &Source,
    ) -> Option<Result<Vec<Explained>, Fault>> {
        None
    }

    /// The TOML of a vendor that is a mapping, to be copied and changed.
    fn toml(&self) -> Option<&str> {
        None
    }
}

/// Whether text to `source` that is not UTF-8 and declares no charset is tried as GB18030 first; for
/// [`Callback::chinese`].
pub fn expects_chinese(provider: &dyn Provider, source: &Source) -> bool {
    let zone = source.time_zone.as_ref();
    zone.map_or_else(|| provider.is_chinese(), charset::is_chinese)
}

/// A built-in provider is a `&'static` one; behind an `Arc` it stands beside those of the operator.
impl<P: Provider + ?Sized> Provider for &P {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn title(&self) -> &str {
        (**self).title()
    }

    fn doc(&self) -> &str {
        (**self).doc()
    }

    fn methods(&self) -> &[&'static str] {
        (**self).methods()
    }

    fn paths(&self) -> &[&'static str] {
        (**self).paths()
    }

    fn handshake(&self, call: &Callback) -> Option<Vec<(&'static str, String)>> {
        (**self).handshake(call)
    }

    fn settings(&self) -> &[Setting] {
        (**self).settings()
    }

    fn proof_kind(&self) -> &str {
        (**self).proof_kind()
    }

    fn message_id_kind(&self) -> &str {
        (**self).message_id_kind()
    }

    fn confidence(&self) -> &str {
        (**self).confidence()
    }

    fn is_chinese(&self) -> bool {
        (**self).is_chinese()
    }

    fn recognizes(&self, call: &Callback) -> bool {
        (**self).recognizes(call)
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        (**self).proof(call, source)
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        (**self).read(call, source)
    }

    fn answer(&self, call: &Callback, outcome: &Outcome<'_>) -> Answer {
        (**self).answer(call, outcome)
    }

    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        (**self).refresh(call, stamp)
    }

    fn explained(&self, call: &Callback, source: &Source) -> Option<Result<Vec<Explained>, Fault>> {
        (**self).explained(call, source)
    }

    fn toml(&self) -> Option<&str> {
        (**self).toml()
    }
}
