//! Any bytes as a row of the store: damaged ones are refused, none inflates beyond the cap, and what was packed comes back.

// The form of a row is nobody else's business: the file is taken as it is.
#[path = "../../../../crates/store/codec.rs"]
mod rows;

use crate::{Seeds, request};

/// More than any row inflates to.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a frame has around its blocks.
const FRAME_BYTES_MAX: usize = 64;

/// The input is what stands in a row.
pub fn holds(bytes: &[u8]) {
    if let Some(plain) = rows::unpack(bytes) {
        assert!(
            plain.len() <= ROW_BYTES_MAX,
            "a row of {} bytes",
            plain.len()
        );
    }
    let packed = rows::pack(bytes);
    // What begins like a frame is packed although it does not shrink.
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
        "another row comes back"
    );
}

/// Fixtures as the store keeps them, and as they are.
pub fn seeds() -> Seeds {
    let firing = request::every_fixture().filter(|fixture| fixture.case == "firing");
    let both = firing.flat_map(|f| [rows::pack(f.request), f.request.to_vec()]);
    both.chain([rows::pack(&vec![b'1'; 8 * 1024 * 1024])])
        .collect()
}
