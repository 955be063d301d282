//! An http or https URL: what of RFC 3986 a client needs, credentials kept out of sight.

use crate::http::percent;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Whether a connection is plain or under TLS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// Under TLS.
    Https,
}

impl Scheme {
    /// The word in front of `://`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is not a URL weir can fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Something else than `http` or `https` stands before `://`.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// Nothing stands where the host should.
    #[error("there is no host")]
    NoHost,
    /// The host has a character no host has, or its brackets do not match.
    #[error("the host is malformed")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// User name or password have a broken percent escape.
    #[error("the user name or password is malformed")]
    Userinfo,
    /// A control character, which no URL has.
    #[error("there is a control character in it")]
    Control,
}

/// A URL taken apart.
///
/// `Display` and `Debug` leave out user, password and query, as all three may hold secrets.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Url {
    scheme: Scheme,
    /// `user:password`, decoded.
    userinfo: Option<Vec<u8>>,
    /// Lower case, without brackets.
    host: String,
    port: Option<u16>,
    /// Begins with a slash; as written, but for bytes no request line may hold.
    path: String,
    query: Option<String>,
}

impl Url {
    /// Take apart an absolute URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.bytes().any(|b| b.is_ascii_control()) {
            return Err(UrlError::Control);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(read_userinfo(userinfo)?), host_port),
            None => (None, authority),
        };
        let (host, port) = read_host_port(host_port)?;
        let (path, query) = read_path_query(rest);
        Ok(Self { scheme, userinfo, host, port, path, query })
    }

    /// Follow `location`, as a redirect states it, from here.
    ///
    /// Credentials stay only where scheme, host and port stay.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        let mut next = if has_scheme(location) {
            Self::parse(location)?
        } else if location.starts_with("//") {
            Self::parse(&format!("{}:{location}", self.scheme.word()))?
        } else {
            self.join_path(location)?
        };
        if next.userinfo.is_none() && self.is_same_origin(&next) {
            next.userinfo.clone_from(&self.userinfo);
        }
        Ok(next)
    }

    fn join_path(&self, location: &str) -> Result<Self, UrlError> {
        if location.bytes().any(|b| b.is_ascii_control()) {
            return Err(UrlError::Control);
        }
        let base = match location.as_bytes().first() {
            Some(b'/') => "",
            Some(b'?' | b'#') | None => self.path.as_str(),
            Some(_) => self.path.rsplit_once('/').map_or("", |(parent, _)| parent),
        };
        let slash =
            if location.starts_with(['/', '?', '#']) || location.is_empty() { "" } else { "/" };
        let (path, query) = read_path_query(&format!("{base}{slash}{location}"));
        Ok(Self { path: remove_dots(&path), query, ..self.clone() })
    }

    /// The same URL at an address in place of its host, without credentials.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self {
            userinfo: None,
            host: address.ip().to_string(),
            port: Some(address.port()),
            ..self.clone()
        }
    }

    /// The same URL with another host and port; `port` of `None` is the scheme's own.
    ///
    /// # Errors
    ///
    /// The host is none.
    pub fn with_host(&self, host: &str, port: Option<u16>) -> Result<Self, UrlError> {
        let (host, none) = read_host_port(host)?;
        if none.is_some() { Err(UrlError::Host) } else { Ok(Self { host, port, ..self.clone() }) }
    }

    /// The same URL with more parameters at the end of its query, escaped as forms are.
    #[must_use]
    pub fn with_params(&self, params: &[(String, Vec<String>)]) -> Self {
        let mut query = self.query.clone().unwrap_or_default();
        for (name, values) in params {
            for value in values {
                if !query.is_empty() {
                    query.push('&');
                }
                query.push_str(&percent::encode_query(name));
                query.push('=');
                query.push_str(&percent::encode_query(value));
            }
        }
        Self { query: (!query.is_empty()).then_some(query), ..self.clone() }
    }

    /// Whether a URL leads to the same server in the same way: scheme, host and port are the same.
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port() == other.port()
    }

    /// Plain or TLS.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, by the scheme if the URL has none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The port, if the URL has one.
    pub fn explicit_port(&self) -> Option<u16> {
        self.port
    }

    /// The path as it stands in a request line.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Path and query as they stand in a request line.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The parameters of the query, decoded; what is malformed is left out.
    pub fn params(&self) -> impl Iterator<Item = (String, String)> {
        let text = |text: &str| {
            let bytes = percent::decode(&text.replace('+', " "))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        pairs.filter(|pair| !pair.is_empty()).filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((text(name)?, text(value)?))
        })
    }

    /// `host:port` as the `Host` header has it: without the port if it is the scheme's own.
    pub fn authority(&self) -> String {
        match self.port.filter(|port| *port != self.scheme.default_port()) {
            Some(port) => format!("{}:{port}", self.bracketed_host()),
            None => self.bracketed_host(),
        }
    }

    /// `host:port`, the port always there.
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.port())
    }

    /// The value of an `Authorization` header for the URL's user and password.
    pub fn basic_auth(&self) -> Option<String> {
        Some(format!("Basic {}", percent::base64(self.userinfo.as_ref()?)))
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.word(), self.authority(), self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

fn has_scheme(text: &str) -> bool {
    let end = text.find(['/', '?', '#', ':']).unwrap_or(text.len());
    text.as_bytes().get(end) == Some(&b':')
}

fn read_userinfo(text: &str) -> Result<Vec<u8>, UrlError> {
    let mut out = Vec::new();
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    out.extend(percent::decode(user).ok_or(UrlError::Userinfo)?);
    out.push(b':');
    out.extend(percent::decode(password).ok_or(UrlError::Userinfo)?);
    Ok(out)
}

/// Take `host`, `host:port`, `[v6]` or `[v6]:port` apart.
fn read_host_port(text: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
            let bare = host.split('%').next().unwrap_or_default();
            bare.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or(UrlError::Host)?),
            };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    if !is_address && !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%:".contains(&b)) {
        return Err(UrlError::Host);
    }
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?)
        }
        Some(_) => return Err(UrlError::Port),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Split what follows the authority, and escape what may not stand in a request line.
fn read_path_query(text: &str) -> (String, Option<String>) {
    let text = text.split('#').next().unwrap_or_default();
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let path = percent::encode(path, |b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let query =
        query.map(|q| percent::encode(q, |b| b.is_ascii_graphic() && !b"\"<>".contains(&b)));
    (path, query)
}

/// Resolve `.` and `..` (RFC 3986, section 5.2.4).
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, port: u16, path_and_query: &str) {
        let url = Url::parse(text).unwrap();
        assert_eq!((url.host(), url.port()), (host, port));
        assert_eq!(url.path_and_query(), path_and_query);
        url.path_and_query().parse::<http::uri::PathAndQuery>().unwrap();
    }

    #[test]
    fn urls_are_taken_apart() {
        check("http://localhost:10254/metrics", "localhost", 10254, "/metrics");
        check("https://Example.org", "example.org", 443, "/");
        check("http://[::1]:9100/a%2Fb?x=y#frag", "::1", 9100, "/a%2Fb?x=y");
        check("http://h?match[]={job=\"a b\"}", "h", 80, "/?match[]={job=%22a%20b%22}");
        check("http://h/we ird/é", "h", 80, "/we%20ird/%C3%A9");
    }

    #[test]
    fn parts_are_changed_and_the_rest_stays() {
        let url = Url::parse("https://u:p@web:9443/a%2Fb?x=y+z&q").unwrap();
        let at = url.at("10.0.0.1:1".parse().unwrap());
        assert_eq!((at.authority().as_str(), at.basic_auth()), ("10.0.0.1:1", None));
        let at = url.at("[::1]:443".parse().unwrap());
        assert_eq!((at.authority().as_str(), at.path()), ("[::1]", "/a%2Fb"));
        let there = url.with_host("Pod-0.web", Some(7)).unwrap();
        assert_eq!(
            (there.host_port().as_str(), there.basic_auth().is_some()),
            ("pod-0.web:7", true)
        );
        for wrong in ["", "a:1", "a/b", "a b"] {
            url.with_host(wrong, None).unwrap_err();
        }
        let params = vec![("m[]".to_owned(), vec!["a b".to_owned(), "c&d".to_owned()])];
        let more = url.with_params(&params);
        assert_eq!(more.path_and_query(), "/a%2Fb?x=y+z&q&m%5B%5D=a+b&m%5B%5D=c%26d");
        let read: Vec<_> = more.params().collect();
        let expect = [("x", "y z"), ("q", ""), ("m[]", "a b"), ("m[]", "c&d")];
        assert_eq!(read, expect.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn malformed_urls_are_refused() {
        for (text, expect) in [
            ("", UrlError::Scheme),
            ("ftp://h/", UrlError::Scheme),
            ("http://", UrlError::NoHost),
            ("http://:80/", UrlError::NoHost),
            ("http://[::1", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://[zz]/", UrlError::Host),
            ("http://a b/", UrlError::Host),
            ("http://h:x/", UrlError::Port),
            ("http://h:0/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://u%zz@h/", UrlError::Userinfo),
            ("http://h/a\nb", UrlError::Control),
        ] {
            assert_eq!(Url::parse(text).unwrap_err(), expect, "{text:?}");
        }
    }

    #[test]
    fn credentials_and_query_are_never_printed() {
        let url = Url::parse("http://bob:s3cret%21@h:81/m?token=hush").unwrap();
        assert_eq!(url.to_string(), "http://h:81/m");
        assert_eq!(format!("{url:?}"), "Url(http://h:81/m)");
        assert_eq!(url.basic_auth().unwrap(), format!("Basic {}", percent::base64(b"bob:s3cret!")));
    }

    #[test]
    fn redirects_are_followed_as_rfc_3986_says() {
        let base = Url::parse("http://u:p@h:81/a/b?x").unwrap();
        for (location, expect) in [
            ("/c", "http://h:81/c"),
            ("c", "http://h:81/a/c"),
            ("../c/", "http://h:81/c/"),
            ("./", "http://h:81/a/"),
            ("https://other/z", "https://other/z"),
            ("//other/z", "http://other/z"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), expect, "{location}");
        }
        assert_eq!(base.join("?y").unwrap().path_and_query(), "/a/b?y");
    }

    #[test]
    fn credentials_do_not_follow_to_another_host() {
        let base = Url::parse("http://u:p@h/a").unwrap();
        assert!(base.join("/b").unwrap().basic_auth().is_some());
        assert!(base.join("http://h/b").unwrap().basic_auth().is_some());
        for elsewhere in ["http://other/b", "https://h/b", "http://h:81/b", "//h.evil/b"] {
            assert!(base.join(elsewhere).unwrap().basic_auth().is_none(), "{elsewhere}");
        }
    }
}
