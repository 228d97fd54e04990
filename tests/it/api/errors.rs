//! Errors of the API have the form of RFC 9457.

use serde_json::{Value, json};

use crate::standing::{Reply, Standing, TOKEN, Wire, request, source};

/// Checks the form of an error, and returns the parts of the request that it names.
fn judge(line: &str, reply: &Reply, (status, code): (u16, &str)) -> Value {
    assert_eq!(reply.status, status, "{line}: {}", reply.body);
    let kind = reply.header("content-type");
    assert_eq!(kind, "application/problem+json", "{line}");
    let mut problem = reply.json();
    assert_eq!(problem["type"], format!("/problems/{code}"), "{line}");
    assert_eq!(problem["status"], status, "{line}");
    assert!(problem["title"].as_str().unwrap().len() > 9, "{line}");
    let detail = problem["detail"].clone();
    let earlier = json!({"code": code, "message": detail});
    assert_eq!(problem["error"], earlier, "{line}");
    for mistake in problem["errors"].as_array_mut().into_iter().flatten() {
        let named = mistake.as_object_mut().unwrap().remove("detail");
        assert!(named.unwrap().is_string(), "{line}");
    }
    problem["errors"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_parameter_that_is_wrong() {
    let gateway = Standing::with(vec![source("a")]).await;
    for (path, parameter) in [
        ("alerts?limit=0", "limit"),
        ("alerts?since=x", "since"),
        ("alerts?colour=red", "colour"),
        ("dead?limit=1&limit=2", "limit"),
        ("dead?sink=a/b", "sink"),
        ("callbacks?verdict=x", "verdict"),
        ("stream?events=x", "events"),
    ] {
        let reply = gateway.ask("GET", &format!("/api/v1/{path}"), "").await;
        let errors = judge(path, &reply, (400, "bad_request"));
        assert_eq!(errors, json!([{ "parameter": parameter }]), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_place_in_the_body_that_is_wrong() {
    let gateway = Standing::with(vec![source("a")]).await;
    let many = json!({"ids": (0..10_001).collect::<Vec<_>>()}).to_string();
    for (body, pointer) in [
        (&*many, "#/ids"),
        ("{\"ids\":[1,\"x\"]}", "#/ids/1"),
        ("{\"sink\":\"a/b\"}", "#/sink"),
        ("{\"a~ /b\":1}", "#/a~0%20~1b"),
        ("{\"all\":true} {}", "#"),
        ("{}", "#"),
    ] {
        let reply = gateway.ask("POST", "/api/v1/dead/retry", body).await;
        let errors = judge(pointer, &reply, (400, "bad_request"));
        assert_eq!(errors, json!([{ "pointer": pointer }]), "{pointer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_http_library_has_the_form_of_the_api() {
    let gateway = Standing::with(vec![source("a")]).await;
    let large = " ".repeat(300 * 1024);
    for (line, body, expected) in [
        ("GET /api/v1/dead/9", "", (404, "not_found")),
        ("GET /api/v1/alerts/%FF", "", (404, "not_found")),
        ("PUT /api/v1/dead", "", (405, "method_not_allowed")),
        ("POST /api/v1/dead/retry", &*large, (413, "too_large")),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = gateway.ask(method, path, body).await;
        assert_eq!(judge(line, &reply, expected), Value::Null, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_an_error_leads_to_its_explanation() {
    let gateway = Standing::with(vec![]).await;
    for (path, code) in [
        ("/api/v1/alerts/1", "not_found"),
        ("/api/v1/alerts?limit=0", "bad_request"),
    ] {
        let kind = gateway.ask("GET", path, "").await.json()["type"].take();
        let reply = gateway.ask("GET", kind.as_str().unwrap(), "").await;
        let to = reply.header("location").to_owned();
        assert_eq!(
            (reply.status, &*to),
            (303, &*format!("/help/problems#{code}"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_a_page_that_cannot_be_read_is_an_error_page() {
    let gateway = Standing::with(vec![]).await;
    let head = format!(
        "accept: text/html\r\nauthorization: Bearer {TOKEN}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\n"
    );
    let form = "id=1&".repeat(20_000);
    let raw = request("POST", "/dead/retry", &head, form.as_bytes());
    let reply = Wire::to(gateway.admin).await.send(raw).await;
    assert_eq!(reply.status, 413);
    assert!(reply.body.starts_with("<!doctype html>"), "{}", reply.body);
}
