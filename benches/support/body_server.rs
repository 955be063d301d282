//! A server of ready-made bodies, and a client that throws them away: the yardsticks.
//!
//! Both do as little as can be done, over plain sockets: the server sends one body from memory,
//! with `Content-Length` at `/metrics` and in chunks of 4 KiB, one write each as Go's server does,
//! at `/chunked`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much the client reads at once.
const READ_BYTES: usize = 256 << 10;
/// How much Go's server puts into a chunk.
const CHUNK_BYTES: usize = 4 << 10;

/// Serve `bodies` in turn until the process is ended.
///
/// Only requests weir makes advance the turn; one with `?plain` gets the body that is next.
pub(crate) fn serve(listener: &TcpListener, bodies: Vec<Vec<u8>>) -> io::Result<()> {
    let (bodies, turn) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    loop {
        let (stream, _) = listener.accept()?;
        let (bodies, turn) = (Arc::clone(&bodies), Arc::clone(&turn));
        // A client that goes away mid-body is its own affair.
        std::thread::spawn(move || answer_all(stream, &bodies, &turn).ok());
    }
}

fn answer_all(mut stream: TcpStream, bodies: &[Vec<u8>], turn: &AtomicUsize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream.try_clone()?);
    while let Some(request) = Request::read(&mut requests)? {
        let at = if request.path.ends_with("?plain") {
            turn.load(Ordering::Relaxed)
        } else {
            turn.fetch_add(1, Ordering::Relaxed)
        };
        let body = &bodies[at % bodies.len()];
        if request.path.starts_with("/chunked") {
            send_chunked(&mut stream, body)?;
        } else {
            write!(stream, "{HEAD}Content-Length: {}\r\n\r\n", body.len())?;
            stream.write_all(body)?;
        }
        if request.is_last {
            break;
        }
    }
    Ok(())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";

fn send_chunked(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    write!(stream, "{HEAD}Transfer-Encoding: chunked\r\n\r\n")?;
    let mut frame = Vec::with_capacity(CHUNK_BYTES + 16);
    for chunk in body.chunks(CHUNK_BYTES) {
        frame.clear();
        write!(frame, "{:x}\r\n", chunk.len())?;
        frame.extend_from_slice(chunk);
        frame.extend_from_slice(b"\r\n");
        stream.write_all(&frame)?;
    }
    stream.write_all(b"0\r\n\r\n")
}

struct Request {
    path: String,
    is_last: bool,
}

impl Request {
    /// Read the next head, or `None` where the client has closed.
    fn read(lines: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return Ok(None) };
        let mut request = Self { path, is_last: false };
        loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 || line == "\r\n" {
                return Ok(Some(request));
            }
            request.is_last |= line.trim_end().eq_ignore_ascii_case("connection: close");
        }
    }
}

/// What came back for a download, but for the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    status: u16,
    length: Option<usize>,
    /// Whether the body is in chunks.
    pub(crate) chunked: bool,
    /// Whether the body is compressed.
    pub(crate) gzip: bool,
}

/// Download `path` and hand each piece of what follows the head, as it is sent, to `sink`.
pub(crate) fn download(
    address: &str,
    path: &str,
    headers: &str,
    mut sink: impl FnMut(&[u8]),
) -> io::Result<Head> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n")?;
    let mut reader = BufReader::with_capacity(READ_BYTES, stream);
    let head = Head::read(&mut reader)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut n_read = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            n => {
                sink(&buffer[..n]);
                n_read += n;
            }
        }
    }
    if head.status != 200 || head.length.is_some_and(|length| length != n_read) {
        return Err(io::Error::other(format!("status {}, {n_read} bytes", head.status)));
    }
    Ok(head)
}

impl Head {
    fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut head = Self { status: 0, length: None, chunked: false, gzip: false };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                head.status = rest.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0);
            } else if let Some((name, value)) = line.split_once(": ") {
                match name {
                    "content-length" => head.length = value.parse().ok(),
                    "transfer-encoding" => head.chunked = value == "chunked",
                    "content-encoding" => head.gzip = value == "gzip",
                    _ => {}
                }
            } else {
                return Ok(head);
            }
        }
    }
}

/// The body inside chunks.
pub(crate) fn without_chunks(mut text: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(text.len());
    while let Some(at) = text.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&text[..at]).expect("a chunk begins with its size");
        let size = usize::from_str_radix(size, 16).expect("the size is hexadecimal");
        let start = at + 2;
        body.extend_from_slice(&text[start..start + size]);
        text = &text[start + size + 2..];
        if size == 0 {
            break;
        }
    }
    body
}
