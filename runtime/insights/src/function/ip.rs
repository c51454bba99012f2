//! IP addresses and subnets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Function, or_null, row, text_of};
use crate::value::{Cell, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    row(&["isValidIp"], 1, 1, |a| tested(a, |s| address(s).is_some())),
    row(&["isValidIpV4"], 1, 1, |a| tested(a, |s| s.parse::<Ipv4Addr>().is_ok())),
    row(&["isValidIpV6"], 1, 1, |a| tested(a, |s| s.parse::<Ipv6Addr>().is_ok())),
    row(&["isIpInSubnet"], 2, 2, |a| in_subnet(a, |_| true)),
    row(&["isIpv4InSubnet"], 2, 2, |a| in_subnet(a, |ip| ip.is_ipv4())),
    row(&["isIpv6InSubnet"], 2, 2, |a| in_subnet(a, |ip| ip.is_ipv6())),
    row(&["ipv4ToNumber"], 1, 1, |a| {
        let ip = text_of(a, 0).and_then(|s| s.parse::<Ipv4Addr>().ok());
        or_null(ip.map(|ip| Value::Int(i64::from(u32::from(ip)))))
    }),
    row(&["isPrivateIP"], 1, 1, |a| tested(a, |s| address(s).is_some_and(is_private))),
    row(&["isReservedIP"], 1, 1, |a| tested(a, |s| address(s).is_some_and(is_reserved))),
    row(&["isPublicIP"], 1, 1, |a| {
        tested(a, |s| address(s).is_some_and(|ip| !is_private(ip) && !is_reserved(ip)))
    }),
];

fn tested(cells: &[Cell<'_>], verdict: fn(&str) -> bool) -> Value {
    or_null(text_of(cells, 0).map(|s| Value::Bool(verdict(&s))))
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn in_subnet(cells: &[Cell<'_>], family: fn(IpAddr) -> bool) -> Value {
    let (Some(ip), Some(subnet)) = (text_of(cells, 0), text_of(cells, 1)) else {
        return Value::Null;
    };
    let inside = (|| {
        let ip = address(&ip).filter(|ip| family(*ip))?;
        let (network, length) = subnet.split_once('/')?;
        contains(address(network)?, length.parse().ok()?, ip)
    })();
    Value::Bool(inside.unwrap_or(false))
}

/// None when the families differ or the length is too large.
fn contains(network: IpAddr, length: u32, ip: IpAddr) -> Option<bool> {
    let (network, ip, width) = match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return None,
    };
    let free = u32::checked_sub(width, length)?;
    Some(network.checked_shr(free).unwrap_or(0) == ip.checked_shr(free).unwrap_or(0))
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Special-purpose ranges that are not private networks.
fn is_reserved(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            a == 0
                || a == 127
                || a >= 224
                || ip.is_link_local()
                || ip.is_documentation()
                || (a == 100 && b & 0xc0 == 64)
                || (a == 198 && b & 0xfe == 18)
                || (a == 192 && b == 0 && c == 0)
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_multicast()
                || first & 0xffc0 == 0xfe80
                || (first == 0x2001 && second == 0xdb8)
        }
    }
}
