//! Checks SQLite's write-ahead log (WAL, the `-wal` file) before SQLite reads it.
//!
//! When the checksum of a frame is wrong, SQLite takes that frame for the end of a torn write that was never answered. It
//! ignores the frame and all later ones. After a crash this is correct. After a flipped bit it silently drops callbacks that
//! were answered with 2xx. This module distinguishes the two: each checksum continues from the frame before, and SQLite
//! writes after a commit frame only when that commit is synced. So a valid commit frame after the broken frame, followed by
//! a frame that continues its checksum, proves that synced commits are damaged.
//!
//! Not detected: damage in the last commits, with few frames after them, looks like a torn write.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME: usize = 24;
/// The last bit gives the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;

/// What the log contains.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The number of pages of the database after the last commit. None without a commit.
    pub(super) pages: Option<u32>,
    /// The pages in committed frames.
    pub(super) holds: HashSet<u32>,
    /// The first page of the database, when it is in a committed frame.
    pub(super) first: Option<Vec<u8>>,
}

/// Why a log is refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// It cannot be read.
    Fault(std::io::Error),
    /// A synced commit is damaged: the number of the frame, or 0 for the header.
    Damaged(usize),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(error)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum(u32, u32);

impl Sum {
    fn over(mut self, bytes: &[u8], big: bool) -> Self {
        let word = |bytes: &[u8]| {
            let four = bytes.first_chunk().copied().unwrap_or_default();
            if big {
                u32::from_be_bytes(four)
            } else {
                u32::from_le_bytes(four)
            }
        };
        for eight in bytes.as_chunks::<8>().0 {
            let (first, second) = eight.split_at(4);
            self.0 = self.0.wrapping_add(word(first)).wrapping_add(self.1);
            self.1 = self.1.wrapping_add(word(second)).wrapping_add(self.0);
        }
        self
    }

    fn at(bytes: &[u8], at: usize) -> Self {
        Self(number(bytes, at), number(bytes, at + 4))
    }
}

/// A number in SQLite's file formats: four bytes, big-endian. Zero after the end.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    four.map_or(0, |four| u32::from_be_bytes(*four))
}

struct Header {
    big: bool,
    page: usize,
    salts: [u8; 8],
    sum: Sum,
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let magic = number(bytes, 0);
        let big = magic & 1 == 1;
        let page = usize::try_from(number(bytes, 8)).ok()?;
        let sum = Sum(0, 0).over(&bytes[..24], big);
        let sound = magic & !1 == MAGIC && sum == Sum::at(bytes, 24);
        let sane = page.is_power_of_two() && (512..=65_536).contains(&page);
        let salts = *bytes.get(16..)?.first_chunk()?;
        (sound && sane).then_some(Self {
            big,
            page,
            salts,
            sum,
        })
    }
}

/// Reads the log at `path`. A missing or blank log holds nothing.
pub(super) fn read(path: &Path) -> Result<Log, Fault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Log::default()),
        Err(error) => return Err(error.into()),
    };
    let mut file = BufReader::with_capacity(1 << 18, file);
    let mut bytes = [0; HEADER];
    if !fill(&mut file, &mut bytes)? {
        return Ok(Log::default());
    }
    match Header::read(&bytes) {
        Some(header) => frames(&mut file, &header),
        // Space that was allocated before the first write reads as zeros.
        None if bytes == [0; HEADER] && is_blank(&mut file)? => Ok(Log::default()),
        None => Err(Fault::Damaged(0)),
    }
}

fn frames(file: &mut impl Read, header: &Header) -> Result<Log, Fault> {
    let mut log = Log::default();
    let mut open: Vec<u32> = Vec::new();
    let mut first = None;
    let mut sum = header.sum;
    let mut broken = None;
    // The frame before: its stored checksum, and whether it is certainly a commit. A torn frame header can contain the
    // commit mark of an older frame, from before SQLite restarted the log.
    let mut before = (header.sum, false);
    let mut frame = vec![0; FRAME + header.page];
    let mut count = 0;
    while fill(file, &mut frame)? {
        count += 1;
        let (page, pages, stands) = (number(&frame, 0), number(&frame, 4), Sum::at(&frame, 16));
        let ours = frame.get(8..16) == Some(&header.salts);
        let runs_on = |from: Sum| {
            let (head, body) = (&frame[..8], &frame[FRAME..]);
            ours && page != 0 && from.over(head, header.big).over(body, header.big) == stands
        };
        if broken.is_none() && runs_on(sum) {
            sum = stands;
            open.push(page);
            if page == 1 {
                first = Some(frame[FRAME..].to_vec());
            }
            if pages != 0 {
                log.pages = Some(pages);
                log.holds.extend(open.drain(..));
                log.first = first.take().or(log.first);
            }
            before = (stands, pages != 0);
        } else {
            let at = *broken.get_or_insert(count);
            let sound = runs_on(before.0);
            if sound && before.1 {
                return Err(Fault::Damaged(at));
            }
            before = (stands, sound && pages != 0);
        }
    }
    Ok(log)
}

/// Fills the buffer. False when the file ends first.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_blank(file: &mut impl Read) -> std::io::Result<bool> {
    let mut some = [0; 4096];
    loop {
        match file.read(&mut some)? {
            0 => return Ok(true),
            read if some[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 512;
    const NEW: [u8; 8] = *b"newsalts";
    const OLD: [u8; 8] = *b"oldsalts";

    fn words(words: [u32; 2]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Frames of a log: the page number, and for a commit the number of pages of the database.
    fn log(salts: [u8; 8], frames: &[(u32, u32)]) -> Vec<u8> {
        let mut log = [
            words([MAGIC | 1, 3_007_000]),
            words([512, 0]),
            salts.to_vec(),
        ]
        .concat();
        let mut sum = Sum(0, 0).over(&log, true);
        log.extend(words([sum.0, sum.1]));
        for (page, pages) in frames {
            let (head, body) = (words([*page, *pages]), [u8::try_from(*page).unwrap(); PAGE]);
            sum = sum.over(&head, true).over(&body, true);
            log.extend([head, salts.to_vec(), words([sum.0, sum.1]), body.to_vec()].concat());
        }
        log
    }

    fn at(frame: usize) -> usize {
        HEADER + frame * (FRAME + PAGE)
    }

    fn read_back(bytes: &[u8]) -> Result<Log, Fault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    /// Commits of two pages each.
    const FRAMES: [(u32, u32); 8] = [
        (1, 0),
        (2, 9),
        (3, 0),
        (4, 9),
        (5, 0),
        (6, 9),
        (7, 0),
        (8, 9),
    ];

    #[test]
    fn a_sound_log_is_read_to_its_last_commit() {
        let mut bytes = log(NEW, &FRAMES);
        bytes.truncate(at(7) + 100);
        let read = read_back(&bytes).unwrap();
        assert_eq!((read.pages, read.holds.len()), (Some(9), 6));
        assert_eq!(read.first.unwrap(), [1; PAGE]);
    }

    #[test]
    fn a_flipped_bit_before_later_commits_is_damage() {
        for place in 0..at(4) {
            let mut bytes = log(NEW, &FRAMES);
            bytes[place] ^= 1;
            let refused = matches!(read_back(&bytes), Err(Fault::Damaged(_)));
            assert!(refused, "byte {place}");
        }
    }

    #[test]
    fn a_torn_write_over_an_older_log_is_not() {
        // Before SQLite restarted the log, a commit frame was at the place of the torn frame header.
        let old = log(OLD, &[(1, 9); 10]);
        let new = log(NEW, &[(1, 0), (2, 9), (3, 0), (4, 0), (5, 0), (6, 9)]);
        let mut bytes = old;
        bytes[..new.len()].copy_from_slice(&new);
        bytes[at(3)..at(3) + 8].copy_from_slice(&words([1, 9]));
        assert_eq!(read_back(&bytes).unwrap().pages, Some(9));
    }
}
