//! Tells when a file of the configuration has changed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write in several steps: a change is told when nothing more came for so long.
const QUIET: Duration = Duration::from_millis(300);
/// At most so many steps are waited for, so that a file that is written without end is told of as well.
const STEPS_MAX: usize = 100;

/// One `()` for each change of a file or of a folder's files, after the writing ended. Must be called within a tokio
/// runtime; the watching ends when the receiver is dropped.
///
/// Folders are watched, not files: editors and Kubernetes put a new file in the place of the old one.
pub fn changes(paths: &[PathBuf]) -> notify::Result<mpsc::Receiver<()>> {
    let (raw, mut events) = mpsc::channel(1);
    let watched = Watched::new(paths);
    let folders = watched.folders.clone();
    let mut notifier = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // A full channel already tells of a change.
        if event.is_ok_and(|event| watched.concerns(&event)) {
            let _full = raw.try_send(()).is_err();
        }
    })?;
    for folder in &folders {
        notifier.watch(folder, RecursiveMode::NonRecursive)?;
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

/// What is looked at.
struct Watched {
    folders: BTreeSet<PathBuf>,
    /// The names of single files; Kubernetes swaps the link `..data` beside them.
    names: BTreeSet<OsString>,
    whole_folder: bool,
}

impl Watched {
    fn new(paths: &[PathBuf]) -> Self {
        let mut watched = Self {
            folders: BTreeSet::new(),
            names: [OsString::from("..data")].into(),
            whole_folder: false,
        };
        for path in paths {
            if path.is_dir() {
                watched.whole_folder = true;
                watched.folders.insert(path.clone());
            } else {
                let parent = path
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty());
                watched
                    .folders
                    .insert(parent.unwrap_or(Path::new(".")).to_owned());
                watched
                    .names
                    .extend(path.file_name().map(ToOwned::to_owned));
            }
        }
        watched
    }

    fn concerns(&self, event: &Event) -> bool {
        let written = !matches!(event.kind, EventKind::Access(_));
        written && event.paths.iter().any(|path| self.is_ours(path))
    }

    fn is_ours(&self, path: &Path) -> bool {
        let toml = path.extension().is_some_and(|end| end == "toml");
        (self.whole_folder && toml)
            || path
                .file_name()
                .is_some_and(|name| self.names.contains(name))
    }
}
