//! The way in which a receiver is addressed: the kind of its sink, the settings of that kind, what a request of it says,
//! and how the vendor answers.

use std::fmt::Write as _;

use campanile_receiver::{Got, Play, Then};
use serde_json::Value;

use super::Arrival;
use crate::secrets::{HOOK, SIGNING};
use crate::vendors::own_words;

/// The text of a message for people: it names the alert.
const TEMPLATE: &str = "{{ source }} {{ message_id }}";
/// Recipes have the limits of their vendors. The load of a run is far above them.
const LIMITS: &str =
    "per_second = 1000000\nper_minute = 1000000\nper_hour = 1000000\nper_day = 1000000\n";

/// How a receiver is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The whole alert, signed.
    Webhook,
    /// The whole alert as an event of `CloudEvents`, by the kind `webhook`.
    CloudEvents,
    /// A text and nothing else that names the delivery.
    Ntfy,
    Slack,
    Wecom,
    /// A text with the id of the delivery.
    Dingtalk,
    /// The whole alert as a line of a file.
    File,
    /// The whole alert as a row. Sent again, it is the same row.
    Sqlite,
}

impl Way {
    /// The kind of its sink.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Webhook | Self::CloudEvents => "webhook",
            Self::Ntfy => "ntfy",
            Self::Slack => "slack",
            Self::Wecom => "wecom",
            Self::Dingtalk => "dingtalk",
            Self::File => "file",
            Self::Sqlite => "sqlite",
        }
    }

    /// The settings of a sink of this kind that sends to an address, or to the path of a file.
    pub(super) fn settings(self, at: &str) -> String {
        let hook = format!("url = \"http://{at}/{HOOK}\"\n");
        let own = match self {
            Self::Webhook => format!("{hook}signing_secret = \"{SIGNING}\"\n"),
            Self::CloudEvents => {
                // Of several gateways, each delivers a part.
                format!(
                    "{hook}signing_secret = \"{SIGNING}\"\nformat = \"cloudevents\"\nparts = 3\n"
                )
            }
            Self::Ntfy => {
                format!("url = \"http://{at}\"\ntopic = \"chaos\"\ntoken = \"{HOOK}\"\n")
            }
            Self::Dingtalk => {
                let url = format!("url = \"http://{at}/robot\"\n");
                format!("{url}token = \"{HOOK}\"\nsign = \"{SIGNING}\"\n")
            }
            Self::Slack | Self::Wecom => hook,
            Self::File | Self::Sqlite => format!("path = \"{at}\"\n"),
        };
        let mut settings = own;
        if self.is_text() {
            let _infallible = write!(settings, "template = \"{TEMPLATE}\"\n{LIMITS}");
        }
        settings
    }

    /// Whether it carries a text in place of the alert.
    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Ntfy | Self::Slack | Self::Wecom | Self::Dingtalk
        )
    }

    /// What a request says. It is not accepted yet.
    pub(super) fn arrival(self, got: &Got) -> Arrival {
        let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let header = got.header("webhook-id").map(str::to_owned);
        match self {
            Self::Webhook => Arrival::whole(body, header),
            Self::CloudEvents => {
                let id = body["id"].as_str().map(str::to_owned);
                let whole = Arrival::whole(body["data"].clone(), header);
                Arrival { id, ..whole }
            }
            Self::File | Self::Sqlite => Arrival::whole(body, None),
            Self::Ntfy => Arrival::named(&body["message"]),
            Self::Slack => Arrival::named(&body["blocks"][1]["text"]["text"]),
            Self::Wecom => Arrival::named(&body["markdown"]["content"]),
            Self::Dingtalk => Arrival {
                delivery: body["msgUuid"].as_str().map(str::to_owned),
                ..Arrival::named(&body["markdown"]["text"])
            },
        }
    }

    /// The body with which the vendor says that it has the message.
    pub(super) fn success(self) -> &'static str {
        match self {
            Self::Webhook | Self::CloudEvents | Self::File | Self::Sqlite => "",
            Self::Ntfy => r#"{"id":"m1","event":"message"}"#,
            Self::Slack => "ok",
            Self::Wecom | Self::Dingtalk => r#"{"errcode":0,"errmsg":"ok"}"#,
        }
    }

    /// The success, after which the connection is closed without a word.
    pub(super) fn success_and_close(self) -> Play {
        let body = self.success();
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        Play::Raw(head.into_bytes(), Then::Close)
    }

    /// A refusal for now, as the vendor says it.
    pub(super) fn refusal(self) -> Play {
        match self {
            // The sink then waits for more than a minute. An operator ends the wait.
            Self::Wecom => Play::body(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#),
            Self::Dingtalk => Play::body(r#"{"errcode":-1,"errmsg":"system busy"}"#),
            Self::Slack => Play::Answer(429, Vec::new(), "rate_limited".to_owned()),
            Self::Ntfy => {
                let body = r#"{"code":42901,"http":429,"error":"limit reached"}"#;
                Play::Answer(429, Vec::new(), body.to_owned())
            }
            Self::Webhook | Self::CloudEvents | Self::File | Self::Sqlite => Play::status(429),
        }
    }
}

impl Arrival {
    /// An alert that arrived whole.
    fn whole(alert: Value, delivery: Option<String>) -> Self {
        let word = |name: &str| alert[name].as_str().unwrap_or_default();
        Self {
            delivery,
            key: format!("{} {}", word("source"), word("message_id")),
            id: alert["id"].as_str().map(str::to_owned),
            alert: Some(own_words(alert)),
            taken: false,
        }
    }

    /// An alert that is only named: by [`TEMPLATE`], on the last line of a quote or of the whole text.
    fn named(text: &Value) -> Self {
        let text = text.as_str().unwrap_or_default();
        let quoted = text.lines().find_map(|line| line.strip_prefix("> "));
        let line = quoted.unwrap_or(text).trim();
        // Recipes put a zero-width space behind signs of Markdown, and WeCom's replaces `<`.
        let key = line.replace('\u{200b}', "").replace('＜', "<");
        Self {
            delivery: None,
            key,
            id: None,
            alert: None,
            taken: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arrival(way: Way, body: &Value) -> Arrival {
        way.arrival(&Got {
            headers: vec![("webhook-id".to_owned(), "dlv_1".to_owned())],
            body: body.to_string().into_bytes(),
            ..Got::default()
        })
    }

    #[test]
    fn a_text_names_its_alert_in_every_markup() {
        let key = "ucloud/prod session-7_0";
        let quote = "> ucloud/prod session\u{200b}-7_\u{200b}0";
        let texts = [
            (Way::Ntfy, json!({"message": key})),
            (Way::Slack, json!({"blocks": [{}, {"text": {"text": key}}]})),
            (
                Way::Wecom,
                json!({"markdown": {"content": format!("head\n{quote}")}}),
            ),
            (
                Way::Dingtalk,
                json!({"msgUuid": "dlv_1", "markdown": {"text": format!("### head\n\n{quote}\n")}}),
            ),
        ];
        for (way, body) in texts {
            let arrival = arrival(way, &body);
            assert_eq!(arrival.key, key, "{way:?}");
            assert_eq!((arrival.id, arrival.alert), (None, None), "{way:?}");
            let named = (way == Way::Dingtalk).then(|| "dlv_1".to_owned());
            assert_eq!(arrival.delivery, named, "{way:?}");
        }
    }

    #[test]
    fn a_whole_alert_is_found_in_every_form_that_carries_it() {
        let alert = json!({"id": "a1", "source": "ucloud/prod", "message_id": "m", "title": "t"});
        let event = json!({"id": "a1", "data": alert});
        for (way, body) in [
            (Way::Webhook, &alert),
            (Way::CloudEvents, &event),
            (Way::File, &alert),
            (Way::Sqlite, &alert),
        ] {
            let arrival = arrival(way, body);
            assert_eq!(arrival.key, "ucloud/prod m", "{way:?}");
            assert_eq!(arrival.id.as_deref(), Some("a1"), "{way:?}");
            assert_eq!(arrival.alert, Some(own_words(alert.clone())), "{way:?}");
            let stored = matches!(way, Way::File | Way::Sqlite);
            assert_eq!(arrival.delivery.is_none(), stored, "{way:?}");
        }
    }
}
