//! One request of any method on a connection of its own, and an answer of bounded size.
//!
//! For requests that change something: a connection that was kept may turn out to be closed when
//! part of the request is sent, and then nobody knows whether it was received.

use crate::http::connect::Connector;
use crate::http::url::Url;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::header::CONNECTION;
use http::header::HOST;
use http::header::PROXY_AUTHORIZATION;
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::Pin;

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ExchangeError {
    /// Whether the other side may have seen the request.
    pub is_sent: bool,
    /// What went wrong.
    pub message: String,
}

/// Something to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query, as they are to be sent.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Ask the server of `url`, and read at most `bytes_max` bytes of what it says.
///
/// There is no timer in here: callers bound the exchange.
///
/// # Errors
///
/// No connection, no valid answer, or one that is cut short.
pub async fn exchange(
    connector: &Connector,
    url: &Url,
    ask: Ask,
    bytes_max: usize,
) -> Result<Response<Bytes>, ExchangeError> {
    let before = |message: String| ExchangeError { is_sent: false, message };
    let after = |e: hyper::Error| ExchangeError { is_sent: true, message: e.to_string() };
    let connection = connector.connect(url, None).await.map_err(|e| before(e.to_string()))?;
    let target = match &connection.proxy {
        Some(_) => format!("{}://{}{}", url.scheme().word(), url.authority(), ask.path),
        None => ask.path,
    };
    let value = |text: &str| HeaderValue::from_str(text).map_err(|e| before(e.to_string()));
    let mut request = Request::new(Full::new(ask.body));
    *request.method_mut() = ask.method;
    *request.uri_mut() =
        target.parse().map_err(|e: http::uri::InvalidUri| before(e.to_string()))?;
    let headers = request.headers_mut();
    *headers = ask.headers;
    headers.insert(HOST, value(&url.authority())?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(authorization) = connection.proxy.as_ref().and_then(|p| p.authorization.as_ref()) {
        headers.insert(PROXY_AUTHORIZATION, value(authorization)?);
    }
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection.io))
        .await
        .map_err(|e| before(e.to_string()))?;
    let driving = tokio::spawn(driver);
    let asked = async {
        let response = sender.send_request(request).await.map_err(after)?;
        let (parts, body) = response.into_parts();
        let body = read(body, bytes_max).await.map_err(after)?;
        Ok(Response::from_parts(parts, body))
    };
    let answered = asked.await;
    driving.abort();
    answered
}

/// The first bytes of a body; what is beyond them is left.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<Bytes, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        let n_bytes = data.len().min(bytes_max - bytes.len());
        bytes.extend_from_slice(&data[..n_bytes]);
        if bytes.len() == bytes_max {
            break;
        }
    }
    Ok(bytes.into())
}
