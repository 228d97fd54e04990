//! What the API says of the arrival of a callback.

use serde_json::{Value, json};

use crate::standing::{Reply, Standing, config, post, source};

async fn forwarded(gateway: &Standing, body: &Value) -> Reply {
    let head = "content-type: application/json\r\nx-forwarded-for: 203.0.113.9\r\n";
    let body = body.to_string();
    gateway
        .send(post("/callback/probe/a", head, body.as_bytes()))
        .await
}

async fn newest(gateway: &Standing) -> Value {
    let page = gateway
        .ask("GET", "/api/v1/alerts?limit=1", "")
        .await
        .json();
    let id = page["items"][0]["id"].as_str().unwrap().to_owned();
    gateway
        .ask("GET", &format!("/api/v1/alerts/{id}"), "")
        .await
        .json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_who_called_what_the_answer_was_and_what_each_route_said() {
    let mut config = config(vec![source("a")]);
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&config).await;
    for (message, title, matches) in [("1", "disk full", "yes"), ("2", "unrouted", "no")] {
        let reply = forwarded(&gateway, &json!({"probe": message, "title": title})).await;
        let shown = newest(&gateway).await;
        let arrival = json!({"from": "203.0.113.9", "status": reply.status, "answer": reply.body, "trace": null});
        assert_eq!(shown["arrival"], arrival);
        assert!(reply.body.contains(shown["alert"]["id"].as_str().unwrap()));
        let routes = json!([{
            "name": "1", "depth": 0, "match": {}, "regex": {}, "when": "title != 'unrouted'", "share": null,
            "sinks": [], "matches": matches,
        }]);
        assert_eq!(shown["routes"], routes);
    }
    // The routes are those of the arrival, also after they have changed.
    config.routes = vec![];
    gateway.follow(&config).await;
    assert_eq!(newest(&gateway).await["routes"][0]["matches"], "no");
    forwarded(&gateway, &json!({"probe": "3"})).await;
    assert_eq!(newest(&gateway).await["routes"], json!([]));
}

/// Name, result and depth of each route of the newest alert.
async fn routes(gateway: &Standing) -> Vec<(String, String, u64)> {
    let shown = newest(gateway).await;
    let routes = shown["routes"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    routes
        .map(|route| {
            let depth = route["depth"].as_u64().unwrap();
            (text(&route["name"]), text(&route["matches"]), depth)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_routes_and_otherwise_are_shown_as_they_were_asked() {
    use campanile::config::{Matching, Route, Routing, Take};
    let titled = |title: &str| Route {
        matching: Matching {
            matches: [("title".to_owned(), vec![title.to_owned()])].into(),
            ..Matching::default()
        },
        ..Route::default()
    };
    let mut config = config(vec![source("a")]);
    config.routes = vec![
        Route {
            name: Some("db".to_owned()),
            matching: Matching {
                regex: [("title".to_owned(), "disk .*".to_owned())].into(),
                ..Matching::default()
            },
            routes: vec![titled("disk gone"), titled("disk full")],
            ..Route::default()
        },
        titled("load"),
    ];
    config.routing = Routing {
        take: Take::First,
        otherwise: vec![0],
        ..Routing::default()
    };
    let gateway = Standing::of(&config).await;
    let wanted = |words: [&str; 5]| {
        let names = [
            ("db", 0),
            ("1.1", 1),
            ("1.2", 1),
            ("2", 0),
            ("otherwise", 0),
        ];
        let rows = names.into_iter().zip(words);
        rows.map(|((name, depth), word)| (name.to_owned(), word.to_owned(), depth))
            .collect::<Vec<_>>()
    };
    for (message, title, words) in [
        (
            "1",
            "disk full",
            ["nested", "no", "yes", "skipped", "skipped"],
        ),
        ("2", "disk slow", ["yes", "no", "no", "skipped", "skipped"]),
        ("3", "load", ["no", "skipped", "skipped", "yes", "skipped"]),
        ("4", "else", ["no", "skipped", "skipped", "no", "yes"]),
    ] {
        forwarded(&gateway, &json!({"probe": message, "title": title})).await;
        assert_eq!(routes(&gateway).await, wanted(words), "{title}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_callback_keeps_its_arrival_when_it_is_read_again() {
    let gateway = Standing::with(vec![source("a")]).await;
    let reply = gateway
        .post("/callback/probe/a", &json!({"probe": 1}))
        .await;
    let path = "/api/v1/quarantine/1";
    let shown = gateway.ask("GET", path, "").await.json();
    let arrival =
        json!({"from": "127.0.0.1", "status": reply.status, "answer": reply.body, "trace": null});
    assert_eq!(shown["arrival"], arrival, "{shown}");
}
