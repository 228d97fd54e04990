//! Canaries: searches for the secrets of the run in every place where a secret must not be.

use std::path::Path;

use campanile_providers::fixture::{KEY, TOKEN};
use memchr::memmem;

use crate::Trouble;
use crate::message::{JIANKONG_TOKEN, UCLOUD};
use crate::operator::Operator;

/// The last part of every receiver's address.
pub(crate) const HOOK: &str = "canary-of-the-hook";
/// The password of the database.
pub(crate) const PASSWORD: &str = "canary-password-of-the-database";
/// The secret that signs the deliveries to every receiver.
pub(crate) const SIGNING: &str = "whsec_Y2FuYXJ5LW9mLXRoZS1zaWduaW5nLXNlY3JldC0wMQ==";

/// Pages of the admin listener that show received data.
const PAGES: [&str; 6] = [
    "/metrics",
    "/api/v1/alerts?limit=50",
    "/api/v1/deliveries",
    "/api/v1/dead",
    "/api/v1/quarantine",
    "/api/v1/sinks",
];

/// The number of alerts that are checked in full, with their stored callback.
const WHOLE: usize = 8;

fn canaries() -> impl Iterator<Item = &'static str> {
    let keys = UCLOUD.iter().map(|(_, key)| *key);
    keys.chain([JIANKONG_TOKEN, KEY, TOKEN, HOOK, SIGNING, PASSWORD])
}

fn found_in(place: &str, bytes: &[u8]) -> Vec<String> {
    let found = canaries().filter(|canary| memmem::find(bytes, canary.as_bytes()).is_some());
    found
        .map(|canary| format!("the secret `{canary}` is in {place}"))
        .collect()
}

/// Searches a file, or every file of a folder.
pub(crate) fn in_files(path: &Path) -> Result<Vec<String>, Trouble> {
    if !path.is_dir() {
        return Ok(found_in(&path.display().to_string(), &std::fs::read(path)?));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        found.extend(in_files(&entry?.path())?);
    }
    Ok(found)
}

/// Searches the pages of the admin listener.
pub(crate) async fn in_pages(operator: Operator) -> Result<Vec<String>, Trouble> {
    let mut found = Vec::new();
    for path in PAGES {
        found.extend(found_in(path, operator.page(path).await?.as_bytes()));
    }
    for alert in operator
        .list(&format!("/api/v1/alerts?limit={WHOLE}"))
        .await?
    {
        let path = format!(
            "/api/v1/alerts/{}",
            alert["id"].as_str().unwrap_or_default()
        );
        found.extend(found_in(&path, operator.page(&path).await?.as_bytes()));
    }
    Ok(found)
}
