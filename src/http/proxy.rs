//! Which proxy a request goes through, by Go's rules (`golang.org/x/net/http/httpproxy`).

use crate::http::url::{Scheme, Url, UrlError};
use std::net::IpAddr;

/// The proxy settings of the environment, as written there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProxySettings {
    /// `HTTP_PROXY`.
    pub http: String,
    /// `HTTPS_PROXY`.
    pub https: String,
    /// `NO_PROXY`.
    pub none: String,
}

/// The proxy settings, compiled.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Vec<Exception>,
}

/// One element of `NO_PROXY`.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Exception {
    All,
    Network { address: IpAddr, prefix_bits: u32 },
    Address { address: IpAddr, port: Option<u16> },
    Domain { suffix: String, with_itself: bool, port: Option<u16> },
}

impl ProxyRules {
    /// Compile the settings. A proxy may be a URL or `host[:port]`.
    pub fn new(settings: &ProxySettings) -> Result<Self, UrlError> {
        let exceptions = settings.none.split(',').filter_map(read_exception).collect();
        Ok(Self {
            http: read_proxy(&settings.http)?,
            https: read_proxy(&settings.https)?,
            exceptions,
        })
    }

    /// The proxy for `url`; `None` to go straight there.
    ///
    /// `localhost` and loopback addresses never go through a proxy.
    pub fn proxy_for(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }?;
        let (host, port) = (url.host(), url.port());
        let address: Option<IpAddr> = host.parse().ok();
        let is_loopback = host == "localhost" || address.is_some_and(|a| a.is_loopback());
        let is_exempt = || self.exceptions.iter().any(|e| e.matches(host, port, address));
        (!is_loopback && !is_exempt()).then_some(proxy)
    }
}

impl Exception {
    fn matches(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Network { address: network, prefix_bits } => {
                address.is_some_and(|a| is_within(a, *network, *prefix_bits))
            }
            Self::Address { address: wanted, port } => address == Some(*wanted) && is_port(port),
            Self::Domain { suffix, with_itself, port } => {
                let is_itself = *with_itself && suffix.strip_prefix('.') == Some(host);
                (host.ends_with(suffix.as_str()) || is_itself) && is_port(port)
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, prefix_bits: u32) -> bool {
    let (a, b, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    prefix_bits == 0 || (a ^ b) >> (width - prefix_bits) == 0
}

fn read_proxy(text: &str) -> Result<Option<Url>, UrlError> {
    match text {
        "" => Ok(None),
        text if text.contains("://") => Url::parse(text).map(Some),
        text => Url::parse(&format!("http://{text}")).map(Some),
    }
}

/// Read one element; malformed ones are ignored, as Go ignores them.
fn read_exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        return Some(Exception::All);
    }
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.parse().ok().filter(|bits| *bits <= width)?;
        return Some(Exception::Network { address, prefix_bits });
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(Exception::Address { address, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text.as_str(), None),
    };
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(Exception::Address { address, port });
    }
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    match host {
        "" => None,
        host if host.starts_with('.') => {
            Some(Exception::Domain { suffix: host.to_owned(), with_itself: false, port })
        }
        host => Some(Exception::Domain { suffix: format!(".{host}"), with_itself: true, port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(none: &str) -> ProxyRules {
        ProxyRules::new(&ProxySettings {
            http: "proxy:3128".to_owned(),
            https: "http://u:p@sproxy:3129".to_owned(),
            none: none.to_owned(),
        })
        .unwrap()
    }

    #[track_caller]
    fn check(none: &str, url: &str, expect: Option<&str>) {
        let rules = rules(none);
        let proxy = rules.proxy_for(&Url::parse(url).unwrap()).map(Url::host);
        assert_eq!(proxy, expect, "{url} with {none:?}");
    }

    #[test]
    fn the_scheme_chooses_the_proxy() {
        check("", "http://a.example/m", Some("proxy"));
        check("", "https://a.example/m", Some("sproxy"));
        let unset = ProxyRules::new(&ProxySettings::default()).unwrap();
        assert!(unset.proxy_for(&Url::parse("http://a.example").unwrap()).is_none());
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        for url in
            ["http://localhost:1/", "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]/"]
        {
            check("", url, None);
        }
    }

    #[test]
    fn exceptions_are_matched_as_go_matches_them() {
        for (none, url, is_proxied) in [
            ("*", "http://a.example/", false),
            ("foo.com", "http://foo.com/", false),
            ("foo.com", "http://bar.foo.com/", false),
            ("foo.com", "http://barfoo.com/", true),
            (".foo.com", "http://foo.com/", true),
            (".foo.com", "http://x.foo.com/", false),
            ("*.foo.com", "http://x.foo.com/", false),
            ("FOO.com:81", "http://foo.com:81/", false),
            ("foo.com:81", "http://foo.com/", true),
            ("foo.com:80", "http://foo.com/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", false),
            ("10.0.0.0/8", "http://11.1.2.3/", true),
            ("0.0.0.0/0", "http://11.1.2.3/", false),
            ("fd00::/8", "http://[fd12::1]/", false),
            ("10.1.2.3", "http://10.1.2.3:9/", false),
            ("10.1.2.3:8", "http://10.1.2.3:9/", true),
            ("[fd12::1]:9", "http://[fd12::1]:9/", false),
            ("x, ,foo.com ", "http://foo.com/", false),
            (":80", "http://foo.com/", true),
            ("10.0.0.0/99", "http://10.1.2.3/", true),
        ] {
            check(none, url, is_proxied.then_some("proxy"));
        }
    }

    #[test]
    fn a_malformed_proxy_is_an_error() {
        for http in ["socks5://h:1", "http://", "h:x"] {
            let settings = ProxySettings { http: http.to_owned(), ..ProxySettings::default() };
            ProxyRules::new(&settings).unwrap_err();
        }
    }
}
