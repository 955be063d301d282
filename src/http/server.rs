//! The server: accepts, bounds and drains connections, with or without TLS; what to answer is the
//! handler's.
//!
//! The listener and the signal to stop are arguments, so tests bind port 0 and decide when it ends.

use crate::http::Body;
use crate::http::web::tls::names_of;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;

/// After a failed accept, wait this long at first …
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
/// … and twice as long after each further one, up to this.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);
/// Told to whom comes when all connections are taken.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\nContent-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n";
/// Told to whom speaks plain HTTP where TLS is spoken; Go's words.
const NO_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// Request line and headers may take this many bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at the same time.
    pub connections_max: usize,
    /// Clients that may wait for one, when all are taken …
    pub queue_max: usize,
    /// … and for how long.
    pub queue_time_max: Duration,
    /// A client's time for the head of a request, and for beginning the next one.
    pub header_time_max: Duration,
    /// A client that takes nothing of an answer for this long is gone.
    pub stall_time_max: Duration,
    /// Time for open requests to finish once the server stops.
    pub drain_time_max: Duration,
}

/// What makes TLS of a connection.
#[derive(Clone)]
pub struct Tls {
    /// Agrees on it with the client.
    pub acceptor: TlsAcceptor,
    /// Whether a client's certificate is taken only if an authority has signed it.
    pub verifies_clients: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// The alternative names in the certificate of a client, which an authority has signed. Where there
/// is one, requests have them among their extensions.
#[derive(Clone, Debug)]
pub struct ClientNames(pub Arc<[String]>);

/// What happens to connections, for whoever counts it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectionEvent {
    /// Accepted.
    Opened,
    /// Over, for whatever reason.
    Closed,
    /// Turned away, as all connections were taken.
    Refused,
    /// The system could not accept.
    AcceptFailed,
    /// The head of a request had begun and did not come in time.
    HeaderTimeout,
    /// The client took nothing of an answer for too long.
    Stalled,
    /// Client and server did not agree on TLS.
    TlsFailed(TlsFailure),
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsFailure {
    /// The client has no certificate, or one that is not taken.
    Certificate,
    /// The client went away.
    Closed,
    /// The client speaks plain HTTP.
    PlainHttp,
    /// No version or suite in common, or what came is no TLS.
    Protocol,
    /// It took too long.
    Timeout,
}

impl TlsFailure {
    /// Every failure.
    pub const ALL: [Self; 5] =
        [Self::Certificate, Self::Closed, Self::PlainHttp, Self::Protocol, Self::Timeout];

    /// The failure in a word.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Closed => "closed",
            Self::PlainHttp => "plain_http",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
        }
    }

    fn of(error: &io::Error) -> Self {
        use rustls::Error::{InvalidCertificate, NoCertificatesPresented};
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(InvalidCertificate(_) | NoCertificatesPresented) => Self::Certificate,
            Some(_) => Self::Protocol,
            None => Self::Closed,
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drain {
    /// Every request was answered.
    Complete,
    /// Some connections were still busy and were cut.
    OutOfTime {
        /// How many.
        n_connections: usize,
    },
}

/// For [`serve`]: no connection is encrypted.
pub fn no_tls() -> Option<Tls> {
    None
}

/// Serve until `shutdown` completes, then let open requests finish. `tls` is asked for each
/// connection; without it the connection is plain HTTP.
pub async fn serve<H, F>(
    listener: TcpListener,
    limits: ServerLimits,
    tls: impl Fn() -> Option<Tls>,
    handler: H,
    observe: impl Fn(ConnectionEvent) + Clone + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) -> Drain
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let (stop, stopping) = watch::channel(());
    let places = Arc::new(Places::new(limits));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut back_off = BACK_OFF_MIN;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        let Ok((stream, _)) = accepted else {
            observe(ConnectionEvent::AcceptFailed);
            tokio::select! {
                () = tokio::time::sleep(back_off) => {}
                () = &mut shutdown => break,
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
            continue;
        };
        back_off = BACK_OFF_MIN;
        let turn_away = {
            let (observe, tls) = (observe.clone(), tls());
            move |stream| {
                observe(ConnectionEvent::Refused);
                // In TLS there is nothing to be said before it is agreed on.
                if tls.is_none() {
                    refuse(stream);
                }
            }
        };
        let Some(place) = places.take() else {
            turn_away(stream);
            continue;
        };
        let (handler, observe, mut stopping) = (handler.clone(), observe.clone(), stopping.clone());
        let (places, tls) = (Arc::clone(&places), tls());
        connections.spawn(async move {
            let slot = tokio::select! {
                slot = places.wait(place) => slot,
                _ = stopping.changed() => return,
            };
            let Some(slot) = slot else { return turn_away(stream) };
            observe(ConnectionEvent::Opened);
            let _closed = OnDrop(|| observe(ConnectionEvent::Closed));
            drop(stream.set_nodelay(true));
            // Whoever waits takes no memory for this.
            let event = match tls {
                None => Box::pin(serve_connection((stream, None), limits, handler, stopping)).await,
                Some(tls) => Box::pin(serve_tls(tls, stream, limits, handler, stopping)).await,
            };
            event.map(&observe);
            drop(slot);
        });
    }
    drop(listener);
    drop(stop);
    drain(connections, limits.drain_time_max).await
}

/// A connection's right to be, or its right to wait for that.
enum Place {
    Taken(OwnedSemaphorePermit),
    Waiting(OwnedSemaphorePermit),
}

/// How many connections there may be, and how many may wait to be one.
struct Places {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    time_max: Duration,
}

impl Places {
    fn new(limits: ServerLimits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections_max));
        let queue = Arc::new(Semaphore::new(limits.queue_max));
        Self { slots, queue, time_max: limits.queue_time_max }
    }

    fn take(&self) -> Option<Place> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map(Place::Taken);
        slot.or_else(|_| Arc::clone(&self.queue).try_acquire_owned().map(Place::Waiting)).ok()
    }

    /// Wait, if that is what is to be done; `None` if it was in vain.
    async fn wait(&self, place: Place) -> Option<OwnedSemaphorePermit> {
        match place {
            Place::Taken(slot) => Some(slot),
            Place::Waiting(_turn) => {
                let slot = Arc::clone(&self.slots).acquire_owned();
                timeout(self.time_max, slot).await.ok()?.ok()
            }
        }
    }
}

async fn drain(mut connections: JoinSet<()>, time_max: Duration) -> Drain {
    let all_closed = async { while connections.join_next().await.is_some() {} };
    match timeout(time_max, all_closed).await {
        Ok(()) => Drain::Complete,
        Err(_) => Drain::OutOfTime { n_connections: connections.len() },
    }
}

/// Agree on TLS, then serve; what is worth counting about its end, if anything.
async fn serve_tls<H, F>(
    tls: Tls,
    stream: TcpStream,
    limits: ServerLimits,
    handler: H,
    mut stopping: watch::Receiver<()>,
) -> Option<ConnectionEvent>
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    let agreed = tokio::select! {
        agreed = timeout(limits.header_time_max, handshake(tls, stream)) => agreed,
        _ = stopping.changed() => return None,
    };
    match agreed.unwrap_or(Err(TlsFailure::Timeout)) {
        Ok(agreed) => serve_connection(agreed, limits, handler, stopping).await,
        Err(failure) => Some(ConnectionEvent::TlsFailed(failure)),
    }
}

async fn handshake(
    tls: Tls,
    mut stream: TcpStream,
) -> Result<(Box<TlsStream<TcpStream>>, Option<ClientNames>), TlsFailure> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        // No record of TLS begins with a letter; every request does.
        Ok(1) if first[0].is_ascii_uppercase() => {
            // The client may have gone.
            stream.write_all(NO_TLS).await.ok();
            return Err(TlsFailure::PlainHttp);
        }
        Ok(1) => {}
        _ => return Err(TlsFailure::Closed),
    }
    let agreed = tls.acceptor.accept(stream).await.map_err(|error| TlsFailure::of(&error))?;
    let shown = agreed.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let shown = shown.filter(|_| tls.verifies_clients);
    let names = shown.map(|certificate| ClientNames(names_of(certificate).into()));
    Ok((Box::new(agreed), names))
}

/// Serve one connection to its end; what is worth counting about that end, if anything.
async fn serve_connection<S, H, F>(
    (stream, client): (S, Option<ClientNames>),
    limits: ServerLimits,
    handler: H,
    mut stopping: watch::Receiver<()>,
) -> Option<ConnectionEvent>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    let progress = Arc::new(Progress::default());
    let io = Unstalled::new(stream, limits.stall_time_max, Arc::clone(&progress));
    let answered = Arc::clone(&progress);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(client) = &client {
            request.extensions_mut().insert(client.clone());
        }
        answered.set(Progress::ANSWERING);
        let body_ends = EndOfBody(Arc::clone(&answered));
        let response = handler(request);
        async move {
            let response = response.await;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _ends: body_ends }))
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time_max)
            .max_buf_size(HEAD_BYTES_MAX.max(8192))
            .serve_connection(TokioIo::new(io), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            // Goes on only for an answer: what has come of another request's head is dropped.
            let ended = poll_fn(|cx| match connection.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if progress.is_answering() => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
            });
            ended.await?
        }
    };
    let error = ended.err()?;
    if error.is_timeout() {
        // The same timer closes connections that are merely idle.
        progress.is_mid_head.load(Ordering::Relaxed).then_some(ConnectionEvent::HeaderTimeout)
    } else if is_stall(&error) {
        Some(ConnectionEvent::Stalled)
    } else {
        None
    }
}

fn is_stall(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// Turn a client away in one short write, which a fresh socket always takes.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        drop(stream.write_all(REFUSAL));
        drop(stream.shutdown(std::net::Shutdown::Write));
    }
}

/// Runs something however a task ends.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// How far a connection is, as its service, the body of its answer and its socket see it.
#[derive(Debug, Default)]
struct Progress {
    answer: AtomicU8,
    /// Whether something was read since the last write: the head of a request has begun.
    is_mid_head: AtomicBool,
}

impl Progress {
    /// No request is under way; one may be arriving.
    const WAITING: u8 = 0;
    /// A request has come, and its answer is not all made.
    const ANSWERING: u8 = 1;
    /// The answer is all made, and not all sent.
    const FLUSHING: u8 = 2;

    fn set(&self, state: u8) {
        self.answer.store(state, Ordering::Relaxed);
    }

    fn is_answering(&self) -> bool {
        self.answer.load(Ordering::Relaxed) != Self::WAITING
    }

    /// Everything that was written is with the system: an answer that is all made is over.
    fn flushed(&self) {
        let (from, to) = (Self::FLUSHING, Self::WAITING);
        // In any other state there is nothing to change.
        self.answer.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).ok();
    }
}

/// Tells, when it is dropped, that no more of an answer will be made.
struct EndOfBody(Arc<Progress>);

impl Drop for EndOfBody {
    fn drop(&mut self) {
        self.0.set(Progress::FLUSHING);
    }
}

/// A body that tells when it is over.
struct Answer {
    body: Body,
    _ends: EndOfBody,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket of which a write that makes no progress for too long fails.
struct Unstalled<S> {
    inner: S,
    time_max: Duration,
    is_waiting: bool,
    deadline: Pin<Box<Sleep>>,
    progress: Arc<Progress>,
}

impl<S> Unstalled<S> {
    fn new(inner: S, time_max: Duration, progress: Arc<Progress>) -> Self {
        let deadline = Box::pin(tokio::time::sleep(time_max));
        Self { inner, time_max, is_waiting: false, deadline, progress }
    }

    fn check<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.progress.is_mid_head.store(false, Ordering::Relaxed);
        self.check_time(cx, written)
    }

    fn check_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.deadline.as_mut().reset(Instant::now() + self.time_max);
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if buf.filled().len() > n_before {
            self.progress.is_mid_head.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS has written what it took only when it is flushed.
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        ready!(self.check_time(cx, flushed))?;
        self.progress.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.check_time(cx, shut)
    }
}
