//! Messages that a cloud delivers from a topic: an envelope, signed with RSA, and a request to confirm the subscription.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::fields::scalar;
use crate::reading::{Effect, Reading};
use crate::source::Source;
use crate::trust::certificate::{Certified, Hash};
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;

/// The setting of a source with the topics that are believed.
const TOPICS: &str = "topics";

/// Whether a source lists any topic.
pub(crate) fn is_listing(source: &Source) -> bool {
    !source.own.texts(TOPICS).is_empty()
}

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The envelope of one cloud.
pub(crate) struct Envelope {
    /// The field with the kind of the message.
    pub(crate) kind: &'static str,
    /// The field with the topic.
    pub(crate) topic: &'static str,
    /// The field with the signature.
    pub(crate) signature: &'static str,
    /// The field with the address of the certificate.
    pub(crate) certificate: &'static str,
    /// The field with the address for the confirmation.
    pub(crate) subscribe: &'static str,
    /// The signed fields of a notification, in the order of signing.
    pub(crate) signed: &'static [&'static str],
    /// The signed fields of a request to confirm.
    pub(crate) signed_to_confirm: &'static [&'static str],
    /// The hash of the signature, if it is known.
    pub(crate) hash: fn(&Object) -> Option<Hash>,
    /// Whether a certificate may be fetched from this address.
    pub(crate) serves_certificates: fn(&str) -> bool,
    /// Whether a subscription may be confirmed at this address.
    pub(crate) confirms: fn(&str) -> bool,
}

/// The body as an object.
pub(crate) fn object(call: &Callback) -> Result<&Object, Fault> {
    let body = call.json()?.as_object();
    body.ok_or_else(|| Fault::new("body", "JSON, but not an object"))
}

/// The text or number in a field.
pub(crate) fn text(object: &Object, name: &str) -> Option<String> {
    scalar(object.get(name)?).map(std::borrow::Cow::into_owned)
}

impl Envelope {
    /// The proof: a listed topic, and the signature of its cloud.
    pub(crate) fn proof<'a>(&self, call: &Callback, source: &Source) -> Proof<'a> {
        if !is_listing(source) {
            return Proof::Never("no topic is listed");
        }
        let Ok(envelope) = object(call) else {
            return Proof::Absent;
        };
        let given = text(envelope, self.signature).zip(text(envelope, self.certificate));
        let Some((signature, url)) = given else {
            return Proof::Absent;
        };
        let Some(hash) = (self.hash)(envelope) else {
            return Proof::Wrong("the signature version is not supported");
        };
        if !self.is_listed(envelope, source) {
            return Proof::Wrong("the topic is not listed");
        }
        if !(self.serves_certificates)(&url) {
            return Proof::Wrong("the certificate is not at a host of the cloud");
        }
        let Ok(signature) = STANDARD.decode(signature) else {
            return Proof::Wrong("the signature is not base64");
        };
        Proof::Certified(Certified {
            certificate: call.fetched(&url),
            url,
            now: call.received_at,
            hash,
            message: self.message(envelope).into_bytes(),
            signature,
        })
    }

    fn is_listed(&self, envelope: &Object, source: &Source) -> bool {
        let topic = envelope.get(self.topic).and_then(Value::as_str);
        topic.is_some_and(|topic| {
            source
                .own
                .texts(TOPICS)
                .iter()
                .any(|listed| listed == topic)
        })
    }

    /// The signed text: name and value of each field that is present, each followed by a line end. An empty subject counts as
    /// absent.
    pub(crate) fn message(&self, envelope: &Object) -> String {
        let is_notification = text(envelope, self.kind).is_some_and(|kind| kind == "Notification");
        let names = if is_notification {
            self.signed
        } else {
            self.signed_to_confirm
        };
        let line = |name: &&str| {
            let value = envelope.get(*name)?.as_str()?;
            let is_none = value.is_empty() && name.eq_ignore_ascii_case("subject");
            (!is_none).then(|| format!("{name}\n{value}\n"))
        };
        names.iter().filter_map(line).collect()
    }

    /// The confirmation that the cloud asks for.
    pub(crate) fn confirmation(
        &self,
        envelope: &Object,
        source: &Source,
    ) -> Result<Reading, Fault> {
        let refused = |problem| Err(Fault::new(format!("body.{}", self.subscribe), problem));
        // An open source checks no signature: any sender could have it confirm any subscription.
        if source.open || !self.is_listed(envelope, source) {
            return refused("not confirmed: only a signed request for a listed topic is confirmed");
        }
        match text(envelope, self.subscribe) {
            Some(url) if (self.confirms)(&url) => Ok(Reading {
                effect: Some(Effect::Confirm { url }),
                ..Reading::default()
            }),
            _ => refused("missing, or not at a host of the cloud"),
        }
    }
}

/// The host of an `https` address without a port. None if another parser could read the address differently.
pub(crate) fn https_host(url: &str) -> Option<&str> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'@');
    let rest = url.strip_prefix("https://")?;
    let (host, _) = rest.split_once('/').filter(|_| url.bytes().all(is_plain))?;
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    host.bytes().all(is_host).then_some(host)
}

/// Whether this is one label of a host name, as regions are.
pub(crate) fn is_region(label: &str) -> bool {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    label.len() >= 3 && label.bytes().all(is_sign)
}
