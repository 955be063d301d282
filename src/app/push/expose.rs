//! `/metrics`: what is stored, in text 0.0.4, a family at a time.

use crate::app::push::PushProxy;
use crate::http::Body;
use crate::push::GroupingKey;
use crate::push::canonical::write_families;
use crate::push::store::FamilyPage;
use crate::push::store::PUSH_FAILURE_TIME;
use crate::push::store::PUSH_TIME;
use crate::push::store::time_family;
use crate::source::Local;
use crate::source::Target;
use crate::source::local::Pieces;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Response;
use http::header::CONTENT_TYPE;
use std::sync::Arc;

/// Pieces of about this many bytes are written.
const PIECE_BYTES: usize = 64 * 1024;
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// With names in quotes, which only readers who ask for them understand.
const TEXT_UTF8: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

/// Where in the exposition a reader is.
struct Reading {
    proxy: Arc<PushProxy>,
    name: Option<Arc<str>>,
    page: Option<FamilyPage>,
    times: Option<Vec<(Arc<GroupingKey>, i64, i64)>>,
}

impl PushProxy {
    /// What is stored, as a target of the gate.
    pub(in crate::app) fn target(self: &Arc<Self>) -> Target {
        let proxy = Arc::clone(self);
        Target::Local(Local::new("push", move || proxy.pieces()))
    }

    fn pieces(self: &Arc<Self>) -> Pieces {
        let mut reading = Reading { proxy: Arc::clone(self), name: None, page: None, times: None };
        Box::new(move || reading.piece())
    }

    pub(super) fn expose(self: &Arc<Self>, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::pieces(self.pieces()));
        let accept = headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let is_utf8 = self.live().config.utf8_names
            && accept.is_some_and(|accept| accept.contains("escaping=allow-utf-8"));
        let content_type = HeaderValue::from_static(if is_utf8 { TEXT_UTF8 } else { TEXT });
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

impl Reading {
    fn piece(&mut self) -> Option<Bytes> {
        let mut out = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4);
        while out.len() < PIECE_BYTES {
            if let Some(page) = &mut self.page {
                if !page.write(&mut out, PIECE_BYTES) {
                    self.page = None;
                }
                continue;
            }
            if self.times.is_some() {
                break;
            }
            // The store is let go of before anything is written.
            let next = self.proxy.store().family_after(self.name.as_deref());
            if let Some((name, page)) = next {
                (self.name, self.page) = (Some(name), Some(page));
            } else {
                let times = self.proxy.store().times();
                write_times(&mut out, &times);
                self.times = Some(times);
            }
        }
        (!out.is_empty()).then(|| out.into())
    }
}

/// The families that tell when groups were pushed to.
fn write_times(out: &mut Vec<u8>, times: &[(Arc<GroupingKey>, i64, i64)]) {
    if times.is_empty() {
        return;
    }
    let failed = times.iter().map(|(key, _, failed_ms)| (&**key, *failed_ms));
    let pushed = times.iter().map(|(key, pushed_ms, _)| (&**key, *pushed_ms));
    let families = [
        (PUSH_FAILURE_TIME, time_family(PUSH_FAILURE_TIME, failed)),
        (PUSH_TIME, time_family(PUSH_TIME, pushed)),
    ];
    out.extend(write_families(families.iter().map(|(name, family)| (*name, family))));
}
