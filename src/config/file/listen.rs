//! Where to listen: `HOST`, `HOST:PORT`, `[V6]:PORT` or `:PORT`.

/// As metric-gate.
pub const PORT: u16 = 8080;

/// Where to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenAddress {
    /// A name or an address; `None` is every address there is.
    pub host: Option<String>,
    /// The port; 0 takes a free one.
    pub port: u16,
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: None, port: PORT }
    }
}

impl ListenAddress {
    /// Take `text` apart; `port` is for an address that has none.
    ///
    /// # Errors
    ///
    /// It is no address, or there are two ports. What is wrong, to be read after the address.
    pub fn parse(text: &str, port: Option<u16>) -> Result<Self, &'static str> {
        const WRONG: &str = "use HOST:PORT, [V6]:PORT or :PORT";
        let (host, own) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(WRONG)?;
                let own = if rest.is_empty() { None } else { rest.strip_prefix(':') };
                if !rest.is_empty() && own.is_none() {
                    return Err(WRONG);
                }
                (host, own)
            }
            None => match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => return Err(WRONG),
                Some((host, own)) => (host, Some(own)),
                None => (text, None),
            },
        };
        let host = (!host.is_empty()).then(|| host.to_owned());
        match (own, port) {
            (Some(_), Some(_)) => Err("give one port"),
            (Some(own), None) => Ok(Self { host, port: own.parse().map_err(|_| WRONG)? }),
            (None, port) => Ok(Self { host, port: port.unwrap_or(PORT) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, port: Option<u16>, expect: Option<(Option<&str>, u16)>) {
        let read = ListenAddress::parse(text, port).ok();
        assert_eq!(read.as_ref().map(|at| (at.host.as_deref(), at.port)), expect, "{text}");
    }

    #[test]
    fn listen_addresses_are_taken_apart() {
        check("", None, Some((None, 8080)));
        check("", Some(0), Some((None, 0)));
        check(":9090", None, Some((None, 9090)));
        check("127.0.0.1", Some(81), Some((Some("127.0.0.1"), 81)));
        check("localhost:81", None, Some((Some("localhost"), 81)));
        check("[::1]:81", None, Some((Some("::1"), 81)));
        check("[::1]", None, Some((Some("::1"), 8080)));
        check("localhost:81", Some(82), None);
        for wrong in ["::1", "[::1", "[::1]81", "h:", "h:x", "h:70000"] {
            check(wrong, None, None);
        }
    }
}
