//! The place of a span in a trace, as W3C Trace Context writes it in the header `traceparent`.
//!
//! The trace of a callback has the id of its first alert. So a delivery finds its trace from what is stored, also after a
//! restart, and an operator finds the alert of a trace.

/// The flags that are kept: sampled, and random trace id. Others may get a meaning in a later version.
const FLAGS: u8 = 0b11;
const SAMPLED: u8 = 0b01;

/// A trace and a span in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Never zero.
    trace: u128,
    /// Never zero.
    span: u64,
    flags: u8,
}

impl Context {
    /// A callback with this trace id, of which `sample_percent` of a hundred are sampled. The same id is always decided
    /// alike. None for zero.
    pub fn of_callback(trace: u128, sample_percent: u32) -> Option<Self> {
        let (high, low) = (trace >> 64, trace & u128::from(u64::MAX));
        let half = |bits| u64::try_from(bits).unwrap_or_default();
        let sampled = mixed(half(high) ^ half(low)) % 100 < u64::from(sample_percent);
        (trace != 0).then(|| Self {
            trace,
            span: half(low).max(1),
            flags: u8::from(sampled),
        })
    }

    /// The span of a callback that was stored as `text`: the id of its first alert, or a `traceparent`.
    pub fn of_stored(text: &str, sample_percent: u32) -> Option<Self> {
        let id = || hex(&text.replace('-', ""), 32);
        Self::parse(text).or_else(|| Self::of_callback(id()?, sample_percent))
    }

    /// The value of a `traceparent` header; none if it is not valid. Of later versions only the known fields are read.
    pub fn parse(header: &str) -> Option<Self> {
        let mut fields = header.splitn(5, '-');
        let mut next = |digits: usize| fields.next().and_then(|field| hex(field, digits));
        let (version, trace) = (next(2)?, next(32)?);
        let (span, flags) = (next(16)?, next(2)?);
        let more = fields.next().is_some();
        let valid = version != 0xff && trace != 0 && span != 0 && !(version == 0 && more);
        valid.then_some(Self {
            trace,
            span: u64::try_from(span).ok()?,
            flags: u8::try_from(flags).ok()? & FLAGS,
        })
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn with_span(self, span: u64) -> Self {
        let span = span.max(1);
        Self { span, ..self }
    }

    /// Whether its spans are recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The value of a `traceparent` header.
    pub fn header(self) -> String {
        let (trace, span) = (self.trace_id(), self.span_id());
        format!("00-{trace}-{span}-{:02x}", self.flags)
    }

    /// The trace id as 32 hexadecimal digits.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span id as 16 hexadecimal digits.
    pub fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

/// This many lower-case hexadecimal digits.
fn hex(field: &str, digits: usize) -> Option<u128> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let valid = field.len() == digits && field.bytes().all(lower);
    u128::from_str_radix(field, 16).ok().filter(|_| valid)
}

/// Spreads ids that differ in few bits: the finalizer of `SplitMix64`.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ALERT: &str = "019ac0de-0000-7000-8000-00000000002a";

    #[test]
    fn a_valid_traceparent_is_read_and_written_as_it_came() {
        let context = Context::parse(VALID).unwrap();
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id(), "00f067aa0ba902b7");
        assert!(context.is_sampled());
        assert_eq!(context.header(), VALID);
        let later = VALID.replacen("00", "cc", 1) + "-what-comes-later";
        assert_eq!(Context::parse(&later), Some(context));
        let flags = VALID.replace("-01", "-fe");
        let kept = Context::parse(&flags).unwrap();
        assert_eq!(kept.header(), VALID.replace("-01", "-02"));
        assert!(!kept.is_sampled());
    }

    #[test]
    fn a_traceparent_that_is_not_valid_is_ignored() {
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Context::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_stored_trace_is_the_id_of_an_alert_or_a_traceparent() {
        let own = Context::of_stored(ALERT, 100).unwrap();
        assert_eq!(own.trace_id(), ALERT.replace('-', ""));
        assert_eq!(own.span_id(), "800000000000002a");
        let vendors = Context::of_stored(VALID, 0).unwrap();
        assert_eq!(vendors.header(), VALID);
        for nothing in ["", "x", "00000000-0000-0000-0000-000000000000"] {
            assert_eq!(Context::of_stored(nothing, 100), None);
        }
    }

    #[test]
    fn about_as_many_callbacks_are_sampled_as_the_setting_says() {
        let sampled = |percent| {
            let ids = (0..1000).map(|n| 0x019a_c0de_0000_7000_8000_0000_0000_0000 + (n << 22));
            let of = ids.filter_map(|id| Context::of_callback(id, percent));
            of.filter(|context| context.is_sampled()).count()
        };
        assert_eq!((sampled(0), sampled(100)), (0, 1000));
        assert!((150..250).contains(&sampled(20)), "{}", sampled(20));
    }
}
