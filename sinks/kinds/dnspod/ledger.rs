//! The ledger: a file with a line for each switch, from which a restart learns which problems hold a record off.
//!
//! A switch off is written and synced before the request goes out. So a crash in between leaves a line too many, never a
//! record that is off and belongs to nobody.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{Class, Failure};

/// A larger file is renamed, and a new one is started with what is held then.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A line.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) sink: String,
    pub(super) zone: String,
    /// For people: host, type and value.
    pub(super) host: String,
    /// The vendor's id of the record.
    pub(super) record: String,
    /// The source and the fingerprint of the problem.
    pub(super) problem: String,
    /// The id of the alert that led to it.
    pub(super) alert: String,
    pub(super) done: Done,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Done {
    /// A request to switch it off follows.
    SwitchingOff,
    /// The list shows it as off.
    SwitchedOff,
    /// Another problem had switched it off; this one holds it off too.
    HeldOff,
    /// The list shows it as on.
    SwitchedOn,
    /// The problem does not hold it off any more; nothing was switched.
    LetGo,
}

/// What the ledger says about one record and one problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It was about to be switched off.
    Going,
    /// It is held off.
    Off,
    /// It was held off earlier.
    Ended,
}

impl From<Done> for Hold {
    fn from(done: Done) -> Self {
        match done {
            Done::SwitchingOff => Self::Going,
            Done::SwitchedOff | Done::HeldOff => Self::Off,
            Done::SwitchedOn | Done::LetGo => Self::Ended,
        }
    }
}

/// The last line about each record and problem of one zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds(BTreeMap<(String, String), Entry>);

impl Holds {
    pub(super) fn of(&self, record: &str, problem: &str) -> Option<Hold> {
        let key = (record.to_owned(), problem.to_owned());
        self.0.get(&key).map(|entry| entry.done.into())
    }

    /// The problems that hold a record, or are about to.
    pub(super) fn holders(&self, record: &str) -> impl Iterator<Item = (&str, Hold)> {
        let about = self.0.iter().filter(move |((of, _), _)| of == record);
        about
            .map(|((_, problem), entry)| (problem.as_str(), entry.done.into()))
            .filter(|(_, hold)| *hold != Hold::Ended)
    }

    /// The records that a problem holds, or was about to switch off.
    pub(super) fn held_by(&self, problem: &str) -> impl Iterator<Item = &str> {
        let held = self
            .0
            .iter()
            .filter(move |((_, by), entry)| by == problem && Hold::from(entry.done) != Hold::Ended);
        held.map(|((record, _), _)| record.as_str())
    }

    pub(super) fn note(&mut self, entry: Entry) {
        let key = (entry.record.clone(), entry.problem.clone());
        self.0.insert(key, entry);
    }
}

/// One file. All sinks of the process that name it share it.
pub(super) struct Ledger(Arc<Mutex<Book>>);

struct Book {
    path: PathBuf,
    /// By zone. None until the file was read.
    zones: Option<HashMap<String, Holds>>,
}

impl Ledger {
    /// The ledger at this path. Opens nothing.
    pub(super) fn at(path: &Path) -> Self {
        static BOOKS: LazyLock<std::sync::Mutex<HashMap<PathBuf, Arc<Mutex<Book>>>>> =
            LazyLock::new(std::sync::Mutex::default);
        let mut books = BOOKS
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let book = books.entry(path.to_owned()).or_insert_with(|| {
            let path = path.to_owned();
            Arc::new(Mutex::new(Book { path, zones: None }))
        });
        Self(Arc::clone(book))
    }

    /// What it says about a zone.
    pub(super) async fn holds(&self, zone: &str) -> Result<Holds, Failure> {
        let zone = zone.to_owned();
        self.work(move |book| Ok(book.read()?.get(&zone).cloned().unwrap_or_default()))
            .await
    }

    /// Writes a line.
    pub(super) async fn write(&self, entry: Entry) -> Result<(), Failure> {
        self.work(move |book| book.append(entry)).await
    }

    /// The other thread holds the lock: if this future is dropped, a line is still written whole.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Book) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut book = Arc::clone(&self.0).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || work(&mut book)).await;
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(failure(&fault)),
            Err(_) => Err(Failure::new(Class::Transient, "the program is stopping")),
        }
    }
}

impl Book {
    fn read(&mut self) -> io::Result<&mut HashMap<String, Holds>> {
        if self.zones.is_none() {
            let mut file = self.open()?;
            // A file of this size is not a ledger, which is renamed much earlier.
            if file.metadata()?.len() > 2 * BYTES_MAX {
                let fault = "it is larger than a ledger can be: set `ledger` to another file";
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            // A crash can cut off the last line. What it announced was not done.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n');
            bytes.truncate(whole.map_or(0, |end| end + 1));
            let zones = zones(&String::from_utf8_lossy(&bytes))?;
            file.set_len(bytes.len() as u64)?;
            self.zones = Some(zones);
        }
        Ok(self.zones.get_or_insert_default())
    }

    fn open(&self) -> io::Result<fs::File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        options.open(&self.path)
    }

    fn append(&mut self, entry: Entry) -> io::Result<()> {
        self.read()?;
        if fs::metadata(&self.path).map_or(0, |file| file.len()) > BYTES_MAX {
            self.start_new()?;
        }
        let mut file = self.open()?;
        let end = file.metadata()?.len();
        let written = file.write_all(&line(&entry)).and_then(|()| file.sync_all());
        if let Err(fault) = written {
            let _cut = file.set_len(end);
            return Err(fault);
        }
        let zones = self.read()?;
        zones.entry(entry.zone.clone()).or_default().note(entry);
        Ok(())
    }

    /// A new file with the lines of what is held. The old one is kept under another name until the next time.
    fn start_new(&mut self) -> io::Result<()> {
        let zones = self.zones.get_or_insert_default();
        for holds in zones.values_mut() {
            holds
                .0
                .retain(|_, entry| Hold::from(entry.done) != Hold::Ended);
        }
        let entries = zones.values().flat_map(|holds| holds.0.values());
        let lines: Vec<u8> = entries.flat_map(line).collect();
        let named = |ending: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let (new, old) = (named(".new"), named(".1"));
        let mut file = fs::File::create(&new)?;
        file.write_all(&lines)?;
        file.sync_all()?;
        fs::rename(&self.path, old)?;
        fs::rename(new, &self.path)
    }
}

fn line(entry: &Entry) -> Vec<u8> {
    // Texts and a time: nothing here can fail to serialize.
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    line.push(b'\n');
    line
}

/// What a file says.
fn zones(text: &str) -> io::Result<HashMap<String, Holds>> {
    let mut zones: HashMap<String, Holds> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let entry: Entry = serde_json::from_str(line).map_err(|_| {
            let number = number + 1;
            let fault = format!("line {number} is not a line of a ledger: correct or remove it");
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })?;
        zones.entry(entry.zone.clone()).or_default().note(entry);
    }
    Ok(zones)
}

fn failure(fault: &io::Error) -> Failure {
    let class = match fault.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidData => Class::Operator,
        _ => Class::Transient,
    };
    Failure::new(class, format!("the ledger cannot be used: {fault}"))
}
