//! What is refused, by the vendor or by the sink itself, and what follows.

use campanile_receiver::dnspod::{Fault, LOGIN_TOKEN, SECRET_ID};
use campanile_sinks::{Class, Message};

use super::rig::{Api, BOTH, Rig, build, firing, resolved};
use super::{A, B};

async fn refused(api: Api, code: &'static str) -> (Class, Option<u64>, String) {
    let rig = Rig::start(api, &[A, B]).await;
    rig.server.fails("switch", [Fault::Code(code)]);
    let failure = rig.sink("").send(&firing(A, "cpu")).await.unwrap_err();
    assert_eq!(rig.server.on(), [A, B]);
    assert!(!failure.reason.contains("c4nary"), "{failure}");
    let wait = failure.retry_after.map(|wait| wait.as_secs());
    (failure.class, wait, failure.reason)
}

#[tokio::test]
async fn a_code_of_api_3_has_the_class_of_its_meaning() {
    use Class::{Operator, Poison, Transient};
    for (code, class, wait) in [
        ("RequestLimitExceeded", Transient, Some(60)),
        ("FailedOperation.FrequencyLimit", Transient, Some(60)),
        (
            "InvalidParameter.OperationIsTooFrequent",
            Transient,
            Some(60),
        ),
        (
            "InvalidParameter.DomainTaskNotFinished",
            Transient,
            Some(60),
        ),
        ("FailedOperation.UnknowError", Transient, None),
        ("InternalError", Transient, None),
        ("AuthFailure.SecretIdNotFound", Operator, None),
        ("UnauthorizedOperation", Operator, None),
        ("InvalidParameter.LoginTokenNotExists", Operator, None),
        ("FailedOperation.DomainIsLocked", Operator, None),
        ("OperationDenied.AccessDenied", Operator, None),
        ("InvalidParameter.DomainIdInvalid", Poison, None),
        ("FailedOperation.MustAddDefaultLineFirst", Poison, None),
        ("MissingParameter", Poison, None),
        ("SomethingNew", Operator, None),
    ] {
        let (found, waits, reason) = refused(Api::Cloud, code).await;
        assert_eq!((found, waits), (class, wait), "{code}");
        assert!(reason.contains(code), "{reason}");
    }
}

#[tokio::test]
async fn a_code_of_the_older_api_has_the_class_of_its_meaning() {
    use Class::{Operator, Poison, Transient};
    for (code, class, wait) in [
        ("-1", Operator, None),
        ("-2", Transient, Some(3600)),
        ("-8", Transient, Some(3600)),
        ("-99", Transient, Some(300)),
        ("-15", Operator, None),
        ("21", Operator, None),
        ("8", Transient, None),
        ("2", Poison, None),
    ] {
        let (found, waits, reason) = refused(Api::Legacy, code).await;
        assert_eq!((found, waits), (class, wait), "{code}: {reason}");
    }
}

#[tokio::test]
async fn a_refusal_that_says_it_was_done_is_read_back() {
    for (api, code) in [
        (Api::Cloud, "InvalidParameter.ActionSuccess"),
        (Api::Cloud, "FailedOperation.TemporaryError"),
        (Api::Legacy, "3"),
    ] {
        let rig = Rig::start(api, &[A, B]).await;
        rig.server.fails("switch", [Fault::DoneThen(code)]);
        let done = rig.sink("").send(&firing(A, "cpu")).await.unwrap();
        assert_eq!(done.handle.as_deref(), Some("101"), "{code}");
    }
}

#[tokio::test]
async fn an_accepted_switch_that_the_list_does_not_show_is_not_a_success() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    rig.server.fails("switch", [Fault::NotDone]);
    let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("does not show it"), "{failure}");
    sink.send(&firing(A, "cpu")).await.unwrap();
    rig.server.fails("switch", [Fault::NotDone]);
    let back = resolved(A, "cpu", Some("101"));
    assert!(sink.send(&back).await.is_err());
    sink.send(&back).await.unwrap();
    assert_eq!(rig.server.on(), [A, B]);
}

#[tokio::test]
async fn a_server_that_cannot_be_switched_on_is_the_operators_and_is_tried_again() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    sink.send(&firing(A, "cpu")).await.unwrap();
    let limit = "LimitExceeded.SubdomainRollLimit";
    rig.server.fails("switch", [Fault::Code(limit)]);
    let back = resolved(A, "cpu", Some("101"));
    let failure = sink.send(&back).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert!(failure.reason.contains("stays out of DNS"), "{failure}");
    sink.send(&back).await.unwrap();
    assert_eq!(rig.server.on(), [A, B]);
}

#[tokio::test]
async fn credentials_and_clock_that_the_vendor_refuses_are_the_operators() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let wrong = format!("secret_id = '{SECRET_ID}'\nsecret_key = 'c4nary-wrong'\n");
    let sink = rig.sink_with(&wrong, &rig.ledger(), "");
    let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert!(failure.reason.contains("check `secret_id`"), "{failure}");
    assert!(!failure.reason.contains("c4nary"), "{failure}");
    let mut slow = firing(A, "cpu");
    slow.at -= jiff::SignedDuration::from_mins(6);
    let failure = rig.sink("").send(&slow).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert!(
        failure.reason.contains("clock of this machine"),
        "{failure}"
    );
    let rig = Rig::start(Api::Legacy, &[A, B]).await;
    let wrong = format!("login_token = '{LOGIN_TOKEN}0'\ncontact = 'ops@example.com'\n");
    let sink = rig.sink_with(&wrong, &rig.ledger(), "");
    let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert!(
        failure.reason.contains("rejects `login_token`"),
        "{failure}"
    );
    assert!(!failure.reason.contains("c4nary"), "{failure}");
}

#[tokio::test]
async fn an_alert_without_its_one_record_switches_nothing() {
    for (values, more, said) in [
        (
            &[A, B][..],
            "value = '203.0.113.99'",
            "no record with the value `203.0.113.99`",
        ),
        (
            &[A, B][..],
            "value = '{{ labels.none }}'",
            "gives nothing for this alert",
        ),
        (&[A, B][..], "type = 'AAAA'", "no record with the value"),
        (&[][..], "", "no record"),
    ] {
        let rig = Rig::start(Api::Cloud, values).await;
        let failure = rig.sink(more).send(&firing(A, "cpu")).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains(said), "{failure}");
        assert!(failure.reason.contains("nothing was switched"), "{failure}");
        assert_eq!(rig.server.on(), values);
    }
}

#[tokio::test]
async fn a_host_with_several_records_needs_a_value_and_one_with_one_does_not() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let text = |more: &str| {
        format!(
            "url = '{}'\ndomain = 'example.com'\nsub_domain = 'www'\nledger = '{}'\n{}{more}",
            rig.server.url(),
            rig.ledger().display(),
            rig.credentials()
        )
    };
    let sink = build(&text("")).unwrap();
    let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
    assert!(
        failure.reason.contains("has 2 records: set `value`"),
        "{failure}"
    );
    // The record of B goes, and then there is one, which the floor keeps.
    rig.server.with(|rows| rows.remove(1));
    let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
    assert!(failure.reason.contains("`floor` is 1"), "{failure}");
}

#[tokio::test]
async fn a_host_with_more_records_than_one_answer_holds_is_not_touched() {
    for api in BOTH {
        let values: Vec<String> = (0..101).map(|n| format!("10.0.0.{n}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let rig = Rig::start(api, &values).await;
        let failure = rig
            .sink("")
            .send(&firing("10.0.0.1", "cpu"))
            .await
            .unwrap_err();
        assert_eq!(failure.class, Class::Operator);
        assert!(
            failure.reason.contains("more than 100 records"),
            "{failure}"
        );
        assert_eq!(rig.server.on().len(), 101);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_vendors_may_have_switched_the_record() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    rig.server
        .fails("switch", [Fault::Status(502), Fault::Silence]);
    for _ in 0..2 {
        let failure = rig.hasty_sink().send(&firing(A, "cpu")).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    // A request that took effect after all.
    rig.server.by_hand(A, false);
    let done = sink.send(&firing(A, "cpu")).await.unwrap();
    assert_eq!(done.handle.as_deref(), Some("101"));
}

#[tokio::test]
async fn a_digest_switches_nothing() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let one = firing(A, "cpu");
    let both = Message {
        alerts: vec![one.alerts[0].clone(), firing(B, "cpu").alerts[0].clone()],
        ..one
    };
    let failure = rig.sink("").send(&both).await.unwrap_err();
    assert_eq!(failure.class, Class::Poison);
    assert!(rig.server.calls().is_empty());
}

#[test]
fn a_ledger_in_a_folder_that_is_not_there_is_a_mistake() {
    let text = "domain = 'example.com'\nledger = '/nowhere/ledger.jsonl'\nsecret_id = 'AKID00000000'\nsecret_key = 'c4nary-c4nary'";
    let error = build(text).err().unwrap();
    assert_eq!(error.setting, "ledger");
    assert!(error.problem.contains("create it"), "{error}");
}

#[test]
fn credentials_that_do_not_belong_together_are_a_mistake() {
    for (credentials, setting) in [
        ("", "secret_id"),
        ("secret_id = 'AKID00000000'", "secret_key"),
        ("secret_key = 'c4nary-c4nary'", "secret_id"),
        ("login_token = '1,c4nary-c4nary'", "contact"),
        (
            "login_token = 'c4nary-c4nary'\ncontact = 'a@b.c'",
            "login_token",
        ),
    ] {
        let text = format!("domain = 'example.com'\nledger = '/tmp/ledger.jsonl'\n{credentials}");
        let error = build(&text).err().unwrap();
        assert_eq!(error.setting, setting, "{credentials}");
        assert!(!error.to_string().contains("c4nary"), "{error}");
    }
}
