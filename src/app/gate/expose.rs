//! Snapshots as answers: negotiated, streamed a piece at a time, in gzip if asked for.

use crate::aggregate::snapshot::Snapshot;
use crate::http::Body;
use crate::http::gzip;
use crate::http::negotiate::{self, Offer};
use crate::render::{RenderOptions, Renderer};
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response};
use std::sync::Arc;

/// Text is rendered in pieces of about this size: small enough to stay in the cache, and to cost a
/// worker thread well below a millisecond.
const PIECE_BYTES: usize = 64 * 1024;
/// Room for what a piece goes over its size by.
const PIECE_SLACK_BYTES: usize = 8 * 1024;
/// Rendered pieces that may go into one piece of gzip.
const PIECES_PER_GZIP_PIECE: usize = 4;

/// Answer with a snapshot, in what the asker accepts.
pub(super) fn exposition(
    snapshot: Arc<Snapshot>,
    asked: &HeaderMap,
    default_timestamp_ms: Option<i64>,
) -> Response<Body> {
    let (offer, is_gzip) = negotiate(asked);
    let options =
        RenderOptions { format: offer.format, escaping: offer.escaping, default_timestamp_ms };
    let renderer = Renderer::new(snapshot, options);
    let body = if is_gzip { gzip_body(renderer) } else { plain_body(renderer) };
    with_headers(body, offer, is_gzip)
}

/// What the headers of [`exposition`] would be.
pub(super) fn head(asked: &HeaderMap) -> Response<Body> {
    let (offer, is_gzip) = negotiate(asked);
    with_headers(Body::empty(), offer, is_gzip)
}

fn negotiate(asked: &HeaderMap) -> (Offer, bool) {
    let offer = negotiate::offer(&joined(asked, &ACCEPT));
    (offer, negotiate::wants_gzip(&joined(asked, &ACCEPT_ENCODING)))
}

/// All values of a header; several lines mean the same as one with commas (RFC 9110, 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn with_headers(body: Body, offer: Offer, is_gzip: bool) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&offer.content_type()) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn plain_body(mut renderer: Renderer) -> Body {
    Body::pieces(move || {
        let mut piece = Vec::with_capacity(PIECE_BYTES + PIECE_SLACK_BYTES);
        while piece.is_empty() && renderer.fill(&mut piece, PIECE_BYTES) {}
        (!piece.is_empty()).then(|| Bytes::from(piece))
    })
}

fn gzip_body(mut renderer: Renderer) -> Body {
    let mut encoder = Some(gzip::Encoder::new());
    let mut text = Vec::with_capacity(PIECE_BYTES + PIECE_SLACK_BYTES);
    Body::pieces(move || {
        let mut piece = Vec::new();
        let mut n_rendered = 0;
        // An empty piece would end the body, and the encoder may hold back all it was given.
        while n_rendered < PIECES_PER_GZIP_PIECE || piece.is_empty() {
            let deflate = encoder.as_mut()?;
            text.clear();
            let is_more = renderer.fill(&mut text, PIECE_BYTES);
            deflate.push(&text, &mut piece);
            n_rendered += 1;
            if !is_more {
                deflate.finish(&mut piece);
                encoder = None;
                break;
            }
        }
        Some(Bytes::from(piece))
    })
}
