//! Database files with many alerts. The gateway's own adapter reads the alerts, its own store writes them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile::intake::identity;
use campanile_model::Callback;
use campanile_providers::{Provider, Source};
use campanile_store::sqlite::Sqlite;
use campanile_store::{Appending, Arrival, Entry, NewAlert, SinkId, Store};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use secrecy::SecretString;

use super::messages::{Form, Ids, KEY};
use super::spread::progress;

/// The appends that wait for a commit at the same time, to fill each batch of the writer.
const IN_FLIGHT: usize = 1024;

/// A file with `alerts` alerts and nothing pending. An existing file is used again if this program would write the
/// same. It is kept below `target/`. Benches that append write to a [`copy`].
pub(crate) fn stored(alerts: u64) -> PathBuf {
    let folder = target().join("bench-stores");
    std::fs::create_dir_all(&folder).expect("a folder below target/ can be made");
    let path = folder.join(format!("stored-{alerts}.db"));
    let note = folder.join(format!("stored-{alerts}.note"));
    let format = format!("{:016x}", format_of_today());
    if path.exists() && std::fs::read_to_string(&note).is_ok_and(|kept| kept == format) {
        progress(&format!("using {} again", path.display()));
        return path;
    }
    remove(&path);
    let _none = std::fs::remove_file(&note);
    let begun = Instant::now();
    fill(&path, alerts, &[]);
    std::fs::write(&note, format).expect("a file below target/ can be written");
    progress(&format!(
        "{} was filled in {:.0} s",
        path.display(),
        begun.elapsed().as_secs_f64()
    ));
    path
}

/// Copies a closed file and syncs the copy to the disk.
pub(crate) fn copy(path: &Path) -> PathBuf {
    let copied = path.with_extension("copy.db");
    remove(&copied);
    std::fs::copy(path, &copied).expect("there is room for a copy");
    let file = std::fs::File::open(&copied).expect("the copy is there");
    file.sync_all().expect("the disk takes it");
    copied
}

/// Removes a database file and the files next to it.
pub(crate) fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm", ".lock"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let _none = std::fs::remove_file(name);
    }
}

/// Appends `alerts` new alerts to the file, each pending for these sinks, and closes it.
pub(crate) fn fill(path: &Path, alerts: u64, sinks: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(path).expect("the file can be opened"));
        let pending = store
            .sink_ids(sinks.to_vec())
            .await
            .expect("sinks get numbers");
        let halves = [alerts / 2, alerts - alerts / 2];
        let fillers =
            halves.map(|alerts| tokio::spawn(append(Arc::clone(&store), alerts, pending.clone())));
        for filler in fillers {
            filler.await.expect("the store takes them");
        }
        store.close().await.expect("the store closes");
    });
}

async fn append(store: Arc<dyn Store>, alerts: u64, pending: Vec<SinkId>) {
    let reader = Reader::new(pending);
    let mut ids = Ids::new();
    let mut waiting = FuturesUnordered::new();
    let mut request = Vec::new();
    let mut reported = Instant::now();
    for number in 0..alerts {
        Form::Ucloud.request(ids.next(), &mut request);
        let entry = reader.entry(&request);
        let store = Arc::clone(&store);
        waiting.push(async move { store.append(entry).await });
        if waiting.len() >= IN_FLIGHT {
            accepted(waiting.next().await);
        }
        if reported.elapsed() > Duration::from_secs(10) {
            reported = Instant::now();
            progress(&format!("filling: {number} of {alerts} by this task"));
        }
    }
    while let Some(appended) = waiting.next().await {
        accepted(Some(appended));
    }
}

fn accepted(appended: Option<Result<campanile_store::Appended, campanile_store::Error>>) {
    let appended = appended.expect("one waits").expect("the store commits");
    let new = matches!(appended.alerts.as_slice(), [Appending::Accepted { .. }]);
    assert!(new, "an alert that was never sent before is new");
}

/// Does what the listener does between the bytes and the store, for one source without a proof.
struct Reader {
    provider: &'static dyn Provider,
    source: Source,
    name: Arc<str>,
    secret: SecretString,
    pending: Vec<SinkId>,
}

impl Reader {
    fn new(pending: Vec<SinkId>) -> Self {
        let provider = campanile_providers::by_name("ucloud");
        Self {
            provider: &**provider.expect("the adapter `ucloud`"),
            source: Source {
                name: "ucloud/bench".to_owned(),
                ..Source::default()
            },
            name: "ucloud/bench".into(),
            secret: SecretString::from(KEY),
            pending,
        }
    }

    fn entry(&self, request: &[u8]) -> Entry {
        let mut call = Callback::from_http(request).expect("an HTTP request");
        call.path = call.path.replace(KEY, "***");
        let received_at = campanile_model::Clock::machine().now();
        let reading = self.provider.read(&call, &self.source).expect("readable");
        let alerts = reading.reports.into_iter().map(|report| {
            let key = identity::key(&self.name, &report.message_id);
            let content = identity::content(&report);
            let alert = report.into_alert(&self.name, received_at);
            NewAlert {
                key,
                content,
                fingerprint: alert.fingerprint,
                status: alert.status,
                severity: alert.severity,
                body: serde_json::to_vec(&alert).expect("an alert is JSON"),
                sinks: self.pending.clone(),
                said: String::new(),
            }
        });
        Entry {
            source: Arc::clone(&self.name),
            received_at,
            alerts: alerts.collect(),
            callback: call.to_http_without([&self.secret]),
            faults: Vec::new(),
            arrival: Arrival::default(),
        }
    }
}

/// A hash over the source of the store, because a changed store may write a different file format.
fn format_of_today() -> u64 {
    let mut hash = DefaultHasher::new();
    let mut folders = vec![root().join("crates/store")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "the source of the store has moved");
    for path in files {
        std::fs::read(path).unwrap_or_default().hash(&mut hash);
    }
    hash.finish()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder for builds and for the files of benches.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
