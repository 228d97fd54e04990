//! Any text as an address: in `X-Forwarded-For`, and in the URL of a sink. A sender cannot change its own address with
//! more header text. An address that the gateway treats as public is public for the standard library too.

use std::net::IpAddr;

use campanile::http::address::caller;
use campanile_sinks::http::client::admit_host;
use campanile_sinks::http::guard::{Egress, admit};
use ipnet::IpNet;
use url::Url;

use crate::Seeds;

/// The input: the peer, the trusted ranges in one line, and the lines of `X-Forwarded-For`. The first line is also taken as
/// the host of a sink's URL.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.lines();
    let (first, ranges) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    host(first);
    if let Ok(peer) = first.parse() {
        guarded(peer);
        let trusted: Vec<IpNet> = ranges
            .split(',')
            .filter_map(|net| net.trim().parse().ok())
            .collect();
        forwarded(peer, &trusted, &lines.collect::<Vec<_>>());
    }
}

/// Addresses in every form, and proxies in front of them.
pub fn seeds() -> Seeds {
    const SEEDS: &[&str] = &[
        "10.0.0.1\n10.0.0.0/8,fd00::/8\n203.0.113.9, 10.0.0.2\n10.0.0.3:4711",
        "::ffff:10.0.0.1\n10.0.0.0/8\n[2001:db8::1]:443, ::ffff:203.0.113.9",
        "fd00::1\nfd00::/8\n[2001:db8::7]",
        "203.0.113.9\n10.0.0.0/8\n1.1.1.1",
        "10.0.0.1\n10.0.0.0/8\nunknown, \"x\", 0x7f.1, 1.1.1.1,",
        "127.1\n\n",
        "0x7f000001\n\n",
        "017700000001\n\n",
        "[::ffff:169.254.169.254]\n\n",
        "64:ff9b::a9fe:a9fe\n\n",
        "2002:a9fe:a9fe::\n\n",
        "2001:0:a9fe:a9fe::ffff:ffff\n\n",
        "fe80::1\n\n",
        "fd00:ec2::254\n\n",
        "100.100.100.200\n\n",
        "user:password@localhost:8080\n\n",
        "１２７.０.０.１\n\n",
    ];
    SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

fn forwarded(peer: IpAddr, trusted: &[IpNet], lines: &[&str]) {
    let believed =
        |lines: &[&str]| caller(Some(peer), lines.iter().map(|line| Some(*line)), trusted);
    let found = believed(lines);
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    if !is_trusted(peer.to_canonical()) {
        assert_eq!(
            found,
            Some(peer.to_canonical()),
            "the claim of an untrusted sender is used"
        );
    }
    // The address of the sender is to the left of the entries that proxies append. Text further to the left must not
    // change it.
    if found.is_some_and(|ip| !is_trusted(ip)) {
        let mut claimed: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        if let Some(line) = claimed.first_mut() {
            line.insert_str(0, "192.0.2.66, ");
        }
        claimed.insert(0, "garbage, 10.0.0.1".to_owned());
        let claimed: Vec<&str> = claimed.iter().map(String::as_str).collect();
        assert_eq!(
            believed(&claimed),
            found,
            "a claim changes the address of the caller"
        );
    }
}

/// The host of a URL, in any notation.
fn host(text: &str) {
    let Ok(url) = Url::parse(&format!("https://{text}/")) else {
        return;
    };
    let ip = match url.host() {
        Some(url::Host::Ipv4(ip)) => IpAddr::from(ip),
        Some(url::Host::Ipv6(ip)) => IpAddr::from(ip),
        _ => return,
    };
    for egress in [Egress::Any, Egress::PublicOnly] {
        let admitted = admit_host(&url, egress).is_ok();
        assert_eq!(
            admitted,
            admit(ip, egress).is_ok(),
            "the host of the URL is not treated like {ip}"
        );
    }
    guarded(ip);
}

fn guarded(ip: IpAddr) {
    if admit(ip, Egress::PublicOnly).is_ok() {
        assert!(
            admit(ip, Egress::Any).is_ok(),
            "a public address is refused"
        );
        assert!(is_public(ip), "{ip} is treated as public");
    }
    if let IpAddr::V4(v4) = ip {
        for egress in [Egress::Any, Egress::PublicOnly] {
            let mapped = admit(v4.to_ipv6_mapped().into(), egress);
            assert_eq!(
                mapped,
                admit(ip, egress),
                "{ip} is treated differently as a mapped address"
            );
        }
    }
}

/// Whether the classes of the standard library make it public.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_unspecified())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}
