//! Functions on IP addresses for queries:
//! `fields ipClass(clientIp) as class | stats count(*) by class`,
//! `filter ipInside(clientIp, "10.0.0.0/8", "fd00::/8") | stats count(*) by ipNetwork(clientIp, 24)`. What is no address gives null.

use std::net::IpAddr;

use logboom_sdk::prelude::*;

struct IpFunctions;

/// What addresses are for; the first class with a range that holds one names it.
const CLASSES: &[(&str, &[&str])] = &[
    ("loopback", &["127.0.0.0/8", "::1/128"]),
    ("instance metadata", &["169.254.169.254/32", "fd00:ec2::254/128"]),
    ("link-local", &["169.254.0.0/16", "fe80::/10"]),
    ("private", &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]),
    ("carrier NAT", &["100.64.0.0/10"]),
    ("documentation", &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]),
    ("multicast", &["224.0.0.0/4", "ff00::/8"]),
    ("public", &["0.0.0.0/0", "2000::/3"]),
];

impl QueryFunctions for IpFunctions {
    fn describe() -> Vec<Signature> {
        let new = |name: &str, help: &str| Signature::new(name, help).takes(ScalarType::Text);
        let inside = new("ipInside", "Whether an address is in one of the ranges").takes(ScalarType::Text);
        vec![
            new("ipClass", "What an address is for: public, private, loopback, ..."),
            new("ipNetwork", "The network of so many bits around an address").takes(ScalarType::Integer),
            Signature { variadic: true, ..inside.gives(ScalarType::Boolean) },
        ]
    }

    fn evaluate(name: &str, columns: &[Vec<Scalar>], rows: usize) -> Result<Vec<Scalar>, String> {
        let text = |column: usize, row: usize| columns[column][row].as_text().unwrap_or_default();
        let value = |row: usize| -> Option<Scalar> {
            let ip: IpAddr = text(0, row).trim().parse().ok()?;
            let of = |class: &&(&str, &[&str])| class.1.iter().any(|range| inside(ip, range).is_some());
            Some(match name {
                "ipClass" => Scalar::Text(CLASSES.iter().find(of)?.0.to_owned()),
                "ipNetwork" => Scalar::Text(network(ip, columns[1][row].as_number()? as u32)?),
                _ => {
                    Scalar::Boolean((1..columns.len()).any(|column| inside(ip, text(column, row)).is_some()))
                }
            })
        };
        Ok((0..rows).map(|row| value(row).unwrap_or(Scalar::Null)).collect())
    }
}

logboom_sdk::export!(IpFunctions: query_functions);

/// The bits of an address at the top of a number, and how many there are.
fn bits(ip: IpAddr) -> (u128, u32) {
    match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    }
}

/// The bits that `length` leaves of an address.
fn prefix(ip: IpAddr, length: u32) -> Option<u128> {
    (length <= bits(ip).1).then(|| bits(ip).0 & u128::MAX.checked_shl(128 - length).unwrap_or(0))
}

fn inside(ip: IpAddr, range: &str) -> Option<()> {
    let (network, length) = range.trim().split_once('/')?;
    let (network, length): (IpAddr, u32) = (network.parse().ok()?, length.parse().ok()?);
    (network.is_ipv4() == ip.is_ipv4() && prefix(ip, length)? == prefix(network, length)?).then_some(())
}

fn network(ip: IpAddr, length: u32) -> Option<String> {
    let first = prefix(ip, length)?.to_be_bytes();
    let first =
        if ip.is_ipv4() { [first[0], first[1], first[2], first[3]].into() } else { IpAddr::from(first) };
    Some(format!("{first}/{length}"))
}

#[cfg(test)]
mod tests;
