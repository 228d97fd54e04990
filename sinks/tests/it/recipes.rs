//! What a recipe can say, each with a recipe of its own.

use std::sync::Arc;

use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use campanile_settings::{Environment, Values};
use campanile_sinks::{
    BuildError, Failure, Kind, Message, Policy, Recipe, Sink, Tools, settings_of,
};
use jiff::Timestamp;

use super::goaway::{LEAVING, listen};
use super::{TIMEOUT, message};

/// A recipe without `[request]`.
pub(super) const BASE: &str = r#"
title = "Acme"
limit = { characters = 500 }

[doc]
does = "d"
setup = "s"
sent = "s"
fails = "f"

[settings]
url = { takes = "url", required = true, example = "https://acme.example.com", doc = "d" }
secret = { takes = "secret", example = "example-example", doc = "d" }

[answer]
success = "status == 200"
"#;
pub(super) const POST: &str = "[request]\nmethod = 'POST'\nurl = '{{ settings.url }}/send'\n";
const SECRET: &str = "SEC000000000000000000000000000000000000000000000000000000000000cafe";

fn recipe(more: &str) -> Recipe {
    let text = format!("{BASE}{more}");
    Recipe::parse("acme", &text).unwrap_or_else(|mistake| panic!("{mistake}\n{text}"))
}

fn try_build(recipe: &Recipe, values: &str) -> Result<Arc<dyn Sink>, BuildError> {
    let tools = Tools {
        name: "acme/law",
        timeout: TIMEOUT,
    };
    let values = Values::parse(values, &settings_of(recipe), &Environment::new());
    recipe.build(
        &values.unwrap_or_else(|mistakes| panic!("{mistakes}")),
        &tools,
    )
}

pub(super) fn build(recipe: &Recipe, values: &str) -> Arc<dyn Sink> {
    try_build(recipe, values).unwrap()
}

pub(super) fn at(seconds: i64) -> Message {
    Message {
        at: Timestamp::from_second(seconds).unwrap(),
        ..message()
    }
}

/// What the receiver gets of a recipe with these settings.
async fn sent(recipe: &Recipe, values: &str, message: &Message) -> Got {
    let receiver = Receiver::start([]).await;
    let values = format!("url = \"{}\"\n{values}", receiver.url(""));
    build(recipe, &values).send(message).await.unwrap();
    receiver.got().remove(0)
}

#[tokio::test]
async fn an_hmac_of_a_template_goes_into_the_query_as_dingtalk_expects_it() {
    let dingtalk = recipe(
        r#"
[sign]
algorithm = "hmac-sha256"
encoding = "base64"
key = "{{ settings.secret }}"
message = "{{ timestamp_ms }}\n{{ settings.secret }}"

[request]
method = "POST"
url = "{{ settings.url }}/robot/send?timestamp={{ timestamp_ms }}&sign={{ sign|urlencode }}"
body = '{}'
"#,
    );
    let values = format!("secret = '{SECRET}'");
    let got = sent(&dingtalk, &values, &at(1_767_225_600)).await;
    assert_eq!(
        got.target,
        "/robot/send?timestamp=1767225600000&sign=uiikYS9n2RyO6FJieAUdmh%2BG4vsyDh5tzlJCDtwE9bU%3D"
    );
}

#[tokio::test]
async fn an_hmac_with_a_template_as_key_goes_into_the_body_as_feishu_expects_it() {
    let feishu = recipe(&format!(
        r#"
[sign]
algorithm = "hmac-sha256"
encoding = "base64"
key = "{{{{ timestamp }}}}\n{{{{ settings.secret }}}}"
message = ""

{POST}
body = '{{"timestamp": "{{{{ timestamp }}}}", "sign": {{{{ sign|tojson }}}}}}'
"#
    ));
    let values = "secret = 'campanile-test-secret'";
    let got = sent(&feishu, values, &at(1_767_225_600)).await;
    assert_eq!(got.json()["timestamp"], "1767225600");
    assert_eq!(
        got.json()["sign"],
        "veHQBoOxu2TzA2C8A5W5y7FE7+qqvjDcFBw6I+oYeFg="
    );
}

#[tokio::test]
async fn an_md5_of_the_body_goes_into_a_header() {
    let signed = recipe(&format!(
        r#"
[sign]
algorithm = "md5"
encoding = "hex"
message = "{{{{ body }}}}{{{{ settings.secret }}}}"

{POST}
headers = {{ x-sign = "{{{{ sign }}}}" }}
body = '{{"title": {{{{ title|tojson }}}}}}'
"#
    ));
    let got = sent(&signed, "secret = 'k3yk3yk3y'", &message()).await;
    let expected = {
        use md5::Digest as _;
        hex::encode(md5::Md5::digest([&got.body[..], b"k3yk3yk3y"].concat()))
    };
    assert_eq!(got.header("x-sign"), Some(expected.as_str()));
}

#[tokio::test]
async fn a_form_is_encoded_and_basic_credentials_are_sent() {
    let form = recipe(&format!(
        r#"
{POST}
basic = {{ user = "bot@example.com", password = "{{{{ settings.secret }}}}" }}
form = {{ type = "channel", content = "{{{{ title }}}}", topic = "a&b=c 告警", none = "{{{{ labels.absent }}}}" }}
"#
    ));
    let got = sent(&form, "secret = 'k3yk3yk3y'", &message()).await;
    assert_eq!(
        got.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    // The base64 of `bot@example.com:k3yk3yk3y`.
    assert_eq!(
        got.header("authorization"),
        Some("Basic Ym90QGV4YW1wbGUuY29tOmszeWszeWszeQ==")
    );
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&got.body)
        .into_owned()
        .collect();
    let [alert, _] = campanile_language::sample_alerts();
    let expected = [
        ("content", alert.title.as_str()),
        ("topic", "a&b=c 告警"),
        ("type", "channel"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn a_recipe_has_words_of_its_own_and_replaces_those_of_a_language() {
    let worded = recipe(&format!(
        r#"
{POST}
body = '{{"head": {{{{ message.head|tojson }}}}, "word": {{{{ words.open|tojson }}}}, "more": {{{{ words.only|tojson }}}}}}'

[words.en]
open = "Open"
only = "English"
critical = "P1"

[words.zh-Hans]
open = "打开"
critical = "一级"
"#
    ));
    for (language, head, open) in [("en", "🔴 P1 ", "Open"), ("zh-Hans", "🔴 一级 ", "打开")]
    {
        let got = sent(&worded, &format!("language = '{language}'"), &message()).await;
        let body = got.json();
        assert!(body["head"].as_str().unwrap().starts_with(head), "{body}");
        assert_eq!(body["word"], open);
        assert_eq!(body["more"], "English");
    }
}

#[tokio::test]
async fn a_recipe_sees_whom_a_critical_firing_mentions() {
    let naming = recipe(&format!(
        r#"
{POST}
body = '{{"at": [{{% for who in mentions %}}{{{{ who|tojson }}}}{{% endfor %}}]}}'

[settings.mention]
takes = "texts"
example = ["ops"]
doc = "d"
"#
    ));
    let critical = message();
    let got = sent(&naming, "mention = ['ops']", &critical).await;
    assert_eq!(got.json()["at"], serde_json::json!(["ops"]));
    let got = sent(&naming, "", &critical).await;
    assert_eq!(got.json()["at"], serde_json::json!([]));
}

#[test]
fn the_limits_of_a_recipe_are_the_defaults_of_its_sinks() {
    let limited = recipe(&format!(
        "{POST}body = '{{}}'\n[limits]\nper_minute = 20\nper_day = 5\n"
    ));
    let policy = |more: &str| {
        let text = format!("url = 'https://acme.example.com'\n{more}");
        let values = Values::parse(&text, &settings_of(&limited), &Environment::new());
        Policy::of(&values.unwrap()).unwrap()
    };
    let limits = |policy: Policy| (policy.per_second, policy.per_minute, policy.per_day);
    assert_eq!(limits(policy("")), (None, Some(20), Some(5)));
    let own = "per_second = 2\nper_day = 1000";
    assert_eq!(limits(policy(own)), (Some(2), Some(20), Some(1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_verifies_certificates_unless_its_sink_says_otherwise() {
    let plain = recipe(&format!("{POST}body = '{{}}'\n"));
    let (address, _) = listen(LEAVING);
    let url = format!("url = 'https://{address}'\n");
    let reason = async |values: &str| {
        let sink = build(&plain, values);
        let failed: Failure = sink.send(&message()).await.unwrap_err();
        failed.reason
    };
    let verified = reason(&url).await;
    assert!(
        verified.starts_with("TLS failed: its certificate"),
        "{verified}"
    );
    let skipped = reason(&(url.clone() + "dangerous_skip_tls_verification = true")).await;
    assert!(!skipped.contains("TLS"), "{skipped}");
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("ca.pem");
    std::fs::write(&empty, "").unwrap();
    let refused = try_build(&plain, &format!("{url}ca_file = '{}'", empty.display()));
    assert_eq!(refused.err().unwrap().setting, "ca_file");
}

#[tokio::test]
async fn an_empty_reason_quotes_the_text_of_the_response_but_no_web_page() {
    let text = format!("{BASE}reason = ''\n{POST}body = '{{}}'\n");
    let plain = Recipe::parse("acme", &text).unwrap();
    for (answer, quoted) in [
        ("invalid_token", true),
        ("<html>invalid_token</html>", false),
    ] {
        let receiver = Receiver::start([Play::Answer(403, Vec::new(), answer.to_owned())]).await;
        let sink = build(&plain, &format!("url = \"{}\"", receiver.url("")));
        let failure = sink.send(&message()).await.unwrap_err();
        let reason = failure.reason;
        assert_eq!(
            reason.ends_with("It said: invalid_token"),
            quoted,
            "{reason}"
        );
    }
}

#[test]
fn a_secret_is_hidden_in_every_form_in_which_a_template_can_write_it() {
    let loud = recipe(
        r#"
[sign]
algorithm = "md5"
encoding = "hex"
message = "{{ settings.secret }}"

[request]
method = "POST"
url = "{{ settings.url }}/{{ settings.secret|urlencode }}?sign={{ sign }}"
headers = { content-type = "text/{{ settings.secret|urlencode }}" }
body = '{{ settings.secret }} {{ settings.secret|tojson }} {{ settings.secret|urlencode }} {{ sign }}'
"#,
    );
    let secret = "c4nary c4nary&<c4nary>'c4nary*\\\"c4nary/密鑰";
    let values = format!("url = 'https://acme.example.com'\nsecret = '''{secret}'''");
    let shown = build(&loud, &values).render(&message()).unwrap();
    assert!(!shown.contains("c4nary"), "{shown}");
    let sign = {
        use md5::Digest as _;
        hex::encode(md5::Md5::digest(secret))
    };
    assert!(!shown.contains(&sign), "{shown}");
    let form = recipe(&format!(
        "{POST}form = {{ token = '{{{{ settings.secret }}}}' }}\n"
    ));
    let shown = build(&form, &values).render(&message()).unwrap();
    assert!(!shown.contains("c4nary"), "{shown}");
}

#[test]
fn a_mistake_points_at_its_own_line() {
    let body = "body = '''\n{\"a\": 1,\n\"b\": {{ titel|tojson }}}'''\n";
    let sign = "[sign]\nalgorithm = 'md5'\nencoding = 'hex'\nmessage = 'x'\n";
    for (more, line, said) in [
        (
            format!("{POST}{body}"),
            "\"b\": {{ titel",
            "unknown name `titel`",
        ),
        (
            format!("{POST}body = '{{{{ settings.secert }}}}'"),
            "body =",
            "did you mean `secret`?",
        ),
        (
            format!("{POST}body = '{{{{ words.opne }}}}'"),
            "body =",
            "`words` has no part `opne`",
        ),
        (
            format!("{POST}body = '{{{{ sign }}}}'"),
            "body =",
            "unknown name `sign`",
        ),
        (format!("{POST}bdoy = ''"), "bdoy", "unknown field `bdoy`"),
        (POST.to_owned(), "url = '{{", "either `body` or `form`"),
        (
            format!("{POST}body = ''\nform = {{}}"),
            "url = '{{",
            "either `body` or `form`",
        ),
        (
            format!("{POST}headers = {{ host = 'x' }}\nbody = ''"),
            "headers",
            "leave it out",
        ),
        (
            format!("{POST}basic = {{ user = '{{{{' }}\nbody = ''"),
            "basic",
            "missing field `password`",
        ),
        (
            format!("{POST}body = ''\n{sign}key = 'x'"),
            "key = 'x'",
            "`md5` has no key",
        ),
        (
            format!("{POST}body = ''\n{}", sign.replace("md5", "hmac-sha256")),
            "message = 'x'",
            "needs `sign.key`",
        ),
        (
            format!("{POST}body = ''\n{}", sign.replace("md5", "md6")),
            "algorithm",
            "md6",
        ),
        (
            format!("{POST}body = ''\n[words.fr]\na = 'b'"),
            "[words.fr]",
            "`fr` is not a known language",
        ),
        (
            format!("{POST}body = ''\n[limits]\nper_week = 1"),
            "per_week",
            "unknown field `per_week`",
        ),
    ] {
        let text = format!("{BASE}{more}");
        let mistake = Recipe::parse("acme", &text).unwrap_err();
        let named = text.lines().nth(mistake.line - 1).unwrap_or_default();
        assert!(
            named.contains(line),
            "{more}\n{mistake}\npoints at: {named}"
        );
        assert!(mistake.message.contains(said), "{more}\n{mistake}");
    }
    for (from, to, said) in [
        ("status == 200", "stauts == 200", "did you mean `status`?"),
        ("status == 200", "status ==", "`answer.success`"),
    ] {
        let text = format!("{BASE}{POST}body = ''").replace(from, to);
        let mistake = Recipe::parse("acme", &text).unwrap_err();
        let named = text.lines().nth(mistake.line - 1).unwrap();
        assert!(
            named.starts_with("success"),
            "{mistake}\npoints at: {named}"
        );
        assert!(mistake.message.contains(said), "{mistake}");
    }
}

#[test]
fn a_mistake_in_a_config_file_points_at_its_own_line() {
    let indented = format!("{BASE}{POST}body = '{{{{ titel }}}}'\n");
    let inside = indented.replace("\n[", "\n[recipes.acme.").replacen(
        "\ntitle",
        "\n[recipes.acme]\ntitle",
        1,
    );
    let config = format!("[server]\nlisten = '127.0.0.1:1'\n{inside}");
    let mistake = Recipe::parse_at("acme", &config, &["recipes", "acme"]).unwrap_err();
    let named = config.lines().nth(mistake.line - 1).unwrap();
    assert!(named.starts_with("body ="), "{mistake}\npoints at: {named}");
}

#[test]
fn the_text_of_a_recipe_from_a_config_file_is_the_recipe_alone() {
    let inside = format!("{BASE}{POST}body = '{{}}'\n")
        .replace("\n[", "\n[recipes.acme.")
        .replacen("\ntitle", "\n[recipes.acme]\ntitle", 1);
    let config = format!("[admin]\ntoken = 'c4nary-c4nary'\n{inside}");
    let recipe = Recipe::parse_at("acme", &config, &["recipes", "acme"]).unwrap();
    let toml = recipe.toml().unwrap();
    assert!(!toml.contains("c4nary"), "{toml}");
    Recipe::parse("acme", toml).unwrap();
}
