//! # file
//!
//! ## What it does
//! Appends one line of JSON for each alert. When the file would become larger than `rotate_bytes` it is renamed to `NAME.1`,
//! the older ones to `NAME.2` and so on, and a new file is started.
//!
//! ## Set it up
//! ```toml
//! [sinks.file.log]
//! path = "/var/log/campanile/alerts.jsonl"   # its folder must exist
//! rotate_bytes = 104857600                   # 100 MiB
//! keep = 10                                  # old files; 0 keeps none
//! sync = true                                # wait for the disk after each line
//! ```
//!
//! ## What is sent
//! Each alert as the API shows it, on one line; a digest is as many lines as it has alerts. The same alert can appear twice after
//! a crash: its `id` is the same.
//!
//! ## When it fails
//! A full or broken disk: retried until it works; a half-written line is cut off. A missing folder, a file without write
//! permission and a file that does not end in a line of this sink: retried slowly, and the operator is notified.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::kind::page;
use crate::{
    About, BuildError, Class, Confidence, Delivered, Failure, Group, Kind, Limits, Message, Sink,
    Tools, Worth, render,
};
use campanile_settings::{Setting, Type, Values, required, with};

/// How much is read at a time when the last line end is looked for.
const STEP: usize = 64 * 1024;

/// The kind.
#[derive(Debug)]
pub struct FileKind;

static ABOUT: About = About {
    name: Cow::Borrowed("file"),
    title: Cow::Borrowed("JSON lines in a file, rotated by size"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const SETTINGS: &[Setting] = &[
    required(
        "path",
        Type::Path,
        r#""/var/log/campanile/alerts.jsonl""#,
        "The file. Its folder must exist.",
    ),
    with(
        "rotate_bytes",
        Type::Whole(4096, 1_099_511_627_776),
        "104857600",
        "A new file is started when this one would become larger.",
    ),
    with(
        "keep",
        Type::Whole(0, 10_000),
        "10",
        "How many old files are kept.",
    ),
    with(
        "sync",
        Type::Flag,
        "true",
        "Wait for the disk after each line. false is faster, but a power failure can lose the last lines.",
    ),
];

impl Kind for FileKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("file.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let settings = Settings {
            path: values.get("path")?,
            rotate_bytes: values.get("rotate_bytes")?,
            keep: values.get("keep")?,
            sync: values.get("sync")?,
        };
        Ok(Arc::new(File::new(&settings, tools.timeout)?))
    }
}

/// JSON lines in a file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file. Its folder must exist.
    pub path: PathBuf,
    /// A new file is started when it would become larger.
    pub rotate_bytes: u64,
    /// How many old files are kept.
    pub keep: u32,
    /// Wait for the disk after each line.
    pub sync: bool,
}

/// The sink. One line is written at a time, off the async threads.
pub struct File {
    log: Arc<Mutex<Log>>,
    timeout: Duration,
    worth: Worth,
}

impl File {
    /// The sink of these settings. The file is opened at the first alert.
    pub fn new(spec: &Settings, timeout: Duration) -> Result<Self, BuildError> {
        let folder = match spec.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if spec.path.file_name().is_none() {
            return Err(BuildError::new("path", "this is not the path of a file"));
        }
        if !folder.is_dir() {
            let problem = format!("the folder {} does not exist: create it", folder.display());
            return Err(BuildError::new("path", problem));
        }
        let log = Log {
            spec: spec.clone(),
            folder: folder.to_owned(),
            open: None,
        };
        Ok(Self {
            log: Arc::new(Mutex::new(log)),
            timeout,
            worth: if spec.sync {
                Worth::Committed
            } else {
                Worth::Written
            },
        })
    }

    async fn append(&self, message: &Message) -> Result<Delivered, Failure> {
        let lines = render::lines(message);
        // The other thread holds the lock: if this future is dropped, the line is still written whole before the next one.
        let mut log = Arc::clone(&self.log).lock_owned().await;
        let written = tokio::task::spawn_blocking(move || log.append(&lines)).await;
        match written {
            Ok(Ok(())) => Ok(Delivered {
                worth: self.worth,
                ..Delivered::default()
            }),
            Ok(Err(fault)) => Err(failure(&fault)),
            Err(_) => Err(Failure::new(Class::Transient, "the program is stopping")),
        }
    }
}

impl Sink for File {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(async move {
            let late = |_| Err(Failure::new(Class::Transient, "the disk took too long"));
            let done = tokio::time::timeout(self.timeout, self.append(message)).await;
            done.unwrap_or_else(late)
        })
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&render::lines(message)).into_owned())
    }
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
    Failure::new(class, format!("the file cannot be written: {fault}"))
}

struct Log {
    spec: Settings,
    folder: PathBuf,
    open: Option<Open>,
}

/// A file whose every line is whole, up to `len`.
struct Open {
    file: fs::File,
    len: u64,
}

impl Log {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = self.current()?;
        if open.len > 0 && open.len + line.len() as u64 > self.spec.rotate_bytes {
            open.file.sync_all()?;
            drop(open);
            self.rotate()?;
            open = self.begin()?;
        }
        write(&mut open, line, self.spec.sync)?;
        self.open = Some(open);
        Ok(())
    }

    /// The open file, as long as the path still leads to it: somebody may have moved or removed it.
    fn current(&mut self) -> io::Result<Open> {
        match self.open.take() {
            Some(open) if is_at(&open.file, &self.spec.path) => Ok(open),
            _ => self.begin(),
        }
    }

    fn begin(&self) -> io::Result<Open> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let mut file = options.open(&self.spec.path)?;
        let len = cut_torn_tail(&mut file)?;
        if self.spec.sync && len == 0 {
            self.sync_folder()?;
        }
        Ok(Open { file, len })
    }

    /// Moves each file one number up, as far as there are files without a gap; the last one makes room.
    fn rotate(&self) -> io::Result<()> {
        if self.spec.keep == 0 {
            return fs::remove_file(&self.spec.path);
        }
        let keep = self.spec.keep;
        let free = (1..keep).find(|&n| !self.numbered(n).exists());
        for n in (1..free.unwrap_or(keep)).rev() {
            fs::rename(self.numbered(n), self.numbered(n + 1))?;
        }
        fs::rename(&self.spec.path, self.numbered(1))
    }

    fn numbered(&self, n: u32) -> PathBuf {
        let mut path = self.spec.path.clone().into_os_string();
        path.push(format!(".{n}"));
        path.into()
    }

    /// A new file's name is as durable as its lines only when the folder is on disk too.
    fn sync_folder(&self) -> io::Result<()> {
        fs::File::open(&self.folder)?.sync_all()
    }
}

fn write(open: &mut Open, line: &[u8], sync: bool) -> io::Result<()> {
    let written = open.file.write_all(line);
    let written = written.and_then(|()| if sync { open.file.sync_data() } else { Ok(()) });
    if let Err(fault) = written {
        // If this fails too, the next opening cuts.
        let _cut = open.file.set_len(open.len);
        return Err(fault);
    }
    open.len += line.len() as u64;
    Ok(())
}

/// Cuts off what follows the last line end, and gives the length. Only what could be ours is cut: a line that began, or
/// the zeros that a power loss leaves.
fn cut_torn_tail(file: &mut fs::File) -> io::Result<u64> {
    let len = file.seek(SeekFrom::End(0))?;
    let whole = last_line_end(file, len)?;
    if whole < len {
        let mut first = [0];
        file.seek(SeekFrom::Start(whole))?;
        file.read_exact(&mut first)?;
        if !matches!(first, [b'{' | 0]) {
            let fault = "it does not end in a line of this sink: set `path` to another file";
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        file.set_len(whole)?;
        file.sync_all()?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok(whole)
}

fn last_line_end(file: &mut fs::File, len: u64) -> io::Result<u64> {
    let mut block = vec![0; STEP];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(STEP as u64);
        let size = usize::try_from(end - start).unwrap_or(STEP);
        let block = &mut block[..size];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = block.iter().rposition(|&b| b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(unix)]
fn is_at(file: &fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_file: &fs::File, path: &Path) -> bool {
    path.exists()
}
