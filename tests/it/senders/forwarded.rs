//! The address of the caller behind any chain of proxies: text that an untrusted sender writes in front of the entries
//! of the proxies has no effect.

use std::net::IpAddr;

use campanile::http::address::caller;
use campanile_providers::Source;
use ipnet::IpNet;
use proptest::prelude::*;

use crate::standing::{Standing, config, post, source};

const BODY: &[u8] = br#"{"probe":"1"}"#;

/// Proxies of every kind of network.
fn trusted() -> Vec<IpNet> {
    let nets = ["10.0.0.0/8", "192.0.2.16/28", "fd00::/8", "2001:db8:1::/48"];
    nets.map(|net| net.parse().unwrap()).to_vec()
}

fn proxy() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        (16_u8..32).prop_map(|last| IpAddr::from([192, 0, 2, last])),
        any::<[u16; 7]>()
            .prop_map(|[a, b, c, d, e, f, g]| IpAddr::from([0xfd00, a, b, c, d, e, f, g])),
        any::<[u16; 5]>()
            .prop_map(|[a, b, c, d, e]| IpAddr::from([0x2001, 0xdb8, 1, a, b, c, d, e])),
    ]
}

/// A caller that is not a trusted proxy. The table covers IPv6 forms of IPv4 addresses.
fn untrusted() -> impl Strategy<Value = IpAddr> {
    let any = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u16; 7]>()
            .prop_map(|[a, b, c, d, e, f, g]| IpAddr::from([0x2400, a, b, c, d, e, f, g])),
    ];
    any.prop_filter("a proxy", |ip| {
        !trusted().iter().any(|net| net.contains(ip))
    })
}

/// An address, in each form that proxies write.
fn written(ip: IpAddr, way: u8) -> String {
    match (ip, way % 4) {
        (IpAddr::V4(v4), 1) => format!("::ffff:{v4}"),
        (IpAddr::V4(v4), 2) => format!("{v4}:4711"),
        (IpAddr::V4(v4), 3) => format!("[::ffff:{v4}]:4711"),
        (IpAddr::V6(v6), 1) => format!("[{v6}]"),
        (IpAddr::V6(v6), 2) => format!("[{v6}]:4711"),
        _ => ip.to_string(),
    }
}

/// The entries that an untrusted sender writes before the first trusted proxy. They can contain addresses of trusted
/// proxies.
fn claim() -> impl Strategy<Value = String> {
    prop_oneof![
        (proxy(), any::<u8>()).prop_map(|(ip, way)| written(ip, way)),
        (untrusted(), any::<u8>()).prop_map(|(ip, way)| written(ip, way)),
        "[ -~]{0,20}",
        Just("unknown".to_owned()),
        Just(String::new()),
        Just("127.0.0.1".to_owned()),
    ]
}

proptest! {
    #[test]
    fn whatever_a_stranger_claims_the_caller_is_who_the_first_proxy_of_ours_saw(
        client in untrusted(),
        proxies in prop::collection::vec(proxy(), 0..5),
        claims in prop::collection::vec(claim(), 0..6),
        ways in prop::collection::vec(any::<u8>(), 6),
        new_line in prop::collection::vec(any::<bool>(), 12),
        blanks in prop::collection::vec(0_usize..3, 12),
    ) {
        // The first proxy appends the client, each further proxy appends the previous one. The last proxy calls the
        // gateway.
        let seen = std::iter::once(client).chain(proxies.iter().copied());
        let appended = seen.take(proxies.len()).zip(&ways).map(|(ip, way)| written(ip, *way));
        let mut lines: Vec<String> = Vec::new();
        for (at, item) in claims.into_iter().chain(appended).enumerate() {
            let blank = " ".repeat(*blanks.get(at).unwrap());
            match lines.last_mut() {
                Some(last) if !*new_line.get(at).unwrap() => last.extend([",", &blank, &item]),
                _ => lines.push(item),
            }
        }
        let peer = proxies.last().copied().unwrap_or(client);
        let found = caller(Some(peer), lines.iter().map(|line| Some(line.as_str())), &trusted());
        prop_assert_eq!(found, Some(client), "{} {:?}", peer, lines);
    }

    #[test]
    fn no_header_whatever_makes_the_caller_anybody_when_no_proxy_is_trusted(
        peer in untrusted(),
        lines in prop::collection::vec(prop::option::of("[ -~]{0,40}"), 0..4),
    ) {
        let found = caller(Some(peer), lines.iter().map(Option::as_deref), &[]);
        prop_assert_eq!(found, Some(peer));
    }
}

/// A source for callers of one address, behind a proxy on this machine or none.
async fn gateway(proxies: &[&str]) -> Standing {
    let held = Source {
        allow_from: vec![
            "203.0.113.9/32".parse().unwrap(),
            "2001:db8:9::/48".parse().unwrap(),
        ],
        ..source("a")
    };
    let mut config = config(vec![held]);
    config.server.trusted_proxies = proxies.iter().map(|net| net.parse().unwrap()).collect();
    Standing::of(&config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_range_lets_in_whom_trusted_proxies_saw_and_nobody_who_says_so_himself() {
    let direct = gateway(&[]).await;
    let behind = gateway(&["127.0.0.1/32", "10.0.0.0/8"]).await;
    let rows = [
        ("", 403),
        ("x-forwarded-for: 203.0.113.9\r\n", 200),
        ("X-FORWARDED-FOR:203.0.113.9:4711\r\n", 200),
        ("x-forwarded-for: ::ffff:203.0.113.9\r\n", 200),
        ("x-forwarded-for: [2001:db8:9::1]:80\r\n", 200),
        ("x-forwarded-for: 2001:db8:9::1, 10.1.1.1\r\n", 200),
        (
            "x-forwarded-for: 203.0.113.9\r\nx-forwarded-for: 10.1.1.1\r\n",
            200,
        ),
        ("x-forwarded-for: garbage, 203.0.113.9\r\n", 200),
        // The text of the untrusted sender is to the left of the proxy's entry.
        ("x-forwarded-for: 203.0.113.9, 198.51.100.1\r\n", 403),
        (
            "x-forwarded-for: 203.0.113.9\r\nx-forwarded-for: 198.51.100.1\r\n",
            403,
        ),
        (
            "x-forwarded-for: 10.1.1.1, 203.0.113.9, 198.51.100.1\r\n",
            403,
        ),
        ("x-forwarded-for: 203.0.113.9,\r\n", 403),
        ("x-forwarded-for: 203.0.113.9 198.51.100.1\r\n", 403),
        ("x-forwarded-for: \"203.0.113.9\"\r\n", 403),
        ("x-forwarded-for: 203.0.113.09\r\n", 403),
        ("x-forwarded-for: 3405803785\r\n", 403),
        ("x-forwarded-for: 203.0.113.9%0\r\n", 403),
        ("x-forwarded-for: 203.0.113.9\u{b9}\r\n", 403),
        // Proxies are not configured for these headers, so they do not remove the values of a sender.
        ("forwarded: for=203.0.113.9\r\n", 403),
        ("x-real-ip: 203.0.113.9\r\n", 403),
        ("true-client-ip: 203.0.113.9\r\n", 403),
        ("cf-connecting-ip: 203.0.113.9\r\n", 403),
        ("x-forwarded_for: 203.0.113.9\r\n", 403),
        ("x-forwarded-for : 203.0.113.9\r\n", 400),
    ];
    for (head, status) in rows {
        let call = post("/callback/probe/a", head, BODY);
        assert_eq!(
            behind.send(&call).await.status,
            status,
            "behind a proxy: {head}"
        );
        let without_proxy = if status == 400 { 400 } else { 403 };
        assert_eq!(
            direct.send(&call).await.status,
            without_proxy,
            "direct: {head}"
        );
    }
}
