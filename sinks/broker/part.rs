//! One message of a broker: one alert of a delivery, with a name of its own.

use bytes::Bytes;
use campanile_model::Alert;

use crate::Message;

/// A description that is cut keeps so many characters.
const DESCRIPTION_MAX: usize = 1000;
/// What the operator reads about a message that was shortened.
pub(crate) const SHORTENED: &str =
    "the alert was too large for the server: `raw` was left out and `description` was cut";

/// One alert on its way.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    /// The same on every attempt, and of no other alert. Readers drop a second message with it.
    pub(crate) id: String,
    pub(crate) alert: &'a Alert,
    /// The alert as the API shows it.
    pub(crate) json: Bytes,
}

/// The alerts of a delivery, in order.
pub(crate) fn parts(message: &Message) -> impl Iterator<Item = Part<'_>> {
    let alone = message.only().is_some();
    let alerts = message.alerts.iter().zip(message.json());
    alerts.map(move |(alert, json)| Part {
        id: if alone {
            message.delivery_id.clone()
        } else {
            format!("{}.{}", message.delivery_id, alert.id)
        },
        alert,
        json,
    })
}

impl Part<'_> {
    /// The same without the vendor's own words and with the beginning of the description. None if that is not shorter.
    pub(crate) fn shortened(&self) -> Option<Self> {
        // Texts, numbers and maps with text keys: nothing here can fail to serialize.
        let json = Bytes::from(serde_json::to_vec(&short(self.alert)).unwrap_or_default());
        (json.len() < self.json.len()).then(|| Self {
            json,
            ..self.clone()
        })
    }
}

/// The alert without the vendor's own words and with the beginning of the description.
pub(crate) fn short(alert: &Alert) -> Alert {
    let mut alert = alert.clone();
    alert.raw.clear();
    alert.description = alert.description.chars().take(DESCRIPTION_MAX).collect();
    alert
}
