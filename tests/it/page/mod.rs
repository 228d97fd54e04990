//! The pages for operators.

mod answers;
mod aria;
mod bulk;
mod callbacks;
mod charts;
mod checks;
mod entry;
mod files;
mod following;
mod forms;
mod help;
mod keys;
mod pictures;
mod reader;
mod settings;
mod setup;
mod sight;
mod sources;
mod trial;
mod walk;
mod wizard;
mod words;

use std::path::{Path, PathBuf};

use campanile_store::Verdict;
use serde_json::json;

use crate::standing::{Reply, Standing, TOKEN, Wire, request, source};

/// The folder of the pages.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page")
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap()
}

/// Name and text of the files of a folder, in the order of their names.
fn files(of: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder().join(of))
        .unwrap()
        .map(Result::unwrap);
    let only_files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<_> = only_files.map(|entry| entry.file_name()).collect();
    names.sort();
    let texts = names.into_iter().map(|name| name.into_string().unwrap());
    texts
        .map(|name| (name.clone(), read(folder().join(of).join(&name))))
        .collect()
}

/// Opens a page as a browser does.
async fn open(gateway: &Standing, path: &str, head: &str) -> Reply {
    let head = format!(
        "accept: text/html\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n{head}"
    );
    Wire::to(gateway.admin)
        .await
        .send(request("GET", path, &head, b""))
        .await
}

/// A gateway with one firing alert with this title. Its delivery failed once.
async fn with_title(title: &str) -> (Standing, String) {
    let gateway = Standing::with(vec![source("a")]).await;
    let body = json!({"probe": "1", "problem": "disk", "status": "firing", "severity": "critical", "title": title});
    assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    let id = gateway.store.first_alert().await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    (gateway, id)
}
