//! What the functions give, null for nonsense included.

use logboom_sdk::prelude::*;

use super::IpFunctions;

fn ask(name: &str, arguments: &[Scalar]) -> Scalar {
    let columns: Vec<Vec<Scalar>> = arguments.iter().map(|argument| vec![argument.clone()]).collect();
    IpFunctions::evaluate(name, &columns, 1).expect("never fails").remove(0)
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

#[test]
fn addresses_are_classified() {
    for (ip, class) in [
        ("8.8.8.8", "public"),
        ("2001:4860:4860::8888", "public"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", "public"),
        ("fd12::1", "private"),
        ("127.0.0.53", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "instance metadata"),
        ("169.254.169.253", "link-local"),
        ("100.100.0.1", "carrier NAT"),
        ("239.1.1.1", "multicast"),
    ] {
        assert_eq!(ask("ipClass", &[text(ip)]), text(class), "{ip}");
    }
    for nothing in [text("300.1.1.1"), text(""), Scalar::Null, Scalar::Integer(7)] {
        assert_eq!(ask("ipClass", &[nothing]), Scalar::Null);
    }
}

#[test]
fn networks_and_ranges() {
    assert_eq!(ask("ipNetwork", &[text("10.1.2.3"), Scalar::Integer(16)]), text("10.1.0.0/16"));
    assert_eq!(ask("ipNetwork", &[text("10.1.2.3"), Scalar::Integer(0)]), text("0.0.0.0/0"));
    assert_eq!(ask("ipNetwork", &[text("2001:db8:1:2::3"), Scalar::Number(48.0)]), text("2001:db8:1::/48"));
    assert_eq!(ask("ipNetwork", &[text("10.1.2.3"), Scalar::Integer(33)]), Scalar::Null);
    let inside = |ip: &str, ranges: &[&str]| {
        let ranges = ranges.iter().map(|range| text(range));
        ask("ipInside", &std::iter::once(text(ip)).chain(ranges).collect::<Vec<_>>())
    };
    assert_eq!(inside("10.1.2.3", &["192.168.0.0/16", "10.0.0.0/8"]), Scalar::Boolean(true));
    assert_eq!(
        inside("10.1.2.3", &["10.1.2.4/32", "::/0", "nonsense", "10.0.0.0/99"]),
        Scalar::Boolean(false)
    );
    assert_eq!(inside("fe80::1", &["::/0"]), Scalar::Boolean(true));
    assert_eq!(inside("no", &["::/0"]), Scalar::Null);
}

#[test]
fn every_function_is_described() {
    let names: Vec<String> = IpFunctions::describe().into_iter().map(|signature| signature.name).collect();
    assert_eq!(names, ["ipClass", "ipNetwork", "ipInside"]);
}
