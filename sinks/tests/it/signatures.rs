//! The signatures of the clouds, against requests that the vendors publish and requests that were signed by other means.

use std::sync::Arc;

use bytes::Bytes;
use campanile_receiver::scripted::Receiver;
use campanile_settings::{Environment, Values};
use campanile_sinks::http::client::Request;
use campanile_sinks::http::sign::{Credentials, Scheme, Scope, tc3};
use campanile_sinks::{Class, Kind, Message, Recipe, Sink, Tools, settings_of};
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{TIMEOUT, message};

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600;
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const NONCE: (&str, &str) = ("x-acs-signature-nonce", "0123456789abcdef0123456789abcdef");

fn request(url: &str, headers: &[(&'static str, &str)], body: &str, at: i64) -> Request {
    let headers = headers.iter().map(|(name, value)| {
        let value = HeaderValue::try_from(*value).unwrap();
        (HeaderName::from_static(name), value)
    });
    Request {
        method: Method::POST,
        url: url.parse().unwrap(),
        headers: headers.collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        at: Timestamp::from_second(at).unwrap(),
    }
}

fn credentials(id: &str, key: &str) -> Credentials {
    Credentials {
        id: id.to_owned().into(),
        key: key.to_owned().into(),
        token: None,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

/// The header `authorization` after the scheme has signed.
fn signed(scheme: Scheme, account: &Credentials, scope: (&str, &str), mut of: Request) -> String {
    let (service, region) = scope;
    let scope = Scope {
        service,
        region,
        ..Scope::default()
    };
    scheme.sign(&mut of, account, scope).unwrap();
    assert!(of.headers["authorization"].is_sensitive());
    header(&of.headers, "authorization").to_owned()
}

fn tencent(service: &str, action: &str, body: &str) -> String {
    let url = format!("https://{service}.tencentcloudapi.com/");
    let of = request(&url, &[JSON, ("x-tc-action", action)], body, NEW_YEAR);
    let account = credentials("testSecretId", "testSecretKey");
    signed(Scheme::Tc3, &account, (service, ""), of)
}

#[test]
fn tc3_signs_tencents_published_request_as_published() {
    let body =
        r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
    let headers = [JSON, ("x-tc-action", "DescribeInstances")];
    let of = request(
        "https://cvm.tencentcloudapi.com/",
        &headers,
        body,
        1_551_113_065,
    );
    let to_sign = tc3::string_to_sign(&of, "cvm");
    assert_eq!(
        to_sign,
        "TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"
    );
    // The vendor publishes the key of that day, not the secret that it is made from.
    let key = hex::decode("b596b923aad85185e2d1f6659d2a062e0a86731226e021e61bfe06f7ed05f5af");
    let signature = hmac(&key.unwrap(), &to_sign);
    assert_eq!(
        signature,
        "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    );
}

fn hmac(key: &[u8], message: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    hex::encode(mac.chain_update(message).finalize().into_bytes())
}

#[test]
fn tc3_derives_the_key_of_the_day_and_the_service() {
    for (service, action, body, signature) in [
        (
            "sms",
            "SendSms",
            r#"{"PhoneNumberSet":["+8613800000000"],"SmsSdkAppId":"1400000000","SignName":"云钟","TemplateId":"1234567","TemplateParamSet":["db-01","严重"],"SessionContext":"01JGFJJZ00000000000000000A"}"#,
            "c19343a2f1ad567a4c8915c3289e28db4bb352fd187d076508d87e95e0012f7c",
        ),
        (
            "vms",
            "SendTtsVoice",
            r#"{"TemplateId":"1234567","CalledNumber":"+8613800000000","VoiceSdkAppid":"1400000001","TemplateParamSet":["db-01"],"PlayTimes":2,"SessionContext":"01JGFJJZ00000000000000000A"}"#,
            "84586f9d7bd6c1b3f68b1fc15d2cd04b3e33a521540bda9ccc68763988968bb5",
        ),
        (
            "dnspod",
            "ModifyRecordStatus",
            r#"{"Domain":"example.com","RecordId":162,"Status":"DISABLE"}"#,
            "f8b976a249bd62b38b21dcb527355fbc5cf22bfc1b7f67255b445643fb8deb2b",
        ),
        (
            "dnspod",
            "DescribeRecordList",
            r#"{"Domain":"example.com","Subdomain":"www","RecordType":"A","ErrorOnEmpty":"no"}"#,
            "40d814c2a7042efacab61683eebc344ae913ee7049e5209ee12efc2d7ae22586",
        ),
    ] {
        assert_eq!(
            tencent(service, action, body),
            format!(
                "TC3-HMAC-SHA256 Credential=testSecretId/2026-01-01/{service}/tc3_request, SignedHeaders=content-type;host;x-tc-action, Signature={signature}"
            ),
            "{action}"
        );
    }
}

#[test]
fn tc3_sends_the_time_that_it_signed_and_the_token_of_temporary_credentials() {
    let mut of = request("https://sms.tencentcloudapi.com/", &[JSON], "{}", NEW_YEAR);
    let account = Credentials {
        token: Some("t0ken".to_owned().into()),
        ..credentials("id", "key")
    };
    let scope = Scope {
        service: "sms",
        ..Scope::default()
    };
    Scheme::Tc3.sign(&mut of, &account, scope).unwrap();
    assert_eq!(header(&of.headers, "x-tc-timestamp"), "1767225600");
    assert_eq!(header(&of.headers, "x-tc-token"), "t0ken");
    assert!(of.headers["x-tc-token"].is_sensitive());
    // Without an action, two headers are signed.
    assert!(header(&of.headers, "authorization").contains("SignedHeaders=content-type;host,"));
}

#[test]
fn acs3_signs_alibabas_published_request_as_published() {
    let url = "https://ecs.cn-shanghai.aliyuncs.com/?RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd";
    let headers = [
        ("x-acs-action", "RunInstances"),
        ("x-acs-version", "2014-05-26"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
    ];
    // 2023-10-26T10:22:32Z.
    let of = request(url, &headers, "", 1_698_315_752);
    let account = credentials("YourAccessKeyId", "YourAccessKeySecret");
    assert_eq!(
        signed(Scheme::Acs3, &account, ("", ""), of),
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    );
}

#[test]
fn acs3_encodes_each_parameter_once_and_sorts_them() {
    for (host, action, query, signature) in [
        (
            "dysmsapi",
            "SendSms",
            "TemplateParam=%7B%22name%22%3A%22db-01%22%2C%22level%22%3A%22严重%22%7D&TemplateCode=SMS_123456789&SignName=云钟&PhoneNumbers=13800000000&OutId=01JGFJJZ00000000000000000A",
            "23e6034f2d6354d16c82806c2a2c5a094c06c45c77e739840c926b7e96630358",
        ),
        (
            "dyvmsapi",
            "SingleCallByTts",
            "PlayTimes=2&CalledNumber=13800000000&OutId=campanile-01&TtsCode=TTS_123456789&TtsParam=%7B%22name%22:%22db-01%22%7D",
            "46e34fd85117b8e4cd1d660d31842f698fda21f46b18cefc731be0d6ffa688a4",
        ),
    ] {
        let headers = [
            ("x-acs-action", action),
            ("x-acs-version", "2017-05-25"),
            NONCE,
        ];
        let url = format!("https://{host}.aliyuncs.com/?{query}");
        let of = request(&url, &headers, "", NEW_YEAR);
        let found = signed(Scheme::Acs3, &credentials("testAK", "testSK"), ("", ""), of);
        assert!(
            found.ends_with(&format!("Signature={signature}")),
            "{found}"
        );
    }
}

#[test]
fn acs3_makes_a_nonce_of_its_own_for_each_request() {
    let nonce = |body: &str, at: i64| {
        let mut of = request("https://dysmsapi.aliyuncs.com/", &[], body, at);
        let account = credentials("id", "key");
        Scheme::Acs3
            .sign(&mut of, &account, Scope::default())
            .unwrap();
        header(&of.headers, "x-acs-signature-nonce").to_owned()
    };
    let first = nonce("a", NEW_YEAR);
    assert_eq!(first.len(), 32);
    assert_ne!(first, nonce("b", NEW_YEAR));
    assert_ne!(first, nonce("a", NEW_YEAR + 1));
}

#[test]
fn huawei_signs_the_encoded_path_with_a_slash_at_its_end() {
    let project = "0123456789abcdef0123456789abcdef";
    let url = format!(
        "https://smn.cn-north-4.myhuaweicloud.com/v2/{project}/notifications/topics/urn:smn:cn-north-4:{project}:ops/publish"
    );
    let headers = [("content-type", "application/json")];
    let body = r#"{"subject":"CRIT db-01","message":"cpu 97%"}"#;
    let of = request(&url, &headers, body, NEW_YEAR);
    assert_eq!(
        signed(
            Scheme::Huawei,
            &credentials("testAK", "testSK"),
            ("", ""),
            of
        ),
        "SDK-HMAC-SHA256 Access=testAK, SignedHeaders=content-type;host;x-sdk-date, Signature=c057a5008c49b0ae8aee56bcbced05752be48f681180d5b2375d29f31efe20e8"
    );
}

#[test]
fn aws_signs_the_published_requests_as_published() {
    let id = "AKIDEXAMPLE";
    let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    // 2015-08-30T12:36:00Z: `post-vanilla` of the vendor's test suite.
    let of = request("https://example.amazonaws.com/", &[], "", 1_440_938_160);
    assert_eq!(
        signed(
            Scheme::Aws,
            &credentials(id, key),
            ("service", "us-east-1"),
            of
        ),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    );
    // The first example of the S3 documentation.
    let account = credentials(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    );
    let url = "https://examplebucket.s3.amazonaws.com/test.txt";
    let mut of = request(url, &[("range", "bytes=0-9")], "", 1_369_353_600);
    of.method = Method::GET;
    assert_eq!(
        signed(Scheme::Aws, &account, ("s3", "us-east-1"), of),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
}

#[test]
fn a_signature_covers_the_port_that_goes_into_the_host_header() {
    let account = credentials("id", "key");
    for (scheme, scope) in [
        (Scheme::Tc3, ("sms", "")),
        (Scheme::Acs3, ("", "")),
        (Scheme::Huawei, ("", "")),
        (Scheme::Aws, ("sqs", "eu-central-1")),
    ] {
        let of = |url| {
            signed(
                scheme,
                &account,
                scope,
                request(url, &[JSON, NONCE], "{}", 0),
            )
        };
        assert_eq!(of("https://a.example/"), of("https://a.example:443/"));
        assert_ne!(of("https://a.example/"), of("https://a.example:8443/"));
    }
}

#[test]
fn credentials_that_no_header_can_hold_are_the_operators_and_are_not_shown() {
    let account = credentials("c4nary\n", "c4nary");
    let mut of = request("https://sms.tencentcloudapi.com/", &[JSON], "{}", 0);
    let failure = Scheme::Tc3
        .sign(&mut of, &account, Scope::default())
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert!(!failure.reason.contains("c4nary"), "{failure}");
    assert!(!format!("{account:?}").contains("c4nary"));
}

/// A recipe without `[sign]`.
const BASE: &str = r#"
title = "Acme"
limit = { characters = 500 }

[doc]
does = "d"
setup = "s"
sent = "s"
fails = "f"

[settings]
url = { takes = "url", required = true, example = "http://dnspod.tencentcloudapi.com", doc = "d" }
id = { takes = "text", required = true, example = "testSecretId", doc = "d" }
key = { takes = "secret", required = true, example = "testSecretKey", doc = "d" }

[answer]
success = "status == 200"

[request]
method = "POST"
url = "{{ settings.url }}/"
headers = { content-type = "application/json; charset=utf-8", x-tc-action = "ModifyRecordStatus" }
body = '{"Domain":"example.com","RecordId":162,"Status":"DISABLE"}'

[probe]
success = "status == 200"

[probe.request]
method = "POST"
url = "{{ settings.url }}/"
headers = { content-type = "application/json; charset=utf-8", x-tc-action = "DescribeRecordList" }
body = '{"Domain":"example.com","Subdomain":"www","RecordType":"A","ErrorOnEmpty":"no"}'
"#;
const TC3: &str = r#"
[sign]
scheme = "tc3"
id = "{{ settings.id }}"
key = "{{ settings.key }}"
service = "dnspod"
"#;

fn build(proxy: &str) -> Arc<dyn Sink> {
    let recipe = Recipe::parse("acme", &format!("{BASE}{TC3}")).unwrap();
    let text = format!(
        "url = 'http://dnspod.tencentcloudapi.com'\nid = 'testSecretId'\nkey = 'testSecretKey'\nproxy = '{proxy}'"
    );
    let values = Values::parse(&text, &settings_of(&recipe), &Environment::new());
    let tools = Tools {
        name: "acme/law",
        timeout: TIMEOUT,
    };
    recipe.build(&values.unwrap(), &tools).unwrap()
}

fn at_new_year() -> Message {
    Message {
        at: Timestamp::from_second(NEW_YEAR).unwrap(),
        ..message()
    }
}

/// A proxy gets the request with the vendor's own name as host, so that the signature is the one that was computed for it.
#[tokio::test]
async fn a_recipe_with_a_scheme_signs_the_request_that_goes_out() {
    let proxy = Receiver::start([]).await;
    build(&proxy.url("")).send(&at_new_year()).await.unwrap();
    let got = proxy.got().remove(0);
    assert_eq!(got.header("host"), Some("dnspod.tencentcloudapi.com"));
    let authorization = got.header("authorization").unwrap();
    assert!(
        authorization
            .ends_with("=f8b976a249bd62b38b21dcb527355fbc5cf22bfc1b7f67255b445643fb8deb2b"),
        "{authorization}"
    );
    assert_eq!(got.header("x-tc-timestamp"), Some("1767225600"));
}

#[tokio::test]
async fn a_recipe_with_a_scheme_signs_its_probe_too() {
    let proxy = Receiver::start([]).await;
    let sink = build(&proxy.url(""));
    sink.probe(at_new_year().at).unwrap().await.unwrap();
    let got = proxy.got().remove(0);
    assert_eq!(got.header("x-tc-action"), Some("DescribeRecordList"));
    let authorization = got.header("authorization").unwrap();
    assert!(
        authorization
            .ends_with("=40d814c2a7042efacab61683eebc344ae913ee7049e5209ee12efc2d7ae22586"),
        "{authorization}"
    );
}

#[test]
fn what_a_recipe_with_a_scheme_shows_holds_neither_key_nor_signature() {
    let shown = build("http://127.0.0.1:9").render(&at_new_year()).unwrap();
    assert!(shown.contains("authorization: ***"), "{shown}");
    for hidden in ["testSecretKey", "f8b976a249bd"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn a_mistake_in_a_scheme_points_at_its_own_line() {
    for (from, to, line, said) in [
        ("\"tc3\"", "\"tc4\"", "scheme", "tc4"),
        (
            "service = \"dnspod\"\n",
            "",
            "[sign]",
            "this scheme needs `service`",
        ),
        (
            "id = \"{{ settings.id }}\"\n",
            "",
            "[sign]",
            "this scheme needs `id`",
        ),
        (
            "service",
            "region = \"x\"\nservice",
            "region",
            "this scheme does not use it",
        ),
        (
            "service = \"dnspod\"",
            "service = \"{{ settings.servce }}\"",
            "service",
            "`settings` has no part `servce`",
        ),
        (
            "scheme = \"tc3\"",
            "scheme = \"tc3\"\nencoding = \"hex\"",
            "[sign]",
            "leave out `encoding` and `message`",
        ),
        (
            "scheme = \"tc3\"",
            "algorithm = \"md5\"\nencoding = \"hex\"\nmessage = \"m\"",
            "id =",
            "a part of a `scheme`",
        ),
        ("scheme = \"tc3\"\n", "", "[sign]", "either `algorithm`"),
        (
            "\"tc3\"",
            "\"google\"",
            "id =",
            "this scheme does not use it",
        ),
        (
            "\"tc3\"\nid = \"{{ settings.id }}\"",
            "\"google\"\ntoken = \"t\"",
            "token",
            "this scheme does not use it",
        ),
        (
            "service = \"dnspod\"",
            "service = \"dnspod\"\naudience = \"x\"",
            "audience",
            "this scheme does not use it",
        ),
    ] {
        let text = format!("{BASE}{}", TC3.replacen(from, to, 1));
        let mistake = Recipe::parse("acme", &text).unwrap_err();
        let named = text.lines().nth(mistake.line - 1).unwrap_or_default();
        assert!(named.contains(line), "{to}\n{mistake}\npoints at: {named}");
        assert!(mistake.message.contains(said), "{to}\n{mistake}");
    }
}
