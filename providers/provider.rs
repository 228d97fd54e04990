//! What the adapter of one vendor has to be able to do.

use jiff::Timestamp;
use serde_json::Value;

use crate::about::About;
use crate::answer::{Answer, Outcome};
use crate::reading::{Explained, Reading};
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::{Alert, Callback, Fault, Secret, charset};

/// What makes a fixture a new message.
#[derive(Clone, Debug)]
pub struct Stamp<'a> {
    /// A number that differs from message to message; the message id is made from it.
    pub serial: u64,
    /// The time that the message is to carry.
    pub at: Timestamp,
    /// The secret to sign with, where the vendor signs.
    pub token: Option<&'a Secret>,
}

/// Plays the vendor's side, for `campanile send` and for tests. `play/` implements it for the built-in vendors; nothing
/// of it is used to judge a callback.
pub trait Player {
    /// A fixture of this vendor as a new message: with a new id and the time of `stamp`, correctly signed. Without a
    /// vendor's side to play the fixture stays as it is.
    fn refresh(&self, call: Callback, _stamp: &Stamp<'_>) -> Callback {
        call
    }
}

/// The adapter of one vendor's protocol.
///
/// Every method is pure. `proof`, `read` and `answer` may be called in any order and any number of times.
pub trait Provider: Player + Send + Sync {
    /// What does not depend on a request.
    fn about(&self) -> &About;

    /// The word in the config, in URLs and in `fixtures/`.
    fn name(&self) -> &str {
        &self.about().name
    }

    /// Headers of the answer to `OPTIONS`, where senders of the protocol ask by it for consent. `None` refuses. It is
    /// called only after the proof held.
    fn handshake(&self, _call: &Callback) -> Option<Vec<(&'static str, String)>> {
        None
    }

    /// Whether the request looks like this vendor's, for the endpoint that takes any vendor.
    fn recognizes(&self, call: &Callback) -> bool;

    /// What must hold for the sender to be believed, as data. [`crate::verify`] looks whether it does.
    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a>;

    /// Whether the operator has set anything that the vendor's own proof is made with.
    fn is_proof_set(&self, source: &Source) -> bool {
        !source.tokens.is_empty()
    }

    /// What the callback says.
    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault>;

    /// What the vendor hears.
    fn answer(&self, call: &Callback, outcome: &Outcome<'_>) -> Answer;

    /// The answer to a route that asks for a list: the last alert of each problem, the newest first. `None` where the
    /// provider has no such route.
    fn list(&self, _alerts: &[Alert]) -> Option<Value> {
        None
    }

    /// Where every field of every alert came from. Nothing where a vendor is read by code.
    fn explained(
        &self,
        _call: &Callback,
        _source: &Source,
    ) -> Option<Result<Vec<Explained>, Fault>> {
        None
    }
}

/// Whether text to `source` that is not UTF-8 and declares no charset is tried as GB18030 first; for
/// [`Callback::chinese`].
pub fn expects_chinese(provider: &dyn Provider, source: &Source) -> bool {
    let zone = source.time_zone.as_ref();
    zone.map_or(provider.about().chinese, charset::is_chinese)
}
