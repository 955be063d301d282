//! The client: GET and POST with connection reuse, proxies and redirects.
//!
//! There is no timer in here: callers bound the whole exchange by one deadline. Bodies come as they
//! are sent; decoding and limits are the reader's.

use crate::http::connect::{ConnectError, Connection, Connector};
use crate::http::h1;
use crate::http::h1::framing::Incoming;
use crate::http::pool::{Key, Pool, Pooled};
use crate::http::proxy::ProxyRules;
use crate::http::tls::TlsClient;
use crate::http::url::{Url, UrlError};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH};
use http::header::{HOST, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// As Go's client.
const REDIRECTS_MAX: usize = 10;

/// Which encodings to ask for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AskFor {
    /// As is on loopback, where compressing costs more than it saves; gzip across a network.
    #[default]
    Auto,
    /// Always as is.
    Identity,
    /// Always gzip.
    Gzip,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// More redirects than followed.
    #[error("stopped after {REDIRECTS_MAX} redirects")]
    TooManyRedirects,
    /// A redirect to something that is no http URL.
    #[error("redirected to a bad URL: {0}")]
    BadRedirect(UrlError),
    /// What came is not HTTP, or the connection broke before the head had come.
    #[error("no valid HTTP answer: {0}")]
    Http(String),
    /// The body did not come to its end.
    #[error("the answer was cut short: {0}")]
    Truncated(String),
}

/// What goes with a request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Headers that no other server may see, should there be a redirect to one.
    pub private: &'a HeaderMap,
    /// Where to connect, if that is not left to the URL's host.
    pub address: Option<SocketAddr>,
    /// Which encodings to ask for.
    pub ask_for: AskFor,
    /// Whether a redirect is followed, or is the answer.
    pub follow_redirects: bool,
}

/// A client and its idle connections. Cheap to share, made to be kept.
#[derive(Debug, Default)]
pub struct Client {
    connector: Connector,
    pool: Arc<Pool>,
}

impl Client {
    /// A client that trusts the system's certificates.
    pub fn new(proxies: ProxyRules) -> Self {
        Self::with_connector(Connector::new(proxies, TlsClient::default()))
    }

    /// A client with a connector of the caller's.
    pub fn with_connector(connector: Connector) -> Self {
        Self { connector, pool: Arc::default() }
    }

    /// The same client, which keeps so many idle connections to one server.
    #[must_use]
    pub fn keeping(self, per_target_max: usize) -> Self {
        Self { pool: Arc::new(Pool::keeping(per_target_max)), ..self }
    }

    /// GET `url`, following redirects if asked to; any status is an answer.
    ///
    /// User and password of the URL become basic authentication. They, private headers and the
    /// address are for the server of `url` alone.
    pub fn get<'a>(
        &'a self,
        url: &'a Url,
        ask: &'a Ask<'_>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<ClientBody>, FetchError>> + Send + 'a>> {
        // Boxed, so that nobody's type holds all that a request may wait for.
        Box::pin(self.get_now(url, ask))
    }

    async fn get_now(&self, url: &Url, ask: &Ask<'_>) -> Result<Response<ClientBody>, FetchError> {
        let nothing = HeaderMap::new();
        let mut url = Cow::Borrowed(url);
        let mut ask = ask.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.once(&url, &ask, None).await?;
            let Some(location) = redirect_location(&response).filter(|_| ask.follow_redirects)
            else {
                return Ok(response);
            };
            let next = url.join(&location).map_err(FetchError::BadRedirect)?;
            if !next.is_same_origin(&url) {
                ask = Ask { private: &nothing, address: None, ..ask };
            }
            url = Cow::Owned(next);
        }
        Err(FetchError::TooManyRedirects)
    }

    /// POST a body to `url`; any status is an answer. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// There was no connection, or no answer. The body may have arrived all the same.
    pub async fn post(
        &self,
        url: &Url,
        ask: &Ask<'_>,
        body: Bytes,
    ) -> Result<Response<ClientBody>, FetchError> {
        self.once(url, ask, Some(body)).await
    }

    /// One request: POST if there is a body to post, else GET.
    async fn once(
        &self,
        url: &Url,
        ask: &Ask<'_>,
        body: Option<Bytes>,
    ) -> Result<Response<ClientBody>, FetchError> {
        let key = Key::of(url, ask.address);
        if let Some(connection) = self.pool.take(&key) {
            // The other side may close an idle connection just when it is used again. A GET may be
            // repeated, and a fresh connection tells whether anything else is wrong.
            match self.send(connection, url, ask, body.clone()).await {
                Err(FetchError::Http(_)) if body.is_none() => {}
                done => return done,
            }
        }
        let connection = self.open(key, url, ask.address).await?;
        self.send(connection, url, ask, body).await
    }

    async fn open(
        &self,
        key: Key,
        url: &Url,
        address: Option<SocketAddr>,
    ) -> Result<Pooled, FetchError> {
        let Connection { io, is_loopback, proxy } = self.connector.connect(url, address).await?;
        Ok(Pooled { io, key, is_loopback, proxy })
    }

    async fn send(
        &self,
        mut connection: Pooled,
        url: &Url,
        ask: &Ask<'_>,
        body: Option<Bytes>,
    ) -> Result<Response<ClientBody>, FetchError> {
        let request = build_request(&connection, url, ask, body)?;
        let answer = h1::send(&mut *connection.io, &request).await.map_err(FetchError::Http)?;
        let h1::Answer { head, body, is_reusable } = answer;
        let pool = is_reusable.then(|| Arc::clone(&self.pool));
        Ok(head.map(|()| ClientBody(Some(Lease { pool, connection, body }))))
    }
}

fn build_request(
    connection: &Pooled,
    url: &Url,
    ask: &Ask<'_>,
    body: Option<Bytes>,
) -> Result<Request<Bytes>, FetchError> {
    let invalid = |e: http::Error| FetchError::Http(e.to_string());
    let value = |text: &str| HeaderValue::from_str(text).map_err(|e| invalid(e.into()));
    let is_gzip = match ask.ask_for {
        AskFor::Auto => !connection.is_loopback,
        AskFor::Identity => false,
        AskFor::Gzip => true,
    };
    let target = match &connection.proxy {
        Some(_) => {
            let there = ask.address.map_or_else(|| url.clone(), |address| url.at(address));
            format!("{}://{}{}", url.scheme().word(), there.authority(), url.path_and_query())
        }
        None => url.path_and_query(),
    };
    let (method, length) = match &body {
        Some(body) => (Method::POST, Some(HeaderValue::from(body.len()))),
        None => (Method::GET, None),
    };
    let request = Request::builder().method(method).uri(target);
    let mut request = request.body(body.unwrap_or_default()).map_err(invalid)?;
    let all = request.headers_mut();
    all.insert(HOST, value(&url.authority())?);
    put_all(all, ask.headers);
    put_all(all, ask.private);
    all.insert(
        ACCEPT_ENCODING,
        HeaderValue::from_static(if is_gzip { "gzip" } else { "identity" }),
    );
    if let Some(length) = length {
        all.insert(CONTENT_LENGTH, length);
    }
    if let Some(authorization) = url.basic_auth() {
        all.insert(AUTHORIZATION, value(&authorization)?);
    }
    if let Some(authorization) = connection.proxy.as_ref().and_then(|p| p.authorization.as_ref()) {
        all.insert(PROXY_AUTHORIZATION, value(authorization)?);
    }
    Ok(request)
}

/// Put headers in the place of those of the same names.
fn put_all(all: &mut HeaderMap, more: &HeaderMap) {
    for name in more.keys() {
        let mut values = more.get_all(name).iter();
        if let Some(first) = values.next() {
            all.insert(name, first.clone());
        }
        for value in values {
            all.append(name, value.clone());
        }
    }
}

/// Where a redirect leads; `None` if the answer is none.
fn redirect_location(response: &Response<ClientBody>) -> Option<String> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// The body of an answer. Read to its end, it gives the connection back for the next request.
#[derive(Debug)]
pub struct ClientBody(Option<Lease>);

/// A connection whose answer is being read.
#[derive(Debug)]
struct Lease {
    /// Where the connection goes afterwards, if another request may follow.
    pool: Option<Arc<Pool>>,
    connection: Pooled,
    body: Incoming,
}

impl ClientBody {
    /// The next piece as it was sent; `None` at a clean end.
    ///
    /// A piece lies where it was read, in a buffer that others wait for: use it soon, or copy it.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FetchError>>> {
        let Some(Lease { connection, body, .. }) = &mut self.0 else { return Poll::Ready(None) };
        let piece = ready!(body.poll_piece(&mut *connection.io, cx));
        if let Ok(Some(piece)) = piece {
            return Poll::Ready(Some(Ok(piece)));
        }
        let lease = self.0.take();
        if let Err(message) = piece {
            return Poll::Ready(Some(Err(FetchError::Truncated(message))));
        }
        if let Some(Lease { pool: Some(pool), connection, body }) = lease
            && body.is_clean()
        {
            pool.put(connection);
        }
        Poll::Ready(None)
    }
}
