//! Any text as a time or a duration, with every filter of a mapping. A text that the gateway and the `jiff` parser can both
//! read gives the same time in both, and the printed form of a time is read as the same time.

use std::sync::LazyLock;

use campanile_model::Callback;
use campanile_providers::parse::time::seconds;
use campanile_providers::{Mapping, Provider, Reading, Source};
use jiff::Timestamp;

use crate::{Seeds, request};

/// The whole body is the text of the time.
const ASKING: &str = r#"
title = "Times"
confidence = "inferred"
time_zone = "America/New_York"
[status]
default = "firing"
[alert]
message_id = ["'1'"]
fingerprint = ["'1'"]
starts_at = "text?"
ends_at = "text|time(zone='Asia/Shanghai')?"
labels = { bucket = "text|bucket('7m')?", within = "'2026-01-01T00:00:00Z'|bucket(text)?", lasts = "text|duration?", unix = "text|unix?", number = "text|number|string?", formatted = "text|time(format='%d/%m/%y %H:%M:%S')?", asked = "'2026-01-01'|time(format=text)?", there = "'2026-01-01'|time(zone=text)?" }
"#;

static TIMES: LazyLock<Mapping> =
    LazyLock::new(|| Mapping::parse("times", ASKING).expect("a mapping"));

/// The input is a text.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(seconds) = seconds(text) {
        assert!(
            Timestamp::from_second(seconds).is_ok(),
            "seconds without a time"
        );
    }
    let at = read(text);
    if let Some(at) = at {
        assert_eq!(
            read(&at.to_string()),
            Some(at),
            "the printed form of a time is read as a different time"
        );
    }
    // The filter trims spaces. The rest must be read as the standard parser reads it.
    if let (Ok(standard), Some(at)) = (text.trim().parse::<Timestamp>(), at) {
        assert_eq!(at, standard, "read differently from the standard parser");
    }
}

/// Every value of every fixture that is as short as a time.
pub fn seeds() -> Seeds {
    let words = request::every_fixture().flat_map(|f| f.request.split(|b| b"\"&=\n".contains(b)));
    let short =
        words.filter(|word| (4..40).contains(&word.len()) && word.iter().any(u8::is_ascii_digit));
    let timely =
        short.filter(|word| word.iter().filter(|b| b.is_ascii_digit()).count() > word.len() / 2);
    let mut seeds: Vec<_> = timely.map(<[u8]>::to_vec).collect();
    seeds.extend(
        [
            "1h2m3s",
            "PT5M",
            "00:05:00",
            "%d/%m/%y %H:%M",
            "Asia/Taipei",
            "Thu, 01 Jan 2026 02:00:00 GMT",
        ]
        .map(Into::into),
    );
    seeds.sort();
    seeds.dedup();
    seeds
}

fn read(text: &str) -> Option<Timestamp> {
    let call = Callback::from_http(b"POST / HTTP/1.1\n\n")
        .expect("a request")
        .with_body(text);
    let Reading { mut reports, .. } = TIMES
        .read(&call, &Source::default())
        .expect("every field is optional");
    reports.pop().expect("one alert").starts_at
}
