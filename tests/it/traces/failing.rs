//! A collector that is down, refuses or is silent: it costs its spans, and nothing else.

use std::time::{Duration, Instant};

use super::{alarm, settings};
use crate::gateway::Gateway;
use crate::operations::{self, running};
use crate::receiver::{Play, Receiver};

/// What the log says once.
const DROPPED: &str = "the collector of traces does not take spans";

/// No alert is delivered.
const IDLE: &str = "[[routes]]\nwhen = \"false\"\nsinks = [\"webhook/oncall\"]";

const COUNTER: &str = "campanile_spans_dropped_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_or_refuses_costs_one_log_line_and_no_alert() {
    let refuses = Receiver::start([Play::status(400)]).await;
    let closed = Receiver::start([]).await;
    let down = settings(&closed, &closed, "");
    let address = closed.url("");
    drop(closed);
    for refusing in [false, true] {
        let sink = Receiver::start([]).await;
        let settings = if refusing {
            settings(&sink, &refuses, "")
        } else {
            down.replace(
                &format!("url = \"{address}/\""),
                &format!("url = \"{}\"", sink.url("/")),
            )
        };
        let (_folder, process) = running(&settings).await;
        assert_eq!(operations::alarm(&process, "prod", "1").await.status, 200);
        process.logs_times(DROPPED, 1).await;
        for session in ["2", "3"] {
            let reply = operations::alarm(&process, "prod", session).await;
            assert_eq!(reply.status, 200);
            let trace = reply.header("x-trace-id").to_owned();
            process
                .logs_times(&format!("\"trace\":\"{trace}\""), 1)
                .await;
        }
        sink.got_at_least(3).await;
        process.signal("TERM");
        assert!(process.ended().await.success());
        let log = process.log();
        assert_eq!(log.matches(DROPPED).count(), 1, "{log}");
        assert!(!log.contains("c4nary"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_a_collector_refuses_are_counted() {
    let partly = "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"x\"}}";
    for answer in [Play::status(503), Play::body(partly)] {
        let collector = Receiver::start([answer]).await;
        let (_folder, process) = running(&settings(&collector, &collector, IDLE)).await;
        let dropped = async || {
            let text = process.look("/metrics", "").await.body;
            let mut lines = text.lines();
            let value =
                lines.find_map(|line| line.strip_prefix(COUNTER)?.trim().parse::<u64>().ok());
            value.unwrap_or_else(|| panic!("{text}"))
        };
        assert_eq!(dropped().await, 0);
        operations::alarm(&process, "prod", "1").await;
        process.logs_times(DROPPED, 1).await;
        assert!((2..=5).contains(&dropped().await), "{}", dropped().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_holds_up_neither_callbacks_nor_the_stop() {
    let sink = Receiver::start([]).await;
    let collector = Receiver::start([Play::Silence]).await;
    let gateway = Gateway::start(&settings(&sink, &collector, "")).await;
    alarm(&gateway, "0", "").await;
    collector.got_at_least(1).await;
    assert_eq!(alarm(&gateway, "1", "").await.status, 200);
    gateway.deliver_everything().await;
    assert_eq!(sink.got().len(), 2);
    // Less than the collector may take for a request.
    let began = Instant::now();
    gateway.stop().await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}
