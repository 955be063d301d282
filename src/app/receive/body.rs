//! Bodies of requests, and the bytes that are in flight with them.

use super::Refusal;
use crate::config::file::receive::ReceiveSettings;
use crate::http::incoming;
use crate::http::incoming::Bounds;
use crate::http::incoming::ReadError;
use bytes::Bytes;
use http::Request;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// A body, which counts as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Read a body.
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
    let bounds = Bounds { bytes_max: max as u64, time_max: settings.read_time_max };
    let mut permit: Option<OwnedSemaphorePermit> = None;
    let hold = |n_bytes: usize| {
        let n_bytes = u32::try_from(n_bytes).map_err(|_| ())?;
        let more = Arc::clone(in_flight).try_acquire_many_owned(n_bytes).map_err(|_| ())?;
        match &mut permit {
            Some(permit) => permit.merge(more),
            None => permit = Some(more),
        }
        Ok(())
    };
    let read = incoming::read(request.into_body(), bounds, hold).await;
    let read = read.map_err(|error| match error {
        ReadError::TooLong => Refusal::BodyTooLong { max },
        ReadError::TooSlow => Refusal::BodyTooSlow,
        ReadError::Cut(why) => Refusal::BodyBroken(why),
        ReadError::NoRoom(()) => Refusal::InFlight,
    })?;
    Ok(InFlight { bytes: read.into(), _permit: permit })
}
