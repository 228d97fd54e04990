//! Operators whom a proxy of the company logged in.

use campanile::config::{Config, Proxy, Role};

use crate::standing::{Reply, Standing, TOKEN, Wire, config, request, source};

fn behind_a_proxy(change: impl FnOnce(&mut Proxy)) -> Config {
    let mut config = config(vec![source("a")]);
    let mut proxy = Proxy {
        user_header: "x-user".to_owned(),
        groups_header: Some("x-groups".to_owned()),
        from: vec!["127.0.0.1/32".parse().unwrap()],
        roles: [("sre", Role::Operator), ("root", Role::Admin)]
            .map(|(group, role)| (group.to_owned(), role))
            .into(),
        role: Some(Role::Viewer),
    };
    change(&mut proxy);
    config.admin.proxy = Some(proxy);
    config
}

async fn ask(gateway: &Standing, line: &str, head: &str) -> Reply {
    let (method, path) = line.split_once(' ').unwrap();
    let raw = request(method, path, &format!("{head}connection: close\r\n"), b"");
    Wire::to(gateway.admin).await.send(raw).await
}

const LOOK: &str = "GET /api/v1/alerts";
const PAUSE: &str = "POST /api/v1/sinks/webhook/oncall/pause";
const DROP: &str = "DELETE /api/v1/deliveries/1?sink=webhook/oncall";

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_names_the_operator_and_the_highest_group_gives_the_role() {
    let gateway = Standing::of(&behind_a_proxy(|_| ())).await;
    for (head, look, pause, drop) in [
        ("x-user: ann\r\n", 200, 403, 403),
        ("x-user: ann\r\nx-groups: dev\r\n", 200, 403, 403),
        ("x-user: ann\r\nx-groups: dev, sre\r\n", 200, 200, 403),
        ("x-user: ann\r\nx-groups: sre,root\r\n", 200, 200, 404),
        // Groups without an operator, and two operators, are nobody.
        ("x-groups: root\r\n", 401, 401, 401),
        ("x-user: \r\nx-groups: root\r\n", 401, 401, 401),
        (
            "x-user: ann\r\nx-user: bob\r\nx-groups: root\r\n",
            401,
            401,
            401,
        ),
        (
            "x-user: ann\r\nx-groups: root\r\nx-groups: dev\r\n",
            200,
            403,
            403,
        ),
        ("", 401, 401, 401),
    ] {
        for (line, status) in [(LOOK, look), (PAUSE, pause), (DROP, drop)] {
            assert_eq!(
                ask(&gateway, line, head).await.status,
                status,
                "{line} {head}"
            );
        }
    }
    let refused = ask(&gateway, PAUSE, "x-user: ann\r\n").await;
    assert!(
        refused.body.contains("`ann` has the role `viewer`"),
        "{}",
        refused.body
    );
    // A token still opens the listener.
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask(&gateway, PAUSE, &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_headers_of_another_address_are_ignored() {
    let elsewhere = behind_a_proxy(|proxy| proxy.from = vec!["10.0.0.5/32".parse().unwrap()]);
    let gateway = Standing::of(&elsewhere).await;
    for head in [
        "x-user: ann\r\nx-groups: root\r\n",
        "x-user: ann\r\nx-forwarded-for: 10.0.0.5\r\n",
    ] {
        assert_eq!(ask(&gateway, LOOK, head).await.status, 401, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_role_for_all_an_operator_without_a_group_is_nobody() {
    let mut closed = behind_a_proxy(|proxy| proxy.role = None);
    closed.admin.token = None;
    let gateway = Standing::of(&closed).await;
    assert_eq!(ask(&gateway, LOOK, "x-user: ann\r\n").await.status, 401);
    let head = "x-user: ann\r\nx-groups: sre\r\n";
    assert_eq!(ask(&gateway, LOOK, head).await.status, 200);
    // The cross-site rules hold for an operator of the proxy too.
    let other = format!("{head}sec-fetch-site: cross-site\r\n");
    assert_eq!(ask(&gateway, PAUSE, &other).await.status, 403);
}
