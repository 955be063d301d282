//! One scrape: ask, check the head, hand on the decoded body, make sure that it was whole.

use crate::http::Client;
use crate::http::Url;
use crate::http::client::{AskFor, ClientBody};
use crate::http::gzip;
use crate::http::negotiate;
use crate::model::Format;
use crate::source::error::{Refused, ScrapeError, ScrapeErrorKind};
use crate::source::target::Target;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

/// What weir parses, and nothing else. Text comes first: it is what an exporter gives to a client
/// that does not ask, so that the series stay those of metric-gate.
const ACCEPT_VALUE: &str = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,application/openmetrics-text;version=0.0.1;q=0.3,*/*;q=0.1";
const USER_AGENT_VALUE: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
/// Tells the exporter, as Prometheus does, how long the asker will wait.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// gzip is decoded in steps of so many bytes, so that a bomb cannot hold a worker thread for long.
const GZIP_STEP_BYTES: usize = 16 * 1024;
const FILE_READ_BYTES: usize = 256 * 1024;

/// Scrapes targets.
#[derive(Debug)]
pub struct Scraper {
    client: Client,
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
    origin: Origin,
    body_bytes_max: u64,
    started: Instant,
    deadline: Instant,
}

#[derive(Debug)]
enum Origin {
    Http { body: ClientBody, is_gzip: bool },
    File(tokio::fs::File),
}

impl Scraper {
    /// A scraper that refuses bodies of more than `body_bytes_max` decoded bytes.
    pub fn new(client: Client, ask_for: AskFor, body_bytes_max: u64) -> Self {
        Self { client, ask_for, body_bytes_max }
    }

    /// Ask `target`, and check all that is known before the body.
    pub async fn open(
        &self,
        target: &Target,
        deadline: Instant,
    ) -> Result<Exposition, ScrapeError> {
        let started = Instant::now();
        let opened = async {
            match target {
                Target::Http(url) => self.open_http(url, deadline).await,
                Target::File(path) => open_file(path).await,
            }
        };
        let (format, origin) =
            timeout_at(deadline, opened).await.unwrap_or_else(|_| Err(timed_out(started)))?;
        let body_bytes_max = self.body_bytes_max;
        Ok(Exposition { format, origin, body_bytes_max, started, deadline })
    }

    async fn open_http(
        &self,
        url: &Url,
        deadline: Instant,
    ) -> Result<(Format, Origin), ScrapeError> {
        let response = self.request(url, deadline, ACCEPT_VALUE).await?;
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
        Ok((format, Origin::Http { body: response.into_body(), is_gzip }))
    }

    /// Ask a server, whatever it then answers. The caller bounds the time.
    pub async fn request(
        &self,
        url: &Url,
        deadline: Instant,
        accept: &str,
    ) -> Result<Response<ClientBody>, ScrapeError> {
        let mut headers = HeaderMap::new();
        let left = deadline.saturating_duration_since(Instant::now());
        let header = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|e| ScrapeError::new(ScrapeErrorKind::Internal, e.to_string()))
        };
        headers.insert(ACCEPT, header(accept)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
        headers.insert(TIMEOUT_HEADER, header(&timeout_text(left))?);
        Ok(self.client.get(url, &headers, self.ask_for).await?)
    }
}

impl Exposition {
    /// Hand the decoded body to `sink` piece by piece. `Ok` only if all of it came.
    pub async fn read(
        self,
        sink: impl FnMut(&[u8]) -> Result<(), Refused>,
    ) -> Result<Transfer, ScrapeError> {
        let Self { origin, body_bytes_max, started, deadline, .. } = self;
        let mut bounded = Bounded { sink, body_bytes_max, transfer: Transfer::default() };
        let reading = async {
            match origin {
                Origin::Http { body, is_gzip: false } => read_plain(body, &mut bounded).await,
                Origin::Http { body, is_gzip: true } => read_gzip(body, &mut bounded).await,
                Origin::File(file) => read_file(file, &mut bounded).await,
            }
        };
        timeout_at(deadline, reading).await.unwrap_or_else(|_| Err(timed_out(started)))?;
        Ok(bounded.transfer)
    }
}

/// A sink that counts, and refuses what goes beyond the limit.
struct Bounded<S> {
    sink: S,
    body_bytes_max: u64,
    transfer: Transfer,
}

impl<S: FnMut(&[u8]) -> Result<(), Refused>> Bounded<S> {
    fn push(&mut self, piece: &[u8]) -> Result<(), ScrapeError> {
        self.transfer.body_bytes += piece.len() as u64;
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

async fn read_plain<S: FnMut(&[u8]) -> Result<(), Refused>>(
    mut body: ClientBody,
    sink: &mut Bounded<S>,
) -> Result<(), ScrapeError> {
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        sink.count_wire(chunk.len())?;
        sink.push(&chunk)?;
    }
    Ok(())
}

async fn read_gzip<S: FnMut(&[u8]) -> Result<(), Refused>>(
    mut body: ClientBody,
    sink: &mut Bounded<S>,
) -> Result<(), ScrapeError> {
    let mut decoder = gzip::Decoder::new();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        sink.count_wire(chunk.len())?;
        for step in chunk.chunks(GZIP_STEP_BYTES) {
            decoder.push(step, |piece| sink.push(piece)).map_err(gzip_error)?;
            tokio::task::yield_now().await;
        }
    }
    decoder.finish().map_err(gzip_error)
}

fn gzip_error(error: gzip::DecodeError<ScrapeError>) -> ScrapeError {
    let kind = match error {
        gzip::DecodeError::Sink(error) => return error,
        gzip::DecodeError::Corrupt => ScrapeErrorKind::Encoding,
        gzip::DecodeError::Truncated => ScrapeErrorKind::Truncated,
    };
    ScrapeError::new(kind, error.to_string())
}

async fn open_file(path: &Path) -> Result<(Format, Origin), ScrapeError> {
    let error = |message: String| ScrapeError::new(ScrapeErrorKind::File, message);
    // Asked first: to open a pipe nobody writes to would block for ever.
    let metadata = tokio::fs::metadata(path).await.map_err(|e| error(e.to_string()))?;
    if !metadata.is_file() {
        return Err(error("not a regular file".to_owned()));
    }
    let file = tokio::fs::File::open(path).await.map_err(|e| error(e.to_string()))?;
    Ok((Format::Text, Origin::File(file)))
}

async fn read_file<S: FnMut(&[u8]) -> Result<(), Refused>>(
    mut file: tokio::fs::File,
    sink: &mut Bounded<S>,
) -> Result<(), ScrapeError> {
    file.set_max_buf_size(FILE_READ_BYTES);
    let mut buffer = vec![0; FILE_READ_BYTES];
    loop {
        let n_bytes = file
            .read(&mut buffer)
            .await
            .map_err(|e| ScrapeError::new(ScrapeErrorKind::File, e.to_string()))?;
        if n_bytes == 0 {
            return Ok(());
        }
        sink.count_wire(n_bytes)?;
        sink.push(&buffer[..n_bytes])?;
    }
}

fn timed_out(started: Instant) -> ScrapeError {
    let seconds = started.elapsed().as_secs_f64();
    ScrapeError::new(ScrapeErrorKind::Timeout, format!("timed out after {seconds:.1} s"))
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
