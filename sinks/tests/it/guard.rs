//! Addresses that are not called, however they are written.

use std::net::IpAddr;

use campanile_sinks::Class;
use campanile_sinks::dial::dial;
use campanile_sinks::http::guard::{Egress, admit};

use super::{assert_no_secret, message, sink, try_build, webhook};
use campanile_receiver::scripted::Receiver;

fn admits(ip: &str, egress: Egress) -> bool {
    admit(ip.parse::<IpAddr>().unwrap(), egress).is_ok()
}

#[test]
fn metadata_link_local_and_group_addresses_are_always_refused_in_every_encoding() {
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.0.23",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "fe80::1",
        "febf::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:808:808:0:0:5601:5601",
        // 168.63.129.16, of which every bit counts.
        "2001:0:808:808:0:0:57c0:7eef",
        "2001:db8::5efe:169.254.169.254",
    ] {
        assert!(!admits(ip, Egress::Any), "{ip}");
        assert!(!admits(ip, Egress::PublicOnly), "{ip}");
    }
}

#[test]
fn private_addresses_are_allowed_unless_the_operator_wants_public_ones_only() {
    for ip in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "198.51.100.7",
        "203.0.113.7",
        "240.0.0.1",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "64:ff9b::192.168.0.1",
        "2002:a00:1::1",
    ] {
        assert!(admits(ip, Egress::Any), "{ip}");
        assert!(!admits(ip, Egress::PublicOnly), "{ip}");
    }
    for ip in [
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
    ] {
        assert!(admits(ip, Egress::PublicOnly), "{ip}");
    }
}

#[test]
fn a_url_with_a_refused_address_is_refused_when_the_config_is_loaded() {
    for host in [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "0xa9.254.0xa9fe",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fe80::1]",
        "user@169.254.169.254",
        "１６９.254.169.254",
    ] {
        let Err(error) = try_build(&webhook(&format!("http://{host}/c4nary"))) else {
            panic!("{host} passes");
        };
        assert_eq!(error.setting, "url");
        assert!(error.problem.contains("refused"), "{host}: {error}");
        assert_no_secret(&error.to_string());
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_refused_address_is_never_called() {
    let receiver = Receiver::start([]).await;
    let url = format!("http://localhost:{}/c4nary", receiver.address().port());
    let guarded = sink(campanile_sinks::kinds::webhook::Settings {
        public_only: true,
        ..webhook(&url)
    });
    let failure = guarded.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("loopback"), "{failure}");
    assert_no_secret(&format!("{failure:?}"));
    assert_eq!(receiver.connections(), 0);

    // The same name without the wish is fine: people host this themselves.
    sink(webhook(&url)).send(&message()).await.unwrap();
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_connection_of_another_protocol_is_opened_only_to_an_address_that_is_allowed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        assert!(dial(host, port, Egress::Any).await.is_ok());
        let refused = dial(host, port, Egress::PublicOnly).await.unwrap_err();
        assert_eq!(refused.class, Class::Operator);
        assert!(refused.reason.contains("loopback"), "{refused}");
    }
    let refused = dial("169.254.169.254", 80, Egress::Any).await.unwrap_err();
    assert_eq!(refused.class, Class::Operator);
    drop(listener);
    let closed = dial("127.0.0.1", port, Egress::Any).await.unwrap_err();
    assert_eq!(closed.class, Class::Transient);
}
