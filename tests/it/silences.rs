//! Silences of operators, from the API to the receiver.

use std::time::Duration;

use campanile_receiver::Play;
use serde_json::{Value, json};

use crate::cli::campanile;
use crate::gateway::Gateway;
use crate::own_mapping::ACME;
use crate::patience::output;
use crate::receiver::Receiver;
use crate::standing::{Reply, Wire, request};

/// A gateway with one receiver.
struct Silenced {
    gateway: Gateway,
    chat: Receiver,
}

impl Silenced {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
        let chat = Receiver::start([Play::status(200)]).await;
        let settings = format!(
            "[mappings.acme]{ACME}\n[providers.acme.prod]\ntoken = \"the-token-of-acme\"\n\
             [sinks.webhook.chat]\nurl = \"{}\"\n{more}",
            chat.url("/")
        );
        let gateway = Gateway::start(&settings).await;
        Self { gateway, chat }
    }

    async fn send(&self, run: &str, host: &str, state: &str) {
        let check = json!({"run": run, "host": host, "state": state, "prio": "P1", "info": run});
        let body = json!({"checks": [check]}).to_string();
        let post = format!(
            "POST /callback/acme/prod HTTP/1.1\r\nhost: x\r\nx-acme-token: the-token-of-acme\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = self.gateway.send(post).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.gateway.deliver_everything().await;
    }

    /// Sends a command to the API.
    async fn act(&self, path: &str, body: &Value) -> Reply {
        let head = "connection: close\r\ncontent-type: application/json\r\n";
        let asked = request("POST", path, head, body.to_string().as_bytes());
        Wire::to(self.gateway.admin()).await.send(asked).await
    }

    fn got(&self) -> Vec<String> {
        let got = self.chat.got();
        let ids = got.iter().map(|got| got.json()["message_id"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    async fn newest(&self) -> Value {
        let listed = self.gateway.ask("/api/v1/alerts?limit=1").await;
        let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
        self.gateway.ask(&format!("/api/v1/alerts/{id}")).await
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_holds_until_it_ends_or_an_operator_ends_it() {
    let of = Silenced::start().await;
    of.send("1", "web-0", "DOWN").await;
    let wanted = json!({
        "regex": {"title": "web-.*"}, "for": "2h", "comment": "disk replaced",
    });
    let hits = of.act("/api/v1/silences/preview", &wanted).await.json();
    assert_eq!(hits["firing"], 1, "{hits}");
    assert_eq!(hits["items"][0]["source"], "acme/prod");
    assert!(of.gateway.list("/api/v1/silences").await.is_empty());
    let made = of.act("/api/v1/silences", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    assert_eq!(made["hits"], hits);
    let silence = &made["silence"];
    assert_eq!(
        (&silence["state"], &silence["after"]),
        (&json!("active"), &json!("tell"))
    );
    assert_eq!(silence["regex"], wanted["regex"]);

    of.send("2", "web-1", "DOWN").await;
    of.send("3", "db-1", "DOWN").await;
    // The sink was informed of this one.
    of.send("4", "web-0", "UP").await;
    assert_eq!(of.got(), ["1/DOWN", "3/DOWN", "4/UP"]);
    let id = silence["id"].as_i64().unwrap();
    let held = &of.gateway.list("/api/v1/alerts?limit=3").await[0];
    let path = format!("/api/v1/alerts/{}", held["id"].as_str().unwrap());
    let detail = of.gateway.ask(&path).await;
    assert_eq!(detail["held"][0]["sink"], "webhook/chat", "{detail}");
    assert_eq!(detail["held"][0]["reason"], format!("silence {id}"));
    let name = "campanile_held{sink=\"webhook/chat\"}";
    assert!((of.gateway.metric(name).await - 1.0).abs() < f64::EPSILON);
    assert_eq!(of.gateway.ask("/api/v1/sinks").await["items"][0]["held"], 1);

    let extend = format!("/api/v1/silences/{id}/extend");
    let longer = of.act(&extend, &json!({"for": "3h"})).await;
    assert_eq!(longer.status, 200);
    of.gateway.advance(150 * MINUTE).await;
    assert_eq!(of.got().len(), 3);
    let ended = of
        .act(&format!("/api/v1/silences/{id}/end"), &json!({}))
        .await;
    assert_eq!(ended.json()["state"], "ended", "{}", ended.body);
    of.gateway.deliver_everything().await;
    assert_eq!(of.got(), ["1/DOWN", "3/DOWN", "4/UP", "2/DOWN"]);
    let again = of
        .act(&format!("/api/v1/silences/{id}/end"), &json!({}))
        .await;
    assert_eq!(again.status, 400, "{}", again.body);
    assert!(of.gateway.store().misplaced(10).await.unwrap().is_empty());
    let acts = of.gateway.list("/api/v1/audit?action=silences").await;
    let acts: Vec<_> = acts.iter().map(|act| act["action"].clone()).collect();
    assert_eq!(acts, ["silences.add", "silences.extend", "silences.end"]);
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_inside_of_a_silence_is_not_sent_also_over_a_restart() {
    let mut of = Silenced::start().await;
    let wanted = json!({"match": {"severity": ["critical", "error"]}, "for": "1h"});
    assert_eq!(of.act("/api/v1/silences", &wanted).await.status, 201);
    of.send("1", "web-1", "DOWN").await;
    of.gateway.restart_with(|_| ()).await;
    of.send("2", "web-1", "UP").await;
    of.gateway.advance(2 * 60 * MINUTE).await;
    assert!(of.got().is_empty());
    let detail = of.newest().await;
    let outcome = &detail["outcomes"][0];
    assert_eq!(
        (&outcome["outcome"], &outcome["sink"]),
        (&json!("muted"), &json!("webhook/chat"))
    );
    assert_eq!(outcome["reason"], "the sink got no firing of it");
    of.send("3", "web-1", "DOWN").await;
    assert_eq!(of.got(), ["3/DOWN"]);
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_is_not_valid_is_refused_with_the_place() {
    let of = Silenced::start().await;
    let refused = [
        (json!({"for": "2h"}), "matches every alert"),
        (
            json!({"match": {"labels.team": ""}, "for": "2h"}),
            "matches every alert",
        ),
        (
            json!({"regex": {"title": ".*"}, "for": "2h"}),
            "matches every alert",
        ),
        (json!({"match": {"title": "a"}}), "either `for`"),
        (
            json!({"match": {"title": "a"}, "for": "2h", "until": "2030-01-01T00:00:00Z"}),
            "either `for`",
        ),
        (
            json!({"match": {"title": "a"}, "for": "soon"}),
            "not a duration",
        ),
        (
            json!({"match": {"title": "a"}, "for": "31d"}),
            "at most 30 days",
        ),
        (
            json!({"match": {"title": "a"}, "until": "2001-01-01T00:00:00Z"}),
            "over already",
        ),
        (
            json!({"match": {"titel": "a"}, "for": "2h"}),
            "is not a field",
        ),
        (json!({"match": {"severity": "loud"}, "for": "2h"}), "loud"),
        (json!({"match": {"title": []}, "for": "2h"}), "has no value"),
        (
            json!({"regex": {"title": "("}, "for": "2h"}),
            "`regex` is not valid",
        ),
        (
            json!({"when": "severity =", "for": "2h"}),
            "`when` is not valid",
        ),
        (
            json!({"match": {"title": "a"}, "for": "2h", "after": "never"}),
            "`tell` or `forget`",
        ),
        (
            json!({"match": {"title": "a"}, "for": "2h", "comment": "x".repeat(501)}),
            "500 characters",
        ),
        (
            json!({"match": {"title": "a"}, "for": "2h", "colour": 1}),
            "the body is not valid",
        ),
    ];
    for (wanted, reason) in refused {
        let reply = of.act("/api/v1/silences", &wanted).await;
        assert_eq!(reply.status, 400, "{wanted} {}", reply.body);
        assert!(reply.body.contains(reason), "{wanted}: {}", reply.body);
    }
    assert!(
        of.gateway
            .list("/api/v1/silences?state=all")
            .await
            .is_empty()
    );
    let everything = json!({"regex": {"title": ".*"}, "for": "2h", "everything": true});
    assert_eq!(of.act("/api/v1/silences", &everything).await.status, 201);
    for path in ["/api/v1/silences/99", "/api/v1/silences/x"] {
        assert_eq!(of.gateway.look(path).await.status, 404);
    }
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_lists_and_ends_silences() {
    let of = Silenced::start().await;
    of.send("1", "web-0", "DOWN").await;
    let url = format!("http://{}", of.gateway.admin());
    let run = async |args: &[&str]| {
        let args = [&["silences"], args, &["--url", &url]].concat();
        let mut command = campanile(&args);
        let run = tokio::task::spawn_blocking(move || output(&mut command));
        let run = run.await.unwrap();
        let text = [run.stdout, run.stderr].concat();
        (run.status.code(), String::from_utf8(text).unwrap())
    };
    let asks = [
        "--match",
        "severity=critical",
        "--match",
        "severity=error",
        "--regex",
        "title=web-0.*",
    ];
    let (code, text) = run(&[&["preview"], &asks[..]].concat()).await;
    assert!(
        code == Some(0) && text.starts_with("matches 1 problem of 1 that fire"),
        "{text}"
    );
    assert!(text.contains("critical acme/prod"), "{text}");
    let (_, text) = run(&["list"]).await;
    assert!(text.contains("no silences"), "{text}");
    let (code, text) = run(&[
        &["add"],
        &asks[..],
        &["--for", "2h", "--comment", "new disk"],
    ]
    .concat())
    .await;
    assert!(
        code == Some(0) && text.contains("silence 1 lasts until"),
        "{text}"
    );
    let (_, text) = run(&["list"]).await;
    for shown in [
        "active",
        "severity=critical|error, title~web-0.*",
        "new disk",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let (code, text) = run(&["extend", "1", "--for", "1d 12h"]).await;
    assert!(code == Some(0), "{text}");
    let (code, text) = run(&["end", "1"]).await;
    assert!(
        code == Some(0) && text.contains("silence 1 has ended"),
        "{text}"
    );
    let (code, text) = run(&["end", "1"]).await;
    assert!(code != Some(0) && text.contains("is over"), "{text}");
    let (_, text) = run(&["list", "--state", "all"]).await;
    assert!(text.contains("ended"), "{text}");
    for (wrong, said) in [
        (
            &["add", "--regex", "title=.*", "--for", "2h"][..],
            "everything",
        ),
        (&["add", "--match", "team", "--for", "2h"], "labels.team=db"),
        (&["add", "--match", "title=a"], "--for"),
    ] {
        let (code, text) = run(wrong).await;
        assert!(code != Some(0) && text.contains(said), "{wrong:?}: {text}");
    }
    of.gateway.stop().await;
}

const HOUR: Duration = Duration::from_hours(1);

/// The clock of a test begins at midnight, UTC.
const NIGHT: &str = "[routing]\nzone = \"UTC\"\n[windows.night]\ntimes = [\"22:00-06:00\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_of_the_configuration_holds_while_its_window_is_open() {
    let more = format!(
        "{NIGHT}[silences.backup]\nregex = {{ title = \"web-.*\" }}\nduring = [\"night\"]\n"
    );
    let of = Silenced::with(&more).await;
    of.send("1", "web-0", "DOWN").await;
    of.send("2", "db-0", "DOWN").await;
    assert_eq!(of.got(), ["2/DOWN"]);
    let held = &of.gateway.list("/api/v1/alerts").await[0];
    let path = format!("/api/v1/alerts/{}", held["id"].as_str().unwrap());
    assert_eq!(
        of.gateway.ask(&path).await["held"][0]["reason"],
        "silence backup"
    );
    of.gateway.advance(359 * MINUTE).await;
    assert_eq!(of.got(), ["2/DOWN"]);
    of.gateway.advance(MINUTE).await;
    assert_eq!(of.got(), ["2/DOWN", "1/DOWN"]);
    of.send("3", "web-1", "DOWN").await;
    assert_eq!(of.got().len(), 3);
    of.gateway.advance(17 * HOUR).await;
    of.send("4", "web-2", "DOWN").await;
    assert_eq!(of.got().len(), 3, "the next night");
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_muted_in_its_windows_and_sends_what_still_fires_afterwards() {
    let more = format!(
        "{NIGHT}[[routes]]\nname = \"chat\"\nmuted = [\"night\"]\nsinks = [\"webhook/chat\"]\n"
    );
    let of = Silenced::with(&more).await;
    of.send("1", "web-0", "DOWN").await;
    of.send("2", "web-1", "DOWN").await;
    of.send("3", "web-1", "UP").await;
    assert!(of.got().is_empty());
    let name = "campanile_held{sink=\"webhook/chat\"}";
    assert!((of.gateway.metric(name).await - 1.0).abs() < f64::EPSILON);
    of.gateway.advance(6 * HOUR).await;
    assert_eq!(of.got(), ["1/DOWN"]);
    // By day, and the other way round.
    let settings = format!(
        "[mappings.acme]{ACME}\n[providers.acme.prod]\ntoken = \"the-token-of-acme\"\n\
         [sinks.webhook.chat]\nurl = \"{}\"\n{}",
        of.chat.url("/"),
        more.replace("muted", "active")
    );
    of.gateway.write(&settings);
    of.gateway.reload_with(|_| ()).await;
    of.send("4", "web-2", "DOWN").await;
    assert_eq!(of.got(), ["1/DOWN"]);
    of.gateway.advance(16 * HOUR).await;
    assert_eq!(of.got(), ["1/DOWN", "4/DOWN"]);
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_without_recoveries_sends_none_unless_another_route_does() {
    let more = "[[routes]]\nname = \"once\"\nresolved = false\nsinks = [\"webhook/chat\"]\n\
                [[routes]]\nregex = { title = \"db-.*\" }\nsinks = [\"webhook/chat\"]\n";
    let of = Silenced::with(more).await;
    for (number, host) in ["web-0", "db-0"].into_iter().enumerate() {
        of.send(&format!("{number}"), host, "DOWN").await;
        of.send(&format!("{number}"), host, "UP").await;
    }
    assert_eq!(of.got(), ["0/DOWN", "1/DOWN", "1/UP"]);
    let alerts = of.gateway.list("/api/v1/alerts").await;
    let path = format!("/api/v1/alerts/{}", alerts[1]["id"].as_str().unwrap());
    let outcome = &of.gateway.ask(&path).await["outcomes"][0];
    assert_eq!(outcome["reason"], "route once: no recoveries");
    assert!(of.gateway.store().misplaced(10).await.unwrap().is_empty());
    of.gateway.stop().await;
}
