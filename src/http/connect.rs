//! Opening a connection to where a URL points: name, proxy, TCP, TLS.

use crate::http::pausing::Pausing;
use crate::http::proxy::ProxyRules;
use crate::http::tls::TlsClient;
use crate::http::url::{Scheme, Url};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

/// After this long without an answer the next address of a name is tried as well (RFC 8305).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(300);
/// What a proxy may say before it has to have said yes or no.
const PROXY_HEAD_BYTES_MAX: usize = 8 * 1024;

/// A byte stream to the other side, whatever it is made of.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// An answer has been read to its end.
    fn rest(&mut self) {}
}
impl Io for TcpStream {}
impl Io for Pausing<TcpStream> {
    fn rest(&mut self) {
        self.begin();
    }
}
impl Io for TlsStream<Box<dyn Io>> {}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot resolve {host:?}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the name took the connection.
    #[error("cannot connect to {host_port}: {source}")]
    Tcp {
        /// Where to.
        host_port: String,
        /// What the last address said.
        source: io::Error,
    },
    /// The proxy did not open a tunnel.
    #[error("the proxy {proxy} did not connect to {host_port}: {message}")]
    Proxy {
        /// Which proxy.
        proxy: String,
        /// Where to.
        host_port: String,
        /// Its status line, or what went wrong before it.
        message: String,
    },
    /// There is no usable certificate store, or the handshake failed.
    #[error("TLS with {host_port}: {message}")]
    Tls {
        /// With whom.
        host_port: String,
        /// What went wrong.
        message: String,
    },
}

/// A fresh connection.
pub struct Connection {
    /// The stream to speak HTTP on.
    pub io: Box<dyn Io>,
    /// Whether the other side is this machine.
    pub is_loopback: bool,
    /// Set if requests go to a proxy, which wants whole URLs in them.
    pub proxy: Option<PlainProxy>,
}

/// A proxy that forwards plain requests.
#[derive(Clone, Debug)]
pub struct PlainProxy {
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("is_loopback", &self.is_loopback)
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// Opens connections.
#[derive(Debug, Default)]
pub struct Connector {
    proxies: ProxyRules,
    tls: TlsClient,
}

impl Connector {
    /// A connector; by default its TLS trusts the certificates of the system.
    pub fn new(proxies: ProxyRules, tls: TlsClient) -> Self {
        Self { proxies, tls }
    }

    /// Connect to where `url` points, or to `address` in its place.
    ///
    /// With an address the URL's host is not looked up; it remains the name TLS asks for. Proxies
    /// are chosen by the address then, and are given it.
    pub async fn connect(
        &self,
        url: &Url,
        address: Option<SocketAddr>,
    ) -> Result<Connection, ConnectError> {
        let there = address.map(|address| url.at(address));
        let there = there.as_ref().unwrap_or(url);
        let proxy = self.proxies.proxy_for(there);
        let first_hop = proxy.unwrap_or(there);
        let tcp = dial(first_hop).await?;
        // Latency matters more than small packets; a socket that refuses works all the same.
        drop(tcp.set_nodelay(true));
        let is_loopback = proxy.is_none() && tcp.peer_addr().is_ok_and(|a| a.ip().is_loopback());

        let io: Box<dyn Io> = match first_hop.scheme() {
            Scheme::Http if url.scheme() == Scheme::Http => Box::new(Pausing::new(tcp)),
            Scheme::Http => Box::new(tcp),
            Scheme::Https if proxy.is_none() => self.tls(url, Box::new(tcp)).await?,
            Scheme::Https => self.tls(first_hop, Box::new(tcp)).await?,
        };
        let Some(proxy) = proxy else {
            return Ok(Connection { io, is_loopback, proxy: None });
        };
        let authorization = proxy.basic_auth();
        if url.scheme() == Scheme::Http {
            return Ok(Connection { io, is_loopback, proxy: Some(PlainProxy { authorization }) });
        }
        let io = open_tunnel(io, proxy, there, authorization).await?;
        let io = self.tls(url, io).await?;
        Ok(Connection { io, is_loopback, proxy: None })
    }

    async fn tls(&self, url: &Url, io: Box<dyn Io>) -> Result<Box<dyn Io>, ConnectError> {
        let error = |message: String| ConnectError::Tls { host_port: url.host_port(), message };
        let config = self.tls.config().await.map_err(error)?;
        let name = self.tls.server_name().unwrap_or(url.host()).to_owned();
        let name =
            rustls::pki_types::ServerName::try_from(name).map_err(|e| error(e.to_string()))?;
        let tls =
            TlsConnector::from(config).connect(name, io).await.map_err(|e| error(e.to_string()))?;
        Ok(Box::new(tls))
    }
}

/// Connect to the first address of the URL's host that answers.
async fn dial(url: &Url) -> Result<TcpStream, ConnectError> {
    let resolve_error = |source| ConnectError::Resolve { host: url.host().to_owned(), source };
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((url.host(), url.port())).await.map_err(resolve_error)?.collect();
    race(addresses).await.map_err(|source| ConnectError::Tcp { host_port: url.host_port(), source })
}

/// Try the addresses in order, the next one as soon as one fails or is slow.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut error = None;
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            done = attempts.join_next() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(e))) => error = error.or(Some(e)),
                Some(Err(e)) => error = error.or(Some(io::Error::other(e))),
                None => {
                    let nothing = || io::Error::new(io::ErrorKind::NotFound, "no address");
                    return Err(error.unwrap_or_else(nothing));
                }
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if addresses.len() > 0 => {}
        }
    }
}

/// Ask a proxy to connect us through (RFC 9110, section 9.3.6).
async fn open_tunnel(
    mut io: Box<dyn Io>,
    proxy: &Url,
    url: &Url,
    authorization: Option<String>,
) -> Result<Box<dyn Io>, ConnectError> {
    let host_port = url.host_port();
    let error = |message: String| ConnectError::Proxy {
        proxy: proxy.host_port(),
        host_port: url.host_port(),
        message,
    };
    let authorization =
        authorization.map(|text| format!("Proxy-Authorization: {text}\r\n")).unwrap_or_default();
    let request =
        format!("CONNECT {host_port} HTTP/1.1\r\nHost: {host_port}\r\n{authorization}\r\n");
    io.write_all(request.as_bytes()).await.map_err(|e| error(e.to_string()))?;
    io.flush().await.map_err(|e| error(e.to_string()))?;

    // Byte by byte: what follows the head belongs to TLS.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == PROXY_HEAD_BYTES_MAX {
            return Err(error("its answer is too long".to_owned()));
        }
        head.push(io.read_u8().await.map_err(|e| error(e.to_string()))?);
    }
    let status_line = String::from_utf8_lossy(head.split(|b| *b == b'\r').next().unwrap_or(&[]));
    if status_line.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        Ok(io)
    } else {
        Err(error(format!("{status_line:?}")))
    }
}
