//! The address of the caller: the TCP peer, or the address that trusted proxies report.
//!
//! Any sender can set `X-Forwarded-For`. Each proxy appends the address of its own peer, so only the entries that
//! trusted proxies appended are used. They are read from the right. An entry is used only if the address to its right
//! belongs to a trusted proxy.

use std::net::IpAddr;

use ipnet::IpNet;

/// The address of the caller. `forwarded` holds all `X-Forwarded-For` lines in their order. `None` means that a trusted
/// proxy sent an entry that cannot be read: such a caller matches no address range.
pub fn caller<'h>(
    peer: Option<IpAddr>,
    forwarded: impl DoubleEndedIterator<Item = Option<&'h str>>,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let mut caller = peer?.to_canonical();
    for line in forwarded.rev() {
        if !is_trusted(caller, trusted) {
            return Some(caller);
        }
        for claimed in line?.rsplit(',') {
            if !is_trusted(caller, trusted) {
                return Some(caller);
            }
            caller = address(claimed)?;
        }
    }
    Some(caller)
}

/// Whether `ip` is the address of a trusted proxy.
pub(super) fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip))
}

/// Reads an address in one of the three forms that proxies write: bare, with a port, or in brackets.
fn address(claimed: &str) -> Option<IpAddr> {
    let claimed = claimed.trim();
    let bare: Option<IpAddr> = claimed.parse().ok();
    let with_port = || {
        let socket: std::net::SocketAddr = claimed.parse().ok()?;
        Some(socket.ip())
    };
    let bracketed = || {
        let inside = claimed.strip_prefix('[')?.strip_suffix(']')?;
        let v6: std::net::Ipv6Addr = inside.parse().ok()?;
        Some(IpAddr::V6(v6))
    };
    let ip = bare.or_else(with_port).or_else(bracketed)?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_appended_is_believed() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"]
            .map(|net| net.parse().unwrap())
            .to_vec();
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            // No trusted proxy: the header is ignored.
            ("203.0.113.9", &[], Some("203.0.113.9")),
            ("203.0.113.9", &["1.1.1.1"], Some("203.0.113.9")),
            ("203.0.113.9", &["garbage"], Some("203.0.113.9")),
            // One proxy, two proxies, and an entry of the sender in front of theirs.
            ("10.0.0.1", &["203.0.113.9"], Some("203.0.113.9")),
            ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], Some("203.0.113.9")),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], Some("203.0.113.9")),
            ("10.0.0.1", &["10.9.9.9, 203.0.113.9"], Some("203.0.113.9")),
            // Several lines are one list.
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9"], Some("203.0.113.9")),
            (
                "10.0.0.1",
                &["203.0.113.9", "10.0.0.2,10.0.0.3"],
                Some("203.0.113.9"),
            ),
            // All addresses are trusted: the leftmost one is used.
            ("10.0.0.1", &["10.0.0.5, 10.0.0.2"], Some("10.0.0.5")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            // Entries to the left of the first untrusted address are not read.
            ("10.0.0.1", &["garbage, 203.0.113.9"], Some("203.0.113.9")),
            // An entry of a trusted proxy must be readable.
            ("10.0.0.1", &["203.0.113.9, garbage"], None),
            ("10.0.0.1", &["unknown"], None),
            ("10.0.0.1", &[""], None),
            ("10.0.0.1", &["203.0.113.9,"], None),
            ("10.0.0.1", &["0x7f.1"], None),
            ("10.0.0.1", &["[203.0.113.9]"], None),
            // Ports, brackets and mapped addresses.
            ("10.0.0.1", &["203.0.113.9:4711"], Some("203.0.113.9")),
            ("10.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            ("10.0.0.1", &["[2001:db8::1]"], Some("2001:db8::1")),
            (
                "::ffff:10.0.0.1",
                &["::ffff:203.0.113.9"],
                Some("203.0.113.9"),
            ),
            ("::ffff:203.0.113.9", &["1.1.1.1"], Some("203.0.113.9")),
            ("fd00::1", &["2001:db8::7"], Some("2001:db8::7")),
        ];
        for (peer, lines, want) in cases {
            let peer: IpAddr = peer.parse().unwrap();
            let got = caller(Some(peer), lines.iter().map(|l| Some(*l)), &trusted);
            let want: Option<IpAddr> = want.map(|ip| ip.parse().unwrap());
            assert_eq!(got, want, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_text_is_unknown_only_where_it_counts() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let proxy = Some("10.0.0.1".parse().unwrap());
        assert_eq!(caller(proxy, [None].into_iter(), &trusted), None);
        let untrusted = Some("203.0.113.9".parse().unwrap());
        assert_eq!(caller(untrusted, [None].into_iter(), &trusted), untrusted);
    }
}
