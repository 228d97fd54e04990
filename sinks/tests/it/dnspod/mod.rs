//! Records that are switched at a server that checks its senders as DNSPod does.

mod ledger;
mod refusals;
mod rig;

use campanile_receiver::dnspod::{Fault, Row};
use campanile_sinks::{Class, Worth};

use rig::{Api, BOTH, Rig, firing, resolved};

const A: &str = "203.0.113.7";
const B: &str = "203.0.113.8";
const C: &str = "203.0.113.9";

#[tokio::test]
async fn a_firing_switches_its_record_off_and_the_recovery_switches_it_on() {
    for api in BOTH {
        let rig = Rig::start(api, &[A, B]).await;
        let sink = rig.sink("");
        let done = sink.send(&firing(A, "cpu")).await.unwrap();
        assert_eq!(rig.server.on(), [B]);
        assert_eq!(done.handle.as_deref(), Some("101"));
        assert_eq!(done.worth, Worth::Committed);
        let remark = done.remark.unwrap();
        assert_eq!(
            remark,
            format!("switched off record 101 (www.example.com A {A})")
        );
        let done = sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
        assert_eq!(rig.server.on(), [A, B]);
        assert_eq!(done.handle, None);
        let list = "list";
        let calls = [list, "DISABLE 101", list, list, "ENABLE 101", list];
        assert_eq!(rig.server.calls(), calls);
        assert_eq!(rig.server.needless(), 0);
    }
}

#[tokio::test]
async fn a_recovery_without_a_switch_asks_and_changes_nothing() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    rig.server.by_hand(A, false);
    let done = rig.sink("").send(&resolved(A, "cpu", None)).await.unwrap();
    assert!(done.remark.unwrap().contains("nothing was switched off"));
    assert!(rig.server.calls().is_empty());
}

#[tokio::test]
async fn a_record_that_a_person_switched_off_stays_off() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    rig.server.by_hand(A, false);
    let sink = rig.sink("");
    let done = sink.send(&firing(A, "cpu")).await.unwrap();
    assert_eq!(done.handle, None);
    assert!(done.remark.unwrap().contains("somebody else"));
    sink.send(&resolved(A, "cpu", None)).await.unwrap();
    assert_eq!(rig.server.on(), [B]);
}

#[tokio::test]
async fn a_record_that_a_person_switched_on_is_no_longer_ours() {
    let rig = Rig::start(Api::Cloud, &[A, B, C]).await;
    let sink = rig.sink("");
    sink.send(&firing(A, "cpu")).await.unwrap();
    sink.send(&firing(A, "disk")).await.unwrap();
    rig.server.by_hand(A, true);
    let done = sink.send(&resolved(A, "disk", Some("101"))).await.unwrap();
    assert!(done.remark.unwrap().contains("is on already"));
    // The person takes it out again: that is not undone.
    rig.server.by_hand(A, false);
    sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert_eq!(rig.server.on(), [B, C]);
    assert_eq!(rig.server.needless(), 0);
}

#[tokio::test]
async fn a_record_that_a_person_takes_out_again_stays_off() {
    let rig = Rig::start(Api::Cloud, &[A, B, C]).await;
    let sink = rig.sink("");
    sink.send(&firing(A, "cpu")).await.unwrap();
    rig.server.by_hand(A, true);
    // This attempt sees that it is on.
    sink.send(&firing(B, "cpu")).await.unwrap();
    rig.server.by_hand(A, false);
    let done = sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert!(done.remark.unwrap().contains("nothing was switched off"));
    assert_eq!(rig.server.on(), [C]);
}

#[tokio::test]
async fn the_last_records_are_never_switched_off() {
    for (floor, values) in [("", &[A][..]), ("floor = 2", &[A, B][..])] {
        let rig = Rig::start(Api::Cloud, values).await;
        let failure = rig.sink(floor).send(&firing(A, "cpu")).await.unwrap_err();
        assert_eq!(failure.class, Class::Poison);
        assert!(failure.reason.contains("`floor` is"), "{failure}");
        assert_eq!(rig.server.on(), values);
        assert_eq!(rig.server.calls(), ["list"]);
    }
}

#[tokio::test]
async fn records_of_another_type_line_or_host_do_not_count_for_the_floor() {
    let rig = Rig::start(Api::Cloud, &[A]).await;
    rig.server.with(|rows| {
        let first = rows[0].clone();
        let more = [
            ("www", "A", "联通"),
            ("www", "AAAA", "默认"),
            ("api", "A", "默认"),
        ];
        rows.extend(more.iter().zip(201..).map(|((name, kind, line), id)| Row {
            id,
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            line: (*line).to_owned(),
            value: B.to_owned(),
            ..first.clone()
        }));
    });
    let failure = rig.sink("").send(&firing(A, "cpu")).await.unwrap_err();
    assert!(
        failure.reason.contains("0 records on line `默认`"),
        "{failure}"
    );
}

#[tokio::test]
async fn two_alerts_at_once_never_take_the_last_two_records() {
    for api in BOTH {
        let rig = Rig::start(api, &[A, B]).await;
        // Two sinks, as after a reload of the configuration.
        let (one, other) = (rig.sink(""), rig.sink(""));
        let (a, b) = (firing(A, "cpu"), firing(B, "cpu"));
        let done = tokio::join!(one.send(&a), other.send(&b));
        assert_eq!(rig.server.on().len(), 1);
        assert_eq!(u8::from(done.0.is_ok()) + u8::from(done.1.is_ok()), 1);
    }
}

#[tokio::test]
async fn a_switch_without_an_answer_counts_as_off_for_the_floor() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    rig.server.fails("switch", [Fault::Silence]);
    let failure = rig.hasty_sink().send(&firing(A, "cpu")).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    // It may take effect at any moment.
    let failure = sink.send(&firing(B, "cpu")).await.unwrap_err();
    assert_eq!(failure.class, Class::Poison);
    assert_eq!(rig.server.on(), [A, B]);
    // The next attempt reads, sees that it was not done, and does it.
    sink.send(&firing(A, "cpu")).await.unwrap();
    assert_eq!(rig.server.on(), [B]);
}

#[tokio::test]
async fn a_lost_answer_is_not_written_again_and_the_recovery_undoes_it() {
    for api in BOTH {
        let rig = Rig::start(api, &[A, B]).await;
        let sink = rig.sink("");
        rig.server.fails("switch", [Fault::Lost]);
        let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
        assert_eq!(rig.server.on(), [B]);
        let done = sink.send(&firing(A, "cpu")).await.unwrap();
        assert_eq!(done.handle.as_deref(), Some("101"));
        sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
        assert_eq!(rig.server.on(), [A, B]);
        assert_eq!(rig.server.needless(), 0);
    }
}

#[tokio::test]
async fn a_firing_that_is_resolved_already_switches_nothing_off() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let mut late = firing(A, "cpu");
    late.episode_open = false;
    let done = rig.sink("").send(&late).await.unwrap();
    assert!(done.remark.unwrap().contains("resolved already"));
    assert!(rig.server.calls().is_empty());
}

#[tokio::test]
async fn a_late_firing_hands_on_what_its_earlier_attempt_switched_off() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    rig.server.fails("switch", [Fault::Lost]);
    let mut late = firing(A, "cpu");
    sink.send(&late).await.unwrap_err();
    late.episode_open = false;
    let done = sink.send(&late).await.unwrap();
    assert_eq!(done.handle.as_deref(), Some("101"));
    sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert_eq!(rig.server.on(), [A, B]);
}

#[tokio::test]
async fn a_server_with_two_problems_stays_off_until_the_last_is_resolved() {
    for api in BOTH {
        let rig = Rig::start(api, &[A, B]).await;
        let sink = rig.sink("");
        sink.send(&firing(A, "cpu")).await.unwrap();
        let second = sink.send(&firing(A, "disk")).await.unwrap();
        assert_eq!(second.handle.as_deref(), Some("101"));
        let first = sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
        assert!(first.remark.unwrap().contains("1 other problems"));
        assert_eq!(rig.server.on(), [B]);
        sink.send(&resolved(A, "disk", Some("101"))).await.unwrap();
        assert_eq!(rig.server.on(), [A, B]);
    }
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_neither_records_nor_ledger() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let dry = rig.sink("dry_run = true");
    let done = dry.send(&firing(A, "cpu")).await.unwrap();
    assert_eq!(
        done.remark.unwrap(),
        format!("dry run; would switch off record 101 (www.example.com A {A})")
    );
    assert_eq!(done.handle, None);
    assert_eq!(rig.server.calls(), ["list"]);
    assert!(!rig.ledger_text().contains("101"));
    rig.sink("").send(&firing(A, "cpu")).await.unwrap();
    let before = rig.ledger_text();
    let done = dry.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert!(done.remark.unwrap().contains("would switch on record 101"));
    assert_eq!(rig.server.on(), [B]);
    assert_eq!(rig.ledger_text(), before);
    // The floor is reported, not refused.
    let done = dry.send(&firing(B, "cpu")).await.unwrap();
    assert!(done.remark.unwrap().contains("`floor` is 1"));
}

#[tokio::test]
async fn a_message_of_campanile_itself_is_a_dry_run_without_a_ledger() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let mut test = firing(A, "cpu");
    std::sync::Arc::make_mut(&mut test.alerts[0]).source = "campanile/test".into();
    let done = rig.sink("").send(&test).await.unwrap();
    assert!(
        done.remark
            .unwrap()
            .starts_with("dry run; would switch off")
    );
    assert_eq!(rig.server.calls(), ["list"]);
    assert!(!rig.ledger().exists());
}

#[tokio::test]
async fn a_recovery_can_be_left_to_a_person() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("on_resolved = 'nothing'");
    sink.send(&firing(A, "cpu")).await.unwrap();
    let done = sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert!(done.remark.unwrap().contains("as `on_resolved` says"));
    assert_eq!(rig.server.on(), [B]);
}

#[tokio::test]
async fn a_record_on_several_lines_is_switched_on_each() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    rig.server.with(|rows| {
        let other = rows.clone();
        rows.extend(other.into_iter().map(|row| Row {
            id: row.id + 100,
            line: "联通".to_owned(),
            ..row
        }));
    });
    let sink = rig.sink("");
    let done = sink.send(&firing(A, "cpu")).await.unwrap();
    assert_eq!(done.handle.as_deref(), Some("101,201"));
    assert_eq!(rig.server.on(), [B, B]);
    sink.send(&resolved(A, "cpu", Some("101,201")))
        .await
        .unwrap();
    assert_eq!(rig.server.on(), [A, B, A, B]);
    // With a line, only there.
    rig.sink("line = '默认'")
        .send(&firing(A, "cpu"))
        .await
        .unwrap();
    assert_eq!(rig.server.on(), [B, A, B]);
}

#[tokio::test]
async fn a_record_that_was_deleted_meanwhile_is_no_failure() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    sink.send(&firing(A, "cpu")).await.unwrap();
    rig.server.with(|rows| rows.remove(0));
    let done = sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert!(done.remark.unwrap().contains("record 101 is not among"));
}

#[tokio::test]
async fn dropping_an_attempt_sends_nothing_later() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    rig.server.fails("list", [Fault::Silence]);
    let message = firing(A, "cpu");
    {
        let attempt = sink.send(&message);
        let asked = rig.asked();
        tokio::select! {
            _ = attempt => panic!("the server is silent"),
            () = asked => {}
        }
    }
    // The next attempt goes through the same lock of the zone: nothing of the first one is left.
    sink.send(&resolved(A, "cpu", None)).await.unwrap();
    sink.probe(message.at).unwrap().await.unwrap();
    assert_eq!(rig.server.calls(), ["list", "list"]);
}

#[tokio::test]
async fn a_probe_counts_the_records_and_switches_nothing() {
    for api in BOTH {
        let rig = Rig::start(api, &[A, B]).await;
        rig.server.by_hand(B, false);
        let says = rig.sink("").probe(firing(A, "cpu").at).unwrap().await;
        assert_eq!(
            says.unwrap(),
            "www.example.com A has 2 records, 1 of them on"
        );
        assert_eq!(rig.server.calls(), ["list"]);
    }
}

#[tokio::test]
async fn what_is_shown_names_the_requests_and_the_record_and_no_secret() {
    for api in BOTH {
        let rig = Rig::start(api, &[A]).await;
        let sink = rig.sink("");
        let off = sink.render(&firing(A, "cpu")).unwrap();
        assert!(off.contains(A) && off.contains("example.com"), "{off}");
        assert!(off.to_lowercase().contains("disable"), "{off}");
        let on = sink.render(&resolved(A, "cpu", Some("101"))).unwrap();
        assert!(on.to_lowercase().contains("enable"), "{on}");
        assert!(!format!("{off}{on}").contains("c4nary"), "{off}{on}");
    }
}
