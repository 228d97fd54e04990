//! The addresses that the gateway refuses to call, in any notation.
//!
//! By default: link-local ranges with the metadata services of clouds (they give out credentials), unspecified, multicast
//! and broadcast. Private ranges and loopback are allowed, because self-hosted receivers live there;
//! [`Egress::PublicOnly`] refuses those as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which addresses a sink may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// All but link-local, metadata and group addresses.
    Any,
    /// Only public addresses.
    PublicOnly,
}

/// An address that is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is refused: it is {0}")]
pub struct Refused(pub &'static str);

type Row = (IpNet, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(head: [u16; 4], tail: u16, bits: u8) -> IpNet {
    let ip = Ipv6Addr::new(head[0], head[1], head[2], head[3], 0, 0, 0, tail);
    IpNet::V6(Ipv6Net::new_assert(ip, bits))
}

/// Refused with every setting.
const ALWAYS: &[Row] = &[
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(169, 254, 0, 0, 16), "link-local or a metadata service"),
    (
        v4(100, 100, 100, 200, 32),
        "Alibaba Cloud's metadata service",
    ),
    (v4(100, 80, 80, 80, 32), "UCloud's metadata service"),
    (v4(168, 63, 129, 16, 32), "Azure's metadata service"),
    (v4(192, 0, 0, 192, 32), "Oracle Cloud's metadata service"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    (v6([0; 4], 0, 128), "unspecified"),
    (v6([0xfe80, 0, 0, 0], 0, 10), "link-local"),
    (v6([0xfd00, 0xec2, 0, 0], 0x254, 128), "a metadata service"),
    (v6([0xfd20, 0xce, 0, 0], 0x254, 128), "a metadata service"),
    (v6([0xff00, 0, 0, 0], 0, 8), "multicast"),
];

/// Refused in addition with `egress = "public_only"`.
const NOT_PUBLIC: &[Row] = &[
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(100, 64, 0, 0, 10), "shared (CGNAT)"),
    (v4(192, 0, 0, 0, 24), "reserved"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(192, 88, 99, 0, 24), "reserved"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(240, 0, 0, 0, 4), "reserved"),
    (v6([0; 4], 1, 128), "loopback"),
    (v6([0xfc00, 0, 0, 0], 0, 7), "private (ULA)"),
    (v6([0xfec0, 0, 0, 0], 0, 10), "private (site-local)"),
    (v6([0x2001, 0, 0, 0], 0, 23), "reserved"),
    (v6([0x2001, 0xdb8, 0, 0], 0, 32), "for documentation"),
    (v6([0x3fff, 0, 0, 0], 0, 20), "for documentation"),
    (v6([0x2002, 0, 0, 0], 0, 16), "a 6to4 tunnel"),
    (v6([0x64, 0xff9b, 1, 0], 0, 48), "private (NAT64)"),
    (v6([0x5f00, 0, 0, 0], 0, 16), "reserved"),
    (v6([0x100, 0, 0, 0], 0, 64), "discarded"),
];

/// Allows an address, or gives the reason for the refusal. IPv4 addresses inside IPv6 addresses are checked as IPv4.
pub fn admit(ip: IpAddr, egress: Egress) -> Result<(), Refused> {
    judge(ip, egress)?;
    let IpAddr::V6(v6) = ip else {
        return Ok(());
    };
    embedded(v6)
        .into_iter()
        .flatten()
        .try_for_each(|v4| judge(v4.into(), egress))
}

fn judge(ip: IpAddr, egress: Egress) -> Result<(), Refused> {
    let more = match egress {
        Egress::Any => &[],
        Egress::PublicOnly => NOT_PUBLIC,
    };
    let row = ALWAYS.iter().chain(more).find(|(net, _)| net.contains(&ip));
    row.map_or(Ok(()), |(_, why)| Err(Refused(why)))
}

/// The IPv4 addresses that an IPv6 address can contain: mapped, compatible, translated, NAT64, ISATAP, 6to4, Teredo
/// (its server and its client).
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        // `::` and `::1` are IPv6 addresses, not 0.0.0.0 and 0.0.0.1.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, _, _, _, _, a, b]
        | [_, _, _, _, 0 | 0x200, 0x5efe, a, b]
        | [0x2002, a, b, ..] => [Some(join(a, b)), None],
        [0x2001, 0, a, b, _, _, c, d] => [Some(join(a, b)), Some(join(!c, !d))],
        _ => [None, None],
    }
}
