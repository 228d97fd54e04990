//! Where a recovery goes: to the sinks that its firing went to, whatever the routes say when it comes.

use campanile_receiver::Play;
use serde_json::{Value, json};

use crate::cli::campanile;
use crate::gateway::Gateway;
use crate::own_mapping::ACME;
use crate::patience::output;
use crate::receiver::Receiver;
use crate::standing::Reply;

/// Critical alerts page somebody, and critical ones and warnings go to a chat.
const ROUTES: &str = "[[routes]]\nwhen = \"severity == 'critical'\"\nsinks = [\"webhook/pager\"]\n\
    [[routes]]\nwhen = \"severity in ['critical', 'warning']\"\nsinks = [\"webhook/chat\"]\n";

/// The same without the pager.
const ROUTES_LATER: &str =
    "[[routes]]\nwhen = \"severity == 'warning'\"\nsinks = [\"webhook/chat\"]\n";

/// A gateway with a pager and a chat.
struct Paged {
    gateway: Gateway,
    pager: Receiver,
    chat: Receiver,
}

impl Paged {
    async fn with(routes: &str) -> Self {
        let pager = Receiver::start([Play::status(200)]).await;
        let chat = Receiver::start([Play::status(200)]).await;
        let settings = settings(&pager, &chat, routes);
        let gateway = Gateway::start(&settings).await;
        Self {
            gateway,
            pager,
            chat,
        }
    }

    /// An alert of one host. A recovery has no priority, as from many vendors.
    async fn send(&self, run: &str, state: &str, priority: Option<&str>) -> Reply {
        let check =
            json!({"run": run, "host": "web-1", "state": state, "prio": priority, "info": run});
        let body = json!({"checks": [check]}).to_string();
        let post = format!(
            "POST /callback/acme/prod HTTP/1.1\r\nhost: x\r\nx-acme-token: the-token-of-acme\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = self.gateway.send(post).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.gateway.deliver_everything().await;
        reply
    }

    /// Other routes from now on.
    async fn reload(&self, routes: &str) {
        self.gateway
            .write(&settings(&self.pager, &self.chat, routes));
        self.gateway.reload_with(|_| ()).await;
    }

    async fn restart(&mut self) {
        self.gateway.restart_with(|_| ()).await;
    }

    /// The messages that the pager and the chat got so far.
    fn got(&self) -> [Vec<String>; 2] {
        [&self.pager, &self.chat].map(|receiver| {
            let got = receiver.got();
            let ids = got.iter().map(|got| got.json()["message_id"].clone());
            ids.map(|id: Value| id.as_str().unwrap().to_owned())
                .collect()
        })
    }

    async fn newest(&self) -> Value {
        let listed = self.gateway.ask("/api/v1/alerts?limit=1").await;
        let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
        self.gateway.ask(&format!("/api/v1/alerts/{id}")).await
    }
}

fn settings(pager: &Receiver, chat: &Receiver, routes: &str) -> String {
    format!(
        "[mappings.acme]{ACME}\n[providers.acme.prod]\ntoken = \"the-token-of-acme\"\n\
         [sinks.webhook.pager]\nurl = \"{}\"\n[sinks.webhook.chat]\nurl = \"{}\"\n{routes}",
        pager.url("/"),
        chat.url("/")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_without_a_severity_reaches_the_pager_that_was_called() {
    let mut of = Paged::with(ROUTES).await;
    of.send("1", "DOWN", Some("P1")).await;
    assert_eq!(of.got(), [["1/DOWN"], ["1/DOWN"]]);
    of.reload(ROUTES_LATER).await;
    of.restart().await;
    of.send("2", "UP", None).await;
    let both = ["1/DOWN", "2/UP"];
    assert_eq!(of.got(), [both, both], "the route of the pager is gone");

    // The next one is a warning: nobody is paged, so nobody is paged about its end.
    of.reload(ROUTES).await;
    of.send("3", "DOWN", Some("P2")).await;
    of.send("4", "UP", None).await;
    assert_eq!(of.got()[0], both);
    assert_eq!(of.got()[1], ["1/DOWN", "2/UP", "3/DOWN", "4/UP"]);
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rise_of_the_severity_adds_the_pager_for_the_rest_of_the_episode() {
    let of = Paged::with(ROUTES).await;
    for (run, state, priority) in [
        ("1", "DOWN", Some("P2")),
        ("2", "DOWN", Some("P1")),
        ("3", "DOWN", Some("P2")),
        ("4", "UP", None),
    ] {
        of.send(run, state, priority).await;
    }
    let [pager, chat] = of.got();
    assert_eq!(pager, ["2/DOWN", "3/DOWN", "4/UP"]);
    assert_eq!(chat, ["1/DOWN", "2/DOWN", "3/DOWN", "4/UP"]);
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_an_alert_beyond_its_routes_is_shown() {
    let of = Paged::with(ROUTES).await;
    of.send("1", "DOWN", Some("P1")).await;
    assert_eq!(of.newest().await["also"], json!([]));
    of.reload(ROUTES_LATER).await;
    of.send("2", "UP", None).await;
    let shown = of.newest().await;
    assert_eq!(shown["also"], json!(["webhook/pager"]), "{shown}");
    let id = shown["alert"]["id"].as_str().unwrap();
    let page = of.gateway.look(&format!("/alerts/{id}")).await.body;
    assert!(
        page.contains("An earlier alert of the same episode went there"),
        "{page}"
    );
    let admin = format!("http://{}", of.gateway.admin());
    let mut command = campanile(&["alerts", "show", id, "--url", &admin]);
    let ran = tokio::task::spawn_blocking(move || output(&mut command));
    let ran = ran.await.unwrap();
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    let also = "also to webhook/pager: an earlier alert of the episode went there";
    assert!(out.contains(also), "{out}{ran:?}");
    of.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_whose_firing_is_not_known_follows_the_routes_or_is_only_stored() {
    let of = Paged::with(ROUTES).await;
    of.send("1", "UP", None).await;
    // Any severity could have been that of its firing.
    assert_eq!(of.got(), [["1/UP"], ["1/UP"]]);
    of.reload(&format!("[routing]\norphans = \"drop\"\n{ROUTES}"))
        .await;
    of.send("2", "UP", None).await;
    assert_eq!(of.got(), [["1/UP"], ["1/UP"]]);
    assert_eq!(of.newest().await["alert"]["message_id"], "2/UP");
    of.send("3", "DOWN", Some("P1")).await;
    of.send("4", "UP", None).await;
    let all = ["1/UP", "3/DOWN", "4/UP"];
    assert_eq!(of.got(), [all, all], "its firing is known");
    of.gateway.stop().await;
}
