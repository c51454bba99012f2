//! Tests of `egress`.

use proptest::prelude::*;

use super::*;

fn rules(allow_loopback: bool, listed: &[&str]) -> Rules {
    Rules { allow_loopback, listed: listed.iter().map(|text| Listed::parse(text).unwrap()).collect() }
}

fn verdict(rules: &Rules, host: &str, address: &str) -> Result<(), &'static str> {
    rules.check(host, 443, address.parse().unwrap()).map_err(|denied| denied.kind)
}

#[test]
fn addresses_that_are_not_public_are_refused() {
    let strict = rules(false, &[]);
    for (address, kind) in [
        ("0.0.0.0", "local"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("198.19.0.1", "benchmark"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "local"),
        ("::1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:a00:1::", "private"),
        ("2001:0:1::", "reserved"),
        ("fc00::1", "private"),
        ("fd12::1", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
    ] {
        assert_eq!(verdict(&strict, "h", address), Err(kind), "{address}");
    }
    for address in
        ["8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    {
        assert_eq!(verdict(&strict, "h", address), Ok(()), "{address}");
    }
}

#[test]
fn loopback_and_lists_open_doors() {
    let open = rules(true, &[]);
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(verdict(&open, "h", address), Ok(()));
    }
    assert_eq!(verdict(&open, "h", "10.0.0.1"), Err("private"), "open mode opens loopback alone");
    let listed = rules(
        false,
        &["chat.corp", "*.hooks.corp:443", "10.2.0.0/16", "192.168.7.7", "fd00::/8", "one.corp:8443"],
    );
    for (host, address, want) in [
        ("chat.corp", "10.0.0.1", Ok(())),
        ("CHAT.corp", "10.0.0.1", Ok(())),
        ("xchat.corp", "10.0.0.1", Err("private")),
        ("a.hooks.corp", "10.0.0.1", Ok(())),
        ("hooks.corp", "10.0.0.1", Err("private")),
        ("one.corp", "10.0.0.1", Err("private")),
        ("any", "10.2.9.9", Ok(())),
        ("any", "::ffff:10.2.9.9", Ok(())),
        ("any", "10.3.0.1", Err("private")),
        ("any", "192.168.7.7", Ok(())),
        ("any", "fd77::1", Ok(())),
    ] {
        assert_eq!(verdict(&listed, host, address), want, "{host} {address}");
    }
    assert!(listed.lists("192.168.7.7", 80) && listed.lists("chat.corp", 1) && !listed.lists("10.3.0.1", 1));
    for host in ["localhost", "LOCALHOST", "x.localhost", "127.0.0.1", "[::1]", "::ffff:127.0.0.1"] {
        assert!(open.allows_as_loopback(host), "{host}");
        assert!(!rules(false, &[]).allows_as_loopback(host));
    }
    assert!(!open.allows_as_loopback("evil.example"));
    for bad in ["", "a b", "10.0.0.0/33", "x/8", "h:port", "*."] {
        assert!(Listed::parse(bad).is_err(), "{bad}");
    }
}

struct Names(Vec<&'static str>);

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let all = self.0.iter().map(|a| SocketAddr::new(a.parse().unwrap(), port)).collect();
        Box::pin(async move { Ok(all) })
    }
}

/// Remembers what was dialled and connects to a local listener instead.
struct Recorder {
    to: SocketAddr,
    seen: std::sync::Mutex<Vec<SocketAddr>>,
}

impl Dial for Recorder {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.seen.lock().unwrap().push(address);
        Box::pin(TcpStream::connect(self.to))
    }
}

#[tokio::test]
async fn only_approved_addresses_are_dialled() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    for (names, host, dialled) in [
        (vec!["10.0.0.1", "8.8.8.8"], "mixed.example", vec!["8.8.8.8:80"]),
        (vec!["10.0.0.1", "::ffff:127.0.0.1"], "rebind.example", vec![]),
        (vec!["8.8.8.8"], "169.254.169.254", vec![]),
        (vec![], "nothing.example", vec![]),
    ] {
        let recorder = Arc::new(Recorder { to, seen: Default::default() });
        let gate = Gate::new(Arc::new(rules(false, &[])), Arc::new(Names(names)), recorder.clone());
        let result = gate.connect(host, 80).await;
        assert_eq!(result.is_ok(), !dialled.is_empty(), "{host}");
        let seen: Vec<String> = recorder.seen.lock().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(seen, dialled);
    }
}

proptest! {
    #![proptest_config(crate::tests::rounds(256))]
    #[test]
    fn parsers_never_panic_and_mapping_changes_no_verdict(text in any::<String>(), bits in any::<u32>()) {
        let _ = Listed::parse(&text);
        let v4 = Ipv4Addr::from_bits(bits);
        let strict = rules(false, &[]);
        let plain = strict.check("h", 1, IpAddr::V4(v4)).map_err(|d| d.kind);
        let mapped = strict.check("h", 1, IpAddr::V6(v4.to_ipv6_mapped())).map_err(|d| d.kind);
        prop_assert_eq!(plain, mapped);
    }
}
