//! The stored form of raw requests and alert bodies: compressed, after a first byte that names the method.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

/// Not compressed.
const PLAIN: u8 = 0;
/// Zstandard with [`DICTIONARY_1`].
const ZSTD_1: u8 = 1;

/// The first bytes of every Zstandard frame.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Text that requests and alerts have in common. A released dictionary is never changed: stored rows cannot be read without it.
const DICTIONARY_1: &[u8] = include_bytes!("dictionary-1.txt");

/// Larger than any decompressed row: the largest body plus its headers.
const PLAIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A negative level skips the entropy coding of literals: it takes a sixth of the time of level 1 for a sixth more bytes.
const LEVEL: i32 = -7;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> =
        RefCell::new(compressor().ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::with_dictionary(DICTIONARY_1).ok());
}

/// SQLite does not detect a flipped bit in a row. A checksum of four bytes does, so no alert is sent with damaged text.
fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_dictionary(LEVEL, DICTIONARY_1)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

/// The stored form of `plain`.
pub(crate) fn pack(plain: &[u8]) -> Vec<u8> {
    let compressed = COMPRESSOR.with_borrow_mut(|compressor| {
        let mut out = vec![0; zstd::zstd_safe::compress_bound(plain.len()) + 1];
        let (kind, body) = out.split_first_mut()?;
        *kind = ZSTD_1;
        let size = compressor.as_mut()?.compress_to_buffer(plain, body).ok()?;
        out.truncate(size + 1);
        Some(out)
    });
    match compressed {
        // Plain bytes that begin like a frame would be read as a damaged frame.
        Some(packed) if packed.len() <= plain.len() || plain.starts_with(&MAGIC) => packed,
        _ => [&[PLAIN], plain].concat(),
    }
}

/// The original bytes. None when the stored form is damaged.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        // A flipped bit in the first byte must not turn a compressed row into a plain one.
        (&PLAIN, plain) if !plain.starts_with(&MAGIC) => Some(plain.to_vec()),
        (&ZSTD_1, body) => {
            let size = zstd::zstd_safe::get_frame_content_size(body)
                .ok()
                .flatten()?;
            let size = usize::try_from(size)
                .ok()
                .filter(|&size| size <= PLAIN_BYTES_MAX)?;
            DECOMPRESSOR.with_borrow_mut(|d| d.as_mut()?.decompress(body, size).ok())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(unpack(&pack(&bytes)), Some(bytes));
        }

        #[test]
        fn what_begins_like_a_frame_comes_back_too(rest: Vec<u8>) {
            let bytes = [&MAGIC[..], &rest].concat();
            prop_assert_eq!(unpack(&pack(&bytes)), Some(bytes));
        }

        #[test]
        fn a_flipped_bit_is_seen(word in "[a-z]{4,9}", at: usize, bit in 0..8_u32) {
            let plain = format!(r#"{{"SessionID":"{word}"}}"#).repeat(9).into_bytes();
            let mut packed = pack(&plain);
            prop_assert_eq!(packed[0], ZSTD_1);
            let at = at % packed.len();
            packed[at] ^= 1_u8 << bit;
            prop_assert!(unpack(&packed).is_none_or(|read| read == plain));
        }

        #[test]
        fn damaged_rows_are_refused_without_a_panic(bytes: Vec<u8>) {
            let _read = unpack(&bytes);
        }
    }
}
