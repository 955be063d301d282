//! One scrape: ask, check the head, hand on the decoded body, make sure that it was whole.

use crate::http::Client;
use crate::http::client::{Ask, AskFor, ClientBody};
use crate::http::connect::Connector;
use crate::http::gzip;
use crate::http::negotiate;
use crate::http::proxy::ProxyRules;
use crate::http::settings::ClientSettings;
use crate::http::tls::TlsClient;
use crate::model::Format;
use crate::source::error::{Refused, ScrapeError, ScrapeErrorKind};
use crate::source::local::LocalBody;
use crate::source::target::Target;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use std::io::SeekFrom;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, ReadBuf};
use tokio::time::Instant;

/// A file's format is told by its last bytes.
const FILE_END_BYTES: u64 = 16;
/// What weir parses, and nothing else. Text comes first: it is what an exporter gives to a client
/// that does not ask, so that the series stay those of metric-gate.
const ACCEPT_VALUE: &str = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,application/openmetrics-text;version=0.0.1;q=0.3,*/*;q=0.1";
const USER_AGENT_VALUE: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
/// Tells the exporter, as Prometheus does, how long the asker will wait.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// gzip is decoded in steps of so many bytes: a step decodes to a thousand times as much at most.
const GZIP_STEP_BYTES: usize = 2 * 1024;
/// After so many decoded bytes others have their turn on the worker thread, and the deadline is
/// looked at: a target that always has more to say holds up neither.
const TURN_BYTES: usize = 1 << 20;
const FILE_READ_BYTES: usize = 256 * 1024;

/// Scrapes targets.
#[derive(Debug)]
pub struct Scraper {
    client: Client,
    settings: ClientSettings,
    ask_for: AskFor,
    body_bytes_max: u64,
}

/// How much came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Transfer {
    /// As sent.
    pub wire_bytes: u64,
    /// Decoded.
    pub body_bytes: u64,
}

/// The answer to a scrape, its body not yet read.
#[derive(Debug)]
pub struct Exposition {
    /// The grammar of the body.
    pub format: Format,
    body: RawBody,
    is_gzip: bool,
    body_bytes_max: u64,
}

impl Scraper {
    /// A scraper that refuses bodies of more than `body_bytes_max` decoded bytes.
    pub fn new(client: Client, ask_for: AskFor, body_bytes_max: u64) -> Self {
        Self { client, settings: ClientSettings::default(), ask_for, body_bytes_max }
    }

    /// A scraper for one upstream, which it asks as `settings` say.
    pub fn with_settings(
        settings: ClientSettings,
        proxies: ProxyRules,
        ask_for: AskFor,
        body_bytes_max: u64,
    ) -> Self {
        let tls = TlsClient::new(settings.tls.clone());
        let client = Client::with_connector(Connector::new(proxies, tls));
        Self { settings, ..Self::new(client, ask_for, body_bytes_max) }
    }

    /// Ask `target`, and check all that is known before the body.
    ///
    /// `time_left` is told to the target; keeping to it is the caller's, see [`within`].
    pub async fn open(
        &self,
        target: &Target,
        time_left: Duration,
    ) -> Result<Exposition, ScrapeError> {
        let response = self.ask(target, time_left, self.ask_for).await?;
        let status = response.status();
        if !status.is_success() {
            let message = format!("the target answered {status}");
            return Err(ScrapeError::new(ScrapeErrorKind::Status, message));
        }
        let content_type = header_text(response.headers(), &CONTENT_TYPE);
        let format = negotiate::format_of(&content_type).ok_or_else(|| {
            let message = format!("the content type is {content_type:?}, not that of metrics");
            ScrapeError::new(ScrapeErrorKind::ContentType, message)
        })?;
        let is_gzip = is_gzip(&header_text(response.headers(), &CONTENT_ENCODING))?;
        let body_bytes_max = self.body_bytes_max;
        Ok(Exposition { format, body: response.into_body(), is_gzip, body_bytes_max })
    }

    /// Ask `target`, whatever it then answers.
    pub async fn ask(
        &self,
        target: &Target,
        time_left: Duration,
        ask_for: AskFor,
    ) -> Result<Response<RawBody>, ScrapeError> {
        let (url, address) = match target {
            Target::Http(url) => (url, None),
            Target::At(url, address) => (url, Some(*address)),
            Target::File(path) => return open_file(path).await,
            Target::Local(local) => {
                let mut response = Response::new(RawBody::Local(local.open()));
                let content_type = HeaderValue::from_static("text/plain");
                response.headers_mut().insert(CONTENT_TYPE, content_type);
                return Ok(response);
            }
        };
        let header = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|e| ScrapeError::new(ScrapeErrorKind::Internal, e.to_string()))
        };
        let private = self.settings.headers().await;
        let private = private.map_err(|e| ScrapeError::new(ScrapeErrorKind::Secret, e))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPT_VALUE));
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
        headers.insert(TIMEOUT_HEADER, header(&timeout_text(time_left))?);
        let follow_redirects = self.settings.follow_redirects;
        let ask = Ask { headers: &headers, private: &private, address, ask_for, follow_redirects };
        let response = self.client.get(url, &ask).await?;
        Ok(response.map(RawBody::Http))
    }
}

impl Exposition {
    /// Hand the decoded body to `sink` piece by piece. `Ok` only if all of it came.
    pub async fn read(
        self,
        sink: impl FnMut(&[u8]) -> Result<(), Refused>,
    ) -> Result<Transfer, ScrapeError> {
        let Self { mut body, is_gzip, body_bytes_max, .. } = self;
        let transfer = Transfer::default();
        let mut sink = Bounded { sink, body_bytes_max, transfer, turn_bytes: 0 };
        let mut decoder = is_gzip.then(gzip::Decoder::new);
        while let Some(chunk) = body.chunk().await {
            let mut chunk = chunk?;
            sink.count_wire(chunk.len())?;
            let step_bytes = if is_gzip { GZIP_STEP_BYTES } else { TURN_BYTES };
            while !chunk.is_empty() {
                let step = chunk.split_to(step_bytes.min(chunk.len()));
                match &mut decoder {
                    Some(decoder) => {
                        decoder.push(&step, |piece| sink.push(piece)).map_err(gzip_error)?;
                    }
                    None => sink.push(&step)?,
                }
                drop(step);
                if sink.turn_bytes >= TURN_BYTES {
                    sink.turn_bytes = 0;
                    // Whoever has the next turn needs the buffer it lies in.
                    chunk = Bytes::copy_from_slice(&chunk);
                    tokio::task::yield_now().await;
                }
            }
        }
        decoder.map_or(Ok(()), |decoder| decoder.finish().map_err(gzip_error))?;
        Ok(sink.transfer)
    }
}

/// Run `work` until `deadline` completes; then it is dropped, and with it its connection.
pub async fn within<T>(
    deadline: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, ScrapeError>>,
) -> Result<T, ScrapeError> {
    let started = Instant::now();
    tokio::select! {
        done = work => done,
        () = deadline => {
            let seconds = started.elapsed().as_secs_f64();
            let message = format!("timed out after {seconds:.1} s");
            Err(ScrapeError::new(ScrapeErrorKind::Timeout, message))
        }
    }
}

/// A body as it is sent.
#[derive(Debug)]
pub enum RawBody {
    /// From a server.
    Http(ClientBody),
    /// From a file, read through a buffer.
    File(tokio::fs::File, Box<[u8]>),
    /// From this process.
    Local(LocalBody),
}

impl RawBody {
    /// The next piece; `None` at a clean end.
    async fn chunk(&mut self) -> Option<Result<Bytes, ScrapeError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The next piece; `None` at a clean end.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ScrapeError>>> {
        match self {
            Self::Http(body) => body.poll_chunk(cx).map_err(ScrapeError::from),
            Self::Local(LocalBody(next)) => Poll::Ready(next().map(Ok)),
            Self::File(file, buffer) => {
                let mut buffer = ReadBuf::new(buffer);
                let read = ready!(Pin::new(file).poll_read(cx, &mut buffer));
                let error =
                    |e: std::io::Error| ScrapeError::new(ScrapeErrorKind::File, e.to_string());
                Poll::Ready(match read {
                    Ok(()) if buffer.filled().is_empty() => None,
                    Ok(()) => Some(Ok(Bytes::copy_from_slice(buffer.filled()))),
                    Err(e) => Some(Err(error(e))),
                })
            }
        }
    }
}

/// A sink that counts, and refuses what goes beyond the limit.
struct Bounded<S> {
    sink: S,
    body_bytes_max: u64,
    transfer: Transfer,
    /// Bytes since others had their turn.
    turn_bytes: usize,
}

impl<S: FnMut(&[u8]) -> Result<(), Refused>> Bounded<S> {
    fn push(&mut self, piece: &[u8]) -> Result<(), ScrapeError> {
        self.transfer.body_bytes += piece.len() as u64;
        self.turn_bytes = self.turn_bytes.saturating_add(piece.len());
        if self.transfer.body_bytes > self.body_bytes_max {
            return Err(self.too_large());
        }
        Ok((self.sink)(piece)?)
    }

    /// Count what was sent. Bounded as well: a gzip stream may be long and decode to nothing.
    fn count_wire(&mut self, n_bytes: usize) -> Result<(), ScrapeError> {
        self.transfer.wire_bytes += n_bytes as u64;
        if self.transfer.wire_bytes > self.body_bytes_max { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> ScrapeError {
        let message =
            format!("the body is longer than {} bytes (--max-body-bytes)", self.body_bytes_max);
        ScrapeError::new(ScrapeErrorKind::BodyBytes, message)
    }
}

fn gzip_error(error: gzip::DecodeError<ScrapeError>) -> ScrapeError {
    let kind = match error {
        gzip::DecodeError::Sink(error) => return error,
        gzip::DecodeError::Corrupt => ScrapeErrorKind::Encoding,
        gzip::DecodeError::Truncated => ScrapeErrorKind::Truncated,
    };
    ScrapeError::new(kind, error.to_string())
}

async fn open_file(path: &Path) -> Result<Response<RawBody>, ScrapeError> {
    let error = |message: String| ScrapeError::new(ScrapeErrorKind::File, message);
    // Asked first: to open a pipe nobody writes to would block for ever.
    let metadata = tokio::fs::metadata(path).await.map_err(|e| error(e.to_string()))?;
    if !metadata.is_file() {
        return Err(error("not a regular file".to_owned()));
    }
    let mut file = tokio::fs::File::open(path).await.map_err(|e| error(e.to_string()))?;
    let format = guess_format(&mut file).await.map_err(|e| error(e.to_string()))?;
    file.set_max_buf_size(FILE_READ_BYTES);
    let buffer = vec![0; FILE_READ_BYTES].into_boxed_slice();
    let mut response = Response::new(RawBody::File(file, buffer));
    let content_type = match format {
        Format::Text => "text/plain",
        Format::OpenMetrics => "application/openmetrics-text",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// A file says nothing of its format but how it ends.
async fn guess_format(file: &mut tokio::fs::File) -> std::io::Result<Format> {
    let n_bytes = file.metadata().await?.len();
    file.seek(SeekFrom::Start(n_bytes.saturating_sub(FILE_END_BYTES))).await?;
    let mut end = Vec::new();
    (&mut *file).take(FILE_END_BYTES).read_to_end(&mut end).await?;
    file.rewind().await?;
    Ok(Format::guess(&end))
}

/// Seconds as Prometheus writes them into its timeout header.
fn timeout_text(left: Duration) -> String {
    let millis = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    millis.as_secs_f64().to_string()
}

fn is_gzip(content_encoding: &str) -> Result<bool, ScrapeError> {
    match content_encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => {
            let message = format!("the content encoding {other:?} was not asked for");
            Err(ScrapeError::new(ScrapeErrorKind::Encoding, message))
        }
    }
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers
        .get(name)
        .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
        .unwrap_or_default()
}
