//! An error of the gateway ends with the address of its page of help.

use super::Run;
use crate::api::roles::{secret, with_roles};
use crate::standing::{Standing, Wire, request};

/// What the admin listener answers to a browser of an admin.
async fn opened(gateway: &Standing, path: &str) -> campanile_wire::Reply {
    let head = format!(
        "accept: text/html\r\nauthorization: Bearer {}\r\nconnection: close\r\n",
        secret("admin")
    );
    let request = request("GET", path, &head, b"");
    Wire::to(gateway.admin).await.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_the_gateway_leads_to_its_page_of_help() {
    let gateway = Standing::of(&with_roles()).await;
    let base = format!("http://{}", gateway.admin);
    let id = "0190a3c5-7e1d-7c3a-9f00-0000000000aa";
    for (code, token, args) in [
        ("not_found", secret("viewer"), &["alerts", "show", id][..]),
        ("role_too_low", secret("viewer"), &["dead", "retry", "1"]),
        ("unauthorized", "wrong-token".to_owned(), &["dead", "list"]),
        (
            "bad_request",
            secret("viewer"),
            &["alerts", "list", "--before", "x"],
        ),
    ] {
        let run = Run::of(&[args, &["--url", &base, "--token", &token][..]].concat());
        run.says(&format!("\n help: {base}/problems/{code}\n"));
        let led = opened(&gateway, &format!("/problems/{code}")).await;
        assert_eq!(led.header("location"), format!("/help/problems#{code}"));
        let page = opened(&gateway, "/help/problems").await.body;
        assert!(page.contains(&format!(" id=\"{code}\"")), "{code}");
    }
}

#[test]
fn a_link_of_another_server_is_not_shown() {
    for kind in [
        "//example.com/x",
        "about:blank",
        "/problems/../x",
        "/problems/",
    ] {
        let mut answer = super::gateway::refused("not_found", "nothing is here");
        answer["type"] = kind.into();
        let (run, _) = super::gateway::ask(&["dead", "list"], &[(404, answer)]);
        run.says("nothing is here");
        assert!(!run.err.contains("help:"), "{kind}: {}", run.err);
    }
}
