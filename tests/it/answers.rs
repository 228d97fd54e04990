//! What follows from a receiver's response, over real sockets and with a manual clock: when the next attempt comes, to the
//! millisecond, or that none comes.

use std::fmt::Write as _;
use std::time::Duration;

use campanile_providers::fixture::RECEIVED_AT;
use jiff::{SignedDuration, Timestamp};

use crate::gateway::Gateway;
use crate::receiver::{Play, Receiver, Then};

const SOURCE: &str = "[providers.ucloud.fixture]\nkey = \"campanile-fixture-key\"\n";
const HOUR: u64 = 3_600_000;

/// A sink with a name and its receiver.
struct Row {
    name: String,
    receiver: Receiver,
    /// The second attempt comes between these milliseconds; or never.
    again: Option<(u64, u64)>,
}

impl Row {
    async fn new(name: &str, first: Play, again: Option<(u64, u64)>) -> Self {
        let receiver = Receiver::start([first, Play::status(200)]).await;
        Self {
            name: name.to_owned(),
            receiver,
            again,
        }
    }
}

/// A gateway with a sink for each receiver.
async fn gateway(sinks: impl Iterator<Item = (String, String)>) -> Gateway {
    let mut settings = SOURCE.to_owned();
    for (name, more) in sinks {
        let _infallible = writeln!(settings, "[sinks.webhook.{name}]\n{more}");
    }
    Gateway::start(&settings).await
}

/// After the first step of the schedule, with its jitter.
const SOON: Option<(u64, u64)> = Some((500, 1000));
/// After the first of the slow steps, with its jitter.
const SLOWLY: Option<(u64, u64)> = Some((60_000, 120_000));

fn date(seconds: i64) -> String {
    let at: Timestamp = RECEIVED_AT.parse().unwrap();
    httpdate::fmt_http_date((at + SignedDuration::from_secs(seconds)).into())
}

async fn rows() -> Vec<Row> {
    let exactly = |at: u64| Some((at, at));
    let asked = |value: &str| Play::with(429, "retry-after", value);
    let twice = |one: &str, two: &str| {
        let headers = [one, two].map(|value| ("retry-after".to_owned(), value.to_owned()));
        Play::Answer(429, headers.to_vec(), String::new())
    };
    let raw = |text: &str| Play::Raw(text.replace('\n', "\r\n").into_bytes(), Then::Close);
    let mut rows = vec![
        ("429", Play::status(429), SOON),
        ("429-seconds", asked("120"), exactly(120_000)),
        ("429-blanks", asked("  30  "), exactly(30_000)),
        ("429-date", asked(&date(90)), exactly(90_000)),
        ("429-none", asked("0"), SOON),
        ("429-over", asked(&date(-90)), SOON),
        ("429-negative", asked("-120"), SOON),
        ("429-fraction", asked("1.5"), SOON),
        ("429-garbage", asked("soon"), SOON),
        ("429-empty", asked(""), SOON),
        // `Retry-After` is capped at one hour; the date is ten years ahead.
        ("429-years", asked("315360000"), exactly(HOUR)),
        ("429-year-date", asked(&date(315_360_000)), exactly(HOUR)),
        (
            "429-digits",
            asked("99999999999999999999999"),
            exactly(HOUR),
        ),
        // Of two headers the first counts. Joined they are not valid.
        ("429-twice", twice("30", "300"), exactly(30_000)),
        ("429-joined", asked("30, 300"), SOON),
        ("503", Play::status(503), SOON),
        (
            "503-seconds",
            Play::with(503, "retry-after", "60"),
            exactly(60_000),
        ),
        ("500", Play::status(500), SOON),
        ("408", Play::status(408), SOON),
        ("425", Play::status(425), SOON),
        ("400", Play::status(400), SOON),
        ("410", Play::status(410), None),
        ("reset", Play::Reset, SOON),
        ("reset-in-body", Play::ResetInBody, SOON),
        ("drip", Play::Drip, SOON),
        ("silence", Play::Silence, SOON),
        ("no-http", raw("SSH-2.0-OpenSSH_9.9\n"), SOON),
        (
            "chunks",
            raw("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\nZZ\n"),
            SOON,
        ),
        (
            "half",
            raw("HTTP/1.1 200 OK\ncontent-length: 50\n\nhalf"),
            SOON,
        ),
    ];
    for status in [401, 403, 404, 407, 301, 302, 303, 307, 308] {
        let name: &'static str = Box::leak(status.to_string().into_boxed_str());
        rows.push((name, Play::with(status, "location", "/"), SLOWLY));
    }
    // `Retry-After` counts also for failures that an operator must fix.
    rows.push((
        "401-seconds",
        Play::with(401, "retry-after", "1800"),
        exactly(1_800_000),
    ));
    let mut made = Vec::new();
    for (name, play, again) in rows {
        made.push(Row::new(name, play, again).await);
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn each_response_is_retried_when_the_schedule_says_and_not_a_millisecond_sooner() {
    let rows = rows().await;
    let sink = |row: &Row| {
        let url = row.receiver.url("/");
        (
            row.name.clone(),
            format!("url = \"{url}\"\ntimeout = \"1s\""),
        )
    };
    let gateway = gateway(rows.iter().map(sink)).await;
    assert_eq!(gateway.send_fixture("ucloud/firing").await.status, 200);
    gateway.deliver_everything().await;
    let bounds = rows.iter().filter_map(|row| row.again);
    let mut times: Vec<u64> = bounds.flat_map(|(from, to)| [from - 1, to]).collect();
    times.push(24 * HOUR);
    times.sort_unstable();
    times.dedup();
    let mut now = 0;
    for time in times {
        gateway.advance(Duration::from_millis(time - now)).await;
        now = time;
        for row in &rows {
            let got = row.receiver.got().len();
            match row.again {
                Some((from, _)) if now < from => assert_eq!(got, 1, "{} at {now} ms", row.name),
                Some((_, to)) if now >= to => assert_eq!(got, 2, "{} at {now} ms", row.name),
                Some(_) => {}
                None => assert_eq!(got, 1, "{} at {now} ms", row.name),
            }
        }
    }
    for row in rows.iter().filter(|row| row.again.is_some()) {
        let got = row.receiver.got();
        let same = got[0].header("webhook-id") == got[1].header("webhook-id");
        assert!(same && got[0].body == got[1].body, "{}", row.name);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_never_takes_is_dead_after_three_attempts_and_its_lane_goes_on() {
    let mut receivers = Vec::new();
    for status in [400, 413, 415, 422] {
        let refused = std::iter::repeat_n(Play::status(status), 3);
        let receiver = Receiver::start(refused.chain([Play::status(200)])).await;
        receivers.push((status, receiver));
    }
    let sink = |(status, receiver): &(u16, Receiver)| {
        (
            format!("s{status}"),
            format!("url = \"{}\"", receiver.url("/")),
        )
    };
    let gateway = gateway(receivers.iter().map(sink)).await;
    for fixture in ["ucloud/firing", "ucloud/resolved"] {
        assert_eq!(gateway.send_fixture(fixture).await.status, 200);
    }
    gateway.deliver_everything().await;
    // At most 1 s and 5 s lie between three attempts.
    for seconds in [1, 5] {
        gateway.advance(Duration::from_secs(seconds)).await;
    }
    let said = |json: serde_json::Value| json["status"].as_str().unwrap().to_owned();
    for (status, receiver) in &receivers {
        let got: Vec<_> = receiver.got().iter().map(|got| said(got.json())).collect();
        assert_eq!(got, ["firing", "firing", "firing", "resolved"], "{status}");
    }
    let dead = gateway.list("/api/v1/dead").await;
    assert_eq!(dead.len(), receivers.len(), "{dead:?}");
    let mut classes: Vec<_> = dead
        .iter()
        .map(|row| {
            (
                row["sink"].as_str().unwrap(),
                row["class"].as_str().unwrap(),
            )
        })
        .collect();
    classes.sort_unstable();
    // A webhook has no short form: what is too large for the receiver stays so.
    let want = [
        ("webhook/s400", "poison"),
        ("webhook/s413", "too_large"),
        ("webhook/s415", "poison"),
        ("webhook/s422", "poison"),
    ];
    assert_eq!(classes, want);
    gateway.stop().await;
}

/// The first receiver accepts connections and never answers. The others get everything meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_twenty_sinks_that_never_answers_delays_none_of_the_others() {
    const ALERTS: usize = 30;
    let mut receivers = vec![Receiver::start([Play::Silence]).await];
    for _ in 1..20 {
        receivers.push(Receiver::start([]).await);
    }
    let sinks = receivers.iter().enumerate().map(|(number, receiver)| {
        let url = receiver.url("/");
        (
            format!("s{number}"),
            format!("url = \"{url}\"\ntimeout = \"60s\""),
        )
    });
    let gateway = gateway(sinks).await;
    for number in 0..ALERTS {
        let alarm = serde_json::json!({
            "SessionID": number.to_string(), "ResourceId": number.to_string(),
            "MetricName": "MemUsage", "AlarmTime": 1_470_822_697,
        });
        let path = "/callback/ucloud/fixture/campanile-fixture-key";
        assert_eq!(gateway.post(path, &alarm).await.status, 200);
    }
    let (black, others) = receivers.split_first().unwrap();
    for other in others {
        other.until(|got| got.len() >= ALERTS).await;
    }
    // As many as may be in flight to one sink, each on a connection of its own.
    assert_eq!(black.got_at_least(8).await.len(), 8);
    black.now_plays([Play::status(200)]);
    black.hangs_up();
    gateway.deliver_everything().await;
    gateway.advance(Duration::from_secs(10)).await;
    gateway.advance(Duration::from_secs(10)).await;
    let mut ids: Vec<_> = black
        .got()
        .iter()
        .map(|got| got.header("webhook-id").unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), ALERTS, "all its alerts came in the end");
    assert!(others.iter().all(|other| other.got().len() == ALERTS));
    gateway.stop().await;
}
