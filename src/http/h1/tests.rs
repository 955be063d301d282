use super::*;
use http::Method;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

impl Io for DuplexStream {}

/// What became of an answer: status, body, whether the connection may be used again.
type Seen = Result<(u16, Vec<u8>, bool), String>;

/// Read the answer in `bytes`, which come `step` at a time, after which the connection is closed.
async fn read(bytes: &[u8], step: usize) -> Seen {
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    let request = request(Method::GET, Bytes::new());
    let serve = async {
        for piece in bytes.chunks(step) {
            // Whoever has seen enough does not read on.
            drop(far.write_all(piece).await);
            tokio::task::yield_now().await;
        }
        drop(far);
    };
    let ((), seen) = tokio::join!(serve, pieces::read_all(&mut near, &request));
    seen.map(|(status, body, is_reusable)| (status.as_u16(), body, is_reusable))
}

fn request(method: Method, body: Bytes) -> Request<Bytes> {
    Request::builder().method(method).uri("/m?a=b").header("host", "h").body(body).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// What an answer is read as, whatever the pieces it comes in.
#[track_caller]
fn check(answer: &str, expect: Result<(u16, &str, bool), &str>) {
    for step in [answer.len().max(1), 7, 1] {
        match (block_on(read(answer.as_bytes(), step)), expect) {
            (Ok((status, body, is_reusable)), Ok(expect)) => {
                let body = String::from_utf8(body).unwrap();
                assert_eq!((status, body.as_str(), is_reusable), expect, "{answer:?} by {step}");
            }
            (Err(error), Err(expect)) => {
                assert!(error.contains(expect), "{answer:?} by {step}: {error}");
            }
            (seen, _) => panic!("{answer:?} by {step}: {seen:?}"),
        }
    }
}

#[test]
fn a_length_ends_a_body() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Ok((200, "abc", true)));
    check("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", Ok((503, "", true)));
    check("HTTP/1.1 200 \r\nContent-Length: 3, 3\r\n\r\nabc", Ok((200, "abc", true)));
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", Ok((200, "abc", false)));
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Err("before the body"));
    for wrong in ["3, 4", "-3", "+3", "3x", "", "99999999999999999999"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {wrong}\r\n\r\nabc");
        check(&answer, Err("content length"));
    }
}

#[test]
fn chunks_end_a_body() {
    let chunked =
        |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    check(&chunked("3\r\nabc\r\n0\r\n\r\n"), Ok((200, "abc", true)));
    check(
        &chunked("1\r\na\r\n00A ;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"),
        Ok((200, "a0123456789", true)),
    );
    check(&chunked("0\r\nTrailer: x\r\nMore: y\r\n\r\n"), Ok((200, "", true)));
    check(&chunked("0\r\n\r\nHTTP"), Ok((200, "", false)));
    for cut in ["", "3", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "0\r\n", "0\r\nA: b\r\n"] {
        check(&chunked(cut), Err("before the body"));
    }
    for wrong in ["x\r\n", "\r\n", ";a\r\n", "3\nabc", "3\r\nabcd", "-1\r\n", "3\r\nabc\r\n0\r\n\n"]
    {
        check(&chunked(wrong), Err("malformed"));
    }
    check(&chunked("10000000000000000\r\n"), Err("too large"));
    check(&chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(20_000))), Err("too many"));
    check(&chunked(&format!("0\r\n{}\r\n", "T: u\r\n".repeat(9_000))), Err("too many"));
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
    check(&format!("{both}2\r\nab\r\n0\r\n\r\n"), Ok((200, "ab", false)));
    check("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Err("HTTP/1.0"));
}

#[test]
fn a_connection_ends_a_body() {
    check("HTTP/1.1 200 OK\r\n\r\nabc", Ok((200, "abc", false)));
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", Ok((200, "abc", false)));
    check("HTTP/1.1 204 No\r\n\r\n", Ok((204, "", true)));
    check("HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", Ok((304, "", true)));
}

#[test]
fn a_connection_may_be_used_again_or_not() {
    let with = |version: &str, more: &str| {
        format!("HTTP/{version} 200 OK\r\nContent-Length: 1\r\n{more}\r\n\r\na")
    };
    check(&with("1.1", "A: b"), Ok((200, "a", true)));
    check(&with("1.1", "Connection: x, Close"), Ok((200, "a", false)));
    check(&with("1.0", "A: b"), Ok((200, "a", false)));
    check(&with("1.0", "Connection: Keep-Alive"), Ok((200, "a", true)));
}

#[test]
fn heads_are_bounded_and_those_between_are_passed_over() {
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    let more = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n";
    check(&format!("{more}{good}"), Ok((200, "a", true)));
    check(&format!("{}{good}", more.repeat(5)), Err("interim"));
    check("HTTP/1.1 101 Switching\r\n\r\n", Err("protocol"));
    check("", Err("closed"));
    check("HTTP/1.1 200 OK\r\nA: b", Err("closed"));
    for wrong in ["SSH-2.0-x\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"] {
        assert!(block_on(read(wrong.as_bytes(), 100)).is_err(), "{wrong:?}");
    }
    let many = "A: b\r\n".repeat(HEADERS_MAX + 1);
    assert!(block_on(read(format!("HTTP/1.1 200 OK\r\n{many}\r\n").as_bytes(), 1000)).is_err());
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(2 * HEAD_BYTES_MAX));
    let error = block_on(read(long.as_bytes(), 8 << 10)).unwrap_err();
    assert!(error.contains("longer than"), "{error}");
}

#[tokio::test]
async fn a_request_is_written_whole() {
    for n_bytes in [0, 5, TOGETHER_BYTES_MAX, TOGETHER_BYTES_MAX + 1, 1 << 20] {
        // Little fits into the pipe, so that most writes are short.
        let (mut near, mut far) = tokio::io::duplex(1000);
        let body: Vec<u8> = (0..n_bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let request = request(Method::POST, body.clone().into());
        let head = b"POST /m?a=b HTTP/1.1\r\nhost: h\r\n\r\n";
        let serve = async {
            let mut seen = vec![0; head.len() + n_bytes];
            far.read_exact(&mut seen).await.unwrap();
            far.write_all(b"HTTP/1.1 204 OK\r\n\r\n").await.unwrap();
            seen
        };
        let (answer, seen) = tokio::join!(send(&mut near, &request), serve);
        assert!(answer.unwrap().is_reusable);
        assert!(seen == [&head[..], &body[..]].concat(), "{n_bytes} bytes");
    }
}

#[tokio::test]
async fn an_answer_counts_before_the_request_is_sent() {
    let (mut near, mut far) = tokio::io::duplex(1000);
    far.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let request = request(Method::POST, vec![0; 1 << 20].into());
    let answer = send(&mut near, &request).await.unwrap();
    assert_eq!((answer.head.status().as_u16(), answer.is_reusable), (413, false));
}

#[tokio::test]
async fn buffers_are_given_back() {
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    for n_bytes in [1, 10_000, 1 << 20, 3] {
        far.write_all(&vec![7; n_bytes]).await.unwrap();
        let mut n_read = 0;
        while n_read < n_bytes {
            let piece = poll_fn(|cx| poll_read(&mut near, cx)).await.unwrap();
            assert!(piece.iter().all(|&b| b == 7));
            n_read += piece.len();
        }
        assert_eq!(n_read, n_bytes);
    }
}

proptest! {
    /// Chunks of any sizes, read in pieces of any size, are the body; cut anywhere, they are none.
    #[test]
    fn chunks_are_the_body(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1_usize..40,
        step in 1_usize..50,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(size) {
            answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            answer.extend_from_slice(chunk);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        prop_assert_eq!(block_on(read(&answer, step)), Ok((200, body, true)));
        let cut = cut.index(answer.len());
        prop_assert!(block_on(read(&answer[..cut], step)).is_err());
    }

    /// Anything may come; how it is cut makes no difference.
    #[test]
    fn pieces_make_no_difference(
        head in "HTTP/1\\.[01] (200|204|100)( OK)?\r\n(content-length: [0-9]{1,2}\r\n){0,2}(transfer-encoding: (chunked|x)\r\n)?\r?\n?",
        body in "([0-9a-f;x ]{0,3}\r?\n?){0,5}",
        step in 1_usize..20,
    ) {
        let answer = format!("{head}{body}").into_bytes();
        let [whole, cut] = [answer.len(), step].map(|step| block_on(read(&answer, step)).ok());
        let read = read_answer(answer.chunks(step).map(Bytes::copy_from_slice)).ok();
        let read = read.map(|(status, body, is_reusable)| (status.as_u16(), body, is_reusable));
        prop_assert_eq!(&whole, &cut);
        prop_assert_eq!(whole, read);
    }
}
