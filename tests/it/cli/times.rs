//! Times: ages by default, local times with `--local`, UTC and local in `show`.

use super::gateway::{ID, alert};
use super::peer::Peer;
use super::{Run, campanile};
use serde_json::{Value, json};

use crate::patience::output;

fn ask(args: &[&str], zone: &str, answer: &Value) -> Run {
    let peer = Peer::answering(&[(200, &answer.to_string())]);
    let mut command = campanile(&[args, &["--url", &peer.url]].concat());
    let run = Run::from(output(command.env("TZ", zone)));
    peer.asked();
    run
}

#[test]
fn local_lists_have_times_of_the_zone_and_others_have_ages() {
    let page = json!({"items": [alert("a")], "next": null});
    for (zone, time) in [
        ("Asia/Shanghai", "2026-01-01 08:00:00"),
        ("UTC", "2026-01-01 00:00:00"),
    ] {
        let run = ask(&["alerts", "list", "--local"], zone, &page);
        assert!(
            run.out.starts_with("TIME ") && run.out.contains(time),
            "{}",
            run.out
        );
        let run = ask(&["alerts", "list"], zone, &page);
        assert!(
            run.out.starts_with("AGE ") && !run.out.contains("00:00"),
            "{}",
            run.out
        );
    }
}

#[test]
fn show_has_utc_and_the_local_time_with_its_offset() {
    let detail = json!({
        "alert": alert("a"), "episode": ID, "deliveries": [], "attempts": [], "callback": null,
        "arrival": {"from": null, "status": null, "answer": null}, "routes": [],
    });
    let run = ask(&["alerts", "show", ID], "Asia/Shanghai", &detail);
    run.says("received_at");
    run.says("2026-01-01T00:00:00Z (2026-01-01 08:00:00 +08:00)");
    let run = ask(&["alerts", "show", ID], "UTC", &detail);
    run.says("2026-01-01T00:00:00Z\n");
}
