//! Tests whether the time of a verification reveals how much of a forged proof is right.
//!
//! `cargo bench --bench constant_time` forges two proofs for each kind of proof: one without a right byte, and one with
//! 8, 16, 24 or all but the last byte right. It verifies both in random order and compares their times with Welch's
//! t-test, as dudect does. |t| below 4.5 shows no leak, above 10 is a leak. The last row is a comparison that leaks on
//! purpose: the test must detect it, or the rows above mean nothing. `VERIFICATIONS` (100000) of each pair.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use campanile_model::Callback;
use campanile_providers::{Provider, Source, by_name, fixtures, verify};

/// A |t| above this is certainly a leak.
const LEAK: f64 = 10.0;
/// The percentage of the fastest times that are used. Slower ones were interrupted.
const KEPT_PERCENT: usize = 90;

/// One kind of proof: a vendor that uses it, and the place of the proof in its fixture.
struct Way {
    name: &'static str,
    provider: &'static str,
    /// The proof is the text in the fixture from the end of this text to the end of the value.
    before: &'static str,
    digits: usize,
}

const WAYS: &[Way] = &[
    Way {
        name: "a token in a header",
        provider: "alertmanager",
        before: "Bearer ",
        digits: 23,
    },
    Way {
        name: "MD5 with a token",
        provider: "jiankong",
        before: "token=",
        digits: 32,
    },
    Way {
        name: "HMAC-SHA256 in hex",
        provider: "pagerduty",
        before: "v1=",
        digits: 64,
    },
];

fn main() -> ExitCode {
    let count = std::env::var("VERIFICATIONS").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let mut leaks = false;
    for way in WAYS {
        let Some((provider, raw, source)) = found(way) else {
            print(&format!("{:<24} no fixture has it\n", way.name));
            leaks = true;
            continue;
        };
        for percent in [25, 50, 75, 97] {
            let right = way.digits * percent / 100;
            let forgery = |right| Callback::from_http(&forged(way, &raw, right));
            let (Ok(none), Ok(some)) = (forgery(0), forgery(right)) else {
                print(&format!(
                    "{:<24} its forgery is not a valid request\n",
                    way.name
                ));
                leaks = true;
                continue;
            };
            let t = compared(count, &none, &some, |call| {
                verify(provider, call, &source).is_ok()
            });
            leaks |= t.abs() > LEAK;
            print(&format!(
                "{:<24} {right:>2} of {} digits right  t = {t:+.2}\n",
                way.name, way.digits
            ));
        }
    }
    let control = compared(count, &[0_u8; 32], &[7_u8; 32], |given| {
        naive(given, &[7; 32])
    });
    print(&format!(
        "{:<24} all of 32 bytes right   t = {control:+.2}\n",
        "a comparison that leaks"
    ));
    if leaks || control.abs() < LEAK {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn found(way: &Way) -> Option<(&'static dyn Provider, Vec<u8>, Source)> {
    let provider = &**by_name(way.provider)?;
    let mut believed = fixtures(way.provider).iter().filter(|fixture| {
        let call = fixture.callback();
        call.is_ok_and(|call| verify(provider, &call, &fixture.source()).is_ok())
    });
    let fixture = believed.find(|fixture| place(way, fixture.request).is_some())?;
    Some((provider, fixture.request.to_vec(), fixture.source()))
}

/// The start of the proof.
fn place(way: &Way, raw: &[u8]) -> Option<usize> {
    let before = way.before.as_bytes();
    let at = raw.windows(before.len()).position(|part| part == before)?;
    Some(at + before.len())
}

/// The request with all but the first digits of its proof wrong.
fn forged(way: &Way, raw: &[u8], right: usize) -> Vec<u8> {
    let mut raw = raw.to_vec();
    let from = place(way, &raw).unwrap_or(0);
    let wrong = raw.iter_mut().skip(from).take(way.digits).skip(right);
    for digit in wrong {
        // A letter replaces a letter and a digit replaces a digit: decoding takes a different time for each, and this
        // difference would come only from the forgery.
        *digit = match *digit {
            b'9' => b'0',
            b'f' => b'a',
            other => other + 1,
        };
    }
    raw
}

/// A comparison that returns at the first byte that differs.
fn naive(given: &[u8; 32], wanted: &[u8; 32]) -> bool {
    given
        .iter()
        .zip(wanted)
        .all(|(a, b)| black_box(*a) == black_box(*b))
}

/// Welch's t between the times of both classes.
fn compared<T: Clone>(count: usize, none: &T, some: &T, check: impl Fn(&T) -> bool) -> f64 {
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2 * count {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let class = usize::from(dice & 1 == 1);
        // A new copy: the caches treat different addresses differently, so the place of the original would reveal its
        // class.
        let one = if class == 0 { none } else { some }.clone();
        let begun = Instant::now();
        black_box(check(black_box(&one)));
        let took = begun.elapsed();
        if let Some(times) = times.get_mut(class) {
            times.push(took.as_nanos() as f64);
        }
    }
    let [none, some] = times;
    // One bound for both classes: separate bounds would hide the difference.
    let mut both = [none.as_slice(), &some].concat();
    both.sort_by(f64::total_cmp);
    let bound = both.get(both.len() * KEPT_PERCENT / 100).copied();
    let bound = bound.unwrap_or(f64::MAX);
    let (a, b) = (moments(&none, bound), moments(&some, bound));
    (b.0 - a.0) / (a.1 / a.2 + b.1 / b.2).sqrt()
}

/// Mean, variance and number of the times below a bound.
fn moments(times: &[f64], bound: f64) -> (f64, f64, f64) {
    let kept: Vec<f64> = times
        .iter()
        .copied()
        .filter(|time| *time <= bound)
        .collect();
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let spread = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
    (mean, spread / (count - 1.0), count)
}

fn print(text: &str) {
    let _nobody_reads = std::io::stdout().write_all(text.as_bytes());
}
