//! Bodies of requests, read within bounds.

use super::Refusal;
use crate::config::file::receive::ReceiveSettings;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A body, which counts as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Read a body. Memory is taken as bytes come, whatever the sender says their number is.
pub(super) async fn read<B>(
    request: Request<B>,
    settings: &ReceiveSettings,
    in_flight: &Arc<Semaphore>,
) -> Result<InFlight, Refusal>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let max = settings.body_bytes_max;
    let body = request.into_body();
    let said = body.size_hint().lower();
    if usize::try_from(said).map_or(true, |said| said > max) {
        return Err(Refusal::BodyTooLong { max });
    }
    match timeout(settings.read_time_max, frames(body, max, in_flight)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::BodyTooSlow),
    }
}

async fn frames<B>(body: B, max: usize, in_flight: &Arc<Semaphore>) -> Result<InFlight, Refusal>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut body = pin!(body);
    let mut permit: Option<OwnedSemaphorePermit> = None;
    let mut read: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::BodyBroken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > max {
            return Err(Refusal::BodyTooLong { max });
        }
        let n_bytes = u32::try_from(data.len()).map_err(|_| Refusal::InFlight)?;
        let more = Arc::clone(in_flight).try_acquire_many_owned(n_bytes);
        let more = more.map_err(|_| Refusal::InFlight)?;
        match &mut permit {
            Some(permit) => permit.merge(more),
            None => permit = Some(more),
        }
        read.extend_from_slice(&data);
    }
    Ok(InFlight { bytes: read.into(), _permit: permit })
}
