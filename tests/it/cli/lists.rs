//! The forms of lists: chosen fields, one object per line, ids, all pages, and the exit code.

use serde_json::{Value, json};

use super::gateway::{ID, alert, ask, refused};

fn pages() -> [(u16, Value); 2] {
    let mut first = alert("load is high");
    first["labels"] = json!({"team": "db", "k8s.io/name": "api"});
    let first = json!({"items": [first, alert("b")], "next": "c-2"});
    let second = json!({"items": [alert("disk is full, please act soon")], "next": null});
    [(200, first), (200, second)]
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn named_fields_are_picked_and_json_alone_stays_the_whole_page() {
    let [first, _] = pages();
    let one = [first.clone()];
    let args = [
        "alerts",
        "list",
        "--json=id,labels.k8s.io/name,resource.name",
    ];
    let (run, _) = ask(&args, &one);
    let items = json!([
        {"id": ID, "labels.k8s.io/name": "api", "resource.name": null},
        {"id": ID, "labels.k8s.io/name": null, "resource.name": null},
    ]);
    assert_eq!(run.json(), json!({"items": items, "next": "c-2"}));
    let (run, _) = ask(&["alerts", "list", "--ndjson=title"], &one);
    assert_eq!(
        lines(&run.out),
        [json!({"title": "load is high"}), json!({"title": "b"})]
    );
    for whole in ["--json", "--json="] {
        assert_eq!(ask(&["alerts", "list", whole], &one).0.json(), first.1);
    }
}

#[test]
fn one_item_has_picked_fields_too() {
    let letter = json!({"id": 17, "sink": "webhook/oncall", "alert": alert("load is high")});
    let args = ["dead", "show", "17", "--json=sink,alert.title"];
    let (run, _) = ask(&args, &[(200, letter.clone())]);
    assert_eq!(
        run.json(),
        json!({"sink": "webhook/oncall", "alert.title": "load is high"})
    );
    assert_eq!(
        ask(&["dead", "show", "17", "--json"], &[(200, letter)])
            .0
            .json()["id"],
        17
    );
}

#[test]
fn an_unknown_field_is_named_with_the_nearest_and_all_fields() {
    let [first, _] = pages();
    let (run, _) = ask(&["alerts", "list", "--json=id,titel"], &[first]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    run.says("`titel` is not a valid field");
    run.says("did you mean `title`? The fields are id, source, message_id");
    let (run, _) = ask(&["alerts", "list", "--json=id,,title"], &[]);
    assert_eq!(run.code, 2);
    run.says("write the names of fields with commas, such as id,title");
}

#[test]
fn all_follows_next_to_the_end_in_each_form() {
    let all = ["alerts", "list", "--all", "--severity", "critical"];
    let (run, asked) = ask(&[&all[..], &["-q"]].concat(), &pages());
    assert_eq!(run.out, format!("{ID}\n{ID}\n{ID}\n"));
    let first = "GET /api/v1/alerts?severity=critical&limit=500 HTTP/1.1";
    let second = "GET /api/v1/alerts?severity=critical&limit=500&before=c-2 HTTP/1.1";
    assert_eq!([asked[0].line(), asked[1].line()], [first, second]);
    assert_eq!(run.err, "", "there are no more items");

    let (run, _) = ask(&[&all[..], &["--ndjson=title"]].concat(), &pages());
    assert_eq!(lines(&run.out).len(), 3);
    let (run, _) = ask(&[&all[..], &["--json=title"]].concat(), &pages());
    let titles = ["load is high", "b", "disk is full, please act soon"];
    let titles = titles.map(|title| json!({"title": title}));
    assert_eq!(run.json(), json!({"items": titles, "next": null}));
    let (run, _) = ask(
        &[&all[..], &["--json"]].concat(),
        &[(200, json!({"items": [], "next": null}))],
    );
    assert_eq!(run.json(), json!({"items": [], "next": null}));

    let (run, _) = ask(&all, &pages());
    assert_eq!(
        run.out.matches("SEVERITY").count(),
        1,
        "one heading: {}",
        run.out
    );
    assert_eq!(run.out.lines().count(), 4);
}

#[test]
fn a_cursor_that_does_not_move_ends_the_list() {
    let stuck = json!({"items": [alert("a")], "next": "c-2"});
    let (run, _) = ask(
        &["alerts", "list", "--all", "-q"],
        &[(200, stuck.clone()), (200, stuck)],
    );
    assert_eq!((run.code, run.out.lines().count()), (0, 2));
}

#[test]
fn exit_code_says_whether_the_list_has_an_item() {
    let full = json!({"items": [alert("a")], "next": null});
    let empty = json!({"items": [], "next": null});
    for form in [
        &[][..],
        &["--json"],
        &["--ndjson"],
        &["-q"],
        &["--all"],
        &["--all", "--json"],
    ] {
        for (page, code) in [(&full, 1), (&empty, 0)] {
            let args = [&["alerts", "list", "--exit-code"], form].concat();
            let (run, _) = ask(&args, &[(200, page.clone())]);
            assert_eq!(run.code, code, "{args:?}: {}{}", run.out, run.err);
            assert!(!run.err.contains("error"), "{}", run.err);
        }
    }
    let (run, _) = ask(&["alerts", "list"], &[(200, full)]);
    assert_eq!(run.code, 0, "without the flag an item is no failure");
}

#[test]
fn each_class_of_error_has_its_exit_code_and_the_help_has_them_all() {
    let refusal = |code: &str| refused(code, "these are the words");
    for (status, code) in [
        (404, 1),
        (409, 1),
        (500, 1),
        (400, 2),
        (415, 2),
        (401, 4),
        (403, 4),
    ] {
        let (run, _) = ask(&["alerts", "show", ID], &[(status, refusal("some"))]);
        assert_eq!(run.code, code, "{status}");
        run.says("error: these are the words");
    }
    let help = super::Run::of(&["--help"]);
    for words in [
        "0  done",
        "1  failed or not found",
        "2  wrong usage",
        "3  the gateway cannot",
        "4  not allowed",
    ] {
        help.says(words);
    }
}
