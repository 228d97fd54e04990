//! The login of browsers: a token becomes a signed cookie.

use std::time::Duration;

use super::roles::{secret, with_roles};
use crate::standing::{Reply, Standing, Wire, request};

const FORM: &str = "accept: text/html\r\nsec-fetch-site: same-origin\r\nconnection: close\r\n\
                    content-type: application/x-www-form-urlencoded\r\n";

async fn submit(gateway: &Standing, path: &str, head: &str, form: &str) -> Reply {
    let raw = request("POST", path, &format!("{FORM}{head}"), form.as_bytes());
    Wire::to(gateway.admin).await.send(raw).await
}

async fn log_in(gateway: &Standing, role: &str) -> Reply {
    submit(gateway, "/login", "", &format!("token={}", secret(role))).await
}

/// The cookie that a browser sends after this answer.
fn cookie(reply: &Reply) -> String {
    let set = reply.header("set-cookie");
    set.split(';').next().unwrap().to_owned()
}

async fn look(gateway: &Standing, path: &str, cookie: &str) -> Reply {
    let head = format!("accept: text/html\r\nconnection: close\r\ncookie: {cookie}\r\n");
    let raw = request("GET", path, &head, b"");
    Wire::to(gateway.admin).await.send(raw).await
}

const LIST: &str = "/api/v1/alerts";

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_a_session_is_led_to_the_login_and_back() {
    let gateway = Standing::of(&with_roles()).await;
    let reply = look(&gateway, "/?severity=critical", "").await;
    assert_eq!(reply.status, 303);
    let login = reply.header("location").to_owned();
    assert_eq!(login, "/login?next=%2F%3Fseverity%3Dcritical");
    let form = look(&gateway, &login, "").await;
    assert_eq!(form.status, 200);
    assert!(form.body.contains("type=\"password\""), "{}", form.body);
    let sent = format!("token={}&next=%2F%3Fseverity%3Dcritical", secret("viewer"));
    let reply = submit(&gateway, "/login", "", &sent).await;
    assert_eq!(reply.header("location"), "/?severity=critical");
    let given = reply.header("set-cookie");
    for part in [
        "campanile=viewer.viewer.",
        "HttpOnly",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=43200",
    ] {
        assert!(given.contains(part), "{given}");
    }
    assert!(!given.contains("Secure"), "{given}");
    let page = look(&gateway, "/", &cookie(&reply)).await;
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("Logged in as viewer, viewer."),
        "{}",
        page.body
    );
    // The API takes the cookie too, with the role of the token.
    assert_eq!(look(&gateway, LIST, &cookie(&reply)).await.status, 200);
    let head = format!("cookie: {}\r\n", cookie(&reply));
    let refused = submit(&gateway, "/alerts/1/retry", &head, "sink=").await;
    assert_eq!(refused.status, 403);
    // Elsewhere is no place of the listener.
    let sent = format!("token={}&next=//evil.example", secret("viewer"));
    let reply = submit(&gateway, "/login", "", &sent).await;
    assert_eq!(reply.header("location"), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_https_the_cookie_is_for_https_and_this_host_only() {
    let gateway = Standing::of(&with_roles()).await;
    let https = "x-forwarded-proto: https\r\n";
    let form = format!("token={}", secret("operator"));
    let reply = submit(&gateway, "/login", https, &form).await;
    let set = reply.header("set-cookie");
    assert!(
        set.starts_with("__Host-campanile=operator.operator."),
        "{set}"
    );
    assert!(set.contains("Secure") && !set.contains("Domain"), "{set}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_twelve_hours_without_a_request_and_is_renewed_before() {
    let gateway = Standing::of(&with_roles()).await;
    let clock = &gateway.gateway.clock;
    let first = cookie(&log_in(&gateway, "viewer").await);
    for (minutes, renews) in [(0, false), (59, false), (2, true)] {
        clock.advance(Duration::from_mins(minutes));
        let reply = look(&gateway, LIST, &first).await;
        assert_eq!(reply.headers.contains_key("set-cookie"), renews);
    }
    clock.advance(Duration::from_hours(10));
    let renewed = look(&gateway, LIST, &first).await;
    assert_eq!(renewed.status, 200);
    let second = cookie(&renewed);
    clock.advance(Duration::from_hours(2));
    assert_eq!(look(&gateway, LIST, &first).await.status, 401);
    assert_eq!(look(&gateway, LIST, &second).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_was_changed_or_whose_token_is_gone_is_worth_nothing() {
    let gateway = Standing::of(&with_roles()).await;
    let good = cookie(&log_in(&gateway, "viewer").await);
    assert_eq!(look(&gateway, LIST, &good).await.status, 200);
    let issued = good.split('.').nth(2).unwrap();
    for bad in [
        good.replace("viewer.viewer", "viewer.admin"),
        good.replace("viewer.viewer", "admin.admin"),
        good.replace(issued, &(issued.parse::<i64>().unwrap() + 1).to_string()),
        good.replace("viewer.viewer", "viewer.viewer.x"),
        format!("{good}A"),
        good.rsplit_once('.').unwrap().0.to_owned(),
        "campanile=".to_owned(),
        "campanile=....".to_owned(),
    ] {
        assert_eq!(look(&gateway, LIST, &bad).await.status, 401, "{bad}");
    }
    let mut changed = with_roles();
    changed.admin.tokens.retain(|token| token.name != "viewer");
    gateway.follow(&changed).await;
    assert_eq!(look(&gateway, LIST, &good).await.status, 401);
    // Neither the secret nor the role of the token may change under a session.
    gateway.follow(&with_roles()).await;
    assert_eq!(look(&gateway, LIST, &good).await.status, 200);
    let mut changed = with_roles();
    changed.admin.tokens[0].secret = "another-secret".into();
    gateway.follow(&changed).await;
    assert_eq!(look(&gateway, LIST, &good).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_fail_five_times_in_a_minute() {
    let mut config = with_roles();
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&config).await;
    let from = |address: &str| format!("x-forwarded-for: {address}\r\n");
    let wrong = "token=wrong-token-of-nobody";
    for _ in 0..5 {
        let reply = submit(&gateway, "/login", &from("203.0.113.9"), wrong).await;
        assert_eq!(reply.status, 401);
        assert!(
            reply.body.contains("No token has this secret."),
            "{}",
            reply.body
        );
        assert!(!reply.body.contains("wrong-token-of-nobody"));
    }
    let right = format!("token={}", secret("viewer"));
    for form in [wrong, &right] {
        let reply = submit(&gateway, "/login", &from("203.0.113.9"), form).await;
        assert_eq!(reply.status, 429, "{form}");
        assert!(reply.body.contains("Wait a minute"), "{}", reply.body);
    }
    let other = submit(&gateway, "/login", &from("203.0.113.10"), &right).await;
    assert_eq!(other.status, 303);
    gateway.gateway.clock.advance(Duration::from_mins(1));
    let later = submit(&gateway, "/login", &from("203.0.113.9"), &right).await;
    assert_eq!(later.status, 303);
    for (outcome, count) in [("accepted", 2.0), ("refused", 5.0), ("limited", 2.0)] {
        let name = format!("campanile_logins_total{{outcome=\"{outcome}\"}}");
        assert_eq!(
            gateway.metric(&name).await.to_bits(),
            f64::to_bits(count),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_a_network_of_ipv6_fail_together() {
    let mut config = with_roles();
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&config).await;
    let log_in = async |address: &str, token: &str| {
        let head = format!("x-forwarded-for: {address}\r\n");
        let form = format!("token={token}");
        submit(&gateway, "/login", &head, &form).await.status
    };
    for host in 1..=5 {
        let address = format!("2001:db8::{host}");
        assert_eq!(log_in(&address, "wrong-token-of-nobody").await, 401);
    }
    let right = secret("viewer");
    assert_eq!(log_in("2001:db8::ffff:1", &right).await, 429);
    assert_eq!(log_in("2001:db8:0:1::1", &right).await, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_comes_from_a_page_of_the_listener_and_a_logout_removes_the_cookie() {
    let gateway = Standing::of(&with_roles()).await;
    let form = format!("token={}", secret("viewer"));
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    for (origin, status) in [
        ("sec-fetch-site: cross-site\r\n", 403),
        ("host: evil.example\r\norigin: http://evil.example\r\n", 403),
        ("", 415),
    ] {
        let host = if origin.starts_with("host") {
            ""
        } else {
            "host: localhost\r\n"
        };
        let head = format!("{host}{kind}{origin}content-length: {}\r\n", form.len());
        let raw = format!("POST /login HTTP/1.1\r\n{head}\r\n{form}");
        let reply = Wire::to(gateway.admin).await.send(raw).await;
        assert_eq!(reply.status, status, "{origin}");
    }
    let inside = cookie(&log_in(&gateway, "viewer").await);
    let login = look(&gateway, "/login?next=/alerts/1", &inside).await;
    assert_eq!(login.header("location"), "/alerts/1");
    let head = format!("cookie: {inside}\r\n");
    let reply = submit(&gateway, "/logout", &head, "").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/login"));
    let set = reply.header("set-cookie");
    assert!(
        set.starts_with("campanile=;") && set.contains("Max-Age=0"),
        "{set}"
    );
}
