//! The program and the tables of its database: a kill while it makes them, and tables that have become too new for it.

use std::path::Path;

use super::{Place, send};
use crate::cli::{Run, campanile};
use crate::patience::output;
use crate::process::Process;

/// Runs the program with the settings in a folder, to its end. It dies where `FAILPOINTS` says.
fn ended(folder: &Path, points: &str) -> std::process::Output {
    let file = folder.join("campanile.toml");
    let mut run = campanile(&["run", "--config", file.to_str().unwrap()]);
    output(run.env("FAILPOINTS", points))
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_start_together_after_a_kill_in_any_step_serve_from_one_set_of_tables() {
    let place = Place::new().await;
    let folders = ["one", "two"].map(|name| place.folder.path().join(name));
    for folder in &folders {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("campanile.toml"), place.settings()).unwrap();
    }
    let steps = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/store/postgres/schema");
    let steps = std::fs::read_dir(steps).unwrap().map(Result::unwrap);
    let steps = steps.filter(|file| file.path().extension().is_some_and(|end| end == "sql"));
    for step in 0..steps.count() {
        let died = ended(&folders[0], &format!("mid-migration={step}*off->return"));
        assert_eq!(died.status.code(), None, "{died:?}");
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(place.server.sql("alerts", tables).await, "0");
    }
    let [one, two] = &folders;
    let (one, two) = tokio::join!(Process::start(one), Process::start(two));
    for gateway in [&one, &two] {
        send(gateway, "a").await;
    }
    place.all_get(&["a".to_owned()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_ends_when_its_tables_become_too_new_and_does_not_start_again() {
    let place = Place::new().await;
    let gateway = place.gateway("old").await;
    send(&gateway, "a").await;
    place.all_get(&["a".to_owned()]).await;
    let newer = "UPDATE meta SET level = 99, oldest = 98";
    place.server.sql("alerts", newer).await;
    assert_eq!(gateway.ended().await.code(), Some(1), "{}", gateway.log());
    let reason = "a gateway needs level 98 or newer";
    assert!(gateway.log().contains(reason), "{}", gateway.log());

    let written = "SELECT concat_ws(' ', c.last_value, p.last_value, g.beat) FROM change c, place p, gateway g";
    let before = place.server.sql("alerts", written).await;
    let file = place.folder.path().join("old/campanile.toml");
    let refused = Run::of(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(refused.says(reason) && refused.says("Run the newer version."));
    assert_eq!(place.server.sql("alerts", written).await, before);

    // What a newer program has only added to is served.
    let added = "UPDATE meta SET oldest = 1";
    place.server.sql("alerts", added).await;
    let again = Process::start(file.parent().unwrap()).await;
    send(&again, "b").await;
    place.all_get(&["a", "b"].map(str::to_owned)).await;
}
