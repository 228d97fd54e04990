//! Commands that use a running gateway, against a scripted server with responses in the form of the API.

use serde_json::{Value, json};

use super::Run;
use super::peer::{Asked, Peer};

pub(super) const ID: &str = "0190a3c5-7e1d-7c3a-9f00-0000000000aa";

/// Runs a command against a server with these responses. Returns the requests.
pub(super) fn ask(args: &[&str], answers: &[(u16, Value)]) -> (Run, Vec<Asked>) {
    let texts: Vec<(u16, String)> = answers.iter().map(|(c, v)| (*c, v.to_string())).collect();
    let texts: Vec<(u16, &str)> = texts.iter().map(|(c, t)| (*c, t.as_str())).collect();
    let peer = Peer::answering(&texts);
    let mut all = args.to_vec();
    all.extend(["--url", &peer.url, "--token", "let-me-in-please"]);
    let run = Run::of(&all);
    let (asked, _) = peer.asked();
    (run, asked)
}

pub(super) fn alert(title: &str) -> Value {
    json!({
        "id": ID, "source": "ucloud/prod", "message_id": "s-1/firing", "fingerprint": "00d1c0de00d1c0de",
        "status": "firing", "severity": "critical", "title": title, "description": "", "resource": {},
        "metric": {}, "starts_at": null, "ends_at": null, "received_at": "2026-01-01T00:00:00Z",
        "labels": {}, "links": [], "raw": {}, "episode": ID,
    })
}

/// A refusal of the gateway.
pub(super) fn refused(code: &str, message: &str) -> Value {
    let (kind, error) = (
        format!("/problems/{code}"),
        json!({"code": code, "message": message}),
    );
    json!({"type": kind, "title": "Refused", "status": 400, "detail": message, "error": error})
}

fn counted(count: u64, dry_run: bool) -> Value {
    let group = json!({"sink": "webhook/oncall", "reason": "expired", "count": count});
    json!({"count": count, "dry_run": dry_run, "seen_to": 18, "groups": [group], "ended": 3})
}

fn body(asked: &[Asked]) -> Value {
    serde_json::from_str(&asked[0].body).unwrap()
}

#[test]
fn a_list_asks_with_its_filters_and_the_token_and_shows_a_table() {
    let page = json!({"items": [alert("load is high")], "next": null});
    let args = [
        "alerts",
        "list",
        "--source",
        "ucloud/prod",
        "--status",
        "firing",
        "--limit",
        "5",
    ];
    let (run, asked) = ask(&args, &[(200, page)]);
    assert_eq!(run.code, 0, "{}", run.err);
    let line = "GET /api/v1/alerts?source=ucloud%2Fprod&status=firing&limit=5 HTTP/1.1";
    assert_eq!(asked[0].line(), line);
    assert_eq!(
        asked[0].header("authorization"),
        Some("Bearer let-me-in-please")
    );
    for words in ["STATUS", "firing", "critical", "load is high", ID] {
        run.says(words);
    }
    assert!(
        !run.out.contains('\u{1b}'),
        "no colors if the output is not a terminal"
    );
}

#[test]
fn since_takes_a_length_of_time() {
    let page = json!({"items": [], "next": null});
    let (run, asked) = ask(&["alerts", "list", "--since", "2h"], &[(200, page)]);
    let line = asked[0].line();
    let (_, since) = line.split_once("since=").unwrap();
    let since = since.trim_end_matches(" HTTP/1.1").replace("%3A", ":");
    let since: jiff::Timestamp = since.parse().unwrap();
    let now = campanile_model::Clock::machine().now();
    let seconds = now.duration_since(since).as_secs();
    assert!((7_200..7_260).contains(&seconds), "{seconds}");
    assert_eq!(run.out, "", "no data for an empty list");
    run.says("no alerts");
}

#[test]
fn a_page_says_how_to_get_the_next_one() {
    let page = json!({"items": [alert("a")], "next": "c-17"});
    let args = [
        "alerts",
        "list",
        "--severity",
        "critical",
        "--before",
        "c-9",
    ];
    let (run, asked) = ask(&args, &[(200, page)]);
    assert!(asked[0].line().contains("severity=critical&before=c-9"));
    run.says("campanile alerts list --severity critical --before c-17");
    assert!(!run.out.contains("c-17"), "messages go to stderr");
}

#[test]
fn json_is_the_apis_own() {
    let page = json!({"items": [alert("過載")], "next": "c-17"});
    let (run, _) = ask(&["alerts", "list", "--json"], &[(200, page.clone())]);
    assert_eq!(run.json(), page);
}

#[test]
fn columns_stay_straight_under_chinese_titles() {
    let short = alert("磁碟已滿：請儘快處理");
    let long = alert("disk is full, please act soon");
    let page = json!({"items": [short, long], "next": null});
    let (run, _) = ask(&["alerts", "list"], &[(200, page)]);
    let columns: Vec<usize> = run
        .out
        .lines()
        .skip(1)
        .map(|line| unicode_width::UnicodeWidthStr::width(line.split(ID).next().unwrap()))
        .collect();
    assert_eq!(columns.len(), 2);
    assert_eq!(columns[0], columns[1], "{}", run.out);
}

#[test]
fn a_title_cannot_command_the_terminal() {
    let page = json!({"items": [alert("\u{1b}[2Jgone\u{202e}\nnext")], "next": null});
    let (run, _) = ask(&["alerts", "list"], &[(200, page)]);
    assert!(!run.out.contains('\u{1b}') && !run.out.contains('\u{202e}'));
    assert_eq!(run.out.lines().count(), 2, "{}", run.out);
}

#[test]
fn an_alert_is_shown_with_its_deliveries_and_attempts() {
    let answer = json!({
        "alert": alert("load is high"),
        "episode": ID,
        "deliveries": [{"alert_id": ID, "sink": "webhook/oncall", "fingerprint": "00d1c0de00d1c0de", "attempts": 3,
            "pending_since": "2026-01-01T00:00:00Z", "due_at": null, "last_error": "answered 503", "last_code": 503,
            "retried": false}],
        "attempts": [{"sink": "webhook/oncall", "at": "2026-01-01T00:00:01Z", "took_ms": 12,
            "attempt": 1, "code": 503, "verdict": "again", "worth": null, "remark": null,
            "note": "It said: upstream gone"}],
        "callback": "POST /callback/ucloud/prod/*** HTTP/1.1\r\n\r\n{}",
        "arrival": {"from": "203.0.113.9", "status": 200, "answer": "OK 1",
            "trace": "4bf92f3577b34da6a3ce929d0e0e4736"},
        "routes": [{"when": "severity == 'critical'", "sinks": ["webhook/oncall"], "matches": "no"}],
    });
    let (run, asked) = ask(&["alerts", "show", ID], &[(200, answer)]);
    assert_eq!(asked[0].line(), format!("GET /api/v1/alerts/{ID} HTTP/1.1"));
    for words in [
        "load is high",
        "PENDING FOR",
        "answered 503",
        "203.0.113.9",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "ROUTE APPLIES",
        "severity == 'critical'",
        "VERDICT",
        "again",
        "It said: upstream gone",
        "POST /callback/ucloud/prod/***",
    ] {
        run.says(words);
    }
}

#[test]
fn retry_says_for_which_sinks_an_alert_is_pending_again() {
    let args = [
        "alerts",
        "retry",
        ID,
        "--sink",
        "webhook/oncall",
        "--sink",
        "file/log",
    ];
    let answer = json!({"pending": ["webhook/oncall", "file/log"]});
    let (run, asked) = ask(&args, &[(200, answer)]);
    assert_eq!(
        asked[0].line(),
        format!("POST /api/v1/alerts/{ID}/retry HTTP/1.1")
    );
    assert_eq!(
        body(&asked),
        json!({"sinks": ["webhook/oncall", "file/log"]})
    );
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    run.says("pending again for webhook/oncall, file/log");
}

#[test]
fn dead_letters_are_selected_by_number_by_sink_or_all_and_counted_first() {
    for (choice, wanted) in [
        (&["17", "18"][..], json!({"ids": [17, 18]})),
        (
            &["--sink", "webhook/oncall"],
            json!({"sink": "webhook/oncall"}),
        ),
        (&["--all"], json!({"all": true})),
    ] {
        let args = [&["dead", "retry"], choice].concat();
        let answers = [(200, counted(2, true)), (200, counted(2, false))];
        let (run, asked) = ask(&args, &answers);
        let (mut first, mut second) = (wanted.clone(), wanted);
        first["dry_run"] = json!(true);
        assert_eq!(body(&asked), first);
        // What is changed is what was counted.
        second["seen_to"] = json!(18);
        second["count"] = json!(2);
        assert_eq!(asked[1].line(), "POST /api/v1/dead/retry HTTP/1.1");
        assert_eq!(
            serde_json::from_str::<Value>(&asked[1].body).unwrap(),
            second
        );
        run.says("2 dead letters selected");
        run.says("2 dead letters will be delivered again");
    }
}

#[test]
fn pending_deliveries_are_retried_by_sink_and_counted_first() {
    let args = ["deliveries", "retry", "--sink", "webhook/oncall"];
    let answers = [(200, counted(2, true)), (200, counted(2, false))];
    let (run, asked) = ask(&args, &answers);
    let wanted = json!({"sink": "webhook/oncall", "dry_run": true});
    assert_eq!(body(&asked), wanted);
    assert_eq!(asked[1].line(), "POST /api/v1/deliveries/retry HTTP/1.1");
    assert!(!asked[1].body.contains("dry_run"));
    assert!(!asked[1].body.contains("count"), "deliveries end meanwhile");
    run.says("2 pending deliveries selected");
    run.says("2 pending deliveries will be attempted now");
}

#[test]
fn one_is_dropped_at_once_and_more_only_after_a_yes() {
    let (one, asked) = ask(&["dead", "drop", "17"], &[(200, counted(1, false))]);
    assert_eq!(body(&asked), json!({"ids": [17]}));
    one.says("1 dead letter dropped");
    // Nobody can confirm, and there is no server: the program must not send a request.
    let many = Run::of(&["dead", "drop", "--all", "--url", "http://127.0.0.1:1"]);
    assert_eq!(many.code, 2);
    many.says("--yes");
    let answers = [(200, counted(9, true)), (200, counted(9, false))];
    let (sure, asked) = ask(&["dead", "drop", "--all", "--yes"], &answers);
    assert_eq!(body(&asked), json!({"all": true, "dry_run": true}));
    sure.says("9 dead letters selected");
    sure.says("9 dead letters dropped");
}

#[test]
fn a_number_that_does_not_exist_ends_with_one() {
    let still = json!({"count": 0, "dry_run": false, "released": 0, "still_unreadable": []});
    for (list, action, answer) in [
        ("dead", "retry", counted(0, false)),
        ("dead", "drop", counted(0, false)),
        ("quarantine", "retry", still),
    ] {
        let (run, _) = ask(&[list, action, "5"], &[(200, answer)]);
        assert_eq!(run.code, 1, "{list} {action}: {}", run.out);
        run.says("has this number");
    }
}

#[test]
fn a_dry_run_only_says_how_many_there_are() {
    for (args, words) in [
        (
            &["dead", "retry", "--all"][..],
            "9 dead letters selected; nothing was changed",
        ),
        (
            &["dead", "drop", "--all"],
            "9 dead letters selected; nothing was changed",
        ),
        (
            &["quarantine", "retry", "--all"],
            "9 quarantined callbacks selected",
        ),
        (
            &["quarantine", "drop", "--source", "a/b"],
            "9 quarantined callbacks selected",
        ),
        (
            &["deliveries", "drop", "--sink", "a/b"],
            "9 pending deliveries selected",
        ),
        (
            &["deliveries", "drop", "--all"],
            "9 pending deliveries selected",
        ),
        (
            &["deliveries", "retry", "--sink", "a/b"],
            "9 pending deliveries selected; nothing was changed",
        ),
    ] {
        let args = [args, &["--dry-run"]].concat();
        let (run, asked) = ask(&args, &[(200, counted(9, true))]);
        assert_eq!((run.code, asked.len()), (0, 1), "{args:?}: {}", run.err);
        run.says(words);
        run.says("  9 webhook/oncall: expired");
        run.says("  3 of them fire, but their problems have ended");
    }
}

#[test]
fn a_list_is_also_ids_alone_or_one_object_a_line() {
    let page = json!({"items": [alert("a"), alert("b")], "next": "c-17"});
    let (ids, _) = ask(&["alerts", "list", "-q"], &[(200, page.clone())]);
    assert_eq!(ids.out, format!("{ID}\n{ID}\n"));
    ids.says("--before c-17");
    let (lines, _) = ask(&["alerts", "list", "--ndjson"], &[(200, page.clone())]);
    let lines: Vec<Value> = lines
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(json!(lines), page["items"]);
}

#[test]
fn sources_are_listed_and_shown_with_their_addresses() {
    let source = json!({
        "name": "ucloud/prod", "provider": "ucloud", "callback": "https://a.example/callback/ucloud/prod/<key>",
        "paths": ["/callback/ucloud/prod/<key>", "/add/<key>", "/get/<key>"], "proof": "path key", "accepted": 7, "ignored": 0, "duplicates": 1,
        "conflicts": 0, "quarantined": 0, "rejected": 3, "last_callback_at": null,
        "drift": {"learning": true, "looked_at": 7, "keys": 8, "full": false, "new_keys": 0, "gone_keys": 0,
            "changed_types": 0, "changes": [], "unknown_words": {}},
    });
    let page = json!({"items": [source.clone()], "next": null});
    let (list, _) = ask(&["sources", "list"], &[(200, page)]);
    for words in [
        "ucloud/prod",
        "https://a.example/callback/ucloud/prod/<key>",
        "/add/<key>, /get/<key>",
        "path key",
        "never",
    ] {
        list.says(words);
    }
    let (one, asked) = ask(&["sources", "show", "ucloud/prod"], &[(200, source)]);
    assert_eq!(asked[0].line(), "GET /api/v1/sources/ucloud/prod HTTP/1.1");
    one.says("rejected");
    one.says("/get/<key>");
}

#[test]
fn quarantine_retry_fails_while_something_is_still_unreadable() {
    let fault = json!({"place": "body.AlarmTime", "problem": "not a number"});
    let still = json!({"count": 3, "dry_run": false, "released": 2, "still_unreadable": [{"id": 3, "faults": [fault]}]});
    let args = ["quarantine", "retry", "--source", "ucloud/prod"];
    let (run, asked) = ask(&args, &[(200, counted(3, true)), (200, still)]);
    assert_eq!(
        body(&asked),
        json!({"source": "ucloud/prod", "dry_run": true})
    );
    assert_eq!(run.code, 1);
    run.says("2 callbacks read and accepted");
    run.says("body.AlarmTime");
    let all = json!({"count": 3, "dry_run": false, "released": 3, "still_unreadable": []});
    assert_eq!(
        ask(
            &["quarantine", "retry", "--all"],
            &[(200, counted(3, true)), (200, all)]
        )
        .0
        .code,
        0
    );
}

#[test]
fn a_delivery_is_dropped_by_alert_and_sink() {
    let args = ["deliveries", "drop", ID, "--sink", "webhook/oncall"];
    let (run, asked) = ask(&args, &[(200, json!({"dropped": true}))]);
    let line = format!("DELETE /api/v1/deliveries/{ID}?sink=webhook%2Foncall HTTP/1.1");
    assert_eq!(asked[0].line(), line);
    assert_eq!(run.code, 0);
}

#[test]
fn sinks_are_shown_paused_and_resumed() {
    let sink = json!({"name": "webhook/oncall", "kind": "webhook", "configured": true, "state": "paused",
        "pending": 7, "dead": 1, "in_flight": 0, "loaded": 0, "paused_by": "operator", "last_success_at": null, "last_error": "answered 410",
        "last_error_at": null, "retry_at": null});
    let (run, _) = ask(
        &["sinks", "status"],
        &[(200, json!({"items": [sink], "next": null}))],
    );
    for words in [
        "webhook/oncall",
        "paused (operator)",
        "never",
        "answered 410",
    ] {
        run.says(words);
    }
    for verb in ["pause", "resume"] {
        let (run, asked) = ask(&["sinks", verb, "webhook/oncall"], &[(200, json!({}))]);
        let line = format!("POST /api/v1/sinks/webhook/oncall/{verb} HTTP/1.1");
        assert_eq!(asked[0].line(), line);
        assert_eq!(run.code, 0);
    }
}

#[test]
fn the_gateways_own_words_of_refusal_are_shown_and_the_token_is_not() {
    let refusal = refused("unauthorized", "a bearer token is needed");
    let (run, _) = ask(&["dead", "list"], &[(401, refusal)]);
    assert_eq!(run.code, 4);
    run.says("a bearer token is needed");
    run.says("--token");
    assert!(!run.err.contains("let-me-in-please"));
}

#[test]
fn an_answer_that_is_not_the_apis_is_named_as_such() {
    let peer = Peer::answering(&[(404, "<html>not here</html>")]);
    let run = Run::of(&["alerts", "list", "--url", &peer.url]);
    assert_eq!(run.code, 1);
    run.says("the response is not from Campanile's API");
    run.says("usually port 8081");
}
