//! Owns which network targets may be reached: rules over names and resolved addresses, and a connector
//! that dials only approved addresses. Refuses to know what is sent. Every connection passes here, so a
//! redirect or a name that resolves anew is judged again.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A boxed future; the seams of this room are object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which targets are allowed beyond public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Loopback is allowed (open mode).
    pub allow_loopback: bool,
    /// Targets the operator listed.
    pub listed: Vec<Listed>,
}

/// A listed target: `host`, `host:port`, `*.domain`, an address, or an address block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    /// With the leading dot.
    Under(String),
    Block(IpAddr, u8),
}

impl Listed {
    /// Reads one entry of the configuration; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self { host: Host::Block(address, width(address)), port: None });
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| format!("'{text}' is no address block"))?;
            let bits: u8 = bits.parse().map_err(|_| format!("'{text}' is no address block"))?;
            if bits > width(address) {
                return Err(format!("'{text}' has too many mask bits"));
            }
            return Ok(Self { host: Host::Block(address, bits), port: None });
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            let address = socket.ip();
            return Ok(Self { host: Host::Block(address, width(address)), port: Some(socket.port()) });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| format!("'{text}' has a bad port"))?)),
            None => (text.as_str(), None),
        };
        let plain = name.strip_prefix("*.").unwrap_or(name);
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
        if plain.is_empty() || !plain.chars().all(sound) {
            return Err(format!("'{text}' is no host name, address or address block"));
        }
        let host = if name.starts_with("*.") {
            Host::Under(format!(".{plain}"))
        } else {
            Host::Name(plain.to_owned())
        };
        Ok(Self { host, port })
    }

    fn covers_name(&self, host: &str, port: u16) -> bool {
        let name = match &self.host {
            Host::Name(name) => host.eq_ignore_ascii_case(name),
            Host::Under(suffix) => host.to_ascii_lowercase().ends_with(suffix.as_str()),
            Host::Block(..) => false,
        };
        name && self.port.is_none_or(|p| p == port)
    }

    fn covers_address(&self, address: IpAddr, port: u16) -> bool {
        match &self.host {
            Host::Block(network, bits) => {
                within(address, *network, *bits) && self.port.is_none_or(|p| p == port)
            }
            Host::Name(_) | Host::Under(_) => false,
        }
    }
}

/// A refused target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Host as asked for.
    pub host: String,
    /// What it resolved to.
    pub address: IpAddr,
    /// Kind of address, for example `private`.
    pub kind: &'static str,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, kind } = self;
        write!(
            f,
            "{host} is not reachable from here: {address} is a {kind} address; list the host to allow it"
        )
    }
}

impl std::error::Error for Denied {}

impl Rules {
    /// Whether the operator listed the name itself.
    pub fn lists(&self, host: &str, port: u16) -> bool {
        let bare = host.trim_matches(['[', ']']);
        self.listed.iter().any(|entry| entry.covers_name(host, port))
            || bare
                .parse()
                .is_ok_and(|address| self.listed.iter().any(|entry| entry.covers_address(address, port)))
    }

    /// Whether a name is this machine's loopback by its spelling, and loopback is allowed.
    pub fn allows_as_loopback(&self, host: &str) -> bool {
        let bare = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let local = bare == "localhost"
            || bare.ends_with(".localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| canonical(address).is_loopback());
        self.allow_loopback && local
    }

    /// Judges one resolved address.
    pub fn check(&self, host: &str, port: u16, address: IpAddr) -> Result<(), Denied> {
        let plain = canonical(address);
        let listed = self
            .listed
            .iter()
            .any(|entry| entry.covers_name(host, port) || entry.covers_address(plain, port));
        if listed || (self.allow_loopback && plain.is_loopback()) {
            return Ok(());
        }
        match special(plain) {
            None => Ok(()),
            Some(kind) => Err(Denied { host: host.to_owned(), address, kind }),
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            (a.to_bits() ^ n.to_bits()).checked_shr(32u32.saturating_sub(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            (a.to_bits() ^ n.to_bits()).checked_shr(128u32.saturating_sub(bits)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The IPv4 address inside an IPv6 one that only wraps it (mapped, compatible, NAT64, 6to4).
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let words = v6.segments();
    let low = Ipv4Addr::from_bits((u32::from(words[6]) << 16) | u32::from(words[7]));
    let mapped = words[..5] == [0; 5] && (words[5] == 0xffff || (words[5] == 0 && low.to_bits() > 1));
    let nat64 = words[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    if mapped || nat64 {
        return IpAddr::V4(low);
    }
    if words[0] == 0x2002 {
        return IpAddr::V4(Ipv4Addr::from_bits((u32::from(words[1]) << 16) | u32::from(words[2])));
    }
    address
}

const V4_SPECIAL: [(Ipv4Addr, u8, &str); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "local"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmark"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

const V6_SPECIAL: [(Ipv6Addr, u8, &str); 12] = [
    (Ipv6Addr::UNSPECIFIED, 128, "local"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "private"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discard"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "reserved"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "private"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// What kind of non-public address this is (IANA special-purpose registries), or `None` when public.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(_) => V4_SPECIAL
            .iter()
            .find(|(network, bits, _)| within(address, IpAddr::V4(*network), *bits))
            .map(|(_, _, kind)| *kind),
        IpAddr::V6(_) => V6_SPECIAL
            .iter()
            .find(|(network, bits, _)| within(address, IpAddr::V6(*network), *bits))
            .map(|(_, _, kind)| *kind),
    }
}

/// Turns a name into addresses.
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, in the order to try them.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Opens a connection to exactly one address.
pub trait Dial: Send + Sync {
    /// Connects to `address` and to nothing else.
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// The operating system's resolver and sockets.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

impl Dial for System {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// A connector that dials approved addresses only.
#[derive(Clone)]
pub struct Gate {
    rules: Arc<Rules>,
    resolver: Arc<dyn Resolve>,
    dialer: Arc<dyn Dial>,
}

impl Gate {
    /// A gate over the given resolver and dialer.
    pub fn new(rules: Arc<Rules>, resolver: Arc<dyn Resolve>, dialer: Arc<dyn Dial>) -> Self {
        Self { rules, resolver, dialer }
    }

    /// Resolves `host`, drops the addresses the rules refuse, and connects to the first that answers.
    /// When the rules refuse all, the error holds a [`Denied`].
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let bare = host.trim_matches(['[', ']']);
        let addresses = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.resolver.resolve(bare, port).await?,
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{bare} has no address"));
        for address in addresses {
            if let Err(denied) = self.rules.check(bare, port, address.ip()) {
                last = io::Error::new(io::ErrorKind::PermissionDenied, denied);
                continue;
            }
            match self.dialer.dial(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl tower_service::Service<Uri> for Gate {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move {
            let host = uri.host().ok_or_else(|| io::Error::other("the URL names no host"))?;
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            let stream = gate.connect(host, port).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

#[cfg(test)]
mod tests;
