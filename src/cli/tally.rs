//! The results of many messages: number of answers per status, and response times.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// How many answers are kept for `--json`.
const SHOWN_MAX: usize = 100;

/// One answer, or the reason why there is none.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The status and the body, or the network error.
    pub(crate) answer: Result<(u16, String), String>,
    /// Time from the first byte sent to the last byte read.
    pub(crate) took: Duration,
}

impl Heard {
    /// Whether the vendor would accept this answer: status 2xx.
    pub(crate) fn is_success(&self) -> bool {
        matches!(&self.answer, Ok((200..=299, _)))
    }

    /// The status as a word: `200`, or `no answer`.
    pub(crate) fn status(&self) -> String {
        match &self.answer {
            Ok((status, _)) => status.to_string(),
            Err(_) => "no answer".to_owned(),
        }
    }

    /// The body, or the network error.
    pub(crate) fn text(&self) -> &str {
        match &self.answer {
            Ok((_, text)) | Err(text) => text,
        }
    }

    fn to_json(&self) -> Value {
        let (status, answer, error) = match &self.answer {
            Ok((status, body)) => (Some(status), Some(body), None),
            Err(error) => (None, None, Some(error)),
        };
        json!({"status": status, "answer": answer, "error": error, "ms": milliseconds(self.took)})
    }
}

/// All answers of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    statuses: BTreeMap<String, u64>,
    times: Vec<Duration>,
    shown: Vec<Heard>,
    first_failure: Option<Heard>,
    failed: u64,
}

impl Tally {
    /// Counts one answer.
    pub(crate) fn add(&mut self, heard: Heard) {
        *self.statuses.entry(heard.status()).or_default() += 1;
        self.times.push(heard.took);
        if !heard.is_success() {
            self.failed += 1;
            self.first_failure.get_or_insert_with(|| heard.clone());
        }
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(heard);
        }
    }

    /// The number of messages.
    pub(crate) fn sent(&self) -> usize {
        self.times.len()
    }

    /// The number of messages without a success answer.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// The first answer that is not a success.
    pub(crate) fn first_failure(&self) -> Option<&Heard> {
        self.first_failure.as_ref()
    }

    /// The response time that `percent` of the answers did not exceed, in milliseconds.
    fn percentile(&mut self, percent: usize) -> f64 {
        self.times.sort_unstable();
        let rank = (self.times.len() * percent).div_ceil(100).max(1);
        self.times.get(rank - 1).copied().map_or(0.0, milliseconds)
    }

    /// The results in one line.
    pub(crate) fn summary(&mut self, elapsed: Duration) -> String {
        let counts: Vec<String> = self
            .statuses
            .iter()
            .map(|(status, count)| format!("{count} × {status}"))
            .collect();
        format!(
            "{} sent in {:.1} s ({:.0} a second): {}; p50 {} ms, p99 {} ms",
            self.sent(),
            elapsed.as_secs_f64(),
            self.per_second(elapsed),
            counts.join(", "),
            self.percentile(50),
            self.percentile(99),
        )
    }

    /// The results as JSON.
    pub(crate) fn as_json(&mut self, elapsed: Duration) -> Value {
        json!({
            "sent": self.sent(),
            "failed": self.failed,
            "statuses": self.statuses,
            "p50_ms": self.percentile(50),
            "p99_ms": self.percentile(99),
            "elapsed_ms": milliseconds(elapsed),
            "per_second": self.per_second(elapsed).round(),
            "messages": self.shown.iter().map(Heard::to_json).collect::<Vec<_>>(),
        })
    }

    fn per_second(&self, elapsed: Duration) -> f64 {
        let sent = u32::try_from(self.sent()).unwrap_or(u32::MAX);
        f64::from(sent) / elapsed.as_secs_f64().max(1e-6)
    }
}

/// Milliseconds with one decimal.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
