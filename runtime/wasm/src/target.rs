//! What an HTTP grant names: `scheme://host[:port]`, where the host may begin with `*.` and the port may be
//! `*`. Without a scheme it is https. Refuses to know addresses: who resolves names judges them.

use hyper::Uri;

/// A place requests may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    https: bool,
    host: Host,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// `*` alone: every place.
    Any,
    Name(String),
    /// With the leading dot.
    Under(String),
}

impl Target {
    /// Reads a grant.
    ///
    /// # Errors
    /// A sentence that names it and says what it should be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a place for requests: scheme://host[:port], http or https, `*.` in front of a domain."
            )
        };
        let (https, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(wrong()),
            None => (true, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The colons of an IPv6 address are inside brackets.
        let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            None => (rest, Some(if https { 443 } else { 80 })),
            Some((host, "*")) => (host, None),
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
        };
        let host = host.to_ascii_lowercase();
        let plain = host.strip_prefix("*.").unwrap_or(&host);
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':');
        let host = match host.as_str() {
            _ if text == "*" => Host::Any,
            _ if plain.is_empty() || !plain.chars().all(sound) => return Err(wrong()),
            _ if host.starts_with("*.") => Host::Under(format!(".{plain}")),
            _ => Host::Name(host),
        };
        Ok(Self { https, host, port })
    }

    /// Whether a request may go there.
    pub(crate) fn covers(&self, uri: &Uri) -> bool {
        let Some(host) = uri.host() else { return false };
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let named = match &self.host {
            Host::Any => return true,
            Host::Name(name) => host.eq_ignore_ascii_case(name),
            Host::Under(suffix) => host.to_ascii_lowercase().ends_with(suffix.as_str()),
        };
        named && https == self.https && self.port.is_none_or(|own| own == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_what_it_names_and_nothing_beside_it() {
        for (grant, url, expected) in [
            ("https://a.example", "https://a.example/x", true),
            ("https://a.example", "https://A.EXAMPLE:443/x", true),
            ("https://a.example", "http://a.example/x", false),
            ("https://a.example", "https://a.example:8443/", false),
            ("https://a.example", "https://b.a.example/", false),
            ("https://a.example", "https://a.example.evil.example/", false),
            ("https://a.example", "https://a.example@evil.example/", false),
            ("a.example", "https://a.example/", true),
            ("a.example", "http://a.example/", false),
            ("http://a.example:8080", "http://a.example:8080/", true),
            ("https://*.a.example", "https://b.a.example/", true),
            ("https://*.a.example", "https://a.example/", false),
            ("https://*.a.example", "https://xa.example/", false),
            ("http://127.0.0.1:*", "http://127.0.0.1:81/", true),
            ("http://[::1]:80", "http://[::1]/", true),
            ("*", "http://anything.example:81/", true),
        ] {
            let target = Target::parse(grant).expect(grant);
            assert_eq!(target.covers(&url.parse().expect(url)), expected, "{grant} {url}");
        }
        for bad in
            ["", "ftp://a", "https://", "https://a:b", "https://a/path", "https://*.", "https://*", "a b"]
        {
            assert!(Target::parse(bad).is_err_and(|e| e.contains(bad)), "{bad}");
        }
    }
}
