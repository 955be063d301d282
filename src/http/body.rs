//! The body of an answer weir gives: one text, pieces made as they are wanted, or somebody's stream.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Makes the next piece of a body; `None` at its end.
type Pieces = Box<dyn FnMut() -> Option<Bytes> + Send>;
type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>;

/// The body of an answer.
pub struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Pieces(Pieces),
    Stream(Stream),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    /// A body known in full.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Kind::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// A body of which each piece is made when the client has taken the ones before.
    ///
    /// `next` runs on a worker thread of the runtime: a piece should cost well below a millisecond.
    pub fn pieces(next: impl FnMut() -> Option<Bytes> + Send + 'static) -> Self {
        Self(Kind::Pieces(Box::new(next)))
    }

    /// A body that comes from elsewhere. An error cuts the answer so that the client notices.
    pub fn stream(
        stream: impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
    ) -> Self {
        Self(Kind::Stream(Box::pin(stream)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Whole(_) => "Body(whole)",
            Kind::Pieces(_) => "Body(pieces)",
            Kind::Stream(_) => "Body(stream)",
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            Kind::Pieces(next) => Poll::Ready(next().map(Frame::data).map(Ok)),
            Kind::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Pieces(_) => false,
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Pieces(_) => SizeHint::default(),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}
