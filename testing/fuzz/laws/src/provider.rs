//! Any request to any vendor: two reads give the same result, the result is bounded and can be stored, and a request
//! without the secret is refused.

use campanile_model::{Alert, Callback, Report};
use campanile_providers::{Outcome, Provider, Reading, verify};
use jiff::Timestamp;

use crate::{Seeds, request};

/// More text than this in one reading could exhaust the memory of a small machine.
pub const READING_BYTES_MAX: usize = 64 * 1024 * 1024;

const OUTCOMES: &[Outcome<'_>] = &[
    Outcome::Accepted {
        id: "0198c5a8-7b1e-7c3e-8f00-000000000001",
    },
    Outcome::Duplicate,
    Outcome::Quarantined,
    Outcome::Refused { status: 401 },
    Outcome::Rejected {
        status: 413,
        reason: "the body is larger than this gateway accepts",
    },
    Outcome::Unavailable,
];

/// The input is a raw request. Its path names the vendor as the paths of fixtures do: `/callback/<vendor>/...`.
pub fn holds(bytes: &[u8]) {
    let Ok(call) = Callback::from_http(bytes) else {
        return;
    };
    served(request::addressed(&call.path), &request::served(call));
}

/// Every fixture as it is.
pub fn seeds() -> Seeds {
    request::every_fixture()
        .map(|fixture| fixture.request.to_vec())
        .collect()
}

/// Calls everything that the server calls.
pub(crate) fn served(provider: &dyn Provider, call: &Callback) {
    let source = request::source(provider.name());
    let recognized = provider.recognizes(call);
    let believed = verify(provider, call, source);
    let reading = provider.read(call, source);
    // A copy has parsed nothing yet: the result must not depend on the order in which the parts were requested.
    let again = call.clone();
    assert_eq!(
        reading,
        provider.read(&again, source),
        "read differently the second time"
    );
    assert_eq!(
        believed,
        verify(provider, &again, source),
        "verified differently the second time"
    );
    assert_eq!(
        recognized,
        provider.recognizes(&again),
        "recognized differently the second time"
    );
    if let Ok(reading) = reading {
        is_bounded(&reading);
        can_be_stored(reading);
    }
    is_answered(provider, call);
    nothing_is_verified_without_the_secret(provider, call);
}

fn is_bounded(reading: &Reading) {
    let bytes: usize = reading.reports.iter().map(length).sum();
    assert!(bytes <= READING_BYTES_MAX, "a reading of {bytes} bytes");
}

/// The bytes of text in a report that a sender can influence.
fn length(report: &Report) -> usize {
    let labels = report
        .labels
        .iter()
        .map(|(name, value)| name.len() + value.len());
    let links = report
        .links
        .iter()
        .map(|link| link.title.len() + link.url.len());
    let own = [&report.message_id, &report.title, &report.description].map(String::len);
    labels.chain(links).chain(own).sum()
}

fn can_be_stored(reading: Reading) {
    for report in reading.reports {
        let alert = report.into_alert("fuzz/fixture", Timestamp::UNIX_EPOCH);
        assert!(!alert.title.contains(['\n', '\r']), "a title of two lines");
        assert!(
            alert.message_id.len() <= 256,
            "a message id of {} bytes",
            alert.message_id.len()
        );
        let kept = serde_json::to_string(&alert).expect("an alert is JSON");
        let back: Alert = serde_json::from_str(&kept).expect("a stored alert can be read");
        assert_eq!(back, alert, "the store returns a different alert");
    }
}

fn is_answered(provider: &dyn Provider, call: &Callback) {
    for outcome in OUTCOMES {
        let answer = provider.answer(call, outcome);
        let success = (200..300).contains(&outcome.status());
        let answered = (200..300).contains(&answer.status);
        assert_eq!(
            answered, success,
            "{outcome:?} is answered with {}",
            answer.status
        );
    }
}

fn nothing_is_verified_without_the_secret(provider: &dyn Provider, call: &Callback) {
    let source = request::guarded(provider.name());
    let call = request::with_strange_certificate(call);
    assert!(
        verify(provider, &call, &source).is_err(),
        "a request without the secret is accepted"
    );
}
