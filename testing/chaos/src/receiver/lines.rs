//! A file with a line for each delivered alert, read while the gateway writes it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// The file, and how far it is read.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) path: PathBuf,
    read: u64,
}

impl Lines {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The whole lines since the last call. What follows the last line end is not read: a process that dies leaves half a
    /// line, and the next one removes it.
    pub(super) fn next(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(whole.map_or(0, |end| end + 1));
        self.read += bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_read_once_and_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let mut lines = Lines::of(path.clone());
        assert!(lines.next().unwrap().is_empty(), "there is no file yet");
        let mut file = File::create(path).unwrap();
        file.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(lines.next().unwrap(), ["one", "two"]);
        file.write_all(b"ee\n").unwrap();
        assert_eq!(lines.next().unwrap(), ["three"]);
        assert!(lines.next().unwrap().is_empty(), "it is read already");
    }
}
