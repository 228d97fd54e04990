//! Branches of built-in recipes that the fixtures of the laws leave out.

use std::sync::Arc;

use campanile_model::Severity;
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use campanile_settings::{Environment, Values};
use campanile_sinks::{Message, Sink, Tools, kinds};

use super::{TIMEOUT, message};

fn built(kind: &str, values: &str) -> Arc<dyn Sink> {
    let found = kinds().iter().find(|known| known.about().name == kind);
    let kind = found.unwrap();
    let tools = Tools {
        name: "recipe/branch",
        timeout: TIMEOUT,
    };
    let values = Values::parse(values, kind.settings(), &Environment::new());
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    kind.build(&values, &tools).unwrap()
}

/// The request to a receiver at this path, which gives these answers.
async fn got(
    kind: &str,
    path: &str,
    values: &str,
    message: &Message,
    plays: Vec<Play>,
) -> Vec<Got> {
    let receiver = Receiver::start(plays).await;
    let values = format!("url = \"{}\"\n{values}", receiver.url(path));
    // What the answers mean is held by the laws.
    let _done = built(kind, &values).send(message).await;
    receiver.got()
}

#[test]
fn the_address_of_serverchan_follows_from_the_key() {
    for (key, address) in [
        (
            "sctp123tabcdefgh",
            "POST https://123.push.ft07.com/send/***.send\n",
        ),
        ("SCT123Tabcdefgh", "POST https://sctapi.ftqq.com/***.send\n"),
    ] {
        let sink = built("serverchan", &format!("key = \"{key}\""));
        let shown = sink.render(&message()).unwrap();
        assert!(shown.starts_with(address), "{shown}");
    }
}

#[tokio::test]
async fn dingtalk_takes_the_address_with_the_token_and_the_token_alone() {
    let whole = "/robot/send?access_token=0123456789";
    let alone = "token = \"0123456789\"";
    for (path, values) in [(whole, ""), ("/robot/send", alone), (whole, alone)] {
        let got = got("dingtalk", path, values, &message(), Vec::new()).await;
        assert_eq!(got[0].target, whole, "{path} {values}");
    }
}

#[tokio::test]
async fn feishu_without_a_key_is_not_signed() {
    let got = got("feishu", "/hook", "", &message(), Vec::new()).await;
    let body = got[0].json();
    assert_eq!(body["msg_type"], "interactive");
    assert!(body.get("sign").is_none() && body.get("timestamp").is_none());
}

/// A change of the card would notify nobody.
#[tokio::test]
async fn another_firing_is_a_reply_to_the_first_card_of_feishu() {
    let settings =
        "app_id = \"cli_1\"\napp_secret = \"0123456789\"\nto = \"oc_1\"\nmention = [\"ou_1\"]";
    let again = Message {
        handle: Some("om_1".to_owned()),
        ..message()
    };
    let token = Play::body(r#"{"code": 0, "tenant_access_token": "t-1", "expire": 7200}"#);
    let refused = Play::Answer(400, Vec::new(), r#"{"code": 230099}"#.to_owned());
    let got = got("feishu-app", "", settings, &again, vec![token, refused]).await;
    let [_, card, plain] = &got[..] else {
        panic!("{} requests", got.len());
    };
    for (got, kind) in [(card, "interactive"), (plain, "text")] {
        assert_eq!(got.method, "POST");
        assert_eq!(got.target, "/open-apis/im/v1/messages/om_1/reply");
        let body = got.json();
        assert_eq!(body["msg_type"], kind);
        assert!(body.get("receive_id").is_none());
        let content = body["content"].as_str().unwrap();
        let content: serde_json::Value = serde_json::from_str(content).unwrap();
        assert_eq!(content.get("text").is_some(), kind == "text");
        // An unknown person is why a card is refused.
        assert_eq!(content.to_string().contains("ou_1"), kind != "text");
    }
}

#[tokio::test]
async fn the_level_of_a_push_of_bark_follows_from_the_severity() {
    for (severity, level) in [
        (Severity::Critical, "critical"),
        (Severity::Error, "timeSensitive"),
        (Severity::Warning, "timeSensitive"),
        (Severity::Info, "active"),
        (Severity::Unknown, "active"),
    ] {
        let mut message = message();
        let mut alert = (*message.alerts[0]).clone();
        alert.severity = severity;
        message.alerts[0] = alert.into();
        let got = got("bark", "", "key = \"0123456789\"", &message, Vec::new()).await;
        assert_eq!(got[0].json()["level"], level);
    }
}
