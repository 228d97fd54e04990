//! The pictures of the READMEs, and what a reader must find in them: what fires, who has not got it, and what to press.
//!
//! `CAMPANILE_PICTURES=docs/pictures cargo test --test it -- page::pictures` takes them again. Reduce them to 128 colors then:
//! `mogrify -colors 128 docs/pictures/*.png`.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use campanile_receiver::Play;
use campanile_receiver::scripted::Receiver;
use md5::{Digest, Md5};
use serde_json::json;

use super::reader::{browser, dress};
use crate::gateway::Gateway;
use crate::standing::{Wire, post, request};

/// The width of the page, the height of each picture, and how much smaller the pictures are than the page.
const WIDTH: u32 = 1180;
const LIVE_HEIGHT: u32 = 820;
const ALERT_HEIGHT: u32 = 810;
const SCALE: f64 = 0.8;

const KEY: &str = "picture-ucloud-key";
const TOKEN: &str = "picture-jiankong-token";

/// The words of the vendors and of the receiver in one language, and those of the page that answer the three questions.
struct Scene {
    language: &'static str,
    site: &'static str,
    down: &'static str,
    load: &'static str,
    busy: &'static str,
    fires: &'static str,
    waits: &'static str,
    press: &'static str,
}

const SCENES: [Scene; 3] = [
    Scene {
        language: "en",
        site: "shop.example.com",
        down: "The site cannot be opened: HTTP 502, 3 of 3 probes",
        load: "The load of the last 5 minutes is greater than 8",
        busy: "no healthy upstream",
        fires: "4 problems fire",
        waits: "1 pending",
        press: "Send again",
    },
    Scene {
        language: "zh-Hant",
        site: "shop.example.com",
        down: "網站無法開啟：HTTP 502，3 個監測點中有 3 個失敗",
        load: "最近 5 分鐘的平均負載大於 8",
        busy: "上游服務沒有可用的主機",
        fires: "4 個問題告警中",
        waits: "1 待送",
        press: "再送一次",
    },
    Scene {
        language: "zh-Hans",
        site: "shop.example.com",
        down: "网站无法打开：HTTP 502，3 个监测点中有 3 个失败",
        load: "最近 5 分钟的平均负载大于 8",
        busy: "上游服务没有可用的主机",
        fires: "4 个问题告警中",
        waits: "1 待发",
        press: "再发一次",
    },
];

/// A gateway with alerts of two vendors. The last one has not reached the chat, which answers 503.
async fn gateway(scene: &Scene) -> (Gateway, [Receiver; 2]) {
    let busy = Play::Answer(503, vec![], scene.busy.to_owned());
    let well = || Play::status(200);
    let chat = Receiver::start([well(), well(), well(), busy]).await;
    let oncall = Receiver::start([Play::status(204)]).await;
    let settings = format!(
        "[providers.ucloud.prod]\nkey = \"{KEY}\"\n[providers.jiankong.web]\ntoken = \"{TOKEN}\"\n\
         [sinks.webhook.chat]\nurl = \"{}\"\n[sinks.webhook.oncall]\nurl = \"{}\"\n\
         [[routes]]\nsinks = [\"webhook/chat\"]\n\
         [[routes]]\nwhen = \"severity in ['critical', 'error']\"\nsinks = [\"webhook/oncall\"]\n",
        chat.url("/chat"),
        oncall.url("/oncall")
    );
    let gateway = Gateway::start(&settings).await;
    ucloud(&gateway, "uhost", "uhost-web01", ("MemUsage", 93.2, "%")).await;
    minutes(&gateway, 320).await;
    jiankong(&gateway, "259197", "load", ("web-01", scene.load)).await;
    minutes(&gateway, 130).await;
    ucloud(&gateway, "udb", "udb-orders", ("DiskUsage", 88.4, "%")).await;
    minutes(&gateway, 45).await;
    jiankong(&gateway, "556701", "http", (scene.site, scene.down)).await;
    // Two attempts fail, and the third has a time.
    gateway.deliver_everything().await;
    gateway.advance(Duration::from_secs(2)).await;
    (gateway, [chat, oncall])
}

async fn minutes(gateway: &Gateway, count: u64) {
    // A send that is under way would take these minutes.
    gateway.deliver_everything().await;
    gateway.advance(Duration::from_mins(count)).await;
}

async fn ucloud(gateway: &Gateway, kind: &str, id: &str, (metric, value, unit): (&str, f64, &str)) {
    let body = json!({
        "SessionID": format!("c4b7c0de-0c1f-4f57-8a55-{:012x}", id.len()), "Region": "cn-sh2", "Zone": "cn-sh2-02",
        "ResourceType": kind, "ResourceId": id, "MetricName": metric, "AlarmTime": 1_767_225_600, "RecoveryTime": 0,
        "value": value, "ValueUnit": unit, "Level": "P2",
        "content": format!("【UCloud】{kind}(ID:{id}) {metric}（{value}{unit}）大于85{unit}"),
    });
    let reply = gateway
        .post(&format!("/callback/ucloud/prod/{KEY}"), &body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

async fn jiankong(gateway: &Gateway, task: &str, kind: &str, (name, content): (&str, &str)) {
    let (message, time) = (format!("88{task}"), "1767226500");
    let signed = Md5::digest(format!("{message}{task}{time}{TOKEN}"));
    let detail = json!({"metric": kind, "compare": "gt", "value": "8", "unit": ""}).to_string();
    let detail = if kind == "load" {
        detail
    } else {
        String::new()
    };
    let form = serde_urlencoded::to_string([
        ("msg_id", message.as_str()),
        ("task_user_id", "5021"),
        ("task_id", task),
        ("task_type", kind),
        ("fault_time", time),
        ("message_type", "1"),
        ("message_status", "1"),
        ("task_name", name),
        ("task_summary", name),
        ("content", content),
        ("message_detail", &detail),
        ("token", &hex::encode(signed)),
    ]);
    let head = "content-type: application/x-www-form-urlencoded\r\n";
    let asked = post("/callback/jiankong/web", head, form.unwrap().as_bytes());
    let reply = gateway.send(asked).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// A page in a language.
async fn page(gateway: &Gateway, path: &str, language: &str) -> String {
    let head = format!(
        "accept: text/html\r\ncookie: campanile-language={language}\r\nconnection: close\r\n"
    );
    let asked = request("GET", path, &head, b"");
    let reply = Wire::to(gateway.admin()).await.send(asked).await;
    assert_eq!(reply.status, 200, "{path}");
    reply.body.replace("&#x2f;", "/")
}

/// Takes the pictures of this scene, if the environment asks for them.
async fn take(scene: &Scene, base: &str, alert: &str) {
    let Ok(folder) = std::env::var("CAMPANILE_PICTURES") else {
        return;
    };
    let browser = browser().await;
    dress(&browser, base, (scene.language, "light", WIDTH)).await;
    let zone = json!({"timezoneId": "Asia/Taipei"});
    browser.command("Emulation.setTimezoneOverride", zone).await;
    let hidden = json!({"hidden": true});
    browser
        .command("Emulation.setScrollbarsHidden", hidden)
        .await;
    for (name, path, height) in [("live", "/", LIVE_HEIGHT), ("alert", alert, ALERT_HEIGHT)] {
        browser.open(&format!("{base}{path}")).await;
        let clip = json!({"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": SCALE});
        let picture = browser
            .command("Page.captureScreenshot", json!({"clip": clip}))
            .await;
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let file = Path::new(&folder).join(format!("{name}-{}.png", scene.language));
        std::fs::write(file, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_says_what_fires_who_has_not_got_it_and_what_to_press() {
    for scene in &SCENES {
        let (gateway, _receivers) = gateway(scene).await;
        let items = gateway.list("/api/v1/alerts").await;
        let alert = format!("/alerts/{}", items.last().unwrap()["id"].as_str().unwrap());
        let live = page(&gateway, "/", scene.language).await;
        for words in [scene.fires, scene.site, scene.waits, "1/2"] {
            assert!(live.contains(words), "{}: {words}: {live}", scene.language);
        }
        let shown = page(&gateway, &alert, scene.language).await;
        for words in [scene.down, "webhook/chat", "503", scene.busy, scene.press] {
            assert!(
                shown.contains(words),
                "{}: {words}: {shown}",
                scene.language
            );
        }
        take(scene, &format!("http://{}", gateway.admin()), &alert).await;
        gateway.stop().await;
    }
}
