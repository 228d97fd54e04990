//! Servers that die, hang, refuse or close connections.

use std::pin::pin;

use campanile_sinks::Class;
use campanile_sinks::kinds::syslog::SyslogKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::server::{Rsyslog, free};
use super::{assert_is, build_kind, message, resolved};

#[tokio::test]
async fn what_was_confirmed_before_and_after_a_server_was_killed_is_read() {
    let mut rsyslog = Rsyslog::start().await;
    let sink = rsyslog.sink("tcp", "");
    for round in ["dlv_1", "dlv_2"] {
        sink.send(&resolved(round)).await.unwrap();
        assert_is(&rsyslog.next().await, round);
        rsyslog = rsyslog.restarted().await;
    }
}

#[tokio::test]
async fn a_kept_connection_whose_server_is_gone_is_noticed_before_the_write() {
    let mut rsyslog = Rsyslog::start().await;
    let sink = rsyslog.sink("tcp", "confirm = 'none'");
    for round in ["dlv_1", "dlv_2"] {
        sink.send(&resolved(round)).await.unwrap();
        assert_is(&rsyslog.next().await, round);
        rsyslog = rsyslog.restarted().await;
    }
    sink.send(&resolved("dlv_3")).await.unwrap();
    assert_is(&rsyslog.next().await, "dlv_3");
}

#[tokio::test]
async fn a_kept_connection_is_used_for_all_messages_in_their_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "url = 'tcp://{}'\nconfirm = 'none'\nframing = 'lf'",
        listener.local_addr().unwrap()
    );
    let sink = build_kind(&SyslogKind, &url);
    let messages: Vec<_> = (0..20).map(|n| resolved(&format!("dlv_{n}"))).collect();
    let sent = futures_util::future::join_all(messages.iter().map(|m| sink.send(m)));
    let (mut stream, _) = tokio::join!(async { listener.accept().await.unwrap().0 }, sent);
    drop(sink);
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    let lines: Vec<_> = read.lines().collect();
    assert_eq!(lines.len(), messages.len(), "{read}");
    for (line, message) in lines.iter().zip(&messages) {
        let id = format!(" id=\"{}\"", message.delivery_id);
        assert!(line.contains(&id), "{id} in {line}");
    }
}

#[tokio::test]
async fn a_server_that_closes_a_connection_without_reading_it_has_confirmed_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("url = 'tcp://{}'", listener.local_addr().unwrap());
    let sink = build_kind(&SyslogKind, &url);
    for _ in 0..20 {
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The end is seen first, then the reset.
            stream.shutdown().await.unwrap();
            stream.readable().await.unwrap();
        };
        let message = message();
        let ((), sent) = tokio::join!(server, sink.send(&message));
        let failure = sent.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_tried_again_also_over_udp() {
    let port = free();
    for scheme in ["tcp", "udp", "tls"] {
        let sink = build_kind(&SyslogKind, &format!("url = '{scheme}://127.0.0.1:{port}'"));
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{scheme}: {failure}");
        assert!(failure.reason.contains("refused"), "{scheme}: {failure}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_ends_the_send_within_the_timeout() {
    let rsyslog = Rsyslog::start().await;
    let sink = rsyslog.sink("tcp", "");
    rsyslog.server.signal("STOP");
    let failure = sink.send(&resolved("dlv_late")).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    rsyslog.server.signal("CONT");
    // It was given up, and arrives all the same: its id is the same in the next attempt.
    assert_is(&rsyslog.next().await, "dlv_late");
    sink.send(&resolved("dlv_late")).await.unwrap();
    assert_is(&rsyslog.next().await, "dlv_late");
}

#[tokio::test]
async fn what_is_dropped_is_not_sent_later() {
    let rsyslog = Rsyslog::start().await;
    for (scheme, more) in [("tcp", ""), ("tcp", "confirm = 'none'"), ("udp", "")] {
        let sink = rsyslog.sink(scheme, more);
        let dropped = resolved("dlv_dropped");
        let _begun = futures_util::poll!(pin!(sink.send(&dropped)));
        sink.send(&resolved("dlv_sent")).await.unwrap();
        assert_is(&rsyslog.next().await, "dlv_sent");
    }
}

#[tokio::test]
async fn a_probe_connects_and_sends_no_message() {
    let rsyslog = Rsyslog::start().await;
    let at = message().at;
    for more in ["", "confirm = 'none'"] {
        let sink = rsyslog.sink("tcp", more);
        sink.probe(at).unwrap().await.unwrap();
        sink.send(&resolved("dlv_first")).await.unwrap();
        assert_is(&rsyslog.next().await, "dlv_first");
    }
    assert!(rsyslog.sink("udp", "").probe(at).is_none());
    let down = build_kind(&SyslogKind, &format!("url = 'tcp://127.0.0.1:{}'", free()));
    let failure = down.probe(at).unwrap().await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
}

#[tokio::test]
async fn an_address_that_the_egress_rules_refuse_is_not_called() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (tcp, udp) = (listener.local_addr(), datagrams.local_addr());
    let (tcp, udp) = (tcp.unwrap().port(), udp.unwrap().port());
    for (scheme, port) in [("tcp", tcp), ("tls", tcp), ("udp", udp)] {
        let values = format!("url = '{scheme}://localhost:{port}'\negress = 'public_only'");
        let failure = build_kind(&SyslogKind, &values)
            .send(&message())
            .await
            .unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{scheme}: {failure}");
    }
    assert!(futures_util::poll!(pin!(listener.accept())).is_pending());
    assert!(futures_util::poll!(pin!(datagrams.recv(&mut [0]))).is_pending());
}
