//! The id of an alert contains its place, so no index over ids is needed.

use jiff::Timestamp;
use uuid::Uuid;

use crate::Seq;

/// The id of the alert at `seq`. [`seq_of`] is the reverse.
pub(crate) fn id_of(ms: u64, store_random: u16, seq: Seq, random: u32) -> Uuid {
    let tail = (seq.cast_unsigned() << 22) | u64::from(random & 0x3f_ffff);
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&store_random.to_be_bytes());
    bytes[2..].copy_from_slice(&tail.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
}

/// The time in an id, in milliseconds.
pub(crate) fn ms_of(id: Uuid) -> i64 {
    let (head, _) = id.as_u64_pair();
    (head >> 16).cast_signed()
}

/// The lowest id of this time.
pub(crate) fn first_at(time: Timestamp) -> Uuid {
    let ms = u64::try_from(time.as_millisecond()).unwrap_or(0);
    id_of(ms, 0, 0, 0)
}

/// The place in an id. Compare the id of the row: the place can hold an alert with another id.
pub(crate) fn seq_of(id: Uuid) -> Seq {
    let (_, tail) = id.as_u64_pair();
    ((tail & 0x3fff_ffff_ffff_ffff) >> 22).cast_signed()
}
