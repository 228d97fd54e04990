//! Tells when a file of the configuration has changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, PollWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write in several steps: a change is told when nothing more came for so long.
const QUIET: Duration = Duration::from_millis(300);
/// At most so many steps are waited for, so that a file that is written without end is told of as well.
const STEPS_MAX: usize = 100;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One `()` for each change of a file or of a folder's files, after the writing ended. Must be called within a tokio
/// runtime; the watching ends when the receiver is dropped.
///
/// Files are looked at now and then, not subscribed to: editors and Kubernetes put a new file in the place of the old one,
/// and a database that stands beside the config would wake a subscriber with every commit.
pub fn changes(paths: &[PathBuf]) -> notify::Result<mpsc::Receiver<()>> {
    let (raw, mut events) = mpsc::channel(1);
    let settings = notify::Config::default().with_poll_interval(LOOK_EVERY);
    let named = paths.to_vec();
    let seen = move |event: notify::Result<Event>| {
        let ours = |path: &PathBuf| is_config(path) || named.contains(path);
        // A full channel already tells of a change.
        if event.is_ok_and(|event| event.paths.iter().any(ours)) {
            let _full = raw.try_send(()).is_err();
        }
    };
    let mut notifier = PollWatcher::new(seen, settings)?;
    for path in paths {
        notifier.watch(path, RecursiveMode::NonRecursive)?;
    }
    let (told, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _kept = notifier;
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = told.closed() => None,
            };
            if event.is_none() {
                return;
            }
            settle(&mut events).await;
            // A full channel: the receiver has not looked at the change before, and will see both.
            let _full = told.try_send(()).is_err();
        }
    });
    Ok(receiver)
}

async fn settle(events: &mut mpsc::Receiver<()>) {
    for _ in 0..STEPS_MAX {
        let more = tokio::time::timeout(QUIET, events.recv()).await;
        if !matches!(more, Ok(Some(()))) {
            return;
        }
    }
}

/// In a folder only these are configuration; a single file is, whatever it is called.
fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "toml")
}
