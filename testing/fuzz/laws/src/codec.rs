//! Any bytes as a row of the store: damaged rows are refused, no row decompresses beyond the limit, and a packed row is
//! restored.

// The format of a row is private to the store, so this crate includes the source file.
#[path = "../../../../crates/store/codec.rs"]
mod rows;

use crate::{Seeds, request};

/// A size beyond the decompressed size of any row.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The bytes of a frame in addition to its blocks.
const FRAME_BYTES_MAX: usize = 64;

/// The input is the content of a row.
pub fn holds(bytes: &[u8]) {
    if let Some(plain) = rows::unpack(bytes) {
        assert!(
            plain.len() <= ROW_BYTES_MAX,
            "a row of {} bytes",
            plain.len()
        );
    }
    let packed = rows::pack(bytes);
    // A text that starts like a frame is packed even if it does not become smaller.
    let frame = if bytes.starts_with(b"\x28\xb5\x2f\xfd") {
        FRAME_BYTES_MAX + bytes.len() / 100
    } else {
        0
    };
    assert!(
        packed.len() <= bytes.len() + 1 + frame,
        "a packed row is larger than the plain one"
    );
    assert_eq!(
        rows::unpack(&packed).as_deref(),
        Some(bytes),
        "a different row is restored"
    );
}

/// Fixtures, in the form of the store and unchanged.
pub fn seeds() -> Seeds {
    let firing = request::every_fixture().filter(|fixture| fixture.case == "firing");
    let both = firing.flat_map(|f| [rows::pack(f.request), f.request.to_vec()]);
    both.chain([rows::pack(&vec![b'1'; 8 * 1024 * 1024])])
        .collect()
}
