//! One exposition, fetched for a tool that reads it like a file.

use crate::app::analyze::Fetched;
use crate::http::Client;
use crate::http::client::AskFor;
use crate::http::proxy::{ProxyRules, ProxySettings};
use crate::source::scrape::Exposition;
use crate::source::{ScrapeError, Scraper, Target, within};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::time::Instant;

/// Pieces fetched ahead of what is read.
const PIECES_AHEAD: usize = 4;

/// How to fetch.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Time for everything, the reader's included.
    pub time_max: Duration,
    /// Bytes of the decoded body.
    pub body_bytes_max: u64,
    /// Proxies, from the environment.
    pub proxies: ProxySettings,
}

type Piece = Result<Vec<u8>, ScrapeError>;

/// Ask `upstream` and hand its body on as it comes.
///
/// # Errors
///
/// As a scrape of it would fail; the same while the body is read.
pub fn fetch(upstream: &str, options: &FetchOptions) -> io::Result<Fetched> {
    let target = Target::parse(upstream).map_err(io::Error::other)?;
    let proxies = ProxyRules::new(&options.proxies).map_err(io::Error::other)?;
    let scraper = Scraper::new(Client::new(proxies), AskFor::Auto, options.body_bytes_max);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let deadline = Instant::now() + options.time_max;
    let exposition = runtime
        .block_on(async {
            let opened = scraper.open(&target, options.time_max);
            within(tokio::time::sleep_until(deadline), opened).await
        })
        .map_err(io::Error::other)?;
    let format = exposition.format;
    let (send, pieces) = sync_channel(PIECES_AHEAD);
    std::thread::spawn(move || runtime.block_on(hand_on(exposition, deadline, &send)));
    let body = FetchedBody { receiver: pieces, piece: Vec::new(), at: 0 };
    Ok(Fetched { format, body: Box::new(body) })
}

async fn hand_on(exposition: Exposition, deadline: Instant, send: &SyncSender<Piece>) {
    let reading = exposition.read(|piece| {
        // A reader that is gone ends the program soon, and with it this thread.
        send.send(Ok(piece.to_vec())).ok();
        Ok(())
    });
    if let Err(error) = within(tokio::time::sleep_until(deadline), reading).await {
        send.send(Err(error)).ok();
    }
}

/// Reads pieces as they arrive.
struct FetchedBody {
    receiver: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for FetchedBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.receiver.recv() {
                Ok(piece) => self.piece = piece.map_err(io::Error::other)?,
                Err(_) => return Ok(0),
            }
            self.at = 0;
        }
        let n_bytes = buffer.len().min(self.piece.len() - self.at);
        buffer[..n_bytes].copy_from_slice(&self.piece[self.at..self.at + n_bytes]);
        self.at += n_bytes;
        Ok(n_bytes)
    }
}
