//! The body of a request, read within bounds.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// Memory that is taken for a body at once, as soon as any of it has come.
const AT_ONCE_BYTES_MAX: u64 = 1 << 20;

/// How much a body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes as they are sent.
    pub bytes_max: u64,
    /// From the first byte to the last.
    pub time_max: Duration,
}

/// Why a body was not read to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReadError<E> {
    /// It has, or says it has, more bytes than it may.
    TooLong,
    /// It did not come in time.
    TooSlow,
    /// The connection broke; how.
    Cut(String),
    /// Whoever counts the bytes has no room for more.
    NoRoom(E),
}

/// Read a body. Memory is taken as bytes come, beyond the first MiB whatever the sender says
/// their number is; `hold` is told how many came before they are kept.
///
/// # Errors
///
/// The first bound it breaks; and what `hold` returns.
pub async fn read<B, E>(
    body: B,
    bounds: Bounds,
    hold: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<u8>, ReadError<E>>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    if body.size_hint().lower() > bounds.bytes_max {
        return Err(ReadError::TooLong);
    }
    let reading = frames(body, bounds.bytes_max, hold);
    timeout(bounds.time_max, reading).await.unwrap_or(Err(ReadError::TooSlow))
}

/// Read the rest of a body for nothing, so that its sender, once it has sent it, reads the answer and
/// does not find the connection broken. Beyond the bounds the rest is left.
pub async fn discard<B>(body: B, bounds: Bounds)
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut n_bytes = 0;
    let reading = async {
        let mut body = pin!(body);
        while let Some(Ok(frame)) = body.frame().await {
            n_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if n_bytes > bounds.bytes_max {
                break;
            }
        }
    };
    // What is left then is lost to nobody.
    timeout(bounds.time_max, reading).await.unwrap_or_default();
}

async fn frames<B, E>(
    body: B,
    bytes_max: u64,
    mut hold: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<u8>, ReadError<E>>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let said = body.size_hint().lower().min(AT_ONCE_BYTES_MAX);
    let said = usize::try_from(said).unwrap_or_default();
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ReadError::Cut(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > bytes_max {
            return Err(ReadError::TooLong);
        }
        hold(data.len()).map_err(ReadError::NoRoom)?;
        if bytes.is_empty() {
            bytes.reserve(said.max(data.len()));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
